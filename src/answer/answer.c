/* Search, then an answerer over what was found, then the answer as one object that owns all of it.
 */
#include "answer/answer.h"

#include "answer/answerer.h"
#include "base/clock.h"

enum { K_DEFAULT = 8, K_FIELD = 20 };

typedef struct AnswerObject {
    FonteAnswer answer; /* first, so that the public pointer is this one */
    Arena arena;
    AnswerTrace trace;
} AnswerObject;

FonteAnswer *answer_free(FonteAnswer *answer) {
    if (!answer) return NULL;
    AnswerObject *object = (AnswerObject *)answer;
    index_passages_free(answer->passages);
    arena_deinit(&object->arena);
    free(object);
    return NULL;
}

static void answer_free_cleanup(FonteAnswer **answer) {
    answer_free(*answer);
}

static const Answerer *choose_answerer(AnswerMode mode, const AnswerOptions *options, Err *err) {
    if (mode != ANSWER_EXTRACT && options->generator) return &answerer_generate;
    if (mode == ANSWER_GENERATE) {
        err_set_param(err, STATUS_UNSUPPORTED, "mode",
                      "no model is configured: ask with mode extract");
        return NULL;
    }
    return &answerer_extractive;
}

/* Nothing found may mean nothing there: the collection is empty, or is none. */
static Status nothing_found(Index *index, const FonteQuery *query, FonteAnswer *answer, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument *documents;
    size_t n = 0;
    bool given = query->collection && *query->collection;
    TRY(index_list(index, given ? query->collection : FONTE_COLLECTION_DEFAULT, "", 1, &arena,
                   &documents, &n, err));
    answer->abstained = true;
    answer->reason = n ? "nothing_found" : "no_documents";
    return STATUS_OK;
}

static Status write_answer(Index *index, const AnswerRequest *request, const Answerer *answerer,
                           const AnswerOptions *options, const AnswerEvents *events,
                           const FontePassages *found, FonteAnswer *answer, Err *err) {
    const FontePassages *passages = answer->passages;
    answer->language = passages->language;
    answer->text = answer->reason = answer->generator = "";
    if (events->passages) TRY(events->passages(events->context, passages));
    if (!passages->n_passages) return nothing_found(index, &request->query, answer, err);
    AnswerObject *object = (AnswerObject *)answer;
    AnswerJob job = { index,   &request->query, passages,      found,
                      options, events,          request->mode, &object->trace };
    return answerer->generate(&job, &object->arena, answer, err);
}

/* Searches for more than is wanted. The answer keeps what is wanted; *ret_found, a view of it, has
 * all: how far the best passage is ahead of the field says whether it is the one. */
static Status find(Index *index, const FonteQuery *wanted, const AnswerEvents *events,
                   FonteAnswer *answer, FontePassages *ret_found, Err *err) {
    FonteQuery query = *wanted;
    size_t k = query.k ? query.k : K_DEFAULT;
    query.k = MAX(k, (size_t)K_FIELD);
    TRY(index_search(index, &query, events->cancelled, events->context, &answer->passages, err));
    *ret_found = *answer->passages;
    answer->passages->n_passages = MIN(answer->passages->n_passages, k);
    return STATUS_OK;
}

static Status list_passages(AnswerObject *object, AnswerRecord *record, Err *err) {
    const FontePassages *all = object->answer.passages;
    bool quoted = !*object->answer.generator;
    size_t n = quoted ? all->n_passages : object->trace.n_used;
    RecordPassage *list = arena_alloc(&object->arena, n + 1, sizeof *list);
    if (!list) return err_set(err, STATUS_NO_MEMORY, "out of memory for an answer's record");
    for (size_t i = 0; i < n; i++) {
        const FontePassage *p = &all->passages[quoted ? i : object->trace.used[i]];
        list[i] = (RecordPassage){ p->document, p->version, p->start, p->end };
    }
    record->passages = list;
    record->n_passages = n;
    return STATUS_OK;
}

static Status give_record(const AnswerRequest *request, const AnswerOptions *options,
                          AnswerObject *object, Err *err) {
    const FonteAnswer *answer = &object->answer;
    bool quoted = !*answer->generator;
    AnswerRecord record = {
        .generator = answer->generator,
        .model_hash = quoted ? "" : options->generator->model_hash,
        .min_confidence = options->min_confidence,
        .max_sentences = options->max_sentences,
        .max_tokens = options->max_tokens,
        .strict = options->strict,
        .temperature = options->temperature,
        .seed = options->seed,
        .answer = answer,
    };
    Slice question = slice_of(request->query.text);
    Hash hash;
    TRY(hash_sha256(&question, 1, &hash, err));
    hash_hex(&hash, record.question_hash);
    TRY(list_passages(object, &record, err));
    if (!quoted) {
        record.prompt = object->trace.prompt;
        record.n_prompt = object->trace.n_prompt;
        TRY(record_hash_tokens(record.prompt, record.n_prompt, record.prompt_hash, err));
    }
    options->record(options->record_context, &record);
    return STATUS_OK;
}

Status answer_ask(Index *index, const AnswerRequest *request, const AnswerOptions *options,
                  const AnswerEvents *events, FonteAnswer **ret, Err *err) {
    static const AnswerEvents nobody = { 0 };
    if (!events) events = &nobody;
    const Answerer *answerer = choose_answerer(request->mode, options, err);
    if (!answerer) return STATUS_UNSUPPORTED;
    int64_t start_us = clock_us();
    AnswerObject *object = mem_alloc(1, sizeof *object);
    if (!object) return err_set(err, STATUS_NO_MEMORY, "out of memory for an answer");
    CLEANUP(answer_free_cleanup) FonteAnswer *answer = &object->answer;
    FontePassages found;
    TRY(find(index, &request->query, events, answer, &found, err));
    int64_t found_us = clock_us();
    if (events->cancelled && events->cancelled(events->context)) {
        return err_set(err, STATUS_CANCELLED, "the client went away");
    }
    TRY(write_answer(index, request, answerer, options, events, &found, answer, err));
    double engine_ms = answer->times.engine_ms;
    answer->times = answer->passages->times;
    answer->times.engine_ms = engine_ms;
    answer->times.answer_ms = (double)(clock_us() - found_us) / 1000;
    answer->times.total_ms = (double)(clock_us() - start_us) / 1000;
    if (options->record) TRY(give_record(request, options, object, err));
    *ret = STEAL(answer);
    return STATUS_OK;
}
