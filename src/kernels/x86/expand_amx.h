#pragma once
/* Weights as bf16 in tiles: 32 of a row are a row of a tile. Those of quantised types are the
 * numbers of gguf_decode_row, rounded to the nearest bf16, of two the one away from zero; BF16
 * weights are used as they are, and F16 weights, whose significant bits are 11, as the two bf16
 * that add up to them.
 *
 * Nibbles are looked up among the 16 numbers that a block can hold. An index of words finds the
 * upper half of a float, its bf16, so that all that a block costs is its table and three
 * instructions. Folder-private. */
#include "kernels/x86/lanes_avx512.h"
#include "kernels/x86/statements.h"
#include "kernels/x86/vec_avx512.h"

#include "kernels/x86/blocks_avx512.h"

enum { TILE = 16, TILE_BYTES = 1024, EXPAND_GROUPS = 8, F16_PARTS = 2 };

/* The n next groups of 32 weights of a row, EXPAND_GROUPS / parts at the most: a group's first part
 * to `to`, its other parts and what follows each TILE_BYTES further. n_left: weights to the end of
 * the row, for numbers that stand alone. */
typedef void ExpandGroups(const uint8_t *w, size_t n_left, size_t n, uint8_t *to);

/* Half of a bf16's last place, so that the upper half is rounded. Where v is a NaN with all bits
 * set, this makes it zero: scales come without (clean). */
ALWAYS_INLINE __m512i rounded(__m512 v) {
    return _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(0x8000));
}

/* The NaN that all operations give, for any NaN. */
ALWAYS_INLINE __m512 clean(__m512 v) {
    return _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), _mm512_set1_ps(NAN));
}

/* ---- nibbles ---------------------------------------------------------------------------------
 */

/* For each byte, twice one of its nibbles and one: bit i + 1 of the result is bit `shift` + i. Its
 * transformation in GF(2) has a row for each bit of the result, the highest first. */
ALWAYS_INLINE long long nibble_matrix(unsigned shift) {
    uint64_t matrix = 0;
    for (unsigned i = 0; i < 4; i++) matrix |= UINT64_C(1) << (shift + i) << 8 * (7 - (i + 1));
    return (long long)matrix;
}
ALWAYS_INLINE __m512i upper_half_of_16(__m512i bytes, __m512i matrices, __m512i table) {
    return _mm512_permutexvar_epi16(_mm512_gf2p8affine_epi64_epi8(bytes, matrices, 1), table);
}

/* 16 bytes: low nibbles, then high nibbles. */
ALWAYS_INLINE void expand_nibbles(const uint8_t *qs, __m512 table, uint8_t *to) {
    long long low = nibble_matrix(0), high = nibble_matrix(4);
    __m512i matrices = _mm512_setr_epi64(low, low, low, low, high, high, high, high);
    __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)qs));
    _mm512_store_si512(to, upper_half_of_16(_mm512_cvtepu8_epi16(twice), matrices, rounded(table)));
}

/* The f16 at the start of 8 blocks `stride` bytes apart, of which n are there. */
ALWAYS_INLINE void block_scales(const uint8_t *p, size_t stride, size_t n,
                                float ret[EXPAND_GROUPS]) {
    size_t last = 7 * stride + 2 - 64; /* the window that ends with the last one */
    __m512 scales;
    if (n == EXPAND_GROUPS && 4 * stride >= last && 3 * stride + 2 <= 64) {
        __m128i at = _mm_mullo_epi16(_mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7),
                                     _mm_set1_epi16((short)(stride / 2)));
        at = _mm_add_epi16(at, _mm_setr_epi16(0, 0, 0, 0, (short)(32 - last / 2),
                                              (short)(32 - last / 2), (short)(32 - last / 2),
                                              (short)(32 - last / 2)));
        __m512i words = _mm512_permutex2var_epi16(_mm512_loadu_si512(p), _mm512_castsi128_si512(at),
                                                  _mm512_loadu_si512(p + last));
        scales = _mm512_castps256_ps512(_mm256_cvtph_ps(_mm512_castsi512_si128(words)));
    } else {
        _Alignas(16) uint16_t halves[EXPAND_GROUPS] = { 0 };
        for (size_t i = 0; i < n; i++) memcpy(&halves[i], p + i * stride, 2);
        scales = _mm512_castps256_ps512(_mm256_cvtph_ps(_mm_load_si128((const void *)halves)));
    }
    _mm256_storeu_ps(ret, _mm512_castps512_ps256(clean(scales)));
}

