#pragma once
/* Few tokens: a slab of two rows of weights is unpacked into registers and used at once for all
 * tokens, some at a time: a vector of inputs is loaded for two products. Sums lie in L1.
 *
 * As streams (KernelsMatmulJob.streams), rows are read whole, the halves of a part side by side.
 * Measured on a Xeon, one thread, ns for a slab of Q4_0 from memory with 1, 4, 8 tokens: 16, 21,
 * 30, by blocks 20, 25, 31; of Q8_0 29, 30, 37, by blocks 33, 39, 44. With 16 tokens they are
 * slower: inputs come from L2 for each pair of rows. Intel's processors do two products a cycle,
 * each of which takes five, and their schedulers do not hold enough of those to come to keep both
 * busy with four sums: four tokens at a time (8 from L2: 28 ns, two at a time 32).
 *
 * By blocks: with one or two tokens memory decides, and rows are read whole too. With more, one
 * slab after the other is done for BLOCK_ROWS rows: its inputs stay in L1, and weights come by
 * software's prefetching alone, the same slab of a later row; rows, or more than some lines of
 * them, would look like streams, and the processor's own prefetching gets in the way of this one.
 * Measured on Zen 4, one thread, with 4, 8, 16 tokens: 20, 31, 57; along rows, with panels from 5
 * tokens on, 23, 40, 64; half as far ahead 22, 31, 56. */
#include "kernels/x86/dot_vnni.h"

enum {
    DIRECT_TOKENS = 16,
    DIRECT_ROWS = 2,
    DIRECT_MOST = 4, /* tokens side by side */
    STREAMS_TOKENS = 8,
    WHOLE_TOKENS = 2,
    WHOLE_AHEAD = 4, /* rows */
    BLOCK_ROWS = 16,
    BLOCK_AHEAD = 16,
};

/* The order in which weights are read. Always a constant. */
typedef enum DirectOrder { DIRECT_STREAMS, DIRECT_BLOCKS } DirectOrder;

/* Of a token: sums [rows, SLAB_BLOCKS]; where inputs share scales, the group's own follow. */
ALWAYS_INLINE size_t sum_floats(DotType type) {
    return (type.shared ? 2 : 1) * DIRECT_ROWS * SLAB_BLOCKS;
}

typedef struct Direct {
    const KernelsMatmulJob *job;
    RowShape shape;
    size_t chunk;   /* slabs of a row that are done before the next row's */
    size_t ahead;   /* bytes from a slab to the one that is fetched from memory meanwhile */
    size_t row_end; /* of the part */
    size_t apart;   /* rows from the first of a pair to the second */
} Direct;

/* Whether a pair has a second row; where not, the first one is multiplied twice. */
static inline bool has_second(const Direct *d, size_t row) {
    return row + d->apart < d->row_end;
}

/* Some rows' slabs times n_tokens (1, 2, 4) inputs, added to sums [n_tokens, sum_floats]. ends:
 * they are the last of a group. */
