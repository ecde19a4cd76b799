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
 * All counts of tokens go this way, as another would give other bits. For one token, rows are not
 * brought to another order, only split: 24 GB/s a core on Zen 4 where they lie in its cache, 12
 * from memory (f32's vectors: 20), without the tiles' own time. So a few cores decode F16 slower
 * than in f32; as many as share the memory's bandwidth at 10 GB/s each do not.
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
                   KERNELS_DOT_SCRATCH((size_t)0) * sizeof(float),
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

/* Infinities and NaN have no rest. */
ALWAYS_INLINE void split_f16(const uint8_t *w, __mmask32 mask, __m512i ret[F16_PARTS]) {
    __m512 upper = _mm512_castsi512_ps(_mm512_set1_epi32((int)0xFFFF0000));
    __m512i h = _mm512_maskz_loadu_epi16(mask, w);
    __m512i magnitude = _mm512_and_si512(h, _mm512_set1_epi16(0x7FFF));
    __mmask32 finite = _mm512_cmplt_epu16_mask(magnitude, _mm512_set1_epi16(0x7C00));
    __m512 a = _mm512_cvtph_ps(_mm512_castsi512_si256(h));
    __m512 b = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(h, 1));
    ret[0] = upper_halves(a, b);
    ret[1] =
        _mm512_maskz_mov_epi16(finite, upper_halves(_mm512_sub_ps(a, _mm512_and_ps(a, upper)),
                                                    _mm512_sub_ps(b, _mm512_and_ps(b, upper))));
}

/* The block's inputs of 16 rows to [n_groups, parts] tiles: pair k of each row in row k of a tile,
 * but for one token each row as it is. */
