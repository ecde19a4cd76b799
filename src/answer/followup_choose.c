/* Several readings of one question are tried on the documents: the confidence that decides whether
 * to answer at all (docs/quality.md) decides which is meant. */
#include "answer/followup.h"
#include "answer/question.h"
#include "answer/sentence.h"

enum { K_DEFAULT = 8, K_FIELD = 20 }; /* as when it is answered */

static const double MARGIN = 0.1;

static Status rank(Index *index, TextTerms *terms, const FontePassages *found, Slice text,
                   size_t n_passages, double *ret, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    Question question;
    Ranking ranking;
    TRY(question_init(&question, index, terms, text, found->language, err));
    Status status = sentence_rank(&question, terms, found, n_passages, &arena, &ranking, err);
    question_deinit(&question);
    if (status == STATUS_OK) *ret = ranking.confidence;
    return status;
}

static Status confidence_of(Index *index, TextTerms *terms, const FonteQuery *scope, Slice text,
                            bool (*cancelled)(void *context), void *context, double *ret,
                            Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteQuery query = *scope;
    FontePassages *found = NULL;
    size_t k = query.k ? query.k : K_DEFAULT;
    query.k = MAX(k, (size_t)K_FIELD);
    query.text = arena_string(&arena, text);
    if (!query.text) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    TRY(index_search(index, &query, cancelled, context, &found, err));
    *ret = 0;
    Status status = STATUS_OK;
    if (found->n_passages) {
        status = rank(index, terms, found, text, MIN(found->n_passages, k), ret, err);
    }
    index_passages_free(found);
    return status;
}

Status followup_choose(Index *index, const FonteQuery *query, const FollowupReadings *readings,
                       bool (*cancelled)(void *context), void *context, Slice *ret, Err *err) {
    *ret = readings->texts[0];
    if (readings->n == 1) return STATUS_OK;
    TextTerms *terms = text_terms_new();
    if (!terms) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    double best = -1;
    Status status = STATUS_OK;
    for (size_t i = 0; i < readings->n && status == STATUS_OK; i++) {
        double confidence = 0;
        status = confidence_of(index, terms, query, readings->texts[i], cancelled, context,
                               &confidence, err);
        if (status != STATUS_OK || confidence <= best) continue;
        best = confidence + (i == 0 && !readings->is_sure ? MARGIN : 0);
        *ret = readings->texts[i];
    }
    text_terms_free(terms);
    return status;
}
