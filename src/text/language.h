#pragma once
/* Languages by their ISO 639-1 code ("it", "en", ...; "" = unknown) and the guess of a text's own.
 * Threads: any. */
#include "base/slice.h"
#include "base/status.h"

enum { LANGUAGE_BYTES = 8 }; /* room for a code and its NUL */

/* Normalise a code or tag that people write ("it-IT", "ita", "Italian", "EN") to ISO 639-1; ""
 * where it is not known. */
void language_parse(Slice name, char ret[LANGUAGE_BYTES]);
/* Guess the language of clean text: Unicode script first (zh, ja, th, ko, el, ...), then function
 * words and libexttextcat where it is long enough; "" where there is too little to tell. Works on
 * questions of a few words too: `hint` ("" for none) wins where the evidence is even. */
void language_guess(Slice text, const char *hint, char ret[LANGUAGE_BYTES]);
/* A language that is written without spaces between words (zh, ja, th, km, lo, my). */
bool language_is_unspaced(const char *language);
