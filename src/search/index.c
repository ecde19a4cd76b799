/* An index opened, its pools, and what it passes on to the store. Threading model: see
 * index_internal.h. */
#include "search/index_internal.h"

#include "base/file.h"
#include "base/log.h"
#include "search/terms_tokenizer.h"
#include "text/reader.h"

#include <stdio.h>
#include <string.h>

enum { MAX_READERS = 256 };

/* ---- pools ---- */

Store *index_reader_take(Index *index) {
    pthread_mutex_lock(&index->pool_lock);
    while (index->n_free == 0) pthread_cond_wait(&index->pool_free, &index->pool_lock);
    Store *reader = index->readers[--index->n_free];
    pthread_mutex_unlock(&index->pool_lock);
    return reader;
}

void index_reader_give(Index *index, Store *reader) {
    pthread_mutex_lock(&index->pool_lock);
    index->readers[index->n_free++] = reader;
    pthread_cond_signal(&index->pool_free);
    pthread_mutex_unlock(&index->pool_lock);
}

static void scratch_free(IndexScratch *scratch) {
    if (!scratch) return;
    if (scratch->embedder) scratch->free_embedder(scratch->embedder);
    store_terms_free(scratch->terms);
    text_terms_free(scratch->words);
    free(scratch);
}

IndexScratch *index_scratch_take(Index *index, Err *err) {
    pthread_mutex_lock(&index->pool_lock);
    IndexScratch *scratch = index->scratches;
    if (scratch) index->scratches = scratch->next;
    pthread_mutex_unlock(&index->pool_lock);
    if (scratch) return scratch;
    scratch = mem_alloc(1, sizeof *scratch);
    if (scratch) scratch->terms = store_terms_new(terms_tokenizer());
    if (scratch) scratch->words = text_terms_new();
    if (scratch && scratch->terms && scratch->words) return scratch;
    scratch_free(scratch);
    (void)err_set(err, STATUS_NO_MEMORY, "out of memory for reading text");
    return NULL;
}

void index_scratch_give(Index *index, IndexScratch *scratch) {
    if (!scratch) return;
    pthread_mutex_lock(&index->pool_lock);
    scratch->next = index->scratches;
    index->scratches = scratch;
    pthread_mutex_unlock(&index->pool_lock);
}

Status index_scratch_embedder(IndexScratch *scratch, const Embedder *embedder, void **ret,
                              Err *err) {
    if (scratch->embedder && strcmp(scratch->embedder_name, embedder->name) != 0) {
        scratch->free_embedder(scratch->embedder);
        scratch->embedder = NULL;
    }
    if (!scratch->embedder) {
        scratch->embedder = embedder->new_scratch(embedder);
        if (!scratch->embedder) return err_set(err, STATUS_NO_MEMORY, "out of memory to embed");
        scratch->free_embedder = embedder->free_scratch;
        snprintf(scratch->embedder_name, sizeof scratch->embedder_name, "%s", embedder->name);
    }
    *ret = scratch->embedder;
    return STATUS_OK;
}

void index_scratches_free(Index *index) {
    while (index->scratches) {
        IndexScratch *scratch = index->scratches;
        index->scratches = scratch->next;
        scratch_free(scratch);
    }
}

/* ---- embedders ---- */

Status index_embedder_new(Embedder *embedder, int64_t row, IndexEmbedder **ret, Err *err) {
    IndexEmbedder *e = mem_alloc(1, sizeof *e);
    if (!e) return err_set(err, STATUS_NO_MEMORY, "out of memory for the embedder");
    e->embedder = embedder;
    e->row = row;
    e->n_refs = 1;
    *ret = e;
    return STATUS_OK;
}

IndexEmbedder *index_embedder_unref(IndexEmbedder *embedder) {
    if (embedder && atomic_fetch_sub(&embedder->n_refs, 1) == 1) {
        embedder->embedder->free(embedder->embedder);
        free(embedder);
    }
    return NULL;
}

IndexEmbedder *index_embedder_live(Index *index) {
    pthread_rwlock_rdlock(&index->live_lock);
    IndexEmbedder *embedder = index->live.embedder;
    atomic_fetch_add(&embedder->n_refs, 1);
    pthread_rwlock_unlock(&index->live_lock);
    return embedder;
}

/* ---- opening ---- */

