#pragma once
/* Matrix times tokens, written once over the vectors of a set: the including file has chosen its
 * `Vec` (vec_<set>.h) and its decoders of 32 weights (blocks_<set>.h).
 *
 * Every output has one accumulator of VEC_LANES partial sums, which takes the inputs in order, and
 * one fixed tree that adds the lanes at the end. Tiles of rows x tokens only decide how many such
 * sums run side by side; so all paths below give the same bits.
 * With few tokens memory decides: rows are decoded in registers as they come, and those of single
 * numbers are fetched meanwhile. With more, a part of some rows is decoded into scratch (L2), over
 * which one tile's tokens pass, whose inputs stay in L1; then the next tile's. Sums wait in scratch
 * until the next part. The inputs of many tokens are more than L2 holds: they are read once for 48
 * rows, and the next tile's are fetched meanwhile. One thread of a busy Zen 4, 512 tokens, against
 * 16 rows without fetching: 15 (4,096 inputs) and 32 % (11,008) less time with AVX2, 4 and 28 %
 * with AVX-512. */
#include "kernels/kernels_internal.h"

#include <string.h>

typedef struct Group {
    Vec v[32 / VEC_LANES]; /* 32 consecutive weights */
} Group;
/* Weights 32 g .. 32 g + 31 of a row of blocks. */
typedef Group DecodeGroup(const uint8_t *row, size_t g);
/* Vector i of a row of single numbers. */
typedef Vec VectorAt(const uint8_t *row, size_t i);
/* What follows takes both, of which one is NULL, and the bytes of a single number, or 0: constants
 * wherever it is inlined. */
/* Sums of one token and the rows of a tile. */
typedef struct Column {
    Vec v[KERNELS_MATMUL_ROWS];
} Column;

#define ALWAYS_INLINE static inline __attribute__((always_inline))
enum {
    GROUP_VECS = 32 / VEC_LANES,
    FEW_TOKENS = 16, /* so few that memory decides */
    PANEL_ROWS = 48,
    PANEL_INPUTS = 512,
    PANEL_TOKENS = 126, /* for more, rows are decoded again */
    PANEL_FLOATS = PANEL_ROWS * PANEL_INPUTS,
};
_Static_assert(PANEL_FLOATS * sizeof(float) + PANEL_ROWS * PANEL_TOKENS * sizeof(Vec) <=
                   KERNELS_MATMUL_SCRATCH(0) * sizeof(float),
               "a panel and its sums");

/* ---- decoding ---------------------------------------------------------------------------------
 */

static inline Vec f32_at(const uint8_t *row, size_t i) {
    return vec_load((const float *)(const void *)row + i * VEC_LANES);
}
static inline Vec f16_at(const uint8_t *row, size_t i) {
    return vec_load_half(row + 2 * i * VEC_LANES);
}
static inline Vec bf16_at(const uint8_t *row, size_t i) {
    return vec_load_bf16(row + 2 * i * VEC_LANES);
}
/* Of a panel: vectors of its four rows in turn. */
static inline Vec panel_at(const uint8_t *row, size_t i) {
    return f32_at(row, i * KERNELS_MATMUL_ROWS);
}

ALWAYS_INLINE Group group_at(const uint8_t *row, size_t g, VectorAt *at, DecodeGroup *decode) {
    if (decode) return decode(row, g);
    Group group;
    for (size_t j = 0; j < GROUP_VECS; j++) group.v[j] = at(row, g * GROUP_VECS + j);
    return group;
}

/* The last n % 32 of a row of n single numbers, followed by zeros. */
ALWAYS_INLINE Group tail_of(const uint8_t *row, size_t n, size_t element_bytes, VectorAt *at) {
    uint8_t padded[32 * sizeof(float)] = { 0 };
    size_t whole = n / 32 * 32;
    memcpy(padded, row + whole * element_bytes, (n - whole) * element_bytes);
    return group_at(padded, 0, at, NULL);
}

ALWAYS_INLINE void store_group(Group group, float *y) {
    for (size_t j = 0; j < GROUP_VECS; j++) vec_store(y + j * VEC_LANES, group.v[j]);
}

ALWAYS_INLINE void decode_row_with(const uint8_t *row, size_t n, float *y, size_t element_bytes,
                                   VectorAt *at, DecodeGroup *decode) {
    for (size_t g = 0; g < n / 32; g++) store_group(group_at(row, g, at, decode), y + 32 * g);
    if (element_bytes && n % 32) {
        float padded[32];
        store_group(tail_of(row, n, element_bytes, at), padded);
        memcpy(y + n / 32 * 32, padded, n % 32 * sizeof *y);
    }
}

