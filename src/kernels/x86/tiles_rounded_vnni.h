#pragma once
/* Panels (panel_vnni.h) of weights that are rounded once more, to int8 with a scale for those that
 * meet inputs of one scale: four times 32 of a row, 512 apart. All of a group's products are added
 * up in integers, and tiles hold nothing else: four rows and six tokens, four weights and one input
 * are 29 registers, ten loads feed 24 products, and 32 of some 34.5 operations are products, where
 * tiles_scaled_vnni.h has 8 of 10.25. To round a slab takes as long as 8 tokens' products, so it
 * pays from 16 tokens on.
 *
 * A weight d q + m of a block becomes (u - 128) / 127 of the group's largest magnitude that q could
 * make, u = [factor q + addend] / 256 with both in 16 bits, of which 8 are a fraction: within 0.53
 * of a step where q has four bits, 0.57 where it has five. That is an error of 4e-5 of the square,
 * as inputs have, where rounding to four bits costs some 7e-3, and to five a quarter of that. */
#include "kernels/x86/panel_vnni.h"

enum {
    ROUNDED_ROWS = 4,
    ROUNDED_TOKENS = MAX_TILE_TOKENS,
    ROUNDED_ZERO = 128,
    ROUNDED_BYTES = sizeof(((WeightSlab *)NULL)->q),
    STEP_BYTES = SLAB_BLOCKS * sizeof(float), /* follow a group */
};
_Static_assert(KERNELS_PANEL_ROWS % ROUNDED_ROWS == 0,
               "a tile past the last row has a place for its sums");

/* ---- rounding ---------------------------------------------------------------------------------
 */

/* What the blocks of a group become multiples of, for each lane. */
typedef struct Steps {
    __m512 step, inverse;
} Steps;

ALWAYS_INLINE __m512i magnitude_bits(__m512 x) {
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
}

/* top: the largest q. Compared as bits, so that what is not finite is the largest; below a limit,
 * where the inverse overflows, all become zeros. */
ALWAYS_INLINE Steps find_steps(const __m512 d[SLAB_GROUP], const __m512 m[SLAB_GROUP],
                               size_t n_slabs, int top) {
    __m512i most = _mm512_setzero_si512();
    for (size_t s = 0; s < n_slabs; s++) {
        __m512 end = _mm512_fmadd_ps(d[s], _mm512_set1_ps((float)top), m[s]);
        most = _mm512_max_epu32(most, _mm512_max_epu32(magnitude_bits(m[s]), magnitude_bits(end)));
    }
    __m512 largest = _mm512_castsi512_ps(most);
    __mmask16 usable = _mm512_cmp_ps_mask(largest, _mm512_set1_ps(0x1p-120F), _CMP_NLE_UQ);
    return (Steps){ _mm512_maskz_mul_ps(usable, largest, _mm512_set1_ps(1 / 127.0F)),
                    _mm512_maskz_div_ps(usable, _mm512_set1_ps(127), largest) };
}

/* 256 x in both halves of each lane. */
ALWAYS_INLINE __m512i fixed_twice(__m512 x) {
    __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(256)));
    return _mm512_or_si512(_mm512_slli_epi32(n, 16),
                           _mm512_and_si512(n, _mm512_set1_epi32(0xFFFF)));
}

ALWAYS_INLINE __m512i round_step(__m512i q, __m512i factor, __m512i addend) {
    __m512i even = _mm512_and_si512(q, _mm512_set1_epi16(0xFF)), odd = _mm512_srli_epi16(q, 8);
    even = _mm512_add_epi16(_mm512_mullo_epi16(even, factor), addend);
    odd = _mm512_add_epi16(_mm512_mullo_epi16(odd, factor), addend);
    return or_and(_mm512_srli_epi16(even, 8), odd, _mm512_set1_epi16((short)0xFF00));
}

/* Slabs [begin, begin + n_slabs) of a row, a group. Unpacked twice, as the compiler leaves out what
 * is not used: the first time for scales and addends alone. */
ALWAYS_INLINE void round_group(const uint8_t *w, size_t begin, size_t n_slabs,
                               const RowShape *shape, uint8_t *panel, size_t slab_stride,
                               UnpackSlab *unpack, int top) {
    __m512 d[SLAB_GROUP], m[SLAB_GROUP];
    for (size_t s = 0; s < n_slabs; s++) {
        Slab slab = unpack_at(w, begin + s, shape, slab_stride, unpack);
        d[s] = slab.d[0], m[s] = slab.m[0];
    }
    Steps steps = find_steps(d, m, n_slabs, top);
    __m512 half = _mm512_set1_ps(ROUNDED_ZERO + 0.5F);
    for (size_t s = 0; s < n_slabs; s++) {
        Slab slab = unpack_at(w, begin + s, shape, slab_stride, unpack);
        __m512i factor = fixed_twice(_mm512_mul_ps(d[s], steps.inverse));
        __m512i addend = fixed_twice(_mm512_fmadd_ps(m[s], steps.inverse, half));
        uint8_t *at = panel + s * ROUNDED_BYTES;
        UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
            _mm512_store_si512(at + k * 64, round_step(slab.q[k], factor, addend));
        }
    }
    _mm512_store_ps(panel + n_slabs * ROUNDED_BYTES, steps.step);
}

