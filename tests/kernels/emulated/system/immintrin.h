#pragma once
/* <immintrin.h> for a build in which AVX-512's intrinsics are AVX2 and plain C: SIMDe has most of
 * them, the rest of those that Fonte uses are here. For tests on processors without AVX-512: the
 * same numbers, bit for bit. Source: Intel's intrinsics guide. */
#include_next <immintrin.h> /* ours comes first in the path; SIMDe asks for it too */

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>
#include <simde/x86/gfni.h>
#include <string.h>

#define EMULATED static inline __attribute__((unused))

/* The lanes of a vector, where C can reach them. */
typedef union Lanes {
    simde__m512 f;
    simde__m512i i;
    simde__m256 f256[2];
    simde__m256i i256[2];
    simde__m128i i128[4];
    float f32[16];
    int32_t i32[16];
    uint32_t u32[16];
    uint64_t u64[8];
    uint16_t u16[32];
    uint8_t u8[64];
} Lanes;
/* for each lane k of n that a mask has */
#define MASKED(mask, n)                                                                            \
    for (size_t k = 0; k < (n); k++)                                                               \
        if ((uint64_t)(mask) >> k & 1)
#define ALL(n) for (size_t k = 0; k < (n); k++)

/* ---- a part of a vector, from and to memory ---------------------------------------------------
 */

EMULATED simde__m512i lanes_load8(uint64_t mask, const void *p) {
    Lanes ret = { 0 };
    MASKED(mask, 64) ret.u8[k] = ((const uint8_t *)p)[k];
    return ret.i;
}
EMULATED simde__m512i lanes_load16(uint32_t mask, const void *p) {
    Lanes ret = { 0 };
    MASKED(mask, 32) memcpy(&ret.u16[k], (const char *)p + 2 * k, 2);
    return ret.i;
}
EMULATED simde__m512 lanes_load32(uint32_t mask, const void *p) {
    Lanes ret = { 0 };
    MASKED(mask, 16) memcpy(&ret.f32[k], (const char *)p + 4 * k, 4);
    return ret.f;
}
EMULATED void lanes_store32(void *p, uint32_t mask, simde__m512 v) {
    Lanes lanes = { .f = v };
    MASKED(mask, 16) memcpy((char *)p + 4 * k, &lanes.f32[k], 4);
}
EMULATED void lanes_store32_xmm(void *p, uint32_t mask, simde__m128 v) {
    MASKED(mask, 4) memcpy((char *)p + 4 * k, (const char *)&v + 4 * k, 4);
}
#undef _mm512_maskz_loadu_epi8
#undef _mm512_maskz_loadu_epi16
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_mask_storeu_epi32
#undef _mm_maskz_loadu_ps
#undef _mm_mask_storeu_ps
#define _mm512_maskz_loadu_epi8 lanes_load8
#define _mm512_maskz_loadu_epi16 lanes_load16
#define _mm512_maskz_loadu_ps lanes_load32
#define _mm512_mask_storeu_ps lanes_store32
#define _mm512_mask_storeu_epi32(p, mask, v) lanes_store32(p, mask, _mm512_castsi512_ps(v))
#define _mm_maskz_loadu_ps(mask, p) _mm512_castps512_ps128(lanes_load32((mask)&15, p))
#define _mm_mask_storeu_ps lanes_store32_xmm

/* ---- from one kind of number to another -------------------------------------------------------
 */

EMULATED simde__m512 lanes_from_half(simde__m256i v) {
    Lanes in = { .i256[0] = v }, ret;
    ALL(2) ret.f256[k] = _mm256_cvtph_ps(in.i128[k]);
    return ret.f;
}
EMULATED simde__m256i lanes_to_half(simde__m512 v) { /* to nearest, ties to even */
    Lanes in = { .f = v }, ret;
    ALL(2) ret.i128[k] = _mm256_cvtps_ph(in.f256[k], _MM_FROUND_TO_NEAREST_INT);
    return ret.i256[0];
}
EMULATED simde__m512 lanes_to_float(simde__m512i v) {
    Lanes in = { .i = v }, ret;
    ALL(16) ret.f32[k] = (float)in.i32[k];
    return ret.f;
}
EMULATED simde__m512i lanes_to_int(simde__m512 v) {
    Lanes in = { .f = v }, ret;
    ALL(2) ret.i256[k] = _mm256_cvtps_epi32(in.f256[k]);
    return ret.i;
}
EMULATED simde__m512i lanes_wider_i8(simde__m128i v) {
    Lanes in = { .i128[0] = v }, ret;
    ALL(16) ret.i32[k] = (int8_t)in.u8[k];
    return ret.i;
}
EMULATED simde__m512i lanes_wider_u8(simde__m128i v) {
    Lanes in = { .i128[0] = v }, ret;
    ALL(16) ret.i32[k] = in.u8[k];
    return ret.i;
}
EMULATED simde__m512i lanes_wider_u8_words(simde__m256i v) {
    Lanes in = { .i256[0] = v }, ret;
    ALL(32) ret.u16[k] = in.u8[k];
    return ret.i;
}
EMULATED simde__m512i lanes_wider_u16(simde__m256i v) {
    Lanes in = { .i256[0] = v }, ret;
    ALL(16) ret.i32[k] = in.u16[k];
    return ret.i;
}
EMULATED simde__m256i lanes_lower_halves(simde__m512i v) {
    Lanes in = { .i = v }, ret;
    ALL(16) ret.u16[k] = in.u16[2 * k];
    return ret.i256[0];
}
#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtps_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtepu8_epi32
#undef _mm512_cvtepu8_epi16
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtph_ps lanes_from_half
#define _mm512_cvtps_ph(v, rounding) lanes_to_half(v)
#define _mm512_cvtepi32_ps lanes_to_float
#define _mm512_cvtps_epi32 lanes_to_int
#define _mm512_cvtepi8_epi32 lanes_wider_i8
#define _mm512_cvtepu8_epi32 lanes_wider_u8
#define _mm512_cvtepu8_epi16 lanes_wider_u8_words
#define _mm512_cvtepu16_epi32 lanes_wider_u16
#define _mm512_cvtepi32_epi16 lanes_lower_halves

