#pragma once
/* 32 weights of each format to eight vectors of 4 floats, bit for bit what gguf_decode_row gives.
 */
#include "kernels/vec/vec_matmul.h"

#include "kernels/arm/unpack_neon.h"

/* One rounding for the product, one for the sum, as the reference does. */
ALWAYS_INLINE Group group_of(Unpacked u, bool has_min) {
    Group group;
    for (size_t j = 0; j < 2; j++) {
        int16x8_t wide[2] = { vmovl_s8(vget_low_s8(u.q.v[j])), vmovl_s8(vget_high_s8(u.q.v[j])) };
        for (size_t k = 0; k < 2; k++) {
            float32x4_t low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide[k])));
            float32x4_t high = vcvtq_f32_s32(vmovl_s16(vget_high_s16(wide[k])));
            group.v[4 * j + 2 * k] = vmulq_n_f32(low, u.scale[j]);
            group.v[4 * j + 2 * k + 1] = vmulq_n_f32(high, u.scale[j]);
        }
    }
    for (size_t i = 0; has_min && i < 8; i++) {
        group.v[i] = vaddq_f32(group.v[i], vdupq_n_f32(u.min[i / 4]));
    }
    return group;
}

#define DEFINE_DECODE(type, name, halves, min)                                                     \
    ALWAYS_INLINE Group decode_##name(const uint8_t *row, size_t g) {                              \
        return group_of(unpack_##name(row, g), min);                                               \
    }
NEON_QUANTIZED_TYPES(DEFINE_DECODE)
#undef DEFINE_DECODE
