/* Operations on rows of activations. */
#include "check.h"

static const size_t row_lengths[] = { 1,  2,  4,  6,  8,  10,  14,   16,
                                      18, 30, 32, 34, 64, 100, 1030, 28672 };

static void check_rmsnorm(size_t n, size_t shift) {
    Guarded x, g, got = guarded_new(n, shift), wanted = guarded_new(n, 0);
    random_row(n, &x, shift), random_row(n, &g, (shift + 1) % 3);
    for (unsigned step = 0; step < 2; step++) {
        float eps = step ? 1e-5F : 0.3F;
        set.rmsnorm(x.y, g.y, n, eps, got.y);
        ref.rmsnorm(x.y, g.y, n, eps, wanted.y);
        check(close_to(got.y, wanted.y, n, TOLERANCE_RMSNORM, NULL), "rmsnorm", "", n, shift);
    }
    check(guarded_whole(&got), "rmsnorm writes outside", "", n, shift);
    set.rmsnorm(x.y, g.y, n, 1e-5F, x.y);
    check(same_bits(x.y, got.y, n), "rmsnorm in place", "", n, shift);
    free(x.all), free(g.all), free(got.all), free(wanted.all);
}

static void check_silu_add(size_t n, size_t shift) {
    Guarded a, b, got = guarded_new(n, shift), wanted = guarded_new(n, 0);
    random_row(n, &a, shift), random_row(n, &b, (shift + 2) % 3);
    for (size_t i = 0; i < n; i++) a.y[i] *= i % 7 == 0 ? 80 : 8;
    set.silu_mul(a.y, b.y, n, got.y);
    ref.silu_mul(a.y, b.y, n, wanted.y);
    check(close_to(got.y, wanted.y, n, TOLERANCE_SILU, NULL), "silu_mul", "", n, shift);
    set.add(b.y, n, got.y);
    for (size_t i = 0; i < n; i++) wanted.y[i] = got.y[i];
    set.add(a.y, n, got.y);
    ref.add(a.y, n, wanted.y);
    check(same_bits(got.y, wanted.y, n), "add", "", n, shift);
    check(guarded_whole(&got), "silu_mul or add writes outside", "", n, shift);
    free(a.all), free(b.all), free(got.all), free(wanted.all);
}

static void check_rope(size_t head_dim, size_t n_rot, size_t shift) {
    enum { HEADS = 3 };
    size_t n = HEADS * head_dim;
    Guarded x, wanted = guarded_new(n, 0), cosine = guarded_new(n_rot, 1), sine, scale;
    random_row(n, &x, shift), random_row(n_rot, &sine, shift), random_row(n, &scale, 0);
    for (size_t i = 0; i < n_rot; i += 2) {
        double angle = 3 * random_float();
        cosine.y[i] = cosine.y[i + 1] = (float)cos(angle);
        sine.y[i] = -(sine.y[i + 1] = (float)sin(angle));
    }
    memcpy(wanted.y, x.y, n * sizeof(float));
    for (size_t i = 0; i < n; i++) scale.y[i] = fabsf(x.y[i]) + fabsf(x.y[i ^ 1]);
    set.rope(x.y, HEADS, head_dim, n_rot, cosine.y, sine.y);
    ref.rope(wanted.y, HEADS, head_dim, n_rot, cosine.y, sine.y);
    check(close_to(x.y, wanted.y, n, TOLERANCE_ROPE, scale.y), "rope", "", head_dim, n_rot);
    check(guarded_whole(&x), "rope writes outside", "", head_dim, n_rot);
    free(x.all), free(wanted.all), free(cosine.all), free(sine.all), free(scale.all);
}

static void check_kv_store(size_t n, size_t shift) {
    static const GgufType types[] = { GGUF_TYPE_F32, GGUF_TYPE_F16, GGUF_TYPE_Q8_0 };
    for (size_t k = 0; k < KERNELS_N_KV_TYPES; k++) {
        size_t bytes;
        if (!gguf_type_row_bytes(types[k], n, &bytes)) continue;
        uint8_t *got = need(malloc(bytes + 2)), *wanted = need(malloc(bytes + 2));
        Guarded x;
        random_row(n, &x, shift);
        for (size_t i = 0; i < n; i += 5) x.y[i] *= i % 3 ? 1e-7F : i % 2 ? 1e-9F : 300;
        got[bytes] = wanted[bytes] = 0x5A;
        set.kv_store[k](x.y, n, got);
        ref.kv_store[k](x.y, n, wanted);
        check(memcmp(got, wanted, bytes + 1) == 0, "kv_store", gguf_type_name(types[k]), n, shift);
        free(got), free(wanted), free(x.all);
    }
}

/* ---- extremes ---------------------------------------------------------------------------------
 */

static const float gates[] = { 0,     -0.0F,  1e-40F, -1e-40F, 20,       -20,       80,   -80,
                               87,    -87,    88,     -88,     90,       -90,       1000, -1000,
                               1e30F, -1e30F, 3e38F,  -3e38F,  INFINITY, -INFINITY, NAN };
static const float ups[] = { 0, 1, -2, 1e-40F, 1e30F, -1e30F, NAN };