/* ---- products ---------------------------------------------------------------------------------
 */

static inline const uint8_t *rounded_row(const Strip *strip, size_t row) {
    size_t row_bytes = strip->n_slabs * ROUNDED_BYTES + STEP_BYTES;
    return strip->w + MIN(row, strip->n_rows - 1) * row_bytes;
}

/* What a token's integer sums begin with. */
ALWAYS_INLINE __m512i group_correction(const KernelsInputSlab *x, size_t n_slabs) {
    __m512i sum = _mm512_setzero_si512();
    for (size_t s = 0; s < n_slabs; s++) {
        sum = _mm512_add_epi32(sum, correction(x + s, 0, 1, ROUNDED_ZERO));
    }
    return sum;
}

/* Slab s of four rows. */
ALWAYS_INLINE void rounded_steps(const Strip *strip, const uint8_t *const w[ROUNDED_ROWS], size_t s,
                                 size_t n_tokens, __m512i dots[ROUNDED_TOKENS][ROUNDED_ROWS]) {
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        __m512i weights[ROUNDED_ROWS];
        UNROLL for (size_t r = 0; r < ROUNDED_ROWS; r++) {
            weights[r] = _mm512_load_si512(w[r] + s * ROUNDED_BYTES + k * 64);
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m512i inputs = _mm512_load_si512(strip->x[t][s].q[k]);
            UNROLL for (size_t r = 0; r < ROUNDED_ROWS; r++) {
                DOT_BYTES(dots[t][r], weights[r], inputs);
            }
        }
    }
}

ALWAYS_INLINE void rounded_end(const Strip *strip, const uint8_t *const w[ROUNDED_ROWS], size_t row,
                               size_t n_tokens, __m512i dots[ROUNDED_TOKENS][ROUNDED_ROWS]) {
    UNROLL for (size_t r = 0; r < ROUNDED_ROWS; r++) {
        __m512 step = _mm512_load_ps(w[r] + strip->n_slabs * ROUNDED_BYTES);
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            float *at = strip->sums[t][row + r];
            __m512 sum = strip->first ? _mm512_setzero_ps() : _mm512_load_ps(at);
            __m512 scale = _mm512_load_ps(strip->x[t]->d);
            ADD_SCALED(sum, dots[t][r], scale, step);
            _mm512_store_ps(at, sum);
        }
    }
}

/* Four rows after four; past the last one, that one again. */
ALWAYS_INLINE void rounded_run(Strip *strip, size_t n_tokens) {
    const char *later = strip->later;
    __m512i begins[ROUNDED_TOKENS];
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        begins[t] = group_correction(strip->x[t], strip->n_slabs);
    }
    for (size_t row = 0; row < strip->n_rows; row += ROUNDED_ROWS) {
        const uint8_t *w[ROUNDED_ROWS];
        __m512i dots[ROUNDED_TOKENS][ROUNDED_ROWS];
        UNROLL for (size_t r = 0; r < ROUNDED_ROWS; r++) w[r] = rounded_row(strip, row + r);
        fetch_inputs(strip, row, ROUNDED_ROWS, n_tokens);
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            UNROLL for (size_t r = 0; r < ROUNDED_ROWS; r++) dots[t][r] = begins[t];
        }
        for (size_t s = 0; s < strip->n_slabs; s++) {
            later = fetch_weights(strip, later);
            rounded_steps(strip, w, s, n_tokens, dots);
        }
        rounded_end(strip, w, row, n_tokens, dots);
    }
    strip->later = later;
}

#define DEFINE_ROUNDED(n_tokens)                                                                   \
    static __attribute__((noinline)) void rounded_##n_tokens(Strip *strip) {                       \
        rounded_run(strip, n_tokens);                                                              \
    }
DEFINE_ROUNDED(1)
DEFINE_ROUNDED(2)
DEFINE_ROUNDED(3)
DEFINE_ROUNDED(4)
DEFINE_ROUNDED(5)
DEFINE_ROUNDED(6)
static StripRun *const rounded_strips[ROUNDED_TOKENS] = { rounded_1, rounded_2, rounded_3,
                                                          rounded_4, rounded_5, rounded_6 };

static const PanelForm rounded_form = { .slab_bytes = ROUNDED_BYTES,
                                        .group_bytes = STEP_BYTES,
                                        .tile_rows = ROUNDED_ROWS,
                                        .tile_tokens = ROUNDED_TOKENS,
                                        .strips = rounded_strips };

/* Rows [row, row + n_rows) to panel. */
ALWAYS_INLINE void round_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                               const RowShape *shape, uint8_t *panel, size_t slab_stride,
                               UnpackSlab *unpack, int top) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *w = (const uint8_t *)job->w + (row + r) * job->row_bytes;
        for (size_t begin = 0; begin < shape->n_slabs; begin += SLAB_GROUP) {
            size_t n_slabs = MIN(shape->n_slabs - begin, (size_t)SLAB_GROUP);
            uint8_t *at = panel + group_at(&rounded_form, n_rows, begin, n_slabs, r);
            round_group(w, begin, n_slabs, shape, at, slab_stride, unpack, top);
        }
    }
}
