#pragma once
/* 32 weights of each format to four vectors of 8 floats, bit for bit what gguf_decode_row gives.
 * Levels are put together as 32 bytes, widened and multiplied as the reference does; a level with
 * its offset taken off is exact in f32, so the order of offset and conversion does not matter. */
#include "kernels/vec/vec_matmul.h"

ALWAYS_INLINE float half(const void *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

/* Levels as signed bytes, [0] weights 0-15, [1] weights 16-31. */
typedef struct Levels {
    __m128i v[2];
} Levels;

ALWAYS_INLINE __m256 floats_8(__m128i bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

/* scale[j] level + add[j] for each half j of the group. */
ALWAYS_INLINE Group scaled(Levels q, const float scale[2]) {
    Group group;
    for (size_t j = 0; j < 2; j++) {
        __m256 s = _mm256_set1_ps(scale[j]);
        group.v[2 * j] = _mm256_mul_ps(floats_8(q.v[j]), s);
        group.v[2 * j + 1] = _mm256_mul_ps(floats_8(_mm_srli_si128(q.v[j], 8)), s);
    }
    return group;
}
ALWAYS_INLINE Group scaled_plus(Levels q, const float scale[2], const float add[2]) {
    Group group = scaled(q, scale);
    for (size_t j = 0; j < 4; j++) {
        group.v[j] = _mm256_add_ps(group.v[j], _mm256_set1_ps(add[j / 2]));
    }
    return group;
}

ALWAYS_INLINE __m128i load_16(const void *p) {
    return _mm_loadu_si128(p);
}
/* (bytes >> shift) & mask, for shift < 8 and a mask that the shifted neighbours' bits miss */
ALWAYS_INLINE __m128i field(__m128i bytes, unsigned shift, char mask) {
    __m128i shifted = _mm_srl_epi16(bytes, _mm_cvtsi32_si128((int)shift));
    return _mm_and_si128(shifted, _mm_set1_epi8(mask));
}
ALWAYS_INLINE __m128i minus(__m128i bytes, char offset) {
    return _mm_sub_epi8(bytes, _mm_set1_epi8(offset));
}

/* Blocks of nibbles: the low halves are weights 0-15, the high halves 16-31. */
ALWAYS_INLINE Levels nibbles(const uint8_t *qs) {
    __m128i q = load_16(qs);
    return (Levels){ { field(q, 0, 15), field(q, 4, 15) } };
}

ALWAYS_INLINE Group decode_f32(const uint8_t *row, size_t g) {
    Group group;
    for (size_t j = 0; j < 4; j++) {
        group.v[j] = _mm256_loadu_ps((const float *)(const void *)(row + g * 128 + 32 * j));
    }
    return group;
}

ALWAYS_INLINE Group decode_f16(const uint8_t *row, size_t g) {
    Group group;
    for (size_t j = 0; j < 4; j++) group.v[j] = _mm256_cvtph_ps(load_16(row + g * 64 + 16 * j));
    return group;
}

ALWAYS_INLINE Group decode_bf16(const uint8_t *row, size_t g) {
    Group group;
    for (size_t j = 0; j < 4; j++) {
        __m256i wide = _mm256_cvtepu16_epi32(load_16(row + g * 64 + 16 * j));
        group.v[j] = _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
    }
    return group;
}

ALWAYS_INLINE Group decode_q4_0(const uint8_t *row, size_t g) {
    const GgufBlockQ4_0 *b = (const GgufBlockQ4_0 *)row + g;
    Levels q = nibbles(b->qs);
    float d = half(&b->d);
    return scaled((Levels){ { minus(q.v[0], 8), minus(q.v[1], 8) } }, (float[2]){ d, d });
}

ALWAYS_INLINE Group decode_q4_1(const uint8_t *row, size_t g) {
    const GgufBlockQ4_1 *b = (const GgufBlockQ4_1 *)row + g;
    float d = half(&b->d), m = half(&b->m);
    return scaled_plus(nibbles(b->qs), (float[2]){ d, d }, (float[2]){ m, m });
}

/* The nibbles with 16 added where the fifth bit is set. */
ALWAYS_INLINE Levels fives(const uint8_t *qs, const uint8_t *qh) {
    uint32_t high;
    memcpy(&high, qh, sizeof high);
    __m128i bits = _mm_cvtsi32_si128((int)high),
            one = _mm_set1_epi64x((long long)0x8040201008040201);
    Levels q = nibbles(qs);
    for (int j = 0; j < 2; j++) {
        __m128i two_bytes = _mm_srl_epi64(bits, _mm_cvtsi32_si128(16 * j));
        __m128i spread = _mm_shuffle_epi8(
            two_bytes, _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        __m128i set = _mm_cmpeq_epi8(_mm_and_si128(spread, one), one);
        q.v[j] = _mm_or_si128(q.v[j], _mm_and_si128(set, _mm_set1_epi8(16)));
    }
    return q;
}

ALWAYS_INLINE Group decode_q5_0(const uint8_t *row, size_t g) {
    const GgufBlockQ5_0 *b = (const GgufBlockQ5_0 *)row + g;
    Levels q = fives(b->qs, b->qh);
    float d = half(&b->d);
    return scaled((Levels){ { minus(q.v[0], 16), minus(q.v[1], 16) } }, (float[2]){ d, d });
}

ALWAYS_INLINE Group decode_q5_1(const uint8_t *row, size_t g) {
    const GgufBlockQ5_1 *b = (const GgufBlockQ5_1 *)row + g;
    float d = half(&b->d), m = half(&b->m);
    return scaled_plus(fives(b->qs, b->qh), (float[2]){ d, d }, (float[2]){ m, m });
}

ALWAYS_INLINE Group decode_q8_0(const uint8_t *row, size_t g) {
    const GgufBlockQ8_0 *b = (const GgufBlockQ8_0 *)row + g;
    float d = half(&b->d);
    return scaled((Levels){ { load_16(b->qs), load_16(b->qs + 16) } }, (float[2]){ d, d });
}

ALWAYS_INLINE Levels iq4_levels(const uint8_t *qs) {
    Levels q = nibbles(qs);
    __m128i table = load_16(gguf_iq4_values);
    return (Levels){ { _mm_shuffle_epi8(table, q.v[0]), _mm_shuffle_epi8(table, q.v[1]) } };
}
ALWAYS_INLINE Group decode_iq4_nl(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_NL *b = (const GgufBlockIQ4_NL *)row + g;
    float d = half(&b->d);
    return scaled(iq4_levels(b->qs), (float[2]){ d, d });
}

/* Superblocks: group g is group g % 8 of superblock g / 8. */

ALWAYS_INLINE Group decode_q2_k(const uint8_t *row, size_t g) {
    const GgufBlockQ2_K *b = (const GgufBlockQ2_K *)row + g / 8;
    size_t k = g % 8;
    float d = half(&b->d), dmin = half(&b->dmin), scale[2], min[2];
    Levels q;
    for (size_t j = 0; j < 2; j++) {
        scale[j] = d * (float)(b->scales[2 * k + j] & 15);
        min[j] = -(dmin * (float)(b->scales[2 * k + j] >> 4));
        q.v[j] = field(load_16(b->qs + k / 4 * 32 + 16 * j), (unsigned)(k % 4 * 2), 3);
    }
    return scaled_plus(q, scale, min);
}

ALWAYS_INLINE Group decode_q3_k(const uint8_t *row, size_t g) {
    const GgufBlockQ3_K *b = (const GgufBlockQ3_K *)row + g / 8;
    size_t k = g % 8;
    float d = half(&b->d), scale[2];
    Levels q;
    for (size_t j = 0; j < 2; j++) {
        size_t i = 2 * k + j;
        int low = i < 8 ? b->scales[i] & 15 : b->scales[i - 8] >> 4;
        scale[j] = d * (float)((low | (b->scales[8 + i % 4] >> 2 * (i / 4) & 3) << 4) - 32);
        __m128i two = field(load_16(b->qs + k / 4 * 32 + 16 * j), (unsigned)(k % 4 * 2), 3);
        __m128i high = field(load_16(b->hmask + 16 * j), (unsigned)k, 1);
        q.v[j] = minus(_mm_or_si128(two, _mm_slli_epi16(high, 2)), 4);
    }
    return scaled(q, scale);
}

ALWAYS_INLINE Group decode_q4_k(const uint8_t *row, size_t g) {
    const GgufBlockQ4_K *b = (const GgufBlockQ4_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    float scale = half(&b->d) * (float)sc, min = -(half(&b->dmin) * (float)m);
    const uint8_t *qs = b->qs + k / 2 * 32;
    unsigned shift = (unsigned)(k % 2 * 4);
    Levels q = { { field(load_16(qs), shift, 15), field(load_16(qs + 16), shift, 15) } };
    return scaled_plus(q, (float[2]){ scale, scale }, (float[2]){ min, min });
}

ALWAYS_INLINE Group decode_q5_k(const uint8_t *row, size_t g) {
    const GgufBlockQ5_K *b = (const GgufBlockQ5_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    float scale = half(&b->d) * (float)sc, min = -(half(&b->dmin) * (float)m);
    Levels q;
    for (size_t j = 0; j < 2; j++) {
        __m128i low = field(load_16(b->qs + k / 2 * 32 + 16 * j), (unsigned)(k % 2 * 4), 15);
        __m128i high = field(load_16(b->qh + 16 * j), (unsigned)k, 1);
        q.v[j] = _mm_or_si128(low, _mm_slli_epi16(high, 4));
    }
    return scaled_plus(q, (float[2]){ scale, scale }, (float[2]){ min, min });
}

ALWAYS_INLINE Group decode_q6_k(const uint8_t *row, size_t g) {
    const GgufBlockQ6_K *b = (const GgufBlockQ6_K *)row + g / 8;
    size_t k = g % 8, h = k / 4, i = k % 4;
    float d = half(&b->d), scale[2];
    Levels q;
    for (size_t j = 0; j < 2; j++) {
        scale[j] = d * (float)b->scales[2 * k + j];
        __m128i low = load_16(b->ql + 64 * h + 32 * (i % 2) + 16 * j);
        __m128i high = field(load_16(b->qh + 32 * h + 16 * j), (unsigned)(2 * i), 3);
        low = field(low, (unsigned)(i / 2 * 4), 15);
        q.v[j] = minus(_mm_or_si128(low, _mm_slli_epi16(high, 4)), 32);
    }
    return scaled(q, scale);
}

ALWAYS_INLINE Group decode_iq4_xs(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_XS *b = (const GgufBlockIQ4_XS *)row + g / 8;
    float scale = half(&b->d) * (float)gguf_iq4_xs_scale(b, g % 8);
    return scaled(iq4_levels(b->qs + g % 8 * 16), (float[2]){ scale, scale });
}
