/* Records of answers, and the passages that one was made of as they are now. */
#include "search/index_internal.h"

#include <string.h>

static Status put_locked(Store *store, const StoreAnswer *answers, size_t n, size_t n_most,
                         int64_t oldest_unix_s, Err *err) {
    TRY(store_begin(store, err));
    Status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < n; i++) {
        status = store_answer_put(store, &answers[i], err);
    }
    if (status == STATUS_OK) status = store_answers_trim(store, n_most, oldest_unix_s, err);
    if (status == STATUS_OK) status = store_commit(store, err);
    if (status != STATUS_OK) store_rollback(store);
    return status;
}

Status index_answers_put(Index *index, const StoreAnswer *answers, size_t n, size_t n_most,
                         int64_t oldest_unix_s, Err *err) {
    if (!index->writer) return err_set(err, STATUS_DENIED, "the index is open for reading only");
    pthread_mutex_lock(&index->write_lock);
    Status status = put_locked(index->writer, answers, n, n_most, oldest_unix_s, err);
    index->checkpoint_due |= status == STATUS_OK;
    pthread_mutex_unlock(&index->write_lock);
    return status;
}

Status index_answer(Index *index, const char *id, Arena *arena, StoreAnswer *ret, Err *err) {
    Store *reader = index_reader_take(index);
    Status status = store_answer(reader, id, arena, ret, err);
    index_reader_give(index, reader);
    return status;
}

/* ---- passages ---- */

static Status changed(const FontePassage *wanted, Err *err) {
    return err_set(err, STATUS_CONFLICT, "document %s is gone or has another version",
                   wanted->document);
}

static Status read_again(Store *reader, const FontePassage *wanted, Arena *arena, FontePassage *ret,
                         Err *err) {
    int64_t id, *ids;
    FontePassage *found;
    size_t n;
    Status status = store_passage_at(reader, wanted->document, wanted->start, &id, err);
    if (status == STATUS_NOT_FOUND) return changed(wanted, err);
    TRY(status);
    TRY(store_passages(reader, &id, 1, arena, &found, &ids, &n, err));
    if (n == 0 || found->end != wanted->end || strcmp(found->version, wanted->version) != 0) {
        return changed(wanted, err);
    }
    *ret = *found;
    ret->score = wanted->score;
    ret->lexical_score = wanted->lexical_score;
    ret->vector_score = wanted->vector_score;
    return index_origin_of(reader, ret->document, ret->start, ret->end, arena, &ret->origin_start,
                           &ret->origin_end, err);
}

static Status read_all(Store *reader, const FontePassage *wanted, size_t n, const char *language,
                       Passages *own, Err *err) {
    own->list.language = arena_string(&own->arena, slice_of(language));
    own->list.passages = arena_alloc(&own->arena, n + 1, sizeof *own->list.passages);
    if (!own->list.language || !own->list.passages) {
        return err_set(err, STATUS_NO_MEMORY, "out of memory for passages");
    }
    for (size_t i = 0; i < n; i++) {
        TRY(read_again(reader, &wanted[i], &own->arena, &own->list.passages[i], err));
    }
    own->list.n_passages = n;
    return STATUS_OK;
}

Status index_passages_again(Index *index, const FontePassage *wanted, size_t n,
                            const char *language, FontePassages **ret, Err *err) {
    Passages *own = mem_alloc(1, sizeof *own);
    if (!own) return err_set(err, STATUS_NO_MEMORY, "out of memory for passages");
    Store *reader = index_reader_take(index);
    Status status = store_read_begin(reader, err);
    if (status == STATUS_OK) {
        status = read_all(reader, wanted, n, language, own, err);
        store_read_end(reader);
    }
    index_reader_give(index, reader);
    if (status == STATUS_OK)
        *ret = &own->list;
    else
        index_passages_free(&own->list);
    return status;
}
