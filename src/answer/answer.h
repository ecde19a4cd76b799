#pragma once
/* A question to an answer with citations that hold. The extractive answerer quotes whole sentences;
 * other generators come behind the same interface. The invariant: for every citation the stored
 * document's clean bytes [start, end) equal the quote, or the citation is not given.
 * Threads: any. */
#include "answer/citation.h"
#include "answer/record.h"
#include "search/index.h"

typedef struct AnswerOptions {
    double min_confidence;          /* 0-1: abstain below it */
    size_t max_sentences;           /* quoted at the most */
    const Generator *generator;     /* what writes; NULL = none: answers are quoted */
    const CitationTable *citations; /* of its vocabulary */
    bool strict;           /* leave out what the passages do not support, instead of marking it */
    size_t max_tokens;     /* of a written answer; 0 = 512 */
    size_t context_tokens; /* of prompt and answer; 0 = the generator's */
    float temperature;     /* 0 = always the likeliest */
    uint64_t seed;
    uint64_t owner; /* who asks: owners take turns, and share no work */
    void (*record)(void *context, const AnswerRecord *record); /* of each answer; may be NULL */
    void *record_context;
} AnswerOptions;
/* The confidence is calibrated on the development data: see docs/quality.md. */
#define ANSWER_OPTIONS_DEFAULT ((AnswerOptions){ 0.238, 3 })

/* What a stream sees, in this order: passages once, then tokens and citations, then done by the
 * caller from the answer. Called on the asking thread; data is borrowed. Any may be NULL. A non-OK
 * return stops the answer with that status. */
typedef struct AnswerEvents {
    Status (*passages)(void *context, const FontePassages *passages);
    Status (*token)(void *context, Slice text);
    Status (*citation)(void *context, const FonteCitation *citation);
    bool (*cancelled)(void *context);
    void *context;
    /* the token event before was a sentence that no passage supports; missing: what is not there */
    Status (*unsupported)(void *context, Slice text, const char *missing);
} AnswerEvents;

typedef struct AnswerRequest {
    FonteQuery query;
    AnswerMode mode;           /* GENERATE without a model: UNSUPPORTED */
    const AnswerRecord *again; /* answer once more from what this one was made of; NULL = search */
} AnswerRequest;

/* Search, choose, quote, check. Returned owned (answer_free). events may be NULL. Again: CONFLICT,
 * naming it, where a document is gone or has another version. */
/* The settings of a record, and the request for the same answer from its question's text. The
 * caller gives the generator (model_hash says which), where answer_needs_model. */
void answer_again(const AnswerRecord *record, const char *question, AnswerRequest *ret_request,
                  AnswerOptions *ret_options);
static inline bool answer_needs_model(const AnswerRecord *record) {
    return record->n_prompt > 0;
}
Status answer_ask(Index *index, const AnswerRequest *request, const AnswerOptions *options,
                  const AnswerEvents *events, FonteAnswer **ret, Err *err) MUST_CHECK;
FonteAnswer *answer_free(FonteAnswer *answer);
