#pragma once
/* The types of weights that are multiplied in int8, and what the set for VNNI lends to the set of
 * tiles: products for few tokens, and packed inputs. Folder-private. */
#include "kernels/kernels.h"
#include "kernels/slab.h"

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

/* STRIDE_Q4_0: bytes of a whole slab of weights, ... */
#define DEFINE_STRIDE(type, name, kind, zero)                                                      \
    STRIDE_##type = KERNELS_SLAB / ELEMENTS_##type * sizeof(GgufBlock##type),
enum { VNNI_TYPES(DEFINE_STRIDE) };

#define DECLARE_MATMUL(type, name, kind, zero) KernelsMatmul kernels_matmul_##name##_vnni;
VNNI_TYPES(DECLARE_MATMUL)
KernelsPack kernels_pack_int8_vnni;
