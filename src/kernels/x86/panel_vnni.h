#pragma once
/* Many tokens: rows of weights are unpacked into a panel (scratch, L2), then tiles of three rows
 * and up to four tokens keep their integer and their float sums in registers: 12 and 12, three
 * weights and one input are 28 of 32, and seven loads feed twelve products. A tile does a group of
 * slabs, whose inputs stay in L1 while the panel's rows pass by; sums wait in scratch from group to
 * group. While a panel is multiplied, the rows that follow it are fetched from memory.
 *
 * Eight products, their conversion, and each multiplication after it go through the same two units
 * of a Zen 4, one 512-bit operation a cycle: 10 cycles for an output's slab in Q4_0, 10.25 in Q4_K,
 * 11.25 in Q6_K. With float sums in memory, twenty stores at the end of each slab hold up the
 * products of the next: tiles of 4 x 5 took 11 to 12 where these take 10.5. */
#include "kernels/x86/dot_vnni.h"

enum { TILE_ROWS = 3, TILE_TOKENS = 4, L2_INPUT_BYTES = 384 << 10 };

ALWAYS_INLINE void store_slab(const Slab *slab, SlabKind kind, WeightSlab *ret) {
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) _mm512_store_si512(ret->q[k], slab->q[k]);
    UNROLL for (size_t i = 0; i < n_scales(kind); i++) {
        _mm512_store_ps(ret->factors[i], slab->d[i]);
    }
    UNROLL for (size_t i = 0; i < n_addends(kind); i++) {
        _mm512_store_ps(ret->factors[n_scales(kind) + i], slab->m[i]);
    }
}

/* Rows [row, row + n_rows) to panel, [groups, n_rows, SLAB_GROUP] slabs, fewer in the last group:
 * a strip's weights lie one after the other. */
ALWAYS_INLINE void unpack_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const RowShape *shape, uint8_t *panel, size_t slab_stride,
                                UnpackSlab *unpack, SlabKind kind) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *w = (const uint8_t *)job->w + (row + r) * job->row_bytes;
        for (size_t s = 0; s < shape->n_slabs; s++) {
            Slab slab = unpack_at(w, s, shape, slab_stride, unpack);
            size_t begin = s / SLAB_GROUP * SLAB_GROUP;
            size_t n_slabs = MIN(shape->n_slabs - begin, (size_t)SLAB_GROUP);
            size_t at = begin * n_rows + r * n_slabs + (s - begin);
            store_slab(&slab, kind, (WeightSlab *)(void *)(panel + at * slab_bytes(kind)));
        }
    }
}

/* Sums of a token for each row of a panel. */
typedef float TokenSums[KERNELS_PANEL_ROWS][SLAB_BLOCKS];
_Static_assert(KERNELS_PANEL_ROWS % TILE_ROWS == 0,
               "a tile past the last row has a place for its sums");
/* KERNELS_DOT_SCRATCH: for each of its rows 1.5 bytes a weight, and 256 sums */
_Static_assert(KERNELS_PANEL_ROWS * sizeof(WeightSlab) <=
                       KERNELS_SCRATCH_ROWS * KERNELS_SLAB * 3 / 2 &&
                   TILE_TOKENS * sizeof(TokenSums) <= KERNELS_SCRATCH_ROWS * 256 * sizeof(float),
               "a panel and its sums");

/* A group of slabs of a panel's rows and of up to TILE_TOKENS tokens. */
typedef struct Strip {
    const uint8_t *w; /* [n_rows, n_slabs] */
    size_t n_rows;
    const KernelsInputSlab *x[TILE_TOKENS];
    const char *next[TILE_TOKENS]; /* inputs of the strip to come */
    bool fetch;                    /* them: all inputs are more than L2 holds */
    size_t n_slabs;
    int zero;
    bool first;                    /* sums begin here */
    TokenSums *sums;               /* [n_tokens] */
    const char *later, *later_end; /* weights of the panel to come that are not fetched yet */
    size_t later_bytes;            /* how much of them to fetch a slab */
} Strip;

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

