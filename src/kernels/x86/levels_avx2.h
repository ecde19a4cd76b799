#pragma once
/* 32 weights of each quantised format as unsigned bytes q, with the scales and addends of their two
 * halves of 16:  weight = scale (q - zero) + min,  zero a constant of the type (types_int8.h). The
 * numbers are exactly those of gguf_decode_row before its products. */
#include "kernels/kernels_internal.h"
#include "kernels/x86/scales_avx2.h"

/* Levels: 32 bytes in order. */
typedef struct Unpacked {
    __m256i q;
    float scale[2], min[2];
} Unpacked;
/* Weights 32 g .. 32 g + 31 of the row. */
typedef Unpacked UnpackGroup(const uint8_t *row, size_t g);

ALWAYS_INLINE Unpacked one_scale(__m256i q, float scale) {
    return (Unpacked){ q, { scale, scale }, { 0 } };
}
ALWAYS_INLINE Unpacked with_min(__m256i q, float scale, float min) {
    return (Unpacked){ q, { scale, scale }, { min, min } };
}

ALWAYS_INLINE __m256i load_32(const void *p) {
    return _mm256_loadu_si256(p);
}
/* (bytes >> shift) & mask, for shift < 8 and a mask that the shifted neighbours' bits miss */
ALWAYS_INLINE __m256i field(__m256i bytes, size_t shift, char mask) {
    if (shift) bytes = _mm256_srli_epi16(bytes, (int)shift);
    return _mm256_and_si256(bytes, _mm256_set1_epi8(mask));
}
/* q + 2^bit where `high` is 1 */
ALWAYS_INLINE __m256i with_high(__m256i q, __m256i high, int bit) {
    return _mm256_or_si256(q, _mm256_slli_epi16(high, bit));
}

/* Blocks of nibbles: the low halves are weights 0-15, the high halves 16-31. */
ALWAYS_INLINE __m256i nibbles(const uint8_t *qs) {
    __m128i q = _mm_loadu_si128((const void *)qs);
    __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(q), _mm_srli_epi16(q, 4), 1);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

ALWAYS_INLINE Unpacked unpack_q4_0(const uint8_t *row, size_t g) {
    const GgufBlockQ4_0 *b = (const GgufBlockQ4_0 *)row + g;
    return one_scale(nibbles(b->qs), half_at(&b->d));
}

ALWAYS_INLINE Unpacked unpack_q4_1(const uint8_t *row, size_t g) {
    const GgufBlockQ4_1 *b = (const GgufBlockQ4_1 *)row + g;
    return with_min(nibbles(b->qs), half_at(&b->d), half_at(&b->m));
}

/* The nibbles with 16 added where the fifth bit is set. */
ALWAYS_INLINE __m256i fives(const uint8_t *qs, const uint8_t *qh) {
    int32_t high;
    memcpy(&high, qh, sizeof high);
    __m256i byte =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(high), byte);
    __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return _mm256_or_si256(nibbles(qs), _mm256_and_si256(set, _mm256_set1_epi8(16)));
}

ALWAYS_INLINE Unpacked unpack_q5_0(const uint8_t *row, size_t g) {
    const GgufBlockQ5_0 *b = (const GgufBlockQ5_0 *)row + g;
    return one_scale(fives(b->qs, b->qh), half_at(&b->d));
}

ALWAYS_INLINE Unpacked unpack_q5_1(const uint8_t *row, size_t g) {
    const GgufBlockQ5_1 *b = (const GgufBlockQ5_1 *)row + g;
    return with_min(fives(b->qs, b->qh), half_at(&b->d), half_at(&b->m));
}

/* Signed bytes plus 128. */
ALWAYS_INLINE Unpacked unpack_q8_0(const uint8_t *row, size_t g) {
    const GgufBlockQ8_0 *b = (const GgufBlockQ8_0 *)row + g;
    return one_scale(_mm256_xor_si256(load_32(b->qs), _mm256_set1_epi8(-128)), half_at(&b->d));
}