ALWAYS_INLINE void expand_rows(const PartsBlock *block, const uint8_t *const rows[TILE],
                               const PartsForm *form, SplitGroup *split, uint8_t *to) {
    bool one = block->n_tokens == 1;
    size_t begin = block->group * BF16_GROUP, end = begin + block->n_groups * BF16_GROUP;
    for (size_t i = begin; i < end; i += BF16_GROUP, to += form->w_parts * PARTS_TILE_BYTES) {
        size_t left = block->job->n - i;
        __mmask32 mask = left < BF16_GROUP ? (1U << left) - 1 : 0xFFFFFFFF;
        __m512i weights[F16_PARTS][TILE], parts[F16_PARTS];
        __m512i(*split_to)[TILE] = one ? (void *)to : weights;
        UNROLL for (size_t r = 0; r < TILE; r++) {
            split(rows[r] + 2 * i, mask, parts);
            for (size_t p = 0; p < form->w_parts; p++) split_to[p][r] = parts[p];
        }
        for (size_t p = 0; !one && p < form->w_parts; p++) {
            store_lanes(weights[p], to + p * PARTS_TILE_BYTES, TILE_ROW_BYTES);
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
        expand_rows(block, rows, form, split,
                    block->panel + first / TILE * row_tiles_bytes(block, form));
    }
}

/* ---- products ----------------------------------------------------------------------------------
 */

ALWAYS_INLINE const uint8_t *block_inputs(const PartsBlock *block, const PartsForm *form,
                                          size_t t) {
    return (const uint8_t *)block->job->x + (block->token + t) * block->job->x_stride +
           block->group * form->x_parts * TILE_ROW_BYTES;
}

/* Product i of the form takes another part than the one before it. */
#define NEW_PART(form, i, of) ((i) == 0 || (form)->products[i].of != (form)->products[(i)-1].of)

/* Tiles 0, 1: sums of 16 tokens; 2, 3: of n_second more; 4, 5: inputs; 6, 7: weights. */
static void configure_many(size_t n_second) {
    TileConfig config = { 0 };
    for (size_t i = 0; i < 8; i++) {
        bool second = i == 2 || i == 3 || i == 5;
        tile_shape(&config, i, second ? n_second : TILE, TILE_ROW_BYTES);
    }
    tiles_configure(&config);
}

/* Tokens [t, t + 16) of the block and up to 16 more times rows [r, r + 16), or 32. */
ALWAYS_INLINE void many_run(const PartsBlock *block, const PartsForm *form, size_t t, size_t r,
                            bool two_rows) {
    size_t stride = block->job->x_stride;
    const uint8_t *x = block_inputs(block, form, t), *x_later = x + TILE * stride;
    const uint8_t *w = block->panel + r / TILE * row_tiles_bytes(block, form);
    const uint8_t *w_later = w + row_tiles_bytes(block, form);
    float *sums = block->sums[t] + r, *sums_later = block->sums[t + TILE] + r;
    TILE_LOAD(0, sums, sizeof(PartsSums));
    TILE_LOAD(2, sums_later, sizeof(PartsSums));
    if (two_rows) TILE_LOAD(1, sums + TILE, sizeof(PartsSums));
    if (two_rows) TILE_LOAD(3, sums_later + TILE, sizeof(PartsSums));
    for (size_t g = 0; g < block->n_groups; g++) {
        UNROLL for (size_t i = 0; i < form->n_products; i++) {
            size_t x_at = (g * form->x_parts + form->products[i].x) * TILE_ROW_BYTES;
            size_t w_at = (g * form->w_parts + form->products[i].w) * PARTS_TILE_BYTES;
            if (NEW_PART(form, i, x)) TILE_LOAD(4, x + x_at, stride);
            if (NEW_PART(form, i, w)) TILE_LOAD(6, w + w_at, TILE_ROW_BYTES);
            TILE_DOT_BF16(0, 4, 6);
            if (two_rows && NEW_PART(form, i, w)) TILE_LOAD(7, w_later + w_at, TILE_ROW_BYTES);
            if (two_rows) TILE_DOT_BF16(1, 4, 7);
            if (NEW_PART(form, i, x)) TILE_LOAD(5, x_later + x_at, stride);
            TILE_DOT_BF16(2, 5, 6);
            if (two_rows) TILE_DOT_BF16(3, 5, 7);
        }
    }
    TILE_STORE(0, sums, sizeof(PartsSums));
    TILE_STORE(2, sums_later, sizeof(PartsSums));
    if (two_rows) TILE_STORE(1, sums + TILE, sizeof(PartsSums));
    if (two_rows) TILE_STORE(3, sums_later + TILE, sizeof(PartsSums));
}

/* Tiles 0-3: sums of 16 rows each; 4: inputs, of one a column of pairs; 5-7: weights. */
static void configure_few(size_t n_tokens, bool one) {
    TileConfig config = { 0 };
    for (size_t i = 0; i < 5; i++) {
        if (one) {
            tile_shape(&config, i, TILE, sizeof(float));
        } else {
            tile_shape(&config, i, n_tokens, TILE_ROW_BYTES);
        }
    }
    for (size_t i = 5; i < 8; i++) tile_shape(&config, i, TILE, TILE_ROW_BYTES);
    tiles_configure(&config);
}

/* Up to 16 tokens times all rows of the block: four sums side by side again, as each product waits
 * for the one before it. one: inputs and weights change places, so that rows are used as they are;
 * these are the same products in the same order. */
ALWAYS_INLINE void few_run(const PartsBlock *block, const PartsForm *form, size_t t, bool one) {
    size_t x_stride = one ? sizeof(float) : block->job->x_stride;
    size_t sums_stride = one ? sizeof(float) : sizeof(PartsSums);
    size_t n_rows = block->n_rows, w_stride = row_tiles_bytes(block, form);
    const uint8_t *x = block_inputs(block, form, t), *w = block->panel;
    float *sums = block->sums[t];
#define FEW_LOAD(i)                                                                                \
    do {                                                                                           \
        if (n_rows > (i)*TILE) TILE_LOAD(i, sums + (i)*TILE, sums_stride);                         \
    } while (0)
#define FEW_DOT(i, b)                                                                              \
    do {                                                                                           \
        if (n_rows <= (i)*TILE) break;                                                             \
        TILE_LOAD(b, w + (i)*w_stride + w_at, TILE_ROW_BYTES);                                     \
        if (one) {                                                                                 \
            TILE_DOT_BF16(i, b, 4);                                                                \
        } else {                                                                                   \
            TILE_DOT_BF16(i, 4, b);                                                                \
        }                                                                                          \
    } while (0)
#define FEW_STORE(i)                                                                               \
    do {                                                                                           \
        if (n_rows > (i)*TILE) TILE_STORE(i, sums + (i)*TILE, sums_stride);                        \
    } while (0)
    FEW_LOAD(0);
    FEW_LOAD(1);
    FEW_LOAD(2);
    FEW_LOAD(3);
    for (size_t g = 0; g < block->n_groups; g++) {
        UNROLL for (size_t k = 0; k < form->n_products; k++) {
            size_t x_at = (g * form->x_parts + form->products[k].x) * TILE_ROW_BYTES;
            size_t w_at = (g * form->w_parts + form->products[k].w) * PARTS_TILE_BYTES;
            if (NEW_PART(form, k, x)) TILE_LOAD(4, x + x_at, x_stride);
            FEW_DOT(0, 5);
            FEW_DOT(1, 6);
            FEW_DOT(2, 7);
            FEW_DOT(3, 5);
        }
    }
    FEW_STORE(0);
    FEW_STORE(1);
    FEW_STORE(2);
    FEW_STORE(3);
#undef FEW_LOAD
#undef FEW_DOT
#undef FEW_STORE
}

/* The block's products, added to its sums. */
ALWAYS_INLINE void multiply_parts(const PartsBlock *block, const PartsForm *form) {
    size_t configured = 0;
    for (size_t t = 0, n; t < block->n_tokens; t += n) {
        n = MIN(block->n_tokens - t, (size_t)2 * TILE);
        if (n <= TILE) {
            configure_few(n, block->n_tokens == 1);
            if (block->n_tokens == 1) {
                few_run(block, form, t, true);
            } else {
                few_run(block, form, t, false);
            }
            return;
        }
        if (n != configured) configure_many(n - TILE);
        configured = n;
        for (size_t r = 0; r < block->n_rows; r += 2 * TILE) {
            if (block->n_rows - r > TILE) {
                many_run(block, form, t, r, true);
            } else {
                many_run(block, form, t, r, false);
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
