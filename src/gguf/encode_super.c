/* Encoders of the superblocks of 256: groups of 16 or 32 elements whose scales are small integers
 * times a common factor in half precision.
 *
 * Each group is fitted alone; the common factor is chosen so that the largest scale is the largest
 * integer; then alternate: every group takes the best integer (and integer minimum) near its own,
 * with the levels that follow, and the common factors are solved by least squares over all 256
 * elements for the integers just chosen. What half precision makes of a factor is what is used in
 * the next round, so the error compared is the error that a reader will see. */
#include "gguf/encode_internal.h"

enum { MAX_GROUPS = 16, N_ROUNDS = 3 };

static float magnitude(float f) {
    return f < 0 ? -f : f;
}

/* ---- symmetric: Q3_K, Q6_K, IQ4_XS --------------------------------------------------------- */

typedef struct Symmetric {
    LevelSet levels;
    size_t group;    /* elements of a group */
    float low, high; /* integers that scales may be */
} Symmetric;

typedef struct SymmetricFit {
    uint16_t d;
    float scales[MAX_GROUPS];
    float levels[GGUF_SUPERBLOCK];
    float error;
} SymmetricFit;

/* The best integer scale within one of `centre`; returns the group's error. */
static float symmetric_group(const Symmetric *format, const float *x, float d, float centre,
                             float *ret_scale, float *ret_levels) {
    float levels[32], best = -1;
    for (float s = centre - 1; s <= centre + 1; s++) {
        if (s < format->low || s > format->high) continue;
        float error = gguf_fit_levels(&format->levels, x, format->group, d * s, levels);
        if (best >= 0 && error >= best) continue;
        best = error;
        *ret_scale = s;
        memcpy(ret_levels, levels, format->group * sizeof *levels);
    }
    return best;
}

/* d that fits x best for the scales and levels there. */
static float symmetric_solve(const Symmetric *format, const float *x, const SymmetricFit *fit) {
    double up = 0, down = 0;
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i += format->group) {
        double s = fit->scales[i / format->group];
        const float *levels = fit->levels + i;
        up += s * gguf_fit_dot(x + i, levels, format->group);
        down += s * s * gguf_fit_dot(levels, levels, format->group);
    }
    return down > 0 ? (float)(up / down) : 0;
}

static void symmetric_fit(const Symmetric *format, const float *x, SymmetricFit *ret) {
    float wanted[MAX_GROUPS] = { 0 };
    size_t n_groups = GGUF_SUPERBLOCK / format->group;
    for (size_t g = 0; g < n_groups; g++) {
        wanted[g] = gguf_fit_scale(&format->levels, x + g * format->group, format->group);
    }
    uint16_t d = gguf_fit_f16(gguf_fit_peak(wanted, MAX_GROUPS) / format->low);
    for (int round = 0; round < N_ROUNDS; round++) {
        float factor = gguf_f16_to_f32(d);
        SymmetricFit fit = { .d = d };
        for (size_t g = 0; g < n_groups; g++) {
            float centre =
                round > 0 ? ret->scales[g]
                : factor != 0
                    ? gguf_fit_round(gguf_fit_clamp(wanted[g] / factor, format->low, format->high))
                    : 0;
            fit.error += symmetric_group(format, x + g * format->group, factor, centre,
                                         &fit.scales[g], fit.levels + g * format->group);
        }
        if (round > 0 && fit.error >= ret->error) return;
        *ret = fit;
        d = gguf_fit_f16(symmetric_solve(format, x, ret));
    }
}

void gguf_encode_q3_k(const float *x, void *block) {
    static const Symmetric format = { { -4, 3, false, 0.9F }, 16, -32, 31 };
    GgufBlockQ3_K *b = block;
    SymmetricFit fit = { 0 };
    symmetric_fit(&format, x, &fit);
    memset(b, 0, sizeof *b);
    b->d = fit.d;
    for (size_t i = 0; i < 16; i++) {
        uint8_t s = (uint8_t)(fit.scales[i] + 32);
        b->scales[i % 8] |= (uint8_t)((s & 15) << 4 * (i / 8));
        b->scales[8 + i % 4] |= (uint8_t)((s >> 4) << 2 * (i / 4));
    }
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i++) {
        uint8_t q = (uint8_t)(fit.levels[i] + 4);
        size_t half = i / 128, j = i % 128 / 32, l = i % 32;
        b->qs[32 * half + l] |= (uint8_t)((q & 3) << 2 * j);
        b->hmask[l] |= (uint8_t)((q >> 2) << (4 * half + j));
    }
}

