#pragma once
/* BF16 and F16 weights in bf16 tiles, for any number of tokens: the instruction adds in an order of
 * its own, which no other set has. Rows are brought to the order of tiles once for 512 tokens;
 * inputs are used as they are packed. Two tiles of tokens times two of rows keep four of sums,
 * which each product of 32 inputs is added to in order.
 *
 * 64 rows by as many inputs as 512 KiB hold are multiplied at a time: they stay in L2 beside the
 * inputs of 32 tokens, which come from further away once for all 64. The sums wait in scratch,
 * exact, for the next inputs: no block's size changes a bit.
 *
 * BF16: one product of inputs rounded to bf16.
 * F16: a weight's 11 significant bits are exactly two bf16, the upper 8 and the rest; an input is
 * three (pack_bf16.h). Five of the six products of parts keep f32's precision: the sixth, below
 * 2^-24 of the whole and of either sign, is what an f32 product rounds off. That is 102
 * multiply-adds of weights a cycle on paper, where f32's vectors do 32.
 *
 * For one token, the order of tiles costs about one cycle for each 12 bytes of BF16 and (two tiles
 * from each) 4 to 5 of F16, on paper: what a core gets from memory. Fewer tokens cannot go another
 * way, as their bits would change.
 *
 * The instruction takes numbers below 2^-126 for zero, so inputs below 2^-103 lose bits. An
 * infinity meets parts that are zero and so may become NaN. */
#include "kernels/x86/matmul_amx.h"
#include "kernels/x86/pack_bf16.h"

enum {
    PARTS_ROWS = KERNELS_SCRATCH_ROWS,
    PARTS_TOKENS = 512,
    PARTS_PANEL_BYTES = 512 << 10,
    PARTS_TILE_BYTES = TILE * TILE_ROW_BYTES,
    F16_PARTS = 2,
    F16_PRODUCTS = 5,
};

/* How weights and inputs of a type are multiplied: which part of the inputs by which part of the
 * weights, in order. Neighbours share a part, which stays in its tile; the largest is last. */
typedef struct PartsForm {
    size_t x_parts, w_parts, n_products;
    struct {
        size_t x, w;
    } products[F16_PRODUCTS];
} PartsForm;
static const PartsForm bf16_form = { 1, 1, 1, { { 0, 0 } } };
static const PartsForm f16_form = {
    BF16_PARTS, F16_PARTS, F16_PRODUCTS, { { 2, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 }, { 0, 0 } }
};

typedef float PartsSums[PARTS_ROWS]; /* of a token */

/* What is multiplied at a time. */
typedef struct PartsBlock {
    const KernelsMatmulJob *job;
    size_t row, n_rows;     /* <= PARTS_ROWS */
    size_t token, n_tokens; /* <= PARTS_TOKENS */
    size_t group, n_groups; /* of 32 inputs; as many as the panel holds */
    uint8_t *panel;         /* weights: [n_rows / 16, n_groups, parts] tiles */
    PartsSums *sums;        /* [n_tokens], so far */
} PartsBlock;
_Static_assert(PARTS_PANEL_BYTES + PARTS_TOKENS * sizeof(PartsSums) <=
                   KERNELS_MATMUL_SCRATCH((size_t)0) * sizeof(float),
               "scratch holds panel and sums");

ALWAYS_INLINE size_t row_tiles_bytes(const PartsBlock *block, const PartsForm *form) {
    return block->n_groups * form->w_parts * PARTS_TILE_BYTES;
}

/* ---- weights -----------------------------------------------------------------------------------
 */

/* 32 weights (those of mask, then zeros) to their parts. */
typedef void SplitGroup(const uint8_t *w, __mmask32 mask, __m512i ret[F16_PARTS]);

ALWAYS_INLINE void split_bf16(const uint8_t *w, __mmask32 mask, __m512i ret[F16_PARTS]) {
    ret[0] = _mm512_maskz_loadu_epi16(mask, w);
}

/* The upper halves of 32 numbers of 32 bits. */
ALWAYS_INLINE __m512i upper_halves(__m512 a, __m512 b) {
    __m512i fours = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
    __m512i odd = _mm512_add_epi16(_mm512_or_si512(fours, _mm512_slli_epi32(fours, 16)),
                                   _mm512_set1_epi32(3 << 16 | 1));
    return _mm512_permutex2var_epi16(_mm512_castps_si512(a), odd, _mm512_castps_si512(b));
}

