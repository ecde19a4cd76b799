#pragma once
/* 512 consecutive weights of a row to the order of kernels/slab.h: unsigned bytes q and, for each
 * of the 16 blocks of 32 (or its two halves), a scale d and perhaps an addend m:
 *     weight = d (q - zero) + m,  zero a constant of the type.
 * The numbers are exactly those of gguf_decode_row, before the last rounding of its products.
 * Four vectors, each with 16 bytes of four consecutive blocks, are transposed as 4 x 4 numbers of
 * 32 bits: that makes the order of the lanes. What comes in another way is permuted by the number
 * of each lane's block. What counts is the number of 512-bit operations: Zen 4 does some 1.2 a
 * cycle. */
#include "kernels/kernels_internal.h"
#include "kernels/slab.h"
#include "kernels/x86/lanes_avx512.h"
#include "kernels/x86/scales_avx2.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

typedef struct Slab {
    __m512i q[SLAB_STEPS];
    __m512 d[2], m[2]; /* of the first and last 16 of each block; [0] alone where they are one */
} Slab;

typedef Slab UnpackSlab(const uint8_t *slab);

/* The block of each lane. */
ALWAYS_INLINE __m512i lane_blocks(void) {
    return _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

ALWAYS_INLINE __m512i and_bytes(__m512i v, char mask) {
    return _mm512_and_si512(v, _mm512_set1_epi8(mask));
}

/* a | (b & c) */
ALWAYS_INLINE __m512i or_and(__m512i a, __m512i b, __m512i c) {
    return _mm512_ternarylogic_epi32(a, b, c, 0xF8);
}

/* ---- blocks of 32 -----------------------------------------------------------------------------
 */

/* 16 bytes at p of four consecutive blocks. (Two loads and a permutation are fewer operations, but
 * slower: every second load of 64 bytes crosses a line.) */
ALWAYS_INLINE __m512i four_blocks(const uint8_t *p, size_t stride) {
    const __m128i *at[4];
    UNROLL for (size_t i = 0; i < 4; i++) at[i] = (const void *)(p + i * stride);
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(at[0]));
    v = _mm512_inserti32x4(v, _mm_loadu_si128(at[1]), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128(at[2]), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128(at[3]), 3);
}

/* Bytes 0-15 at p of 16 blocks: ret[k] holds bytes 4 k .. 4 k + 3 of each. */
ALWAYS_INLINE void gather_16(const uint8_t *p, size_t stride, __m512i ret[4]) {
    transpose(four_blocks(p, stride), four_blocks(p + 4 * stride, stride),
              four_blocks(p + 8 * stride, stride), four_blocks(p + 12 * stride, stride), ret);
}

/* Bytes 0-31 at p of 16 blocks: ret[k] holds bytes 4 k .. 4 k + 3 of each. */
ALWAYS_INLINE void gather_32(const uint8_t *p, size_t stride, __m512i ret[SLAB_STEPS]) {
    __m512i steps[2]
                 [4]; /* [half][k]: steps k, k + 4 of blocks 4 i + 2 half, then 4 i + 2 half + 1 */
    UNROLL for (size_t half = 0; half < 2; half++) {
        __m512i two[4];
        UNROLL for (size_t i = 0; i < 4; i++) {
            const uint8_t *at = p + (4 * i + 2 * half) * stride;
            __m512i first = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)at));
            two[i] = _mm512_inserti64x4(first, _mm256_loadu_si256((const void *)(at + stride)), 1);
        }
        transpose(two[0], two[1], two[2], two[3], steps[half]);
    }
    UNROLL for (size_t k = 0; k < 4; k++) {
        ret[k] = _mm512_shuffle_i64x2(steps[0][k], steps[1][k], 0x88);
        ret[k + 4] = _mm512_shuffle_i64x2(steps[0][k], steps[1][k], 0xDD);
    }
}

/* 64 bytes at p + at, those from p + end on as zeros and untouched; constants fold the choice. */
ALWAYS_INLINE __m512i load_before(const uint8_t *p, size_t at, size_t end) {
    if (at + 64 <= end) return _mm512_loadu_si512(p + at);
    if (at >= end) return _mm512_setzero_si512();
    return _mm512_maskz_loadu_epi8((UINT64_C(1) << (end - at)) - 1, p + at);
}

/* n (1 or 2) numbers of 16 bits at p of each lane's block, by permutations of windows of 128 bytes:
 * where a number stands in its window is the low six bits of its place, so that one index serves
 * all windows. end: bytes from p to the end of the slab. */
