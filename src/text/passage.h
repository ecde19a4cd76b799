#pragma once
/* Sentences (UAX #29 with ICU's properties, with what it gets wrong for abbreviations repaired) and
 * passages: runs of whole sentences that are retrieved and cited as one. Offsets are bytes of the
 * clean text. Threads: any. */
#include "base/arena.h"
#include "text/reader.h"

typedef struct TextSpan {
    size_t start, end; /* bytes; no white space at either end; start < end */
} TextSpan;

/* The sentences of text in its language, in order, not overlapping; headings, list items and
 * paragraphs end a sentence. Views into the arena. */
Status text_sentences(Slice text, const char *language, Arena *arena, TextSpan **ret, size_t *ret_n,
                      Err *err) MUST_CHECK;

typedef struct TextPassage {
    TextSpan span;      /* first byte of the first sentence to the last of the last */
    Slice heading_path; /* "Title > Section > Subsection" without the document's title; "" = none */
} TextPassage;

/* Cut a document into passages of whole sentences with at most max_words words (a longer sentence
 * is cut at a word; in Chinese and Japanese 1.5 characters count as one, in Thai and its likes 4).
 * A heading starts a new passage; a passage prefers to end at a paragraph. Every sentence is in
 * exactly one passage. Views into the arena. */
Status text_passages(const TextDoc *doc, size_t max_words, Arena *arena, TextPassage **ret,
                     size_t *ret_n, Err *err) MUST_CHECK;
enum { TEXT_MAX_WORDS_DEFAULT = 200 };
