#pragma once
/* Many tokens: rows are unpacked into a panel (scratch, L2). A tile is two rows and four tokens:
 * eight sums, two weights, an input and two products are 13 of 16 registers. A few slabs of a group
 * of tokens stay in L1 while the panel passes by; float sums lie in L1 too. Inputs of many tokens
 * are more than L2 holds: those to come are fetched meanwhile (512 tokens, one thread of a busy Zen
 * 4: 4,096 inputs 11 to 15 %, 11,008 inputs 20 to 23 % less time). */
#include "kernels/x86/dots_maddubs.h"

enum {
    TILE_ROWS = 2,
    TILE_TOKENS = 4,
    FEW_TOKENS = 16, /* for which a panel is small enough to stay in L1 */
    FEW_PANEL_ROWS = 4,
    PANEL_BYTES = 352 << 10, /* of L2 */
    CHUNK_SLABS = 2,
    L2_INPUT_BYTES = 192 << 10, /* for more, inputs are fetched in advance */
};

/* ---- weights ----------------------------------------------------------------------------------
 */

/* A whole slab of weights. */
ALWAYS_INLINE void unpack_slab(const uint8_t *p, PairLevels *levels, SlabFactors *factors, int zero,
                               int top, WeightSlab *ret) {
    UNROLL for (size_t side = 0; side < 2; side++) {
        __m256i q[2][PAIRS], steps[PAIRS];
        side_levels(p, side, levels, zero, top, q);
        UNROLL for (size_t h = 0; h < 2; h++) {
            transpose_halves(q[h], steps);
            UNROLL for (size_t k = 0; k < PAIRS; k++) {
                _mm256_store_si256((__m256i *)(void *)ret->q[PAIRS * h + k] + side, steps[k]);
            }
        }
    }
    factors(p, ret->factors);
}

/* Rows [row, row + n_rows) to panel, [n_rows, n_slabs] slabs. */
ALWAYS_INLINE void unpack_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const RowShape *shape, size_t stride, PairLevels *levels,
                                SlabFactors *factors, SlabKind kind, int zero, int top,
                                uint8_t *panel) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *w = (const uint8_t *)job->w + (row + r) * job->row_bytes;
        for (size_t s = 0; s < shape->n_slabs; s++, panel += slab_bytes(kind)) {
            uint8_t copy[MAX_SLAB_BYTES];
            const uint8_t *p = slab_at(w, s, shape, stride, copy);
            unpack_slab(p, levels, factors, zero, top, (WeightSlab *)(void *)panel);
        }
    }
}

/* ---- products ---------------------------------------------------------------------------------
 */

typedef struct Tile {
    const uint8_t *w[TILE_ROWS];            /* slabs of the panel's rows */
    const KernelsInputSlab *x[TILE_TOKENS]; /* slabs of the tokens */
    size_t n_slabs;
    float *sums; /* [TILE_TOKENS, TILE_ROWS, SIDE], added to */
} Tile;

typedef __m256i TileDots[TILE_TOKENS][TILE_ROWS];

/* Steps whose products of levels up to `top` can be added in 16 bits. */
ALWAYS_INLINE size_t steps_in_16(int top) {
    return top <= 15 ? 8 : top <= 31 ? 4 : 2;
}

/* sums of 16 bits += the products of unsigned and signed bytes. As a statement, because GCC 12
 * makes all products of a slab before it adds any, and runs out of registers: half of the speed. */
#define MULTIPLY_ADD(sums, weights, inputs)                                                        \
    do {                                                                                           \
        __m256i products;                                                                          \
        __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"                                       \
                : "+x"(sums), "=&x"(products)                                                      \
                : "x"(weights), "x"(inputs));                                                      \
    } while (0)

/* Integer dot products of the steps [begin, end) of one side of a slab. */
ALWAYS_INLINE void unsigned_dots(const WeightSlab *const w[TILE_ROWS],
                                 const KernelsInputSlab *const x[TILE_TOKENS], size_t side,
                                 size_t begin, size_t end, size_t n_tokens, int top, TileDots ret) {
    size_t together = MIN(steps_in_16(top), end - begin);
    UNROLL for (size_t first = begin; first < end; first += together) {
        TileDots pairs;
        UNROLL for (size_t k = first; k < first + together; k++) {
            __m256i weights[TILE_ROWS];
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) weights[r] = load_side(w[r]->q[k], side);
            UNROLL for (size_t t = 0; t < n_tokens; t++) {
                __m256i inputs = load_side(x[t]->q[k], side);
                UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
                    if (k == first)
                        pairs[t][r] = _mm256_maddubs_epi16(weights[r], inputs);
                    else
                        MULTIPLY_ADD(pairs[t][r], weights[r], inputs);
                }
            }
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
                __m256i wide = widen(pairs[t][r]);
                ret[t][r] = first == begin ? wide : _mm256_add_epi32(ret[t][r], wide);
            }
        }
    }
}

