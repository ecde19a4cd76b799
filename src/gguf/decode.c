/* Rows of blocks to f32, one function a format. The order of the multiplications is the
 * reference's (scale first, then level), which matters where the product has more than 24 bits
 * (Q6_K). Speed is not the point here: kernels multiply blocks without decoding them. */
#include "gguf/blocks.h"

#include <assert.h>

static void decode_f16(const void *blocks, size_t n, float *y) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof h);
        y[i] = gguf_f16_to_f32(h);
    }
}

static void decode_bf16(const void *blocks, size_t n, float *y) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, sizeof h);
        y[i] = gguf_bf16_to_f32(h);
    }
}

static void decode_q4_0(const void *blocks, size_t n, float *y) {
    const GgufBlockQ4_0 *b = blocks;
    for (size_t i = 0; i < n; i += 32, b++, y += 32) {
        float d = gguf_f16_to_f32(b->d);
        for (size_t l = 0; l < 16; l++) {
            y[l] = (float)((b->qs[l] & 15) - 8) * d;
            y[l + 16] = (float)((b->qs[l] >> 4) - 8) * d;
        }
    }
}

static void decode_q4_1(const void *blocks, size_t n, float *y) {
    const GgufBlockQ4_1 *b = blocks;
    for (size_t i = 0; i < n; i += 32, b++, y += 32) {
        float d = gguf_f16_to_f32(b->d), m = gguf_f16_to_f32(b->m);
        for (size_t l = 0; l < 16; l++) {
            y[l] = (float)(b->qs[l] & 15) * d + m;
            y[l + 16] = (float)(b->qs[l] >> 4) * d + m;
        }
    }
}

static uint32_t fifth_bits(const uint8_t qh[4]) {
    uint32_t bits;
    memcpy(&bits, qh, sizeof bits);
    return bits;
}

static void decode_q5_0(const void *blocks, size_t n, float *y) {
    const GgufBlockQ5_0 *b = blocks;
    for (size_t i = 0; i < n; i += 32, b++, y += 32) {
        float d = gguf_f16_to_f32(b->d);
        uint32_t high = fifth_bits(b->qh);
        for (size_t l = 0; l < 16; l++) {
            int low_q = (b->qs[l] & 15) | (int)(high >> l & 1) << 4;
            int high_q = b->qs[l] >> 4 | (int)(high >> (l + 16) & 1) << 4;
            y[l] = (float)(low_q - 16) * d;
            y[l + 16] = (float)(high_q - 16) * d;
        }
    }
}

static void decode_q5_1(const void *blocks, size_t n, float *y) {
    const GgufBlockQ5_1 *b = blocks;
    for (size_t i = 0; i < n; i += 32, b++, y += 32) {
        float d = gguf_f16_to_f32(b->d), m = gguf_f16_to_f32(b->m);
        uint32_t high = fifth_bits(b->qh);
        for (size_t l = 0; l < 16; l++) {
            int low_q = (b->qs[l] & 15) | (int)(high >> l & 1) << 4;
            int high_q = b->qs[l] >> 4 | (int)(high >> (l + 16) & 1) << 4;
            y[l] = (float)low_q * d + m;
            y[l + 16] = (float)high_q * d + m;
        }
    }
}

static void decode_q8_0(const void *blocks, size_t n, float *y) {
    const GgufBlockQ8_0 *b = blocks;
    for (size_t i = 0; i < n; i += 32, b++, y += 32) {
        float d = gguf_f16_to_f32(b->d);
        for (size_t l = 0; l < 32; l++) y[l] = (float)b->qs[l] * d;
    }
}

static void decode_iq4_nl(const void *blocks, size_t n, float *y) {
    const GgufBlockIQ4_NL *b = blocks;
    for (size_t i = 0; i < n; i += 32, b++, y += 32) {
        float d = gguf_f16_to_f32(b->d);
        for (size_t l = 0; l < 16; l++) {
            y[l] = d * (float)gguf_iq4_values[b->qs[l] & 15];
            y[l + 16] = d * (float)gguf_iq4_values[b->qs[l] >> 4];
        }
    }
}

static void decode_q2_k(const void *blocks, size_t n, float *y) {
    const GgufBlockQ2_K *b = blocks;
    for (size_t i = 0; i < n; i += 256, b++, y += 256) {
        float d = gguf_f16_to_f32(b->d), dmin = gguf_f16_to_f32(b->dmin);
        for (size_t g = 0; g < 16; g++) {
            float scale = d * (float)(b->scales[g] & 15);
            float min = dmin * (float)(b->scales[g] >> 4);
            const uint8_t *q = b->qs + 32 * (g / 8) + 16 * (g % 2);
            unsigned shift = (unsigned)(g % 8 / 2 * 2);
            for (size_t l = 0; l < 16; l++) {
                y[16 * g + l] = scale * (float)(q[l] >> shift & 3) - min;
            }
        }
    }
}

static void decode_q3_k(const void *blocks, size_t n, float *y) {
    const GgufBlockQ3_K *b = blocks;
    for (size_t i = 0; i < n; i += 256, b++, y += 256) {
        float d = gguf_f16_to_f32(b->d);
        int8_t scales[16];
        gguf_q3_k_scales(b->scales, scales);
        for (size_t g = 0; g < 16; g++) {
            float scale = d * (float)scales[g];
            const uint8_t *q = b->qs + 32 * (g / 8) + 16 * (g % 2);
            const uint8_t *high = b->hmask + 16 * (g % 2);
            unsigned shift = (unsigned)(g % 8 / 2 * 2), bit = (unsigned)(g / 2);
            for (size_t l = 0; l < 16; l++) {
                int level = (q[l] >> shift & 3) | (high[l] >> bit & 1) << 2;
                y[16 * g + l] = scale * (float)(level - 4);
            }
        }
    }
}

