#pragma once
/* Cutting text into the words that byte-level BPE merges within: the regular expressions of GPT-2,
 * Llama 3 and SmolLM, and llama.cpp's default, as hand-written scanners over Unicode categories.
 * Threads: any. Errors: none.
 * Source: OpenAI gpt-2 encoder.py; Meta llama3 tokenizer.py; llama.cpp llama-vocab.cpp. Classes are
 * those of Unicode 15.1 (utf8proc has 15.0); white space is the White_Space property, as \s there.
 */
#include "llm/vocab.h"

typedef struct Words {
    VocabSplit split;
    Slice rest;    /* valid UTF-8; what is still to be cut; view */
    size_t fenced; /* bytes of rest up to a cut that is made already; 0 at first */
} Words;

/* The next word: never empty, together they are the text. False at the end. All words of a text
 * cost O(n). */
bool words_next(Words *words, Slice *ret) MUST_CHECK;
