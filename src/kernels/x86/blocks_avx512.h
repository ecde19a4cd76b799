#pragma once
/* 32 weights of each format to two vectors of 16 floats, bit for bit what gguf_decode_row gives.
 * A nibble is looked up in a vector of 16 floats (vpermps reads the low four bits of each index),
 * already times the block's scale where the reference multiplies once: decoding costs five
 * instructions for 32 weights of Q4_0. Formats with a scale and a minimum a group do the same with
 * a table of scale q - min. */
#include "kernels/vec/vec_group.h"

ALWAYS_INLINE __m512 table_16(__m512i indices, __m512 table) {
    return _mm512_permutexvar_ps(indices, table);
}

/* 0, 1, ... 15 */
ALWAYS_INLINE __m512 levels_16(void) {
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

ALWAYS_INLINE float half(const void *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

/* 16 bytes as 16 numbers of 32 bits */
ALWAYS_INLINE __m512i bytes_16(const void *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(p));
}
ALWAYS_INLINE __m512i signed_bytes_16(const void *p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(p));
}

/* Blocks of nibbles: the low halves are weights 0-15, the high halves 16-31. */
ALWAYS_INLINE Group nibbles_by_table(const uint8_t *qs, __m512 table) {
    __m512i q = bytes_16(qs);
    return (Group){ { table_16(q, table), table_16(_mm512_srli_epi32(q, 4), table) } };
}

ALWAYS_INLINE Group decode_q4_0(const uint8_t *row, size_t g) {
    const GgufBlockQ4_0 *b = (const GgufBlockQ4_0 *)row + g;
    __m512 q = _mm512_sub_ps(levels_16(), _mm512_set1_ps(8));
    return nibbles_by_table(b->qs, _mm512_mul_ps(q, _mm512_set1_ps(half(&b->d))));
}

ALWAYS_INLINE __m512 scale_and_add(__m512 scale, __m512 add) {
    return _mm512_add_ps(_mm512_mul_ps(levels_16(), scale), add);
}

ALWAYS_INLINE Group decode_q4_1(const uint8_t *row, size_t g) {
    const GgufBlockQ4_1 *b = (const GgufBlockQ4_1 *)row + g;
    return nibbles_by_table(
        b->qs, scale_and_add(_mm512_set1_ps(half(&b->d)), _mm512_set1_ps(half(&b->m))));
}

/* The nibbles with 16 added where the fifth bit is set, as floats. */
ALWAYS_INLINE Group fives(const uint8_t *qs, const uint8_t *qh) {
    uint32_t high;
    memcpy(&high, qh, sizeof high);
    __m512i q = bytes_16(qs), nibble = _mm512_set1_epi32(15), sixteen = _mm512_set1_epi32(16);
    __m512i a = _mm512_and_si512(q, nibble), b = _mm512_srli_epi32(q, 4);
    a = _mm512_mask_or_epi32(a, (__mmask16)high, a, sixteen);
    b = _mm512_mask_or_epi32(b, (__mmask16)(high >> 16), b, sixteen);
    return (Group){ { _mm512_cvtepi32_ps(a), _mm512_cvtepi32_ps(b) } };
}

ALWAYS_INLINE Group decode_q5_0(const uint8_t *row, size_t g) {
    const GgufBlockQ5_0 *b = (const GgufBlockQ5_0 *)row + g;
    Group q = fives(b->qs, b->qh);
    __m512 d = _mm512_set1_ps(half(&b->d)), middle = _mm512_set1_ps(16);
    for (size_t j = 0; j < 2; j++) q.v[j] = _mm512_mul_ps(_mm512_sub_ps(q.v[j], middle), d);
    return q;
}

ALWAYS_INLINE Group decode_q5_1(const uint8_t *row, size_t g) {
    const GgufBlockQ5_1 *b = (const GgufBlockQ5_1 *)row + g;
    Group q = fives(b->qs, b->qh);
    __m512 d = _mm512_set1_ps(half(&b->d)), m = _mm512_set1_ps(half(&b->m));
    for (size_t j = 0; j < 2; j++) q.v[j] = _mm512_add_ps(_mm512_mul_ps(q.v[j], d), m);
    return q;
}

ALWAYS_INLINE Group decode_q8_0(const uint8_t *row, size_t g) {
    const GgufBlockQ8_0 *b = (const GgufBlockQ8_0 *)row + g;
    __m512 d = _mm512_set1_ps(half(&b->d));
    return (Group){ { _mm512_mul_ps(_mm512_cvtepi32_ps(signed_bytes_16(b->qs)), d),
                      _mm512_mul_ps(_mm512_cvtepi32_ps(signed_bytes_16(b->qs + 16)), d) } };
}

ALWAYS_INLINE __m512 iq4_levels(void) {
    return _mm512_cvtepi32_ps(signed_bytes_16(gguf_iq4_values));
}
ALWAYS_INLINE Group decode_iq4_nl(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_NL *b = (const GgufBlockIQ4_NL *)row + g;
    return nibbles_by_table(b->qs, _mm512_mul_ps(_mm512_set1_ps(half(&b->d)), iq4_levels()));
}

/* Superblocks: group g is group g % 8 of superblock g / 8. */

