#pragma once
/* Matrix times tokens, written once over the vectors of a set: the including file has chosen its
 * `Vec` (vec_<set>.h) and its decoders of 32 weights (blocks_<set>.h).
 *
 * Every output has one accumulator of VEC_LANES partial sums, which takes the inputs in order, and
 * one fixed tree that adds the lanes at the end. Tiles of rows x tokens only decide how many such
 * sums run side by side. Here are few tokens, where memory decides: rows are decoded in registers
 * as they come, and those of single numbers are fetched meanwhile. Many: vec_outer.h. */
#include "kernels/kernels_internal.h"

/* Of a tile of outer products. */
static inline Vec outer_add(Vec sum, Vec w, Vec x) {
    return vec_add_product(sum, w, x);
}
#include "kernels/vec/vec_group.h"
#include "kernels/vec/vec_outer.h"

#include <string.h>

/* Vector i of a row of single numbers. */
typedef Vec VectorAt(const uint8_t *row, size_t i);
/* Sums of one token and the rows of a tile. */
typedef struct Column {
    Vec v[KERNELS_MATMUL_ROWS];
} Column;

enum { FEW_TOKENS = 16 };

/* ---- decoding ---------------------------------------------------------------------------------
 * What takes both kinds of functions, of which one is NULL, and the bytes of a single number, or 0,
 * is inlined where they are constants. */

static inline Vec f32_at(const uint8_t *row, size_t i) {
    return vec_load((const float *)(const void *)row + i * VEC_LANES);
}
static inline Vec f16_at(const uint8_t *row, size_t i) {
    return vec_load_half(row + 2 * i * VEC_LANES);
}
static inline Vec bf16_at(const uint8_t *row, size_t i) {
    return vec_load_bf16(row + 2 * i * VEC_LANES);
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
                                  ptrdiff_t ahead) {
    for (size_t i = 0; i < 32 * element_bytes; i += 64) {
        __builtin_prefetch(row + g * 32 * element_bytes + i + ahead, 0, 2);
    }
}

/* ---- few tokens -------------------------------------------------------------------------------
 * One token goes along whole rows. The inputs of more do not stay in L1 from one tile of rows to
 * the next (4 tokens of 4,096: 64 KiB), and to take them from L2 again, more bytes than the weights
 * are, keeps those from coming. So a block of tiles takes a chunk of inputs after the other; sums
 * wait in L1. Measured on a Xeon without AMX, one thread, ns for 512 numbers of F16 from memory
 * with 1, 4, 8 tokens: 70, 73, 96; along whole rows 70, 95, 103. */

enum { BLOCK_TILES = 4, CHUNK = 512 };
_Static_assert(CHUNK % 32 == 0, "whole groups");

/* The rows of a tile; past the last one, the first again. */
typedef struct Rows {
    const KernelsMatmulJob *job;
    size_t first, n;
    size_t apart; /* rows from one to the next */
    const uint8_t *w[KERNELS_MATMUL_ROWS];
} Rows;

/* The tiles that are computed together, and how many rows there are from one to the next. */
typedef struct Block {
    Rows tiles[BLOCK_TILES];
    size_t n_tiles, stride;
    size_t chunk; /* inputs */
    bool stream;  /* what is fetched is KERNELS_STREAM_AHEAD, not what comes next */
} Block;

/* Inputs [begin, end), and the bytes from their weights to those that are fetched meanwhile. */
typedef struct Chunk {
    size_t begin, end;
    ptrdiff_t ahead;
} Chunk;

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
    size_t n = rows->job->n;
    for (size_t t = 0; t < n_tokens; t++) {
        float padded[32] = { 0 };
        memcpy(padded, x[t] + n / 32 * 32, n % 32 * sizeof(float));
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
            Group weights = tail_of(rows->w[r], n, element_bytes, at);
            for (size_t j = 0; j < GROUP_VECS; j++) {
                acc[t].v[r] = vec_fma(weights.v[j], vec_load(padded + j * VEC_LANES), acc[t].v[r]);
            }
        }
    }
}

static inline void store_columns(const Rows *rows, const Column *sums) {
    const KernelsMatmulJob *job = rows->job;
    for (size_t t = 0; t < job->n_tokens; t++) {
        float *y = job->y + t * job->y_stride + rows->first, four[KERNELS_MATMUL_ROWS];
        vec_sum_four(sums[t].v, four);
        for (size_t r = 0; r < rows->n; r++) {
            float *to = y + r * rows->apart;
            *to = job->accumulate ? *to + four[r] : four[r];
        }
    }
}

/* A chunk of a tile's inputs times its weights, added to the sums of n_tokens tokens, a constant
 * number where this is inlined. */