ALWAYS_INLINE void signed_dots(const WeightSlab *const w[TILE_ROWS],
                               const KernelsInputSlab *const x[TILE_TOKENS], size_t side,
                               size_t n_tokens, TileDots ret) {
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        __m256i weights[TILE_ROWS];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) weights[r] = load_side(w[r]->q[k], side);
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m256i inputs = load_side(x[t]->q[k], side);
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
                __m256i wide = signed_products(weights[r], inputs);
                ret[t][r] = k == 0 ? wide : _mm256_add_epi32(ret[t][r], wide);
            }
        }
    }
}

/* One half h (or all) of one side of slab s, added to the tile's sums. */
ALWAYS_INLINE void tile_half(const Tile *tile, size_t s, size_t side, size_t h, size_t n_tokens,
                             SlabKind kind, int zero, int top) {
    size_t halves = n_scales(kind), steps = SLAB_STEPS / halves;
    const WeightSlab *w[TILE_ROWS];
    const KernelsInputSlab *x[TILE_TOKENS];
    TileDots dots;
    UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
        w[r] = (const WeightSlab *)(const void *)(tile->w[r] + s * slab_bytes(kind));
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) x[t] = tile->x[t] + s;
    if (top > WIDEST_UNSIGNED)
        signed_dots(w, x, side, n_tokens, dots);
    else
        unsigned_dots(w, x, side, h * steps, (h + 1) * steps, n_tokens, top, dots);
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            float *at = tile->sums + (t * TILE_ROWS + r) * SIDE;
            __m256 sum = add_dots(_mm256_load_ps(at), dots[t][r], w[r]->factors, x[t], side, h,
                                  kind, zero, top);
            _mm256_store_ps(at, sum);
        }
    }
}

ALWAYS_INLINE void tile_run(const Tile *tile, size_t n_tokens, SlabKind kind, int zero, int top) {
    for (size_t s = 0; s < tile->n_slabs; s++) {
        for (size_t side = 0; side < 2; side++) {
            UNROLL for (size_t h = 0; h < n_scales(kind); h++) {
                tile_half(tile, s, side, h, n_tokens, kind, zero, top);
            }
        }
    }
}

typedef void TileRun(const Tile *tile);
#define DEFINE_TILE(name, kind, zero, top, n)                                                      \
    static void tile_##name##_##n(const Tile *tile) {                                              \
        tile_run(tile, n, kind, zero, top);                                                        \
    }
/* tiles_##name: for 1 .. TILE_TOKENS tokens */
#define DEFINE_TILES(name, kind, zero, top)                                                        \
    DEFINE_TILE(name, kind, zero, top, 1)                                                          \
    DEFINE_TILE(name, kind, zero, top, 2)                                                          \
    DEFINE_TILE(name, kind, zero, top, 3)                                                          \
    DEFINE_TILE(name, kind, zero, top, 4)                                                          \
    static TileRun *const tiles_##name[TILE_TOKENS] = { tile_##name##_1, tile_##name##_2,          \
                                                        tile_##name##_3, tile_##name##_4 };
DEFINE_TILES(4, SLAB_PLAIN, 8, 15)
DEFINE_TILES(5, SLAB_PLAIN, 16, 31)
DEFINE_TILES(signed, SLAB_PLAIN, 0, 255)
DEFINE_TILES(min_4, SLAB_MIN, 0, 15)
DEFINE_TILES(min_5, SLAB_MIN, 0, 31)
DEFINE_TILES(halves_3, SLAB_HALVES, 4, 7)
DEFINE_TILES(halves_6, SLAB_HALVES, 32, 63)
DEFINE_TILES(halves_min, SLAB_HALVES_MIN, 0, 3)

/* Those of a type: types of the same kind and number of bits share them. */
ALWAYS_INLINE TileRun *const *tiles_of(SlabKind kind, int top) {
    switch (kind) {
    case SLAB_PLAIN: return top <= 15 ? tiles_4 : top <= 31 ? tiles_5 : tiles_signed;
    case SLAB_MIN: return top <= 15 ? tiles_min_4 : tiles_min_5;
    case SLAB_HALVES: return top <= 7 ? tiles_halves_3 : tiles_halves_6;
    default: return tiles_halves_min;
    }
}