ALWAYS_INLINE void direct_tokens(const Slab w[DIRECT_ROWS], const uint8_t *inputs, size_t x_stride,
                                 size_t n_tokens, DotType type, bool ends, float *sums) {
    size_t halves = n_scales(type.kind), steps = SLAB_STEPS / halves;
    const KernelsInputSlab *x[DIRECT_MOST];
    UNROLL for (size_t t = 0; t < n_tokens; t++) x[t] = (const void *)(inputs + t * x_stride);
    UNROLL for (size_t h = 0; h < halves; h++) {
        __m512i dots[DIRECT_MOST][DIRECT_ROWS];
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m512i begin = correction(x[t], h, halves, type.zero);
            UNROLL for (size_t r = 0; r < DIRECT_ROWS; r++) dots[t][r] = begin;
        }
        UNROLL for (size_t k = h * steps; k < (h + 1) * steps; k++) {
            UNROLL for (size_t t = 0; t < n_tokens; t++) {
                __m512i q = _mm512_load_si512(x[t]->q[k]);
                UNROLL for (size_t r = 0; r < DIRECT_ROWS; r++) DOT_BYTES(dots[t][r], w[r].q[k], q);
            }
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            UNROLL for (size_t r = 0; r < DIRECT_ROWS; r++) {
                float *at = sums + t * sum_floats(type) + r * SLAB_BLOCKS;
                float *group = type.shared ? at + DIRECT_ROWS * SLAB_BLOCKS : at;
                __m512 sum = _mm512_load_ps(group), scale = _mm512_load_ps(x[t]->d);
                __m512 factor = type.shared ? w[r].d[h] : _mm512_mul_ps(w[r].d[h], scale);
                sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][r]), factor, sum);
                if (n_addends(type.kind)) {
                    sum = _mm512_fmadd_ps(w[r].m[h], input_sum(x[t], h, halves, type.shared), sum);
                }
                if (type.shared && ends && h + 1 == halves) {
                    _mm512_store_ps(at, _mm512_fmadd_ps(sum, scale, _mm512_load_ps(at)));
                    sum = _mm512_setzero_ps();
                }
                _mm512_store_ps(group, sum);
            }
        }
    }
}

ALWAYS_INLINE void prefetch_slab(const uint8_t *p, size_t slab_stride, DirectOrder order) {
    UNROLL for (size_t i = 0; i < slab_stride; i += 64) {
        if (order == DIRECT_STREAMS) {
            _mm_prefetch((const char *)p + i, _MM_HINT_T0);
        } else {
            _mm_prefetch((const char *)p + i, _MM_HINT_T1);
        }
    }
}

/* Slab s of two rows for all tokens, added to sums [n_tokens, sum_floats]. */
ALWAYS_INLINE void direct_slab(const Direct *d, const uint8_t *const w[DIRECT_ROWS], size_t s,
                               size_t slab_stride, UnpackSlab *unpack, DotType type,
                               DirectOrder order, float *sums) {
    const KernelsMatmulJob *job = d->job;
    const uint8_t *x = (const uint8_t *)job->x + s * sizeof(KernelsInputSlab);
    Slab slab[DIRECT_ROWS];
    UNROLL for (size_t r = 0; r < DIRECT_ROWS; r++) {
        prefetch_slab(w[r] + s * slab_stride + d->ahead, slab_stride, order);
        slab[r] = unpack_at(w[r], s, &d->shape, slab_stride, unpack);
    }
    bool ends = s % SLAB_GROUP == SLAB_GROUP - 1 || s + 1 == d->shape.n_slabs;
    size_t t = 0, stride = job->x_stride;
    for (; order == DIRECT_STREAMS && t + 4 <= job->n_tokens; t += 4) {
        direct_tokens(slab, x + t * stride, stride, 4, type, ends, sums + t * sum_floats(type));
    }
    for (; t + 2 <= job->n_tokens; t += 2) {
        direct_tokens(slab, x + t * stride, stride, 2, type, ends, sums + t * sum_floats(type));
    }
    if (t == job->n_tokens) return;
    direct_tokens(slab, x + t * stride, stride, 1, type, ends, sums + t * sum_floats(type));
}

/* The outputs of a pair of rows from their sums. */
static inline void direct_store(const Direct *d, size_t row, const float *sums, DotType type) {
    const KernelsMatmulJob *job = d->job;
    size_t n_rows = has_second(d, row) ? 2 : 1;
    for (size_t t = 0; t < job->n_tokens; t += 2) {
        size_t n_tokens = MIN(job->n_tokens - t, (size_t)2);
        __m512 four[4];
        UNROLL for (size_t i = 0; i < 4; i++) {
            size_t token = t + MIN(i / DIRECT_ROWS, n_tokens - 1);
            four[i] =
                _mm512_load_ps(sums + token * sum_floats(type) + i % DIRECT_ROWS * SLAB_BLOCKS);
        }
        float outputs[4];
        _mm_storeu_ps(outputs, fold_four(four));
        for (size_t i = 0; i < n_tokens * DIRECT_ROWS; i++) {
            size_t r = i % DIRECT_ROWS;
            float *y = job->y + (t + i / DIRECT_ROWS) * job->y_stride + row + r * d->apart;
            if (r < n_rows) *y = job->accumulate ? *y + outputs[i] : outputs[i];
        }
    }
}