ALWAYS_INLINE void tile(const Rows *rows, const Chunk *chunk, size_t token, size_t n_tokens,
                        size_t element_bytes, VectorAt *at, DecodeGroup *decode, Column *sums) {
    const KernelsMatmulJob *job = rows->job;
    const float *x[VEC_TILE_TOKENS];
    Column acc[VEC_TILE_TOKENS];
    for (size_t t = 0; t < n_tokens; t++) {
        x[t] = (const void *)((const char *)job->x + (token + t) * job->x_stride);
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
            acc[t].v[r] = chunk->begin ? sums[token + t].v[r] : vec_zero();
        }
    }
    for (size_t g = chunk->begin / 32; g < chunk->end / 32; g++) {
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS && element_bytes && token == 0; r++) {
            prefetch_group(rows->w[r], g, element_bytes, chunk->ahead);
        }
        if (decode)
            multiply_blocks(rows->w, x, n_tokens, g, decode, acc);
        else
            multiply_numbers(rows->w, x, n_tokens, g, at, acc);
    }
    if (element_bytes && chunk->end % 32) multiply_tail(rows, x, n_tokens, element_bytes, at, acc);
    for (size_t t = 0; t < n_tokens; t++) sums[token + t] = acc[t];
}

/* The same for all tokens. sums: [n_tokens] */
ALWAYS_INLINE void direct_tile(const Rows *rows, const Chunk *chunk, size_t element_bytes,
                               VectorAt *at, DecodeGroup *decode, Column *sums) {
    size_t t = 0, end = rows->job->n_tokens;
    /* two and two rather than three and one */
    while (t + VEC_TILE_TOKENS <= end && !(VEC_TILE_TOKENS == 3 && end - t == 4)) {
        tile(rows, chunk, t, VEC_TILE_TOKENS, element_bytes, at, decode, sums);
        t += VEC_TILE_TOKENS;
    }
    for (; VEC_TILE_TOKENS > 4 && t + 4 <= end; t += 4) {
        tile(rows, chunk, t, 4, element_bytes, at, decode, sums);
    }
    for (; t + 2 <= end; t += 2) tile(rows, chunk, t, 2, element_bytes, at, decode, sums);
    if (t < end) tile(rows, chunk, t, 1, element_bytes, at, decode, sums);
}

/* From the weights of tile i in a chunk to those that are multiplied after them. */
ALWAYS_INLINE ptrdiff_t bytes_to_next(const Block *block, size_t i, const Chunk *chunk,
                                      size_t element_bytes) {
    const KernelsMatmulJob *job = block->tiles->job;
    ptrdiff_t tile_bytes = (ptrdiff_t)(block->stride * job->row_bytes);
    ptrdiff_t before = (ptrdiff_t)(chunk->begin * element_bytes);
    if (i + 1 < block->n_tiles) return tile_bytes;
    if (chunk->end == job->n) return tile_bytes - before; /* the next block's */
    return (ptrdiff_t)(chunk->end * element_bytes) - before - (ptrdiff_t)i * tile_bytes;
}

ALWAYS_INLINE void direct_block(const Block *block, size_t element_bytes, VectorAt *at,
                                DecodeGroup *decode) {
    const KernelsMatmulJob *job = block->tiles->job;
    Column sums[BLOCK_TILES][FEW_TOKENS];
    Chunk chunk = { 0 };
    do {
        chunk.end = MIN(chunk.begin + block->chunk, job->n);
        for (size_t i = 0; i < block->n_tiles; i++) {
            chunk.ahead = block->stream ? KERNELS_STREAM_AHEAD
                                        : bytes_to_next(block, i, &chunk, element_bytes);
            direct_tile(&block->tiles[i], &chunk, element_bytes, at, decode, sums[i]);
        }
        chunk.begin = chunk.end;
    } while (chunk.end < job->n);
    for (size_t i = 0; i < block->n_tiles; i++) store_columns(&block->tiles[i], sums[i]);
}

static inline Rows rows_at(const KernelsMatmulJob *job, size_t first, size_t apart,
                           size_t row_end) {
    Rows rows = { .job = job, .first = first, .apart = apart };
    for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
        size_t row = first + r * apart;
        rows.n += row < row_end;
        rows.w[r] = (const uint8_t *)job->w + (row < row_end ? row : first) * job->row_bytes;
    }
    return rows;
}

/* As streams, each quarter of the rows is one. Measured on a Xeon with AMX, one thread, ns for 512
 * numbers of F16 from memory with 1 token: 52 instead of 64. */
