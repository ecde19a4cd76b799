#pragma once
/* Folding: one character to lower case (NFKC casefold) and, beside it, to the same without accents.
 * Threads: any (tables are built once).
 * Source: Unicode 15 by utf8proc; UAX #15, #44. */
#include "base/slice.h"
#include <stdint.h>

typedef enum FoldClass {
    FOLD_NONE, /* not part of a word */
    FOLD_LETTER,
    FOLD_DIGIT,
    FOLD_MARK,     /* belongs to the letter before it */
    FOLD_UNSPACED, /* a letter of a script without spaces between words */
    FOLD_IGNORED,  /* soft hyphen, joiners: as if it were not there */
} FoldClass;

FoldClass fold_class(uint32_t character);
/* A vowel sign or tone mark that is written on the letter before it. */
bool fold_is_mark(uint32_t character);

enum { FOLD_BYTES = 128 };
/* A word as it grows. What does not fit is left out: nobody searches for such words. */
typedef struct FoldWord {
    char lower[FOLD_BYTES + 8]; /* folded, with accents: what stemmers want */
    char plain[FOLD_BYTES + 8]; /* and without */
    size_t n_lower, n_plain;
} FoldWord;

void fold_append(FoldWord *word, uint32_t character);
/* The same for ASCII letters and digits. */
static inline void fold_append_ascii(FoldWord *word, char lower) {
    if (word->n_lower < FOLD_BYTES) word->lower[word->n_lower++] = lower;
    if (word->n_plain < FOLD_BYTES) word->plain[word->n_plain++] = lower;
}
/* Fold a whole string (a stem) without accents; n bytes at most FOLD_BYTES. */
size_t fold_plain(Slice s, char ret[FOLD_BYTES + 8]);