/* A group of single numbers, `ahead` bytes further, into the cache. */
ALWAYS_INLINE void prefetch_group(const uint8_t *row, size_t g, size_t element_bytes,
                                  size_t ahead) {
    for (size_t i = 0; i < 32 * element_bytes; i += 64) {
        __builtin_prefetch(row + g * 32 * element_bytes + ahead + i, 0, 2);
    }
}

/* ---- tiles ------------------------------------------------------------------------------------
 */

/* Some rows of weights and the inputs that they are multiplied with, n of each. */
typedef struct Rows {
    const uint8_t *w[KERNELS_MATMUL_ROWS];
    const char *x;   /* f32, of token 0 */
    size_t x_stride; /* bytes */
    size_t n;
    size_t ahead; /* bytes to the rows that are fetched meanwhile, if any are */
} Rows;

/* A vector of each row's weights times the inputs of n_tokens tokens. */
ALWAYS_INLINE void multiply_numbers(const uint8_t *const *w, const float *const *x, size_t n_tokens,
                                    size_t g, VectorAt *at, Column *acc) {
    for (size_t j = 0; j < GROUP_VECS; j++) {
        Vec inputs[VEC_TILE_TOKENS];
        for (size_t t = 0; t < n_tokens; t++) {
            inputs[t] = vec_hold(vec_load(x[t] + 32 * g + j * VEC_LANES));
        }
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
            Vec weights = vec_hold(at(w[r], g * GROUP_VECS + j));
            for (size_t t = 0; t < n_tokens; t++) {
                acc[t].v[r] = vec_fma(weights, inputs[t], acc[t].v[r]);
            }
        }
    }
}

/* Row by row: blocks are decoded as a whole. */
ALWAYS_INLINE void multiply_blocks(const uint8_t *const *w, const float *const *x, size_t n_tokens,
                                   size_t g, DecodeGroup *decode, Column *acc) {
    for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
        Group weights = decode(w[r], g);
        for (size_t j = 0; j < GROUP_VECS; j++) {
            for (size_t t = 0; t < n_tokens; t++) {
                Vec inputs = vec_load(x[t] + 32 * g + j * VEC_LANES);
                acc[t].v[r] = vec_fma(weights.v[j], inputs, acc[t].v[r]);
            }
        }
    }
}

/* The last n % 32 of each row. */
ALWAYS_INLINE void multiply_tail(const Rows *rows, const float *const *x, size_t n_tokens,
                                 size_t element_bytes, VectorAt *at, Column *acc) {
    for (size_t t = 0; t < n_tokens; t++) {
        float padded[32] = { 0 };
        memcpy(padded, x[t] + rows->n / 32 * 32, rows->n % 32 * sizeof(float));
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
            Group weights = tail_of(rows->w[r], rows->n, element_bytes, at);
            for (size_t j = 0; j < GROUP_VECS; j++) {
                acc[t].v[r] = vec_fma(weights.v[j], vec_load(padded + j * VEC_LANES), acc[t].v[r]);
            }
        }
    }
}

/* Rows times tokens [token, token + n_tokens), added to their sums. n_tokens is a constant where
 * this is inlined, and so is `few`: whether to fetch. */
ALWAYS_INLINE void tile(const Rows *rows, size_t token, size_t n_tokens, bool few,
                        size_t element_bytes, VectorAt *at, DecodeGroup *decode, Column *sums) {
    const float *x[VEC_TILE_TOKENS];
    Column acc[VEC_TILE_TOKENS];
    for (size_t t = 0; t < n_tokens; t++) {
        x[t] = (const float *)(const void *)(rows->x + (token + t) * rows->x_stride);
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) acc[t].v[r] = sums[t].v[r];
    }
    for (size_t g = 0; g < rows->n / 32; g++) {
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS && few; r++) {
            prefetch_group(rows->w[r], g, element_bytes, rows->ahead);
        }
        if (decode)
            multiply_blocks(rows->w, x, n_tokens, g, decode, acc);
        else
            multiply_numbers(rows->w, x, n_tokens, g, at, acc);
    }
    if (element_bytes && rows->n % 32) {
        multiply_tail(rows, x, n_tokens, element_bytes, at, acc);
    }
    for (size_t t = 0; t < n_tokens; t++) {
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) sums[t].v[r] = acc[t].v[r];
    }
}

