#pragma once
/* Numbers of 32 bits, or their halves, that change their lanes. Folder-private. */
#include "kernels/kernels_internal.h"

#include <immintrin.h>
#include <stddef.h>

/* 4 x 4 numbers of 32 bits in each 128-bit lane */
ALWAYS_INLINE void transpose(__m512i a, __m512i b, __m512i c, __m512i d, __m512i ret[4]) {
    __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
    __m512i cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
    ret[0] = _mm512_unpacklo_epi64(ab0, cd0);
    ret[1] = _mm512_unpackhi_epi64(ab0, cd0);
    ret[2] = _mm512_unpacklo_epi64(ab1, cd1);
    ret[3] = _mm512_unpackhi_epi64(ab1, cd1);
}

/* 16 x 16 numbers of 32 bits: ret[j] holds number j of each. */
ALWAYS_INLINE void transpose_16(const __m512i rows[16], __m512i ret[16]) {
    __m512i fours[4][4]; /* [rows / 4][j]: number 4 c + j of four rows in chunk c of 128 bits */
    UNROLL for (size_t g = 0; g < 4; g++) {
        transpose(rows[4 * g], rows[4 * g + 1], rows[4 * g + 2], rows[4 * g + 3], fours[g]);
    }
    UNROLL for (size_t j = 0; j < 4; j++) {
        __m512i ab0 = _mm512_shuffle_i32x4(fours[0][j], fours[1][j], 0x44);
        __m512i ab1 = _mm512_shuffle_i32x4(fours[0][j], fours[1][j], 0xEE);
        __m512i cd0 = _mm512_shuffle_i32x4(fours[2][j], fours[3][j], 0x44);
        __m512i cd1 = _mm512_shuffle_i32x4(fours[2][j], fours[3][j], 0xEE);
        ret[j] = _mm512_shuffle_i32x4(ab0, cd0, 0x88);
        ret[4 + j] = _mm512_shuffle_i32x4(ab0, cd0, 0xDD);
        ret[8 + j] = _mm512_shuffle_i32x4(ab1, cd1, 0x88);
        ret[12 + j] = _mm512_shuffle_i32x4(ab1, cd1, 0xDD);
    }
}

/* The upper halves of 32 numbers of 32 bits. */
ALWAYS_INLINE __m512i upper_halves(__m512i a, __m512i b) {
    __m512i fours = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
    __m512i odd = _mm512_add_epi16(_mm512_or_si512(fours, _mm512_slli_epi32(fours, 16)),
                                   _mm512_set1_epi32(3 << 16 | 1));
    return _mm512_permutex2var_epi16(a, odd, b);
}

/* Each of four vectors' lanes i and i + 8, then i + 4, i + 2, i + 1. */
ALWAYS_INLINE __m128 fold_four(const __m512 v[4]) {
    __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(v[0], v[1], 0x44),
                              _mm512_shuffle_f32x4(v[0], v[1], 0xEE));
    __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(v[2], v[3], 0x44),
                              _mm512_shuffle_f32x4(v[2], v[3], 0xEE));
    __m512 s =
        _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
    s = _mm512_add_ps(s, _mm512_permute_ps(s, 0x4E));
    s = _mm512_add_ps(s, _mm512_permute_ps(s, 0xB1));
    return _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, s));
}

/* fold_four's sums of 16 vectors: ret[i] is the sum of v[i]'s lanes. Of each two vectors, a blend
 * takes what stays in its place and one permutation what is added to it; blends are free beside
 * products. */
ALWAYS_INLINE __m512 fold_16(const __m512 v[16]) {
    const __m512i quarters =
        _mm512_setr_epi32(4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 24, 25, 26, 27);
    const __m512i singles =
        _mm512_setr_epi32(1, 16, 3, 18, 5, 20, 7, 22, 9, 24, 11, 26, 13, 28, 15, 30);
    __m512 a[8], b[4], c[2];
    /* the order that leaves the sums in theirs: numbers of two bits with their bits swapped */
#define SWAPPED(k) ((k) % 2 * 2 + (k) / 2)
#define VECTOR(k) v[4 * SWAPPED((k) % 4) + SWAPPED((k) / 4)]
    UNROLL for (size_t i = 0; i < 8; i++) {
        __m512 p = VECTOR(2 * i), q = VECTOR(2 * i + 1);
        a[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xFF00, p, q), _mm512_shuffle_f32x4(p, q, 0x4E));
    }
#undef VECTOR
#undef SWAPPED
    UNROLL for (size_t i = 0; i < 4; i++) {
        __m512 p = a[2 * i], q = a[2 * i + 1];
        b[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xF0F0, p, q),
                             _mm512_permutex2var_ps(p, quarters, q));
    }
    UNROLL for (size_t i = 0; i < 2; i++) {
        __m512 p = b[2 * i], q = b[2 * i + 1];
        c[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xCCCC, p, q), _mm512_shuffle_ps(p, q, 0x4E));
    }
    return _mm512_add_ps(_mm512_mask_blend_ps(0xAAAA, c[0], c[1]),
                         _mm512_permutex2var_ps(c[0], singles, c[1]));
}
