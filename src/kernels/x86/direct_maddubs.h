#pragma once
/* Few tokens: weights are multiplied in the order in which they lie in the file, a side of a slab
 * at a time, and what moves between lanes are sums of products, of which there are fewer. For that
 * inputs are brought to the weights' order, once for all rows. About 10 instructions for 32 weights
 * of Q4_0 and one token, a third of which unpack; from 5 tokens on a panel is faster. */
#include "kernels/x86/dots_maddubs.h"

enum { DIRECT_TOKENS = 4 };

/* A slab of inputs, in the order of side_levels. */
typedef struct DirectInputs {
    __m256i q[2][2][PAIRS]; /* [side, half, pair] */
} DirectInputs;

typedef struct Direct {
    const KernelsMatmulJob *job;
    RowShape shape;
    DirectInputs *inputs; /* [n_tokens, n_slabs] */
} Direct;

static inline void arrange_slab(const KernelsInputSlab *x, DirectInputs *ret) {
    UNROLL for (size_t i = 0; i < 4; i++) {
        size_t side = i / 2, h = i % 2;
        __m256i steps[PAIRS];
        UNROLL for (size_t k = 0; k < PAIRS; k++) steps[k] = load_side(x->q[PAIRS * h + k], side);
        transpose_halves(steps, ret->q[side][h]);
    }
}

static inline void arrange_inputs(const Direct *d) {
    DirectInputs *to = d->inputs;
    for (size_t t = 0; t < d->job->n_tokens; t++) {
        const KernelsInputSlab *x = token_slabs(d->job, t);
        for (size_t s = 0; s < d->shape.n_slabs; s++) arrange_slab(x + s, to++);
    }
}

/* The sum of each block's products, in the order of lanes, from four vectors of pairs: in 16 bits,
 * two of which can still be added there, or in 32. */
ALWAYS_INLINE __m256i add_lanes_16(const __m256i sums[PAIRS]) {
    return _mm256_hadd_epi32(widen(_mm256_hadd_epi16(sums[0], sums[1])),
                             widen(_mm256_hadd_epi16(sums[2], sums[3])));
}
ALWAYS_INLINE __m256i add_lanes_32(const __m256i sums[PAIRS]) {
    return _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]),
                             _mm256_hadd_epi32(sums[2], sums[3]));
}

/* Integer dot products of a side's blocks: of their halves [begin, end). */
ALWAYS_INLINE __m256i unsigned_sums(const __m256i w[2][PAIRS], const __m256i x[2][PAIRS],
                                    size_t begin, size_t end) {
    __m256i sums[PAIRS];
    UNROLL for (size_t i = 0; i < PAIRS; i++) {
        sums[i] = _mm256_maddubs_epi16(w[begin][i], x[begin][i]);
        UNROLL for (size_t h = begin + 1; h < end; h++) {
            sums[i] = _mm256_add_epi16(sums[i], _mm256_maddubs_epi16(w[h][i], x[h][i]));
        }
    }
    return add_lanes_16(sums);
}
ALWAYS_INLINE __m256i signed_sums(const __m256i w[2][PAIRS], const __m256i x[2][PAIRS]) {
    __m256i sums[PAIRS], wide[2];
    UNROLL for (size_t i = 0; i < PAIRS; i++) {
        UNROLL for (size_t h = 0; h < 2; h++) wide[h] = signed_products(w[h][i], x[h][i]);
        sums[i] = _mm256_add_epi32(wide[0], wide[1]);
    }
    return add_lanes_32(sums);
}

/* Slab s of a row, which is at p, times n_tokens inputs, added to sums [n_tokens, SIDE]. */
ALWAYS_INLINE void direct_slab(const Direct *d, const uint8_t *p, size_t s, size_t n_tokens,
                               PairLevels *levels, SlabFactors *factors, SlabKind kind, int zero,
                               int top, float sums[DIRECT_TOKENS][SIDE]) {
    size_t halves = n_scales(kind), width = 2 / halves;
    _Alignas(32) float scales[4][SLAB_BLOCKS];
    factors(p, scales);
    UNROLL for (size_t side = 0; side < 2; side++) {
        __m256i w[2][PAIRS];
        side_levels(p, side, levels, zero, top, w);
        for (size_t t = 0; t < n_tokens; t++) {
            const KernelsInputSlab *x = token_slabs(d->job, t) + s;
            const DirectInputs *inputs = d->inputs + t * d->shape.n_slabs + s;
            __m256 sum = _mm256_load_ps(sums[t]);
            UNROLL for (size_t h = 0; h < halves; h++) {
                __m256i dots = top > WIDEST_UNSIGNED
                                   ? signed_sums(w, inputs->q[side])
                                   : unsigned_sums(w, inputs->q[side], h * width, (h + 1) * width);
                sum = add_dots(sum, dots, scales, x, side, h, kind, zero, top);
            }
            _mm256_store_ps(sums[t], sum);
        }
    }
}

/* n_tokens: job's, but a constant where it is 1 */
ALWAYS_INLINE void direct_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               size_t n_tokens, size_t stride, PairLevels *levels,
                               SlabFactors *factors, SlabKind kind, int zero, int top,
                               float *scratch) {
    Direct d = { .job = job, .shape = row_shape(job, stride), .inputs = (void *)scratch };
    arrange_inputs(&d);
    for (size_t row = row_begin; row < row_end; row++) {
        const uint8_t *w = (const uint8_t *)job->w + row * job->row_bytes;
        _Alignas(32) float sums[DIRECT_TOKENS][SIDE] = { 0 };
        for (size_t s = 0; s < d.shape.n_slabs; s++) {
            uint8_t copy[MAX_SLAB_BYTES];
            const uint8_t *p = slab_at(w, s, &d.shape, stride, copy);
            direct_slab(&d, p, s, n_tokens, levels, factors, kind, zero, top, sums);
        }
        for (size_t t = 0; t < n_tokens; t++) store_output(job, row, t, sums[t]);
    }
}
