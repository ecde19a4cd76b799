/* The public index: thin wrappers over the rooms below. What they add is what a stranger needs:
 * every pointer is checked, defaults are filled in, and adding much runs on several threads.
 * Threading model of fonte_index_add_many: the threads take inputs by an atomic counter and write
 * only results[i] of theirs; nothing else is shared. The commit is one, on the calling thread. */
#include <fonte/index.h>

#include "answer/answer.h"
#include "api/api_internal.h"
#include "base/utf8.h"
#include "search/index.h"
#include "text/passage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ADD_MAX_THREADS = 64 };

struct FonteIndex {
    Index *index;
};

/* --- the index --- */

FonteStatus fonte_index_open(const char *folder, const FonteIndexOptions *options, FonteIndex **ret,
                             FonteError *error) {
    IndexOptions inner = INDEX_OPTIONS_DEFAULT;
    NEED(folder, error);
    NEED(ret, error);
    if (options) {
        inner.read_only = options->read_only;
        inner.embedder = options->embedder;
        if (options->max_passage_words) inner.max_passage_words = options->max_passage_words;
    }
    FonteIndex *index = mem_alloc(1, sizeof *index);
    if (!index) return err_set(error, STATUS_NO_MEMORY, "%s: out of memory", folder);
    Status status = index_open(folder, &inner, options ? options->progress : NULL,
                               options ? options->context : NULL, &index->index, error);
    if (status == STATUS_OK)
        *ret = index;
    else
        free(index);
    return status;
}

FonteIndex *fonte_index_close(FonteIndex *index) {
    if (index) index_close(index->index);
    free(index);
    return NULL;
}

FonteStatus fonte_index_counts(FonteIndex *index, FonteIndexCounts *ret, FonteError *error) {
    IndexStatus status;
    NEED(index, error);
    NEED(ret, error);
    TRY(index_status(index->index, &status, error));
    FonteIndexCounts counts = {
        .n_documents = status.counts.n_documents,
        .n_passages = status.counts.n_passages,
        .n_vectors = status.n_vectors,
        .n_file_bytes = status.counts.n_file_bytes,
    };
    memcpy(counts.embedder, status.embedder, sizeof counts.embedder);
    counts.embedder[sizeof counts.embedder - 1] = 0;
    *ret = counts;
    return STATUS_OK;
}

FonteStatus fonte_index_verify(FonteIndex *index, FonteError *error) {
    NEED(index, error);
    return index_verify(index->index, error);
}

FonteStatus fonte_index_settle(FonteIndex *index, FonteError *error) {
    NEED(index, error);
    Status status;
    do {
        status = index_maintain(index->index, error);
    } while (status == STATUS_OK);
    return status == STATUS_UNCHANGED ? STATUS_OK : status;
}

/* --- changes --- */

static Status input_of(const FonteInput *input, IndexInput *ret, Err *err) {
    if (!input->bytes && input->n_bytes)
        return err_set_param(err, STATUS_USAGE, "bytes", "an input without bytes");
    *ret = (IndexInput){
        .bytes = { input->bytes, input->n_bytes },
        .collection = input->collection,
        .name = input->name,
        .mime = input->mime,
        .title = input->title,
        .url = input->url,
        .date = input->date,
        .language = input->language,
        .source = input->source,
        .id = input->id,
    };
    return STATUS_OK;
}

/* What was added is durable whatever comes of this; a failure is met again by settle. */
static void relieve(Index *index) {
    Status status = index_is_pressed(index) ? index_maintain(index, NULL) : STATUS_OK;
    (void)status;
}

FonteStatus fonte_index_add(FonteIndex *index, const FonteInput *input, FonteAddedList **ret,
                            FonteError *error) {
    IndexInput inner;
    FonteAddedList *added = NULL;
    NEED(index, error);
    NEED(input, error);
    TRY(input_of(input, &inner, error));
    TRY(index_add(index->index, &inner, &added, error));
    relieve(index->index);
    if (ret)
        *ret = added;
    else
        index_added_free(added);
    return STATUS_OK;
}

typedef struct AddMany {
    Index *index;
    const FonteInput *inputs;
    size_t n;
    atomic_size_t next;
    IndexPrepared **prepared; /* [n]; NULL where errors[i] says why */
    FonteError *errors;       /* [n] */
} AddMany;

static void *prepare_work(void *context) {
    AddMany *add = context;
    for (size_t i; (i = atomic_fetch_add(&add->next, 1)) < add->n;) {
        IndexInput input;
        Err *err = &add->errors[i];
        Status status = input_of(&add->inputs[i], &input, err);
        if (status == STATUS_OK) status = index_prepare(add->index, &input, &add->prepared[i], err);
        if (status != STATUS_OK) err->status = status;
    }
    return NULL;
}

