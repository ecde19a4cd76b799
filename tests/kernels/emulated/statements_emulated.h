#pragma once
/* The statements of kernels/x86/statements.h in plain C. Source: Intel SDM vol. 2, VPDPBUSD and
 * VDPBF16PS. */
#include <immintrin.h>
#include <math.h>

EMULATED simde__m512i lanes_dot_bytes(simde__m512i sums, simde__m512i w, simde__m512i x) {
    Lanes ret = { .i = sums }, a = { .i = w }, b = { .i = x };
    ALL(64) ret.u32[k / 4] += (uint32_t)(a.u8[k] * (int8_t)b.u8[k]);
    return ret.i;
}
/* A denormal counts as zero. */
EMULATED float lanes_bf16(uint16_t h) {
    Lanes ret = { .u32[0] = (h & 0x7F80) ? (uint32_t)h << 16 : (uint32_t)(h & 0x8000) << 16 };
    return ret.f32[0];
}
/* The higher product of a lane first; one rounding each. */
EMULATED simde__m512 lanes_dot_bf16(simde__m512 sums, simde__m512i a, simde__m512i b) {
    Lanes ret = { .f = sums }, x = { .i = a }, y = { .i = b };
    ALL(16) {
        for (size_t i = 2; i-- > 0;) {
            ret.f32[k] =
                fmaf(lanes_bf16(x.u16[2 * k + i]), lanes_bf16(y.u16[2 * k + i]), ret.f32[k]);
        }
        if (ret.u32[k] << 1 < 0x1000000) ret.u32[k] &= 0x80000000;
    }
    return ret.f;
}
#define DOT_BYTES(sums, w, x) ((sums) = lanes_dot_bytes(sums, w, x))
#define DOT_BF16(sums, a, b) ((sums) = lanes_dot_bf16(sums, a, b))
#define ADD_PRODUCTS(sums, dots, w) ((sums) = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), w, sums))
#define ADD_SCALED(sums, dots, scale, w)                                                           \
    ((sums) = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_mul_ps(scale, w), sums))
#define MULTIPLY_ADD(sums, w, x) ((sums) = _mm512_fmadd_ps(w, x, sums))
#define HOLD(v) ((void)(v))
#define KEEP(v) ((void)(v))
#define HOLD_MEMORY(array) ((void)(array))