static Status open_stores(Index *index, Err *err) {
    StoreOptions options = { .tokenizer = terms_tokenizer() };
    if (!index->options.read_only) {
        TRY(file_make_dirs(index->folder, 0750, err));
        TRY(store_open(index->folder, STORE_WRITE, &options, &index->writer, err));
    }
    for (size_t i = 0; i < index->options.n_readers; i++) {
        TRY(store_open(index->folder, STORE_READ, &options, &index->readers[i], err));
        index->n_free = i + 1;
    }
    return STATUS_OK;
}

/* Make the embedder's row, and make it the one that serves. */
static Status store_new_current(Store *store, const Embedder *embedder, bool current,
                                int64_t *ret_row, Err *err) {
    TRY(store_begin(store, err));
    Status status = store_embedder(store, embedder->name, embedder->dim, ret_row, err);
    if (status == STATUS_OK && current) status = store_embedder_set_current(store, *ret_row, err);
    if (status == STATUS_OK) status = store_commit(store, err);
    if (status != STATUS_OK) store_rollback(store);
    return status;
}

static void embedder_cleanup(Embedder **embedder) {
    if (*embedder) (*embedder)->free(*embedder);
}

/* Which embedder serves: the one that made the vectors, while the one wanted is built beside it;
 * the one wanted at once where there is nothing to search yet, or where this program does not know
 * the old one and so could not embed a question for it. */
static Status choose_embedders(Index *index, Err *err) {
    int64_t row = 0, wanted_row = 0;
    char name[EMBEDDER_NAME_BYTES] = "";
    StoreCounts counts = { 0 };
    TRY(store_embedder_current(index->writer, &row, name, err));
    TRY(store_counts(index->writer, &counts, err));
    CLEANUP(embedder_cleanup) Embedder *wanted = NULL, *old = NULL;
    TRY(embedder_by_name(index->wanted_embedder, &wanted, err));
    bool same = row && strcmp(name, wanted->name) == 0;
    if (row && !same && counts.n_passages && embedder_by_name(name, &old, NULL) != STATUS_OK) {
        log_line(LOG_WARNING, "embedder \"%s\" of the index is not known: embedding anew", name);
    }
    if (same) {
        wanted_row = row;
    } else {
        TRY(store_new_current(index->writer, wanted, old == NULL, &wanted_row, err));
    }
    if (!old) {
        TRY(index_embedder_new(wanted, wanted_row, &index->live.embedder, err));
        wanted = NULL;
        return STATUS_OK;
    }
    TRY(index_embedder_new(old, row, &index->live.embedder, err));
    old = NULL;
    TRY(index_embedder_new(wanted, wanted_row, &index->building, err));
    snprintf(index->building_name, sizeof index->building_name, "%s", wanted->name);
    wanted = NULL;
    index->n_to_build = counts.n_passages;
    return STATUS_OK;
}

/* Read-only: what is there serves. */
static Status find_embedder(Index *index, Err *err) {
    int64_t row = 0;
    char name[EMBEDDER_NAME_BYTES] = "";
    TRY(store_embedder_current(index->readers[0], &row, name, err));
    CLEANUP(embedder_cleanup) Embedder *embedder = NULL;
    TRY(embedder_by_name(row ? name : NULL, &embedder, err));
    TRY(index_embedder_new(embedder, row, &index->live.embedder, err));
    embedder = NULL;
    return STATUS_OK;
}

/* Passages that have no vector (of the embedder that serves) get one in the background. */
static Status fill_gaps(Index *index, Err *err) {
    StoreCounts counts;
    TRY(store_counts(index->writer, &counts, err));
    if (index->building || counts.n_vectors >= counts.n_passages) return STATUS_OK;
    index->building = index_embedder_live(index);
    index->n_to_build = counts.n_passages - counts.n_vectors;
    return STATUS_OK;
}

static Status open_index(Index *index,
                         void (*progress)(void *context, const char *stage, double ratio),
                         void *context, Err *err) {
    TRY(open_stores(index, err));
    TRY(index->writer ? choose_embedders(index, err) : find_embedder(index, err));
    Store *store = index->writer ? index->writer : index->readers[0];
    TRY(index_load_vectors(index, store, progress, context, err));
    index->drop_due = true;
    return index->writer ? fill_gaps(index, err) : STATUS_OK;
}

