#pragma once
/* The scales and addends of 512 consecutive weights in the order of a slab's lanes: what
 * levels_avx2.h gives for each group, a vector at a time. */
#include "kernels/kernels_internal.h"
#include "kernels/x86/scales_avx2.h"

/* ret: as in WeightSlab, scales, then addends; only those that the type has are written. */
typedef void SlabFactors(const uint8_t *slab, float ret[4][SLAB_BLOCKS]);

/* ---- blocks of 32 -----------------------------------------------------------------------------
 */

/* The f16 at p of each lane's block. They are loaded where they are to stand in a vector, with what
 * happens to lie around them: blocks are longer than a vector. */
ALWAYS_INLINE void block_halves(const uint8_t *p, size_t stride, float ret[SLAB_BLOCKS]) {
#define WITH_HALF(v, i, lane)                                                                      \
    _mm_blend_epi16(v, load_16(p + LANE_BLOCK((i) + (lane)) * stride - 2 * (lane)), 1 << (lane))
    for (size_t i = 0; i < SLAB_BLOCKS; i += 8) {
        __m128i v = load_16(p + LANE_BLOCK(i) * stride);
        v = WITH_HALF(WITH_HALF(WITH_HALF(v, i, 1), i, 2), i, 3);
        v = WITH_HALF(WITH_HALF(WITH_HALF(WITH_HALF(v, i, 4), i, 5), i, 6), i, 7);
        _mm256_store_ps(ret + i, _mm256_cvtph_ps(v));
    }
#undef WITH_HALF
}

#define DEFINE_BLOCK_FACTORS(name, type)                                                           \
    ALWAYS_INLINE void factors_##name(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {               \
        block_halves(p, sizeof(GgufBlock##type), ret[0]);                                          \
    }
#define DEFINE_BLOCK_FACTORS_MIN(name, type)                                                       \
    ALWAYS_INLINE void factors_##name(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {               \
        block_halves(p, sizeof(GgufBlock##type), ret[0]);                                          \
        block_halves(p + 2, sizeof(GgufBlock##type), ret[1]);                                      \
    }
DEFINE_BLOCK_FACTORS(q4_0, Q4_0)
DEFINE_BLOCK_FACTORS_MIN(q4_1, Q4_1)
DEFINE_BLOCK_FACTORS(q5_0, Q5_0)
DEFINE_BLOCK_FACTORS_MIN(q5_1, Q5_1)
DEFINE_BLOCK_FACTORS(q8_0, Q8_0)
DEFINE_BLOCK_FACTORS(iq4_nl, IQ4_NL)

/* ---- superblocks: two a slab --------------------------------------------------------------------
 */

/* 16 signed bytes, one a lane, times a and b, the numbers of the two superblocks. */
ALWAYS_INLINE void scaled_bytes(__m128i bytes, float a, float b, float ret[SLAB_BLOCKS]) {
    __m256 d = _mm256_setr_ps(a, a, b, b, a, a, b, b);
    __m256i low = _mm256_cvtepi8_epi32(bytes),
            high = _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8));
    _mm256_store_ps(ret, _mm256_mul_ps(_mm256_cvtepi32_ps(low), d));
    _mm256_store_ps(ret + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(high), d));
}

/* Of 16 bytes of each superblock, two a block: the first or second of each lane's block. */
ALWAYS_INLINE __m128i lane_bytes(__m128i a, __m128i b, size_t second) {
    __m128i of_a = _mm_setr_epi8(0, 8, -1, -1, 2, 10, -1, -1, 4, 12, -1, -1, 6, 14, -1, -1);
    __m128i of_b = _mm_setr_epi8(-1, -1, 0, 8, -1, -1, 2, 10, -1, -1, 4, 12, -1, -1, 6, 14);
    if (second) a = _mm_srli_si128(a, 1), b = _mm_srli_si128(b, 1);
    return _mm_or_si128(_mm_shuffle_epi8(a, of_a), _mm_shuffle_epi8(b, of_b));
}

/* Two bytes a block, times the superblocks' numbers: two scales or addends. */
ALWAYS_INLINE void split_bytes(__m128i a, __m128i b, float d_a, float d_b,
                               float ret[2][SLAB_BLOCKS]) {
    scaled_bytes(lane_bytes(a, b, 0), d_a, d_b, ret[0]);
    scaled_bytes(lane_bytes(a, b, 1), d_a, d_b, ret[1]);
}

/* Q4_K and Q5_K begin alike. */
ALWAYS_INLINE void factors_4_k(const uint8_t *a, const uint8_t *b, float ret[4][SLAB_BLOCKS]) {
    __m256i scales = q4_k_scales(load_16(a), load_16(b));
    scaled_bytes(_mm256_castsi256_si128(scales), half_at(a), half_at(b), ret[0]);
    scaled_bytes(_mm256_extracti128_si256(scales, 1), -half_at(a + 2), -half_at(b + 2), ret[1]);
}
ALWAYS_INLINE void factors_q4_k(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {
    factors_4_k(p, p + sizeof(GgufBlockQ4_K), ret);
}
ALWAYS_INLINE void factors_q5_k(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {
    factors_4_k(p, p + sizeof(GgufBlockQ5_K), ret);
}

ALWAYS_INLINE void factors_q6_k(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ6_K);
    split_bytes(load_16(a + 192), load_16(b + 192), half_at(a + 208), half_at(b + 208), ret);
}

ALWAYS_INLINE void factors_q3_k(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ3_K);
    split_bytes(q3_k_scales(a + 96), q3_k_scales(b + 96), half_at(a + 108), half_at(b + 108), ret);
}

ALWAYS_INLINE void factors_q2_k(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ2_K);
    __m128i x = load_16(a), y = load_16(b), nibble = _mm_set1_epi8(15);
    split_bytes(_mm_and_si128(x, nibble), _mm_and_si128(y, nibble), half_at(a + 80),
                half_at(b + 80), ret);
    split_bytes(_mm_and_si128(_mm_srli_epi16(x, 4), nibble),
                _mm_and_si128(_mm_srli_epi16(y, 4), nibble), -half_at(a + 82), -half_at(b + 82),
                ret + 2);
}

