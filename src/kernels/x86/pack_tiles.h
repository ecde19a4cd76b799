#pragma once
/* Inputs as tiles of bf16: 16 tokens side by side, and row k of a tile holds the k-th pair of 32
 * inputs of each. One token after the other, the tiles of a group of 32 inputs are those of its
 * parts (pack_bf16.h), and the groups follow each other. Up to 16 tokens have tiles as wide as they
 * are many, so that one token's inputs lie side by side; more come 16 by 16, the last ones with
 * zeros beside them. Folder-private. */
#include "kernels/x86/lanes_avx512.h"
#include "kernels/x86/pack_bf16.h"

enum { PACK_TOKENS = KERNELS_PACK_TOKENS, PAIR_BYTES = 4 };

/* Tokens of each tile. */
static inline size_t tile_width(size_t n_tokens) {
    return MIN(n_tokens, (size_t)PACK_TOKENS);
}

/* 32 inputs from i on of a token, in parts. */
ALWAYS_INLINE void input_parts(const float *x, size_t n, size_t i, size_t n_parts,
                               __m512i ret[BF16_PARTS]) {
    _Alignas(64) uint16_t parts[BF16_PARTS * BF16_GROUP];
    pack_bf16_groups(x + i, MIN(n - i, (size_t)BF16_GROUP), n_parts, parts);
    UNROLL for (size_t p = 0; p < n_parts; p++) {
        ret[p] = _mm512_load_si512(parts + p * BF16_GROUP);
    }
}

/* 32 inputs of up to 16 tokens from `first` on to a tile for each part. */
ALWAYS_INLINE void pack_tile(const KernelsPackJob *job, size_t first, size_t i, size_t width,
                             size_t n_parts, uint8_t *to) {
    __m512i rows[BF16_PARTS][PACK_TOKENS], lanes[PACK_TOKENS];
    __mmask16 mask = (__mmask16)((1U << width) - 1);
    for (size_t t = 0; t < PACK_TOKENS; t++) {
        __m512i parts[BF16_PARTS] = { { 0 } };
        if (first + t < job->n_tokens) {
            input_parts(job->x + (first + t) * job->x_stride, job->n, i, n_parts, parts);
        }
        UNROLL for (size_t p = 0; p < n_parts; p++) rows[p][t] = parts[p];
    }
    for (size_t p = 0; p < n_parts; p++, to += PACK_TOKENS * width * PAIR_BYTES) {
        transpose_16(rows[p], lanes);
        for (size_t k = 0; k < PACK_TOKENS; k++) {
            _mm512_mask_storeu_epi32(to + k * width * PAIR_BYTES, mask, lanes[k]);
        }
    }
}

ALWAYS_INLINE void pack_tiles(const KernelsPackJob *job, size_t begin, size_t end, size_t n_parts) {
    size_t width = tile_width(job->n_tokens), token_bytes = n_parts * BF16_GROUP * 2;
    size_t n_groups = (job->n + BF16_GROUP - 1) / BF16_GROUP;
    for (size_t t = begin; t < end; t += PACK_TOKENS) {
        uint8_t *to = (uint8_t *)job->y + t * n_groups * token_bytes;
        for (size_t i = 0; i < job->n; i += BF16_GROUP, to += width * token_bytes) {
            size_t left = MIN(job->n - i, (size_t)BF16_GROUP);
            if (width > 1) {
                pack_tile(job, t, i, width, n_parts, to);
            } else {
                pack_bf16_groups(job->x + i, left, n_parts, (void *)to);
            }
        }
    }
}

/* The smallest part first, so that both sums are exact. */
static inline void unpack_tiles(const KernelsPackJob *job, size_t token, size_t n_parts, float *x) {
    size_t width = tile_width(job->n_tokens), n_groups = (job->n + BF16_GROUP - 1) / BF16_GROUP;
    const uint16_t *from = job->y;
    from += token / PACK_TOKENS * PACK_TOKENS * n_groups * n_parts * BF16_GROUP;
    for (size_t i = 0; i < job->n; i++) {
        size_t k = i % BF16_GROUP;
        x[i] = 0;
        for (size_t p = n_parts; p-- > 0;) {
            size_t row = (i / BF16_GROUP * n_parts + p) * BF16_GROUP / 2 + k / 2;
            x[i] += gguf_bf16_to_f32(from[(row * width + token % PACK_TOKENS) * 2 + k % 2]);
        }
    }
}

static inline void pack_bf16_tiles(const KernelsPackJob *job, size_t begin, size_t end) {
    pack_tiles(job, begin, end, 1);
}
static inline void unpack_bf16_tiles(const KernelsPackJob *job, size_t token, float *x) {
    unpack_tiles(job, token, 1, x);
}
static inline void pack_bf16_part_tiles(const KernelsPackJob *job, size_t begin, size_t end) {
    pack_tiles(job, begin, end, BF16_PARTS);
}
static inline void unpack_bf16_part_tiles(const KernelsPackJob *job, size_t token, float *x) {
    unpack_tiles(job, token, BF16_PARTS, x);
}
