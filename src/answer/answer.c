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
static Status find(Index *index, const AnswerRequest *request, const AnswerEvents *events,
                   FonteAnswer *answer, FontePassages *ret_found, Err *err) {
    const AnswerRecord *again = request->again;
    FonteQuery query = request->query;
    size_t k = query.k ? query.k : K_DEFAULT;
    query.k = MAX(k, (size_t)K_FIELD);
    if (again) {
        k = again->n_given;
        TRY(index_passages_again(index, again->passages, again->n_passages, again->language,
                                 &answer->passages, err));
    } else {
        TRY(index_search(index, &query, events->cancelled, events->context, &answer->passages,
                         err));
    }
    *ret_found = *answer->passages;
    answer->passages->n_passages = MIN(answer->passages->n_passages, k);
    return STATUS_OK;
}

/* ---- the record ---- */

static void record_figures(const FonteAnswer *answer, AnswerRecord *r) {
    r->generator = answer->generator;
    r->abstained = answer->abstained;
    r->reason = answer->reason;
    r->confidence = answer->confidence;
    r->n_citations = answer->n_citations;
    r->n_sentences = answer->n_sentences;
    for (size_t i = 0; i < answer->n_sentences; i++) {
        r->n_unsupported += strcmp(answer->sentences[i].support, "unsupported") == 0;
        r->n_repaired += strcmp(answer->sentences[i].support, "repaired") == 0;
    }
    r->n_left_out = answer->n_left_out;
    r->n_answer_tokens = answer->n_answer_tokens;
    r->n_cached_tokens = answer->n_cached_tokens;
}

static void record_prompt(const AnswerTrace *trace, const Generator *generator, AnswerRecord *r) {
    r->model = r->model_hash = r->arithmetic = "";
    if (!trace->n_prompt) return;
    r->model = generator->name;
    r->model_hash = generator->model_hash;
    r->arithmetic = generator->arithmetic;
    r->used = trace->used;
    r->n_used = trace->n_used;
    r->n_prompt = trace->n_prompt;
    memcpy(r->prompt_hash, trace->prompt_hash, sizeof r->prompt_hash);
    memcpy(r->written_hash, trace->written_hash, sizeof r->written_hash);
}

static Status give_record(const AnswerRequest *request, const AnswerOptions *options,
                          const AnswerObject *object, const FontePassages *found, Err *err) {
    const FonteAnswer *answer = &object->answer;
    const Generator *generator = options->generator;
    AnswerRecord record = {
        .language = found->language,
        .mode = request->mode,
        .passages = found->passages,
        .n_passages = found->n_passages,
        .n_given = answer->passages->n_passages,
        .counts = object->trace.counts,
        .min_confidence = options->min_confidence,
        .max_sentences = options->max_sentences,
        .max_tokens = options->max_tokens,
        .context_tokens = generator ? generator->context_tokens : 0,
        .strict = options->strict,
        .temperature = options->temperature,
        .seed = options->seed,
        .answer_text = answer->text,
    };
    record_prompt(&object->trace, generator, &record);
    record_figures(answer, &record);
    TRY(record_hash(slice_of(request->query.text), record.question_hash, err));
    TRY(record_hash(slice_of(answer->text), record.answer_hash, err));
    options->record(options->record_context, &record);
    return STATUS_OK;
}

void answer_again(const AnswerRecord *record, const char *question, AnswerRequest *ret_request,
                  AnswerOptions *ret_options) {
    *ret_request = (AnswerRequest){
        .query = { .text = question, .language = record->language },
        .mode = answer_needs_model(record) ? record->mode : ANSWER_EXTRACT,
        .again = record,
    };
    *ret_options = (AnswerOptions){
        .min_confidence = record->min_confidence,
        .max_sentences = record->max_sentences,
        .strict = record->strict,
        .max_tokens = record->max_tokens,
        .context_tokens = record->context_tokens,
        .temperature = record->temperature,
        .seed = record->seed,
    };
}

/* ---- the whole ---- */

Status answerer_question(const AnswerJob *job, TextTerms *terms, Question *ret, Err *err) {
    AnswerTrace *trace = job->trace;
    Slice text = slice_of(job->query->text);
    const char *language = job->passages->language;
    if (trace->is_weighed) {
        return question_init_again(ret, &trace->counts, terms, text, language, err);
    }
    TRY(question_init(ret, job->index, terms, text, language, err));
    trace->counts = ret->counts;
    trace->is_weighed = true;
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
    if (request->again) object->trace.counts = request->again->counts;
    object->trace.is_weighed = request->again;
    TRY(find(index, request, events, answer, &found, err));
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
    if (options->record) TRY(give_record(request, options, object, &found, err));
    *ret = STEAL(answer);
    return STATUS_OK;
}
