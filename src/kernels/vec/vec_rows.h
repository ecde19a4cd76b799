#pragma once
/* Operations on rows of f32, written once over the vectors of a set (vec_<set>.h). A row
 * that is no whole number of vectors ends with a partial load, whose missing lanes are 0. */
#include "kernels/kernels_internal.h"
#include "kernels/vec/vec_exp.h"

#include <string.h>

static void VEC_NAME(rmsnorm)(const float *x, const float *g, size_t n, float eps, float *y) {
    Vec sums[4] = { vec_zero(), vec_zero(), vec_zero(), vec_zero() };
    size_t i = 0, k = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES, k = (k + 1) % 4) {
        Vec v = vec_load(x + i);
        sums[k] = vec_fma(v, v, sums[k]);
    }
    if (i < n) {
        Vec v = vec_load_part(x + i, n - i);
        sums[k] = vec_fma(v, v, sums[k]);
    }
    double sum = vec_sum(vec_add(vec_add(sums[0], sums[1]), vec_add(sums[2], sums[3])));
    Vec scale = vec_set1((float)(1 / sqrt(sum / (double)n + eps)));
    for (i = 0; i + VEC_LANES <= n; i += VEC_LANES) {
        vec_store(y + i, vec_mul(vec_mul(vec_load(x + i), scale), vec_load(g + i)));
    }
    if (i < n) {
        Vec v = vec_mul(vec_load_part(x + i, n - i), scale);
        vec_store_part(y + i, vec_mul(v, vec_load_part(g + i, n - i)), n - i);
    }
}

static void VEC_NAME(rope)(float *x, size_t n_heads, size_t head_dim, size_t n_rot,
                           const float *cos, const float *sin) {
    for (size_t h = 0; h < n_heads; h++, x += head_dim) {
        size_t i = 0;
        for (; i + VEC_LANES <= n_rot; i += VEC_LANES) {
            Vec v = vec_load(x + i);
            Vec turned = vec_mul(vec_swap_pairs(v), vec_load(sin + i));
            vec_store(x + i, vec_fma(v, vec_load(cos + i), turned));
        }
        if (i < n_rot) {
            size_t left = n_rot - i;
            Vec v = vec_load_part(x + i, left);
            Vec turned = vec_mul(vec_swap_pairs(v), vec_load_part(sin + i, left));
            vec_store_part(x + i, vec_fma(v, vec_load_part(cos + i, left), turned), left);
        }
    }
}

/* Divided before it is multiplied: of a gate far below zero nothing is left, whatever up is. */
static inline Vec silu_mul_vec(Vec gate, Vec up) {
    Vec one = vec_set1(1.0F), minus = vec_sub(vec_zero(), gate);
    return vec_mul(vec_div(gate, vec_add(one, vec_exp(minus))), up);
}

static void VEC_NAME(silu_mul)(const float *gate, const float *up, size_t n, float *y) {
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec_store(y + i, silu_mul_vec(vec_load(gate + i), vec_load(up + i)));
    }
    if (i < n) {
        Vec v = silu_mul_vec(vec_load_part(gate + i, n - i), vec_load_part(up + i, n - i));
        vec_store_part(y + i, v, n - i);
    }
}

static void VEC_NAME(add)(const float *x, size_t n, float *y) {
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec_store(y + i, vec_add(vec_load(y + i), vec_load(x + i)));
    }
    for (; i < n; i++) y[i] += x[i];
}

static void VEC_NAME(kv_store_f32)(const float *x, size_t n, void *y) {
    memcpy(y, x, n * sizeof *x);
}

static void VEC_NAME(kv_store_q8_0)(const float *x, size_t n, void *y) {
    GgufBlockQ8_0 *block = y;
    for (size_t i = 0; i < n; i += GGUF_BLOCK) kernels_store_q8_0_block(x + i, block++);
}

/* Twelve chains of multiply-adds hide their latency. */
static double VEC_NAME(peak_f32)(size_t n_rounds) {
    enum { CHAINS = 12, STEPS = 16 };
    Vec sums[CHAINS], half = vec_set1(0.5F);
    for (size_t i = 0; i < CHAINS; i++) sums[i] = vec_set1((float)i);
    for (size_t n = 0; n < n_rounds; n++) {
        for (size_t k = 0; k < STEPS; k++) {
            for (size_t i = 0; i < CHAINS; i++) sums[i] = vec_fma(sums[i], half, half);
        }
    }
    for (size_t i = 1; i < CHAINS; i++) sums[0] = vec_add(sums[0], sums[i]);
    /* 12 whatever n: used, so that no compiler leaves the sums out */
    double ops = (double)n_rounds * STEPS * CHAINS * VEC_LANES * 2;
    return vec_sum(sums[0]) < 0 ? 0 : ops;
}
