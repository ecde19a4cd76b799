/* Encoders of the blocks of 32: fit, round the scale to half precision, take the nearest levels for
 * the rounded scale (what a reader will multiply with), pack. */
#include "gguf/encode_internal.h"

static void pack_nibbles(const uint8_t q[GGUF_BLOCK], uint8_t qs[16]) {
    for (size_t i = 0; i < 16; i++) qs[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static void pack_fifth_bits(const uint8_t q[GGUF_BLOCK], uint8_t qh[4]) {
    uint32_t bits = 0;
    for (size_t i = 0; i < GGUF_BLOCK; i++) bits |= (uint32_t)(q[i] >> 4 & 1) << i;
    memcpy(qh, &bits, sizeof bits);
}

/* Scale (f16) and levels of a symmetric block. Both neighbours of the fitted scale that half
 * precision has are tried. */
static uint16_t symmetric(const LevelSet *set, const float *x, float *ret_levels) {
    float scale = gguf_fit_scale(set, x, GGUF_BLOCK);
    uint16_t best = gguf_fit_f16(scale);
    float levels[GGUF_BLOCK];
    float error = gguf_fit_levels(set, x, GGUF_BLOCK, gguf_f16_to_f32(best), ret_levels);
    for (int step = -1; step <= 1; step += 2) {
        uint16_t other = (uint16_t)(best + step);
        if ((best & 0x7FFF) == 0 || (other & 0x7FFF) >= 0x7C00) continue;
        float e = gguf_fit_levels(set, x, GGUF_BLOCK, gguf_f16_to_f32(other), levels);
        if (e >= error) continue;
        error = e;
        best = other;
        memcpy(ret_levels, levels, sizeof levels);
    }
    return best;
}

static void affine(const float *x, float top, uint16_t *ret_d, uint16_t *ret_m, uint8_t *ret_q) {
    float scale, offset, levels[GGUF_BLOCK];
    gguf_fit_affine(x, GGUF_BLOCK, top, false, &scale, &offset);
    uint16_t d = gguf_fit_f16(scale), m = gguf_fit_f16(offset);
    gguf_fit_affine_levels(x, GGUF_BLOCK, top, gguf_f16_to_f32(d), gguf_f16_to_f32(m), levels);
    for (size_t i = 0; i < GGUF_BLOCK; i++) ret_q[i] = (uint8_t)levels[i];
    *ret_d = d;
    *ret_m = m;
}

void gguf_encode_q4_0(const float *x, void *block) {
    static const LevelSet set = { -8, 7, false, 0.9F };
    GgufBlockQ4_0 *b = block;
    float levels[GGUF_BLOCK];
    uint8_t q[GGUF_BLOCK];
    b->d = symmetric(&set, x, levels);
    for (size_t i = 0; i < GGUF_BLOCK; i++) q[i] = (uint8_t)(levels[i] + 8);
    pack_nibbles(q, b->qs);
}

void gguf_encode_q4_1(const float *x, void *block) {
    GgufBlockQ4_1 *b = block;
    uint8_t q[GGUF_BLOCK];
    uint16_t d, m;
    affine(x, 15, &d, &m, q);
    b->d = d;
    b->m = m;
    pack_nibbles(q, b->qs);
}

void gguf_encode_q5_0(const float *x, void *block) {
    static const LevelSet set = { -16, 15, false, 0.9F };
    GgufBlockQ5_0 *b = block;
    float levels[GGUF_BLOCK];
    uint8_t q[GGUF_BLOCK];
    b->d = symmetric(&set, x, levels);
    for (size_t i = 0; i < GGUF_BLOCK; i++) q[i] = (uint8_t)(levels[i] + 16);
    pack_nibbles(q, b->qs);
    pack_fifth_bits(q, b->qh);
}

void gguf_encode_q5_1(const float *x, void *block) {
    GgufBlockQ5_1 *b = block;
    uint8_t q[GGUF_BLOCK];
    uint16_t d, m;
    affine(x, 31, &d, &m, q);
    b->d = d;
    b->m = m;
    pack_nibbles(q, b->qs);
    pack_fifth_bits(q, b->qh);
}

/* At eight bits a search gains nothing that could be measured. */
void gguf_encode_q8_0(const float *x, void *block) {
    static const LevelSet set = { -127, 127, false, 0 };
    GgufBlockQ8_0 *b = block;
    float levels[GGUF_BLOCK], peak = gguf_fit_peak(x, GGUF_BLOCK);
    uint16_t d = gguf_fit_f16((peak < 0 ? -peak : peak) / 127);
    gguf_fit_levels(&set, x, GGUF_BLOCK, gguf_f16_to_f32(d), levels);
    b->d = d;
    for (size_t i = 0; i < GGUF_BLOCK; i++) b->qs[i] = (int8_t)levels[i];
}

void gguf_encode_iq4_nl(const float *x, void *block) {
    GgufBlockIQ4_NL *b = block;
    float levels[GGUF_BLOCK];
    uint8_t q[GGUF_BLOCK];
    b->d = symmetric(&LEVELS_IQ4, x, levels);
    for (size_t i = 0; i < GGUF_BLOCK; i++) q[i] = gguf_fit_iq4_index(levels[i]);
    pack_nibbles(q, b->qs);
}
