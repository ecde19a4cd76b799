/* Vectors in memory are a copy of those in SQLite: from the snapshot where that is whole, of this
 * embedder and nearly up to date, else read anew. Which ids the snapshot holds is compared with
 * SQLite at every start. Within the history of one database passage ids are never used again, so an
 * id that is in both has the same vector. A database that was restored from a backup gives ids
 * again: a snapshot of a later generation than the database's is of a history that was undone, and
 * is removed before the first new id is given.
 *
 * Training inverted lists takes a second per 100,000 vectors or so: a start without a snapshot
 * begins exact, and index_maintain trains afterwards; only far above that, where exact vectors
 * would not fit in memory, it trains at once. */
#include "search/index_internal.h"

#include "base/file.h"
#include "base/log.h"
#include "search/snapshot.h"

#include <string.h>

enum { BATCH = 1024, MAX_EXACT = 200000, RETRAIN_GROWTH = 4 };
/* Exact vectors this many times over their limit do not wait for quiet: 100 MB by default. */
enum { PRESSING_GROWTH = 5 };

/* ---- reading vectors out of the store, many at a time ---- */

typedef struct Batch {
    Vectors *vectors;
    size_t dim, n;
    int64_t ids[BATCH];
    float *x; /* f32 [BATCH, dim] */
    size_t n_total, n_expected;
    void (*progress)(void *context, const char *stage, double ratio);
    void *context;
    Err *err;
} Batch;

static Status batch_flush(Batch *b) {
    TRY(vectors_add(b->vectors, b->ids, b->x, b->n, b->err));
    b->n_total += b->n;
    b->n = 0;
    if (b->progress && b->n_expected) {
        b->progress(b->context, "vectors", MIN(1.0, (double)b->n_total / (double)b->n_expected));
    }
    return STATUS_OK;
}

static Status batch_take(void *context, int64_t passage, Slice vector) {
    Batch *b = context;
    if (vector.n != b->dim) {
        return err_set(b->err, STATUS_DAMAGED, "vector of passage %lld has %zu bytes, not %zu",
                       (long long)passage, vector.n, b->dim);
    }
    embedder_unpack((const int8_t *)vector.p, b->dim, b->x + b->n * b->dim);
    b->ids[b->n++] = passage;
    return b->n == BATCH ? batch_flush(b) : STATUS_OK;
}

/* ---- building ---- */

/* Evenly over all passages: old ones speak of other things than new ones. */
typedef struct Sample {
    size_t dim, n_expected, seen, n, capacity;
    float *x; /* f32 [capacity, dim] */
} Sample;

static Status sample_take(void *context, int64_t passage, Slice vector) {
    (void)passage;
    Sample *s = context;
    size_t i = s->seen++;
    bool is_next = (i + 1) * s->capacity / s->n_expected > i * s->capacity / s->n_expected;
    if (!is_next || s->n == s->capacity || vector.n != s->dim) return STATUS_OK;
    embedder_unpack((const int8_t *)vector.p, s->dim, s->x + s->n++ * s->dim);
    return STATUS_OK;
}

/* n: passages there are; NULL where too few of them have a vector to train on. */
static Status train(Store *store, int64_t row, size_t dim, size_t n, Vectors **ret, Err *err) {
    size_t wanted = vectors_lists_for(n) * VECTORS_SAMPLE_PER_LIST;
    Sample s = { .dim = dim, .n_expected = n, .capacity = MIN(n, wanted) };
    AUTO_FREE float *x = mem_alloc(s.capacity * dim, sizeof *x);
    if (!x) return err_set(err, STATUS_NO_MEMORY, "out of memory for training vectors");
    s.x = x;
    TRY(store_vectors_each(store, row, 0, sample_take, &s, err));
    *ret = NULL;
    return s.n < VECTORS_MIN_SAMPLE ? STATUS_OK : vectors_new_ivf(dim, n, x, s.n, ret, err);
}

