#pragma once
/* 32 weights of each quantised format as signed bytes q with the scales and addends of their two
 * halves of 16:  weight = scale q + min.  The numbers are exactly those of gguf_decode_row before
 * its products; a level with its offset taken off still fits a byte. */
#include "kernels/kernels_internal.h"

#include <arm_neon.h>
#include <string.h>

/* X(enum suffix, name of functions, halves have scales of their own, there are addends) */
#define NEON_QUANTIZED_TYPES(X)                                                                    \
    X(Q4_0, q4_0, false, false)                                                                    \
    X(Q4_1, q4_1, false, true)                                                                     \
    X(Q5_0, q5_0, false, false)                                                                    \
    X(Q5_1, q5_1, false, true)                                                                     \
    X(Q8_0, q8_0, false, false)                                                                    \
    X(Q2_K, q2_k, true, true)                                                                      \
    X(Q3_K, q3_k, true, false)                                                                     \
    X(Q4_K, q4_k, false, true)                                                                     \
    X(Q5_K, q5_k, false, true)                                                                     \
    X(Q6_K, q6_k, true, false)                                                                     \
    X(IQ4_NL, iq4_nl, false, false)                                                                \
    X(IQ4_XS, iq4_xs, false, false)

ALWAYS_INLINE float half(const void *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}

/* [0] weights 0-15, [1] weights 16-31. */
typedef struct Levels {
    int8x16_t v[2];
} Levels;
typedef struct Unpacked {
    Levels q;
    float scale[2], min[2];
} Unpacked;
/* Weights 32 g .. 32 g + 31 of the row. */
typedef Unpacked UnpackGroup(const uint8_t *row, size_t g);

ALWAYS_INLINE Unpacked one_scale(Levels q, float scale) {
    return (Unpacked){ q, { scale, scale }, { 0 } };
}
ALWAYS_INLINE Unpacked with_min(Levels q, float scale, float min) {
    return (Unpacked){ q, { scale, scale }, { min, min } };
}

/* (bytes >> shift) & mask */
ALWAYS_INLINE uint8x16_t field(uint8x16_t bytes, unsigned shift, uint8_t mask) {
    return vandq_u8(vshlq_u8(bytes, vdupq_n_s8((int8_t) - (int)shift)), vdupq_n_u8(mask));
}
ALWAYS_INLINE int8x16_t minus(uint8x16_t bytes, int8_t offset) {
    return vsubq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(offset));
}

/* Blocks of nibbles: the low halves are weights 0-15, the high halves 16-31. */
typedef struct Nibbles {
    uint8x16_t v[2];
} Nibbles;
ALWAYS_INLINE Nibbles nibbles(const uint8_t *qs) {
    uint8x16_t q = vld1q_u8(qs);
    return (Nibbles){ { vandq_u8(q, vdupq_n_u8(15)), vshrq_n_u8(q, 4) } };
}
ALWAYS_INLINE Levels levels(Nibbles q, int8_t offset) {
    return (Levels){ { minus(q.v[0], offset), minus(q.v[1], offset) } };
}

ALWAYS_INLINE Unpacked unpack_q4_0(const uint8_t *row, size_t g) {
    const GgufBlockQ4_0 *b = (const GgufBlockQ4_0 *)row + g;
    float d = half(&b->d);
    return one_scale(levels(nibbles(b->qs), 8), d);
}

ALWAYS_INLINE Unpacked unpack_q4_1(const uint8_t *row, size_t g) {
    const GgufBlockQ4_1 *b = (const GgufBlockQ4_1 *)row + g;
    float d = half(&b->d), m = half(&b->m);
    return with_min(levels(nibbles(b->qs), 0), d, m);
}

/* The nibbles with 16 added where the fifth bit is set. */
ALWAYS_INLINE Nibbles fives(const uint8_t *qs, const uint8_t *qh) {
    uint8x16_t one = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201U));
    Nibbles q = nibbles(qs);
    for (size_t j = 0; j < 2; j++) {
        uint8x16_t spread = vcombine_u8(vdup_n_u8(qh[2 * j]), vdup_n_u8(qh[2 * j + 1]));
        q.v[j] = vorrq_u8(q.v[j], vandq_u8(vtstq_u8(spread, one), vdupq_n_u8(16)));
    }
    return q;
}

ALWAYS_INLINE Unpacked unpack_q5_0(const uint8_t *row, size_t g) {
    const GgufBlockQ5_0 *b = (const GgufBlockQ5_0 *)row + g;
    float d = half(&b->d);
    return one_scale(levels(fives(b->qs, b->qh), 16), d);
}

ALWAYS_INLINE Unpacked unpack_q5_1(const uint8_t *row, size_t g) {
    const GgufBlockQ5_1 *b = (const GgufBlockQ5_1 *)row + g;
    float d = half(&b->d), m = half(&b->m);
    return with_min(levels(fives(b->qs, b->qh), 0), d, m);
}

ALWAYS_INLINE Unpacked unpack_q8_0(const uint8_t *row, size_t g) {
    const GgufBlockQ8_0 *b = (const GgufBlockQ8_0 *)row + g;
    float d = half(&b->d);
    return one_scale((Levels){ { vld1q_s8(b->qs), vld1q_s8(b->qs + 16) } }, d);
}

