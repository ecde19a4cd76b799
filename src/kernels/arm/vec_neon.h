#pragma once
/* Vectors of 4 floats for vec/ on AArch64's SIMD. */
#include <arm_neon.h>
#include <stddef.h>
#include <string.h>

typedef float32x4_t Vec;
/* Tokens of a tile: 4 rows x 4 tokens are 16 accumulators, a group of weights 8 more, of the 32
 * registers; and rows of a tile of attention, with four keys each. */
enum { VEC_LANES = 4, VEC_TILE_TOKENS = 4, VEC_TILE_ROWS = 4 };
/* A tile of outer products: 3 vectors of rows x 8 tokens are 24 accumulators. */
enum { OUTER_VECS = 3, OUTER_TOKENS = 8 };
#define VEC_NAME(name) name##_neon

static inline Vec vec_zero(void) {
    return vdupq_n_f32(0);
}
static inline Vec vec_set1(float x) {
    return vdupq_n_f32(x);
}
static inline Vec vec_load(const float *p) {
    return vld1q_f32(p);
}
/* v in a register: GCC would rather load it again for each use. */
static inline Vec vec_hold(Vec v) {
    __asm__("" : "+w"(v));
    return v;
}
static inline void vec_store(float *p, Vec v) {
    vst1q_f32(p, v);
}
/* 4 numbers of f16 */
static inline Vec vec_load_half(const void *p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
/* 4 numbers of bf16 */
static inline Vec vec_load_bf16(const void *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}
/* The first n < 4 lanes; the others are 0, their memory is not touched. */
static inline Vec vec_load_part(const float *p, size_t n) {
    float padded[4] = { 0 };
    memcpy(padded, p, n * sizeof *p);
    return vld1q_f32(padded);
}
static inline void vec_store_part(float *p, Vec v, size_t n) {
    float padded[4];
    vst1q_f32(padded, v);
    memcpy(p, padded, n * sizeof *p);
}
static inline Vec vec_add(Vec a, Vec b) {
    return vaddq_f32(a, b);
}
static inline Vec vec_sub(Vec a, Vec b) {
    return vsubq_f32(a, b);
}
static inline Vec vec_mul(Vec a, Vec b) {
    return vmulq_f32(a, b);
}
static inline Vec vec_div(Vec a, Vec b) {
    return vdivq_f32(a, b);
}
static inline Vec vec_fma(Vec a, Vec b, Vec c) {
    return vfmaq_f32(c, a, b);
}
static inline Vec vec_add_product(Vec sum, Vec a, Vec b) {
    return vec_fma(a, b, sum);
}
/* NaN where one of them is */
static inline Vec vec_max(Vec a, Vec b) {
    return vmaxq_f32(a, b);
}
static inline Vec vec_min(Vec a, Vec b) {
    return vminq_f32(a, b);
}
static inline Vec vec_round(Vec v) {
    return vrndnq_f32(v);
}
/* 2^n for whole n in [-126, 127]; infinity for 128 */
static inline Vec vec_exp2_whole(Vec n) {
    int32x4_t e = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(e, 23));
}
static inline Vec vec_swap_pairs(Vec v) {
    return vrev64q_f32(v);
}
/* In place: v[i] lane k becomes v[k] lane i. */
static inline void vec_transpose(Vec v[VEC_LANES]) {
    float32x4x2_t a = vzipq_f32(v[0], v[2]), b = vzipq_f32(v[1], v[3]);
    float32x4x2_t c = vzipq_f32(a.val[0], b.val[0]), d = vzipq_f32(a.val[1], b.val[1]);
    v[0] = c.val[0], v[1] = c.val[1], v[2] = d.val[0], v[3] = d.val[1];
}
/* Lanes i and i + 2, then i + 1. */
static inline float vec_sum(Vec v) {
    float32x2_t b = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}
/* The sums of four vectors, in the same order, to out. */
static inline void vec_sum_four(const Vec v[4], float *out) {
    for (size_t i = 0; i < 4; i++) out[i] = vec_sum(v[i]);
}
/* Lane i: the sum of v[i], in the same order. */
static inline Vec vec_sum_all(const Vec v[VEC_LANES]) {
    Vec a[2];
    for (size_t i = 0; i < 2; i++) {
        Vec p = v[2 * i], q = v[2 * i + 1];
        a[i] = vaddq_f32(vcombine_f32(vget_low_f32(p), vget_low_f32(q)),
                         vcombine_f32(vget_high_f32(p), vget_high_f32(q)));
    }
    return vpaddq_f32(a[0], a[1]);
}
static inline float vec_highest(Vec v) {
    return vmaxvq_f32(v);
}
