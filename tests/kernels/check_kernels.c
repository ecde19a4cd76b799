/* Every kernel of every set that this machine has against ref: lengths around the vectors' width,
 * misaligned rows, canaries round every output, and the same bits whichever rows and tokens are
 * computed together. A plain program without a test library, so that the same source runs under
 * qemu when it is cross-built. */
#include "kernels/kernels.h"

#include "base/mem.h"
#include "tolerance.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static KernelTable ref, set;
static unsigned n_checks, n_failed;
static uint64_t random_state = 88172645463325252U;

static uint64_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* uniform in [-1, 1) */
static float random_float(void) {
    return (float)((double)(random_bits() >> 11) * 0x1p-52 - 1);
}

static void check(bool good, const char *what, const char *type, size_t n, size_t detail) {
    n_checks++;
    if (good) return;
    if (n_failed++ < 20) {
        printf("FAIL %s: %s %s, length %zu, case %zu\n", set.name, what, type, n, detail);
    }
}

static void *need(void *p) {
    if (!p) {
        puts("out of memory");
        exit(1);
    }
    return p;
}

/* An output of n floats between canaries, at `shift` floats past a boundary of 64 bytes. */
typedef struct Guarded {
    float *all, *y;
    size_t n;
} Guarded;
#define CANARY 0x1.badp+9F
enum { MARGIN = 32 };

static Guarded guarded_new(size_t n, size_t shift) {
    size_t total = n + 2 * MARGIN + shift;
    Guarded g = { need(aligned_alloc(64, (total * sizeof(float) + 63) / 64 * 64)), NULL, n };
    for (size_t i = 0; i < total; i++) g.all[i] = CANARY;
    g.y = g.all + MARGIN + shift;
    return g;
}
static bool guarded_whole(const Guarded *g) {
    for (size_t i = 0; i < MARGIN; i++) {
        if (g->y[-1 - (ptrdiff_t)i] != CANARY || g->y[g->n + i] != CANARY) return false;
    }
    return true;
}
static float *random_row(size_t n, Guarded *ret, size_t shift) {
    *ret = guarded_new(n, shift);
    for (size_t i = 0; i < n; i++) ret->y[i] = random_float();
    return ret->y;
}

static float *scratch_of(size_t n_floats) {
    return need(aligned_alloc(64, (n_floats * sizeof(float) + 63) / 64 * 64));
}

static void put_half(uint8_t *at, float value) {
    uint16_t h = gguf_f32_to_f16(value);
    memcpy(at, &h, sizeof h);
}

/* A block of random levels under scales of ordinary size. */
static void random_block(GgufType type, uint8_t *block) {
    const GgufTypeTraits *t = gguf_type_traits(type);
    for (size_t i = 0; i < t->bytes; i++) block[i] = (uint8_t)random_bits();
    float d = 0.01F * (1.5F + random_float()), m = 0.05F * random_float();
    float f = random_float();
    uint16_t b = gguf_f32_to_bf16(f);
    switch (type) {
    case GGUF_TYPE_F32: memcpy(block, &f, sizeof f); break;
    case GGUF_TYPE_F16: put_half(block, f); break;
    case GGUF_TYPE_BF16: memcpy(block, &b, sizeof b); break;
    case GGUF_TYPE_Q2_K: put_half(block + 80, d), put_half(block + 82, m); break;
    case GGUF_TYPE_Q3_K: put_half(block + 108, d); break;
    case GGUF_TYPE_Q6_K: put_half(block + 208, d * 0.1F); break;
    case GGUF_TYPE_Q4_1:
    case GGUF_TYPE_Q5_1:
    case GGUF_TYPE_Q4_K:
    case GGUF_TYPE_Q5_K: put_half(block, d), put_half(block + 2, m); break;
    default: put_half(block, d); break;
    }
}

static bool same_bits(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool both_nan = a[i] != a[i] && b[i] != b[i];
        if (!both_nan && memcmp(a + i, b + i, sizeof *a) != 0) return false;
    }
    return true;
}

/* ---- decoding ---------------------------------------------------------------------------- */

