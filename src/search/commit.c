/* The part of adding that one thread does at a time: one transaction for all, then the vectors in
 * memory, then the answer. New vectors go in before old ones go out: where one transaction replaces
 * a document that it added itself, the first version's passages are on both lists.
 *
 * A transaction that is durable is never reported as a failure: where memory runs out behind it,
 * the vectors are marked as stale and compared with the store by the next index_maintain. */
#include "search/index_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

typedef struct AddedList {
    FonteAddedList list; /* first: what the caller holds */
    Arena arena;
} AddedList;

/* What a transaction did to passages. */
typedef struct Change {
    StoreIds removed;
    int64_t *ids; /* of new passages */
    const int8_t **vectors;
    size_t n, ids_capacity, vectors_capacity;
} Change;

static void change_deinit(Change *change) {
    free(change->removed.ids);
    free(change->ids);
    free(change->vectors);
}

FonteAddedList *index_added_free(FonteAddedList *added) {
    if (!added) return NULL;
    AddedList *own = (AddedList *)added;
    arena_deinit(&own->arena);
    free(own);
    return NULL;
}

static Status note_passages(Change *change, const StoreDocument *document, int64_t first,
                            Err *err) {
    size_t n = change->n + document->n_passages;
    if (!mem_grow((void **)&change->ids, &change->ids_capacity, n, sizeof *change->ids) ||
        !mem_grow((void **)&change->vectors, &change->vectors_capacity, n,
                  sizeof *change->vectors)) {
        return err_set(err, STATUS_NO_MEMORY, "out of memory for %zu passages", n);
    }
    for (size_t i = 0; i < document->n_passages; i++) {
        change->ids[change->n] = first + (int64_t)i;
        change->vectors[change->n++] = (const int8_t *)document->passages[i].vector.p;
    }
    return STATUS_OK;
}

static Status describe_added(const PreparedDocument *d, const StorePut *put, bool duplicate,
                             Arena *arena, FonteAdded *ret, Err *err) {
    char hex[HASH_HEX_BYTES];
    hash_hex(&d->document.version, hex);
    *ret = (FonteAdded){ .id = arena_string(arena, slice_of(put->id)),
                         .version = arena_string(arena, slice_of(hex)),
                         .language = arena_string(arena, d->document.language),
                         .title = arena_string(arena, d->document.title),
                         .n_passages = d->document.n_passages,
                         .duplicate = duplicate,
                         .replaced = put->replaced };
    if (ret->id && ret->version && ret->language && ret->title) return STATUS_OK;
    return err_set(err, STATUS_NO_MEMORY, "out of memory for the answer");
}

/* Parts that a container had before and has no longer. One may have been removed by itself: only a
 * long gap is the end. */
static Status remove_old_parts(Store *store, const IndexPrepared *p, Change *change, Err *err) {
    enum { GAP = 64 };
    AUTO_ARENA Arena arena = ARENA_NULL;
    Slice collection = p->documents[0].document.collection;
    for (size_t number = p->n_parts + 1, end = number + GAP; number < end; number++) {
        const char *key = index_part_key(&arena, p->container, number);
        if (!key) return err_set(err, STATUS_NO_MEMORY, "out of memory");
        char id[STORE_ID_BYTES];
        TRY(store_document_id(collection, slice_of(key), id, err));
        Status status = store_delete(store, id, &change->removed, err);
        if (status == STATUS_NOT_FOUND) continue;
        TRY(status);
        end = number + 1 + GAP;
    }
    return STATUS_OK;
}

static Status put_prepared(Store *store, const IndexPrepared *p, Change *change,
                           FonteAddedList **ret, Err *err) {
    AddedList *own = mem_alloc(1, sizeof *own);
    if (!own) return err_set(err, STATUS_NO_MEMORY, "out of memory for the answer");
    *ret = &own->list; /* the caller frees it on failure too */
    own->list.added = arena_alloc(&own->arena, p->n_documents, sizeof *own->list.added);
    own->list.skipped = arena_string(&own->arena, slice_of(p->docs.skipped));
    if (!own->list.added || !own->list.skipped) {
        return err_set(err, STATUS_NO_MEMORY, "out of memory for the answer");
    }
    own->list.n_skipped = p->docs.n_skipped;
    for (size_t i = 0; i < p->n_documents; i++) {
        const PreparedDocument *d = &p->documents[i];
        StorePut put = { 0 };
        Status status = store_put(store, &d->document, &put, &change->removed, err);
        if (status != STATUS_OK && status != STATUS_UNCHANGED) return status;
        if (status == STATUS_OK) {
            TRY(note_passages(change, &d->document, put.first_passage, err));
        }
        TRY(describe_added(d, &put, status == STATUS_UNCHANGED, &own->arena, &own->list.added[i],
                           err));
        own->list.n_added = i + 1;
    }
    return p->container ? remove_old_parts(store, p, change, err) : STATUS_OK;
}

