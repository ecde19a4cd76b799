#pragma once
/* Matrix times tokens, written once over the vectors of a set: the including file has chosen its
 * `Vec` (vec_<set>.h) and its decoders of 32 weights (blocks_<set>.h).
 *
 * Every output has one accumulator of VEC_LANES partial sums, which takes the inputs in order, 32
 * at a time, and one fixed tree that adds the lanes at the end. Tiles of rows x tokens only decide
 * how many such sums run side by side; so all paths below give the same bits.
 * Single numbers are decoded into registers as tiles need them, which costs nothing that can be
 * seen beside the products; blocks for few tokens too. With few tokens memory decides, and single
 * numbers of the next four rows are fetched meanwhile. Blocks for many tokens: four rows are
 * decoded once into scratch (L1/L2). Tokens are taken in blocks whose inputs stay in L2 while all
 * rows pass by. Measured on Zen 4: 98 % of the multiply-adds that the processor can do with 4 x 4
 * tiles. */
#include "kernels/kernels_internal.h"

#include <string.h>

typedef struct Group {
    Vec v[32 / VEC_LANES]; /* 32 consecutive weights */
} Group;
/* Weights 32 g .. 32 g + 31 of the row. */
typedef Group DecodeGroup(const uint8_t *row, size_t g);

#define ALWAYS_INLINE static inline __attribute__((always_inline))
enum {
    GROUP_VECS = 32 / VEC_LANES,
    FEW_TOKENS = 16, /* so few that memory decides */
    BLOCK_TOKENS = 32,
    L2_INPUT_BYTES = 384 << 10,
};

/* The last n % 32 weights, followed by zeros. Only types of single elements have them. */
ALWAYS_INLINE Group decode_tail(const uint8_t *row, size_t n, size_t element_bytes,
                                DecodeGroup *decode) {
    uint8_t padded[32 * sizeof(float)] = { 0 };
    size_t whole = n / 32 * 32;
    memcpy(padded, row + whole * element_bytes, (n - whole) * element_bytes);
    return decode(padded, 0);
}

/* A group of single numbers, `ahead` bytes further, into the cache. */
ALWAYS_INLINE void prefetch_group(const uint8_t *row, size_t g, size_t element_bytes,
                                  size_t ahead) {
    for (size_t i = 0; i < 32 * element_bytes; i += 64) {
        __builtin_prefetch(row + g * 32 * element_bytes + ahead + i, 0, 2);
    }
}

/* n_rows x n_tokens sums. Both are constants where this is inlined, and so is `few`: whether to
 * fetch the next rows, which are `ahead` bytes further. */
ALWAYS_INLINE void tile(const uint8_t *const w[KERNELS_MATMUL_ROWS], const float *const *x,
                        size_t n_tokens, size_t n, bool few, size_t ahead, size_t element_bytes,
                        DecodeGroup *decode, Vec sums[KERNELS_MATMUL_ROWS][VEC_TILE_TOKENS]) {
    Vec acc[KERNELS_MATMUL_ROWS][VEC_TILE_TOKENS];
    for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
        for (size_t t = 0; t < n_tokens; t++) acc[r][t] = vec_zero();
    }
    for (size_t g = 0; g < n / 32; g++) {
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
            Group weights = decode(w[r], g);
            if (few) prefetch_group(w[r], g, element_bytes, ahead);
            for (size_t j = 0; j < GROUP_VECS; j++) {
                for (size_t t = 0; t < n_tokens; t++) {
                    acc[r][t] =
                        vec_fma(weights.v[j], vec_load(x[t] + 32 * g + j * VEC_LANES), acc[r][t]);
                }
            }
        }
    }
    if (element_bytes && n % 32) {
        for (size_t t = 0; t < n_tokens; t++) {
            float padded[32] = { 0 };
            memcpy(padded, x[t] + n / 32 * 32, n % 32 * sizeof(float));
            for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
                Group weights = decode_tail(w[r], n, element_bytes, decode);
                for (size_t j = 0; j < GROUP_VECS; j++) {
                    acc[r][t] = vec_fma(weights.v[j], vec_load(padded + j * VEC_LANES), acc[r][t]);
                }
            }
        }
    }
    for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
        for (size_t t = 0; t < n_tokens; t++) sums[r][t] = acc[r][t];
    }
}

/* One tile, and its sums to y. Rows past the end repeat the last one and are not stored. */
ALWAYS_INLINE void tile_store(const KernelsMatmulJob *job, const uint8_t *const *w, size_t row,
                              size_t n_rows, size_t token, size_t n_tokens, bool few,
                              size_t element_bytes, DecodeGroup *decode) {
    const float *x[VEC_TILE_TOKENS];
    for (size_t t = 0; t < n_tokens; t++) {
        x[t] = (const float *)(const void *)((const char *)job->x + (token + t) * job->x_stride);
    }
    Vec sums[KERNELS_MATMUL_ROWS][VEC_TILE_TOKENS];
    tile(w, x, n_tokens, job->n, few, KERNELS_MATMUL_ROWS * job->row_bytes, element_bytes, decode,
         sums);
    for (size_t t = 0; t < n_tokens; t++) {
        float *y = job->y + (token + t) * job->y_stride + row, four[KERNELS_MATMUL_ROWS];
        Vec column[KERNELS_MATMUL_ROWS];
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) column[r] = sums[r][t];
        vec_sum_four(column, four);
        for (size_t r = 0; r < n_rows; r++) y[r] = job->accumulate ? y[r] + four[r] : four[r];
    }
}

