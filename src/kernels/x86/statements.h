#pragma once
/* Instructions of AVX-512 as statements. GCC 12 copies the accumulators of the intrinsics and runs
 * out of registers: a third of the speed of the tiles.
 *     DOT_BYTES(sums, w, x)            int32 sums += four products a lane; w unsigned, x signed
 *     DOT_BF16(sums, a, b)             f32 sums += two products of bf16 a lane
 *     ADD_PRODUCTS(sums, dots, w)      f32 sums += dots w; dots int32, lost
 *     ADD_SCALED(sums, dots, scale, w) f32 sums += dots (scale w); each step rounded
 *     MULTIPLY_ADD(sums, w, x)         f32 sums += w x
 *     HOLD(v)                          v in a register: GCC would rather load it again for each use
 *     KEEP(v)                          v is computed though nobody reads it
 *     HOLD_MEMORY(array)               an array in memory, of which operations take one number for
 *                                      all lanes: GCC would rather take it out of a register
 *
 * Steps of an addition to sums stand together: where GCC gathers those of many sums, or moves sums
 * out of registers between them, the products of the next slab wait (14 instead of 10 cycles).
 * Tests on processors without AVX-512 replace them, and <immintrin.h>: tests/kernels/emulated. */
#ifdef KERNELS_EMULATED
#include "statements_emulated.h"
#else
#define DOT_BYTES(sums, w, x) __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(w), "v"(x))
#define DOT_BF16(sums, a, b) __asm__("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b))
#define ADD_PRODUCTS(sums, dots, w)                                                                \
    __asm__("vcvtdq2ps %1, %1\n\t"                                                                 \
            "vfmadd231ps %2, %1, %0"                                                               \
            : "+v"(sums), "+v"(dots)                                                               \
            : "v"(w))
#define ADD_SCALED(sums, dots, scale, w)                                                           \
    do {                                                                                           \
        __m512 factor;                                                                             \
        __asm__("vmulps %4, %3, %2\n\t"                                                            \
                "vcvtdq2ps %1, %1\n\t"                                                             \
                "vfmadd231ps %2, %1, %0"                                                           \
                : "+v"(sums), "+v"(dots), "=&v"(factor)                                            \
                : "v"(scale), "v"(w));                                                             \
    } while (0)
#define MULTIPLY_ADD(sums, w, x) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sums) : "v"(w), "v"(x))
#define HOLD(v) __asm__("" : "+v"(v))
#define KEEP(v) __asm__ volatile("" : "+v"(v))
#define HOLD_MEMORY(array) __asm__("" : "+m"(array))
#endif