void gguf_encode_q6_k(const float *x, void *block) {
    static const Symmetric format = { { -32, 31, false, 0.9F }, 16, -128, 127 };
    GgufBlockQ6_K *b = block;
    SymmetricFit fit = { 0 };
    symmetric_fit(&format, x, &fit);
    memset(b, 0, sizeof *b);
    b->d = fit.d;
    for (size_t g = 0; g < 16; g++) b->scales[g] = (int8_t)fit.scales[g];
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i++) {
        uint8_t q = (uint8_t)(fit.levels[i] + 32);
        size_t half = i / 128, j = i % 128 / 32, l = i % 32;
        b->ql[64 * half + 32 * (j % 2) + l] |= (uint8_t)((q & 15) << 4 * (j / 2));
        b->qh[32 * half + l] |= (uint8_t)((q >> 4) << 2 * j);
    }
}

void gguf_encode_iq4_xs(const float *x, void *block) {
    static const Symmetric format = { { -127, 113, true, 14 }, 32, -32, 31 };
    GgufBlockIQ4_XS *b = block;
    SymmetricFit fit = { 0 };
    symmetric_fit(&format, x, &fit);
    memset(b, 0, sizeof *b);
    b->d = fit.d;
    unsigned high = 0;
    for (size_t g = 0; g < 8; g++) {
        unsigned s = (unsigned)(fit.scales[g] + 32);
        b->scales_l[g / 2] |= (uint8_t)((s & 15) << 4 * (g % 2));
        high |= (s >> 4) << 2 * g;
    }
    b->scales_h = (uint16_t)high;
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i++) {
        uint8_t q = gguf_fit_iq4_index(fit.levels[i]);
        b->qs[16 * (i / 32) + i % 16] |= (uint8_t)(q << 4 * (i % 32 / 16));
    }
}

/* ---- affine: Q2_K, Q4_K, Q5_K -------------------------------------------------------------- */

typedef struct Affine {
    size_t group; /* elements of a group */
    float top;    /* levels are 0..top */
    float most;   /* scales and minima are 0..most */
} Affine;

typedef struct AffineFit {
    uint16_t d, dmin;
    float scales[MAX_GROUPS], mins[MAX_GROUPS];
    float levels[GGUF_SUPERBLOCK];
    float error;
} AffineFit;

/* The best pair of integers within one of the given; returns the group's error. */
static float affine_group(const Affine *format, const float *x, float d, float dmin, float scale,
                          float min, float *ret_scale, float *ret_min, float *ret_levels) {
    float levels[32], best = -1;
    for (float s = MAX(scale - 1, 0); s <= MIN(scale + 1, format->most); s++) {
        for (float m = MAX(min - 1, 0); m <= MIN(min + 1, format->most); m++) {
            float error =
                gguf_fit_affine_levels(x, format->group, format->top, d * s, -(dmin * m), levels);
            if (best >= 0 && error >= best) continue;
            best = error;
            *ret_scale = s;
            *ret_min = m;
            memcpy(ret_levels, levels, format->group * sizeof *levels);
        }
    }
    return best;
}

/* d and dmin that fit x best for the integers and levels there: two normal equations. */
static void affine_solve_factors(const Affine *format, const float *x, const AffineFit *fit,
                                 float *ret_d, float *ret_dmin) {
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0; /* a = scale * level, b = -min */
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i += format->group) {
        double s = fit->scales[i / format->group], m = -fit->mins[i / format->group];
        const float *levels = fit->levels + i;
        aa += s * s * gguf_fit_dot(levels, levels, format->group);
        ab += s * m * gguf_fit_sum(levels, format->group);
        bb += m * m * (double)format->group;
        xa += s * gguf_fit_dot(x + i, levels, format->group);
        xb += m * gguf_fit_sum(x + i, format->group);
    }
    double determinant = aa * bb - ab * ab;
    if (determinant > 1e-9 * aa * bb) {
        *ret_d = (float)((xa * bb - xb * ab) / determinant);
        *ret_dmin = (float)((xb * aa - xa * ab) / determinant);
    } else {
        *ret_d = aa > 0 ? (float)(xa / aa) : 0;
        *ret_dmin = 0;
    }
    *ret_d = MAX(*ret_d, 0);
    *ret_dmin = MAX(*ret_dmin, 0);
}

static float to_integer(float value, float factor, float most) {
    return factor != 0 ? gguf_fit_round(gguf_fit_clamp(value / factor, 0, most)) : 0;
}

