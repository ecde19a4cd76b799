#pragma once
/* BF16 and F16 weights in bf16 tiles, for any number of tokens: the instruction adds in an order of
 * its own, which no other set has. Rows are brought to the order of tiles once for all tokens;
 * inputs are used as they are packed. Two tiles of tokens times two of rows keep four of sums,
 * which each product of 32 inputs is added to in order.
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
    BF16_PANEL_ROWS = 2 * TILE,
    BF16_TILE_BYTES = TILE * TILE_ROW_BYTES,
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

/* 16 rows to [n_groups, parts] tiles: pair k of each row in row k of a tile. */
ALWAYS_INLINE void expand_rows(const uint8_t *const rows[TILE], size_t n, const PartsForm *form,
                               SplitGroup *split, uint8_t *to) {
    for (size_t i = 0; i < n; i += BF16_GROUP) {
        __mmask32 mask = n - i < BF16_GROUP ? (1U << (n - i)) - 1 : 0xFFFFFFFF;
        __m512i weights[F16_PARTS][TILE], parts[F16_PARTS];
        UNROLL for (size_t r = 0; r < TILE; r++) {
            split(rows[r] + 2 * i, mask, parts);
            for (size_t p = 0; p < form->w_parts; p++) weights[p][r] = parts[p];
        }
        for (size_t p = 0; p < form->w_parts; p++, to += BF16_TILE_BYTES) {
            store_lanes(weights[p], to, sizeof(__m512i));
        }
    }
}

ALWAYS_INLINE size_t groups_of(const KernelsMatmulJob *job) {
    return (job->n + BF16_GROUP - 1) / BF16_GROUP;
}
ALWAYS_INLINE size_t row_tiles_bytes(const KernelsMatmulJob *job, const PartsForm *form) {
    return groups_of(job) * form->w_parts * BF16_TILE_BYTES;
}

/* Rows [row, row + n_rows), past the last one that one again: 16 or 32. */
ALWAYS_INLINE void expand_parts(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const PartsForm *form, SplitGroup *split, uint8_t *panel) {
    for (size_t first = 0; first < n_rows; first += TILE) {
        const uint8_t *rows[TILE];
        for (size_t r = 0; r < TILE; r++) {
            rows[r] = (const uint8_t *)job->w + (row + MIN(first + r, n_rows - 1)) * job->row_bytes;
        }
        expand_rows(rows, job->n, form, split, panel + first / TILE * row_tiles_bytes(job, form));
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

/* x: packed inputs of the first token. w: the tiles of 16 rows, or of 32 where both. */
ALWAYS_INLINE void parts_run(const KernelsMatmulJob *job, const PartsForm *form, const uint8_t *x,
                             const uint8_t *w, bool two_tokens, bool two_rows,
                             float sums[4][TILE][TILE]) {
    size_t stride = job->x_stride;
    const uint8_t *x_later = x + TILE * stride, *later = w + row_tiles_bytes(job, form);
    TILE_ZERO(0);
    if (two_rows) TILE_ZERO(1);
    if (two_tokens) TILE_ZERO(2);
    if (two_tokens && two_rows) TILE_ZERO(3);
    for (size_t g = 0; g < groups_of(job); g++) {
        UNROLL for (size_t i = 0; i < form->n_products; i++) {
            size_t x_part = form->products[i].x, w_part = form->products[i].w;
            bool new_x = i == 0 || x_part != form->products[i - 1].x;
            bool new_w = i == 0 || w_part != form->products[i - 1].w;
            size_t x_at = (g * form->x_parts + x_part) * TILE_ROW_BYTES;
            size_t w_at = (g * form->w_parts + w_part) * BF16_TILE_BYTES;
            if (new_x) TILE_LOAD(4, x + x_at, stride);
            if (new_w) TILE_LOAD(6, w + w_at, TILE_ROW_BYTES);
            TILE_DOT_BF16(0, 4, 6);
            if (two_rows && new_w) TILE_LOAD(7, later + w_at, TILE_ROW_BYTES);
            if (two_rows) TILE_DOT_BF16(1, 4, 7);
            if (two_tokens && new_x) TILE_LOAD(5, x_later + x_at, stride);
            if (two_tokens) TILE_DOT_BF16(2, 5, 6);
            if (two_tokens && two_rows) TILE_DOT_BF16(3, 5, 7);
        }
    }
    TILE_STORE(0, sums[0], TILE_ROW_BYTES);
    if (two_rows) TILE_STORE(1, sums[1], TILE_ROW_BYTES);
    if (two_tokens) TILE_STORE(2, sums[2], TILE_ROW_BYTES);
    if (two_tokens && two_rows) TILE_STORE(3, sums[3], TILE_ROW_BYTES);
}

/* Up to 32 tokens times up to 32 rows. */
ALWAYS_INLINE void multiply_parts(const KernelsMatmulJob *job, const PartsForm *form, size_t row,
                                  size_t n_rows, size_t token, size_t n_tokens,
                                  const uint8_t *panel) {
    _Alignas(64) float sums[4][TILE][TILE];
    const uint8_t *x = (const uint8_t *)job->x + token * job->x_stride;
    if (n_tokens > TILE && n_rows > TILE) {
        parts_run(job, form, x, panel, true, true, sums);
    } else if (n_tokens > TILE) {
        parts_run(job, form, x, panel, true, false, sums);
    } else if (n_rows > TILE) {
        parts_run(job, form, x, panel, false, true, sums);
    } else {
        parts_run(job, form, x, panel, false, false, sums);
    }
    for (size_t t = 0; t < n_tokens; t++) {
        for (size_t first = 0; first < n_rows; first += TILE) {
            __m512 here = _mm512_load_ps(sums[t / TILE * 2 + first / TILE][t % TILE]);
            store_outputs(job, token + t, row + first, MIN(n_rows - first, (size_t)TILE), here);
        }
    }
}

ALWAYS_INLINE void matmul_parts(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                                const PartsForm *form, SplitGroup *split, uint8_t *panel) {
    size_t configured = 0;
    for (size_t row = row_begin; row < row_end; row += BF16_PANEL_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)BF16_PANEL_ROWS);
        expand_parts(job, row, n_rows, form, split, panel);
        for (size_t token = 0, n; token < job->n_tokens; token += n) {
            n = MIN(job->n_tokens - token, (size_t)2 * TILE);
            if (n != configured) configure_bf16(MIN(n, (size_t)TILE), n > TILE ? n - TILE : 0);
            configured = n;
            multiply_parts(job, form, row, n_rows, token, n, panel);
        }
    }
    tiles_release();
}

static void matmul_bf16_amx(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                            float *scratch) {
    matmul_parts(job, row_begin, row_end, &bf16_form, split_bf16, (uint8_t *)scratch);
}
static void matmul_f16_amx(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                           float *scratch) {
    matmul_parts(job, row_begin, row_end, &f16_form, split_f16, (uint8_t *)scratch);
}