/* Nothing is left of a gate below -88 in float; ref has up to 1e-36 of up. */
static bool silu_close(float got, float wanted, float up) {
    if (wanted != wanted || got != got) return wanted != wanted && got != got;
    if (isinf(wanted) || isinf(got)) return got == wanted;
    double limit = TOLERANCE_SILU * fabs((double)wanted) + 1e-36 * fabs((double)up) + 1e-37;
    return fabs((double)got - wanted) <= limit;
}

static void check_silu_extremes(void) {
    enum { N = N_ELEMENTS(gates) * N_ELEMENTS(ups) };
    float gate[N], up[N], got[N], wanted[N];
    for (size_t i = 0; i < N; i++) {
        gate[i] = gates[i % N_ELEMENTS(gates)];
        up[i] = ups[i / N_ELEMENTS(gates)];
    }
    set.silu_mul(gate, up, N, got);
    ref.silu_mul(gate, up, N, wanted);
    for (size_t i = 0; i < N; i++) {
        check(silu_close(got[i], wanted[i], up[i]), "silu_mul of extremes", "",
              i % N_ELEMENTS(gates), i / N_ELEMENTS(gates));
    }
}

/* One element of 37 is not finite: so are all of its row, as in ref. Zeros stay zeros, small and
 * large rows keep their relative precision. */
static void check_rmsnorm_extremes(void) {
    enum { N = 37 };
    static const float scales[] = { 0, 1e-30F, 1e-10F, 1e15F };
    Guarded x, g, got = guarded_new(N, 0), wanted = guarded_new(N, 0);
    random_row(N, &g, 0);
    for (size_t i = 0; i < N_ELEMENTS(scales); i++) {
        random_row(N, &x, 0);
        for (size_t k = 0; k < N; k++) x.y[k] *= scales[i];
        set.rmsnorm(x.y, g.y, N, 1e-6F, got.y);
        ref.rmsnorm(x.y, g.y, N, 1e-6F, wanted.y);
        check(close_to(got.y, wanted.y, N, TOLERANCE_RMSNORM, NULL), "rmsnorm of extremes", "", N,
              i);
        x.y[i * 9] = i % 2 ? NAN : INFINITY;
        set.rmsnorm(x.y, g.y, N, 1e-6F, got.y);
        ref.rmsnorm(x.y, g.y, N, 1e-6F, wanted.y);
        check(same_bits(got.y, wanted.y, N), "rmsnorm of what is not finite", "", N, i);
        free(x.all);
    }
    free(g.all), free(got.all), free(wanted.all);
}

/* What is not finite stays in its pair. */
static void check_rope_extremes(void) {
    enum { N = 36 };
    Guarded x, clean = guarded_new(N, 0), cosine, sine;
    random_row(N, &x, 0), random_row(N, &cosine, 0), random_row(N, &sine, 0);
    memcpy(clean.y, x.y, N * sizeof(float));
    x.y[7] = NAN, x.y[30] = INFINITY;
    set.rope(x.y, 1, N, N, cosine.y, sine.y);
    set.rope(clean.y, 1, N, N, cosine.y, sine.y);
    for (size_t i = 0; i < N; i++) {
        bool bad = i / 2 == 3 || i / 2 == 15;
        check(bad ? !isfinite(x.y[i]) : same_bits(x.y + i, clean.y + i, 1), "rope of extremes", "",
              N, i);
    }
    free(x.all), free(clean.all), free(cosine.all), free(sine.all);
}

/* Bit for bit as ref, whatever the numbers. */
static void check_kv_store_extremes(void) {
    static const float odd[] = {
        0,        -0.0F,         65504,  65519.996F,    65520,         -65520,        1e30F,
        INFINITY, -INFINITY,     NAN,    5.9604645e-8F, 2.9802322e-8F, 2.9802326e-8F, 8.9406967e-8F,
        6.1e-5F,  6.0975552e-5F, 1e-40F, -1e-45F,       0.33325195F,   2049,          2051
    };
    for (unsigned round = 0; round < 200; round++) {
        float x[64];
        for (size_t i = 0; i < 64; i++) {
            bool any = round % 2 || random_bits() % 4;
            x[i] = any ? random_float() : odd[random_bits() % N_ELEMENTS(odd)];
            if (round % 4 == 3) x[i] = gguf_bits_f32((uint32_t)random_bits());
        }
        for (size_t kv = 0; kv < KERNELS_N_KV_TYPES; kv++) {
            uint8_t got[64 * sizeof(float)] = { 0 }, wanted[64 * sizeof(float)] = { 0 };
            set.kv_store[kv](x, 64, got);
            ref.kv_store[kv](x, 64, wanted);
            check(memcmp(got, wanted, sizeof got) == 0, "kv_store of extremes", "", kv, round);
        }
    }
}

void check_rows(void) {
    for (size_t i = 0; i < N_ELEMENTS(row_lengths); i++) {
        for (size_t shift = 0; shift < 3; shift++) {
            size_t n = row_lengths[i];
            check_rmsnorm(n, shift);
            check_silu_add(n, shift);
            check_kv_store(n, shift);
            if (n % 2 == 0) check_rope(n + 2 * shift, n, shift);
        }
    }
    check_silu_extremes();
    check_rmsnorm_extremes();
    check_rope_extremes();
    check_kv_store_extremes();
}
