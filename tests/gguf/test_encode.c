/* Encoding: how large the error is, and that nothing odd in the input gets through. */
#include "gguf/blocks.h"

#include "base/mem.h"
#include <criterion/criterion.h>
#include <math.h>

enum { N = 16384 };

/* Normal numbers (sum of twelve uniform ones), the same on every machine. */
static float *normal(uint64_t seed) {
    float *x = mem_alloc(N, sizeof *x);
    for (size_t i = 0; i < N; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            sum += (double)(seed >> 40) / (1 << 24);
        }
        x[i] = (float)sum * 0.02F;
    }
    return x;
}

/* Root mean square error relative to that of the values. */
static double relative_error(GgufType type, const float *x) {
    static char blocks[N * 4];
    static float y[N];
    gguf_encode_row(type, x, N, blocks);
    gguf_decode_row(type, blocks, N, y);
    double error = 0, power = 0;
    for (size_t i = 0; i < N; i++) {
        error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        power += (double)x[i] * x[i];
    }
    return sqrt(error / power);
}

/* The bounds lie 3 % above what was measured when this was written; llama.cpp's quantiser is 2 to
 * 13 % worse. */
static const struct {
    GgufType type;
    double most;
} bounds[] = {
    { GGUF_TYPE_F32, 0 },          { GGUF_TYPE_F16, 0.00022 },  { GGUF_TYPE_BF16, 0.00172 },
    { GGUF_TYPE_Q8_0, 0.00536 },   { GGUF_TYPE_Q6_K, 0.01700 }, { GGUF_TYPE_Q5_K, 0.03520 },
    { GGUF_TYPE_Q5_1, 0.03530 },   { GGUF_TYPE_Q5_0, 0.03990 }, { GGUF_TYPE_Q4_K, 0.07100 },
    { GGUF_TYPE_Q4_1, 0.07200 },   { GGUF_TYPE_Q4_0, 0.08070 }, { GGUF_TYPE_IQ4_NL, 0.07410 },
    { GGUF_TYPE_IQ4_XS, 0.07480 }, { GGUF_TYPE_Q3_K, 0.14500 }, { GGUF_TYPE_Q2_K, 0.26390 },
};

Test(encode, errors_of_normal_weights_are_as_small_as_measured) {
    AUTO_FREE float *x = normal(1);
    for (size_t i = 0; i < N_ELEMENTS(bounds); i++) {
        double error = relative_error(bounds[i].type, x);
        cr_expect_leq(error, bounds[i].most, "%s: %.5f", gguf_type_name(bounds[i].type), error);
    }
}

Test(encode, what_a_format_can_hold_comes_back_unchanged) {
    AUTO_FREE float *x = normal(2);
    static char blocks[N * 4];
    static float y[N], z[N];
    static const GgufType exact[] = { GGUF_TYPE_F32, GGUF_TYPE_F16, GGUF_TYPE_BF16,
                                      GGUF_TYPE_Q8_0 };
    for (size_t i = 0; i < N_ELEMENTS(exact); i++) {
        gguf_encode_row(exact[i], x, N, blocks);
        gguf_decode_row(exact[i], blocks, N, y);
        gguf_encode_row(exact[i], y, N, blocks);
        gguf_decode_row(exact[i], blocks, N, z);
        cr_assert_eq(memcmp(y, z, sizeof y), 0, "%s", gguf_type_name(exact[i]));
    }
}

static void all_types(const float *x, size_t n, double most_error) {
    for (size_t i = 0; i < N_ELEMENTS(bounds); i++) {
        char blocks[256 * 4];
        float y[256];
        memset(blocks, 0xAA, sizeof blocks);
        gguf_encode_row(bounds[i].type, x, n, blocks);
        gguf_decode_row(bounds[i].type, blocks, n, y);
        for (size_t k = 0; k < n; k++) {
            cr_assert(isfinite(y[k]), "%s element %zu", gguf_type_name(bounds[i].type), k);
            cr_assert(fabs((double)x[k] - y[k]) <= most_error, "%s element %zu: %g, not %g",
                      gguf_type_name(bounds[i].type), k, y[k], x[k]);
        }
    }
}

Test(encode, zeros_constants_and_tiny_numbers_are_no_trouble) {
    float x[256] = { 0 };
    all_types(x, 256, 0);
    for (size_t i = 0; i < 256; i++) x[i] = 1e-30F;
    all_types(x, 256, 1e-12);
    for (size_t i = 0; i < 256; i++) x[i] = i % 2 ? 1e-41F : -1e-44F;
    all_types(x, 256, 1e-12);
    for (size_t i = 0; i < 256; i++) x[i] = 3;
    all_types(x, 256, 0.06);
    for (size_t i = 0; i < 256; i++) x[i] = -3;
    all_types(x, 256, 0.06);
    for (size_t i = 0; i < 256; i++) x[i] = 0;
    x[100] = 5;
    all_types(x, 256, 0.1);
}

Test(encode, numbers_out_of_range_are_clamped_and_stay_finite) {
    float x[256];
    for (size_t i = 0; i < 256; i++) x[i] = i % 3 ? 3.4e38F : -3.4e38F;
    all_types(x, 256, INFINITY);
    for (size_t i = 0; i < 256; i++) x[i] = ldexpf(i % 2 ? 1 : -1, (int)i - 128);
    all_types(x, 256, INFINITY);
}

Test(encode, nan_and_infinity_count_as_zero_in_quantised_types) {
    float x[256], y[256];
    for (size_t i = 0; i < 256; i++) x[i] = (float)(i % 7) - 3;
    x[3] = NAN, x[77] = INFINITY, x[200] = -INFINITY;
    for (size_t i = 0; i < N_ELEMENTS(bounds); i++) {
        if (!gguf_type_traits(bounds[i].type)->quantized) continue;
        char blocks[1024];
        gguf_encode_row(bounds[i].type, x, 256, blocks);
        gguf_decode_row(bounds[i].type, blocks, 256, y);
        for (size_t k = 0; k < 256; k++) {
            cr_assert(fabsf(y[k] - (isfinite(x[k]) ? x[k] : 0)) < 1.2F, "%s element %zu is %g",
                      gguf_type_name(bounds[i].type), k, y[k]);
        }
    }
}

Test(encode, blocks_do_not_depend_on_their_neighbours_or_alignment) {
    AUTO_FREE float *x = normal(3);
    for (size_t i = 0; i < N_ELEMENTS(bounds); i++) {
        const GgufTypeTraits *t = gguf_type_traits(bounds[i].type);
        char together[1024 * 4], alone[1024 * 4 + 1];
        gguf_encode_row(t->type, x, 1024, together);
        for (size_t at = 0; at < 1024; at += t->n_elements) {
            gguf_encode_row(t->type, x + at, t->n_elements,
                            alone + 1 + at / t->n_elements * t->bytes);
        }
        size_t bytes = 1024 / t->n_elements * t->bytes;
        cr_assert_eq(memcmp(together, alone + 1, bytes), 0, "%s", t->name);
    }
}
