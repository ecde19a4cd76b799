#pragma once
/* Products in bf16 tiles of up to 32 tokens, where memory decides. 32 rows at a time are expanded,
 * a part of them, and multiplied while the next part is: after each few rows comes a product. Each
 * waits for the one before it with the same sums, so two tiles of rows take turns. Sums stay in
 * tiles for a whole row. Folder-private. */
#include "kernels/x86/tiles_amx.h"

enum { FEW_TOKENS = 2 * TILE, FEW_ROWS = 2 * TILE };

typedef WeightTiles FewRows[FEW_ROWS / TILE];

/* Some inputs' weights of up to 32 rows. */
typedef struct FewBlock {
    size_t row, n_rows;
    size_t group, n_groups;
    FewRows *tiles;
} FewBlock;

/* Where row r of the block is; past its last row, that one again. */
ALWAYS_INLINE const uint8_t *few_row(const KernelsMatmulJob *job, const FewBlock *block,
                                     TileType type, size_t r) {
    size_t row = block->row + MIN(r, block->n_rows - 1);
    return (const uint8_t *)job->w + row * job->row_bytes +
           block->group / block_groups(type.form) * type.block_bytes;
}

/* Any block, after the other. */
ALWAYS_INLINE void few_expand(const KernelsMatmulJob *job, const FewBlock *block, TileType type) {
    size_t n_left = job->n - block->group * BF16_GROUP;
    for (size_t r = 0; r < FEW_ROWS; r++) {
        uint8_t *to = (*block->tiles)[r / TILE][0] + r % TILE * TILE_ROW_BYTES;
        type.expand(few_row(job, block, type, r), n_left, block->n_groups, to);
    }
}

/* Inputs of a block. */
typedef struct FewInputs {
    const uint8_t *x;
    size_t stride, bytes; /* of the rows of a tile, and all of them */
    size_t later;         /* bytes to those of tokens 16 and up */
} FewInputs;

/* Products of a group's weights at w and one tile of rows. */
#define FEW_PRODUCTS(w_tile, sums, later_sums)                                                     \
    UNROLL for (size_t i = 0; i < form->n_products; i++) {                                         \
        const uint8_t *from = x + form->products[i].x * inputs->bytes;                             \
        if (NEW_PART(form, i, w)) {                                                                \
            TILE_LOAD(w_tile, w + form->products[i].w * TILE_BYTES, TILE_ROW_BYTES);               \
        }                                                                                          \
        if (NEW_PART(form, i, x)) TILE_LOAD(6, from, inputs->stride);                              \
        TILE_DOT_BF16(sums, w_tile, 6);                                                            \
        if (!two) continue;                                                                        \
        if (NEW_PART(form, i, x)) TILE_LOAD(7, from + inputs->later, inputs->stride);              \
        TILE_DOT_BF16(later_sums, w_tile, 7);                                                      \
    }

/* Group g of tile `rows` of the block. */
ALWAYS_INLINE void few_multiply(const FewInputs *inputs, const TileForm *form, FewRows *tiles,
                                size_t g, size_t rows, bool two) {
    const uint8_t *x = inputs->x + g * form->x_parts * inputs->bytes;
    const uint8_t *w = (*tiles)[rows][g * form->w_parts];
    if (rows == 0) {
        FEW_PRODUCTS(4, 0, 1)
    } else {
        FEW_PRODUCTS(5, 2, 3)
    }
}

ALWAYS_INLINE FewInputs few_inputs(const KernelsMatmulJob *job, const FewBlock *block,
                                   const TileForm *form) {
    size_t stride = tile_width(job->n_tokens) * PAIR_BYTES;
    return (FewInputs){ .x = (const uint8_t *)job->x + block->group * form->x_parts * TILE * stride,
                        .stride = stride,
                        .bytes = TILE * stride,
                        .later = TILE * job->x_stride };
}

/* The products of `now` and the weights of `next`, which are both whole. The 32 rows after those,
 * or further ahead, are fetched meanwhile, in the order in which they lie in memory. */