/* Of each block: the table that its nibbles choose from, by its two scales. */
typedef __m512 NibbleTable(float d, float m);

ALWAYS_INLINE __m512 table_q4_0(float d, float m) {
    (void)m;
    return _mm512_mul_ps(_mm512_sub_ps(levels_16(), _mm512_set1_ps(8)), _mm512_set1_ps(d));
}
ALWAYS_INLINE __m512 table_q4_1(float d, float m) {
    return scale_and_add(_mm512_set1_ps(d), _mm512_set1_ps(m));
}
ALWAYS_INLINE __m512 table_iq4(float d, float m) {
    (void)m;
    return _mm512_mul_ps(_mm512_set1_ps(d), iq4_levels());
}

/* Blocks of 32 in `stride` bytes, d first and m perhaps second, 16 bytes of nibbles last. */
ALWAYS_INLINE void expand_nibble_blocks(const uint8_t *p, size_t stride, size_t n,
                                        NibbleTable *table, uint8_t *to) {
    float d[EXPAND_GROUPS], m[EXPAND_GROUPS] = { 0 };
    block_scales(p, stride, n, d);
    if (stride == sizeof(GgufBlockQ4_1)) block_scales(p + 2, stride, n, m);
    HOLD_MEMORY(d);
    HOLD_MEMORY(m);
    const uint8_t *qs = p + stride - 16;
    if (n == EXPAND_GROUPS) {
        UNROLL for (size_t i = 0; i < EXPAND_GROUPS; i++) {
            expand_nibbles(qs + i * stride, table(d[i], m[i]), to + i * TILE_BYTES);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        expand_nibbles(qs + i * stride, table(d[i], m[i]), to + i * TILE_BYTES);
    }
}

ALWAYS_INLINE void expand_q4_0(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    enum { STRIDE = sizeof(GgufBlockQ4_0) };
    (void)n_left;
    expand_nibble_blocks(w, STRIDE, n, table_q4_0, to);
}
ALWAYS_INLINE void expand_q4_1(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    enum { STRIDE = sizeof(GgufBlockQ4_1) };
    (void)n_left;
    expand_nibble_blocks(w, STRIDE, n, table_q4_1, to);
}
ALWAYS_INLINE void expand_iq4_nl(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    enum { STRIDE = sizeof(GgufBlockIQ4_NL) };
    (void)n_left;
    expand_nibble_blocks(w, STRIDE, n, table_iq4, to);
}

/* Scales of six bits and minima of Q4_K and Q5_K as gguf_q4_k_scale gives them, times d and dmin.
 */
ALWAYS_INLINE void q4_k_factors(const GgufBlockQ4_K *b, float scales[8], float minima[8]) {
    uint32_t u[3];
    memcpy(u, b->scales, sizeof u);
    uint64_t low = (uint64_t)(u[0] & 0x3F3F3F3FU), min = (uint64_t)(u[1] & 0x3F3F3F3FU);
    low |= (uint64_t)((u[2] & 0x0F0F0F0FU) | (u[0] >> 2 & 0x30303030U)) << 32;
    min |= (uint64_t)((u[2] >> 4 & 0x0F0F0F0FU) | (u[1] >> 2 & 0x30303030U)) << 32;
    __m256 d = _mm256_set1_ps(half(&b->d)), dmin = _mm256_set1_ps(half(&b->dmin));
    __m128i bytes = _mm_set_epi64x((long long)min, (long long)low);
    __m512 all = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)),
                               _mm512_insertf32x8(_mm512_castps256_ps512(d), dmin, 1));
    all = clean(all);
    _mm256_storeu_ps(scales, _mm512_castps512_ps256(all));
    _mm256_storeu_ps(minima, _mm512_extractf32x8_ps(all, 1));
}

