#pragma once
/* Products of weights unpacked to slabs and inputs packed to slabs (kernels/slab.h), by VPDPBUSD:
 * for each type, the way that its number of tokens is best computed in. */
#include "kernels/x86/direct_vnni.h"
#include "kernels/x86/panel_vnni.h"

#include <assert.h>

/* X(enum suffix, name, kind, zero) */
#define VNNI_TYPES(X)                                                                              \
    X(Q4_0, q4_0, SLAB_PLAIN, 8)                                                                   \
    X(Q4_1, q4_1, SLAB_MIN, 0)                                                                     \
    X(Q5_0, q5_0, SLAB_PLAIN, 16)                                                                  \
    X(Q5_1, q5_1, SLAB_MIN, 0)                                                                     \
    X(Q8_0, q8_0, SLAB_PLAIN, 128)                                                                 \
    X(Q2_K, q2_k, SLAB_HALVES_MIN, 0)                                                              \
    X(Q3_K, q3_k, SLAB_HALVES, 4)                                                                  \
    X(Q4_K, q4_k, SLAB_MIN, 0)                                                                     \
    X(Q5_K, q5_k, SLAB_MIN, 0)                                                                     \
    X(Q6_K, q6_k, SLAB_HALVES, 32)                                                                 \
    X(IQ4_NL, iq4_nl, SLAB_PLAIN, 127)                                                             \
    X(IQ4_XS, iq4_xs, SLAB_PLAIN, 127)

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

#define DEFINE_DIRECT(type, name, kind, zero, n_tokens)                                            \
    static __attribute__((noinline)) void direct_##name##_##n_tokens(                              \
        const KernelsMatmulJob *job, size_t row_begin, size_t row_end, float *scratch) {           \
        direct_rows(job, row_begin, row_end, n_tokens, STRIDE_##type, unpack_##name, kind, zero,   \
                    scratch);                                                                      \
    }

#define DEFINE_MATMUL(type, name, kind, zero)                                                      \
    enum { STRIDE_##type = KERNELS_SLAB / ELEMENTS_##type * sizeof(GgufBlock##type) };             \
    DEFINE_DIRECT(type, name, kind, zero, 1)                                                       \
    DEFINE_DIRECT(type, name, kind, zero, 2)                                                       \
    DEFINE_DIRECT(type, name, kind, zero, 3)                                                       \
    DEFINE_DIRECT(type, name, kind, zero, 4)                                                       \
    static void panel_##name(const KernelsMatmulJob *job, size_t row, size_t n_rows,               \
                             const RowShape *shape, uint8_t *panel) {                              \
        unpack_panel(job, row, n_rows, shape, panel, STRIDE_##type, unpack_##name, kind);          \
    }                                                                                              \
    static void matmul_##name##_vnni(const KernelsMatmulJob *job, size_t row_begin,                \
                                     size_t row_end, float *scratch) {                             \
        static KernelsMatmul *const direct[] = { direct_##name##_1, direct_##name##_2,             \
                                                 direct_##name##_3, direct_##name##_4 };           \
        size_t n = job->n_tokens;                                                                  \
        assert(job->n % ELEMENTS_##type == 0);                                                     \
        if (n > DIRECT_TOKENS) {                                                                   \
            panel_rows(job, row_begin, row_end, STRIDE_##type, scratch, panel_##name, kind, zero); \
        } else if (n > 0) {                                                                        \
            direct[n - 1](job, row_begin, row_end, scratch);                                       \
        }                                                                                          \
    }