Status index_build_vectors(Store *store, int64_t row, size_t dim, bool ivf,
                           void (*progress)(void *context, const char *stage, double ratio),
                           void *context, Vectors **ret, Err *err) {
    StoreCounts counts;
    TRY(store_counts(store, &counts, err));
    Vectors *vectors = NULL;
    if (ivf && counts.n_passages) {
        if (progress) progress(context, "training", 0);
        TRY(train(store, row, dim, counts.n_passages, &vectors, err));
    }
    if (!vectors) TRY(vectors_new_flat(dim, &vectors, err));
    Batch b = { .vectors = vectors,
                .dim = dim,
                .n_expected = counts.n_passages,
                .progress = progress,
                .context = context,
                .err = err };
    b.x = mem_alloc(BATCH * dim, sizeof *b.x);
    Status status = b.x ? store_vectors_each(store, row, 0, batch_take, &b, err)
                        : err_set(err, STATUS_NO_MEMORY, "out of memory for vectors");
    if (status == STATUS_OK) status = batch_flush(&b);
    free(b.x);
    if (status != STATUS_OK) {
        vectors_free(vectors);
        return status;
    }
    *ret = vectors;
    return STATUS_OK;
}

static bool lists_are_long(Vectors *vectors, size_t n) {
    return vectors_lists_for(n / RETRAIN_GROWTH) > vectors_lists(vectors);
}

bool index_wants_ivf(const Index *index, Vectors *vectors) {
    size_t n = vectors_count(vectors);
    if (n <= index->options.flat_max_vectors || n < VECTORS_MIN_SAMPLE) return false;
    if (vectors_kind(vectors) == VECTORS_FLAT) return true;
    /* Lists grow with n, their number does not: train again where they have become long. */
    return lists_are_long(vectors, n);
}

bool index_presses_ivf(const Index *index, Vectors *vectors) {
    return index_wants_ivf(index, vectors) &&
           (vectors_kind(vectors) == VECTORS_IVF ||
            vectors_count(vectors) / PRESSING_GROWTH > index->options.flat_max_vectors);
}

/* ---- comparing with the store ---- */

typedef struct Reconcile {
    Batch batch;
    const int64_t *have; /* ascending */
    size_t n_have, at;
    int64_t *gone;
    size_t n_gone;
    size_t n_added;
} Reconcile;

static Status reconcile_take(void *context, int64_t passage, Slice vector) {
    Reconcile *r = context;
    while (r->at < r->n_have && r->have[r->at] < passage) r->gone[r->n_gone++] = r->have[r->at++];
    if (r->at < r->n_have && r->have[r->at] == passage) {
        r->at++;
        return STATUS_OK;
    }
    r->n_added++;
    return batch_take(&r->batch, passage, vector);
}

static Status reconcile(Store *store, int64_t row, Reconcile *r, Err *err) {
    TRY(store_vectors_each(store, row, 0, reconcile_take, r, err));
    while (r->at < r->n_have) r->gone[r->n_gone++] = r->have[r->at++];
    TRY(batch_flush(&r->batch));
    return vectors_remove(r->batch.vectors, r->gone, r->n_gone, err);
}

Status index_reconcile_vectors(Store *store, int64_t row, Vectors *vectors, size_t *ret_n_changes,
                               Err *err) {
    size_t dim = vectors_dim(vectors), n_have = 0;
    AUTO_FREE int64_t *have = NULL;
    TRY(vectors_ids(vectors, &have, &n_have, err));
    AUTO_FREE int64_t *gone = mem_alloc(n_have, sizeof *gone);
    AUTO_FREE float *x = mem_alloc(BATCH * dim, sizeof *x);
    if (!gone || !x) return err_set(err, STATUS_NO_MEMORY, "out of memory for vectors");
    Reconcile r = { .batch = { .vectors = vectors, .dim = dim, .x = x, .err = err },
                    .have = have,
                    .n_have = n_have,
                    .gone = gone };
    TRY(reconcile(store, row, &r, err));
    *ret_n_changes = r.n_added + r.n_gone;
    return STATUS_OK;
}

typedef struct Verify {
    const int64_t *have;
    size_t n_have, at;
    Err *err;
} Verify;

static Status verify_take(void *context, int64_t passage, Slice vector) {
    (void)vector;
    Verify *v = context;
    if (v->at < v->n_have && v->have[v->at] == passage) {
        v->at++;
        return STATUS_OK;
    }
    return v->at < v->n_have && v->have[v->at] < passage
               ? err_set(v->err, STATUS_DAMAGED,
                         "vector of passage %lld is in memory, but not in the store",
                         (long long)v->have[v->at])
               : err_set(v->err, STATUS_DAMAGED,
                         "vector of passage %lld is in the store, but not in memory",
                         (long long)passage);
}

