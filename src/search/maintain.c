/* Background work, one step a call: what is most wrong first. Nothing here is needed for a right
 * answer; it makes the next answers or the next start quicker, or moves the index to another
 * embedder while the old one serves.
 *
 * Building vectors aside: they are read on a connection of the pool while commits go on, and
 * brought up to date under write_lock just before they take over. */
#include "search/index_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    EMBED_STEP = 256,         /* passages embedded in one step */
    DROP_STEP = 2000,         /* old vectors dropped in one step */
    QUIET_US = 2000000,       /* without commits, before a snapshot is written */
    SNAPSHOT_CHANGES = 10000, /* commits after which it is written even so */
};

/* ---- embedding ---- */

typedef struct Step {
    Arena arena;
    StoreUnembedded *passages;
    size_t n;
    int8_t *vectors; /* [n, dim] */
} Step;

static void step_deinit(Step *step) {
    arena_deinit(&step->arena);
}

static Status embed_step(Index *index, Store *store, const IndexEmbedder *embedder, Step *step,
                         Err *err) {
    TRY(store_unembedded(store, embedder->row, index->building_after, EMBED_STEP, &step->arena,
                         &step->passages, &step->n, err));
    size_t dim = embedder->embedder->dim;
    step->vectors = arena_alloc(&step->arena, MAX(step->n, 1), dim);
    if (!step->vectors) return err_set(err, STATUS_NO_MEMORY, "out of memory to embed");
    IndexScratch *scratch = index_scratch_take(index, err);
    if (!scratch) return STATUS_NO_MEMORY;
    Status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < step->n; i++) {
        EmbedText text = { .text = step->passages[i].text,
                           .title = step->passages[i].title,
                           .heading = step->passages[i].heading,
                           .language = step->passages[i].language };
        status = index_embed(scratch, embedder->embedder, &text, step->vectors + i * dim, err);
    }
    index_scratch_give(index, scratch);
    return status;
}

static Status put_step_locked(Index *index, const IndexEmbedder *embedder, const Step *step,
                              Err *err) {
    size_t dim = embedder->embedder->dim;
    TRY(store_begin(index->writer, err));
    Status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < step->n; i++) {
        Slice vector = { (char *)step->vectors + i * dim, dim };
        status =
            store_vector_put(index->writer, embedder->row, step->passages[i].passage, vector, err);
    }
    if (status == STATUS_OK) status = store_commit(index->writer, err);
    if (status != STATUS_OK) store_rollback(index->writer);
    return status;
}

static void note_step(Index *index, const Step *step) {
    index->n_built += step->n;
    if (step->n) index->building_after = step->passages[step->n - 1].passage;
}

/* ---- putting vectors in the place of others ---- */

static void swap_live(Index *index, IndexEmbedder *embedder, Vectors *vectors) {
    pthread_rwlock_wrlock(&index->live_lock);
    IndexLive old = index->live;
    index->live = (IndexLive){ embedder, vectors };
    pthread_rwlock_unlock(&index->live_lock);
    vectors_free(old.vectors);
    index_embedder_unref(old.embedder);
    index->n_changes++;
}

/* Vectors of the embedder, built aside. */
static Status build_aside(Index *index, const IndexEmbedder *embedder, bool ivf, Vectors **ret,
                          Err *err) {
    Store *reader = index_reader_take(index);
    Status status = index_build_vectors(reader, embedder->row, embedder->embedder->dim, ivf, NULL,
                                        NULL, ret, err);
    index_reader_give(index, reader);
    return status;
}

static Status catch_up_locked(Index *index, const IndexEmbedder *embedder, Vectors *vectors,
                              Err *err) {
    size_t n_changes;
    return index_reconcile_vectors(index->writer, embedder->row, vectors, &n_changes, err);
}

/* The same embedder's vectors in another form. */
static Status rebuild(Index *index, bool ivf, Err *err) {
    IndexEmbedder *embedder = index_embedder_live(index);
    Vectors *vectors = NULL;
    int64_t start = clock_us();
    Status status = build_aside(index, embedder, ivf, &vectors, err);
    if (status == STATUS_OK) {
        pthread_mutex_lock(&index->write_lock);
        status = catch_up_locked(index, embedder, vectors, err);
        if (status == STATUS_OK) {
            size_t n = vectors_count(vectors);
            swap_live(index, embedder, STEAL(vectors));
            embedder = NULL;
            log_line(LOG_INFO, "vectors: %zu in %s form, built in %.1f s", n,
                     ivf ? "ivf-sq8" : "flat", (double)(clock_us() - start) / 1e6);
        }
        pthread_mutex_unlock(&index->write_lock);
    }
    vectors_free(vectors);
    index_embedder_unref(embedder);
    return status;
}

/* ---- moving to the next embedder ---- */

/* With commits held off: the passages that came meanwhile, then the store's mind, then memory's. */
static Status finish_switch_locked(Index *index, Vectors *vectors, Err *err) {
    IndexEmbedder *next = index->building;
    for (;;) {
        CLEANUP(step_deinit) Step step = { 0 };
        TRY(embed_step(index, index->writer, next, &step, err));
        if (step.n == 0) break;
        TRY(put_step_locked(index, next, &step, err));
        note_step(index, &step);
    }
    TRY(catch_up_locked(index, next, vectors, err));
    TRY(store_begin(index->writer, err));
    Status status = store_embedder_set_current(index->writer, next->row, err);
    if (status == STATUS_OK) status = store_commit(index->writer, err);
    if (status != STATUS_OK) store_rollback(index->writer);
    return status;
}

