#pragma once
/* Products of weights unpacked to slabs and inputs packed to slabs (kernels/slab.h), by VPDPBUSD:
 * for each type, the way that its number of tokens is best computed in. */
#include "kernels/x86/direct_vnni.h"
#include "kernels/x86/panel_vnni.h"
#include "kernels/x86/types_int8.h"

#include <assert.h>

#define DEFINE_MATMUL(type, name, kind, zero, top)                                                 \
    static void direct_##name(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,       \
                              float *scratch) {                                                    \
        direct_rows(job, row_begin, row_end, STRIDE_##type, unpack_##name,                         \
                    DOT_TYPE(type, kind, zero), scratch);                                          \
    }                                                                                              \
    static void panel_##name(const KernelsMatmulJob *job, size_t row, size_t n_rows,               \
                             const RowShape *shape, uint8_t *panel) {                              \
        unpack_panel(job, row, n_rows, shape, panel, STRIDE_##type, unpack_##name, kind);          \
    }                                                                                              \
    static void matmul_##name##_vnni(const KernelsMatmulJob *job, size_t row_begin,                \
                                     size_t row_end, float *scratch) {                             \
        assert(job->n % ELEMENTS_##type == 0);                                                     \
        if (job->n_tokens > DIRECT_TOKENS) {                                                       \
            panel_rows(job, row_begin, row_end, STRIDE_##type, scratch, panel_##name,              \
                       DOT_TYPE(type, kind, zero));                                                \
        } else if (job->n_tokens > 0) {                                                            \
            direct_##name(job, row_begin, row_end, scratch);                                       \
        }                                                                                          \
    }