Status index_verify_vectors(Store *store, int64_t row, Vectors *vectors, Err *err) {
    Verify v = { .err = err };
    AUTO_FREE int64_t *have = NULL;
    TRY(vectors_ids(vectors, &have, &v.n_have, err));
    v.have = have;
    TRY(store_vectors_each(store, row, 0, verify_take, &v, err));
    if (v.at == v.n_have) return STATUS_OK;
    return err_set(err, STATUS_DAMAGED, "vector of passage %lld is in memory, but not in the store",
                   (long long)v.have[v.at]);
}

/* ---- at open ---- */

/* The snapshot as it is, if it can be of this database. NOT_FOUND. */
static Status read_snapshot(Index *index, const StoreCounts *counts, SnapshotInfo *ret_info,
                            Vectors **ret, Err *err) {
    const Embedder *embedder = index->live.embedder->embedder;
    SnapshotInfo info = { 0 };
    Vectors *vectors = NULL;
    TRY(snapshot_read(index->snapshot_path, embedder->name, embedder->dim, &info, &vectors, err));
    if (info.generation <= (uint64_t)counts->generation) {
        *ret_info = info;
        *ret = vectors;
        return STATUS_OK;
    }
    vectors_free(vectors);
    return err_set(err, STATUS_CONFLICT, "%s: of generation %llu, the database of %lld",
                   index->snapshot_path, (unsigned long long)info.generation,
                   (long long)counts->generation);
}

static Status load_snapshot(Index *index, Store *store, const StoreCounts *counts, Vectors **ret,
                            Err *err) {
    SnapshotInfo info = { 0 };
    Vectors *vectors = NULL;
    TRY(read_snapshot(index, counts, &info, &vectors, err));
    size_t n_changes = 0;
    Status status =
        index_reconcile_vectors(store, index->live.embedder->row, vectors, &n_changes, err);
    if (status != STATUS_OK) {
        vectors_free(vectors);
        return status;
    }
    if (n_changes) {
        log_line(LOG_INFO, "vectors: snapshot of generation %llu brought up to date, %zu changes",
                 (unsigned long long)info.generation, n_changes);
    }
    /* n_changes is 0 at open: the snapshot is old where it needed changes. */
    index->snapshot_changes = n_changes ? UINT64_MAX : 0;
    *ret = vectors;
    return STATUS_OK;
}

/* One that is whole, but of something else, must not be found by a later start, when the database
 * may look like it. */
static Status drop_snapshot(const Index *index, Status why, Err *err) {
    if (!index->writer || why != STATUS_CONFLICT) return STATUS_OK;
    Status status = file_remove(index->snapshot_path, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

Status index_load_vectors(Index *index, Store *store,
                          void (*progress)(void *context, const char *stage, double ratio),
                          void *context, Err *err) {
    Err why = { 0 };
    StoreCounts counts;
    TRY(store_counts(store, &counts, err));
    index->snapshot_changes = UINT64_MAX;
    Status status = load_snapshot(index, store, &counts, &index->live.vectors, &why);
    if (status == STATUS_OK) return STATUS_OK;
    if (status != STATUS_NOT_FOUND) {
        log_line(LOG_NOTICE, "vectors: built anew from the database: %s", why.text);
        TRY(drop_snapshot(index, status, err));
    }
    bool ivf = counts.n_passages > MAX_EXACT && counts.n_passages > index->options.flat_max_vectors;
    return index_build_vectors(store, index->live.embedder->row,
                               index->live.embedder->embedder->dim, ivf, progress, context,
                               &index->live.vectors, err);
}

static int64_t largest_id(const int64_t *ids, size_t n) {
    return n ? ids[n - 1] : 0;
}

Status index_write_snapshot(Index *index, Err *err) {
    StoreCounts counts;
    TRY(store_counts(index->writer, &counts, err));
    AUTO_FREE int64_t *ids = NULL;
    size_t n = 0;
    TRY(vectors_ids(index->live.vectors, &ids, &n, err));
    SnapshotInfo info = { .generation = (uint64_t)counts.generation,
                          .n_vectors = n,
                          .max_id = largest_id(ids, n) };
    memcpy(info.embedder, index->live.embedder->embedder->name,
           strlen(index->live.embedder->embedder->name));
    TRY(snapshot_write(index->snapshot_path, &info, index->live.vectors, err));
    index->snapshot_changes = index->n_changes;
    return STATUS_OK;
}