ALWAYS_INLINE __m512i gather_words(const uint8_t *p, size_t stride, size_t n, size_t end) {
    __m512i block = lane_blocks(), one = _mm512_set1_epi32(1);
    block = n == 1 ? _mm512_castsi256_si512(_mm512_cvtepi32_epi16(block))
                   : _mm512_or_si512(block, _mm512_slli_epi32(block, 16));
    __m512i index = _mm512_mullo_epi16(block, _mm512_set1_epi16((short)(stride / 2)));
    if (n == 2) index = _mm512_add_epi16(index, _mm512_slli_epi32(one, 16));
    __m512i words = _mm512_setzero_si512();
    UNROLL for (size_t w = 0; 128 * w < 15 * stride + 2 * n; w++) {
        __mmask32 here = 0;
        UNROLL for (size_t i = 0; i < 16 * n; i++) {
            size_t lane = i / n, at = (lane % 4 * 4 + lane / 4) * stride + 2 * (i % n);
            here |= (__mmask32)(at / 128 == w) << i;
        }
        __m512i found = _mm512_permutex2var_epi16(load_before(p, 128 * w, end), index,
                                                  load_before(p, 128 * w + 64, end));
        words = w == 0 ? found : _mm512_mask_mov_epi16(words, here, found);
    }
    return words;
}

/* The number of 16 bits at `offset` of each lane's block, to float. Where four blocks' numbers lie
 * within 64 bytes, two permutations of two vectors each do. */
ALWAYS_INLINE __m512 gather_halves(const uint8_t *p, size_t stride, size_t offset) {
    __m512i words;
    if (3 * stride + offset + 2 <= 64) {
        __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        __m512i row =
            _mm512_mullo_epi32(_mm512_srli_epi32(lane, 2), _mm512_set1_epi32((int)stride / 2));
        __m512i second = _mm512_slli_epi32(_mm512_and_si512(lane, _mm512_set1_epi32(1)), 5);
        __m512i at =
            _mm512_add_epi32(_mm512_add_epi32(row, second), _mm512_set1_epi32((int)offset / 2));
        __m512i index = _mm512_castsi256_si512(_mm512_cvtepi32_epi16(at));
        __m512i low = _mm512_permutex2var_epi16(_mm512_loadu_si512(p), index,
                                                _mm512_loadu_si512(p + 4 * stride));
        __m512i high = _mm512_permutex2var_epi16(_mm512_loadu_si512(p + 8 * stride), index,
                                                 _mm512_loadu_si512(p + 12 * stride));
        words = _mm512_mask_mov_epi16(low, 0xCCCC, high);
    } else {
        words = gather_words(p + offset, stride, 1, 16 * stride - offset);
    }
    return _mm512_cvtph_ps(_mm512_castsi512_si256(words));
}

/* The upper four bits of each byte: a product of bit matrices is one operation, to shift and to
 * mask would be two. */
ALWAYS_INLINE __m512i high_nibbles(__m512i bytes) {
    const uint64_t shift_by_4 = 0x1020408000000000;
    return _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64((long long)shift_by_4), 0);
}

/* Low halves of 16 bytes of each block are elements 0-15, high halves 16-31. */
ALWAYS_INLINE void gather_nibbles(const uint8_t *p, size_t stride, __m512i q[SLAB_STEPS]) {
    __m512i bytes[4];
    gather_16(p, stride, bytes);
    UNROLL for (size_t k = 0; k < 4; k++) {
        q[k] = and_bytes(bytes[k], 15);
        q[k + 4] = high_nibbles(bytes[k]);
    }
}

/* Add 16 where the element's bit of the block's 32 is set: an unaligned selection of 8 bits for
 * each byte, such that its element's bit is bit 4. */
ALWAYS_INLINE void add_fifth_bits(__m512i bits, __m512i q[SLAB_STEPS]) {
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        uint64_t select = 0;
        UNROLL for (size_t i = 0; i < 8; i++) {
            select |= ((4 * k + i % 4 + (i / 4) * 32 + 60) % 64) << (8 * i);
        }
        __m512i high = _mm512_multishift_epi64_epi8(_mm512_set1_epi64((long long)select), bits);
        q[k] = or_and(q[k], high, _mm512_set1_epi8(16));
    }
}

ALWAYS_INLINE Slab unpack_q4_0(const uint8_t *p) {
    Slab s;
    gather_nibbles(p + 2, sizeof(GgufBlockQ4_0), s.q);
    s.d[0] = gather_halves(p, sizeof(GgufBlockQ4_0), 0);
    return s;
}