/* On this thread and as many more as can be had, up to n_threads in all. */
static void prepare_all(AddMany *add, unsigned n_threads) {
    pthread_t threads[ADD_MAX_THREADS];
    size_t n = 0, wanted = MIN(MIN((size_t)n_threads, add->n), (size_t)ADD_MAX_THREADS);
    while (n + 1 < wanted && pthread_create(&threads[n], NULL, prepare_work, add) == 0) n++;
    prepare_work(add);
    for (size_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
}

/* Commit those that could be read, in the order of the inputs. */
static Status commit_prepared(AddMany *add, FonteAddedList **ret, Err *err) {
    AUTO_FREE IndexPrepared **good = mem_alloc(add->n, sizeof(IndexPrepared *));
    AUTO_FREE FonteAddedList **added = mem_alloc(add->n, sizeof(FonteAddedList *));
    size_t n = 0;
    if (!good || !added)
        return err_set(err, STATUS_NO_MEMORY, "out of memory for %zu inputs", add->n);
    for (size_t i = 0; i < add->n; i++)
        if (add->prepared[i]) good[n++] = add->prepared[i];
    if (n > 0) TRY(index_commit(add->index, good, n, added, err));
    n = 0;
    for (size_t i = 0; i < add->n; i++) {
        FonteAddedList *one = add->prepared[i] ? added[n++] : NULL;
        if (ret)
            ret[i] = one;
        else
            index_added_free(one);
    }
    return STATUS_OK;
}

FonteStatus fonte_index_add_many(FonteIndex *index, const FonteInput *inputs, size_t n,
                                 unsigned n_threads, FonteAddedList **ret, FonteError *errors,
                                 FonteError *error) {
    NEED(index, error);
    if (n == 0) return STATUS_OK;
    NEED(inputs, error);
    if (n_threads == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n_threads = online > 0 ? (unsigned)MIN(online, ADD_MAX_THREADS) : 1;
    }
    AUTO_FREE FonteError *own_errors = mem_alloc(n, sizeof *own_errors);
    AUTO_FREE IndexPrepared **prepared = mem_alloc(n, sizeof(IndexPrepared *));
    if (!own_errors || !prepared)
        return err_set(error, STATUS_NO_MEMORY, "out of memory for %zu inputs", n);
    AddMany add = {
        .index = index->index, .inputs = inputs, .n = n, .prepared = prepared, .errors = own_errors
    };
    prepare_all(&add, n_threads);
    Status status = commit_prepared(&add, ret, error);
    if (status == STATUS_OK) relieve(index->index);
    for (size_t i = 0; i < n; i++) index_prepared_free(prepared[i]);
    if (status == STATUS_OK && errors) memcpy(errors, own_errors, n * sizeof *errors);
    return status;
}

FonteAddedList *fonte_added_free(FonteAddedList *added) {
    return index_added_free(added);
}

FonteStatus fonte_index_remove(FonteIndex *index, const char *id, FonteError *error) {
    NEED(index, error);
    NEED(id, error);
    return index_remove(index->index, id, error);
}

/* --- questions --- */

static Status query_of(const FonteQuery *query, FonteQuery *ret, Err *err) {
    if (!query || !query->text)
        return err_set_param(err, STATUS_USAGE, "query", "a query without text");
    *ret = *query;
    if (!ret->collection || !*ret->collection) ret->collection = FONTE_COLLECTION_DEFAULT;
    if (!ret->k) ret->k = 8;
    return STATUS_OK;
}

FonteStatus fonte_index_search(FonteIndex *index, const FonteQuery *query, FontePassages **ret,
                               FonteError *error) {
    FonteQuery full;
    NEED(index, error);
    NEED(ret, error);
    TRY(query_of(query, &full, error));
    return index_search(index->index, &full, NULL, NULL, ret, error);
}

FontePassages *fonte_passages_free(FontePassages *passages) {
    return index_passages_free(passages);
}

FonteStatus fonte_index_ask(FonteIndex *index, const FonteQuery *query,
                            const FonteAskOptions *options, FonteAnswer **ret, FonteError *error) {
    AnswerOptions inner = ANSWER_OPTIONS_DEFAULT;
    AnswerRequest request = { .mode = ANSWER_AUTO };
    NEED(index, error);
    NEED(ret, error);
    TRY(query_of(query, &request.query, error));
    if (options && options->max_sentences) inner.max_sentences = options->max_sentences;
    if (options && options->min_confidence >= 0) inner.min_confidence = options->min_confidence;
    return answer_ask(index->index, &request, &inner, NULL, ret, error);
}

FonteAnswer *fonte_answer_free(FonteAnswer *answer) {
    return answer_free(answer);
}

/* --- text --- */

FonteStatus fonte_index_text(FonteIndex *index, const char *id, size_t start, size_t end,
                             char **ret, size_t *ret_n, FonteError *error) {
    AUTO_BUF Buf text = BUF_NULL;
    NEED(index, error);
    NEED(id, error);
    NEED(ret, error);
    TRY(index_read(index->index, id, STORE_TEXT, start, end, &text, error));
    char *string = buf_steal(&text, ret_n);
    if (!string) return err_set(error, STATUS_NO_MEMORY, "%s: out of memory", id);
    *ret = string;
    return STATUS_OK;
}

FonteStatus fonte_text_sentences(const char *text, size_t n_bytes, const char *language,
                                 size_t **ret, size_t *ret_n, FonteError *error) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    TextSpan *spans = NULL;
    size_t n = 0, size;
    NEED(ret, error);
    NEED(ret_n, error);
    if (n_bytes) NEED(text, error);
    size_t n_valid = utf8_valid_length((Slice){ text, n_bytes });
    if (n_valid < n_bytes)
        return err_set_param(error, STATUS_INVALID, "text", "byte %zu: not UTF-8", n_valid);
    TRY(text_sentences((Slice){ text, n_bytes }, language ? language : "", &arena, &spans, &n,
                       error));
    size_t *offsets =
        mem_mul(n, 2 * sizeof *offsets, &size) ? mem_alloc(n, 2 * sizeof *offsets) : NULL;
    if (!offsets) return err_set(error, STATUS_NO_MEMORY, "out of memory for %zu sentences", n);
    for (size_t i = 0; i < n; i++) {
        offsets[2 * i] = spans[i].start;
        offsets[2 * i + 1] = spans[i].end;
    }
    *ret = offsets;
    *ret_n = n;
    return STATUS_OK;
}
