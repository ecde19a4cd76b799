#pragma once
/* What guessing ahead is worth: text that is copied from the prompt, and text that is not, written
 * with and without. Threads: one call at a time. */
#include "llm/forward.h"

typedef struct BenchSpeculation { /* tokens/s of one stream */
    double copied, copied_plain;
    double other, other_plain; /* plain: without guessing */
} BenchSpeculation;

/* n_prompt tokens are read, n_tokens <= n_prompt written to each text; the context of `options`
 * holds both. round: other texts each time. Errors: those of engine_new and of its streams;
 * NO_MEMORY. */
Status bench_speculation_measure(const LlmModel *model, const LlmContextOptions *options,
                                 size_t n_prompt, size_t n_tokens, uint32_t round,
                                 BenchSpeculation *ret, Err *err) MUST_CHECK;