ALWAYS_INLINE void direct_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               size_t element_bytes, VectorAt *at, DecodeGroup *decode) {
    bool streams = element_bytes && job->streams, one = job->n_tokens == 1;
    size_t n_tiles = (row_end - row_begin + KERNELS_MATMUL_ROWS - 1) / KERNELS_MATMUL_ROWS;
    Block block = { .stride = streams ? 1 : KERNELS_MATMUL_ROWS,
                    .chunk = one ? job->n : CHUNK,
                    .stream = streams && one };
    for (size_t i = 0; i < n_tiles; i += block.n_tiles) {
        block.n_tiles = MIN(n_tiles - i, (size_t)(one ? 1 : BLOCK_TILES));
        for (size_t b = 0; b < block.n_tiles; b++) {
            size_t first = row_begin + (i + b) * block.stride;
            block.tiles[b] = rows_at(job, first, streams ? n_tiles : 1, row_end);
        }
        direct_block(&block, element_bytes, at, decode);
    }
}

/* ---- many tokens ------------------------------------------------------------------------------
 */

ALWAYS_INLINE void decode_group(const KernelsMatmulJob *job, const uint8_t *row, size_t g,
                                size_t element_bytes, VectorAt *at, DecodeGroup *decode,
                                float *ret) {
    bool whole = !element_bytes || 32 * (g + 1) <= job->n;
    store_group(whole ? group_at(row, g, at, decode) : tail_of(row, job->n, element_bytes, at),
                ret);
}

/* KERNELS_F32_LANES: [VEC_LANES, steps], zeros up to a whole group of 32. */
static void VEC_NAME(pack_lanes)(const float *x, size_t n, void *y) {
    size_t steps = KERNELS_ROUND_UP(n) / VEC_LANES;
    for (size_t step = 0; step < steps; step += VEC_LANES) {
        Vec rows[VEC_LANES];
        for (size_t i = 0; i < VEC_LANES; i++) {
            size_t begin = (step + i) * VEC_LANES, left = begin < n ? n - begin : 0;
            rows[i] = left >= VEC_LANES ? vec_load(x + begin)
                      : left > 0        ? vec_load_part(x + begin, left)
                                        : vec_zero();
        }
        store_lanes(rows, MIN(steps - step, (size_t)VEC_LANES), y, steps, step);
    }
}
static void VEC_NAME(unpack_lanes)(const void *packed, size_t n, float *x) {
    size_t steps = KERNELS_ROUND_UP(n) / VEC_LANES;
    for (size_t i = 0; i < n; i++) {
        x[i] = ((const float *)packed)[i % VEC_LANES * steps + i / VEC_LANES];
    }
}
DEFINE_ROW_FORM(lanes, KERNELS_F32_LANES, VEC_NAME(pack_lanes), VEC_NAME(unpack_lanes))

ALWAYS_INLINE void matmul_with(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               float *scratch, size_t element_bytes, VectorAt *at,
                               DecodeGroup *decode, GroupUnits *units) {
    if (job->n_tokens <= FEW_TOKENS)
        direct_rows(job, row_begin, row_end, element_bytes, at, decode);
    else
        outer_rows(job, row_begin, row_end, scratch, KERNELS_ROUND_UP(job->n), 32, units);
}

#define VEC_DEFINE_TYPE(name, element_bytes, at, decode)                                           \
    static void VEC_NAME(decode_row_##name)(const void *row, size_t n, float *y) {                 \
        decode_row_with(row, n, y, element_bytes, at, decode);                                     \
    }                                                                                              \
    ALWAYS_INLINE void units_##name(const KernelsMatmulJob *job, const uint8_t *row, size_t g,     \
                                    float *ret) {                                                  \
        decode_group(job, row, g, element_bytes, at, decode, ret);                                 \
    }                                                                                              \
    static void VEC_NAME(matmul_##name)(const KernelsMatmulJob *job, size_t row_begin,             \
                                        size_t row_end, float *scratch) {                          \
        matmul_with(job, row_begin, row_end, scratch, element_bytes, at, decode, units_##name);    \
    }
#define VEC_DEFINE_NUMBERS(type, name, element_bytes)                                              \
    VEC_DEFINE_TYPE(name, element_bytes, name##_at, NULL)
#define VEC_DEFINE_BLOCKS(type, name, element_bytes) VEC_DEFINE_TYPE(name, 0, NULL, decode_##name)
#define VEC_FILL_TYPE(type, name, element_bytes)                                                   \
    table->decode_row[GGUF_TYPE_##type] = VEC_NAME(decode_row_##name);                             \
    set_product(table, GGUF_TYPE_##type, VEC_NAME(matmul_##name),                                  \
                (KernelsForms){ FEW_TOKENS, .few = KERNELS_F32, .many = KERNELS_F32_LANES });