static void check_decode_length(const GgufTypeTraits *t, size_t n, size_t shift, bool any_bits) {
    size_t bytes = n / t->n_elements * t->bytes;
    uint8_t *memory = need(malloc(bytes + shift + 1)), *row = memory + shift;
    for (size_t i = 0; i < bytes; i += t->bytes) random_block(t->type, row + i);
    for (size_t i = 0; any_bits && i < bytes; i++) row[i] = (uint8_t)random_bits();
    Guarded got = guarded_new(n, shift % 4), wanted = guarded_new(n, 0);
    set.decode_row[t->type](row, n, got.y);
    gguf_decode_row(t->type, row, n, wanted.y);
    check(same_bits(got.y, wanted.y, n), "decode_row", t->name, n, shift);
    check(guarded_whole(&got), "decode_row writes outside", t->name, n, shift);
    free(memory), free(got.all), free(wanted.all);
}

/* Lengths for a type: around the vectors' width where elements stand alone, else some blocks. */
static size_t lengths_of(const GgufTypeTraits *t, size_t ret[16]) {
    static const size_t single[] = { 0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65, 100, 300 };
    static const size_t blocks[] = { 0, 1, 2, 3, 5, 9, 16, 33 };
    size_t n = t->n_elements == 1 ? N_ELEMENTS(single) : N_ELEMENTS(blocks);
    for (size_t i = 0; i < n; i++) {
        ret[i] = t->n_elements == 1 ? single[i] : blocks[i] * t->n_elements;
    }
    return n;
}

static void check_decode(const GgufTypeTraits *t) {
    size_t lengths[16], n_lengths = lengths_of(t, lengths);
    for (size_t i = 0; i < n_lengths; i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            check_decode_length(t, lengths[i], shift, false);
            check_decode_length(t, lengths[i], shift, true);
        }
    }
}

/* ---- matrix products ------------------------------------------------------------------------ */

typedef struct Product {
    const GgufTypeTraits *t;
    uint8_t *memory;
    KernelsMatmulJob job;
    size_t n_rows;
    Guarded x, y;
    uint8_t *packed; /* what job.x is where the set packs inputs; x is what it stands for then */
    float *scratch;
} Product;

/* Inputs in the set's form; x becomes the numbers that they were rounded to, so that ref multiplies
 * the same. */
static void pack_inputs(Product *p, size_t n, size_t n_tokens, size_t x_stride) {
    KernelsArithmetic a = set.arithmetic[p->t->type];
    p->job.x = p->x.y;
    p->job.x_stride = x_stride * sizeof(float);
    if (a == KERNELS_F32) return;
    size_t bytes = kernels_packed_bytes(a, n);
    p->packed = need(aligned_alloc(64, MAX(n_tokens * bytes, (size_t)64)));
    for (size_t k = 0; k < n_tokens; k++) {
        set.pack[a](p->x.y + k * x_stride, n, p->packed + k * bytes);
        set.unpack[a](p->packed + k * bytes, n, p->x.y + k * x_stride);
    }
    p->job.x = p->packed;
    p->job.x_stride = bytes;
}

static Product product_new(const GgufTypeTraits *t, size_t n, size_t n_rows, size_t n_tokens,
                           size_t shift, bool accumulate) {
    Product p = { .t = t, .n_rows = n_rows };
    size_t row_bytes = n / t->n_elements * t->bytes;
    p.memory = need(malloc(n_rows * row_bytes + shift + 1));
    for (size_t i = 0; i < n_rows * row_bytes; i += t->bytes) {
        random_block(t->type, p.memory + shift + i);
    }
    size_t x_stride = n + shift, y_stride = n_rows + shift;
    random_row(n_tokens * x_stride, &p.x, shift);
    random_row(n_tokens * y_stride, &p.y, shift);
    p.scratch = scratch_of(KERNELS_MATMUL_SCRATCH(n));
    p.job = (KernelsMatmulJob){ .w = p.memory + shift,
                                .row_bytes = row_bytes,
                                .n = n,
                                .n_tokens = n_tokens,
                                .y = p.y.y,
                                .y_stride = y_stride,
                                .accumulate = accumulate };
    pack_inputs(&p, n, n_tokens, x_stride);
    return p;
}

static void product_deinit(Product *p) {
    free(p->memory), free(p->x.all), free(p->y.all), free(p->scratch), free(p->packed);
}

/* The scale of output (r, t): sum |w x| + |y before|. */
static double magnitude(const Product *p, size_t r, size_t t, size_t x_stride, float before,
                        float *decoded) {
    gguf_decode_row(p->t->type, (const uint8_t *)p->job.w + r * p->job.row_bytes, p->job.n,
                    decoded);
    double sum = p->job.accumulate ? fabs((double)before) : 0;
    for (size_t i = 0; i < p->job.n; i++) {
        sum += fabs((double)decoded[i] * p->x.y[t * x_stride + i]);
    }
    return sum;
}

