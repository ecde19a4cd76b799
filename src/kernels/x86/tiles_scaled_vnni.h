#pragma once
/* Panels (panel_vnni.h) of weights as they are: tiles of three rows and up to four tokens keep
 * their integer and their float sums in registers: 12 and 12, three weights and one input are 28 of
 * 32, and seven loads feed twelve products.
 *
 * Eight products, their conversion, and each multiplication after it go through the same two units
 * of a Zen 4, one 512-bit operation a cycle: 10 cycles for an output's slab in Q4_0, 10.25 in Q4_K,
 * 11.25 in Q6_K. With float sums in memory, twenty stores at the end of each slab hold up the
 * products of the next: tiles of 4 x 5 took 11 to 12 where these take 10.5. */
#include "kernels/x86/panel_vnni.h"

enum { TILE_ROWS = 3, TILE_TOKENS = 4 };
_Static_assert(KERNELS_PANEL_ROWS % TILE_ROWS == 0,
               "a tile past the last row has a place for its sums");

ALWAYS_INLINE void store_slab(const Slab *slab, SlabKind kind, WeightSlab *ret) {
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) _mm512_store_si512(ret->q[k], slab->q[k]);
    UNROLL for (size_t i = 0; i < n_scales(kind); i++) {
        _mm512_store_ps(ret->factors[i], slab->d[i]);
    }
    UNROLL for (size_t i = 0; i < n_addends(kind); i++) {
        _mm512_store_ps(ret->factors[n_scales(kind) + i], slab->m[i]);
    }
}

/* Rows [row, row + n_rows) to panel. */
ALWAYS_INLINE void unpack_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const RowShape *shape, uint8_t *panel, size_t slab_stride,
                                UnpackSlab *unpack, SlabKind kind) {
    PanelForm form = { .slab_bytes = slab_bytes(kind) };
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *w = (const uint8_t *)job->w + (row + r) * job->row_bytes;
        for (size_t s = 0; s < shape->n_slabs; s++) {
            Slab slab = unpack_at(w, s, shape, slab_stride, unpack);
            size_t begin = s / SLAB_GROUP * SLAB_GROUP;
            size_t n_slabs = MIN(shape->n_slabs - begin, (size_t)SLAB_GROUP);
            size_t at = group_at(&form, n_rows, begin, n_slabs, r) + (s - begin) * form.slab_bytes;
            store_slab(&slab, kind, (WeightSlab *)(void *)(panel + at));
        }
    }
}

/* What a token's integer sums begin with, in each half of each slab of a strip. Types with addends
 * have no zero to correct for. */
typedef __m512i Begins[2 * SLAB_GROUP];

/* The steps of one half (or all) of slab s, and its float sums. */
ALWAYS_INLINE void tile_steps(const Strip *strip, Begins *begins,
                              const WeightSlab *const w[TILE_ROWS], size_t s, size_t h,
                              size_t n_tokens, SlabKind kind, bool shared,
                              __m512 sums[TILE_TOKENS][TILE_ROWS]) {
    size_t halves = n_scales(kind), steps = SLAB_STEPS / halves;
    __m512i dots[TILE_TOKENS][TILE_ROWS];
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        __m512i begin = n_addends(kind) ? _mm512_setzero_si512() : begins[t][s * halves + h];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) dots[t][r] = begin;
    }
    UNROLL for (size_t k = h * steps; k < (h + 1) * steps; k++) {
        __m512i weights[TILE_ROWS];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) weights[r] = _mm512_load_si512(w[r]->q[k]);
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m512i inputs = _mm512_load_si512(strip->x[t][s].q[k]);
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) DOT_BYTES(dots[t][r], weights[r], inputs);
        }
    }
    __m512 scale[TILE_TOKENS], total[TILE_TOKENS];
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        if (!shared) scale[t] = _mm512_load_ps(strip->x[t][s].d);
        if (n_addends(kind)) total[t] = input_sum(strip->x[t] + s, h, halves, shared);
    }
    UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
        __m512 d = _mm512_load_ps(w[r]->factors[h]), m = d;
        if (n_addends(kind)) m = _mm512_load_ps(w[r]->factors[halves + h]);
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            if (shared) {
                ADD_PRODUCTS(sums[t][r], dots[t][r], d);
            } else {
                ADD_SCALED(sums[t][r], dots[t][r], scale[t], d);
            }
            if (n_addends(kind)) MULTIPLY_ADD(sums[t][r], m, total[t]);
        }
    }
}

