#pragma once
/* How answers are scored: the normalisation of SQuAD v1.1's evaluation script, with Unicode,
 * Italian and unspaced scripts provided for. Threads: any. */
#include <stdbool.h>
#include <stddef.h>

/* NFC, lower case; Italian apostrophes to spaces; punctuation and $+<=>^`|~ removed; articles of
 * English and Italian removed unless nothing would be left; white space folded (for zh, th, ja:
 * removed). Returned owned (free); NULL without memory or for text that is not UTF-8. */
char *eval_normalise(const char *text, const char *language);
/* Whether text holds the gold answer: normalised on word boundaries (unspaced scripts: anywhere),
 * or as written with no letter or digit beside it. */
bool eval_holds(const char *text, const char *gold, const char *language);
