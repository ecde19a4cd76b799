#pragma once
/* Whether what a model wrote stands in the passages that it cites: sentence by sentence, before
 * anybody sees it. Words can be checked, meanings cannot: a sentence passes when its numbers, dates
 * and names are there and enough of its content words are.
 * Threads: one owner at a time. */
#include "base/arena.h"
#include "text/terms.h"
#include <fonte/types.h>

typedef struct Support Support; /* the passages of one answer, read */

/* used [n_used]: which of passages are [1], [2], ...; all are borrowed until support_free. */
Status support_new(TextTerms *terms, const FontePassages *passages, const size_t *used,
                   size_t n_used, const char *language, Support **ret, Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
Support *support_free(Support *support);

typedef enum SupportVerdict {
    SUPPORT_HOLDS,    /* by the passages that it cites */
    SUPPORT_REPAIRED, /* by another, which it is now said to cite */
    SUPPORT_NONE,     /* by none */
} SupportVerdict;

/* The sentence of a passage that says it best, byte for byte. */
typedef struct SupportQuote {
    size_t passage;    /* index into the passages */
    size_t start, end; /* bytes inside the passage's text */
} SupportQuote;

typedef struct SupportResult {
    SupportVerdict verdict;
    SupportQuote *quotes; /* one for each passage that supports it; arena */
    size_t n_quotes;
    double share;        /* 0-1 of its content words that are there */
    const char *missing; /* what is not: a number, a name, a word as it was written; "" = nothing.
                            Arena */
} SupportResult;

/* sentence without its markers; numbers [n]: those of its markers (1 = used[0]). */
Status support_check(Support *support, Slice sentence, const size_t *numbers, size_t n,
                     Arena *arena, SupportResult *ret, Err *err) MUST_CHECK;
