/* The oracle: one plain loop an operation, sums in f64, no vectors, no contraction. It is what the
 * other sets are tested against and what runs where the machine has none of them. Attention keeps
 * no running maximum: two passes over the positions, as the formula reads. */
#include "kernels/kernels_internal.h"

#include <assert.h>
#include <string.h>

static void add_ref(const float *x, size_t n, float *y) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void matmul_row(const KernelsMatmulJob *job, size_t r, const float *w) {
    for (size_t t = 0; t < job->n_tokens; t++) {
        const float *x = (const float *)((const char *)job->x + t * job->x_stride);
        double sum = 0;
        for (size_t i = 0; i < job->n; i++) sum += (double)w[i] * x[i];
        float *y = job->y + t * job->y_stride + r;
        *y = (float)(job->accumulate ? *y + sum : sum);
    }
}

#define DEFINE_TYPE(type, name, element_bytes)                                                     \
    static void decode_row_##name##_ref(const void *row, size_t n, float *y) {                     \
        gguf_decode_row(GGUF_TYPE_##type, row, n, y);                                              \
    }                                                                                              \
    static void matmul_##name##_ref(const KernelsMatmulJob *job, size_t row_begin, size_t row_end, \
                                    float *scratch) {                                              \
        for (size_t r = row_begin; r < row_end; r++) {                                             \
            gguf_decode_row(GGUF_TYPE_##type, (const uint8_t *)job->w + r * job->row_bytes,        \
                            job->n, scratch);                                                      \
            matmul_row(job, r, scratch);                                                           \
        }                                                                                          \
    }
KERNELS_WEIGHT_TYPES(DEFINE_TYPE)
#undef DEFINE_TYPE

static void rmsnorm_ref(const float *x, const float *g, size_t n, float eps, float *y) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    double scale = 1 / sqrt(sum / (double)n + eps);
    for (size_t i = 0; i < n; i++) y[i] = (float)(x[i] * scale * g[i]);
}

static void rope_ref(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos,
                     const float *sin) {
    for (size_t h = 0; h < n_heads; h++, x += head_dim) {
        for (size_t i = 0; i < n_rot; i += 2) {
            double a = x[i], b = x[i + 1];
            x[i] = (float)(a * cos[i] + b * sin[i]);
            x[i + 1] = (float)(b * cos[i + 1] + a * sin[i + 1]);
        }
    }
}

static void silu_mul_ref(const float *gate, const float *up, size_t n, float *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = (float)((double)gate[i] * up[i] / (1 + exp(-(double)gate[i])));
    }
}

static void kv_store_f32_ref(const float *x, size_t n, void *y) {
    memcpy(y, x, n * sizeof *x);
}

static void kv_store_f16_ref(const float *x, size_t n, void *y) {
    uint8_t *p = y;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = gguf_f32_to_f16(x[i]);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

static void kv_store_q8_0_ref(const float *x, size_t n, void *y) {
    assert(n % GGUF_BLOCK == 0);
    GgufBlockQ8_0 *block = y;
    for (size_t i = 0; i < n; i += GGUF_BLOCK) kernels_store_q8_0_block(x + i, block++);
}

/* Where a page's keys begin, and which position of the page is meant. */
static const uint8_t *page_of(const KernelsAttentionJob *job, size_t position) {
    return job->base + job->pages[position / job->page_tokens] * job->page_bytes;
}

static void attention_row(const KernelsAttentionJob *job, GgufType type, size_t query, size_t h,
                          float *scratch) {
    size_t key_bytes = 0, value_bytes = 0;
    bool whole = gguf_type_row_bytes(type, job->key_dim, &key_bytes) &&
                 gguf_type_row_bytes(type, job->value_dim, &value_bytes);
    assert(whole);
    (void)whole;
    const float *q = job->q + query * job->q_stride + h * job->key_dim;
    float *y = job->y + query * job->y_stride + h * job->value_dim;
    double *sums = (double *)(scratch + KERNELS_ROUND_UP(MAX(job->key_dim, job->value_dim)));
    double max = -INFINITY, total = 0;
    memset(sums, 0, job->value_dim * sizeof *sums);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t p = job->begin; p < job->end + query; p++) {
            const uint8_t *page = page_of(job, p);
            size_t at = p % job->page_tokens;
            gguf_decode_row(type, page + at * key_bytes, job->key_dim, scratch);
            double score = 0;
            for (size_t i = 0; i < job->key_dim; i++) score += (double)q[i] * scratch[i];
            score *= job->scale;
            if (pass == 0) {
                max = score > max ? score : max;
                continue;
            }
            double weight = exp(score - max);
            total += weight;
            gguf_decode_row(type, page + job->values_offset + at * value_bytes, job->value_dim,
                            scratch);
            for (size_t i = 0; i < job->value_dim; i++) sums[i] += weight * scratch[i];
        }
    }
    for (size_t i = 0; i < job->value_dim; i++) y[i] = (float)(sums[i] / total);
}

static void attention_rows(const KernelsAttentionJob *job, GgufType type, float *scratch) {
    for (size_t i = 0; i < job->n_queries; i++) {
        for (size_t h = 0; h < job->n_heads; h++) attention_row(job, type, i, h, scratch);
    }
}

static void attention_f32_ref(const KernelsAttentionJob *job, float *scratch) {
    attention_rows(job, GGUF_TYPE_F32, scratch);
}

static void attention_f16_ref(const KernelsAttentionJob *job, float *scratch) {
    attention_rows(job, GGUF_TYPE_F16, scratch);
}

static void attention_q8_0_ref(const KernelsAttentionJob *job, float *scratch) {
    attention_rows(job, GGUF_TYPE_Q8_0, scratch);
}

static double peak_f32_ref(size_t n_rounds) {
    enum { CHAINS = 8, STEPS = 16 };
    double sums[CHAINS] = { 0 };
    for (size_t n = 0; n < n_rounds * STEPS; n++) {
        for (size_t i = 0; i < CHAINS; i++) sums[i] = sums[i] * 0.5 + 0.5;
    }
    for (size_t i = 1; i < CHAINS; i++) sums[0] += sums[i];
    return sums[0] < 0 ? 0 : (double)n_rounds * STEPS * CHAINS * 2;
}

void kernels_fill_ref(KernelTable *table) {
    *table = (KernelTable){
        .name = "ref",
        .rmsnorm = rmsnorm_ref,
        .rope = rope_ref,
        .silu_mul = silu_mul_ref,
        .add = add_ref,
        .kv_store = { kv_store_f32_ref, kv_store_f16_ref, kv_store_q8_0_ref },
        .attention_rows = { KERNELS_ATTENTION_ROWS, KERNELS_ATTENTION_ROWS },
        .attention = { { attention_f32_ref, attention_f16_ref, attention_q8_0_ref },
                       { attention_f32_ref, attention_f16_ref, attention_q8_0_ref } },
        .peak = { peak_f32_ref },
    };
#define FILL_TYPE(type, name, element_bytes)                                                       \
    table->decode_row[GGUF_TYPE_##type] = decode_row_##name##_ref;                                 \
    set_product(table, GGUF_TYPE_##type, matmul_##name##_ref, one_form(KERNELS_F32));
    KERNELS_WEIGHT_TYPES(FILL_TYPE)
#undef FILL_TYPE
}