/* One superblock: the low nibbles of 32 bytes are a group, the high ones the next. */
ALWAYS_INLINE void expand_q4_k(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    const GgufBlockQ4_K *b = (const GgufBlockQ4_K *)w;
    float scales[8], minima[8];
    (void)n_left, (void)n;
    q4_k_factors(b, scales, minima);
    HOLD_MEMORY(scales);
    HOLD_MEMORY(minima);
    UNROLL for (size_t i = 0; i < EXPAND_GROUPS; i++) {
        __m256i qs = _mm256_loadu_si256((const void *)(b->qs + i / 2 * 32));
        __m512 table = _mm512_sub_ps(_mm512_mul_ps(levels_16(), _mm512_set1_ps(scales[i])),
                                     _mm512_set1_ps(minima[i]));
        __m512i matrix = _mm512_set1_epi64(nibble_matrix(i % 2 * 4));
        _mm512_store_si512(to + i * TILE_BYTES,
                           upper_half_of_16(_mm512_cvtepu8_epi16(qs), matrix, rounded(table)));
    }
}

ALWAYS_INLINE void expand_iq4_xs(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    const GgufBlockIQ4_XS *b = (const GgufBlockIQ4_XS *)w;
    float d;
    (void)n_left, (void)n;
    _mm_store_ss(&d, _mm512_castps512_ps128(clean(_mm512_set1_ps(half(&b->d)))));
    UNROLL for (size_t i = 0; i < EXPAND_GROUPS; i++) {
        __m512 table = table_iq4(d * (float)gguf_iq4_xs_scale(b, i), 0);
        expand_nibbles(b->qs + 16 * i, table, to + i * TILE_BYTES);
    }
}

/* ---- bytes -----------------------------------------------------------------------------------
 */

/* 32 signed bytes times the scales of their halves. */
ALWAYS_INLINE void expand_bytes(const void *q, float first, float second, uint8_t *to) {
    __m512 a = _mm512_cvtepi32_ps(signed_bytes_16(q));
    __m512 b = _mm512_cvtepi32_ps(signed_bytes_16((const uint8_t *)q + 16));
    _mm512_store_si512(to, upper_halves(rounded(_mm512_mul_ps(a, _mm512_set1_ps(first))),
                                        rounded(_mm512_mul_ps(b, _mm512_set1_ps(second)))));
}

ALWAYS_INLINE void expand_q8_0(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    const GgufBlockQ8_0 *b = (const GgufBlockQ8_0 *)w;
    float d[EXPAND_GROUPS];
    (void)n_left;
    block_scales((const uint8_t *)b, sizeof *b, n, d);
    HOLD_MEMORY(d);
    if (n == EXPAND_GROUPS) {
        UNROLL for (size_t i = 0; i < EXPAND_GROUPS; i++) {
            expand_bytes(b[i].qs, d[i], d[i], to + i * TILE_BYTES);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) expand_bytes(b[i].qs, d[i], d[i], to + i * TILE_BYTES);
}

/* The two bits j, j + 1 of a byte to bits 4, 5. */
ALWAYS_INLINE long long high_bits_matrix(unsigned j) {
    return (long long)(UINT64_C(1) << j << 8 * (7 - 4) | UINT64_C(1) << (j + 1) << 8 * (7 - 5));
}

/* One superblock: 4 groups of each half have their low bits in 64 bytes, their high bits in 32. */
ALWAYS_INLINE void expand_q6_k(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    const GgufBlockQ6_K *b = (const GgufBlockQ6_K *)w;
    _Alignas(64) int8_t q[GGUF_SUPERBLOCK];
    float scales[16];
    (void)n_left, (void)n;
    __m512 d = clean(_mm512_set1_ps(half(&b->d)));
    _mm512_storeu_ps(scales, _mm512_mul_ps(d, _mm512_cvtepi32_ps(signed_bytes_16(b->scales))));
    long long m0 = high_bits_matrix(0), m1 = high_bits_matrix(2), m2 = high_bits_matrix(4),
              m3 = high_bits_matrix(6);
    __m512i first = _mm512_setr_epi64(m0, m0, m0, m0, m1, m1, m1, m1);
    __m512i second = _mm512_setr_epi64(m2, m2, m2, m2, m3, m3, m3, m3);
    __m512i nibble = _mm512_set1_epi8(15), middle = _mm512_set1_epi8(32);
    HOLD_MEMORY(scales);
    UNROLL for (size_t h = 0; h < 2; h++) {
        __m512i low = _mm512_loadu_si512(b->ql + 64 * h);
        __m512i high = _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)(b->qh + 32 * h)));
        __m512i a = _mm512_gf2p8affine_epi64_epi8(high, first, 0);
        __m512i c = _mm512_gf2p8affine_epi64_epi8(high, second, 0);
        a = _mm512_ternarylogic_epi32(a, low, nibble, 0xF8); /* a | (low & nibble) */
        c = _mm512_ternarylogic_epi32(c, _mm512_srli_epi16(low, 4), nibble, 0xF8);
        _mm512_store_si512(q + 128 * h, _mm512_sub_epi8(a, middle));
        _mm512_store_si512(q + 128 * h + 64, _mm512_sub_epi8(c, middle));
    }
    UNROLL for (size_t i = 0; i < EXPAND_GROUPS; i++) {
        expand_bytes(q + 32 * i, scales[2 * i], scales[2 * i + 1], to + i * TILE_BYTES);
    }
}

