#pragma once
/* Products of weights unpacked to slabs and inputs packed to slabs (kernels/slab.h), by VPMADDUBSW:
 * unsigned times signed bytes, neighbours added to 16 bits, saturated.
 *
 * An output is a vector of eight partial sums. For each slab, and in it for its blocks in lanes 0-7
 * and then in lanes 8-15: the integer dot product of each block (exact), to float, times the
 * product of the two scales, added with one rounding; then, where the type has them, the minima in
 * the same way. At the end one fixed tree adds the lanes. Nothing in it depends on how many rows
 * and tokens are computed side by side.
 *
 * Weights of few bits leave room in 16: as many products are added there as cannot overflow. Levels
 * beyond 63 are kept signed, and the products are |w| times x with the sign of w, whose pairs fit
 * 16 bits; each is widened on its own.
 * Rows are unpacked into a panel (scratch, L2). A tile is two rows and four tokens: eight sums, two
 * weights, an input and two products are 13 of 16 registers. A few slabs of a group of tokens stay
 * in L1 while the panel passes by; float sums lie in L1 too. */
#include "kernels/x86/factors_avx2.h"
#include "kernels/x86/sides_avx2.h"
#include "kernels/x86/types_int8.h"

#include <assert.h>

enum {
    TILE_ROWS = 2,
    TILE_TOKENS = 4,
    WIDEST_UNSIGNED = 63, /* level; beyond it they are kept signed */
    FEW_TOKENS = 16,
    FEW_PANEL_ROWS = 4,
    PANEL_BYTES = 192 << 10, /* of L2 */
    CHUNK_SLABS = 2,
    AHEAD_BYTES = 8192, /* of weights, fetched while others are unpacked */
};

/* ---- weights ----------------------------------------------------------------------------------
 */

/* A whole slab of weights. */
ALWAYS_INLINE void unpack_slab(const uint8_t *p, SideLevels *levels, SlabFactors *factors, int zero,
                               int top, WeightSlab *ret) {
    UNROLL for (size_t side = 0; side < 2; side++) {
        __m256i q[SLAB_STEPS];
        levels(p, side, q);
        UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
            if (top > WIDEST_UNSIGNED) q[k] = _mm256_sub_epi8(q[k], _mm256_set1_epi8((char)zero));
            _mm256_store_si256((__m256i *)(void *)ret->q[k] + side, q[k]);
        }
    }
    factors(p, ret->factors);
}

ALWAYS_INLINE void prefetch_slab(const uint8_t *p, size_t stride) {
    for (size_t i = 0; i < stride; i += 64) {
        _mm_prefetch((const char *)p + AHEAD_BYTES + i, _MM_HINT_T0);
    }
}

/* Rows [row, row + n_rows) to panel, [n_rows, n_slabs] slabs. The part at a row's end is followed
 * by zeros: blocks of zeros have scales of zero. */
ALWAYS_INLINE void unpack_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const RowShape *shape, size_t stride, SideLevels *levels,
                                SlabFactors *factors, SlabKind kind, int zero, int top,
                                uint8_t *panel) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *w = (const uint8_t *)job->w + (row + r) * job->row_bytes;
        for (size_t s = 0; s < shape->whole; s++, w += stride, panel += slab_bytes(kind)) {
            prefetch_slab(w, stride);
            unpack_slab(w, levels, factors, zero, top, (WeightSlab *)(void *)panel);
        }
        if (shape->rest == 0) continue;
        uint8_t padded[MAX_SLAB_BYTES] = { 0 };
        memcpy(padded, w, shape->rest);
        unpack_slab(padded, levels, factors, zero, top, (WeightSlab *)(void *)panel);
        panel += slab_bytes(kind);
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
        __m256i weights[TILE_ROWS], sizes[TILE_ROWS];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            weights[r] = load_side(w[r]->q[k], side);
            sizes[r] = _mm256_abs_epi8(weights[r]);
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m256i inputs = load_side(x[t]->q[k], side);
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
                __m256i turned = _mm256_sign_epi8(inputs, weights[r]);
                __m256i wide = widen(_mm256_maddubs_epi16(sizes[r], turned));
                ret[t][r] = k == 0 ? wide : _mm256_add_epi32(ret[t][r], wide);
            }
        }
    }
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

