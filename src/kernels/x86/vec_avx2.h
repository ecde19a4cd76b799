#pragma once
/* Vectors of 8 floats for vec/ on AVX2, FMA, F16C. */
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

typedef __m256 Vec;
/* Tokens of a tile: 4 rows x 3 tokens are 12 accumulators, with a vector of inputs for each token
 * and one of weights all 16 registers; and rows of a tile of attention, with four keys each. */
enum { VEC_LANES = 8, VEC_TILE_TOKENS = 3, VEC_TILE_ROWS = 2 };
/* A tile of outer products: 2 vectors of rows x 6 tokens are 12 accumulators. */
enum { OUTER_VECS = 2, OUTER_TOKENS = 6 };
#define VEC_NAME(name) name##_avx2

static inline Vec vec_zero(void) {
    return _mm256_setzero_ps();
}
static inline Vec vec_set1(float x) {
    return _mm256_set1_ps(x);
}
static inline Vec vec_load(const float *p) {
    return _mm256_loadu_ps(p);
}
/* v in a register: GCC would rather load it again for each use. */
static inline Vec vec_hold(Vec v) {
    __asm__("" : "+x"(v));
    return v;
}
static inline void vec_store(float *p, Vec v) {
    _mm256_storeu_ps(p, v);
}
/* 8 numbers of f16 */
static inline Vec vec_load_half(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}
/* 8 numbers of bf16 */
static inline Vec vec_load_bf16(const void *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
/* The first n < 8 lanes; the others are 0, their memory is not touched. */
static inline Vec vec_load_part(const float *p, size_t n) {
    float padded[8] = { 0 };
    memcpy(padded, p, n * sizeof *p);
    return _mm256_loadu_ps(padded);
}
static inline void vec_store_part(float *p, Vec v, size_t n) {
    float padded[8];
    _mm256_storeu_ps(padded, v);
    memcpy(p, padded, n * sizeof *p);
}
static inline Vec vec_add(Vec a, Vec b) {
    return _mm256_add_ps(a, b);
}
static inline Vec vec_sub(Vec a, Vec b) {
    return _mm256_sub_ps(a, b);
}
static inline Vec vec_mul(Vec a, Vec b) {
    return _mm256_mul_ps(a, b);
}
static inline Vec vec_div(Vec a, Vec b) {
    return _mm256_div_ps(a, b);
}
static inline Vec vec_fma(Vec a, Vec b, Vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline Vec vec_add_product(Vec sum, Vec a, Vec b) {
    return vec_fma(a, b, sum);
}
/* b where one of them is NaN */
static inline Vec vec_max(Vec a, Vec b) {
    return _mm256_max_ps(a, b);
}
static inline Vec vec_min(Vec a, Vec b) {
    return _mm256_min_ps(a, b);
}
static inline Vec vec_round(Vec v) {
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* 2^n for whole n in [-126, 127]; infinity for 128 */
static inline Vec vec_exp2_whole(Vec n) {
    __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}
static inline Vec vec_swap_pairs(Vec v) {
    return _mm256_permute_ps(v, 0xB1);
}
/* In place: v[i] lane k becomes v[k] lane i. */
static inline void vec_transpose(Vec v[VEC_LANES]) {
    __m256 fours[VEC_LANES]; /* [4 (i / 4) + k]: lanes k and k + 4 of v[4 (i / 4)] ... + 3 */
    for (size_t i = 0; i < VEC_LANES; i += 4) {
        __m256 a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpackhi_ps(v[i], v[i + 1]);
        __m256 c = _mm256_unpacklo_ps(v[i + 2], v[i + 3]);
        __m256 d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
        fours[i] = _mm256_shuffle_ps(a, c, 0x44);
        fours[i + 1] = _mm256_shuffle_ps(a, c, 0xEE);
        fours[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        fours[i + 3] = _mm256_shuffle_ps(b, d, 0xEE);
    }
    for (size_t k = 0; k < 4; k++) {
        v[k] = _mm256_permute2f128_ps(fours[k], fours[4 + k], 0x20);
        v[4 + k] = _mm256_permute2f128_ps(fours[k], fours[4 + k], 0x31);
    }
}
/* Lanes i and i + 4, then i + 2, i + 1. */
static inline float vec_sum(Vec v) {
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
/* The sums of four vectors, in the same order, to out. */
static inline void vec_sum_four(const Vec v[4], float *out) {
    for (size_t i = 0; i < 4; i++) out[i] = vec_sum(v[i]);
}
/* Lane i: the sum of v[i], in the same order. */
static inline Vec vec_sum_all(const Vec v[VEC_LANES]) {
    Vec a[4], b[2];
    for (size_t i = 0; i < 4; i++) {
        a[i] = _mm256_add_ps(_mm256_permute2f128_ps(v[i], v[i + 4], 0x20),
                             _mm256_permute2f128_ps(v[i], v[i + 4], 0x31));
    }
    for (size_t i = 0; i < 2; i++) {
        b[i] = _mm256_add_ps(_mm256_shuffle_ps(a[2 * i], a[2 * i + 1], 0x44),
                             _mm256_shuffle_ps(a[2 * i], a[2 * i + 1], 0xEE));
    }
    return _mm256_add_ps(_mm256_shuffle_ps(b[0], b[1], 0x88), _mm256_shuffle_ps(b[0], b[1], 0xDD));
}
static inline float vec_highest(Vec v) {
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}