static void affine_fit(const Affine *format, const float *x, AffineFit *ret) {
    float scales[MAX_GROUPS] = { 0 }, mins[MAX_GROUPS] = { 0 };
    size_t n_groups = GGUF_SUPERBLOCK / format->group;
    for (size_t g = 0; g < n_groups; g++) {
        gguf_fit_affine(x + g * format->group, format->group, format->top, true, &scales[g],
                        &mins[g]);
    }
    uint16_t d = gguf_fit_f16(magnitude(gguf_fit_peak(scales, MAX_GROUPS)) / format->most);
    uint16_t dmin = gguf_fit_f16(magnitude(gguf_fit_peak(mins, MAX_GROUPS)) / format->most);
    for (int round = 0; round < N_ROUNDS; round++) {
        float factor = gguf_f16_to_f32(d), min_factor = gguf_f16_to_f32(dmin);
        AffineFit fit = { .d = d, .dmin = dmin };
        for (size_t g = 0; g < n_groups; g++) {
            float s = round ? ret->scales[g] : to_integer(scales[g], factor, format->most);
            float m = round ? ret->mins[g] : to_integer(-mins[g], min_factor, format->most);
            fit.error += affine_group(format, x + g * format->group, factor, min_factor, s, m,
                                      &fit.scales[g], &fit.mins[g], fit.levels + g * format->group);
        }
        if (round > 0 && fit.error >= ret->error) return;
        *ret = fit;
        float solved, solved_min;
        affine_solve_factors(format, x, ret, &solved, &solved_min);
        d = gguf_fit_f16(solved);
        dmin = gguf_fit_f16(solved_min);
    }
}

void gguf_encode_q2_k(const float *x, void *block) {
    static const Affine format = { 16, 3, 15 };
    GgufBlockQ2_K *b = block;
    AffineFit fit = { 0 };
    affine_fit(&format, x, &fit);
    memset(b, 0, sizeof *b);
    b->d = fit.d;
    b->dmin = fit.dmin;
    for (size_t g = 0; g < 16; g++) {
        b->scales[g] = (uint8_t)((uint8_t)fit.scales[g] | (uint8_t)fit.mins[g] << 4);
    }
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i++) {
        b->qs[32 * (i / 128) + i % 32] |= (uint8_t)((uint8_t)fit.levels[i] << 2 * (i % 128 / 32));
    }
}

/* The inverse of gguf_q4_k_scale. */
static void pack_q4_k_scales(const AffineFit *fit, uint8_t scales[12]) {
    memset(scales, 0, 12);
    for (size_t g = 0; g < 8; g++) {
        uint8_t s = (uint8_t)fit->scales[g], m = (uint8_t)fit->mins[g];
        if (g < 4) {
            scales[g] |= s;
            scales[g + 4] |= m;
        } else {
            scales[g + 4] = (uint8_t)((s & 15) | (m & 15) << 4);
            scales[g - 4] |= (uint8_t)(s >> 4 << 6);
            scales[g] |= (uint8_t)(m >> 4 << 6);
        }
    }
}

void gguf_encode_q4_k(const float *x, void *block) {
    static const Affine format = { 32, 15, 63 };
    GgufBlockQ4_K *b = block;
    AffineFit fit = { 0 };
    affine_fit(&format, x, &fit);
    memset(b, 0, sizeof *b);
    b->d = fit.d;
    b->dmin = fit.dmin;
    pack_q4_k_scales(&fit, b->scales);
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i++) {
        b->qs[32 * (i / 64) + i % 32] |= (uint8_t)((uint8_t)fit.levels[i] << 4 * (i % 64 / 32));
    }
}

void gguf_encode_q5_k(const float *x, void *block) {
    static const Affine format = { 32, 31, 63 };
    GgufBlockQ5_K *b = block;
    AffineFit fit = { 0 };
    affine_fit(&format, x, &fit);
    memset(b, 0, sizeof *b);
    b->d = fit.d;
    b->dmin = fit.dmin;
    pack_q4_k_scales(&fit, b->scales);
    for (size_t i = 0; i < GGUF_SUPERBLOCK; i++) {
        uint8_t q = (uint8_t)fit.levels[i];
        b->qs[32 * (i / 64) + i % 32] |= (uint8_t)((q & 15) << 4 * (i % 64 / 32));
        b->qh[i % 32] |= (uint8_t)((q >> 4) << i / 32);
    }
}