static Status finish_switch(Index *index, Err *err) {
    Vectors *vectors = NULL;
    StoreCounts counts;
    Store *reader = index_reader_take(index);
    Status status = store_counts(reader, &counts, err);
    index_reader_give(index, reader);
    TRY(status);
    bool ivf = counts.n_passages > index->options.flat_max_vectors;
    TRY(build_aside(index, index->building, ivf, &vectors, err));
    pthread_mutex_lock(&index->write_lock);
    status = finish_switch_locked(index, vectors, err);
    if (status == STATUS_OK) {
        log_line(LOG_NOTICE, "embedder \"%s\" serves now", index->building->embedder->name);
        swap_live(index, STEAL(index->building), STEAL(vectors));
        pthread_rwlock_wrlock(&index->live_lock);
        index->building_name[0] = '\0';
        pthread_rwlock_unlock(&index->live_lock);
        index->drop_due = true;
    }
    pthread_mutex_unlock(&index->write_lock);
    vectors_free(vectors);
    return status;
}

/* Gaps of the embedder that serves were filled: memory follows. */
static Status finish_filling(Index *index, Err *err) {
    pthread_mutex_lock(&index->write_lock);
    Status status = catch_up_locked(index, index->live.embedder, index->live.vectors, err);
    index->n_changes++;
    pthread_mutex_unlock(&index->write_lock);
    if (status == STATUS_OK) index->building = index_embedder_unref(index->building);
    return status;
}

static Status step_building(Index *index, Err *err) {
    CLEANUP(step_deinit) Step step = { 0 };
    Store *reader = index_reader_take(index);
    Status status = embed_step(index, reader, index->building, &step, err);
    index_reader_give(index, reader);
    TRY(status);
    if (step.n == 0) {
        IndexEmbedder *live = index_embedder_live(index);
        bool filling = live->row == index->building->row;
        index_embedder_unref(live);
        return filling ? finish_filling(index, err) : finish_switch(index, err);
    }
    pthread_mutex_lock(&index->write_lock);
    status = put_step_locked(index, index->building, &step, err);
    pthread_mutex_unlock(&index->write_lock);
    TRY(status);
    note_step(index, &step);
    index->checkpoint_due = true;
    return STATUS_OK;
}

/* ---- the rest ---- */

static Status checkpoint(Index *index, Err *err) {
    pthread_mutex_lock(&index->write_lock);
    index->checkpoint_due = false;
    Status status = store_checkpoint(index->writer, err);
    pthread_mutex_unlock(&index->write_lock);
    return status;
}

static Status repair(Index *index, Err *err) {
    pthread_mutex_lock(&index->write_lock);
    Status status = catch_up_locked(index, index->live.embedder, index->live.vectors, err);
    if (status == STATUS_OK) index->vectors_stale = false;
    pthread_mutex_unlock(&index->write_lock);
    return status;
}

/* UNCHANGED where none were left. */
static Status drop_old(Index *index, Err *err) {
    pthread_mutex_lock(&index->write_lock);
    Status status = store_begin(index->writer, err);
    if (status == STATUS_OK) {
        Status dropped =
            store_vectors_drop_others(index->writer, index->live.embedder->row, DROP_STEP, err);
        status = dropped == STATUS_OK || dropped == STATUS_UNCHANGED
                     ? store_commit(index->writer, err)
                     : dropped;
        if (status != STATUS_OK) store_rollback(index->writer);
        if (status == STATUS_OK && dropped == STATUS_UNCHANGED) {
            index->drop_due = false;
            status = STATUS_UNCHANGED;
        }
    }
    pthread_mutex_unlock(&index->write_lock);
    return status;
}

static bool snapshot_due(const Index *index) {
    uint64_t n_changes = index->n_changes, taken = index->snapshot_changes;
    if (n_changes == taken) return false;
    if (clock_us() - index->last_commit_us >= QUIET_US) return true;
    return taken != UINT64_MAX && n_changes - taken >= SNAPSHOT_CHANGES;
}

static Status snapshot(Index *index, Err *err) {
    pthread_mutex_lock(&index->write_lock);
    Status status = index_write_snapshot(index, err);
    pthread_mutex_unlock(&index->write_lock);
    return status;
}

static int form_wanted(Index *index) {
    pthread_rwlock_rdlock(&index->live_lock);
    bool wants = index_wants_ivf(index, index->live.vectors);
    pthread_rwlock_unlock(&index->live_lock);
    return wants;
}

bool index_is_pressed(Index *index) {
    if (!index->writer) return false;
    pthread_rwlock_rdlock(&index->live_lock);
    bool presses = index_presses_ivf(index, index->live.vectors);
    pthread_rwlock_unlock(&index->live_lock);
    return presses;
}

static Status step(Index *index, Err *err) {
    if (index_is_pressed(index)) return rebuild(index, true, err);
    if (index->checkpoint_due) return checkpoint(index, err);
    if (index->vectors_stale) return repair(index, err);
    if (index->building) return step_building(index, err);
    if (form_wanted(index)) return rebuild(index, true, err);
    if (index->drop_due) {
        Status status = drop_old(index, err);
        if (status != STATUS_UNCHANGED) return status;
    }
    if (snapshot_due(index)) return snapshot(index, err);
    return STATUS_UNCHANGED;
}

Status index_maintain(Index *index, Err *err) {
    if (!index->writer) return STATUS_UNCHANGED;
    pthread_mutex_lock(&index->maintain_lock);
    Status status = step(index, err);
    pthread_mutex_unlock(&index->maintain_lock);
    return status;
}