ALWAYS_INLINE Slab unpack_q4_1(const uint8_t *p) {
    Slab s;
    gather_nibbles(p + 4, sizeof(GgufBlockQ4_1), s.q);
    s.d[0] = gather_halves(p, sizeof(GgufBlockQ4_1), 0);
    s.m[0] = gather_halves(p, sizeof(GgufBlockQ4_1), 2);
    return s;
}

ALWAYS_INLINE Slab unpack_q5_0(const uint8_t *p) {
    enum { BYTES = sizeof(GgufBlockQ5_0) };
    Slab s;
    gather_nibbles(p + 6, BYTES, s.q);
    add_fifth_bits(gather_words(p + 2, BYTES, 2, 16 * BYTES - 2), s.q);
    s.d[0] = gather_halves(p, BYTES, 0);
    return s;
}

ALWAYS_INLINE Slab unpack_q5_1(const uint8_t *p) {
    enum { BYTES = sizeof(GgufBlockQ5_1) };
    Slab s;
    gather_nibbles(p + 8, BYTES, s.q);
    add_fifth_bits(gather_words(p + 4, BYTES, 2, 16 * BYTES - 4), s.q);
    s.d[0] = gather_halves(p, BYTES, 0);
    s.m[0] = gather_halves(p, BYTES, 2);
    return s;
}

/* Signed bytes plus 128. */
ALWAYS_INLINE Slab unpack_q8_0(const uint8_t *p) {
    enum { BYTES = sizeof(GgufBlockQ8_0) };
    Slab s;
    gather_32(p + 2, BYTES, s.q);
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        s.q[k] = _mm512_xor_si512(s.q[k], _mm512_set1_epi8(-128));
    }
    s.d[0] = gather_halves(p, BYTES, 0);
    return s;
}

/* Levels of IQ4 plus 127, which makes them 0 to 240. */
ALWAYS_INLINE void look_up_iq4(__m512i q[SLAB_STEPS]) {
    __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)gguf_iq4_values));
    table = _mm512_add_epi8(table, _mm512_set1_epi8(127));
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) q[k] = _mm512_shuffle_epi8(table, q[k]);
}

ALWAYS_INLINE Slab unpack_iq4_nl(const uint8_t *p) {
    Slab s = unpack_q4_0(p);
    look_up_iq4(s.q);
    return s;
}

/* ---- superblocks: two a slab --------------------------------------------------------------------
 */

enum { SECOND = 0xCCCC }; /* lanes of the second superblock */

/* floats a and b of the first and the second superblock */
ALWAYS_INLINE __m512 two_floats(float a, float b) {
    return _mm512_mask_mov_ps(_mm512_set1_ps(a), SECOND, _mm512_set1_ps(b));
}
ALWAYS_INLINE __m512i two_numbers(uint32_t a, uint32_t b) {
    return _mm512_mask_mov_epi32(_mm512_set1_epi32((int)a), SECOND, _mm512_set1_epi32((int)b));
}
/* The group of 32 of each lane, in its superblock. */
ALWAYS_INLINE __m512i lane_groups(void) {
    return _mm512_and_si512(lane_blocks(), _mm512_set1_epi32(7));
}
/* Lane: number `index` of the 16 numbers of 32 bits of its superblock. */
ALWAYS_INLINE __m512i pick_of_16(const uint8_t *a, const uint8_t *b, __m512i index) {
    __m512i both = _mm512_mask_add_epi32(index, SECOND, index, _mm512_set1_epi32(16));
    return _mm512_permutex2var_epi32(_mm512_loadu_si512(a), both, _mm512_loadu_si512(b));
}
/* The same of 8 numbers, all lanes the k-th. */
ALWAYS_INLINE __m512i pick_of_8(const uint8_t *a, const uint8_t *b, size_t k) {
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)a)),
                                      _mm256_loadu_si256((const void *)b), 1);
    return _mm512_permutexvar_epi32(two_numbers((uint32_t)k, (uint32_t)k + 8), both);
}

/* 128 bytes of each superblock, transposed: in ret[k], the first and third four lanes hold step k,
 * the others step k + 4, of 32 bytes each. */
ALWAYS_INLINE void transpose_128(const uint8_t *a, const uint8_t *b, __m512i ret[4]) {
    transpose(_mm512_loadu_si512(a), _mm512_loadu_si512(a + 64), _mm512_loadu_si512(b),
              _mm512_loadu_si512(b + 64), ret);
}

ALWAYS_INLINE __m512 bytes_to_floats(__m128i bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}