ALWAYS_INLINE Levels iq4_levels(const uint8_t *qs) {
    Nibbles q = nibbles(qs);
    int8x16_t table = vld1q_s8(gguf_iq4_values);
    return (Levels){ { vqtbl1q_s8(table, q.v[0]), vqtbl1q_s8(table, q.v[1]) } };
}
ALWAYS_INLINE Unpacked unpack_iq4_nl(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_NL *b = (const GgufBlockIQ4_NL *)row + g;
    float d = half(&b->d);
    return one_scale(iq4_levels(b->qs), d);
}

/* Superblocks: group g is group g % 8 of superblock g / 8. */

ALWAYS_INLINE Unpacked unpack_q2_k(const uint8_t *row, size_t g) {
    const GgufBlockQ2_K *b = (const GgufBlockQ2_K *)row + g / 8;
    size_t k = g % 8;
    float d = half(&b->d), dmin = half(&b->dmin), scale[2], min[2];
    Levels q;
    for (size_t j = 0; j < 2; j++) {
        scale[j] = d * (float)(b->scales[2 * k + j] & 15);
        min[j] = -(dmin * (float)(b->scales[2 * k + j] >> 4));
        uint8x16_t two = vld1q_u8(b->qs + k / 4 * 32 + 16 * j);
        q.v[j] = minus(field(two, (unsigned)(k % 4 * 2), 3), 0);
    }
    return (Unpacked){ q, { scale[0], scale[1] }, { min[0], min[1] } };
}

ALWAYS_INLINE Unpacked unpack_q3_k(const uint8_t *row, size_t g) {
    const GgufBlockQ3_K *b = (const GgufBlockQ3_K *)row + g / 8;
    size_t k = g % 8;
    float d = half(&b->d), scale[2];
    Levels q;
    for (size_t j = 0; j < 2; j++) {
        size_t i = 2 * k + j;
        int low = i < 8 ? b->scales[i] & 15 : b->scales[i - 8] >> 4;
        scale[j] = d * (float)((low | (b->scales[8 + i % 4] >> 2 * (i / 4) & 3) << 4) - 32);
        uint8x16_t two = vld1q_u8(b->qs + k / 4 * 32 + 16 * j);
        uint8x16_t high = field(vld1q_u8(b->hmask + 16 * j), (unsigned)k, 1);
        two = field(two, (unsigned)(k % 4 * 2), 3);
        q.v[j] = minus(vorrq_u8(two, vshlq_n_u8(high, 2)), 4);
    }
    return (Unpacked){ q, { scale[0], scale[1] }, { 0 } };
}

ALWAYS_INLINE Unpacked unpack_q4_k(const uint8_t *row, size_t g) {
    const GgufBlockQ4_K *b = (const GgufBlockQ4_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    float scale = half(&b->d) * (float)sc, min = -(half(&b->dmin) * (float)m);
    const uint8_t *qs = b->qs + k / 2 * 32;
    unsigned shift = (unsigned)(k % 2 * 4);
    Nibbles q = { { field(vld1q_u8(qs), shift, 15), field(vld1q_u8(qs + 16), shift, 15) } };
    return with_min(levels(q, 0), scale, min);
}

ALWAYS_INLINE Unpacked unpack_q5_k(const uint8_t *row, size_t g) {
    const GgufBlockQ5_K *b = (const GgufBlockQ5_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    float scale = half(&b->d) * (float)sc, min = -(half(&b->dmin) * (float)m);
    Nibbles q;
    for (size_t j = 0; j < 2; j++) {
        uint8x16_t low = vld1q_u8(b->qs + k / 2 * 32 + 16 * j);
        uint8x16_t high = field(vld1q_u8(b->qh + 16 * j), (unsigned)k, 1);
        low = field(low, (unsigned)(k % 2 * 4), 15);
        q.v[j] = vorrq_u8(low, vshlq_n_u8(high, 4));
    }
    return with_min(levels(q, 0), scale, min);
}

ALWAYS_INLINE Unpacked unpack_q6_k(const uint8_t *row, size_t g) {
    const GgufBlockQ6_K *b = (const GgufBlockQ6_K *)row + g / 8;
    size_t k = g % 8, h = k / 4, i = k % 4;
    float d = half(&b->d), scale[2];
    Nibbles q;
    for (size_t j = 0; j < 2; j++) {
        scale[j] = d * (float)b->scales[2 * k + j];
        uint8x16_t low = vld1q_u8(b->ql + 64 * h + 32 * (i % 2) + 16 * j);
        uint8x16_t high = field(vld1q_u8(b->qh + 32 * h + 16 * j), (unsigned)(2 * i), 3);
        low = field(low, (unsigned)(i / 2 * 4), 15);
        q.v[j] = vorrq_u8(low, vshlq_n_u8(high, 4));
    }
    return (Unpacked){ levels(q, 32), { scale[0], scale[1] }, { 0 } };
}

ALWAYS_INLINE Unpacked unpack_iq4_xs(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_XS *b = (const GgufBlockIQ4_XS *)row + g / 8;
    float scale = half(&b->d) * (float)gguf_iq4_xs_scale(b, g % 8);
    return one_scale(iq4_levels(b->qs + g % 8 * 16), scale);
}
