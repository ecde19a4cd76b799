#pragma once
/* Function words: what carries no topic in a search, and what tells languages apart.
 * Threads: any (the table is built once). */
#include "base/slice.h"
#include <stdint.h>

enum { STOPWORD_LANGUAGES = 14 };
/* ISO 639-1 code of the i-th language. */
const char *stopword_language(unsigned i);
/* Bit i: the folded word (lower case, no accents) is a function word of language i. Bit
 * STOPWORD_LANGUAGES: with its accents it is one of Vietnamese, where "của" is a function word and
 * "cua" a crab. */
uint32_t stopword_mask(Slice word);
#define STOPWORD_ACCENTED_BIT ((uint32_t)1 << STOPWORD_LANGUAGES)
/* The bit of a language; 0 where there is no list for it. */
uint32_t stopword_bit(const char *language);

/* Scripts without spaces have no words to look up: what asks ("what", "when") is found in the text
 * itself, for it stands in questions only and would be looked for as if it were their topic. Bytes
 * of the longest such word that s begins with; 0 = none, or no list for the language. */
typedef struct AskWords AskWords;
const AskWords *stopword_ask_words(const char *language); /* NULL where there is no list */
size_t stopword_ask_at(const AskWords *words, Slice s);