/* All tokens [begin, end) for up to four rows. */
ALWAYS_INLINE void tiles_of_rows(const KernelsMatmulJob *job, const uint8_t *const *w, size_t row,
                                 size_t n_rows, size_t begin, size_t end, bool few,
                                 size_t element_bytes, DecodeGroup *decode) {
    size_t t = begin;
    for (; t + VEC_TILE_TOKENS <= end; t += VEC_TILE_TOKENS) {
        tile_store(job, w, row, n_rows, t, VEC_TILE_TOKENS, few, element_bytes, decode);
    }
    if (VEC_TILE_TOKENS > 2 && t + 2 <= end) {
        tile_store(job, w, row, n_rows, t, 2, few, element_bytes, decode);
        t += 2;
    }
    if (t < end) tile_store(job, w, row, n_rows, t, 1, few, element_bytes, decode);
}

static Group decode_scratch(const uint8_t *row, size_t g) {
    Group group;
    for (size_t j = 0; j < GROUP_VECS; j++) {
        group.v[j] = vec_load((const float *)(const void *)row + 32 * g + j * VEC_LANES);
    }
    return group;
}

ALWAYS_INLINE void decode_row_with(const void *row, size_t n, float *y, size_t element_bytes,
                                   DecodeGroup *decode) {
    for (size_t g = 0; g < n / 32; g++) {
        Group group = decode(row, g);
        for (size_t j = 0; j < GROUP_VECS; j++) vec_store(y + 32 * g + j * VEC_LANES, group.v[j]);
    }
    if (element_bytes && n % 32) {
        Group group = decode_tail(row, n, element_bytes, decode);
        float padded[32];
        for (size_t j = 0; j < GROUP_VECS; j++) vec_store(padded + j * VEC_LANES, group.v[j]);
        memcpy(y + n / 32 * 32, padded, n % 32 * sizeof *y);
    }
}

/* Not inlined: one copy serves all types. */
static __attribute__((noinline)) void matmul_scratch(const KernelsMatmulJob *job,
                                                     const uint8_t *const *w, size_t row,
                                                     size_t n_rows, size_t begin, size_t end) {
    tiles_of_rows(job, w, row, n_rows, begin, end, false, sizeof(float), decode_scratch);
}

ALWAYS_INLINE void matmul_with(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               float *scratch, size_t element_bytes, DecodeGroup *decode) {
    bool direct = job->n_tokens <= VEC_TILE_TOKENS || element_bytes;
    bool few = job->n_tokens <= FEW_TOKENS && element_bytes;
    size_t stride = KERNELS_ROUND_UP(job->n);
    size_t fits = L2_INPUT_BYTES / MAX(job->n * sizeof(float), (size_t)1);
    size_t block = element_bytes ? MAX(fits / 4 * 4, (size_t)8) : BLOCK_TOKENS;
    for (size_t begin = 0; begin < job->n_tokens; begin += block) {
        size_t end = MIN(begin + block, job->n_tokens);
        for (size_t row = row_begin; row < row_end; row += KERNELS_MATMUL_ROWS) {
            size_t n_rows = MIN(row_end - row, (size_t)KERNELS_MATMUL_ROWS);
            const uint8_t *w[KERNELS_MATMUL_ROWS];
            for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
                w[r] = (const uint8_t *)job->w + (row + MIN(r, n_rows - 1)) * job->row_bytes;
            }
            if (few) {
                tiles_of_rows(job, w, row, n_rows, begin, end, true, element_bytes, decode);
                continue;
            }
            if (direct) {
                tiles_of_rows(job, w, row, n_rows, begin, end, false, element_bytes, decode);
                continue;
            }
            const uint8_t *decoded[KERNELS_MATMUL_ROWS];
            for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
                float *to = scratch + MIN(r, n_rows - 1) * stride;
                if (r < n_rows) decode_row_with(w[r], job->n, to, element_bytes, decode);
                decoded[r] = (const uint8_t *)to;
            }
            matmul_scratch(job, decoded, row, n_rows, begin, end);
        }
    }
}

#define VEC_DEFINE_TYPE(type, name, element_bytes)                                                 \
    static void VEC_NAME(decode_row_##name)(const void *row, size_t n, float *y) {                 \
        decode_row_with(row, n, y, element_bytes, decode_##name);                                  \
    }                                                                                              \
    static void VEC_NAME(matmul_##name)(const KernelsMatmulJob *job, size_t row_begin,             \
                                        size_t row_end, float *scratch) {                          \
        matmul_with(job, row_begin, row_end, scratch, element_bytes, decode_##name);               \
    }
#define VEC_FILL_TYPE(type, name, element_bytes)                                                   \
    table->decode_row[GGUF_TYPE_##type] = VEC_NAME(decode_row_##name);                             \
    table->matmul[GGUF_TYPE_##type] = VEC_NAME(matmul_##name);
