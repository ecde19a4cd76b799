#pragma once
/* Function words: what carries no topic in a search, and what tells languages apart.
 * Threads: any (the table is built once). */
#include "base/slice.h"
#include <stdint.h>

enum { STOPWORD_LANGUAGES = 14 };
/* ISO 639-1 code of the i-th language. */
const char *stopword_language(unsigned i);
/* Bit i: the folded word (lower case, no accents) is a function word of language i. */
uint32_t stopword_mask(Slice word);
/* The bit of a language; 0 where there is no list for it. */
uint32_t stopword_bit(const char *language);
