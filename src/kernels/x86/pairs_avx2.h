#pragma once
/* The levels of 512 consecutive weights, two blocks at a time: what levels_avx2.h gives for each
 * group, as vectors of one half of both. For the usual types the two are split from shared bytes.
 */
#include "kernels/x86/levels_avx2.h"

/* All loops over pairs, halves and steps are on arrays that must become registers. */

/* A vector of 32 bits has half of a slab's lanes; their blocks are four pairs: lanes i and i + 4.
 */
enum { SIDE = SLAB_BLOCKS / 2, PAIRS = SIDE / 2 };
#define PAIR_FIRST(side, i) LANE_BLOCK(SIDE *(side) + (i))
#define PAIR_SECOND(side, i) LANE_BLOCK(SIDE *(side) + PAIRS + (i))

/* ret[h]: half h (16 levels) of the first block of pair i of a side, then that of the second. */
typedef void PairLevels(const uint8_t *slab, size_t side, size_t i, __m256i ret[2]);

/* Group by group. */
ALWAYS_INLINE void pair_groups(const uint8_t *p, size_t side, size_t i, UnpackGroup *unpack,
                               __m256i ret[2]) {
    __m256i a = unpack(p, PAIR_FIRST(side, i)).q, b = unpack(p, PAIR_SECOND(side, i)).q;
    ret[0] = _mm256_permute2x128_si256(a, b, 0x20);
    ret[1] = _mm256_permute2x128_si256(a, b, 0x31);
}

#define DEFINE_PAIR_GROUPS(name)                                                                   \
    ALWAYS_INLINE void pair_##name(const uint8_t *p, size_t side, size_t i, __m256i ret[2]) {      \
        pair_groups(p, side, i, unpack_##name, ret);                                               \
    }
DEFINE_PAIR_GROUPS(q5_0)
DEFINE_PAIR_GROUPS(q5_1)
DEFINE_PAIR_GROUPS(q2_k)
DEFINE_PAIR_GROUPS(q3_k)
DEFINE_PAIR_GROUPS(q5_k)
DEFINE_PAIR_GROUPS(iq4_xs)

/* 16 bytes of each. */
ALWAYS_INLINE __m256i load_two(const uint8_t *first, const uint8_t *second) {
    return _mm256_loadu2_m128i((const void *)second, (const void *)first);
}
/* The same 16 bytes twice. */
ALWAYS_INLINE __m256i load_twice(const uint8_t *p) {
    return _mm256_broadcastsi128_si256(load_16(p));
}

/* Low halves of 16 bytes at p of each block are elements 0-15, high halves 16-31. */
ALWAYS_INLINE void pair_nibbles(const uint8_t *p, size_t stride, size_t side, size_t i,
                                __m256i ret[2]) {
    __m256i bytes = load_two(p + PAIR_FIRST(side, i) * stride, p + PAIR_SECOND(side, i) * stride);
    ret[0] = field(bytes, 0, 15);
    ret[1] = field(bytes, 4, 15);
}

ALWAYS_INLINE void pair_q4_0(const uint8_t *p, size_t side, size_t i, __m256i ret[2]) {
    pair_nibbles(p + 2, sizeof(GgufBlockQ4_0), side, i, ret);
}
ALWAYS_INLINE void pair_q4_1(const uint8_t *p, size_t side, size_t i, __m256i ret[2]) {
    pair_nibbles(p + 4, sizeof(GgufBlockQ4_1), side, i, ret);
}
ALWAYS_INLINE void pair_iq4_nl(const uint8_t *p, size_t side, size_t i, __m256i ret[2]) {
    pair_nibbles(p + 2, sizeof(GgufBlockIQ4_NL), side, i, ret);
    UNROLL for (size_t h = 0; h < 2; h++) ret[h] = look_up_iq4(ret[h]);
}
ALWAYS_INLINE void pair_q8_0(const uint8_t *p, size_t side, size_t i, __m256i ret[2]) {
    const uint8_t *first = p + 2 + PAIR_FIRST(side, i) * sizeof(GgufBlockQ8_0);
    const uint8_t *second = p + 2 + PAIR_SECOND(side, i) * sizeof(GgufBlockQ8_0);
    UNROLL for (size_t h = 0; h < 2; h++) {
        ret[h] =
            _mm256_xor_si256(load_two(first + 16 * h, second + 16 * h), _mm256_set1_epi8(-128));
    }
}

/* A pair is the low and the high halves of the same 32 bytes. */
ALWAYS_INLINE void pair_q4_k(const uint8_t *p, size_t side, size_t i, __m256i ret[2]) {
    size_t block = PAIR_FIRST(side, i);
    const GgufBlockQ4_K *b = (const GgufBlockQ4_K *)p + block / 8;
    const uint8_t *qs = b->qs + block % 8 / 2 * 32;
    UNROLL for (size_t h = 0; h < 2; h++) {
        __m256i bytes = load_twice(qs + 16 * h);
        ret[h] = field(_mm256_srlv_epi64(bytes, _mm256_setr_epi64x(0, 0, 4, 4)), 0, 15);
    }
}

/* Four bits of a pair are in 32 bytes each, low halves of the first two blocks of four, high halves
 * of the others; two more of all four blocks in the same 32. */
ALWAYS_INLINE void pair_q6_k(const uint8_t *p, size_t side, size_t i, __m256i ret[2]) {
    size_t block = PAIR_FIRST(side, i);
    const GgufBlockQ6_K *b = (const GgufBlockQ6_K *)p + block / 8;
    const uint8_t *ql = b->ql + block % 8 / 4 * 64, *qh = b->qh + block % 8 / 4 * 32;
    size_t second = block % 4 / 2;
    UNROLL for (size_t h = 0; h < 2; h++, ql += 16, qh += 16) {
        __m256i low = field(load_two(ql, ql + 32), 4 * second, 15), bytes = load_twice(qh);
        __m256i place = second ? _mm256_srlv_epi64(bytes, _mm256_setr_epi64x(0, 0, 2, 2))
                               : _mm256_sllv_epi64(bytes, _mm256_setr_epi64x(4, 4, 2, 2));
        ret[h] = _mm256_or_si256(low, field(place, 0, 48));
    }
}

/* ---- in the order of a slab ---------------------------------------------------------------------
 */

/* 4 x 4 numbers of 32 bits in each half: half h of each block of a side to its steps 4 h .. 4 h +
 * 3, and back. */
ALWAYS_INLINE void transpose_halves(const __m256i q[PAIRS], __m256i ret[4]) {
    __m256i ab0 = _mm256_unpacklo_epi32(q[0], q[1]), ab1 = _mm256_unpackhi_epi32(q[0], q[1]);
    __m256i cd0 = _mm256_unpacklo_epi32(q[2], q[3]), cd1 = _mm256_unpackhi_epi32(q[2], q[3]);
    ret[0] = _mm256_unpacklo_epi64(ab0, cd0), ret[1] = _mm256_unpackhi_epi64(ab0, cd0);
    ret[2] = _mm256_unpacklo_epi64(ab1, cd1), ret[3] = _mm256_unpackhi_epi64(ab1, cd1);
}
