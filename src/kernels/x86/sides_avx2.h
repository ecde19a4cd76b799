#pragma once
/* The levels of 512 consecutive weights in the order of a slab's lanes, a side at a time: what
 * levels_avx2.h gives for each group, transposed. For the usual types bytes are transposed before
 * they are split into levels, which takes half of the shuffles; these are what limits it. */
#include "kernels/x86/levels_avx2.h"

/* All loops over steps and lanes are on arrays that must become registers. */
#define UNROLL _Pragma("GCC unroll 16")

enum { SIDE = SLAB_BLOCKS / 2 }; /* lanes of a vector; a slab has two sides */

/* ret[k]: step k of each of the side's blocks. */
typedef void SideLevels(const uint8_t *slab, size_t side, __m256i ret[SLAB_STEPS]);

/* 4 x 4 numbers of 32 bits in each half. */
ALWAYS_INLINE void transpose_halves(const __m256i q[4], __m256i ret[4]) {
    __m256i ab0 = _mm256_unpacklo_epi32(q[0], q[1]), ab1 = _mm256_unpackhi_epi32(q[0], q[1]);
    __m256i cd0 = _mm256_unpacklo_epi32(q[2], q[3]), cd1 = _mm256_unpackhi_epi32(q[2], q[3]);
    ret[0] = _mm256_unpacklo_epi64(ab0, cd0), ret[1] = _mm256_unpackhi_epi64(ab0, cd0);
    ret[2] = _mm256_unpacklo_epi64(ab1, cd1), ret[3] = _mm256_unpackhi_epi64(ab1, cd1);
}

/* Two fours of blocks, each transposed: step k below, step k + 4 above. */
ALWAYS_INLINE void join_fours(const __m256i a[4], const __m256i b[4], __m256i ret[SLAB_STEPS]) {
    UNROLL for (size_t k = 0; k < 4; k++) {
        ret[k] = _mm256_permute2x128_si256(a[k], b[k], 0x20);
        ret[k + 4] = _mm256_permute2x128_si256(a[k], b[k], 0x31);
    }
}

/* Group by group. */
ALWAYS_INLINE void side_groups(const uint8_t *p, size_t side, UnpackGroup *unpack,
                               __m256i ret[SLAB_STEPS]) {
    __m256i fours[2][4]; /* of lanes 0-3 and 4-7 */
    UNROLL for (size_t g = 0; g < 2; g++) {
        __m256i q[4];
        UNROLL for (size_t i = 0; i < 4; i++) {
            q[i] = unpack(p, LANE_BLOCK(SIDE * side + 4 * g + i)).q;
        }
        transpose_halves(q, fours[g]);
    }
    join_fours(fours[0], fours[1], ret);
}

#define DEFINE_SIDE_GROUPS(name)                                                                   \
    ALWAYS_INLINE void side_##name(const uint8_t *p, size_t side, __m256i ret[SLAB_STEPS]) {       \
        side_groups(p, side, unpack_##name, ret);                                                  \
    }
DEFINE_SIDE_GROUPS(q5_0)
DEFINE_SIDE_GROUPS(q5_1)
DEFINE_SIDE_GROUPS(q2_k)
DEFINE_SIDE_GROUPS(q3_k)
DEFINE_SIDE_GROUPS(q5_k)
DEFINE_SIDE_GROUPS(q6_k)
DEFINE_SIDE_GROUPS(iq4_xs)

/* 16 bytes at p of each of the side's blocks, transposed. */
ALWAYS_INLINE void side_bytes(const uint8_t *p, size_t stride, size_t side, __m256i ret[4]) {
    __m256i q[4];
    UNROLL for (size_t i = 0; i < 4; i++) {
        const uint8_t *low = p + LANE_BLOCK(SIDE * side + i) * stride;
        const uint8_t *high = p + LANE_BLOCK(SIDE * side + 4 + i) * stride;
        q[i] = _mm256_loadu2_m128i((const void *)high, (const void *)low);
    }
    transpose_halves(q, ret);
}

/* Low halves of 16 bytes of each block are elements 0-15, high halves 16-31. */
ALWAYS_INLINE void side_nibbles(const uint8_t *p, size_t stride, size_t side,
                                __m256i ret[SLAB_STEPS]) {
    __m256i bytes[4];
    side_bytes(p, stride, side, bytes);
    UNROLL for (size_t k = 0; k < 4; k++) {
        ret[k] = field(bytes[k], 0, 15);
        ret[k + 4] = field(bytes[k], 4, 15);
    }
}

ALWAYS_INLINE void side_q4_0(const uint8_t *p, size_t side, __m256i ret[SLAB_STEPS]) {
    side_nibbles(p + 2, sizeof(GgufBlockQ4_0), side, ret);
}
ALWAYS_INLINE void side_q4_1(const uint8_t *p, size_t side, __m256i ret[SLAB_STEPS]) {
    side_nibbles(p + 4, sizeof(GgufBlockQ4_1), side, ret);
}
ALWAYS_INLINE void side_iq4_nl(const uint8_t *p, size_t side, __m256i ret[SLAB_STEPS]) {
    side_nibbles(p + 2, sizeof(GgufBlockIQ4_NL), side, ret);
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) ret[k] = look_up_iq4(ret[k]);
}
ALWAYS_INLINE void side_q8_0(const uint8_t *p, size_t side, __m256i ret[SLAB_STEPS]) {
    side_bytes(p + 2, sizeof(GgufBlockQ8_0), side, ret);
    side_bytes(p + 18, sizeof(GgufBlockQ8_0), side, ret + 4);
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        ret[k] = _mm256_xor_si256(ret[k], _mm256_set1_epi8(-128));
    }
}

/* The side's first four blocks are the low halves of 32 bytes each, the next the high halves. */
ALWAYS_INLINE void side_q4_k(const uint8_t *p, size_t side, __m256i ret[SLAB_STEPS]) {
    __m256i q[4], bytes[4], low[4], high[4];
    UNROLL for (size_t i = 0; i < 4; i++) {
        q[i] = load_32(p + i / 2 * sizeof(GgufBlockQ4_K) + 16 + 32 * (side + i % 2 * 2));
    }
    transpose_halves(q, bytes);
    UNROLL for (size_t k = 0; k < 4; k++) {
        low[k] = field(bytes[k], 0, 15);
        high[k] = field(bytes[k], 4, 15);
    }
    join_fours(low, high, ret);
}
