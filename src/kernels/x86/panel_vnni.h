#pragma once
/* Many tokens: rows of weights are unpacked into a panel (scratch, L2), then tiles of four rows and
 * up to TILE_TOKENS tokens keep their integer sums in registers: 4 x 5 sums, four weights and one
 * input are 25 of 32, and nine loads feed twenty products. Float sums are what the compiler spills.
 * Measured on Zen 4: 10.6 cycles for an output's slab, of which 8 are the products themselves.
 * While a panel is multiplied, the rows that follow it are fetched from memory. */
#include "kernels/x86/dot_vnni.h"

enum { TILE_ROWS = 4, TILE_TOKENS = 5, FEW_TOKENS = 32, FEW_PANEL_ROWS = 8 };

ALWAYS_INLINE void store_slab(const Slab *slab, SlabKind kind, WeightSlab *ret) {
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) _mm512_store_si512(ret->q[k], slab->q[k]);
    UNROLL for (size_t i = 0; i < n_scales(kind); i++) {
        _mm512_store_ps(ret->factors[i], slab->d[i]);
    }
    UNROLL for (size_t i = 0; i < n_addends(kind); i++) {
        _mm512_store_ps(ret->factors[n_scales(kind) + i], slab->m[i]);
    }
}

/* Rows [row, row + n_rows) to panel, [n_rows, n_slabs] slabs. */
ALWAYS_INLINE void unpack_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const RowShape *shape, uint8_t *panel, size_t slab_stride,
                                UnpackSlab *unpack, SlabKind kind) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *w = (const uint8_t *)job->w + (row + r) * job->row_bytes;
        for (size_t s = 0; s < shape->n_slabs; s++) {
            Slab slab = unpack_at(w, s, shape, slab_stride, unpack);
            store_slab(&slab, kind, (WeightSlab *)(void *)panel);
            panel += slab_bytes(kind);
        }
    }
}

typedef struct Tile {
    const uint8_t *w[TILE_ROWS];            /* slabs of the panel's rows */
    const KernelsInputSlab *x[TILE_TOKENS]; /* slabs of the tokens */
    size_t n_slabs;
    int zero;
    const char *later, *later_end; /* weights of the panel to come that are not fetched yet */
    size_t later_bytes;            /* how much of them to fetch a slab */
    _Alignas(16) float sums[TILE_TOKENS][TILE_ROWS];
} Tile;

/* The steps of one half (or all) of slab s, and its float sums. */
ALWAYS_INLINE void tile_steps(const Tile *tile, size_t s, size_t n_tokens, SlabKind kind, size_t h,
                              __m512 sums[TILE_TOKENS][TILE_ROWS]) {
    size_t halves = n_scales(kind), steps = SLAB_STEPS / halves;
    const WeightSlab *w[TILE_ROWS];
    __m512i dots[TILE_TOKENS][TILE_ROWS];
    UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
        w[r] = (const WeightSlab *)(const void *)(tile->w[r] + s * slab_bytes(kind));
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        __m512i begin = correction(tile->x[t] + s, h, halves, tile->zero);
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) dots[t][r] = begin;
    }
    for (size_t k = h * steps; k < (h + 1) * steps; k++) {
        __m512i weights[TILE_ROWS];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) weights[r] = _mm512_load_si512(w[r]->q[k]);
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m512i inputs = _mm512_load_si512(tile->x[t][s].q[k]);
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) DOT_BYTES(dots[t][r], weights[r], inputs);
        }
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        __m512 scale = _mm512_load_ps(tile->x[t][s].d);
        __m512 total = n_addends(kind) ? input_sum(tile->x[t] + s, h, halves) : scale;
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            __m512 factor = _mm512_mul_ps(_mm512_load_ps(w[r]->factors[h]), scale);
            sums[t][r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][r]), factor, sums[t][r]);
            if (n_addends(kind) == 0) continue;
            __m512 addend = _mm512_load_ps(w[r]->factors[halves + h]);
            sums[t][r] = _mm512_fmadd_ps(addend, total, sums[t][r]);
        }
    }
}

ALWAYS_INLINE void tile_run(Tile *tile, size_t n_tokens, SlabKind kind) {
    __m512 sums[TILE_TOKENS][TILE_ROWS];
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) sums[t][r] = _mm512_setzero_ps();
    }
    for (size_t s = 0; s < tile->n_slabs; s++) {
        for (size_t i = 0; i < tile->later_bytes && tile->later < tile->later_end; i += 64) {
            _mm_prefetch(tile->later, _MM_HINT_T1);
            tile->later += 64;
        }
        UNROLL for (size_t h = 0; h < n_scales(kind); h++) {
            tile_steps(tile, s, n_tokens, kind, h, sums);
        }
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) _mm_store_ps(tile->sums[t], fold_four(sums[t]));
}

