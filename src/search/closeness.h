#pragma once
/* How closely a passage's words answer to a question's: how much of the question (by idf) stands
 * anywhere in it, within a paragraph, within a sentence. BM25 counts words; an answer has them
 * together. For languages that are matched by words: where parts of words overlap, their number
 * says all of it already. Threads: a ClosenessQuestion has one owner at a time. */
#include "store/store.h"
#include "text/terms.h"

typedef struct ClosenessQuestion ClosenessQuestion;

/* The question's terms, weighed by the store within scope. terms is borrowed until it is freed. */
Status closeness_question_new(TextTerms *terms, Slice question, const char *language, Store *store,
                              const StoreScope *scope, ClosenessQuestion **ret,
                              Err *err) MUST_CHECK;
ClosenessQuestion *closeness_question_free(ClosenessQuestion *question);
/* Sum of the weights of all terms: what the parts below are at most. */
double closeness_question_total(const ClosenessQuestion *question);

typedef struct Closeness {
    double sentence;  /* weight of the terms within CLOSENESS_SENTENCE words of each other */
    double paragraph; /* the same within CLOSENESS_PARAGRAPH */
    double passage;   /* the same anywhere */
} Closeness;
enum { CLOSENESS_SENTENCE = 15, CLOSENESS_PARAGRAPH = 50 };

Status closeness_measure(ClosenessQuestion *question, Slice passage, const char *language,
                         Closeness *ret, Err *err) MUST_CHECK;
