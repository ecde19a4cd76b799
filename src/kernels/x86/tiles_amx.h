#pragma once
/* What products in bf16 tiles share (matmul_amx.h, few_amx.h): how types are multiplied, shapes of
 * tiles, outputs. Folder-private. */
#include "kernels/x86/expand_amx.h"
#include "kernels/x86/pack_tiles.h"
#include "kernels/x86/tiles.h"

enum {
    BLOCK_TILES = 8, /* of 16 rows: what is expanded at a time */
    F16_PRODUCTS = 5,
};

/* How a type is multiplied: its weights in parts, and which part of the inputs by which part of the
 * weights, in order. Neighbours share a part, which stays in its tile; the largest is last. */
typedef struct TileForm {
    size_t x_parts, w_parts, n_products;
    struct {
        size_t x, w;
    } products[F16_PRODUCTS];
} TileForm;
static const TileForm bf16_form = { 1, 1, 1, { { 0, 0 } } };
static const TileForm f16_form = {
    BF16_PARTS, F16_PARTS, F16_PRODUCTS, { { 2, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 }, { 0, 0 } }
};

/* 64-byte aligned */
typedef uint8_t WeightTiles[BLOCK_TILES][TILE_BYTES]; /* of 16 rows: groups, parts */
typedef float SumTile[TILE][TILE];                    /* rows, tokens */

/* A type's weights. block_bytes: of as many groups as are expanded at a time. Always a constant. */
typedef struct TileType {
    const TileForm *form;
    ExpandGroups *expand;
    size_t block_bytes;
} TileType;

/* Product i of the form takes another part than the one before it. */
#define NEW_PART(form, i, of) ((i) == 0 || (form)->products[i].of != (form)->products[(i)-1].of)

/* Groups of 32 inputs that are expanded at a time. */
ALWAYS_INLINE size_t block_groups(const TileForm *form) {
    return BLOCK_TILES / form->w_parts;
}
ALWAYS_INLINE size_t n_groups(const KernelsMatmulJob *job) {
    return (job->n + BF16_GROUP - 1) / BF16_GROUP;
}
/* Tiles 0-3: sums; 4, 5: weights; 6, 7: inputs. */
static void configure_tiles(size_t n_tokens) {
    TileConfig config = { 0 };
    size_t width = tile_width(n_tokens) * PAIR_BYTES;
    for (size_t i = 0; i < 8; i++) {
        tile_shape(&config, i, TILE, i == 4 || i == 5 ? TILE_ROW_BYTES : width);
    }
    tiles_configure(&config);
}

/* Two tiles of rows times one or two of tokens have their sums in tiles 0, 2 and 1, 3. In memory
 * the two of rows follow each other. */
typedef struct RunSums {
    SumTile *first, *later; /* [2] of the first and of the second tile of tokens; NULL: none */
} RunSums;

ALWAYS_INLINE RunSums run_sums(SumTile *first, SumTile *later, bool two) {
    return (RunSums){ first, two ? later : NULL };
}

ALWAYS_INLINE void keep_sums(const RunSums *sums) {
    if (sums->first) {
        TILE_STORE(0, sums->first[0], TILE_ROW_BYTES);
        TILE_STORE(2, sums->first[1], TILE_ROW_BYTES);
    }
    if (sums->later) {
        TILE_STORE(1, sums->later[0], TILE_ROW_BYTES);
        TILE_STORE(3, sums->later[1], TILE_ROW_BYTES);
    }
}

/* A run of products follows another: each tile's sums go to memory, and those that are continued
 * come from there, right before the first product that needs the tile. Products of both runs are
 * then under way at once; one that waits until all is stored begins 130 cycles later. */
typedef struct SumsTurn {
    RunSums before, now;
    bool begins; /* sums of `now` are zero yet */
} SumsTurn;

#define TAKE_TURN(tile, turn, tokens, row_tile)                                                    \
    do {                                                                                           \
        if (!(turn)) break;                                                                        \
        if ((turn)->before.tokens) {                                                               \
            TILE_STORE(tile, (turn)->before.tokens[row_tile], TILE_ROW_BYTES);                     \
        }                                                                                          \
        if ((turn)->begins) {                                                                      \
            TILE_ZERO(tile);                                                                       \
        } else if ((turn)->now.tokens) {                                                           \
            TILE_LOAD(tile, (turn)->now.tokens[row_tile], TILE_ROW_BYTES);                         \
        }                                                                                          \
    } while (0)

/* One group's products, in all parts, added to those sums; tokens in whole tiles. turn: NULL but
 * for the first group of a run. Weights serve one run, inputs several. */
ALWAYS_INLINE void add_products(const TileForm *form, const uint8_t *w, const uint8_t *w_later,
                                const uint8_t *x, const uint8_t *x_later, bool two,
                                const SumsTurn *turn) {
    UNROLL for (size_t i = 0; i < form->n_products; i++) {
        size_t w_at = form->products[i].w * TILE_BYTES, x_at = form->products[i].x * TILE_BYTES;
        const SumsTurn *taken = i == 0 ? turn : NULL;
        if (NEW_PART(form, i, w)) TILE_LOAD_ONCE(4, w + w_at, TILE_ROW_BYTES);
        if (NEW_PART(form, i, x)) TILE_LOAD(6, x + x_at, TILE_ROW_BYTES);
        TAKE_TURN(0, taken, first, 0);
        TILE_DOT_BF16(0, 4, 6);
        if (NEW_PART(form, i, w)) TILE_LOAD_ONCE(5, w_later + w_at, TILE_ROW_BYTES);
        TAKE_TURN(2, taken, first, 1);
        TILE_DOT_BF16(2, 5, 6);
        if (two && NEW_PART(form, i, x)) TILE_LOAD(7, x_later + x_at, TILE_ROW_BYTES);
        TAKE_TURN(1, taken, later, 0);
        if (two) TILE_DOT_BF16(1, 4, 7);
        TAKE_TURN(3, taken, later, 1);
        if (two) TILE_DOT_BF16(3, 5, 7);
    }
}

/* Sums of rows [row, end), up to 16, and n_tokens tokens to the outputs. */
static void store_sums(const KernelsMatmulJob *job, size_t row, size_t end, size_t token,
                       size_t n_tokens, SumTile sums) {
    __m512i rows[TILE], tokens[TILE];
    __mmask16 mask = (__mmask16)(0xFFFFU >> (TILE - MIN(end - row, (size_t)TILE)));
    for (size_t r = 0; r < TILE; r++) rows[r] = _mm512_load_si512(sums[r]);
    transpose_16(rows, tokens);
    for (size_t t = 0; t < n_tokens; t++) {
        float *y = job->y + (token + t) * job->y_stride + row;
        __m512 sum = _mm512_castsi512_ps(tokens[t]);
        if (job->accumulate) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), sum);
        _mm512_mask_storeu_ps(y, mask, sum);
    }
}
