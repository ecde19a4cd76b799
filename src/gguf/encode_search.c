/* Least squares over a discrete set: for fixed levels the best scale is a quotient of two sums, for
 * a fixed scale the best levels are the nearest. The error has many local minima, so the search
 * starts from a row of scales that put the extreme element on, or a little off, an extreme level
 * (clipping it may pay), takes the best quotient of each, and polishes the winner once.
 * Errors compared are plain squared errors: that is what the reports measure, and no activations
 * are known here that could weigh them. */
#include "gguf/encode_internal.h"

enum { LANES = 8, N_STARTS = 12 };

/* Half precision ends at 6e-8, so groups this small become zeros in every format; quotients by what
 * is larger stay finite. */
#define SMALL 1e-10F
#define TINY 1e-30F

static float lanes_sum(const float a[LANES]) {
    return ((a[0] + a[4]) + (a[1] + a[5])) + ((a[2] + a[6]) + (a[3] + a[7]));
}

float gguf_fit_dot(const float *x, const float *y, size_t n) {
    float a[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) a[l] += x[i + l] * y[i + l];
    }
    return lanes_sum(a);
}

float gguf_fit_sum(const float *x, size_t n) {
    float a[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) a[l] += x[i + l];
    }
    return lanes_sum(a);
}

float gguf_fit_peak(const float *x, size_t n) {
    float low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    return high >= -low ? high : low;
}

uint16_t gguf_fit_f16(float f) {
    return gguf_f32_to_f16(gguf_fit_clamp(f, -65504.0F, 65504.0F));
}

static float squared_error(const float *x, const float *levels, size_t n, float scale,
                           float offset) {
    float a[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            float e = x[i + l] - (levels[i + l] * scale + offset);
            a[l] += e * e;
        }
    }
    return lanes_sum(a);
}

/* ---- symmetric ------------------------------------------------------------------------------ */

/* Nearest IQ4 values: start at the lowest and go up at every midpoint passed. Long inner loops
 * without branches: this form is what compilers turn into vector code (more than twice as fast). */
static void nearest_iq4(const float *x, size_t n, float inverse, float *ret) {
    float v[GGUF_SUPERBLOCK];
    for (size_t i = 0; i < n; i++) v[i] = x[i] * inverse;
    for (size_t i = 0; i < n; i++) ret[i] = gguf_iq4_values[0];
    for (size_t k = 1; k < 16; k++) {
        float above = gguf_iq4_values[k], middle = 0.5F * (above + gguf_iq4_values[k - 1]);
        for (size_t i = 0; i < n; i++) ret[i] = v[i] > middle ? above : ret[i];
    }
}

static void nearest(const LevelSet *set, const float *x, size_t n, float inverse, float *ret) {
    if (set->iq4) {
        nearest_iq4(x, n, inverse, ret);
        return;
    }
    float low = set->low, high = set->high;
    for (size_t i = 0; i < n; i++) {
        ret[i] = gguf_fit_round(gguf_fit_clamp(x[i] * inverse, low, high));
    }
}

float gguf_fit_levels(const LevelSet *set, const float *x, size_t n, float scale, float *ret) {
    nearest(set, x, n, scale != 0 ? 1.0F / scale : 0, ret);
    return squared_error(x, ret, n, scale, 0);
}

/* Best scale for the levels nearest at `inverse`; *gain is how much of sum x^2 it explains. */
static float scale_from(const LevelSet *set, const float *x, size_t n, float inverse,
                        float *ret_gain) {
    float levels[GGUF_SUPERBLOCK];
    nearest(set, x, n, inverse, levels);
    float xl = gguf_fit_dot(x, levels, n), ll = gguf_fit_dot(levels, levels, n);
    if (ll <= 0) {
        *ret_gain = 0;
        return 0;
    }
    *ret_gain = xl * (xl / ll);
    return xl / ll;
}

