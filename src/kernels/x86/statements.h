#pragma once
/* Instructions of AVX-512 as statements. GCC 12 copies the accumulators of the intrinsics and runs
 * out of registers: a third of the speed of the tiles.
 *     DOT_BYTES(sums, w, x)  int32 sums += four products in each lane; w unsigned, x signed bytes
 *     DOT_BF16(sums, a, b)   f32 sums += two products of bf16 in each lane
 *     HOLD(v)                v in a register: GCC would rather load it again for each use
 *     KEEP(v)                v is computed though nobody reads it
 * Tests on processors without AVX-512 replace them, and <immintrin.h>: tests/kernels/emulated. */
#ifdef KERNELS_EMULATED
#include "statements_emulated.h"
#else
#define DOT_BYTES(sums, w, x) __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(w), "v"(x))
#define DOT_BF16(sums, a, b) __asm__("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b))
#define HOLD(v) __asm__("" : "+v"(v))
#define KEEP(v) __asm__ volatile("" : "+v"(v))
#endif