ALWAYS_INLINE void split_f16(const uint8_t *w, __mmask32 mask, __m512i ret[F16_PARTS]) {
    __m512 upper = _mm512_castsi512_ps(_mm512_set1_epi32((int)0xFFFF0000));
    __m512i h = _mm512_maskz_loadu_epi16(mask, w);
    __m512 a = _mm512_cvtph_ps(_mm512_castsi512_si256(h));
    __m512 b = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(h, 1));
    ret[0] = upper_halves(a, b);
    ret[1] =
        upper_halves(bf16_rest(a, _mm512_and_ps(a, upper)), bf16_rest(b, _mm512_and_ps(b, upper)));
}

/* Groups [first, first + n_groups) of 16 rows to [n_groups, parts] tiles: pair k of each row in row
 * k of a tile. */
ALWAYS_INLINE void expand_rows(const uint8_t *const rows[TILE], size_t n, size_t first,
                               size_t n_groups, const PartsForm *form, SplitGroup *split,
                               uint8_t *to) {
    for (size_t i = first * BF16_GROUP; i < (first + n_groups) * BF16_GROUP; i += BF16_GROUP) {
        __mmask32 mask = n - i < BF16_GROUP ? (1U << (n - i)) - 1 : 0xFFFFFFFF;
        __m512i weights[F16_PARTS][TILE], parts[F16_PARTS];
        UNROLL for (size_t r = 0; r < TILE; r++) {
            split(rows[r] + 2 * i, mask, parts);
            for (size_t p = 0; p < form->w_parts; p++) weights[p][r] = parts[p];
        }
        for (size_t p = 0; p < form->w_parts; p++, to += PARTS_TILE_BYTES) {
            store_lanes(weights[p], to, sizeof(__m512i));
        }
    }
}

/* The block's rows, past the last one that one again, to panel. */
ALWAYS_INLINE void expand_parts(const PartsBlock *block, const PartsForm *form, SplitGroup *split) {
    const KernelsMatmulJob *job = block->job;
    for (size_t first = 0; first < block->n_rows; first += TILE) {
        const uint8_t *rows[TILE];
        for (size_t r = 0; r < TILE; r++) {
            size_t row = block->row + MIN(first + r, block->n_rows - 1);
            rows[r] = (const uint8_t *)job->w + row * job->row_bytes;
        }
        expand_rows(rows, job->n, block->group, block->n_groups, form, split,
                    block->panel + first / TILE * row_tiles_bytes(block, form));
    }
}

/* ---- products ----------------------------------------------------------------------------------
 */

/* Tiles 0, 1: sums of the first tokens; 2, 3: of the second; 4, 5: inputs; 6, 7: weights. */
static void configure_bf16(size_t n_first, size_t n_second) {
    TileConfig config = { 0 };
    for (size_t i = 0; i < 2; i++) {
        size_t n_tokens = i == 0 ? n_first : n_second;
        if (n_tokens > 0) {
            tile_shape(&config, 2 * i, n_tokens, TILE_ROW_BYTES);
            tile_shape(&config, 2 * i + 1, n_tokens, TILE_ROW_BYTES);
            tile_shape(&config, 4 + i, n_tokens, TILE_ROW_BYTES);
        }
        tile_shape(&config, 6 + i, TILE, TILE_ROW_BYTES);
    }
    tiles_configure(&config);
}