/* Rows times tokens [begin, end), whose sums are at sums. */
ALWAYS_INLINE void tiles(const Rows *rows, size_t begin, size_t end, bool few, size_t element_bytes,
                         VectorAt *at, DecodeGroup *decode, Column *sums) {
    size_t t = begin;
    /* two and two rather than three and one */
    while (t + VEC_TILE_TOKENS <= end && !(VEC_TILE_TOKENS == 3 && end - t == 4)) {
        tile(rows, t, VEC_TILE_TOKENS, few, element_bytes, at, decode, sums + t - begin);
        t += VEC_TILE_TOKENS;
    }
    for (; t + 2 <= end; t += 2) {
        tile(rows, t, 2, few, element_bytes, at, decode, sums + t - begin);
    }
    if (t < end) tile(rows, t, 1, few, element_bytes, at, decode, sums + t - begin);
}

static inline void store_columns(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                 size_t token, size_t n_tokens, const Column *sums) {
    for (size_t t = 0; t < n_tokens; t++) {
        float *y = job->y + (token + t) * job->y_stride + row, four[KERNELS_MATMUL_ROWS];
        vec_sum_four(sums[t].v, four);
        for (size_t r = 0; r < n_rows; r++) y[r] = job->accumulate ? y[r] + four[r] : four[r];
    }
}

/* ---- few tokens -------------------------------------------------------------------------------
 */

ALWAYS_INLINE void direct_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               size_t element_bytes, VectorAt *at, DecodeGroup *decode) {
    Rows rows = { .x = job->x, .x_stride = job->x_stride, .n = job->n };
    rows.ahead = KERNELS_MATMUL_ROWS * job->row_bytes;
    for (size_t row = row_begin; row < row_end; row += KERNELS_MATMUL_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)KERNELS_MATMUL_ROWS);
        Column sums[FEW_TOKENS];
        memset(sums, 0, job->n_tokens * sizeof *sums);
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) { /* past the end: the last one again */
            rows.w[r] = (const uint8_t *)job->w + (row + MIN(r, n_rows - 1)) * job->row_bytes;
        }
        tiles(&rows, 0, job->n_tokens, element_bytes > 0, element_bytes, at, decode, sums);
        store_columns(job, row, n_rows, 0, job->n_tokens, sums);
    }
}

/* ---- many tokens ------------------------------------------------------------------------------
 */

/* Some rows times some tokens. PANEL_INPUTS of each row are decoded at a time, and lie vector by
 * vector of four rows in turn, as a tile reads them: as one stream. */
typedef struct Panel {
    const KernelsMatmulJob *job;
    size_t row, n_rows;
    size_t begin, end; /* tokens */
    float *w;          /* [rows / 4, PANEL_INPUTS / VEC_LANES, 4, VEC_LANES] */
    Column *sums;      /* [rows / 4, PANEL_TOKENS] */
} Panel;

/* Those of a row and the three after it. */
static inline Column *sums_of(const Panel *p, size_t row) {
    return p->sums + row / KERNELS_MATMUL_ROWS * PANEL_TOKENS;
}

/* Inputs [i, i + n) of each row. */
ALWAYS_INLINE void panel_decode(const Panel *p, size_t i, size_t n, VectorAt *at,
                                DecodeGroup *decode) {
    for (size_t r = 0; r < p->n_rows; r++) {
        const uint8_t *w = (const uint8_t *)p->job->w + (p->row + r) * p->job->row_bytes;
        size_t lane = r % KERNELS_MATMUL_ROWS;
        float *to = p->w + (r - lane) * PANEL_INPUTS + lane * VEC_LANES;
        for (size_t g = i / 32; g < (i + n) / 32; g++) {
            Group group = group_at(w, g, at, decode);
            for (size_t j = 0; j < GROUP_VECS; j++, to += KERNELS_MATMUL_ROWS * VEC_LANES) {
                vec_store(to, group.v[j]);
            }
        }
    }
}

/* Four rows' share of n inputs, from x on, of each of the next tile's tokens: to L2. */
static inline void fetch_inputs(const char *x, size_t x_stride, size_t n, size_t row) {
    size_t bytes = n * sizeof(float), share = bytes * KERNELS_MATMUL_ROWS / PANEL_ROWS;
    for (size_t t = 0; t < VEC_TILE_TOKENS; t++, x += x_stride) {
        const char *at = x + bytes * row / PANEL_ROWS;
        for (size_t i = 0; i < share; i += 64) __builtin_prefetch(at + i, 0, 2);
    }
}

/* Inputs [i, i + n) of the panel's rows times its tokens, added to sums. Rows past the end are what
 * scratch holds, and not stored. Not inlined: one copy serves all types. */