static Status put_all(Store *store, IndexPrepared *const *prepared, size_t n, Change *change,
                      FonteAddedList **added, Err *err) {
    TRY(store_begin(store, err));
    Status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < n; i++) {
        status = put_prepared(store, prepared[i], change, &added[i], err);
    }
    if (status == STATUS_OK) status = store_commit(store, err);
    if (status != STATUS_OK) store_rollback(store);
    return status;
}

/* ---- vectors in memory ---- */

static Status add_vectors(Vectors *vectors, const Change *change, Err *err) {
    enum { BATCH = 1024 };
    size_t dim = vectors_dim(vectors);
    AUTO_FREE float *x = mem_alloc(MIN(change->n, BATCH) * dim, sizeof *x);
    if (!x) return err_set(err, STATUS_NO_MEMORY, "out of memory for vectors");
    for (size_t start = 0; start < change->n; start += BATCH) {
        size_t n = MIN(change->n - start, BATCH);
        for (size_t i = 0; i < n; i++) {
            embedder_unpack(change->vectors[start + i], dim, x + i * dim);
        }
        TRY(vectors_add(vectors, change->ids + start, x, n, err));
    }
    return STATUS_OK;
}

static void follow(Index *index, const Change *change) {
    Err err = { 0 };
    Status status = add_vectors(index->live.vectors, change, &err);
    if (status == STATUS_OK) {
        status = vectors_remove(index->live.vectors, change->removed.ids, change->removed.n, &err);
    }
    if (status != STATUS_OK) {
        log_line(LOG_ERROR, "vectors: behind the database until the next maintenance: %s",
                 err.text);
        index->vectors_stale = true;
    }
    index->n_changes++;
    index->last_commit_us = clock_us();
    index->checkpoint_due = true;
}

/* ---- the interface ---- */

/* The embedder may have been switched since the input was prepared. */
static Status embed_again_where_needed(Index *index, IndexPrepared *const *prepared, size_t n,
                                       Err *err) {
    for (size_t i = 0; i < n; i++) {
        if (prepared[i]->embedder_row == index->live.embedder->row) continue;
        IndexScratch *scratch = index_scratch_take(index, err);
        if (!scratch) return STATUS_NO_MEMORY;
        Status status = index_prepared_embed(prepared[i], scratch, index->live.embedder, err);
        index_scratch_give(index, scratch);
        TRY(status);
    }
    return STATUS_OK;
}

static Status commit_locked(Index *index, IndexPrepared *const *prepared, size_t n,
                            FonteAddedList **added, Err *err) {
    CLEANUP(change_deinit) Change change = { 0 };
    TRY(embed_again_where_needed(index, prepared, n, err));
    TRY(put_all(index->writer, prepared, n, &change, added, err));
    if (change.n || change.removed.n) follow(index, &change);
    return STATUS_OK;
}

static Status need_writer(const Index *index, Err *err) {
    if (index->writer) return STATUS_OK;
    return err_set(err, STATUS_DENIED, "the index is opened for reading only");
}

Status index_commit(Index *index, IndexPrepared *const *prepared, size_t n,
                    FonteAddedList **ret_added, Err *err) {
    TRY(need_writer(index, err));
    if (n == 0) return STATUS_OK;
    FonteAddedList **added = mem_alloc(n, sizeof *added);
    if (!added) return err_set(err, STATUS_NO_MEMORY, "out of memory for the answer");
    pthread_mutex_lock(&index->write_lock);
    Status status = commit_locked(index, prepared, n, added, err);
    pthread_mutex_unlock(&index->write_lock);
    for (size_t i = 0; i < n; i++) {
        if (status == STATUS_OK) {
            ret_added[i] = added[i];
        } else {
            index_added_free(added[i]);
        }
    }
    free(added);
    return status;
}

Status index_add(Index *index, const IndexInput *input, FonteAddedList **ret, Err *err) {
    TRY(need_writer(index, err));
    IndexPrepared *prepared;
    TRY(index_prepare(index, input, &prepared, err));
    Status status = index_commit(index, &prepared, 1, ret, err);
    index_prepared_free(prepared);
    return status;
}

static Status remove_locked(Index *index, const char *id, Err *err) {
    CLEANUP(change_deinit) Change change = { 0 };
    TRY(store_begin(index->writer, err));
    Status status = store_delete(index->writer, id, &change.removed, err);
    if (status == STATUS_OK) status = store_commit(index->writer, err);
    if (status != STATUS_OK) {
        store_rollback(index->writer);
        return status;
    }
    follow(index, &change);
    return STATUS_OK;
}

Status index_remove(Index *index, const char *id, Err *err) {
    TRY(need_writer(index, err));
    pthread_mutex_lock(&index->write_lock);
    Status status = remove_locked(index, id, err);
    pthread_mutex_unlock(&index->write_lock);
    return status;
}
