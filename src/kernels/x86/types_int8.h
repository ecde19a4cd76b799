#pragma once
/* The types of weights that are multiplied in int8 slabs (kernels/slab.h), the bytes of a slab of
 * each, and how many slabs a row has. Folder-private. */
#include "kernels/kernels.h"
#include "kernels/slab.h"

/* X(enum suffix, name, kind, zero, largest q) */
#define INT8_TYPES(X)                                                                              \
    X(Q4_0, q4_0, SLAB_PLAIN, 8, 15)                                                               \
    X(Q4_1, q4_1, SLAB_MIN, 0, 15)                                                                 \
    X(Q5_0, q5_0, SLAB_PLAIN, 16, 31)                                                              \
    X(Q5_1, q5_1, SLAB_MIN, 0, 31)                                                                 \
    X(Q8_0, q8_0, SLAB_PLAIN, 128, 255)                                                            \
    X(Q2_K, q2_k, SLAB_HALVES_MIN, 0, 3)                                                           \
    X(Q3_K, q3_k, SLAB_HALVES, 4, 7)                                                               \
    X(Q4_K, q4_k, SLAB_MIN, 0, 15)                                                                 \
    X(Q5_K, q5_k, SLAB_MIN, 0, 31)                                                                 \
    X(Q6_K, q6_k, SLAB_HALVES, 32, 63)                                                             \
    X(IQ4_NL, iq4_nl, SLAB_PLAIN, 127, 240)                                                        \
    X(IQ4_XS, iq4_xs, SLAB_PLAIN, 127, 240)

/* Elements of a block, for constants. */
enum {
    ELEMENTS_Q4_0 = GGUF_BLOCK,
    ELEMENTS_Q4_1 = GGUF_BLOCK,
    ELEMENTS_Q5_0 = GGUF_BLOCK,
    ELEMENTS_Q5_1 = GGUF_BLOCK,
    ELEMENTS_Q8_0 = GGUF_BLOCK,
    ELEMENTS_IQ4_NL = GGUF_BLOCK,
    ELEMENTS_Q2_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q3_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q4_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q5_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q6_K = GGUF_SUPERBLOCK,
    ELEMENTS_IQ4_XS = GGUF_SUPERBLOCK,
};

/* Types of superblocks take inputs that share scales, where a set has such: llama.cpp gives each
 * 256 inputs one for these types, and each 32 for the others. */
#define SHARES_SCALES(type) ((size_t)ELEMENTS_##type == (size_t)GGUF_SUPERBLOCK)

/* STRIDE_Q4_0: bytes of a whole slab of weights, ... */
#define DEFINE_STRIDE(type, name, kind, zero, top)                                                 \
    STRIDE_##type = KERNELS_SLAB / ELEMENTS_##type * sizeof(GgufBlock##type),
enum { INT8_TYPES(DEFINE_STRIDE) };

typedef struct RowShape {
    size_t n_slabs;     /* whole ones and a part */
    size_t whole;       /* whole slabs */
    size_t slab_stride; /* bytes of a whole slab in the row */
    size_t rest;        /* bytes of the part */
} RowShape;

static inline RowShape row_shape(const KernelsMatmulJob *job, size_t slab_stride) {
    RowShape s = { .slab_stride = slab_stride, .whole = job->n / KERNELS_SLAB };
    s.rest = job->row_bytes - s.whole * slab_stride;
    s.n_slabs = s.whole + (s.rest > 0);
    return s;
}

enum { MAX_SLAB_BYTES = 16 * sizeof(GgufBlockQ8_0) };
