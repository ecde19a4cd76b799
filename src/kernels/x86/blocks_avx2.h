#pragma once
/* 32 weights of each format to four vectors of 8 floats, bit for bit what gguf_decode_row gives.
 * Levels are 32 bytes, widened and multiplied as the reference does; a level with its offset taken
 * off is exact in f32, so the order of offset and conversion does not matter. */
#include "kernels/vec/vec_matmul.h"
#include "kernels/x86/levels_avx2.h"
#include "kernels/x86/types_int8.h"

ALWAYS_INLINE __m256 floats_8(__m128i bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

/* scale[j] (q - zero) + min[j] for each half j of the group. */
ALWAYS_INLINE Group group_of(Unpacked u, int zero, bool has_min) {
    __m256i q = _mm256_sub_epi8(u.q, _mm256_set1_epi8((char)zero));
    __m128i halves[] = { _mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1) };
    Group group;
    for (size_t j = 0; j < 2; j++) {
        __m256 scale = _mm256_set1_ps(u.scale[j]);
        group.v[2 * j] = _mm256_mul_ps(floats_8(halves[j]), scale);
        group.v[2 * j + 1] = _mm256_mul_ps(floats_8(_mm_srli_si128(halves[j], 8)), scale);
    }
    for (size_t j = 0; j < 4 && has_min; j++) {
        group.v[j] = _mm256_add_ps(group.v[j], _mm256_set1_ps(u.min[j / 2]));
    }
    return group;
}

#define DEFINE_DECODE(type, name, kind, zero, top)                                                 \
    ALWAYS_INLINE Group decode_##name(const uint8_t *row, size_t g) {                              \
        return group_of(unpack_##name(row, g), zero, n_addends(kind) > 0);                         \
    }
INT8_TYPES(DEFINE_DECODE)
