#pragma once
/* Inputs as tiles of bf16: 16 tokens side by side, and row k of a tile holds the k-th pair of 32
 * inputs of each. They are rounded to one bf16 each, or are the three that add up to the f32 (its
 * 24 significant bits are three times 8): then a group of 32 inputs has three tiles, one after the
 * other. Up to 16 tokens have tiles as wide as they are many, so that one token's inputs lie side
 * by side; more come 16 by 16, the last ones with zeros beside them. Folder-private. */
#include "kernels/x86/lanes_avx512.h"
#include "kernels/x86/pack_bf16.h"
#include "kernels/x86/tiles.h"

enum { PACK_TOKENS = KERNELS_PACK_TOKENS, PAIR_BYTES = 4, BF16_PARTS = 3 };

/* Tokens of each tile. */
static inline size_t tile_width(size_t n_tokens) {
    return MIN(n_tokens, (size_t)PACK_TOKENS);
}

/* What v has beyond a bf16 near it: exact. Nothing where the bf16 is not finite. */
static inline __m512 bf16_rest(__m512 v, __m512 part) {
    __m512 infinity = _mm512_set1_ps(INFINITY);
    __mmask16 finite = _mm512_cmp_ps_mask(_mm512_abs_ps(part), infinity, _CMP_LT_OQ);
    return _mm512_maskz_sub_ps(finite, v, part);
}

/* n inputs, 32 at the most, in parts. */
ALWAYS_INLINE void input_parts(const float *x, size_t n, size_t n_parts, __m512i ret[BF16_PARTS]) {
    __m512 a, b;
    if (n == BF16_GROUP) {
        a = _mm512_loadu_ps(x);
        b = _mm512_loadu_ps(x + 16);
    } else {
        uint32_t mask = (1U << n) - 1;
        a = _mm512_maskz_loadu_ps((__mmask16)mask, x);
        b = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), x + 16);
    }
    UNROLL for (size_t p = 0; p < n_parts; p++) {
        __m512 part_a = bf16_nearest(a), part_b = bf16_nearest(b);
        ret[p] = upper_halves(_mm512_castps_si512(part_a), _mm512_castps_si512(part_b));
        a = bf16_rest(a, part_a);
        b = bf16_rest(b, part_b);
    }
}

/* Parts of 32 inputs of 16 tokens to a tile of `width` of them for each part. */
ALWAYS_INLINE void store_tiles(const __m512i rows[][PACK_TOKENS], size_t n_parts, size_t width,
                               uint8_t *to) {
    __mmask16 mask = (__mmask16)((1U << width) - 1);
    __m512i lanes[PACK_TOKENS];
    for (size_t p = 0; p < n_parts; p++, to += PACK_TOKENS * width * PAIR_BYTES) {
        transpose_16(rows[p], lanes);
        UNROLL for (size_t k = 0; k < PACK_TOKENS; k++) {
            _mm512_mask_storeu_epi32(to + k * width * PAIR_BYTES, mask, lanes[k]);
        }
    }
}

/* n inputs from i on of up to 16 tokens from `first` on, to a tile for each part. */
ALWAYS_INLINE void pack_tile(const KernelsPackJob *job, size_t first, size_t i, size_t n,
                             size_t n_parts, uint8_t *to) {
    size_t width = tile_width(job->n_tokens),
           here = MIN(job->n_tokens - first, (size_t)PACK_TOKENS);
    const float *x = job->x + first * job->x_stride + i;
    __m512i rows[BF16_PARTS][PACK_TOKENS], parts[BF16_PARTS];
    for (size_t t = 0; t < here; t++, x += job->x_stride) {
        input_parts(x, n, n_parts, parts);
        UNROLL for (size_t p = 0; p < n_parts; p++) rows[p][t] = parts[p];
    }
    for (size_t t = here; t < PACK_TOKENS; t++) {
        UNROLL for (size_t p = 0; p < n_parts; p++) rows[p][t] = _mm512_setzero_si512();
    }
    store_tiles(rows, n_parts, width, to);
}

ALWAYS_INLINE void pack_tiles(const KernelsPackJob *job, size_t begin, size_t end, size_t n_parts) {
    size_t width = tile_width(job->n_tokens), token_bytes = n_parts * BF16_GROUP * 2;
    size_t n_groups = (job->n + BF16_GROUP - 1) / BF16_GROUP;
    for (size_t t = begin; t < end; t += PACK_TOKENS) {
        uint8_t *to = (uint8_t *)job->y + t * n_groups * token_bytes;
        for (size_t i = 0; i < job->n; i += BF16_GROUP, to += width * token_bytes) {
            size_t n = MIN(job->n - i, (size_t)BF16_GROUP);
            if (width > 1 && n == BF16_GROUP) {
                pack_tile(job, t, i, BF16_GROUP, n_parts, to);
            } else if (width > 1) {
                pack_tile(job, t, i, n, n_parts, to);
            } else {
                __m512i parts[BF16_PARTS];
                input_parts(job->x + i, n, n_parts, parts);
                for (size_t p = 0; p < n_parts; p++) {
                    _mm512_storeu_si512(to + p * TILE_ROW_BYTES, parts[p]);
                }
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
