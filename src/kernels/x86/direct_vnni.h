#pragma once
/* Few tokens: a slab of weights is unpacked into registers and used at once for all tokens. Memory
 * speed decides, so weights are read row after row, in order: two rows side by side halve the loads
 * of inputs, but ran at half the speed, as the processor's prefetching then sees two streams in one
 * page. Measured on Zen 4: prefetching into L2, 8 KiB ahead, is worth a quarter with four tokens;
 * into L1, nothing.
 * Inputs must stay in L1. Where they do not fit, rows are cut into chunks of slabs, and a chunk is
 * done for BLOCK_ROWS rows before the next; their sums wait in scratch. */
#include "kernels/x86/dot_vnni.h"

enum {
    DIRECT_TOKENS = 4,
    BLOCK_ROWS = 16,
    PREFETCH_BYTES = 8192,
    L1_INPUT_BYTES = 24 << 10, /* of the 32 KiB there are */
};

typedef struct Direct {
    const KernelsMatmulJob *job;
    RowShape shape;
    size_t chunk; /* slabs */
    size_t prefetch_bytes;
} Direct;

/* One slab times n_tokens inputs. */
ALWAYS_INLINE void direct_slab(const Slab *w, const KernelsInputSlab *const *x, size_t n_tokens,
                               SlabKind kind, int zero, __m512 sums[DIRECT_TOKENS]) {
    size_t halves = n_scales(kind), steps = SLAB_STEPS / halves;
    UNROLL for (size_t h = 0; h < halves; h++) {
        __m512i dots[DIRECT_TOKENS];
        UNROLL for (size_t t = 0; t < n_tokens; t++) dots[t] = correction(x[t], h, halves, zero);
        UNROLL for (size_t k = h * steps; k < (h + 1) * steps; k++) {
            UNROLL for (size_t t = 0; t < n_tokens; t++) {
                DOT(dots[t], w->q[k], _mm512_load_si512(x[t]->q[k]));
            }
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m512 factor = _mm512_mul_ps(w->d[h], _mm512_load_ps(x[t]->d));
            sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t]), factor, sums[t]);
            if (n_addends(kind) == 0) continue;
            sums[t] = _mm512_fmadd_ps(w->m[h], input_sum(x[t], h, halves), sums[t]);
        }
    }
}

ALWAYS_INLINE void prefetch_slab(const uint8_t *p, size_t slab_stride) {
    UNROLL for (size_t i = 0; i < slab_stride; i += 64) {
        _mm_prefetch((const char *)p + i, _MM_HINT_T1);
    }
}

/* Slabs [begin, end) of a row, added to sums. */
ALWAYS_INLINE void direct_slabs(const Direct *d, const uint8_t *w, size_t begin, size_t end,
                                size_t n_tokens, size_t slab_stride, UnpackSlab *unpack,
                                SlabKind kind, int zero, __m512 sums[DIRECT_TOKENS]) {
    const KernelsInputSlab *x[DIRECT_TOKENS];
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        const void *row = (const uint8_t *)d->job->x + t * d->job->x_stride;
        x[t] = (const KernelsInputSlab *)row + begin;
    }
    for (size_t s = begin; s < end; s++) {
        prefetch_slab(w + s * slab_stride + d->prefetch_bytes, slab_stride);
        Slab slab = unpack_at(w, s, &d->shape, slab_stride, unpack);
        direct_slab(&slab, x, n_tokens, kind, zero, sums);
        UNROLL for (size_t t = 0; t < n_tokens; t++) x[t]++;
    }
}

ALWAYS_INLINE void direct_store(const KernelsMatmulJob *job, size_t row, size_t n_tokens,
                                const __m512 sums[DIRECT_TOKENS]) {
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        float *y = job->y + t * job->y_stride + row, sum = fold(sums[t]);
        *y = job->accumulate ? *y + sum : sum;
    }
}

/* A block of rows, chunk after chunk. sums: [rows, n_tokens, SLAB_BLOCKS] */
ALWAYS_INLINE void direct_block(const Direct *d, size_t row_begin, size_t row_end, size_t n_tokens,
                                size_t slab_stride, UnpackSlab *unpack, SlabKind kind, int zero,
                                float *memory) {
    const KernelsMatmulJob *job = d->job;
    for (size_t begin = 0; begin < d->shape.n_slabs; begin += d->chunk) {
        size_t end = MIN(begin + d->chunk, d->shape.n_slabs);
        for (size_t r = row_begin; r < row_end; r++) {
            float *waiting = memory + (r - row_begin) * n_tokens * SLAB_BLOCKS;
            __m512 sums[DIRECT_TOKENS];
            UNROLL for (size_t t = 0; t < n_tokens; t++) {
                sums[t] = begin ? _mm512_load_ps(waiting + 16 * t) : _mm512_setzero_ps();
            }
            direct_slabs(d, (const uint8_t *)job->w + r * job->row_bytes, begin, end, n_tokens,
                         slab_stride, unpack, kind, zero, sums);
            if (end == d->shape.n_slabs) {
                direct_store(job, r, n_tokens, sums);
                continue;
            }
            UNROLL for (size_t t = 0; t < n_tokens; t++) _mm512_store_ps(waiting + 16 * t, sums[t]);
        }
    }
}

/* How the rows are cut, and how far ahead weights are fetched: the same chunk of a later row. */
static Direct direct_plan(const KernelsMatmulJob *job, size_t slab_stride) {
    Direct d = { .job = job, .shape = row_shape(job, slab_stride) };
    size_t fits = MAX(L1_INPUT_BYTES / (job->n_tokens * sizeof(KernelsInputSlab)), (size_t)1);
    size_t n_chunks = MAX((d.shape.n_slabs + fits - 1) / fits, (size_t)1);
    d.chunk = (d.shape.n_slabs + n_chunks - 1) / n_chunks;
    size_t bytes = MAX(d.chunk * slab_stride, (size_t)1);
    d.prefetch_bytes = (PREFETCH_BYTES + bytes - 1) / bytes * job->row_bytes;
    return d;
}

/* Rows without inputs. */
static void direct_nothing(const KernelsMatmulJob *job, size_t row_begin, size_t row_end) {
    for (size_t t = 0; t < job->n_tokens && !job->accumulate; t++) {
        memset(job->y + t * job->y_stride + row_begin, 0, (row_end - row_begin) * sizeof(float));
    }
}

ALWAYS_INLINE void direct_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               size_t n_tokens, size_t slab_stride, UnpackSlab *unpack,
                               SlabKind kind, int zero, float *scratch) {
    Direct d = direct_plan(job, slab_stride);
    if (d.shape.n_slabs == 0) {
        direct_nothing(job, row_begin, row_end);
        return;
    }
    for (size_t row = row_begin; row < row_end; row += BLOCK_ROWS) {
        direct_block(&d, row, MIN(row + BLOCK_ROWS, row_end), n_tokens, slab_stride, unpack, kind,
                     zero, scratch);
    }
}
