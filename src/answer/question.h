#pragma once
/* What a question asks for: its content terms, weighted by how rare they are in the documents, and
 * the kind of thing that would answer it. And how much of that a sentence holds.
 * Threads: one owner at a time. */
#include "search/index.h"
#include "text/terms.h"

enum { QUESTION_MAX_TERMS = 64 };

typedef enum AnswerKind {
    ANSWER_ANY,
    ANSWER_TIME,   /* when, quando */
    ANSWER_NUMBER, /* how many, quanto */
    ANSWER_NAME,   /* who, where, which; chi, dove, quale */
} AnswerKind;

typedef struct QuestionTerm {
    char *word;    /* folded */
    char *stem;    /* equal to word where the language has no other */
    double weight; /* idf: ln(1 + (N - df + 0.5) / (df + 0.5)) */
    bool is_name;  /* written with a capital inside the sentence, or holding a digit */
} QuestionTerm;

typedef struct Question {
    Arena arena;
    Slice text;
    char language[8];
    AnswerKind kind;
    QuestionTerm terms[QUESTION_MAX_TERMS]; /* distinct, in order; function words left out */
    size_t n_terms;
    double weight; /* sum over the terms */
} Question;

/* Analyse a question. text is borrowed until question_deinit. INVALID where it holds no word. */
Status question_init(Question *question, Index *index, TextTerms *terms, Slice text,
                     const char *language, Err *err) MUST_CHECK;
void question_deinit(Question *question);

/* What one stretch of text has of the question. Bit i stands for terms[i]. */
typedef struct Match {
    uint64_t terms; /* found, by word or stem */
    uint64_t words; /* found as the very word */
    uint64_t pairs; /* terms i and i+1 found next to each other, in order */
    size_t n_words; /* of the stretch */
    bool has_number, has_time,
        has_name; /* something of that kind that the question does not hold */
} Match;

/* Terms match by stem within one language, by word or long common beginning across two. */
Status question_match(const Question *question, TextTerms *terms, Slice text, const char *language,
                      Match *ret) MUST_CHECK;
/* Sum of the weights of the terms in a mask. */
double question_weight(const Question *question, uint64_t mask);