/* Pairs of rows, the first ones row, row + 2, ..., chunk after chunk.
 * memory: [n_pairs, n_tokens, sum_floats] */
ALWAYS_INLINE void direct_pairs(const Direct *d, size_t row, size_t n_pairs, size_t slab_stride,
                                UnpackSlab *unpack, DotType type, DirectOrder order,
                                float *memory) {
    const KernelsMatmulJob *job = d->job;
    size_t pair_floats = job->n_tokens * sum_floats(type);
    memset(memory, 0, n_pairs * pair_floats * sizeof(float));
    for (size_t begin = 0; begin < d->shape.n_slabs; begin += d->chunk) {
        for (size_t i = 0; i < n_pairs; i++) {
            size_t first = row + i * DIRECT_ROWS;
            const uint8_t *at = (const uint8_t *)job->w + first * job->row_bytes;
            const uint8_t *w[DIRECT_ROWS] = { at, at + (has_second(d, first) ? d->apart : 0) *
                                                           job->row_bytes };
            for (size_t s = begin; s < MIN(begin + d->chunk, d->shape.n_slabs); s++) {
                direct_slab(d, w, s, slab_stride, unpack, type, order, memory + i * pair_floats);
            }
        }
    }
    for (size_t i = 0; i < n_pairs; i++) {
        direct_store(d, row + i * DIRECT_ROWS, memory + i * pair_floats, type);
    }
}

ALWAYS_INLINE void direct_streams(Direct *d, size_t row_begin, size_t slab_stride,
                                  UnpackSlab *unpack, DotType type, float *scratch) {
    d->chunk = MAX(d->shape.n_slabs, (size_t)1);
    d->ahead = KERNELS_STREAM_AHEAD;
    d->apart = (d->row_end - row_begin + 1) / DIRECT_ROWS;
    for (size_t row = row_begin; row < row_begin + d->apart; row++) {
        direct_pairs(d, row, 1, slab_stride, unpack, type, DIRECT_STREAMS, scratch);
    }
}

ALWAYS_INLINE void direct_blocks(Direct *d, size_t row_begin, size_t slab_stride,
                                 UnpackSlab *unpack, DotType type, float *scratch) {
    bool whole = d->job->n_tokens <= WHOLE_TOKENS;
    d->chunk = whole ? MAX(d->shape.n_slabs, (size_t)1) : 1;
    d->ahead = (whole ? WHOLE_AHEAD : BLOCK_AHEAD) * d->job->row_bytes;
    d->apart = 1;
    for (size_t row = row_begin; row < d->row_end; row += BLOCK_ROWS) {
        size_t n_rows = MIN(d->row_end - row, (size_t)BLOCK_ROWS);
        direct_pairs(d, row, (n_rows + 1) / DIRECT_ROWS, slab_stride, unpack, type, DIRECT_BLOCKS,
                     scratch);
    }
}

ALWAYS_INLINE void direct_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               size_t slab_stride, UnpackSlab *unpack, DotType type,
                               float *scratch) {
    Direct d = { .job = job, .shape = row_shape(job, slab_stride), .row_end = row_end };
    if (job->streams && job->n_tokens <= STREAMS_TOKENS) {
        direct_streams(&d, row_begin, slab_stride, unpack, type, scratch);
    } else {
        direct_blocks(&d, row_begin, slab_stride, unpack, type, scratch);
    }
}