/* A number of each superblock in the lanes of its blocks. */
ALWAYS_INLINE __m256i two_words(uint32_t a, uint32_t b) {
    int64_t both = (int64_t)((uint64_t)b << 32 | a);
    __m256i words = _mm256_set1_epi64x(both);
    return _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 0, 1, 1, 0, 0, 1, 1));
}

/* Groups 0-7 of a superblock: four bits, and two above them. */
ALWAYS_INLINE void factors_iq4_xs(const uint8_t *p, float ret[4][SLAB_BLOCKS]) {
    const GgufBlockIQ4_XS *b = (const GgufBlockIQ4_XS *)p;
    uint32_t four[2];
    for (size_t i = 0; i < 2; i++) memcpy(&four[i], b[i].scales_l, sizeof four[i]);
    __m256i low = two_words(four[0], four[1]), high = two_words(b[0].scales_h, b[1].scales_h);
    float d0 = half_at(&b[0].d), d1 = half_at(&b[1].d);
    __m256 d = _mm256_setr_ps(d0, d0, d1, d1, d0, d0, d1, d1);
    for (int side = 0; side < 2; side++) {
        __m256i group = _mm256_add_epi32(_mm256_setr_epi32(0, 4, 0, 4, 1, 5, 1, 5),
                                         _mm256_set1_epi32(2 * side));
        __m256i l = _mm256_srlv_epi32(low, _mm256_slli_epi32(group, 2));
        __m256i h = _mm256_srlv_epi32(high, _mm256_slli_epi32(group, 1));
        l = _mm256_and_si256(l, _mm256_set1_epi32(15));
        h = _mm256_slli_epi32(_mm256_and_si256(h, _mm256_set1_epi32(3)), 4);
        __m256i scale = _mm256_sub_epi32(_mm256_or_si256(l, h), _mm256_set1_epi32(32));
        _mm256_store_ps(ret[0] + 8 * side, _mm256_mul_ps(_mm256_cvtepi32_ps(scale), d));
    }
}
