#pragma once
/* Measuring the language model's engine on this machine. What is measured is the engine itself,
 * without sockets: reading a prompt, writing tokens for several streams in one batch, opening the
 * file. Threads: one call at a time measures what it says. */
#include <fonte/status.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FonteBenchEngine {
    const char *model;   /* path of a GGUF file */
    size_t n_prompt;     /* tokens of the prompt; 0: prefill is not measured */
    size_t n_decode;     /* tokens written to each stream; 0: decode is not measured */
    size_t n_context;    /* tokens before those that are measured, in every stream */
    size_t n_streams;    /* that are written at once; 0 = 1 */
    unsigned n_threads;  /* 0 = processors of this process */
    unsigned n_repeats;  /* 0 = 3 */
    const char *kv;      /* "f32", "f16", "q8_0"; NULL = "f16" */
    const char *kernels; /* sets that may be used, "ref,avx2"; NULL = all */
    bool profile;        /* also the time of each operation; costs some of it */
    bool speculation;    /* also what guessing ahead is worth: n_prompt >= n_decode >= 2 */
    /* Called with every measured value, once a repetition, in the order of measuring; name and unit
     * are valid during the call. False stops with FONTE_CANCELLED. On the calling thread. */
    bool (*figure)(void *context, const char *name, const char *unit, double value);
    void *context;
} FonteBenchEngine;

/* Figures: load (s, from opening the file to being able to compute; put it into the page cache
 * first), memory_limit (GB/s that all threads read), arithmetic_limit (Gop/s of the arithmetic that
 * most of the model's matrices use), prefill and decode (tokens/s, all streams together),
 * prefill_share (of arithmetic_limit: two operations a weight and token, attention not counted),
 * decode_share (of memory_limit: weights and cache once a step), resident (MB at most, without the
 * key/value cache), kv_cache (MB); with profile prefill_OP and decode_OP (ms a repetition);
 * with speculation copied, other, copied_plain, other_plain (tokens/s of one stream that writes
 * n_decode tokens after n_prompt: a part of the prompt, or other text in which pairs of tokens
 * recur; plain: without guessing ahead), copied_gain and other_cost (copied / copied_plain,
 * 1 - other / other_plain).
 * Errors: those of opening the model and USAGE for options out of range. */
FONTE_API FonteStatus fonte_bench_engine(const FonteBenchEngine *bench, FonteError *error);

#ifdef __cplusplus
}
#endif