/* d and m of both superblocks. */
ALWAYS_INLINE void q4_k_factors(const uint8_t *a, const uint8_t *b, Slab *ret) {
    __m128i head_a = load_16(a), head_b = load_16(b);
    __m256i scales = q4_k_scales(head_a, head_b);
    __m128 both = _mm_cvtph_ps(_mm_unpacklo_epi32(head_a, head_b)); /* d, dmin, d, dmin */
    __m512 all = _mm512_castps128_ps512(_mm_mul_ps(both, _mm_setr_ps(1, -1, 1, -1)));
    __m512 d = _mm512_permutexvar_ps(two_numbers(0, 2), all);
    __m512 min = _mm512_permutexvar_ps(two_numbers(1, 3), all);
    ret->d[0] = _mm512_mul_ps(bytes_to_floats(_mm256_castsi256_si128(scales)), d);
    ret->m[0] = _mm512_mul_ps(bytes_to_floats(_mm256_extracti128_si256(scales, 1)), min);
}

/* Even groups are the low halves of 32 bytes, odd ones the high halves: put the odd ones, in
 * `high`, beside the even ones. */
ALWAYS_INLINE void join_groups(__m512i low, __m512i high, __m512i *ret_step, __m512i *ret_later) {
    *ret_step = _mm512_mask_shuffle_i64x2(low, 0xCC, high, high, 0xB1);
    *ret_later = _mm512_mask_shuffle_i64x2(high, 0x33, low, low, 0xB1);
}

ALWAYS_INLINE Slab unpack_q4_k(const uint8_t *p) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ4_K);
    __m512i bytes[4];
    Slab s;
    transpose_128(a + 16, b + 16, bytes);
    UNROLL for (size_t k = 0; k < 4; k++) {
        __m512i high = high_nibbles(bytes[k]);
        join_groups(and_bytes(bytes[k], 15), high, &s.q[k], &s.q[k + 4]);
    }
    q4_k_factors(a, b, &s);
    return s;
}

ALWAYS_INLINE Slab unpack_q5_k(const uint8_t *p) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ5_K);
    /* bit `group` of each byte to bit 4 */
    __m512i turn = _mm512_and_si512(_mm512_sub_epi32(_mm512_set1_epi32(4), lane_groups()),
                                    _mm512_set1_epi32(31));
    __m512i bytes[4];
    Slab s;
    transpose_128(a + 48, b + 48, bytes);
    UNROLL for (size_t k = 0; k < 4; k++) {
        __m512i high = high_nibbles(bytes[k]);
        join_groups(and_bytes(bytes[k], 15), high, &s.q[k], &s.q[k + 4]);
    }
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        __m512i fifth = _mm512_rolv_epi32(pick_of_8(a + 16, b + 16, k), turn);
        s.q[k] = or_and(s.q[k], fifth, _mm512_set1_epi8(16));
    }
    q4_k_factors(a, b, &s);
    return s;
}

/* Scales of 16 elements, signed bytes, two a block. */
ALWAYS_INLINE void split_scales(__m128i a, __m128i b, __m512 d, __m512 ret[2]) {
    __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    __m512i pairs = _mm512_permutexvar_epi32(lane_blocks(), _mm512_cvtepu16_epi32(both));
    __m512i first = _mm512_srai_epi32(_mm512_slli_epi32(pairs, 24), 24);
    __m512i second = _mm512_srai_epi32(_mm512_slli_epi32(pairs, 16), 24);
    ret[0] = _mm512_mul_ps(_mm512_cvtepi32_ps(first), d);
    ret[1] = _mm512_mul_ps(_mm512_cvtepi32_ps(second), d);
}

/* Groups 4 h + j, 4 h + j + 2 are the halves of 32 bytes. */
ALWAYS_INLINE Slab unpack_q6_k(const uint8_t *p) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ6_K);
    __m512i group = lane_groups(), j = _mm512_and_si512(group, _mm512_set1_epi32(3));
    __m512i high_at = _mm512_slli_epi32(_mm512_srli_epi32(group, 2), 3);
    /* bits 2j, 2j + 1 of each byte to bits 4, 5 */
    __m512i turn = _mm512_and_si512(_mm512_sub_epi32(_mm512_set1_epi32(4), _mm512_slli_epi32(j, 1)),
                                    _mm512_set1_epi32(31));
    __m512i bytes[4];
    Slab s;
    transpose_128(a, b, bytes);
    UNROLL for (size_t k = 0; k < 4; k++) {
        __m512i low = and_bytes(bytes[k], 15);
        __m512i high = high_nibbles(bytes[k]);
        s.q[k] = _mm512_shuffle_i64x2(low, high, 0x88);
        s.q[k + 4] = _mm512_shuffle_i64x2(low, high, 0xDD);
    }
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        __m512i step = _mm512_set1_epi32((int)k);
        __m512i top = pick_of_16(a + 128, b + 128, _mm512_add_epi32(high_at, step));
        s.q[k] = or_and(s.q[k], _mm512_rolv_epi32(top, turn), _mm512_set1_epi8(0x30));
    }
    split_scales(load_16(a + 192), load_16(b + 192), two_floats(half_at(a + 208), half_at(b + 208)),
                 s.d);
    return s;
}

