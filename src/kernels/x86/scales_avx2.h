#pragma once
/* Scales as they lie in blocks, and those of superblocks a vector at a time, in the order of a
 * slab's lanes where two superblocks are taken together (kernels/slab.h). For AVX2 and better. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#ifndef ALWAYS_INLINE
#endif

/* An f16. */
ALWAYS_INLINE float half_at(const void *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

ALWAYS_INLINE __m128i load_16(const uint8_t *p) {
    return _mm_loadu_si128((const void *)p);
}

/* Scales and minima of Q4_K and Q5_K (gguf_q4_k_scale) of both superblocks, which begin with d,
 * dmin and three words: 16 bytes of scales in the order of lanes, then 16 of minima. */
ALWAYS_INLINE __m256i q4_k_scales(__m128i a, __m128i b) {
    __m256i head = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    /* four scales of six bits, four of which the first four bits are here, and minima likewise;
     * then the upper two bits of those that lack them */
    __m256i low = _mm256_shuffle_epi32(head, _MM_SHUFFLE(3, 2, 3, 1));
    __m256i high = _mm256_srli_epi32(_mm256_shuffle_epi32(head, _MM_SHUFFLE(2, 2, 1, 1)), 2);
    low = _mm256_srlv_epi32(low, _mm256_setr_epi32(0, 0, 0, 4, 0, 0, 0, 4));
    low = _mm256_and_si256(low, _mm256_set1_epi64x(0x0F0F0F0F3F3F3F3F));
    high = _mm256_and_si256(high, _mm256_set1_epi64x(0x3030303000000000));
    __m256i all = _mm256_permute4x64_epi64(_mm256_or_si256(low, high), _MM_SHUFFLE(3, 1, 2, 0));
    __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm256_shuffle_epi8(all, _mm256_broadcastsi128_si256(order));
}

/* The sixteen scales of gguf_q3_k_scales, four at a time. */
ALWAYS_INLINE __m128i q3_k_scales(const uint8_t *scales) {
    uint32_t u[3], quads[4];
    memcpy(u, scales, sizeof u);
    for (unsigned i = 0; i < 4; i++) {
        quads[i] = (u[i % 2] >> (i / 2 * 4) & 0x0F0F0F0FU) | (u[2] >> 2 * i & 0x03030303U) << 4;
    }
    __m128i all = _mm_setr_epi32((int)quads[0], (int)quads[1], (int)quads[2], (int)quads[3]);
    return _mm_sub_epi8(all, _mm_set1_epi8(32));
}
