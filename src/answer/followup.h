#pragma once
/* Questions that lean on the one before: "And when did it enter into force?" after a question on
 * the AI Act. Such a question is read with what it refers to beside it, so that whoever searches,
 * ranks and writes sees both: "And when did it enter into force? (AI Act)". A question that stands
 * alone is read as it is.
 *   what it says              example (after "When was OpenAI founded?")  is read with
 *   a pronoun, or too little  Who leads it?                               names before (OpenAI), or
 *                                                                         all content words
 *   a name in another's place And Anthropic?                              all but a name
 *   a further condition       And in Italy?                               all of it
 * Which of several names is meant, and whether it leans at all where that is uncertain, the
 * documents say: the reading is taken that they answer with most confidence. Italian and English;
 * in other languages only a question of a single content word is read so.
 * Threads: any. */
#include "search/index.h"

enum {
    FOLLOWUP_MAX_READINGS = 6,
    FOLLOWUP_MAX_WORDS = 24,  /* taken from the question before */
    FOLLOWUP_MAX_BYTES = 512, /* of them */
};

typedef struct FollowupReadings {
    Slice
        texts[FOLLOWUP_MAX_READINGS]; /* the likeliest first; the question itself or in an arena */
    size_t n;                         /* at least 1 */
    bool is_sure; /* that it leans, or that it does not; else the question itself is among them,
                     and what is first is taken unless another is clearly better */
} FollowupReadings;

/* before: the question before as it was read, empty where there is none. NO_MEMORY. */
Status followup_readings(Slice question, const char *language, Slice before, Arena *arena,
                         FollowupReadings *ret, Err *err) MUST_CHECK;
/* The one that the documents answer best, in the scope of query (whose text does not count). Costs
 * a search for each where there are several. Errors of index_search. */
Status followup_choose(Index *index, const FonteQuery *query, const FollowupReadings *readings,
                       bool (*cancelled)(void *context), void *context, Slice *ret,
                       Err *err) MUST_CHECK;
