#pragma once
/* What kind of thing a question asks for, by its question words, and which words are of which kind.
 * Words are folded (lower case, no accents), as text/terms.h gives them.
 * Threads: any. */
#include "base/slice.h"

typedef enum AnswerKind {
    ANSWER_ANY,
    ANSWER_TIME,   /* when, which year; quando, in che anno */
    ANSWER_NUMBER, /* how many; quanti */
    ANSWER_PERSON, /* who; chi */
    ANSWER_PLACE,  /* where, which city; dove, in quale paese */
    ANSWER_CAUSE,  /* why; perche */
} AnswerKind;

/* The kind that the word `now`, after the word `before` (empty = none), asks for in a language;
 * ANSWER_ANY where it asks for none. */
AnswerKind kind_of_question(const char *language, Slice before, Slice now);
bool kind_is_time(Slice word);   /* a month or a year */
bool kind_is_number(Slice word); /* holds a digit, or is a number's word */
bool kind_is_cause(Slice word);  /* because, reason; perche, motivo */
/* Stands for what was named before: he, this; questo, essa. */
bool kind_is_pronoun(Slice word);
bool kind_is_percent(Slice word);
bool kind_has_digit(Slice word);
/* Denies what comes next: not, never, without; non, nessun, senza. */
bool kind_is_negation(const char *language, Slice word);
/* The number from two to twelve that a word says, as digits ("three", "tre": "3"); "" where it says
 * none. One is none: it is an article as often as a number. */
const char *kind_digits(const char *language, Slice word);
/* Written with a capital: Latin, Greek, Cyrillic. */
bool kind_is_capital(Slice written);
