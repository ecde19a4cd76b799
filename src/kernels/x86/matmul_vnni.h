#pragma once
/* Products of weights unpacked to slabs and inputs packed to slabs (kernels/slab.h), by VPDPBUSD:
 * for each type, the way that its number of tokens is best computed in. */
#include "kernels/x86/direct_vnni.h"
#include "kernels/x86/panel_vnni.h"
#include "kernels/x86/types_vnni.h"

#include <assert.h>

#define DEFINE_DIRECT(type, name, kind, zero, n_tokens)                                            \
    static __attribute__((noinline)) void direct_##name##_##n_tokens(                              \
        const KernelsMatmulJob *job, size_t row_begin, size_t row_end, float *scratch) {           \
        direct_rows(job, row_begin, row_end, n_tokens, STRIDE_##type, unpack_##name, kind, zero,   \
                    scratch);                                                                      \
    }

#define DEFINE_MATMUL(type, name, kind, zero)                                                      \
    DEFINE_DIRECT(type, name, kind, zero, 1)                                                       \
    DEFINE_DIRECT(type, name, kind, zero, 2)                                                       \
    DEFINE_DIRECT(type, name, kind, zero, 3)                                                       \
    DEFINE_DIRECT(type, name, kind, zero, 4)                                                       \
    static void panel_##name(const KernelsMatmulJob *job, size_t row, size_t n_rows,               \
                             const RowShape *shape, uint8_t *panel) {                              \
        unpack_panel(job, row, n_rows, shape, panel, STRIDE_##type, unpack_##name, kind);          \
    }                                                                                              \
    void kernels_matmul_##name##_vnni(const KernelsMatmulJob *job, size_t row_begin,               \
                                      size_t row_end, float *scratch) {                            \
        static KernelsMatmul *const direct[] = { direct_##name##_1, direct_##name##_2,             \
                                                 direct_##name##_3, direct_##name##_4 };           \
        size_t n = job->n_tokens;                                                                  \
        assert(job->n % ELEMENTS_##type == 0);                                                     \
        if (n > DIRECT_TOKENS) {                                                                   \
            panel_rows(job, row_begin, row_end, STRIDE_##type, scratch, panel_##name, kind, zero); \
        } else if (n > 0) {                                                                        \
            direct[n - 1](job, row_begin, row_end, scratch);                                       \
        }                                                                                          \
    }
