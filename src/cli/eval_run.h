#pragma once
/* Evaluations: index a dataset in a temporary folder, ask all its questions, score.
 * Threads: uses all processors; one call at a time. */
#include <fonte/types.h>

typedef struct EvalOptions {
    const char *folder; /* of the dataset */
    FonteSearchMode mode;
    double min_confidence; /* negative = the product's own */
    size_t max_sentences;  /* 0 = the product's own */
    bool with_titles;      /* index the titles that the dataset has (default true) */
    bool remove_gold;      /* answers: ask each again with its gold passage taken out */
    size_t limit;          /* ask only so many questions; 0 = all */
    void (*progress)(const char *stage, size_t done, size_t of); /* may be NULL */
} EvalOptions;

typedef struct EvalRetrieval {
    size_t n_passages, n_questions;
    double recall_1, recall_5, recall_10; /* percent */
    double mrr_10;                        /* 0-1 */
    double ms_median;                     /* a search */
} EvalRetrieval;

/* Abstaining below a threshold: what it costs and what it saves. The right ones are exact where the
 * answers were asked with min_confidence 0. */
typedef struct EvalPoint {
    double threshold;  /* of the confidence, 0-1 */
    double answerable; /* percent of answerable questions that are declined */
    double removed;    /* the same of those whose gold passage was taken out */
    double
        first_holds; /* percent of answerable questions answered, whose first sentence is right */
} EvalPoint;
enum { EVAL_CURVE_POINTS = 7 };

typedef struct EvalAnswers {
    size_t n_passages, n_questions;
    double holds;          /* percent of answerable questions whose answer holds a gold answer */
    double first_holds;    /* the same, of the first sentence alone */
    double abstained;      /* percent of answerable questions */
    double abstained_none; /* percent of unanswerable questions; NaN where there is none */
    double words;          /* mean length of an answer */
    size_t n_unanswerable;
    /* with remove_gold only */
    double abstained_removed; /* percent of answerable questions with their gold passage out */
    EvalPoint curve[EVAL_CURVE_POINTS];
} EvalAnswers;

FonteStatus eval_retrieval(const EvalOptions *options, EvalRetrieval *ret, FonteError *error);
FonteStatus eval_answers(const EvalOptions *options, EvalAnswers *ret, FonteError *error);