/* Levels of IQ4 plus 127, which makes them 0 to 240. */
ALWAYS_INLINE __m256i look_up_iq4(__m256i nibbles) {
    __m128i table = _mm_loadu_si128((const void *)gguf_iq4_values);
    table = _mm_add_epi8(table, _mm_set1_epi8(127));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}
ALWAYS_INLINE Unpacked unpack_iq4_nl(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_NL *b = (const GgufBlockIQ4_NL *)row + g;
    return one_scale(look_up_iq4(nibbles(b->qs)), half_at(&b->d));
}

/* Superblocks: group g is group g % 8 of superblock g / 8. */

ALWAYS_INLINE Unpacked unpack_q2_k(const uint8_t *row, size_t g) {
    const GgufBlockQ2_K *b = (const GgufBlockQ2_K *)row + g / 8;
    size_t k = g % 8;
    float d = half_at(&b->d), dmin = half_at(&b->dmin);
    Unpacked u = { .q = field(load_32(b->qs + k / 4 * 32), k % 4 * 2, 3) };
    for (size_t j = 0; j < 2; j++) {
        u.scale[j] = d * (float)(b->scales[2 * k + j] & 15);
        u.min[j] = -(dmin * (float)(b->scales[2 * k + j] >> 4));
    }
    return u;
}

ALWAYS_INLINE Unpacked unpack_q3_k(const uint8_t *row, size_t g) {
    const GgufBlockQ3_K *b = (const GgufBlockQ3_K *)row + g / 8;
    size_t k = g % 8;
    float d = half_at(&b->d);
    __m256i two = field(load_32(b->qs + k / 4 * 32), k % 4 * 2, 3);
    Unpacked u = { .q = with_high(two, field(load_32(b->hmask), k, 1), 2) };
    for (size_t j = 0; j < 2; j++) {
        size_t i = 2 * k + j;
        int low = i < 8 ? b->scales[i] & 15 : b->scales[i - 8] >> 4;
        u.scale[j] = d * (float)((low | (b->scales[8 + i % 4] >> 2 * (i / 4) & 3) << 4) - 32);
    }
    return u;
}

ALWAYS_INLINE Unpacked unpack_q4_k(const uint8_t *row, size_t g) {
    const GgufBlockQ4_K *b = (const GgufBlockQ4_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    return with_min(field(load_32(b->qs + k / 2 * 32), k % 2 * 4, 15), half_at(&b->d) * (float)sc,
                    -(half_at(&b->dmin) * (float)m));
}

ALWAYS_INLINE Unpacked unpack_q5_k(const uint8_t *row, size_t g) {
    const GgufBlockQ5_K *b = (const GgufBlockQ5_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    __m256i low = field(load_32(b->qs + k / 2 * 32), k % 2 * 4, 15);
    return with_min(with_high(low, field(load_32(b->qh), k, 1), 4), half_at(&b->d) * (float)sc,
                    -(half_at(&b->dmin) * (float)m));
}

ALWAYS_INLINE Unpacked unpack_q6_k(const uint8_t *row, size_t g) {
    const GgufBlockQ6_K *b = (const GgufBlockQ6_K *)row + g / 8;
    size_t k = g % 8, h = k / 4, i = k % 4;
    float d = half_at(&b->d);
    __m256i low = field(load_32(b->ql + 64 * h + 32 * (i % 2)), i / 2 * 4, 15);
    Unpacked u = { .q = with_high(low, field(load_32(b->qh + 32 * h), 2 * i, 3), 4) };
    for (size_t j = 0; j < 2; j++) u.scale[j] = d * (float)b->scales[2 * k + j];
    return u;
}

ALWAYS_INLINE Unpacked unpack_iq4_xs(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_XS *b = (const GgufBlockIQ4_XS *)row + g / 8;
    float scale = half_at(&b->d) * (float)gguf_iq4_xs_scale(b, g % 8);
    return one_scale(look_up_iq4(nibbles(b->qs + g % 8 * 16)), scale);
}