static Status new_index(const char *folder, const IndexOptions *options, Index **ret, Err *err) {
    Index *index = mem_alloc(1, sizeof *index);
    if (!index) return err_set(err, STATUS_NO_MEMORY, "out of memory for the index");
    pthread_mutex_init(&index->maintain_lock, NULL);
    pthread_mutex_init(&index->write_lock, NULL);
    pthread_mutex_init(&index->pool_lock, NULL);
    pthread_cond_init(&index->pool_free, NULL);
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&index->live_lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    index->options = *options;
    index->snapshot_changes = UINT64_MAX;
    const char *embedder = options->embedder ? options->embedder : "";
    AUTO_BUF Buf path = BUF_NULL;
    buf_printf(&path, "%s/vectors.fonte", folder);
    index->folder = mem_copy_string(folder, strlen(folder));
    index->wanted_embedder = mem_copy_string(embedder, strlen(embedder));
    index->snapshot_path = buf_steal(&path, NULL);
    index->readers = mem_alloc(options->n_readers, sizeof *index->readers);
    *ret = index;
    if (!index->folder || !index->wanted_embedder || !index->snapshot_path || !index->readers) {
        return err_set(err, STATUS_NO_MEMORY, "out of memory for the index");
    }
    return STATUS_OK;
}

static Index *free_index(Index *index) {
    if (!index) return NULL;
    for (size_t i = 0; i < index->n_free; i++) store_close(index->readers[i]);
    if (index->writer) store_close(index->writer);
    index_scratches_free(index);
    vectors_free(index->live.vectors);
    index_embedder_unref(index->live.embedder);
    index_embedder_unref(index->building);
    pthread_mutex_destroy(&index->maintain_lock);
    pthread_mutex_destroy(&index->write_lock);
    pthread_mutex_destroy(&index->pool_lock);
    pthread_cond_destroy(&index->pool_free);
    pthread_rwlock_destroy(&index->live_lock);
    free(index->folder);
    free(index->wanted_embedder);
    free(index->snapshot_path);
    free(index->readers);
    free(index);
    return NULL;
}

Status index_open(const char *folder, const IndexOptions *options,
                  void (*progress)(void *context, const char *stage, double ratio), void *context,
                  Index **ret, Err *err) {
    IndexOptions o = options ? *options : INDEX_OPTIONS_DEFAULT;
    if (!folder || !folder[0]) {
        return err_set_param(err, STATUS_INVALID, "folder", "an index needs a folder");
    }
    if (o.n_readers == 0 || o.n_readers > MAX_READERS) {
        return err_set_param(err, STATUS_INVALID, "n_readers",
                             "%zu read connections: from 1 to %d can be had", o.n_readers,
                             MAX_READERS);
    }
    if (o.max_passage_words < INDEX_PASSAGE_WORDS_MIN ||
        o.max_passage_words > INDEX_PASSAGE_WORDS_MAX) {
        return err_set_param(err, STATUS_INVALID, "max_passage_words",
                             "passages of %zu words: from %d to %d can be had", o.max_passage_words,
                             INDEX_PASSAGE_WORDS_MIN, INDEX_PASSAGE_WORDS_MAX);
    }
    Index *index = NULL;
    Status status = new_index(folder, &o, &index, err);
    if (status == STATUS_OK) status = open_index(index, progress, context, err);
    if (status != STATUS_OK) {
        free_index(index);
        return status;
    }
    *ret = index;
    return STATUS_OK;
}

Index *index_close(Index *index) {
    if (!index) return NULL;
    if (index->writer && index->n_changes != index->snapshot_changes) {
        Err err = { 0 };
        pthread_mutex_lock(&index->write_lock);
        if (index_write_snapshot(index, &err) != STATUS_OK) {
            log_line(LOG_WARNING, "vectors: no snapshot, the next start is slower: %s", err.text);
        }
        pthread_mutex_unlock(&index->write_lock);
    }
    return free_index(index);
}

/* ---- what the store answers ---- */

Status index_document(Index *index, const char *id, Arena *arena, FonteDocument *ret, Err *err) {
    Store *reader = index_reader_take(index);
    Status status = store_document(reader, id, arena, ret, err);
    index_reader_give(index, reader);
    return status;
}

Status index_read(Index *index, const char *id, StorePart part, size_t start, size_t end, Buf *ret,
                  Err *err) {
    Store *reader = index_reader_take(index);
    Status status = store_read(reader, id, part, start, end, ret, err);
    index_reader_give(index, reader);
    return status;
}

