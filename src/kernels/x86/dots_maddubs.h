#pragma once
/* Integer dot products of slabs (kernels/slab.h) by VPMADDUBSW, unsigned times signed bytes,
 * neighbours added to 16 bits, saturated; and what they stand for.
 *
 * An output is a vector of eight partial sums. For each slab, and in it for its blocks in lanes 0-7
 * and then in lanes 8-15: the integer dot product of each block (exact), to float, times the
 * product of the two scales, added with one rounding; then, where the type has them, the minima in
 * the same way. At the end one fixed tree adds the lanes. Nothing in it depends on how many rows
 * and tokens are computed side by side, nor on the order in which bytes are multiplied.
 *
 * Weights of few bits leave room in 16: as many products are added there as cannot overflow. Levels
 * beyond 63 are kept signed, and the products are |w| times x with the sign of w, whose pairs fit
 * 16 bits; each is widened on its own. */
#include "kernels/x86/factors_avx2.h"
#include "kernels/x86/pairs_avx2.h"
#include "kernels/x86/types_int8.h"

enum {
    WIDEST_UNSIGNED = 63, /* level; beyond it they are kept signed */
    AHEAD_BYTES = 4096,   /* of weights, fetched while others are unpacked */
};

/* Where slab s of a row lies, or a copy of the part at the end, followed by zeros: blocks of zeros
 * have scales of zero. Asks for what comes later. */
ALWAYS_INLINE const uint8_t *slab_at(const uint8_t *row, size_t s, const RowShape *shape,
                                     size_t stride, uint8_t copy[MAX_SLAB_BYTES]) {
    const uint8_t *p = row + s * stride;
    UNROLL for (size_t i = 0; i < stride; i += 64) {
        _mm_prefetch((const char *)p + AHEAD_BYTES + i, _MM_HINT_T0);
    }
    if (s < shape->whole) return p;
    memset(copy, 0, MAX_SLAB_BYTES);
    return memcpy(copy, p, shape->rest);
}

/* A token's inputs. */
ALWAYS_INLINE const KernelsInputSlab *token_slabs(const KernelsMatmulJob *job, size_t token) {
    return (const void *)((const char *)job->x + token * job->x_stride);
}

/* The levels of a side, ret[h][i]: half h of pair i; signed where they are wide. */
ALWAYS_INLINE void side_levels(const uint8_t *p, size_t side, PairLevels *levels, int zero, int top,
                               __m256i ret[2][PAIRS]) {
    UNROLL for (size_t i = 0; i < PAIRS; i++) {
        __m256i q[2];
        levels(p, side, i, q);
        UNROLL for (size_t h = 0; h < 2; h++) {
            if (top > WIDEST_UNSIGNED) q[h] = _mm256_sub_epi8(q[h], _mm256_set1_epi8((char)zero));
            ret[h][i] = q[h];
        }
    }
}

ALWAYS_INLINE __m256i load_side(const void *row, size_t side) {
    return _mm256_load_si256((const __m256i *)row + side);
}
ALWAYS_INLINE __m256 side_floats(const float *row, size_t side) {
    return _mm256_load_ps(row + SIDE * side);
}
/* Neighbours of 16 bits added to 32. */
ALWAYS_INLINE __m256i widen(__m256i pairs) {
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* Signed weights times inputs, in 32 bits. */
ALWAYS_INLINE __m256i signed_products(__m256i w, __m256i x) {
    return widen(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)));
}

/* Sum of q over half h of each block, or (halves 1) over all of it. */
ALWAYS_INLINE __m256i q_sum(const KernelsInputSlab *x, size_t side, size_t h, size_t halves) {
    __m256i all = load_side(x->sum, side);
    if (halves == 1) return all;
    __m256i first = load_side(x->first, side);
    return h == 0 ? first : _mm256_sub_epi32(all, first);
}

/* Sum of the inputs themselves, for addends. */
ALWAYS_INLINE __m256 input_sum(const KernelsInputSlab *x, size_t side, size_t h, size_t halves) {
    if (halves == 1) return side_floats(x->total, side);
    return _mm256_mul_ps(_mm256_cvtepi32_ps(q_sum(x, side, h, halves)), side_floats(x->d, side));
}

/* sum + what the integer dot products of half h (or all) of a side stand for. */
ALWAYS_INLINE __m256 add_dots(__m256 sum, __m256i dots, const float factors[4][SLAB_BLOCKS],
                              const KernelsInputSlab *x, size_t side, size_t h, SlabKind kind,
                              int zero, int top) {
    size_t halves = n_scales(kind);
    if (zero && top <= WIDEST_UNSIGNED) { /* a power of two */
        __m256i q = q_sum(x, side, h, halves);
        dots = _mm256_sub_epi32(dots, _mm256_slli_epi32(q, __builtin_ctz((unsigned)zero)));
    }
    __m256 factor = _mm256_mul_ps(side_floats(factors[h], side), side_floats(x->d, side));
    sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), factor, sum);
    if (n_addends(kind) == 0) return sum;
    return _mm256_fmadd_ps(side_floats(factors[halves + h], side), input_sum(x, side, h, halves),
                           sum);
}

/* Lanes i and i + 4, then i + 2, i + 1. */
ALWAYS_INLINE float fold(const float sums[SIDE]) {
    __m128 a = _mm_add_ps(_mm_load_ps(sums), _mm_load_ps(sums + 4));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}

/* The output of a row and a token. */
ALWAYS_INLINE void store_output(const KernelsMatmulJob *job, size_t row, size_t token,
                                const float sums[SIDE]) {
    float *y = job->y + token * job->y_stride + row, sum = fold(sums);
    *y = job->accumulate ? *y + sum : sum;
}
