#pragma once
/* Text to vectors. Implementations: embedder_hash.c (words and character n-grams hashed, weighted,
 * normalised: the default, needs no file, the same on every machine).
 * Threads: embed() may be called from several threads at once; each passes its own scratch. */
#include "base/mem.h"
#include "base/slice.h"

typedef struct EmbedText {
    Slice text, title, heading;
    const char *language;
    bool is_query;
} EmbedText;

typedef struct Embedder Embedder;
struct Embedder {
    const char *name; /* its id in the index: algorithm, version, dimension ("hash-2-384") */
    size_t dim;
    /* Scratch of one thread; NULL where there is no memory. */
    void *(*new_scratch)(const Embedder *self);
    void (*free_scratch)(void *scratch);
    /* f32 [dim], L2 norm 1, or all zero where the text holds nothing. */
    Status (*embed)(const Embedder *self, void *scratch, const EmbedText *text, float *ret,
                    Err *err);
    void (*free)(Embedder *self);
};

/* The default. */
const Embedder *embedder_hash(void);
/* By name; UNSUPPORTED where no such embedder is built in. */
Status embedder_by_name(const char *name, const Embedder **ret, Err *err) MUST_CHECK;
