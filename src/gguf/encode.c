/* Rows of f32 to blocks: makes the elements fit for the search (finite, bounded) and walks the
 * blocks. The formats are in encode_block.c and encode_super.c. */
#include "gguf/encode_internal.h"

#include <assert.h>

typedef void EncodeBlock(const float *x, void *block);

static EncodeBlock *const encoders[GGUF_N_TYPE_NUMBERS] = {
    [GGUF_TYPE_Q4_0] = gguf_encode_q4_0,     [GGUF_TYPE_Q4_1] = gguf_encode_q4_1,
    [GGUF_TYPE_Q5_0] = gguf_encode_q5_0,     [GGUF_TYPE_Q5_1] = gguf_encode_q5_1,
    [GGUF_TYPE_Q8_0] = gguf_encode_q8_0,     [GGUF_TYPE_Q2_K] = gguf_encode_q2_k,
    [GGUF_TYPE_Q3_K] = gguf_encode_q3_k,     [GGUF_TYPE_Q4_K] = gguf_encode_q4_k,
    [GGUF_TYPE_Q5_K] = gguf_encode_q5_k,     [GGUF_TYPE_Q6_K] = gguf_encode_q6_k,
    [GGUF_TYPE_IQ4_NL] = gguf_encode_iq4_nl, [GGUF_TYPE_IQ4_XS] = gguf_encode_iq4_xs,
};

/* No type reaches 1e9, and squares of it stay far below f32's limit. */
static float bounded(float f) {
    if (!(f - f == 0)) return 0; /* NaN, infinity */
    return gguf_fit_clamp(f, -1e9F, 1e9F);
}

static uint16_t to_f16(float f) {
    uint16_t h = gguf_f32_to_f16(f);
    bool overflowed = (h & 0x7FFF) == 0x7C00 && f - f == 0;
    return overflowed ? (uint16_t)(h - 1) : h;
}

static uint16_t to_bf16(float f) {
    uint16_t h = gguf_f32_to_bf16(f);
    bool overflowed = (h & 0x7FFF) == 0x7F80 && f - f == 0;
    return overflowed ? (uint16_t)(h - 1) : h;
}

static void encode_halves(GgufType type, const float *x, size_t n, uint8_t *ret) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h = type == GGUF_TYPE_F16 ? to_f16(x[i]) : to_bf16(x[i]);
        memcpy(ret + 2 * i, &h, sizeof h);
    }
}

void gguf_encode_row(GgufType type, const float *x, size_t n, void *ret) {
    const GgufTypeTraits *traits = gguf_type_traits(type);
    assert(traits && n % traits->n_elements == 0);
    if (n == 0) return;
    if (type == GGUF_TYPE_F32) {
        memcpy(ret, x, n * sizeof *x);
        return;
    }
    if (!traits->quantized) {
        encode_halves(type, x, n, ret);
        return;
    }
    uint8_t *block = ret;
    for (size_t i = 0; i < n; i += traits->n_elements, block += traits->bytes) {
        float clean[GGUF_SUPERBLOCK];
        for (size_t l = 0; l < traits->n_elements; l++) clean[l] = bounded(x[i + l]);
        encoders[type](clean, block);
    }
}
