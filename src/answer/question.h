#pragma once
/* What a question asks for: its content terms, weighted by how rare they are in the documents, and
 * the kind of thing that would answer it.
 * Threads: one owner at a time. */
#include "answer/kind.h"
#include "search/index.h"
#include "text/terms.h"

enum { QUESTION_MAX_TERMS = 64, QUESTION_MAX_WORDS = 128, QUESTION_MAX_GRAMS = 1024 };

typedef struct QuestionTerm {
    char *word;    /* folded */
    char *stem;    /* equal to word where the language has no other */
    double weight; /* idf: ln(1 + (N - df + 0.5) / (df + 0.5)), less for words that questions use
                      about their answers ("name", "kind") */
    bool is_name;  /* written with a capital inside the sentence, or holding a digit */
    bool is_gram;  /* part of a word of an unspaced script */
} QuestionTerm;

/* What the terms' weights are made of. */
typedef struct QuestionCounts {
    uint64_t df[QUESTION_MAX_TERMS]; /* passages of the index that have the term */
    size_t n;                        /* terms */
    uint64_t n_passages;             /* of the index */
} QuestionCounts;

typedef struct Question {
    Arena arena;
    Slice text;
    char language[8];
    AnswerKind kind;
    bool asks_percent;
    QuestionTerm terms[QUESTION_MAX_TERMS]; /* distinct, in order; function words left out */
    size_t n_terms;
    QuestionCounts counts;
    double weight; /* sum over the terms */
    /* hashes (reading_hash) of all words in order, function words too; beyond the limit left out */
    uint64_t words[QUESTION_MAX_WORDS];
    size_t n_words;
    uint32_t grams[QUESTION_MAX_GRAMS]; /* distinct trigrams of the content words (reading_gram) */
    size_t n_grams;
} Question;

/* Analyse a question. text is borrowed until question_deinit. INVALID where it holds no word. */
Status question_init(Question *question, Index *index, TextTerms *terms, Slice text,
                     const char *language, Err *err) MUST_CHECK;
/* The same as it was weighed once. CONFLICT where the counts are those of another question. */
Status question_init_again(Question *question, const QuestionCounts *counts, TextTerms *terms,
                           Slice text, const char *language, Err *err) MUST_CHECK;
void question_deinit(Question *question);
/* Sum of the weights of the terms in a mask: bit i stands for terms[i]. */
double question_weight(const Question *question, uint64_t mask);