/* ---- all others, as decoded -------------------------------------------------------------------
 */

ALWAYS_INLINE void expand_decoded(const uint8_t *w, size_t n, DecodeGroup *decode, uint8_t *to) {
    for (size_t i = 0; i < n; i++, to += TILE_BYTES) {
        Group g = decode(w, i);
        _mm512_store_si512(to, upper_halves(rounded(clean(g.v[0])), rounded(clean(g.v[1]))));
    }
}
#define DEFINE_EXPAND_DECODED(name)                                                                \
    ALWAYS_INLINE void expand_##name(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {     \
        (void)n_left;                                                                              \
        expand_decoded(w, n, decode_##name, to);                                                   \
    }
DEFINE_EXPAND_DECODED(q5_0)
DEFINE_EXPAND_DECODED(q5_1)
DEFINE_EXPAND_DECODED(q2_k)
DEFINE_EXPAND_DECODED(q3_k)
DEFINE_EXPAND_DECODED(q5_k)

/* ---- single numbers ---------------------------------------------------------------------------
 */

/* Group i of 32 numbers of 16 bits, zeros from n_left on. */
ALWAYS_INLINE __m512i words_at(const uint8_t *w, size_t n_left, size_t i) {
    size_t left = n_left - 32 * i;
    return _mm512_maskz_loadu_epi16(left < 32 ? (1U << left) - 1 : 0xFFFFFFFF, w + 64 * i);
}

ALWAYS_INLINE void expand_bf16(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) {
        _mm512_store_si512(to + i * TILE_BYTES, words_at(w, n_left, i));
    }
}

/* 32 f16: the upper 8 significant bits, and the rest. Infinities and NaN have no rest. */
ALWAYS_INLINE void split_f16(__m512i h, __m512i parts[F16_PARTS]) {
    __m512 upper = _mm512_castsi512_ps(_mm512_set1_epi32((int)0xFFFF0000));
    __m512i magnitude = _mm512_and_si512(h, _mm512_set1_epi16(0x7FFF));
    __mmask32 finite = _mm512_cmplt_epu16_mask(magnitude, _mm512_set1_epi16(0x7C00));
    __m512 a = _mm512_cvtph_ps(_mm512_castsi512_si256(h));
    __m512 b = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(h, 1));
    __m512i rest = upper_halves(_mm512_castps_si512(_mm512_sub_ps(a, _mm512_and_ps(a, upper))),
                                _mm512_castps_si512(_mm512_sub_ps(b, _mm512_and_ps(b, upper))));
    parts[0] = upper_halves(_mm512_castps_si512(a), _mm512_castps_si512(b));
    parts[1] = _mm512_maskz_mov_epi16(finite, rest);
}

ALWAYS_INLINE void expand_f16(const uint8_t *w, size_t n_left, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) {
        __m512i parts[F16_PARTS];
        split_f16(words_at(w, n_left, i), parts);
        for (size_t p = 0; p < F16_PARTS; p++, to += TILE_BYTES) _mm512_store_si512(to, parts[p]);
    }
}
