#pragma once
/* What all products by VPDPBUSD share: the arithmetic of an output.
 *
 * An output is a vector of 16 partial sums, one for each block of 32 of a slab. For each slab in
 * order: the integer dot product of each block (exact), to float, times the product of the two
 * scales, added with one rounding; then, where the type has them, the minima in the same way. At
 * the end one fixed tree adds the lanes. Nothing in it depends on how many rows and tokens are
 * computed side by side, so that all ways of doing it (direct_vnni.h, panel_vnni.h) give the same
 * bits. */
#include "kernels/x86/statements.h"
#include "kernels/x86/types_int8.h"
#include "kernels/x86/unpack_vnni.h"

/* Sum of q over half h of each block, or (halves 1) over all of it. */
ALWAYS_INLINE __m512i q_sum(const KernelsInputSlab *x, size_t h, size_t halves) {
    __m512i all = _mm512_load_si512(x->sum);
    if (halves == 1) return all;
    __m512i first = _mm512_load_si512(x->first);
    return h == 0 ? first : _mm512_sub_epi32(all, first);
}

/* What integer sums begin with: -zero * sum of q. */
ALWAYS_INLINE __m512i correction(const KernelsInputSlab *x, size_t h, size_t halves, int zero) {
    if (zero == 0) return _mm512_setzero_si512();
    return _mm512_mullo_epi32(q_sum(x, h, halves), _mm512_set1_epi32(-zero));
}

/* Sum of the inputs themselves, for addends. */
ALWAYS_INLINE __m512 input_sum(const KernelsInputSlab *x, size_t h, size_t halves) {
    if (halves == 1) return _mm512_load_ps(x->total);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(q_sum(x, h, halves)), _mm512_load_ps(x->d));
}

/* Lanes i and i + 8, then i + 4, i + 2, i + 1. */
ALWAYS_INLINE float fold(__m512 v) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
/* The same of four vectors at once. */
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

/* Slab s of a row. The part at its end is followed by zeros: blocks of zeros have scales of zero.
 */
ALWAYS_INLINE Slab unpack_at(const uint8_t *row, size_t s, const RowShape *shape,
                             size_t slab_stride, UnpackSlab *unpack) {
    if (s < shape->whole) return unpack(row + s * slab_stride);
    uint8_t padded[MAX_SLAB_BYTES] = { 0 };
    memcpy(padded, row + s * slab_stride, shape->rest);
    return unpack(padded);
}