static void check_product(const GgufTypeTraits *t, size_t n, size_t n_rows, size_t n_tokens,
                          size_t shift, bool accumulate) {
    Product p = product_new(t, n, n_rows, n_tokens, shift, accumulate);
    size_t n_y = n_tokens * p.job.y_stride;
    Guarded wanted = guarded_new(n_y, 0), single = guarded_new(n_y, 1),
            before = guarded_new(n_y, 0);
    memcpy(before.y, p.y.y, n_y * sizeof(float));
    memcpy(wanted.y, p.y.y, n_y * sizeof(float));
    memcpy(single.y, p.y.y, n_y * sizeof(float));
    set.matmul[t->type](&p.job, 0, n_rows, p.scratch);
    KernelsMatmulJob job = p.job;
    job.x = p.x.y;
    job.x_stride = (n + shift) * sizeof(float);
    job.y = wanted.y;
    ref.matmul[t->type](&job, 0, n_rows, p.scratch);
    bool good = true;
    float *decoded = need(malloc((n + 1) * sizeof *decoded));
    for (size_t k = 0; k < n_tokens; k++) {
        for (size_t r = 0; r < n_rows; r++) {
            size_t at = k * job.y_stride + r;
            double limit = TOLERANCE_MATMUL * magnitude(&p, r, k, n + shift, before.y[at], decoded);
            good &= fabs((double)p.y.y[at] - wanted.y[at]) <= limit;
        }
        for (size_t i = n_rows; i < job.y_stride; i++) {
            good &= p.y.y[k * job.y_stride + i] == before.y[k * job.y_stride + i];
        }
    }
    size_t detail = n_rows * 1000 + n_tokens * 10 + shift;
    check(good, "matmul", t->name, n, detail);
    check(guarded_whole(&p.y), "matmul writes outside", t->name, n, detail);
    /* one by one: the same bits */
    for (size_t k = 0; k < n_tokens; k++) {
        for (size_t r = 0; r < n_rows; r++) {
            job = p.job;
            job.n_tokens = 1;
            job.x = (const uint8_t *)p.job.x + k * p.job.x_stride;
            job.y = single.y + k * p.job.y_stride;
            set.matmul[t->type](&job, r, r + 1, p.scratch);
        }
    }
    check(same_bits(single.y, p.y.y, n_y), "matmul depends on the batch", t->name, n, detail);
    free(decoded), free(wanted.all), free(single.all), free(before.all);
    product_deinit(&p);
}

/* ---- packed inputs ----------------------------------------------------------------------------
 */

/* Packing n numbers of magnitudes around 2^exponent: every one near the nearest that the form has,
 * nothing written outside, unpacking n numbers and no more. */
static void check_pack_length(KernelsArithmetic a, size_t n, int exponent) {
    size_t bytes = kernels_packed_bytes(a, n);
    uint8_t *packed = need(aligned_alloc(64, bytes + 64));
    memset(packed + bytes, 0xA5, 64);
    Guarded x, got = guarded_new(n, 1);
    random_row(n, &x, 3);
    for (size_t i = 0; i < n; i++) x.y[i] = ldexpf(x.y[i], exponent - (int)(i / GGUF_BLOCK % 5));
    if (n > 2 * GGUF_BLOCK) memset(x.y + GGUF_BLOCK, 0, GGUF_BLOCK * sizeof(float));
    set.pack[a](x.y, n, packed);
    set.unpack[a](packed, n, got.y);
    bool good = true;
    for (size_t block = 0; block < n; block += GGUF_BLOCK) {
        size_t end = MIN(block + GGUF_BLOCK, n);
        float max = 0;
        for (size_t i = block; i < end; i++) max = fmaxf(max, fabsf(x.y[i]));
        for (size_t i = block; i < end; i++) {
            double limit = a == KERNELS_BF16 ? fabs((double)x.y[i]) / 256
                                             : (double)max * (0.5001 / 127) + 0x1p-120;
            good &= fabs((double)got.y[i] - x.y[i]) <= limit;
        }
    }
    for (size_t i = 0; i < 64; i++) good &= packed[bytes + i] == 0xA5;
    check(good && guarded_whole(&got), "pack", "", n, (size_t)(exponent + 200));
    free(packed), free(x.all), free(got.all);
}