/* Tokens [t, t + 16) of the block, or 32 where both, times rows [r, r + 16), or 32. */
ALWAYS_INLINE void parts_run(const PartsBlock *block, const PartsForm *form, size_t t, size_t r,
                             bool two_tokens, bool two_rows) {
    size_t stride = block->job->x_stride;
    const uint8_t *x = (const uint8_t *)block->job->x + (block->token + t) * stride +
                       block->group * form->x_parts * TILE_ROW_BYTES;
    const uint8_t *w = block->panel + r / TILE * row_tiles_bytes(block, form);
    const uint8_t *x_later = x + TILE * stride, *w_later = w + row_tiles_bytes(block, form);
    float *sums = block->sums[t] + r, *sums_later = block->sums[t + TILE] + r;
    TILE_LOAD(0, sums, sizeof(PartsSums));
    if (two_rows) TILE_LOAD(1, sums + TILE, sizeof(PartsSums));
    if (two_tokens) TILE_LOAD(2, sums_later, sizeof(PartsSums));
    if (two_tokens && two_rows) TILE_LOAD(3, sums_later + TILE, sizeof(PartsSums));
    for (size_t g = 0; g < block->n_groups; g++) {
        UNROLL for (size_t i = 0; i < form->n_products; i++) {
            size_t x_part = form->products[i].x, w_part = form->products[i].w;
            bool new_x = i == 0 || x_part != form->products[i - 1].x;
            bool new_w = i == 0 || w_part != form->products[i - 1].w;
            size_t x_at = (g * form->x_parts + x_part) * TILE_ROW_BYTES;
            size_t w_at = (g * form->w_parts + w_part) * PARTS_TILE_BYTES;
            if (new_x) TILE_LOAD(4, x + x_at, stride);
            if (new_w) TILE_LOAD(6, w + w_at, TILE_ROW_BYTES);
            TILE_DOT_BF16(0, 4, 6);
            if (two_rows && new_w) TILE_LOAD(7, w_later + w_at, TILE_ROW_BYTES);
            if (two_rows) TILE_DOT_BF16(1, 4, 7);
            if (two_tokens && new_x) TILE_LOAD(5, x_later + x_at, stride);
            if (two_tokens) TILE_DOT_BF16(2, 5, 6);
            if (two_tokens && two_rows) TILE_DOT_BF16(3, 5, 7);
        }
    }
    TILE_STORE(0, sums, sizeof(PartsSums));
    if (two_rows) TILE_STORE(1, sums + TILE, sizeof(PartsSums));
    if (two_tokens) TILE_STORE(2, sums_later, sizeof(PartsSums));
    if (two_tokens && two_rows) TILE_STORE(3, sums_later + TILE, sizeof(PartsSums));
}

/* The block's products, added to its sums. */
ALWAYS_INLINE void multiply_parts(const PartsBlock *block, const PartsForm *form) {
    size_t configured = 0;
    for (size_t t = 0, n; t < block->n_tokens; t += n) {
        n = MIN(block->n_tokens - t, (size_t)2 * TILE);
        if (n != configured) configure_bf16(MIN(n, (size_t)TILE), n > TILE ? n - TILE : 0);
        configured = n;
        for (size_t r = 0; r < block->n_rows; r += 2 * TILE) {
            bool two_rows = block->n_rows - r > TILE;
            if (n > TILE && two_rows) {
                parts_run(block, form, t, r, true, true);
            } else if (n > TILE) {
                parts_run(block, form, t, r, true, false);
            } else if (two_rows) {
                parts_run(block, form, t, r, false, true);
            } else {
                parts_run(block, form, t, r, false, false);
            }
        }
    }
}

/* All inputs of the block's rows and tokens. */
ALWAYS_INLINE void sum_parts(PartsBlock *block, const PartsForm *form, SplitGroup *split) {
    size_t end = (block->job->n + BF16_GROUP - 1) / BF16_GROUP;
    size_t most = PARTS_PANEL_BYTES / (PARTS_ROWS / TILE * form->w_parts * PARTS_TILE_BYTES);
    memset(block->sums, 0, block->n_tokens * sizeof(PartsSums));
    for (block->group = 0; block->group < end; block->group += block->n_groups) {
        block->n_groups = MIN(end - block->group, most);
        expand_parts(block, form, split);
        multiply_parts(block, form);
    }
    for (size_t t = 0; t < block->n_tokens; t++) {
        for (size_t r = 0; r < block->n_rows; r += TILE) {
            store_outputs(block->job, block->token + t, block->row + r,
                          MIN(block->n_rows - r, (size_t)TILE), _mm512_load_ps(block->sums[t] + r));
        }
    }
}

ALWAYS_INLINE void matmul_parts(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                                const PartsForm *form, SplitGroup *split, float *scratch) {
    PartsBlock block = { .job = job,
                         .panel = (uint8_t *)scratch,
                         .sums = (void *)((uint8_t *)scratch + PARTS_PANEL_BYTES) };
    for (block.row = row_begin; block.row < row_end; block.row += block.n_rows) {
        block.n_rows = MIN(row_end - block.row, (size_t)PARTS_ROWS);
        for (block.token = 0; block.token < job->n_tokens; block.token += block.n_tokens) {
            block.n_tokens = MIN(job->n_tokens - block.token, (size_t)PARTS_TOKENS);
            sum_parts(&block, form, split);
        }
    }
    tiles_release();
}

static void matmul_bf16_amx(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                            float *scratch) {
    matmul_parts(job, row_begin, row_end, &bf16_form, split_bf16, scratch);
}
static void matmul_f16_amx(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                           float *scratch) {
    matmul_parts(job, row_begin, row_end, &f16_form, split_f16, scratch);
}