ALWAYS_INLINE void few_both(const KernelsMatmulJob *job, const FewBlock *now, const FewBlock *next,
                            TileType type, bool two) {
    FewInputs inputs = few_inputs(job, now, type.form);
    size_t step = FEW_ROWS / 2 / block_groups(type.form), row_bytes = job->row_bytes;
    const uint8_t *w = few_row(job, next, type, 0), *last = few_row(job, next, type, FEW_ROWS);
    size_t n = block_groups(type.form);
    size_t distance = job->ahead > 0 ? job->ahead : FEW_ROWS;
    const char *ahead = (const char *)job->w + (next->row + distance) * row_bytes +
                        FEW_ROWS * next->group / n * type.block_bytes;
    uint8_t *to = (*next->tiles)[0][0];
    for (size_t g = 0; g < n; g++) {
        UNROLL for (size_t rows = 0; rows < 2; rows++) {
            UNROLL for (size_t i = 0; i < step * type.block_bytes; i += 64) {
                _mm_prefetch(ahead + i, _MM_HINT_T1);
            }
            ahead += step * type.block_bytes;
            for (size_t i = 0; i < step; i++, to += TILE_ROW_BYTES) {
                type.expand(w, n * BF16_GROUP, n, to);
                w = w < last ? w + row_bytes : last;
            }
            few_multiply(&inputs, type.form, now->tiles, g, rows, two);
        }
        /* the next tile of rows */
        if (2 * (g + 1) == n) to = (*next->tiles)[1][0];
    }
}

static void few_begin(void) {
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
}

static void few_end(const KernelsMatmulJob *job, const FewBlock *block, bool two) {
    _Alignas(64) SumTile sums[4];
    RunSums all = run_sums(sums, sums + 2, two);
    keep_sums(&all);
    size_t end = block->row + block->n_rows;
    for (size_t i = 0; i < 4 && (i < 2 || two); i++) {
        size_t row = block->row + i % 2 * TILE, token = i / 2 * TILE;
        if (row >= end) continue;
        store_sums(job, row, end, token, MIN(job->n_tokens - token, (size_t)TILE), sums[i]);
    }
}

/* The block after this one; n_groups 0: there is none. */
ALWAYS_INLINE FewBlock few_next(const KernelsMatmulJob *job, const FewBlock *block, size_t end,
                                const TileForm *form, FewRows *tiles) {
    FewBlock next = *block;
    next.group += block->n_groups;
    if (next.group == n_groups(job)) next.group = 0, next.row += FEW_ROWS;
    bool any = next.row < end;
    next.n_groups = any ? MIN(n_groups(job) - next.group, block_groups(form)) : 0;
    next.n_rows = any ? MIN(end - next.row, (size_t)FEW_ROWS) : 0;
    next.tiles = tiles;
    return next;
}

/* All of its groups have 32 inputs. */
ALWAYS_INLINE bool is_whole(const KernelsMatmulJob *job, const FewBlock *block,
                            const TileForm *form) {
    return block->n_groups > 0 &&
           job->n >= (block->group + block_groups(form)) * (size_t)BF16_GROUP;
}

ALWAYS_INLINE void few_rows(const KernelsMatmulJob *job, size_t row, size_t end, TileType type,
                            FewRows tiles[2], bool two) {
    const TileForm *form = type.form;
    FewBlock now = { .row = row,
                     .n_rows = MIN(end - row, (size_t)FEW_ROWS),
                     .n_groups = MIN(n_groups(job), block_groups(form)),
                     .tiles = &tiles[0] };
    few_expand(job, &now, type);
    for (size_t i = 1; now.n_groups > 0; i++) {
        FewBlock next = few_next(job, &now, end, form, &tiles[i % 2]);
        if (now.group == 0) few_begin();
        if (is_whole(job, &now, form) && is_whole(job, &next, form)) {
            few_both(job, &now, &next, type, two);
        } else {
            FewInputs inputs = few_inputs(job, &now, form);
            for (size_t g = 0; g < now.n_groups; g++) {
                few_multiply(&inputs, form, now.tiles, g, 0, two);
                few_multiply(&inputs, form, now.tiles, g, 1, two);
            }
            if (next.n_groups > 0) few_expand(job, &next, type);
        }
        if (now.group + now.n_groups == n_groups(job)) few_end(job, &now, two);
        now = next;
    }
}

ALWAYS_INLINE void matmul_few(const KernelsMatmulJob *job, size_t row, size_t end, TileType type,
                              float *scratch) {
    configure_tiles(job->n_tokens);
    if (job->n_tokens <= TILE) {
        few_rows(job, row, end, type, (void *)scratch, false);
    } else {
        few_rows(job, row, end, type, (void *)scratch, true);
    }
    tiles_release();
}
_Static_assert(2 * sizeof(FewRows) <= KERNELS_TILES_SCRATCH * sizeof(float), "fits in scratch");
