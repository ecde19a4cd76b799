#pragma once
/* Products of weights and inputs packed to slabs (kernels/slab.h), by VPMADDUBSW: for each type,
 * the way that its number of tokens is best computed in. Both give the same bits. */
#include "kernels/x86/direct_maddubs.h"
#include "kernels/x86/panel_maddubs.h"

#include <assert.h>

#define DEFINE_DIRECT(way, type, name, kind, zero, top, n_tokens)                                  \
    static void way##_##name(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,        \
                             float *scratch) {                                                     \
        direct_rows(job, row_begin, row_end, n_tokens, STRIDE_##type, pair_##name, factors_##name, \
                    kind, zero, top, scratch);                                                     \
    }
#define DEFINE_MATMUL(type, name, kind, zero, top)                                                 \
    DEFINE_DIRECT(one, type, name, kind, zero, top, 1)                                             \
    DEFINE_DIRECT(few, type, name, kind, zero, top, job->n_tokens)                                 \
    static void panel_##name(const KernelsMatmulJob *job, size_t row, size_t n_rows,               \
                             const RowShape *shape, uint8_t *panel) {                              \
        unpack_panel(job, row, n_rows, shape, STRIDE_##type, pair_##name, factors_##name, kind,    \
                     zero, top, panel);                                                            \
    }                                                                                              \
    static void matmul_##name##_maddubs(const KernelsMatmulJob *job, size_t row_begin,             \
                                        size_t row_end, float *scratch) {                          \
        assert(job->n % ELEMENTS_##type == 0);                                                     \
        if (job->n_tokens > DIRECT_TOKENS)                                                         \
            panel_rows(job, row_begin, row_end, STRIDE_##type, scratch, panel_##name,              \
                       slab_bytes(kind), tiles_of(kind, top));                                     \
        else if (job->n_tokens > 1)                                                                \
            few_##name(job, row_begin, row_end, scratch);                                          \
        else if (job->n_tokens == 1)                                                               \
            one_##name(job, row_begin, row_end, scratch);                                          \
    }
