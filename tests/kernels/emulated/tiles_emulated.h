#pragma once
/* The instructions of tiles.h in plain C, for tests on processors without them: the same numbers,
 * bit for bit what the manual's pseudocode gives, and an assertion where the processor would raise
 * an exception. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

typedef struct EmulatedTile {
    _Alignas(64) uint8_t bytes[TILE_ROWS_MOST][TILE_ROW_BYTES];
} EmulatedTile;

static _Thread_local EmulatedTile emulated_tiles[8];
static _Thread_local TileConfig emulated_config;

static inline void tiles_configure(const TileConfig *config) {
    assert(config->palette == 1 && config->start_row == 0);
    for (size_t t = 0; t < 8; t++) {
        assert(config->rows[t] <= TILE_ROWS_MOST && config->row_bytes[t] <= TILE_ROW_BYTES);
    }
    emulated_config = *config;
    memset(emulated_tiles, 0, sizeof emulated_tiles);
}
static inline void tiles_release(void) {
    emulated_config = (TileConfig){ 0 };
}

/* t itself, which has a shape. */
static inline size_t emulated_used(size_t t) {
    assert(emulated_config.palette == 1 && emulated_config.rows[t] && emulated_config.row_bytes[t]);
    return t;
}
/* Shapes that a product takes. */
static inline void emulated_fit(size_t c, size_t a, size_t b) {
    const TileConfig *config = &emulated_config;
    emulated_used(c), emulated_used(a), emulated_used(b);
    assert(c != a && c != b && a != b);
    assert(config->rows[c] == config->rows[a]);
    assert(config->rows[b] * 4 == config->row_bytes[a]);
    assert(config->row_bytes[c] == config->row_bytes[b]);
    (void)config, (void)c, (void)a, (void)b;
}

static inline void emulated_zero(size_t t) {
    memset(&emulated_tiles[emulated_used(t)], 0, sizeof(EmulatedTile));
}
static inline void emulated_load(size_t t, const void *p, size_t stride) {
    emulated_zero(t);
    for (size_t r = 0; r < emulated_config.rows[t]; r++) {
        memcpy(emulated_tiles[t].bytes[r], (const uint8_t *)p + r * stride,
               emulated_config.row_bytes[t]);
    }
}
static inline void emulated_store(size_t t, void *p, size_t stride) {
    for (size_t r = 0; r < emulated_config.rows[emulated_used(t)]; r++) {
        memcpy((uint8_t *)p + r * stride, emulated_tiles[t].bytes[r], emulated_config.row_bytes[t]);
    }
}

/* What is below 2^-126 counts as zero, before and after. */
static inline float emulated_flush(float x) {
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

enum { TILE_COLUMNS = TILE_ROW_BYTES / 4 };

/* sums += x a, each rounded once. */
static inline void emulated_add(float x, const float *restrict a, float *restrict sums) {
    for (size_t n = 0; n < TILE_COLUMNS; n++) sums[n] = emulated_flush(fmaf(x, a[n], sums[n]));
}

/* A row's pairs of bf16 as floats: all first ones, then all second ones. */
static inline void emulated_pairs(const uint8_t row[TILE_ROW_BYTES], float ret[2][TILE_COLUMNS]) {
    uint32_t pairs[TILE_COLUMNS], bits[2][TILE_COLUMNS];
    memcpy(pairs, row, sizeof pairs);
    for (size_t n = 0; n < TILE_COLUMNS; n++) {
        bits[0][n] = pairs[n] << 16;
        bits[1][n] = pairs[n] & 0xFFFF0000;
    }
    memcpy(ret, bits, sizeof bits);
    for (size_t n = 0; n < TILE_COLUMNS; n++) {
        ret[0][n] = emulated_flush(ret[0][n]);
        ret[1][n] = emulated_flush(ret[1][n]);
    }
}

/* Tests spend their time here. All columns are computed, as compilers make vectors of that; those
 * that a tile lacks are never stored. */
static inline void emulated_dot_bf16(size_t c, size_t a, size_t b) {
    float w[TILE_ROWS_MOST][2][TILE_COLUMNS], x[2][TILE_COLUMNS];
    emulated_fit(c, a, b);
    for (size_t k = 0; k < emulated_config.rows[b]; k++) {
        emulated_pairs(emulated_tiles[b].bytes[k], w[k]);
    }
    for (size_t m = 0; m < emulated_config.rows[c]; m++) {
        float sums[2][TILE_COLUMNS] = { { 0 } }, total[TILE_COLUMNS];
        emulated_pairs(emulated_tiles[a].bytes[m], x);
        for (size_t k = 0; k < emulated_config.rows[b]; k++) {
            emulated_add(x[0][k], w[k][0], sums[0]);
            emulated_add(x[1][k], w[k][1], sums[1]);
        }
        memcpy(total, emulated_tiles[c].bytes[m], sizeof total);
        for (size_t n = 0; n < TILE_COLUMNS; n++) {
            total[n] = emulated_flush(total[n] + emulated_flush(sums[0][n] + sums[1][n]));
        }
        memcpy(emulated_tiles[c].bytes[m], total, sizeof total);
    }
}

#define TILE_ZERO(c) emulated_zero(c)
#define TILE_LOAD(t, p, stride) emulated_load(t, p, stride)
#define TILE_LOAD_ONCE(t, p, stride) emulated_load(t, p, stride)
#define TILE_STORE(t, p, stride) emulated_store(t, p, stride)
#define TILE_DOT_BF16(c, a, b) emulated_dot_bf16(c, a, b)