static void decode_q4_k(const void *blocks, size_t n, float *y) {
    const GgufBlockQ4_K *b = blocks;
    for (size_t i = 0; i < n; i += 256, b++, y += 256) {
        float d = gguf_f16_to_f32(b->d), dmin = gguf_f16_to_f32(b->dmin);
        for (size_t g = 0; g < 8; g++) {
            uint8_t sc, m;
            gguf_q4_k_scale(b->scales, g, &sc, &m);
            float scale = d * (float)sc, min = dmin * (float)m;
            const uint8_t *q = b->qs + 32 * (g / 2);
            unsigned shift = (unsigned)(g % 2 * 4);
            for (size_t l = 0; l < 32; l++) {
                y[32 * g + l] = scale * (float)(q[l] >> shift & 15) - min;
            }
        }
    }
}

static void decode_q5_k(const void *blocks, size_t n, float *y) {
    const GgufBlockQ5_K *b = blocks;
    for (size_t i = 0; i < n; i += 256, b++, y += 256) {
        float d = gguf_f16_to_f32(b->d), dmin = gguf_f16_to_f32(b->dmin);
        for (size_t g = 0; g < 8; g++) {
            uint8_t sc, m;
            gguf_q4_k_scale(b->scales, g, &sc, &m);
            float scale = d * (float)sc, min = dmin * (float)m;
            const uint8_t *q = b->qs + 32 * (g / 2);
            unsigned shift = (unsigned)(g % 2 * 4);
            for (size_t l = 0; l < 32; l++) {
                int level = (q[l] >> shift & 15) | (b->qh[l] >> g & 1) << 4;
                y[32 * g + l] = scale * (float)level - min;
            }
        }
    }
}

static void decode_q6_k(const void *blocks, size_t n, float *y) {
    const GgufBlockQ6_K *b = blocks;
    for (size_t i = 0; i < n; i += 256, b++, y += 256) {
        float d = gguf_f16_to_f32(b->d);
        for (size_t g = 0; g < 16; g++) {
            float scale = d * (float)b->scales[g];
            size_t half = g / 8, j = g % 8 / 2, at = 16 * (g % 2);
            const uint8_t *low = b->ql + 64 * half + 32 * (j % 2) + at;
            const uint8_t *high = b->qh + 32 * half + at;
            unsigned low_shift = (unsigned)(j / 2 * 4), high_shift = (unsigned)(2 * j);
            for (size_t l = 0; l < 16; l++) {
                int level = (low[l] >> low_shift & 15) | (high[l] >> high_shift & 3) << 4;
                y[16 * g + l] = scale * (float)(level - 32);
            }
        }
    }
}

static void decode_iq4_xs(const void *blocks, size_t n, float *y) {
    const GgufBlockIQ4_XS *b = blocks;
    for (size_t i = 0; i < n; i += 256, b++, y += 256) {
        float d = gguf_f16_to_f32(b->d);
        for (size_t g = 0; g < 8; g++) {
            float scale = d * (float)gguf_iq4_xs_scale(b, g);
            const uint8_t *q = b->qs + 16 * g;
            for (size_t l = 0; l < 16; l++) {
                y[32 * g + l] = scale * (float)gguf_iq4_values[q[l] & 15];
                y[32 * g + l + 16] = scale * (float)gguf_iq4_values[q[l] >> 4];
            }
        }
    }
}

void gguf_decode_row(GgufType type, const void *blocks, size_t n, float *ret) {
    assert(gguf_type_traits(type) && n % gguf_type_traits(type)->n_elements == 0);
    if (n == 0) return;
    switch (type) {
    case GGUF_TYPE_F32: memcpy(ret, blocks, n * sizeof *ret); return;
    case GGUF_TYPE_F16: decode_f16(blocks, n, ret); return;
    case GGUF_TYPE_BF16: decode_bf16(blocks, n, ret); return;
    case GGUF_TYPE_Q4_0: decode_q4_0(blocks, n, ret); return;
    case GGUF_TYPE_Q4_1: decode_q4_1(blocks, n, ret); return;
    case GGUF_TYPE_Q5_0: decode_q5_0(blocks, n, ret); return;
    case GGUF_TYPE_Q5_1: decode_q5_1(blocks, n, ret); return;
    case GGUF_TYPE_Q8_0: decode_q8_0(blocks, n, ret); return;
    case GGUF_TYPE_Q2_K: decode_q2_k(blocks, n, ret); return;
    case GGUF_TYPE_Q3_K: decode_q3_k(blocks, n, ret); return;
    case GGUF_TYPE_Q4_K: decode_q4_k(blocks, n, ret); return;
    case GGUF_TYPE_Q5_K: decode_q5_k(blocks, n, ret); return;
    case GGUF_TYPE_Q6_K: decode_q6_k(blocks, n, ret); return;
    case GGUF_TYPE_IQ4_NL: decode_iq4_nl(blocks, n, ret); return;
    case GGUF_TYPE_IQ4_XS: decode_iq4_xs(blocks, n, ret); return;
    }
}