/* The outputs of a group of tokens. sums: [pairs of rows, TILE_TOKENS, TILE_ROWS, SIDE] */
static inline void store_outputs(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                 size_t token, size_t n_tokens, const float *sums) {
    for (size_t t = 0; t < n_tokens; t++) {
        for (size_t r = 0; r < n_rows; r++) {
            size_t at = (r / TILE_ROWS * TILE_TOKENS + t) * TILE_ROWS + r % TILE_ROWS;
            store_output(job, row + r, token + t, sums + at * SIDE);
        }
    }
}

/* A tile's share, from row r of n_rows on, of each token's chunk of inputs: to L2. */
static inline void fetch_inputs(const char *x, size_t x_stride, size_t n_tokens, size_t r,
                                size_t n_rows) {
    enum { BYTES = CHUNK_SLABS * sizeof(KernelsInputSlab) };
    size_t begin = r * BYTES / n_rows / 64 * 64, end = (r + TILE_ROWS) * BYTES / n_rows;
    for (size_t t = 0; t < n_tokens; t++, x += x_stride) {
        for (size_t i = begin; i < end; i += 64) _mm_prefetch(x + i, _MM_HINT_T1);
    }
}

/* A group of tokens (at most TILE_TOKENS) times a panel. */
static void multiply_group(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           const uint8_t *panel, size_t slab_size, size_t token, size_t n_tokens,
                           TileRun *run) {
    enum { PAIR_FLOATS = TILE_TOKENS * TILE_ROWS * SIDE };
    _Alignas(32) float sums[KERNELS_PANEL_ROWS / TILE_ROWS * PAIR_FLOATS];
    bool fetch = job->n_tokens * job->x_stride > L2_INPUT_BYTES;
    memset(sums, 0, (n_rows + 1) / TILE_ROWS * PAIR_FLOATS * sizeof *sums);
    Tile tile;
    for (size_t begin = 0; begin < n_slabs; begin += CHUNK_SLABS) {
        tile.n_slabs = MIN(n_slabs - begin, (size_t)CHUNK_SLABS);
        for (size_t t = 0; t < n_tokens; t++) tile.x[t] = token_slabs(job, token + t) + begin;
        bool last = begin + CHUNK_SLABS >= n_slabs;
        const char *next = (const char *)job->x + (token + (last ? n_tokens : 0)) * job->x_stride +
                           (last ? 0 : begin + CHUNK_SLABS) * sizeof(KernelsInputSlab);
        for (size_t r = 0; r < n_rows; r += TILE_ROWS) {
            if (fetch) fetch_inputs(next, job->x_stride, n_tokens, r, n_rows);
            tile.sums = sums + r / TILE_ROWS * PAIR_FLOATS;
            for (size_t i = 0; i < TILE_ROWS; i++) { /* past the end: the last one again */
                tile.w[i] = panel + (MIN(r + i, n_rows - 1) * n_slabs + begin) * slab_size;
            }
            run(&tile);
        }
    }
    store_outputs(job, row, n_rows, token, n_tokens, sums);
}

/* All tokens times a panel, in groups of nearly the same size. tiles: for 1 .. TILE_TOKENS. */
static void multiply_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           const uint8_t *panel, size_t slab_size, TileRun *const *tiles) {
    size_t n_groups = (job->n_tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    for (size_t token = 0, g = 0; g < n_groups; g++) {
        size_t n_tokens = (job->n_tokens - token + n_groups - g - 1) / (n_groups - g);
        multiply_group(job, row, n_rows, n_slabs, panel, slab_size, token, n_tokens,
                       tiles[n_tokens - 1]);
        token += n_tokens;
    }
}

typedef void UnpackPanel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                         const RowShape *shape, uint8_t *panel);

static void panel_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end, size_t stride,
                       float *scratch, UnpackPanel *unpack, size_t slab_size,
                       TileRun *const *tiles) {
    RowShape shape = row_shape(job, stride);
    uint8_t *panel = (uint8_t *)scratch;
    size_t fits = PANEL_BYTES / MAX(shape.n_slabs * slab_size, (size_t)1) / TILE_ROWS * TILE_ROWS;
    size_t size = MIN(MAX(fits, (size_t)TILE_ROWS), (size_t)KERNELS_PANEL_ROWS);
    if (job->n_tokens <= FEW_TOKENS) size = FEW_PANEL_ROWS;
    for (size_t row = row_begin; row < row_end; row += size) {
        size_t n_rows = MIN(row_end - row, size);
        unpack(job, row, n_rows, &shape, panel);
        multiply_panel(job, row, n_rows, shape.n_slabs, panel, slab_size, tiles);
    }
}
