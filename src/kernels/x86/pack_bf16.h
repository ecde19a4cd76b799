#pragma once
/* Inputs as bf16, in groups of 32, zeros up to a whole group: rounded to one each, or as the three
 * parts that add up to the f32 (its 24 significant bits are three times 8), 32 of the first parts,
 * 32 of the second, 32 of the third. Folder-private. */
#include "kernels/kernels_internal.h"

#include <immintrin.h>

enum { BF16_GROUP = 32, BF16_PARTS = 3 };

/* To nearest, ties to even; by integers, as the instruction would lose the smallest. */
static inline __m512 bf16_nearest(__m512 v) {
    __m512i bits = _mm512_castps_si512(v);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
    __m512i rounded = _mm512_add_epi32(bits, half);
    __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    rounded = _mm512_mask_mov_epi32(rounded, is_nan, quiet);
    return _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32((int)0xFFFF0000)));
}

/* What v has beyond a bf16 near it: exact. Nothing where the bf16 is not finite. */
static inline __m512 bf16_rest(__m512 v, __m512 part) {
    __m512 infinity = _mm512_set1_ps(INFINITY);
    __mmask16 finite = _mm512_cmp_ps_mask(_mm512_abs_ps(part), infinity, _CMP_LT_OQ);
    return _mm512_maskz_sub_ps(finite, v, part);
}

static inline void pack_bf16_groups(const float *x, size_t n, size_t n_parts, uint16_t *to) {
    size_t end = (n + BF16_GROUP - 1) / BF16_GROUP * BF16_GROUP;
    for (size_t i = 0; i < end; i += 16) {
        size_t left = i < n ? n - i : 0;
        __m512 v = _mm512_maskz_loadu_ps((__mmask16)(left < 16 ? (1U << left) - 1 : 0xFFFF), x + i);
        uint16_t *group = to + i / BF16_GROUP * BF16_GROUP * n_parts + i % BF16_GROUP;
        for (size_t p = 0; p < n_parts; p++) {
            __m512 part = bf16_nearest(v);
            __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(part), 16);
            _mm256_storeu_si256((void *)(group + p * BF16_GROUP), _mm512_cvtepi32_epi16(bits));
            v = bf16_rest(v, part);
        }
    }
}

static inline void pack_bf16(const float *x, size_t n, void *y) {
    pack_bf16_groups(x, n, 1, y);
}

static inline void unpack_bf16(const void *packed, size_t n, float *x) {
    const uint16_t *from = packed;
    for (size_t i = 0; i < n; i++) x[i] = gguf_bf16_to_f32(from[i]);
}
