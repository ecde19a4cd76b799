#pragma once
/* Products of weights unpacked to slabs and inputs packed to slabs (kernels/slab.h), by VPDPBUSD:
 * for each type, the way that its number of tokens is best computed in. */
#include "kernels/x86/direct_vnni.h"
#include "kernels/x86/tiles_rounded_vnni.h"
#include "kernels/x86/tiles_scaled_vnni.h"
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
            PanelForm form = scaled_form(DOT_TYPE(type, kind, zero));                              \
            panel_rows(job, row_begin, row_end, STRIDE_##type, scratch, panel_##name, &form);      \
        } else if (job->n_tokens > 0) {                                                            \
            direct_##name(job, row_begin, row_end, scratch);                                       \
        }                                                                                          \
    }

/* Prompts in types of superblocks whose blocks have addends. */
#define DEFINE_ROUNDED_MATMUL(type, name, top)                                                     \
    static void panel_rounded_##name(const KernelsMatmulJob *job, size_t row, size_t n_rows,       \
                                     const RowShape *shape, uint8_t *panel) {                      \
        round_panel(job, row, n_rows, shape, panel, STRIDE_##type, unpack_##name, top);            \
    }                                                                                              \
    static void matmul_rounded_##name##_vnni(const KernelsMatmulJob *job, size_t row_begin,        \
                                             size_t row_end, float *scratch) {                     \
        assert(job->n % ELEMENTS_##type == 0);                                                     \
        if (job->n_tokens == 0) return;                                                            \
        panel_rows(job, row_begin, row_end, STRIDE_##type, scratch, panel_rounded_##name,          \
                   &rounded_form);                                                                 \
    }
#define ROUNDED_TYPES(X)                                                                           \
    X(Q4_K, q4_k, 15)                                                                              \
    X(Q5_K, q5_k, 31)