ALWAYS_INLINE Group decode_q2_k(const uint8_t *row, size_t g) {
    const GgufBlockQ2_K *b = (const GgufBlockQ2_K *)row + g / 8;
    size_t k = g % 8;
    float d = half(&b->d), dmin = half(&b->dmin);
    Group group;
    for (size_t j = 0; j < 2; j++) {
        uint8_t scale = b->scales[2 * k + j];
        __m512i q = _mm512_srli_epi32(bytes_16(b->qs + k / 4 * 32 + 16 * j), (unsigned)(k % 4 * 2));
        /* only levels 0-3 of the table are meant: mask the rest of the index */
        __m512 table =
            _mm512_sub_ps(_mm512_mul_ps(_mm512_set1_ps(d * (float)(scale & 15)), levels_16()),
                          _mm512_set1_ps(dmin * (float)(scale >> 4)));
        group.v[j] = table_16(_mm512_and_si512(q, _mm512_set1_epi32(3)), table);
    }
    return group;
}

ALWAYS_INLINE Group decode_q3_k(const uint8_t *row, size_t g) {
    const GgufBlockQ3_K *b = (const GgufBlockQ3_K *)row + g / 8;
    size_t k = g % 8;
    float d = half(&b->d);
    Group group;
    for (size_t j = 0; j < 2; j++) {
        size_t i = 2 * k + j;
        int low = i < 8 ? b->scales[i] & 15 : b->scales[i - 8] >> 4;
        int scale = (low | (b->scales[8 + i % 4] >> 2 * (i / 4) & 3) << 4) - 32;
        __m512i q = _mm512_srli_epi32(bytes_16(b->qs + k / 4 * 32 + 16 * j), (unsigned)(k % 4 * 2));
        __m512i high = _mm512_srli_epi32(bytes_16(b->hmask + 16 * j), (unsigned)k);
        high = _mm512_slli_epi32(_mm512_and_si512(high, _mm512_set1_epi32(1)), 2);
        q = _mm512_or_si512(_mm512_and_si512(q, _mm512_set1_epi32(3)), high);
        __m512 level = _mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(4)));
        group.v[j] = _mm512_mul_ps(_mm512_set1_ps(d * (float)scale), level);
    }
    return group;
}

ALWAYS_INLINE Group decode_q4_k(const uint8_t *row, size_t g) {
    const GgufBlockQ4_K *b = (const GgufBlockQ4_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    __m512 scale = _mm512_set1_ps(half(&b->d) * (float)sc);
    __m512 table =
        _mm512_sub_ps(_mm512_mul_ps(scale, levels_16()), _mm512_set1_ps(half(&b->dmin) * (float)m));
    const uint8_t *qs = b->qs + k / 2 * 32;
    __m512i q0 = bytes_16(qs), q1 = bytes_16(qs + 16);
    unsigned shift = (unsigned)(k % 2 * 4);
    return (Group){ { table_16(_mm512_srli_epi32(q0, shift), table),
                      table_16(_mm512_srli_epi32(q1, shift), table) } };
}

ALWAYS_INLINE Group decode_q5_k(const uint8_t *row, size_t g) {
    const GgufBlockQ5_K *b = (const GgufBlockQ5_K *)row + g / 8;
    size_t k = g % 8;
    uint8_t sc, m;
    gguf_q4_k_scale(b->scales, k, &sc, &m);
    __m512 scale = _mm512_set1_ps(half(&b->d) * (float)sc);
    __m512 min = _mm512_set1_ps(half(&b->dmin) * (float)m);
    Group group;
    for (size_t j = 0; j < 2; j++) {
        __m512i q = _mm512_srli_epi32(bytes_16(b->qs + k / 2 * 32 + 16 * j), (unsigned)(k % 2 * 4));
        __m512i high = _mm512_srli_epi32(bytes_16(b->qh + 16 * j), (unsigned)k);
        high = _mm512_slli_epi32(_mm512_and_si512(high, _mm512_set1_epi32(1)), 4);
        q = _mm512_or_si512(_mm512_and_si512(q, _mm512_set1_epi32(15)), high);
        group.v[j] = _mm512_sub_ps(_mm512_mul_ps(scale, _mm512_cvtepi32_ps(q)), min);
    }
    return group;
}

ALWAYS_INLINE Group decode_q6_k(const uint8_t *row, size_t g) {
    const GgufBlockQ6_K *b = (const GgufBlockQ6_K *)row + g / 8;
    size_t k = g % 8, h = k / 4, i = k % 4;
    float d = half(&b->d);
    Group group;
    for (size_t j = 0; j < 2; j++) {
        __m512i low = bytes_16(b->ql + 64 * h + 32 * (i % 2) + 16 * j);
        __m512i high = bytes_16(b->qh + 32 * h + 16 * j);
        low =
            _mm512_and_si512(_mm512_srli_epi32(low, (unsigned)(i / 2 * 4)), _mm512_set1_epi32(15));
        high = _mm512_and_si512(_mm512_srli_epi32(high, (unsigned)(2 * i)), _mm512_set1_epi32(3));
        __m512i q = _mm512_or_si512(low, _mm512_slli_epi32(high, 4));
        __m512 level = _mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(32)));
        group.v[j] = _mm512_mul_ps(_mm512_set1_ps(d * (float)b->scales[2 * k + j]), level);
    }
    return group;
}

ALWAYS_INLINE Group decode_iq4_xs(const uint8_t *row, size_t g) {
    const GgufBlockIQ4_XS *b = (const GgufBlockIQ4_XS *)row + g / 8;
    float scale = half(&b->d) * (float)gguf_iq4_xs_scale(b, g % 8);
    return nibbles_by_table(b->qs + g % 8 * 16, _mm512_mul_ps(_mm512_set1_ps(scale), iq4_levels()));
}