typedef void TileRun(Tile *tile);
#define DEFINE_TILE(name, kind, n_tokens)                                                          \
    static __attribute__((noinline)) void tile_##name##_##n_tokens(Tile *tile) {                   \
        tile_run(tile, n_tokens, kind);                                                            \
    }
#define DEFINE_TILES(name, kind)                                                                   \
    DEFINE_TILE(name, kind, 1)                                                                     \
    DEFINE_TILE(name, kind, 2)                                                                     \
    DEFINE_TILE(name, kind, 3)                                                                     \
    DEFINE_TILE(name, kind, 4)                                                                     \
    DEFINE_TILE(name, kind, 5)
DEFINE_TILES(plain, SLAB_PLAIN)
DEFINE_TILES(min, SLAB_MIN)
DEFINE_TILES(halves, SLAB_HALVES)
DEFINE_TILES(halves_min, SLAB_HALVES_MIN)
#define LIST_TILES(name)                                                                           \
    { tile_##name##_1, tile_##name##_2, tile_##name##_3, tile_##name##_4, tile_##name##_5 }
static TileRun *const tiles[][TILE_TOKENS] = { LIST_TILES(plain), LIST_TILES(min),
                                               LIST_TILES(halves), LIST_TILES(halves_min) };

static inline void tile_store(const Tile *tile, const KernelsMatmulJob *job, size_t row,
                              size_t n_rows, size_t token, size_t n_tokens) {
    __mmask8 mask = (__mmask8)((1U << n_rows) - 1);
    for (size_t t = 0; t < n_tokens; t++) {
        __m128 sums = _mm_load_ps(tile->sums[t]);
        float *y = job->y + (token + t) * job->y_stride + row;
        if (job->accumulate) sums = _mm_add_ps(_mm_maskz_loadu_ps(mask, y), sums);
        _mm_mask_storeu_ps(y, mask, sums);
    }
}

/* All tokens times a panel: a tile's inputs stay near while the panel passes by. */
static void multiply_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           const uint8_t *panel, SlabKind kind, int zero) {
    size_t row_stride = n_slabs * slab_bytes(kind);
    /* of nearly the same size: a tile of one token costs as much as one of two */
    size_t n_groups = (job->n_tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    size_t n_tiles = n_groups * ((n_rows + TILE_ROWS - 1) / TILE_ROWS);
    Tile tile = { .n_slabs = n_slabs, .zero = zero };
    tile.later = (const char *)job->w + (row + n_rows) * job->row_bytes;
    tile.later_end = tile.later + n_rows * job->row_bytes;
    if (n_slabs) tile.later_bytes = (n_rows * job->row_bytes / (n_tiles * n_slabs) + 63) / 64 * 64;
    for (size_t token = 0, g = 0; g < n_groups; g++) {
        size_t n_tokens = (job->n_tokens - token + n_groups - g - 1) / (n_groups - g);
        for (size_t t = 0; t < n_tokens; t++) {
            tile.x[t] = (const void *)((const uint8_t *)job->x + (token + t) * job->x_stride);
        }
        for (size_t first = 0; first < n_rows; first += TILE_ROWS) {
            size_t here = MIN(n_rows - first, (size_t)TILE_ROWS);
            for (size_t r = 0; r < TILE_ROWS; r++) { /* past the end: the last one again */
                tile.w[r] = panel + (first + MIN(r, here - 1)) * row_stride;
            }
            tiles[kind][n_tokens - 1](&tile);
            tile_store(&tile, job, row + first, here, token, n_tokens);
        }
        token += n_tokens;
    }
}

typedef void UnpackPanel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                         const RowShape *shape, uint8_t *panel);

static void panel_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                       size_t slab_stride, float *scratch, UnpackPanel *unpack, SlabKind kind,
                       int zero) {
    RowShape shape = row_shape(job, slab_stride);
    uint8_t *panel = (uint8_t *)scratch;
    size_t size = job->n_tokens < FEW_TOKENS ? FEW_PANEL_ROWS : KERNELS_PANEL_ROWS;
    for (size_t row = row_begin; row < row_end; row += size) {
        size_t n_rows = MIN(row_end - row, size);
        unpack(job, row, n_rows, &shape, panel);
        multiply_panel(job, row, n_rows, shape.n_slabs, panel, kind, zero);
    }
}