Status index_list(Index *index, const char *collection, const char *after, size_t limit,
                  Arena *arena, FonteDocument **ret, size_t *ret_n, Err *err) {
    Store *reader = index_reader_take(index);
    Status status = store_list(reader, collection, after, limit, arena, ret, ret_n, err);
    index_reader_give(index, reader);
    return status;
}

Status index_collections(Index *index, Arena *arena, StoreCollection **ret, size_t *ret_n,
                         Err *err) {
    Store *reader = index_reader_take(index);
    Status status = store_collections(reader, arena, ret, ret_n, err);
    index_reader_give(index, reader);
    return status;
}

Status index_frequencies(Index *index, const Slice *terms, size_t n, uint64_t *ret_df,
                         uint64_t *ret_n_passages, Err *err) {
    Store *reader = index_reader_take(index);
    StoreCounts counts;
    Status status = store_read_begin(reader, err);
    if (status == STATUS_OK) {
        status = store_counts(reader, &counts, err);
        if (status == STATUS_OK) status = store_frequencies(reader, terms, n, ret_df, err);
        store_read_end(reader);
    }
    index_reader_give(index, reader);
    if (status == STATUS_OK) *ret_n_passages = counts.n_passages;
    return status;
}

Status index_origin_of(Store *reader, const char *id, size_t start, size_t end, Arena *arena,
                       size_t *ret_start, size_t *ret_end, Err *err) {
    FonteDocument document;
    TRY(store_document(reader, id, arena, &document, err));
    AUTO_BUF Buf bytes = BUF_NULL;
    TRY(store_read(reader, id, STORE_MAP, 0, SIZE_MAX, &bytes, err));
    end = MIN(end, document.n_text_bytes);
    start = MIN(start, end);
    if (bytes.n == 0) { /* identity */
        *ret_start = start;
        *ret_end = end;
        return STATUS_OK;
    }
    TextMap map;
    TRY(text_map_decode(buf_slice(&bytes), arena, &map, err));
    if (!text_map_span(&map, start, end, ret_start, ret_end)) {
        *ret_start = *ret_end = FONTE_NO_OFFSET;
    }
    return STATUS_OK;
}

Status index_origin_span(Index *index, const char *id, size_t start, size_t end, size_t *ret_start,
                         size_t *ret_end, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    Store *reader = index_reader_take(index);
    Status status = store_read_begin(reader, err);
    if (status == STATUS_OK) {
        status = index_origin_of(reader, id, start, end, &arena, ret_start, ret_end, err);
        store_read_end(reader);
    }
    index_reader_give(index, reader);
    return status;
}

Status index_status(Index *index, IndexStatus *ret, Err *err) {
    IndexStatus s = { 0 };
    Store *reader = index_reader_take(index);
    Status status = store_counts(reader, &s.counts, err);
    index_reader_give(index, reader);
    TRY(status);
    uint64_t n_built = index->n_built, n_to_build = index->n_to_build;
    s.building_ratio = n_to_build ? MIN(1.0, (double)n_built / (double)n_to_build) : 1.0;
    pthread_rwlock_rdlock(&index->live_lock);
    memcpy(s.embedder_building, index->building_name, sizeof s.embedder_building);
    snprintf(s.embedder, sizeof s.embedder, "%s", index->live.embedder->embedder->name);
    s.vector_kind = vectors_kind(index->live.vectors) == VECTORS_IVF ? "ivf-sq8" : "flat";
    s.n_vectors = vectors_count(index->live.vectors);
    pthread_rwlock_unlock(&index->live_lock);
    *ret = s;
    return STATUS_OK;
}

Status index_verify(Index *index, Err *err) {
    if (index->writer) pthread_mutex_lock(&index->write_lock);
    /* FTS5 checks itself by a kind of insert, so the connection that writes is the one to ask. */
    Store *store = index->writer ? index->writer : index_reader_take(index);
    Status status = store_verify(store, err);
    if (status == STATUS_OK) {
        pthread_rwlock_rdlock(&index->live_lock);
        status = index_verify_vectors(store, index->live.embedder->row, index->live.vectors, err);
        pthread_rwlock_unlock(&index->live_lock);
    }
    if (!index->writer) index_reader_give(index, store);
    if (index->writer) pthread_mutex_unlock(&index->write_lock);
    return status;
}
