#pragma once
/* Searching scales and levels, shared by encode_block.c and encode_super.c; not for other rooms.
 * All functions work on groups of n elements, n a multiple of 8 and at most 256, finite and below
 * 1e9 in magnitude; levels are kept as floats, as that is how they are multiplied.
 * Sums run in eight lanes in a fixed order, so that every compiler gives the same result. */
#include "base/mem.h"
#include "gguf/blocks.h"

/* What a group's elements may be multiples of. */
typedef struct LevelSet {
    float low, high; /* the extreme levels, low < 0 < high */
    bool iq4;        /* the 16 values of IQ4, instead of every integer in between */
    float spread;    /* how far round low and high the search looks */
} LevelSet;

/* Write each element's nearest level for that scale; returns the squared error. Scale 0: level 0
 * (IQ4 has none: the level nearest to 0). */
float gguf_fit_levels(const LevelSet *set, const float *x, size_t n, float scale, float *ret);
/* The scale (either sign) that makes the squared error small; 0 where all of x is (nearly) 0. */
float gguf_fit_scale(const LevelSet *set, const float *x, size_t n);

/* Levels 0..top of x = scale * level + offset; returns the squared error. */
float gguf_fit_affine_levels(const float *x, size_t n, float top, float scale, float offset,
                             float *ret);
/* scale >= 0 and offset (<= 0 where offset_max_zero) that make the squared error small. */
void gguf_fit_affine(const float *x, size_t n, float top, bool offset_max_zero, float *ret_scale,
                     float *ret_offset);

/* sum x[i] y[i], sum x[i] */
float gguf_fit_dot(const float *x, const float *y, size_t n);
float gguf_fit_sum(const float *x, size_t n);
float gguf_fit_peak(const float *x, size_t n); /* the element of largest magnitude, with its sign */

/* To f16, infinity avoided. */
uint16_t gguf_fit_f16(float f);
/* To the nearest integer, ties to even; |f| < 2^22. */
static inline float gguf_fit_round(float f) {
    return (f + 0x1.8p23F) - 0x1.8p23F;
}
static inline float gguf_fit_clamp(float f, float low, float high) {
    f = f < low ? low : f;
    return f > high ? high : f;
}

/* Encoders of one block: x f32 [32] or [256], block: the format's. */
void gguf_encode_q4_0(const float *x, void *block);
void gguf_encode_q4_1(const float *x, void *block);
void gguf_encode_q5_0(const float *x, void *block);
void gguf_encode_q5_1(const float *x, void *block);
void gguf_encode_q8_0(const float *x, void *block);
void gguf_encode_iq4_nl(const float *x, void *block);
void gguf_encode_q2_k(const float *x, void *block);
void gguf_encode_q3_k(const float *x, void *block);
void gguf_encode_q4_k(const float *x, void *block);
void gguf_encode_q5_k(const float *x, void *block);
void gguf_encode_q6_k(const float *x, void *block);
void gguf_encode_iq4_xs(const float *x, void *block);

static const LevelSet LEVELS_IQ4 = { -127.0F, 113.0F, true, 14.0F };
/* Index (0-15) of an IQ4 level that gguf_fit_levels gave. */
uint8_t gguf_fit_iq4_index(float level);
