#pragma once
/* From tokens to the text that may be shown: never a part of a character, nothing of a stop string,
 * wherever the borders of tokens are. It knows when a text ends; it chooses no tokens.
 * All memory is taken at output_new. Threads: one owner at a time; the vocabulary is borrowed until
 * output_free. */
#include "llm/tokenizer.h"

typedef struct Output Output;

typedef struct OutputOptions {
    const Slice *stops; /* [n_stops], copied; the text ends before the first that is complete */
    size_t n_stops;
    size_t max_tokens;   /* 0 = any number */
    bool ignore_end;     /* tokens that end a text (vocab_ends_text) are like any other */
    unsigned detokenize; /* DETOKENIZE_CONTINUED where the text goes on after a prompt that is text;
                            DETOKENIZE_CONTROL */
} OutputOptions;
enum { OUTPUT_MAX_STOPS = 16, OUTPUT_MAX_STOP_BYTES = 512 };

typedef enum OutputEnd {
    OUTPUT_GOES_ON,
    OUTPUT_ENDED,   /* a token that ends the text */
    OUTPUT_STOPPED, /* a stop string */
    OUTPUT_FULL,    /* max_tokens */
} OutputEnd;

/* Errors: USAGE for stop strings that are too many, too long, empty or not UTF-8; NO_MEMORY. */
Status output_new(const Vocab *vocab, const OutputOptions *options, Output **ret,
                  Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
Output *output_free(Output *output);
/* The next token. *ret_text: what has become certain, valid UTF-8, a view until the next call; at
 * the end all that is left. All texts together are the text of the tokens up to the end or the stop
 * string. Must not be called after the end (asserted). INVALID for an id that the vocabulary does
 * not have. */
Status output_push(Output *output, int32_t id, Slice *ret_text, OutputEnd *ret_end,
                   Err *err) MUST_CHECK;
/* No more tokens come: what was held back, as above. */
Slice output_flush(Output *output);