/* ---- lanes moved ------------------------------------------------------------------------------
 */

/* Two quarters of a, two of b. */
EMULATED simde__m512i lanes_quarters(simde__m512i a, simde__m512i b, unsigned which) {
    Lanes in[2] = { { .i = a }, { .i = b } }, ret;
    ALL(4) ret.i128[k] = in[k / 2].i128[which >> 2 * k & 3];
    return ret.i;
}
EMULATED simde__m512i lanes_quarters_masked(simde__m512i old, unsigned mask, simde__m512i a,
                                            simde__m512i b, unsigned which) {
    Lanes ret = { .i = old }, from = { .i = lanes_quarters(a, b, which) };
    MASKED(mask, 8) ret.u64[k] = from.u64[k];
    return ret.i;
}
EMULATED simde__m512 lanes_permute(simde__m512 v, unsigned which) {
    Lanes in = { .f = v }, ret;
    ALL(16) ret.f32[k] = in.f32[(k & ~(size_t)3) + (which >> 2 * (k & 3) & 3)];
    return ret.f;
}
EMULATED simde__m512 lanes_compress(uint32_t mask, simde__m512 v) {
    Lanes in = { .f = v }, ret = { 0 };
    size_t n = 0;
    MASKED(mask, 16) ret.f32[n++] = in.f32[k];
    return ret.f;
}
EMULATED simde__m256 lanes_half(simde__m512 v, unsigned which) {
    Lanes in = { .f = v };
    return in.f256[which];
}
#undef _mm512_shuffle_i64x2
#undef _mm512_mask_shuffle_i64x2
#undef _mm512_shuffle_f32x4
#undef _mm512_permute_ps
#undef _mm512_maskz_compress_ps
#undef _mm512_extractf32x8_ps
#define _mm512_shuffle_i64x2 lanes_quarters
#define _mm512_mask_shuffle_i64x2 lanes_quarters_masked
#define _mm512_shuffle_f32x4(a, b, which)                                                          \
    _mm512_castsi512_ps(lanes_quarters(_mm512_castps_si512(a), _mm512_castps_si512(b), which))
#define _mm512_permute_ps lanes_permute
#define _mm512_maskz_compress_ps lanes_compress
#define _mm512_extractf32x8_ps lanes_half

/* ---- arithmetic -------------------------------------------------------------------------------
 */

EMULATED simde__m512i lanes_shift_right(simde__m512i v, unsigned n) {
    Lanes ret = { .i = v };
    ALL(16) ret.i32[k] >>= n < 32 ? n : 31;
    return ret.i;
}
EMULATED uint32_t lanes_below(simde__m512i a, simde__m512i b) {
    Lanes x = { .i = a }, y = { .i = b };
    uint32_t ret = 0;
    ALL(32) ret |= (uint32_t)(x.u16[k] < y.u16[k]) << k;
    return ret;
}
EMULATED int32_t lanes_sum(simde__m512i v) {
    Lanes in = { .i = v };
    uint32_t ret = 0;
    ALL(16) ret += in.u32[k];
    return (int32_t)ret;
}
EMULATED uint32_t lanes_highest(simde__m512i v) {
    Lanes in = { .i = v };
    uint32_t ret = 0;
    ALL(16) ret = in.u32[k] > ret ? in.u32[k] : ret;
    return ret;
}
/* As GCC folds it: halves, quarters, ...; the second of two where one is NaN. */
EMULATED float lanes_highest_float(simde__m512 v) {
    Lanes in = { .f = v };
    for (size_t n = 8; n > 0; n /= 2) {
        ALL(n) in.f32[k] = in.f32[k] > in.f32[k + n] ? in.f32[k] : in.f32[k + n];
    }
    return in.f32[0];
}
#undef _mm512_srai_epi32
#undef _mm512_cmplt_epu16_mask
#undef _mm512_reduce_add_epi32
#undef _mm512_reduce_max_epu32
#undef _mm512_reduce_max_ps
#define _mm512_srai_epi32 lanes_shift_right
#define _mm512_cmplt_epu16_mask lanes_below
#define _mm512_reduce_add_epi32 lanes_sum
#define _mm512_reduce_max_epu32 lanes_highest
#define _mm512_reduce_max_ps lanes_highest_float