/* A tile's share of the next strip's inputs, from L3 to L2. */
ALWAYS_INLINE void fetch_inputs(const Strip *strip, size_t row, size_t n_tokens) {
    enum { ROW_BYTES = SLAB_GROUP * sizeof(KernelsInputSlab) / KERNELS_PANEL_ROWS };
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t i = 0; i < TILE_ROWS * ROW_BYTES; i += 64) {
            _mm_prefetch(strip->next[t] + row * ROW_BYTES + i, _MM_HINT_T1);
        }
    }
}
_Static_assert(SLAB_GROUP * sizeof(KernelsInputSlab) == KERNELS_PANEL_ROWS * 64,
               "each row fetches a line");

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
        if (strip->fetch) fetch_inputs(strip, row, n_tokens);
        tile_begin(strip, row, n_tokens, shared, sums);
        for (size_t s = 0; s < strip->n_slabs; s++) {
            for (size_t i = 0; i < strip->later_bytes && later < strip->later_end; i += 64) {
                _mm_prefetch(later, _MM_HINT_T1);
                later += 64;
            }
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

typedef void StripRun(Strip *strip);
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
/* [shared][kind][tokens - 1]: those that INT8_TYPES has */
static StripRun *const strips[2][4][TILE_TOKENS] = {
    { LIST_STRIPS(plain), LIST_STRIPS(min) },
    { LIST_STRIPS(shared_plain), LIST_STRIPS(shared_min), LIST_STRIPS(shared_halves),
      LIST_STRIPS(shared_halves_min) }
};

/* Where outputs will go: each token's lie pages apart. */
static void fetch_outputs(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                          size_t n_tokens) {
    for (size_t t = token; t < token + n_tokens; t++) {
        const float *y = job->y + t * job->y_stride + row;
        for (size_t i = 0; i < n_rows; i += 16) __builtin_prefetch(y + i, 1, 2);
    }
}

/* Outputs of n_tokens from their sums. */
static void panel_store(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                        size_t n_tokens, TokenSums *sums) {
    for (size_t t = 0; t < n_tokens; t++) {
        for (size_t first = 0; first < n_rows; first += 16) {
            __mmask16 mask = (__mmask16)((1U << MIN(n_rows - first, (size_t)16)) - 1);
            float *y = job->y + (token + t) * job->y_stride + row + first;
            __m512 v[16];
            UNROLL for (size_t i = 0; i < 16; i++) v[i] = _mm512_load_ps(sums[t][first + i]);
            __m512 outputs = fold_16(v);
            if (job->accumulate) outputs = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), outputs);
            _mm512_mask_storeu_ps(y, mask, outputs);
        }
    }
}

/* All tokens times a panel. */
static void multiply_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           const uint8_t *panel, DotType type, TokenSums *sums) {
    size_t n_tiles =
        (job->n_tokens + TILE_TOKENS - 1) / TILE_TOKENS * ((n_rows + TILE_ROWS - 1) / TILE_ROWS);
    Strip strip = { .n_rows = n_rows, .zero = type.zero, .sums = sums };
    strip.fetch = job->n_tokens * job->x_stride > L2_INPUT_BYTES;
    strip.later = (const char *)job->w + (row + n_rows) * job->row_bytes;
    strip.later_end = strip.later + n_rows * job->row_bytes;
    if (n_slabs == 0) memset(sums, 0, TILE_TOKENS * sizeof *sums);
    if (n_slabs) strip.later_bytes = (n_rows * job->row_bytes / (n_tiles * n_slabs) + 63) / 64 * 64;
    for (size_t token = 0, n_tokens; token < job->n_tokens; token += n_tokens) {
        n_tokens = MIN(job->n_tokens - token, (size_t)TILE_TOKENS);
        fetch_outputs(job, row, n_rows, token, n_tokens);
        for (size_t slab = 0; slab < n_slabs; slab += SLAB_GROUP) {
            strip.first = slab == 0;
            strip.n_slabs = MIN(n_slabs - slab, (size_t)SLAB_GROUP);
            strip.w = panel + slab * n_rows * slab_bytes(type.kind);
            for (size_t t = 0; t < n_tokens; t++) {
                const uint8_t *x = (const uint8_t *)job->x + (token + t) * job->x_stride;
                strip.x[t] = (const KernelsInputSlab *)(const void *)x + slab;
                bool last = slab + SLAB_GROUP >= n_slabs;
                strip.next[t] = last ? (const char *)x + n_tokens * job->x_stride
                                     : (const char *)(strip.x[t] + SLAB_GROUP);
            }
            strips[type.shared][type.kind][n_tokens - 1](&strip);
        }
        panel_store(job, row, n_rows, token, n_tokens, sums);
    }
}

typedef void UnpackPanel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                         const RowShape *shape, uint8_t *panel);

static void panel_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                       size_t slab_stride, float *scratch, UnpackPanel *unpack, DotType type) {
    RowShape shape = row_shape(job, slab_stride);
    TokenSums *sums = (void *)scratch;
    uint8_t *panel = (uint8_t *)(sums + TILE_TOKENS);
    for (size_t row = row_begin; row < row_end; row += KERNELS_PANEL_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)KERNELS_PANEL_ROWS);
        unpack(job, row, n_rows, &shape, panel);
        multiply_panel(job, row, n_rows, shape.n_slabs, panel, type, sums);
    }
}
