#pragma once
/* Vectors of 16 floats for vec/ on AVX-512 F, BW, DQ, VL. */
#include "kernels/x86/lanes_avx512.h"
#include "kernels/x86/statements.h"

#include <immintrin.h>
#include <stddef.h>

typedef __m512 Vec;
/* Tokens of a tile: 4 rows x 6 tokens are 24 accumulators of the 32 registers; and rows of a tile
 * of attention, with four keys each. */
enum { VEC_LANES = 16, VEC_TILE_TOKENS = 6, VEC_TILE_ROWS = 4 };
/* A tile of outer products: 3 vectors of rows x 8 tokens are 24 accumulators. */
enum { OUTER_VECS = 3, OUTER_TOKENS = 8 };
#define VEC_NAME(name) name##_avx512

static inline Vec vec_zero(void) {
    return _mm512_setzero_ps();
}
static inline Vec vec_set1(float x) {
    return _mm512_set1_ps(x);
}
static inline Vec vec_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline Vec vec_hold(Vec v) {
    HOLD(v);
    return v;
}
static inline void vec_store(float *p, Vec v) {
    _mm512_storeu_ps(p, v);
}
/* 16 numbers of f16 */
static inline Vec vec_load_half(const void *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}
/* 16 numbers of bf16 */
static inline Vec vec_load_bf16(const void *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
/* The first n < 16 lanes; the others are 0, their memory is not touched. */
static inline Vec vec_load_part(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps((__mmask16)((1U << n) - 1), p);
}
static inline void vec_store_part(float *p, Vec v, size_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1U << n) - 1), v);
}
static inline Vec vec_add(Vec a, Vec b) {
    return _mm512_add_ps(a, b);
}
static inline Vec vec_sub(Vec a, Vec b) {
    return _mm512_sub_ps(a, b);
}
static inline Vec vec_mul(Vec a, Vec b) {
    return _mm512_mul_ps(a, b);
}
static inline Vec vec_div(Vec a, Vec b) {
    return _mm512_div_ps(a, b);
}
static inline Vec vec_fma(Vec a, Vec b, Vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
/* vec_fma for a sum that stays in its register */
static inline Vec vec_add_product(Vec sum, Vec a, Vec b) {
    MULTIPLY_ADD(sum, a, b);
    return sum;
}
/* b where one of them is NaN */
static inline Vec vec_max(Vec a, Vec b) {
    return _mm512_max_ps(a, b);
}
static inline Vec vec_min(Vec a, Vec b) {
    return _mm512_min_ps(a, b);
}
static inline Vec vec_round(Vec v) {
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* 2^n for whole n in [-126, 127]; infinity for 128 */
static inline Vec vec_exp2_whole(Vec n) {
    __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(e, 23));
}
static inline Vec vec_swap_pairs(Vec v) {
    return _mm512_permute_ps(v, 0xB1);
}
/* In place: v[i] lane k becomes v[k] lane i. */
static inline void vec_transpose(Vec v[VEC_LANES]) {
    __m512i rows[VEC_LANES], lanes[VEC_LANES];
    UNROLL for (size_t i = 0; i < VEC_LANES; i++) rows[i] = _mm512_castps_si512(v[i]);
    transpose_16(rows, lanes);
    UNROLL for (size_t i = 0; i < VEC_LANES; i++) v[i] = _mm512_castsi512_ps(lanes[i]);
}
/* Lanes i and i + 8, then i + 4, i + 2, i + 1. */
static inline float vec_sum(Vec v) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
/* The sums of four vectors, in the same order, to out. */
static inline void vec_sum_four(const Vec v[4], float *out) {
    _mm_storeu_ps(out, fold_four(v));
}
/* Lane i: the sum of v[i], in the same order. */
static inline Vec vec_sum_all(const Vec v[VEC_LANES]) {
    return fold_16(v);
}
static inline float vec_highest(Vec v) {
    return _mm512_reduce_max_ps(v);
}
