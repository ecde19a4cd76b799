#pragma once
/* BF16 weights in bf16 tiles, for any number of tokens: the instruction adds in an order of its
 * own, which no other set has. Rows are brought to the order of tiles once for all tokens (for one
 * token that still is faster than memory); inputs are used as they are packed. Two tiles of tokens
 * times two of rows keep four of sums, which each product of 32 inputs is added to in order.
 * The instruction takes numbers below 2^-126 for zero. */
#include "kernels/x86/matmul_amx.h"
#include "kernels/x86/pack_bf16.h"

enum {
    BF16_PANEL_ROWS = 2 * TILE,
    BF16_TILE_BYTES = TILE * TILE_ROW_BYTES,
};

/* 16 rows to [n_groups] tiles: pair k of each row in row k of a tile. */
static void expand_bf16(const uint8_t *const rows[TILE], size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i += BF16_GROUP, to += BF16_TILE_BYTES) {
        __mmask32 mask = n - i < BF16_GROUP ? (1U << (n - i)) - 1 : 0xFFFFFFFF;
        __m512i weights[TILE];
        UNROLL for (size_t r = 0; r < TILE; r++) {
            weights[r] = _mm512_maskz_loadu_epi16(mask, rows[r] + 2 * i);
        }
        store_lanes(weights, to, sizeof(__m512i));
    }
}

/* Rows [row, row + n_rows), past the last one that one again: 16 or 32. */
static void expand_bf16_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                              uint8_t *panel) {
    size_t n_groups = (job->n + BF16_GROUP - 1) / BF16_GROUP;
    for (size_t first = 0; first < n_rows; first += TILE) {
        const uint8_t *rows[TILE];
        for (size_t r = 0; r < TILE; r++) {
            rows[r] = (const uint8_t *)job->w + (row + MIN(first + r, n_rows - 1)) * job->row_bytes;
        }
        expand_bf16(rows, job->n, panel + first / TILE * n_groups * BF16_TILE_BYTES);
    }
}

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
ALWAYS_INLINE void bf16_run(const uint8_t *x, size_t x_stride, size_t n_groups, bool two_tokens,
                            bool two_rows, const uint8_t *w, float sums[4][TILE][TILE]) {
    const uint8_t *later = w + n_groups * BF16_TILE_BYTES, *x_later = x + TILE * x_stride;
    TILE_ZERO(0);
    if (two_rows) TILE_ZERO(1);
    if (two_tokens) TILE_ZERO(2);
    if (two_tokens && two_rows) TILE_ZERO(3);
    for (size_t g = 0; g < n_groups; g++) {
        size_t at = g * TILE_ROW_BYTES;
        TILE_LOAD(4, x + at, x_stride);
        TILE_LOAD(6, w + g * BF16_TILE_BYTES, TILE_ROW_BYTES);
        TILE_DOT_BF16(0, 4, 6);
        if (two_rows) TILE_LOAD(7, later + g * BF16_TILE_BYTES, TILE_ROW_BYTES);
        if (two_rows) TILE_DOT_BF16(1, 4, 7);
        if (two_tokens) TILE_LOAD(5, x_later + at, x_stride);
        if (two_tokens) TILE_DOT_BF16(2, 5, 6);
        if (two_tokens && two_rows) TILE_DOT_BF16(3, 5, 7);
    }
    TILE_STORE(0, sums[0], TILE_ROW_BYTES);
    if (two_rows) TILE_STORE(1, sums[1], TILE_ROW_BYTES);
    if (two_tokens) TILE_STORE(2, sums[2], TILE_ROW_BYTES);
    if (two_tokens && two_rows) TILE_STORE(3, sums[3], TILE_ROW_BYTES);
}

/* Up to 32 tokens times up to 32 rows. */
static void multiply_bf16(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                          size_t n_tokens, const uint8_t *panel) {
    _Alignas(64) float sums[4][TILE][TILE];
    const uint8_t *x = (const uint8_t *)job->x + token * job->x_stride;
    size_t n_groups = (job->n + BF16_GROUP - 1) / BF16_GROUP;
    if (n_tokens > TILE && n_rows > TILE) {
        bf16_run(x, job->x_stride, n_groups, true, true, panel, sums);
    } else if (n_tokens > TILE) {
        bf16_run(x, job->x_stride, n_groups, true, false, panel, sums);
    } else if (n_rows > TILE) {
        bf16_run(x, job->x_stride, n_groups, false, true, panel, sums);
    } else {
        bf16_run(x, job->x_stride, n_groups, false, false, panel, sums);
    }
    for (size_t t = 0; t < n_tokens; t++) {
        for (size_t first = 0; first < n_rows; first += TILE) {
            __m512 here = _mm512_load_ps(sums[t / TILE * 2 + first / TILE][t % TILE]);
            store_outputs(job, token + t, row + first, MIN(n_rows - first, (size_t)TILE), here);
        }
    }
}

static void matmul_bf16_amx(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                            float *scratch) {
    uint8_t *panel = (uint8_t *)scratch;
    size_t configured = 0;
    for (size_t row = row_begin; row < row_end; row += BF16_PANEL_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)BF16_PANEL_ROWS);
        expand_bf16_panel(job, row, n_rows, panel);
        for (size_t token = 0, n; token < job->n_tokens; token += n) {
            n = MIN(job->n_tokens - token, (size_t)2 * TILE);
            if (n != configured) configure_bf16(MIN(n, (size_t)TILE), n > TILE ? n - TILE : 0);
            configured = n;
            multiply_bf16(job, row, n_rows, token, n, panel);
        }
    }
    tiles_release();
}
