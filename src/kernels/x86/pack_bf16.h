#pragma once
/* Numbers as bf16. Inputs in order, zeros up to a whole group of 32. Folder-private. */
#include "kernels/kernels_internal.h"

#include <immintrin.h>

enum { BF16_GROUP = 32 };

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

static inline void pack_bf16(const float *x, size_t n, void *y) {
    uint16_t *to = y;
    size_t end = (n + BF16_GROUP - 1) / BF16_GROUP * BF16_GROUP;
    for (size_t i = 0; i < end; i += 16) {
        size_t left = i < n ? n - i : 0;
        __m512 v = _mm512_maskz_loadu_ps((__mmask16)(left < 16 ? (1U << left) - 1 : 0xFFFF), x + i);
        __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(bf16_nearest(v)), 16);
        _mm256_storeu_si256((void *)(to + i), _mm512_cvtepi32_epi16(bits));
    }
}
static inline void unpack_bf16(const void *packed, size_t n, float *x) {
    const uint16_t *from = packed;
    for (size_t i = 0; i < n; i++) x[i] = gguf_bf16_to_f32(from[i]);
}