static __attribute__((noinline)) void panel_multiply(const Panel *p, size_t i, size_t n) {
    Rows rows = { .x = (const char *)p->job->x + i * sizeof(float),
                  .x_stride = p->job->x_stride,
                  .n = n };
    for (size_t t = p->begin; t < p->end; t += VEC_TILE_TOKENS) {
        const char *next = (const char *)rows.x + (t + VEC_TILE_TOKENS) * rows.x_stride;
        bool fetch = t + 2 * VEC_TILE_TOKENS <= p->end;
        for (size_t row = 0; row < p->n_rows; row += KERNELS_MATMUL_ROWS) {
            if (fetch) fetch_inputs(next, rows.x_stride, n, row);
            for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
                rows.w[r] = (const uint8_t *)(p->w + row * PANEL_INPUTS + r * VEC_LANES);
            }
            tiles(&rows, t, MIN(t + VEC_TILE_TOKENS, p->end), false, 0, panel_at, NULL,
                  sums_of(p, row) + t - p->begin);
        }
    }
}

/* The last n % 32 inputs. */
ALWAYS_INLINE void panel_tail(const Panel *p, size_t element_bytes, VectorAt *at) {
    const KernelsMatmulJob *job = p->job;
    size_t whole = job->n / 32 * 32;
    Rows rows = { .x = (const char *)job->x + whole * sizeof(float),
                  .x_stride = job->x_stride,
                  .n = job->n - whole };
    for (size_t row = 0; row < p->n_rows; row += KERNELS_MATMUL_ROWS) {
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) { /* past the end: the last one again */
            size_t from = p->row + MIN(row + r, p->n_rows - 1);
            rows.w[r] = (const uint8_t *)job->w + from * job->row_bytes + whole * element_bytes;
        }
        tiles(&rows, p->begin, p->end, false, element_bytes, at, NULL, sums_of(p, row));
    }
}

ALWAYS_INLINE void panel_run(const Panel *p, size_t element_bytes, VectorAt *at,
                             DecodeGroup *decode) {
    for (size_t r = 0; r < p->n_rows; r += KERNELS_MATMUL_ROWS) {
        memset(sums_of(p, r), 0, (p->end - p->begin) * sizeof(Column));
    }
    size_t whole = p->job->n / 32 * 32;
    for (size_t i = 0; i < whole; i += PANEL_INPUTS) {
        size_t n = MIN(whole - i, (size_t)PANEL_INPUTS);
        panel_decode(p, i, n, at, decode);
        panel_multiply(p, i, n);
    }
    if (element_bytes && whole < p->job->n) panel_tail(p, element_bytes, at);
    for (size_t r = 0; r < p->n_rows; r += KERNELS_MATMUL_ROWS) {
        store_columns(p->job, p->row + r, MIN(p->n_rows - r, (size_t)KERNELS_MATMUL_ROWS), p->begin,
                      p->end - p->begin, sums_of(p, r));
    }
}

ALWAYS_INLINE void matmul_with(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               float *scratch, size_t element_bytes, VectorAt *at,
                               DecodeGroup *decode) {
    if (job->n_tokens <= (element_bytes ? FEW_TOKENS : VEC_TILE_TOKENS)) {
        direct_rows(job, row_begin, row_end, element_bytes, at, decode);
        return;
    }
    Panel p = { .job = job, .w = scratch, .sums = (Column *)(void *)(scratch + PANEL_FLOATS) };
    for (p.row = row_begin; p.row < row_end; p.row += PANEL_ROWS) {
        p.n_rows = MIN(row_end - p.row, (size_t)PANEL_ROWS);
        for (p.begin = 0; p.begin < job->n_tokens; p.begin = p.end) {
            p.end = MIN(p.begin + PANEL_TOKENS, job->n_tokens);
            panel_run(&p, element_bytes, at, decode);
        }
    }
}

#define VEC_DEFINE_TYPE(name, element_bytes, at, decode)                                           \
    static void VEC_NAME(decode_row_##name)(const void *row, size_t n, float *y) {                 \
        decode_row_with(row, n, y, element_bytes, at, decode);                                     \
    }                                                                                              \
    static void VEC_NAME(matmul_##name)(const KernelsMatmulJob *job, size_t row_begin,             \
                                        size_t row_end, float *scratch) {                          \
        matmul_with(job, row_begin, row_end, scratch, element_bytes, at, decode);                  \
    }
#define VEC_DEFINE_NUMBERS(type, name, element_bytes)                                              \
    VEC_DEFINE_TYPE(name, element_bytes, name##_at, NULL)
#define VEC_DEFINE_BLOCKS(type, name, element_bytes) VEC_DEFINE_TYPE(name, 0, NULL, decode_##name)
#define VEC_FILL_TYPE(type, name, element_bytes)                                                   \
    table->decode_row[GGUF_TYPE_##type] = VEC_NAME(decode_row_##name);                             \
    table->matmul[GGUF_TYPE_##type] = VEC_NAME(matmul_##name);