/* Numbers that are not finite come through as such. */
static void check_pack_not_finite(KernelsArithmetic a) {
    static const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        uint8_t *packed = need(aligned_alloc(64, kernels_packed_bytes(a, 64)));
        float x[64] = { 0 }, y[64];
        for (size_t k = 0; k < 64; k++) x[k] = (float)k;
        x[40] = bad[i];
        set.pack[a](x, 64, packed);
        set.unpack[a](packed, 64, y);
        bool good = !isfinite(y[40]);
        for (size_t k = 0; k < 32; k++) good &= fabsf(y[k] - x[k]) < 0.2F;
        check(good, "pack of what is not finite", "", 64, i);
        free(packed);
    }
}

static void check_pack(void) {
    static const size_t lengths[] = { 32, 64, 96, 512, 544, 1120 };
    static const int exponents[] = { 0, -110, -130, 20, 126 };
    for (int a = 0; a < KERNELS_N_ARITHMETICS; a++) {
        if (!set.pack[a]) continue;
        for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
            for (size_t k = 0; k < N_ELEMENTS(exponents); k++) {
                check_pack_length((KernelsArithmetic)a, lengths[i], exponents[k]);
            }
        }
        check_pack_not_finite((KernelsArithmetic)a);
    }
}

static void check_matmul(const GgufTypeTraits *t) {
    static const size_t tokens[] = { 0, 1, 2, 3, 4, 5, 7, 9, 37 };
    static const size_t rows[] = { 1, 3, 4, 9, 35 };
    size_t lengths[16], n_lengths = lengths_of(t, lengths), k = 0;
    for (size_t i = 0; i < n_lengths; i++) {
        for (size_t j = 0; j < N_ELEMENTS(tokens); j++, k++) {
            check_product(t, lengths[i], rows[k % 5], tokens[j], k % 3, k % 7 == 0);
        }
    }
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static const size_t row_lengths[] = { 1, 2, 4, 6, 8, 10, 14, 16, 18, 30, 32, 34, 64, 100, 1030 };

static bool close_to(const float *got, const float *wanted, size_t n, double tolerance,
                     const float *scale) {
    for (size_t i = 0; i < n; i++) {
        double limit = tolerance * fabs(scale ? (double)scale[i] : (double)wanted[i]) + 1e-37;
        if (!(fabs((double)got[i] - wanted[i]) <= limit)) return false;
    }
    return true;
}

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

/* ---- attention ----------------------------------------------------------------------------------
 */

typedef struct AttentionCase {
    size_t key_dim, value_dim, n_heads, page_tokens, begin, end;
} AttentionCase;

static void check_attention(const AttentionCase *c, KernelsKvType kv, size_t detail) {
    static const GgufType types[] = { GGUF_TYPE_F32, GGUF_TYPE_F16, GGUF_TYPE_Q8_0 };
    size_t key_bytes, value_bytes, n_pages = (c->end + c->page_tokens - 1) / c->page_tokens;
    if (!gguf_type_row_bytes(types[kv], c->key_dim, &key_bytes)) return;
    if (!gguf_type_row_bytes(types[kv], c->value_dim, &value_bytes)) return;
    size_t page_bytes = c->page_tokens * (key_bytes + value_bytes) + 8;
    uint8_t *cache = need(malloc(2 * n_pages * page_bytes));
    uint32_t *pages = need(malloc(n_pages * sizeof *pages));
    for (size_t i = 0; i < n_pages; i++) pages[i] = (uint32_t)(2 * (n_pages - 1 - i));
    float row[256];
    for (size_t p = 0; p < n_pages * c->page_tokens; p++) {
        uint8_t *page = cache + pages[p / c->page_tokens] * page_bytes;
        size_t at = p % c->page_tokens;
        for (size_t i = 0; i < c->key_dim; i++) row[i] = 3 * random_float();
        ref.kv_store[kv](row, c->key_dim, page + at * key_bytes);
        for (size_t i = 0; i < c->value_dim; i++) row[i] = random_float();
        ref.kv_store[kv](row, c->value_dim, page + c->page_tokens * key_bytes + at * value_bytes);
    }
    size_t n_y = c->n_heads * c->value_dim;
    Guarded q, got = guarded_new(n_y, detail % 3), wanted = guarded_new(n_y, 0), one;
    random_row(c->n_heads * c->key_dim, &q, detail % 2), random_row(n_y, &one, 0);
    for (size_t i = 0; i < n_y; i++) one.y[i] = 1;
    float *scratch = scratch_of(KERNELS_ATTENTION_SCRATCH(c->key_dim, c->value_dim, c->n_heads));
    KernelsAttentionJob job = { .q = q.y,
                                .n_heads = c->n_heads,
                                .key_dim = c->key_dim,
                                .value_dim = c->value_dim,
                                .base = cache,
                                .pages = pages,
                                .page_bytes = page_bytes,
                                .page_tokens = c->page_tokens,
                                .values_offset = c->page_tokens * key_bytes,
                                .begin = c->begin,
                                .end = c->end,
                                .scale = 1 / sqrtf((float)c->key_dim),
                                .y = got.y };
    set.attention[kv](&job, scratch);
    KernelsAttentionJob ref_job = job;
    ref_job.y = wanted.y;
    ref.attention[kv](&ref_job, scratch);
    check(close_to(got.y, wanted.y, n_y, TOLERANCE_ATTENTION, one.y), "attention",
          gguf_type_name(types[kv]), c->key_dim, detail);
    check(guarded_whole(&got), "attention writes outside", gguf_type_name(types[kv]), c->key_dim,
          detail);
    /* each head alone: the same bits */
    job.n_heads = 1;
    for (size_t h = 0; h < c->n_heads; h++) {
        job.q = q.y + h * c->key_dim;
        job.y = one.y + h * c->value_dim;
        set.attention[kv](&job, scratch);
    }
    check(same_bits(one.y, got.y, n_y), "attention depends on the other heads", "", c->key_dim,
          detail);
    free(cache), free(pages), free(scratch), free(q.all), free(got.all), free(wanted.all),
        free(one.all);
}

static void check_attentions(void) {
    static const AttentionCase cases[] = {
        { 8, 8, 2, 32, 0, 1 },     { 8, 8, 1, 32, 0, 33 },       { 32, 32, 4, 32, 0, 31 },
        { 32, 32, 2, 64, 0, 64 },  { 40, 24, 3, 32, 5, 70 },     { 64, 64, 8, 32, 0, 65 },
        { 80, 80, 1, 16, 17, 18 }, { 128, 128, 8, 64, 60, 200 }, { 128, 96, 1, 64, 0, 129 },
        { 33, 31, 2, 16, 15, 48 }, { 16, 16, 5, 64, 0, 300 },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        for (size_t kv = 0; kv < KERNELS_N_KV_TYPES; kv++) {
            check_attention(&cases[i], (KernelsKvType)kv, i);
        }
    }
}

static void check_set(void) {
    check_pack();
    for (uint32_t number = 0; number < GGUF_N_TYPE_NUMBERS; number++) {
        const GgufTypeTraits *t = gguf_type_traits(number);
        if (!t) continue;
        check_decode(t);
        check_matmul(t);
    }
    for (size_t i = 0; i < N_ELEMENTS(row_lengths); i++) {
        for (size_t shift = 0; shift < 3; shift++) {
            size_t n = row_lengths[i];
            check_rmsnorm(n, shift);
            check_silu_add(n, shift);
            check_kv_store(n, shift);
            if (n % 2 == 0) check_rope(n + 2 * shift, n, shift);
        }
    }
    check_attentions();
}

int main(void) {
    Err err = { 0 };
    if (kernels_pick(KERNELS_REF, &ref, &err) != STATUS_OK) {
        printf("FAIL: %s\n", err.text);
        return 1;
    }
    for (unsigned bit = 1; bit < KERNELS_ALL; bit <<= 1) {
        const char *name = kernels_set_name((KernelsSet)bit);
        if (!(kernels_available() & bit)) {
            printf("SKIP %s: this machine lacks it\n", name);
            continue;
        }
        if (kernels_pick(bit, &set, &err) != STATUS_OK) {
            printf("FAIL %s: %s\n", name, err.text);
            return 1;
        }
        unsigned before = n_checks;
        check_set();
        printf("%s: %u checks\n", name, n_checks - before);
    }
    printf("%u of %u checks failed\n", n_failed, n_checks);
    return n_failed || !n_checks;
}