float gguf_fit_scale(const LevelSet *set, const float *x, size_t n) {
    float peak = gguf_fit_peak(x, n);
    if (peak < SMALL && peak > -SMALL) return 0;
    float best = 0, best_gain = -1;
    for (int side = 0; side < 2; side++) {
        float extreme = side == 0 ? set->low : set->high;
        for (int k = -N_STARTS / 2; k <= N_STARTS / 2; k++) {
            float at = extreme + set->spread * (float)k / (N_STARTS / 2);
            float gain, scale = scale_from(set, x, n, at / peak, &gain);
            if (gain > best_gain) best = scale, best_gain = gain;
        }
    }
    if (best < TINY && best > -TINY) return 0;
    float gain, polished = scale_from(set, x, n, 1.0F / best, &gain);
    return gain > best_gain ? polished : best;
}

uint8_t gguf_fit_iq4_index(float level) {
    uint8_t i = 0;
    while (i < 15 && (float)gguf_iq4_values[i] < level) i++;
    return i;
}

/* ---- affine --------------------------------------------------------------------------------- */

static void affine_nearest(const float *x, size_t n, float top, float inverse, float offset,
                           float *ret) {
    for (size_t i = 0; i < n; i++) {
        ret[i] = gguf_fit_round(gguf_fit_clamp((x[i] - offset) * inverse, 0, top));
    }
}

float gguf_fit_affine_levels(const float *x, size_t n, float top, float scale, float offset,
                             float *ret) {
    affine_nearest(x, n, top, scale != 0 ? 1.0F / scale : 0, offset, ret);
    return squared_error(x, ret, n, scale, offset);
}

/* Regression of x on levels. */
static void affine_solve(const float *x, const float *levels, size_t n, bool offset_max_zero,
                         float *ret_scale, float *ret_offset) {
    double count = (double)n, sx = gguf_fit_sum(x, n), sl = gguf_fit_sum(levels, n);
    double sll = gguf_fit_dot(levels, levels, n), sxl = gguf_fit_dot(x, levels, n);
    double determinant = count * sll - sl * sl;
    double scale = 0, offset = sx / count;
    if (determinant > 0) {
        scale = (count * sxl - sl * sx) / determinant;
        offset = (sx - scale * sl) / count;
    }
    if (offset_max_zero && offset > 0) {
        offset = 0;
        scale = sll > 0 ? sxl / sll : 0;
    }
    *ret_scale = scale > 0 ? (float)scale : 0;
    *ret_offset = (float)offset;
}

void gguf_fit_affine(const float *x, size_t n, float top, bool offset_max_zero, float *ret_scale,
                     float *ret_offset) {
    float low = x[0], high = x[0];
    for (size_t i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (offset_max_zero && low > 0) low = 0;
    float levels[GGUF_SUPERBLOCK], best = -1;
    float best_scale = 0, best_offset = low;
    for (int k = -N_STARTS / 2; k <= N_STARTS && high - low > SMALL; k++) {
        /* stretch (k < 0) or clip: the range's ends lie inside or outside the extreme levels */
        float cut = 0.5F * (float)k / N_STARTS;
        float step = (high - low) / (top + 2 * cut);
        float offset = low + cut * step, scale;
        if (offset_max_zero && offset > 0) offset = 0;
        affine_nearest(x, n, top, 1.0F / step, offset, levels);
        affine_solve(x, levels, n, offset_max_zero, &scale, &offset);
        float error = squared_error(x, levels, n, scale, offset);
        if (best >= 0 && error >= best) continue;
        best = error, best_scale = scale, best_offset = offset;
    }
    for (int round = 0; round < 2 && best_scale > TINY; round++) {
        float scale, offset;
        affine_nearest(x, n, top, 1.0F / best_scale, best_offset, levels);
        affine_solve(x, levels, n, offset_max_zero, &scale, &offset);
        float error = squared_error(x, levels, n, scale, offset);
        if (error >= best) break;
        best = error, best_scale = scale, best_offset = offset;
    }
    *ret_scale = best_scale;
    *ret_offset = best_offset;
}
