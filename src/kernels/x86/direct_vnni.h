#pragma once
/* Few tokens: a slab of two rows of weights is unpacked into registers and used at once for all
 * tokens, two at a time, so that a vector of inputs is loaded for two products. Sums lie in L1.
 * With one or two tokens memory decides, and is read fastest along whole rows, as a stream. With
 * more, one slab after the other is done for BLOCK_ROWS rows: its inputs stay in L1, and weights
 * come by software's prefetching alone, the same slab of a later row; rows, or more than some lines
 * of them, would look like streams, and the processor's own prefetching gets in the way of this
 * one. Measured on Zen 4, one thread, ns for a slab of Q4_0 from memory with 4, 8, 16 tokens: 20,
 * 31, 57; along rows, with panels from 5 tokens on, 23, 40, 64; half as far ahead 22, 31, 56. */
#include "kernels/x86/dot_vnni.h"

enum {
    DIRECT_TOKENS = 16,
    DIRECT_ROWS = 2,
    STREAM_TOKENS = 2,
    STREAM_AHEAD = 4, /* rows */
    BLOCK_ROWS = 16,
    BLOCK_AHEAD = 16,
};

/* Of a token: sums [rows, SLAB_BLOCKS]; where inputs share scales, the group's own follow. */
ALWAYS_INLINE size_t sum_floats(DotType type) {
    return (type.shared ? 2 : 1) * DIRECT_ROWS * SLAB_BLOCKS;
}

typedef struct Direct {
    const KernelsMatmulJob *job;
    RowShape shape;
    size_t chunk; /* slabs of a row that are done before the next row's */
    size_t ahead; /* bytes from a slab to the one that is fetched from memory meanwhile */
} Direct;

/* Some rows' slabs times n_tokens (1 or 2) inputs, added to sums [n_tokens, sum_floats]. ends: they
 * are the last of a group. */
ALWAYS_INLINE void direct_tokens(const Slab w[DIRECT_ROWS], const uint8_t *inputs, size_t x_stride,
                                 size_t n_tokens, DotType type, bool ends, float *sums) {
    size_t halves = n_scales(type.kind), steps = SLAB_STEPS / halves;
    const KernelsInputSlab *x[2];
    UNROLL for (size_t t = 0; t < n_tokens; t++) x[t] = (const void *)(inputs + t * x_stride);
    UNROLL for (size_t h = 0; h < halves; h++) {
        __m512i dots[2][DIRECT_ROWS];
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

ALWAYS_INLINE void prefetch_slab(const uint8_t *p, size_t slab_stride) {
    UNROLL for (size_t i = 0; i < slab_stride; i += 64) {
        _mm_prefetch((const char *)p + i, _MM_HINT_T1);
    }
}

/* Slab s of two rows for all tokens, added to sums [n_tokens, sum_floats]. */
ALWAYS_INLINE void direct_slab(const Direct *d, const uint8_t *const w[DIRECT_ROWS], size_t s,
                               size_t slab_stride, UnpackSlab *unpack, DotType type, float *sums) {
    const KernelsMatmulJob *job = d->job;
    const uint8_t *x = (const uint8_t *)job->x + s * sizeof(KernelsInputSlab);
    Slab slab[DIRECT_ROWS];
    UNROLL for (size_t r = 0; r < DIRECT_ROWS; r++) {
        prefetch_slab(w[r] + s * slab_stride + d->ahead, slab_stride);
        slab[r] = unpack_at(w[r], s, &d->shape, slab_stride, unpack);
    }
    bool ends = s % SLAB_GROUP == SLAB_GROUP - 1 || s + 1 == d->shape.n_slabs;
    size_t t = 0, stride = job->x_stride;
    for (; t + 2 <= job->n_tokens; t += 2) {
        direct_tokens(slab, x + t * stride, stride, 2, type, ends, sums + t * sum_floats(type));
    }
    if (t == job->n_tokens) return;
    direct_tokens(slab, x + t * stride, stride, 1, type, ends, sums + t * sum_floats(type));
}

/* The outputs of n_rows (1 or 2) rows from their sums. */
static inline void direct_store(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const float *sums, DotType type) {
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
            float *y = job->y + (t + i / DIRECT_ROWS) * job->y_stride + row + i % DIRECT_ROWS;
            if (i % DIRECT_ROWS < n_rows) *y = job->accumulate ? *y + outputs[i] : outputs[i];
        }
    }
}

/* A block of rows, chunk after chunk. memory: [rows / 2, n_tokens, sum_floats] */
ALWAYS_INLINE void direct_block(const Direct *d, size_t row, size_t n_rows, size_t slab_stride,
                                UnpackSlab *unpack, DotType type, float *memory) {
    const KernelsMatmulJob *job = d->job;
    size_t pair_floats = job->n_tokens * sum_floats(type);
    memset(memory, 0, (n_rows + 1) / DIRECT_ROWS * pair_floats * sizeof(float));
    for (size_t begin = 0; begin < d->shape.n_slabs; begin += d->chunk) {
        float *sums = memory;
        for (size_t r = 0; r < n_rows; r += DIRECT_ROWS, sums += pair_floats) {
            const uint8_t *first = (const uint8_t *)job->w + (row + r) * job->row_bytes;
            /* past the end: the last one again */
            const uint8_t *w[DIRECT_ROWS] = { first, first + (r + 1 < n_rows) * job->row_bytes };
            for (size_t s = begin; s < MIN(begin + d->chunk, d->shape.n_slabs); s++) {
                direct_slab(d, w, s, slab_stride, unpack, type, sums);
            }
        }
    }
    for (size_t r = 0; r < n_rows; r += DIRECT_ROWS, memory += pair_floats) {
        direct_store(job, row + r, MIN(n_rows - r, (size_t)DIRECT_ROWS), memory, type);
    }
}

ALWAYS_INLINE void direct_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               size_t slab_stride, UnpackSlab *unpack, DotType type,
                               float *scratch) {
    bool stream = job->n_tokens <= STREAM_TOKENS;
    Direct d = { .job = job, .shape = row_shape(job, slab_stride) };
    d.chunk = stream ? MAX(d.shape.n_slabs, (size_t)1) : 1;
    d.ahead = (stream ? STREAM_AHEAD : BLOCK_AHEAD) * job->row_bytes;
    for (size_t row = row_begin; row < row_end; row += BLOCK_ROWS) {
        direct_block(&d, row, MIN(row_end - row, (size_t)BLOCK_ROWS), slab_stride, unpack, type,
                     scratch);
    }
}
