#pragma once
/* Text to vectors. Implementations: embedder_hash.c (words and character n-grams hashed, weighted,
 * normalised: the default, needs no file, the same on every machine).
 * Vectors are stored as int8 [dim] (embedder_pack): the direction is all that counts, so there is
 * no scale beside them; a cosine between packed vectors is within 0.01 of the true one.
 * Threads: embed() may be called from several threads at once; each passes its own scratch. */
#include "base/mem.h"
#include "base/slice.h"

typedef struct EmbedText {
    Slice text, title, heading;
    const char *language; /* ISO 639-1 or "" */
    bool is_query;
} EmbedText;

typedef struct Embedder Embedder;
struct Embedder {
    const char *name; /* its id in the index: algorithm, version, dimension ("hash-1-256") */
    size_t dim;
    /* Scratch of one thread; NULL where there is no memory. */
    void *(*new_scratch)(const Embedder *self);
    void (*free_scratch)(void *scratch);
    /* f32 [dim], L2 norm 1, or all zero where the text holds nothing. */
    Status (*embed)(const Embedder *self, void *scratch, const EmbedText *text, float *ret,
                    Err *err);
    void (*free)(Embedder *self);
};

enum { EMBEDDER_NAME_BYTES = 64, EMBEDDER_MAX_DIM = 8192 };
#define EMBEDDER_DEFAULT "hash-1-256"

/* By name, returned owned (self->free). NULL or "" = the default. UNSUPPORTED where no such
 * embedder is built in. */
Status embedder_by_name(const char *name, Embedder **ret, Err *err) MUST_CHECK;
/* The hashed one of a dimension: 64-2,048 in steps of 32 (INVALID otherwise). */
Status embedder_hash_new(size_t dim, Embedder **ret, Err *err) MUST_CHECK;

/* f32 [dim] to the int8 [dim] that the store keeps: the largest component becomes 127; all zero
 * stays all zero. Unpacked: norm 1 again (or zero). Threads: any. Errors: none. */
void embedder_pack(const float *vector, size_t dim, int8_t *ret);
void embedder_unpack(const int8_t *packed, size_t dim, float *ret);
