#pragma once
/* Models of known shapes with random weights, to measure an engine without downloading anything.
 * They answer nonsense; their sizes, number formats and the magnitudes of their weights and
 * activations are those of trained models, so that they take the same time and memory.
 * Threads: one call at a time per output file; the callback runs on the calling thread.
 * Source: the shapes of arXiv:2302.13971, 2307.09288 and TinyLlama (arXiv:2401.02385). */
#include "gguf/mix.h"

typedef struct GgufRandomShape {
    const char *name; /* "llama2-7b" */
    uint32_t n_layers, dim, ffn_dim, n_heads, n_kv_heads, n_vocab, context;
} GgufRandomShape;

/* All shapes, ended by one whose name is NULL. */
extern const GgufRandomShape gguf_random_shapes[];

typedef struct GgufRandomOptions {
    uint32_t n_layers; /* instead of the shape's; 0 = the shape's */
    uint64_t seed;
    /* Called as bytes are written; false stops with CANCELLED. May be NULL. */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *user;
} GgufRandomOptions;

typedef struct GgufRandomSummary {
    size_t n_tensors;
    uint64_t n_elements;
    uint64_t out_bytes; /* of tensor data */
} GgufRandomSummary;

/* Write out_path (atomically) with the mixture of types of that name (gguf/mix.h). The bytes depend
 * on shape, layers, mixture and seed alone. options, ret may be NULL.
 * Errors: USAGE naming "shape" or "type" where unknown, "layers" above 1,024; those of
 * gguf_writer_*; CANCELLED; NO_MEMORY.
 * Cost: the speed of writing; a 7B Q4_0 takes some seconds. Memory: about 20 MiB. */
Status gguf_random(const char *out_path, const char *shape, const char *mix,
                   const GgufRandomOptions *options, GgufRandomSummary *ret, Err *err) MUST_CHECK;
