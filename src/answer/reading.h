#pragma once
/* A stretch of text as a question sees it: its words, which of the question's terms they are or are
 * like, and of what kind.
 * Threads: one owner at a time. */
#include "answer/question.h"

typedef struct Word {
    uint64_t hash;          /* reading_hash of the folded word */
    signed char term;       /* index of the question's term that it is or is much like; -1 = none */
    unsigned char n_digits; /* of a word of digits only; else 0 */
    bool in_question;       /* the question has it, as a content or a function word */
    bool is_stop, is_capital, is_time, is_number, is_cause, is_pronoun;
} Word;

typedef struct Reading {
    Word *words; /* in order; arena */
    size_t n_words, capacity;
    uint64_t terms; /* bit i: terms[i] is there, by word or stem (or its beginning across two
                       languages) */
    uint64_t exact; /* the same, as the very word */
    float *soft;    /* [n_terms] 0-1: how like the likest word is; 1 where the term is there */
    double grams;   /* share of the question's trigrams that are there */
    bool has_percent;
} Reading;

/* Terms match by stem within one language, by word or long common beginning across two. Views into
 * the arena. */
Status reading_of(const Question *question, TextTerms *terms, Slice text, const char *language,
                  Arena *arena, Reading *ret, Err *err) MUST_CHECK;

uint64_t reading_hash(Slice word);
/* 0-1: how like two folded words are that are not the same: "designed" and "designer". Letters of a
 * common beginning, or common trigrams; 0 for short words and for numbers. */
float reading_likeness(Slice a, Slice b);

/* Trigrams of a run of words, a space between them: call for each word in order. */
typedef struct ReadingGrams {
    unsigned char last[2];
} ReadingGrams;
void reading_grams(ReadingGrams *grams, Slice word, void (*take)(void *context, uint32_t gram),
                   void *context);