ALWAYS_INLINE Slab unpack_q3_k(const uint8_t *p) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ3_K);
    __m512i group = lane_groups(), j = _mm512_and_si512(group, _mm512_set1_epi32(3));
    __m512i low_at = _mm512_slli_epi32(_mm512_srli_epi32(group, 2), 3);
    __m512i shift = _mm512_slli_epi32(j, 1);
    /* bit `group` of each byte to bit 2 */
    __m512i turn =
        _mm512_and_si512(_mm512_sub_epi32(_mm512_set1_epi32(2), group), _mm512_set1_epi32(31));
    Slab s;
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        __m512i low =
            pick_of_16(a + 32, b + 32, _mm512_add_epi32(low_at, _mm512_set1_epi32((int)k)));
        __m512i high = _mm512_rolv_epi32(pick_of_8(a, b, k), turn);
        s.q[k] = or_and(and_bytes(_mm512_srlv_epi32(low, shift), 3), high, _mm512_set1_epi8(4));
    }
    split_scales(q3_k_scales(a + 96), q3_k_scales(b + 96),
                 two_floats(half_at(a + 108), half_at(b + 108)), s.d);
    return s;
}

ALWAYS_INLINE Slab unpack_q2_k(const uint8_t *p) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockQ2_K);
    __m512i group = lane_groups(), j = _mm512_and_si512(group, _mm512_set1_epi32(3));
    __m512i at = _mm512_slli_epi32(_mm512_srli_epi32(group, 2), 3);
    __m512i shift = _mm512_slli_epi32(j, 1);
    Slab s;
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
        __m512i q = pick_of_16(a + 16, b + 16, _mm512_add_epi32(at, _mm512_set1_epi32((int)k)));
        s.q[k] = and_bytes(_mm512_srlv_epi32(q, shift), 3);
    }
    __m128i x = load_16(a), y = load_16(b), nibble = _mm_set1_epi8(15);
    split_scales(_mm_and_si128(x, nibble), _mm_and_si128(y, nibble),
                 two_floats(half_at(a + 80), half_at(b + 80)), s.d);
    split_scales(_mm_and_si128(_mm_srli_epi16(x, 4), nibble),
                 _mm_and_si128(_mm_srli_epi16(y, 4), nibble),
                 two_floats(-half_at(a + 82), -half_at(b + 82)), s.m);
    return s;
}

/* Groups of 16 bytes of nibbles, as in blocks of 32. */
ALWAYS_INLINE Slab unpack_iq4_xs(const uint8_t *p) {
    const uint8_t *a = p, *b = p + sizeof(GgufBlockIQ4_XS);
    __m512i bytes[4];
    Slab s;
    transpose_128(a + 8, b + 8, bytes);
    UNROLL for (size_t k = 0; k < 4; k++) {
        s.q[k] = and_bytes(bytes[k], 15);
        s.q[k + 4] = high_nibbles(bytes[k]);
    }
    look_up_iq4(s.q);
    uint16_t high[2];
    uint32_t low[2];
    memcpy(&high[0], a + 2, 2), memcpy(&high[1], b + 2, 2);
    memcpy(&low[0], a + 4, 4), memcpy(&low[1], b + 4, 4);
    __m512i l = _mm512_srlv_epi32(two_numbers(low[0], low[1]), _mm512_slli_epi32(lane_groups(), 2));
    __m512i h =
        _mm512_srlv_epi32(two_numbers(high[0], high[1]), _mm512_slli_epi32(lane_groups(), 1));
    h = _mm512_slli_epi32(_mm512_and_si512(h, _mm512_set1_epi32(3)), 4);
    __m512i scale = _mm512_or_si512(_mm512_and_si512(l, _mm512_set1_epi32(15)), h);
    scale = _mm512_sub_epi32(scale, _mm512_set1_epi32(32));
    s.d[0] = _mm512_mul_ps(_mm512_cvtepi32_ps(scale), two_floats(half_at(a), half_at(b)));
    return s;
}