/* A tile's sums before a group of slabs. */
ALWAYS_INLINE void tile_begin(const Strip *strip, size_t row, size_t n_tokens, bool shared,
                              __m512 sums[TILE_TOKENS][TILE_ROWS]) {
    bool zeros = shared || strip->first;
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            sums[t][r] = zeros ? _mm512_setzero_ps() : _mm512_load_ps(strip->sums[t][row + r]);
        }
    }
}

/* And after it. */
ALWAYS_INLINE void tile_end(const Strip *strip, size_t row, size_t n_tokens, bool shared,
                            __m512 sums[TILE_TOKENS][TILE_ROWS]) {
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        __m512 scale = _mm512_load_ps(strip->x[t]->d);
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            float *at = strip->sums[t][row + r];
            if (shared) {
                __m512 before = strip->first ? _mm512_setzero_ps() : _mm512_load_ps(at);
                sums[t][r] = _mm512_fmadd_ps(sums[t][r], scale, before);
            }
            _mm512_store_ps(at, sums[t][r]);
        }
    }
}

/* Once for all rows. */
ALWAYS_INLINE void strip_begin(const Strip *strip, size_t n_tokens, size_t halves, Begins *ret) {
    for (size_t i = 0; i < strip->n_slabs * halves; i++) {
        for (size_t t = 0; t < n_tokens; t++) {
            ret[t][i] = correction(strip->x[t] + i / halves, i % halves, halves, strip->zero);
        }
    }
}

/* Three rows after three; past the last one, that one again. */
ALWAYS_INLINE void strip_run(Strip *strip, size_t n_tokens, SlabKind kind, bool shared) {
    const char *later = strip->later;
    Begins begins[TILE_TOKENS];
    if (!n_addends(kind)) strip_begin(strip, n_tokens, n_scales(kind), begins);
    for (size_t row = 0; row < strip->n_rows; row += TILE_ROWS) {
        __m512 sums[TILE_TOKENS][TILE_ROWS];
        const uint8_t *w[TILE_ROWS];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            size_t at = MIN(row + r, strip->n_rows - 1) * strip->n_slabs;
            w[r] = strip->w + at * slab_bytes(kind);
        }
        fetch_inputs(strip, row, TILE_ROWS, n_tokens);
        tile_begin(strip, row, n_tokens, shared, sums);
        for (size_t s = 0; s < strip->n_slabs; s++) {
            later = fetch_weights(strip, later);
            const WeightSlab *slabs[TILE_ROWS];
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
                slabs[r] = (const WeightSlab *)(const void *)(w[r] + s * slab_bytes(kind));
            }
            UNROLL for (size_t h = 0; h < n_scales(kind); h++) {
                tile_steps(strip, begins, slabs, s, h, n_tokens, kind, shared, sums);
            }
        }
        tile_end(strip, row, n_tokens, shared, sums);
    }
    strip->later = later;
}

#define DEFINE_STRIP(name, kind, shared, n_tokens)                                                 \
    static __attribute__((noinline)) void strip_##name##_##n_tokens(Strip *strip) {                \
        strip_run(strip, n_tokens, kind, shared);                                                  \
    }
#define DEFINE_STRIPS(name, kind, shared)                                                          \
    DEFINE_STRIP(name, kind, shared, 1)                                                            \
    DEFINE_STRIP(name, kind, shared, 2)                                                            \
    DEFINE_STRIP(name, kind, shared, 3)                                                            \
    DEFINE_STRIP(name, kind, shared, 4)
DEFINE_STRIPS(plain, SLAB_PLAIN, false)
DEFINE_STRIPS(min, SLAB_MIN, false)
DEFINE_STRIPS(shared_plain, SLAB_PLAIN, true)
DEFINE_STRIPS(shared_min, SLAB_MIN, true)
DEFINE_STRIPS(shared_halves, SLAB_HALVES, true)
DEFINE_STRIPS(shared_halves_min, SLAB_HALVES_MIN, true)
#define LIST_STRIPS(name)                                                                          \
    { strip_##name##_1, strip_##name##_2, strip_##name##_3, strip_##name##_4 }
/* [shared][kind]: those that INT8_TYPES has */
static StripRun *const scaled_strips[2][4][TILE_TOKENS] = {
    { LIST_STRIPS(plain), LIST_STRIPS(min) },
    { LIST_STRIPS(shared_plain), LIST_STRIPS(shared_min), LIST_STRIPS(shared_halves),
      LIST_STRIPS(shared_halves_min) }
};

static inline PanelForm scaled_form(DotType type) {
    return (PanelForm){ .slab_bytes = slab_bytes(type.kind),
                        .tile_rows = TILE_ROWS,
                        .tile_tokens = TILE_TOKENS,
                        .strips = scaled_strips[type.shared][type.kind],
                        .zero = type.zero };
}