/* Lanes i and i + 4, then i + 2, i + 1. */
ALWAYS_INLINE float fold(const float sums[SIDE]) {
    __m128 a = _mm_add_ps(_mm_load_ps(sums), _mm_load_ps(sums + 4));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}

/* The outputs of a group of tokens. sums: [pairs of rows, TILE_TOKENS, TILE_ROWS, SIDE] */
static inline void store_outputs(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                 size_t token, size_t n_tokens, const float *sums) {
    for (size_t t = 0; t < n_tokens; t++) {
        float *y = job->y + (token + t) * job->y_stride + row;
        for (size_t r = 0; r < n_rows; r++) {
            size_t at = (r / TILE_ROWS * TILE_TOKENS + t) * TILE_ROWS + r % TILE_ROWS;
            float sum = fold(sums + at * SIDE);
            y[r] = job->accumulate ? y[r] + sum : sum;
        }
    }
}

/* A group of tokens (at most TILE_TOKENS) times a panel. */
static void multiply_group(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           const uint8_t *panel, size_t slab_size, size_t token, size_t n_tokens,
                           TileRun *run) {
    enum { PAIR_FLOATS = TILE_TOKENS * TILE_ROWS * SIDE };
    _Alignas(32) float sums[KERNELS_PANEL_ROWS / TILE_ROWS * PAIR_FLOATS];
    memset(sums, 0, (n_rows + 1) / TILE_ROWS * PAIR_FLOATS * sizeof *sums);
    Tile tile;
    for (size_t begin = 0; begin < n_slabs; begin += CHUNK_SLABS) {
        tile.n_slabs = MIN(n_slabs - begin, (size_t)CHUNK_SLABS);
        for (size_t t = 0; t < n_tokens; t++) {
            const char *x = (const char *)job->x + (token + t) * job->x_stride;
            tile.x[t] = (const KernelsInputSlab *)(const void *)x + begin;
        }
        for (size_t r = 0; r < n_rows; r += TILE_ROWS) {
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

/* Rows of a panel: a multiple of TILE_ROWS. */
static inline size_t panel_rows(size_t n_tokens, size_t row_size) {
    if (n_tokens <= FEW_TOKENS) return FEW_PANEL_ROWS;
    size_t fits = PANEL_BYTES / MAX(row_size, (size_t)1) / TILE_ROWS * TILE_ROWS;
    return MIN(MAX(fits, (size_t)TILE_ROWS), (size_t)KERNELS_PANEL_ROWS);
}

#define DEFINE_MATMUL(type, name, kind, zero, top)                                                 \
    static void matmul_##name##_maddubs(const KernelsMatmulJob *job, size_t row_begin,             \
                                        size_t row_end, float *scratch) {                          \
        assert(job->n % ELEMENTS_##type == 0);                                                     \
        RowShape shape = row_shape(job, STRIDE_##type);                                            \
        size_t size = panel_rows(job->n_tokens, shape.n_slabs * slab_bytes(kind));                 \
        uint8_t *panel = (uint8_t *)scratch;                                                       \
        for (size_t row = row_begin; row < row_end && job->n_tokens > 0; row += size) {            \
            size_t n_rows = MIN(row_end - row, size);                                              \
            unpack_panel(job, row, n_rows, &shape, STRIDE_##type, side_##name, factors_##name,     \
                         kind, zero, top, panel);                                                  \
            multiply_panel(job, row, n_rows, shape.n_slabs, panel, slab_bytes(kind),               \
                           tiles_of(kind, top));                                                   \
        }                                                                                          \
    }
