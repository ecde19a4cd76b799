#pragma once
/* The words of a question, found again in the text of a passage. An aid to the eye and no more: the
 * daemon decides what matches, by stems that this program does not know. A word is marked where it
 * equals a query word or shares all but its last two letters (at least four), case folded; short
 * function words are not marked. Threads: any. */
#include <stddef.h>

typedef struct Highlight Highlight;

/* NULL without memory. */
Highlight *highlight_new(const char *query);
Highlight *highlight_free(Highlight *highlight);
/* A TermMatch (term.h). context: a Highlight, or NULL for none. */
size_t highlight_match(const void *context, const char *text, size_t n, size_t at);
