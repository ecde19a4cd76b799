#pragma once
/* Terms: what lexical search, the hashed embedder, and the answerer see of a text. Case and accents
 * folded (utf8proc), elisions split (l'intelligenza -> l, intelligenza), stems by the language
 * (libstemmer; for Vietnamese the word with its accents), unspaced scripts as characters and pairs
 * (Chinese, Japanese) or pairs and triples of letters and marks (Thai, Lao, Khmer, Burmese).
 * Threads: one TextTerms per thread (it holds stemmers and scratch). */
#include "base/slice.h"
#include "base/status.h"

typedef struct TextTerms TextTerms; /* stemmers by language, a cache of stems */

TextTerms *text_terms_new(void) MUST_CHECK; /* NULL where there is no memory */
TextTerms *text_terms_free(TextTerms *terms);

typedef enum TermKind {
    TERM_WORD = 1, /* folded, not stemmed */
    TERM_STEM =
        2, /* stem by the language (or accented form); only where it differs from the word */
    TERM_GRAM = 4, /* character n-gram of unspaced script */
} TermKind;

typedef struct Term {
    Slice text;        /* folded UTF-8; valid until the callback returns */
    size_t start, end; /* bytes of the word in the input that it came from */
    TermKind kind;
    bool is_stop; /* a function word of the language (il, the, ...), or a gram of one that asks */
    bool is_part; /* a gram that a longer one holds: texts are found by it, questions do better with
                   * the longer one alone */
} Term;

/* Call take(context, term) for every term of text in order: for a word first TERM_WORD, then
 * TERM_STEM at the same position. kinds: bits of TermKind to give. language: "" = no stemming.
 * Stops early where take returns other than OK, and returns that. */
Status text_terms_each(TextTerms *terms, Slice text, const char *language, unsigned kinds,
                       Status (*take)(void *context, const Term *term), void *context) MUST_CHECK;
