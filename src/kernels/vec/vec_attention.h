#pragma once
/* Attention over pages, written once over the vectors of a set. The including file has vec_rows.h
 * (exp) and vec_matmul.h (decoding of the cache's types) before this.
 *
 * A page's keys and values become f32 rows padded with zeros to a multiple of 32 (none copied where
 * they stand so in the cache already), are used for all heads of the group, and forgotten. A page
 * changes the running maximum at most once; the sums so far are scaled then. Pages begin at
 * multiples of page_tokens, so that the order of all sums depends on the positions alone. */
#include "kernels/kernels_internal.h"

#include <string.h>

typedef struct AttentionState {
    const KernelsAttentionJob *job;
    size_t key_pad, value_pad; /* dimensions rounded up to 32 */
    float *q;                  /* [n_heads, key_pad] */
    float *sums;               /* [n_heads, value_pad] */
    float *weights;            /* [n_heads, KERNELS_PAGE_TOKENS]: scores, then exp */
    float *max, *total;        /* [n_heads] */
    float *keys, *values;      /* [KERNELS_PAGE_TOKENS, pad] */
} AttentionState;

/* n rows of dim elements as f32, padded: where they stand, or decoded into buffer. */
ALWAYS_INLINE const float *page_rows(const uint8_t *rows, size_t n, size_t dim, size_t row_bytes,
                                     KernelsDecodeRow *decode, bool is_f32, float *buffer) {
    if (is_f32 && dim % 32 == 0) return (const float *)(const void *)rows;
    size_t pad = KERNELS_ROUND_UP(dim);
    for (size_t i = 0; i < n; i++) {
        decode(rows + i * row_bytes, dim, buffer + i * pad);
        for (size_t j = dim; j < pad; j++) buffer[i * pad + j] = 0;
    }
    return buffer;
}

/* Scores of n keys for one head, four at a time: four chains of additions hide their latency. */
static inline void page_scores(const AttentionState *s, const float *keys, size_t n, size_t head) {
    const float *q = s->q + head * s->key_pad;
    float *scores = s->weights + head * KERNELS_PAGE_TOKENS;
    for (size_t p = 0; p < n; p += 4) {
        Vec acc[4] = { vec_zero(), vec_zero(), vec_zero(), vec_zero() };
        const float *k[4];
        for (size_t j = 0; j < 4; j++) k[j] = keys + MIN(p + j, n - 1) * s->key_pad;
        for (size_t i = 0; i < s->key_pad; i += VEC_LANES) {
            Vec v = vec_load(q + i);
            for (size_t j = 0; j < 4; j++) acc[j] = vec_fma(v, vec_load(k[j] + i), acc[j]);
        }
        for (size_t j = 0; j < 4 && p + j < n; j++) {
            scores[p + j] = vec_sum(acc[j]) * s->job->scale;
        }
    }
}

/* Scores to exp(score - max), updating max, total and the scale of what was summed before. */
static inline float page_softmax(const AttentionState *s, size_t n, size_t head) {
    float *w = s->weights + head * KERNELS_PAGE_TOKENS;
    float max = s->max[head];
    for (size_t p = 0; p < n; p++) max = w[p] > max ? w[p] : max;
    /* The first page has nothing before it; -inf - -inf would be NaN. */
    float before[VEC_LANES];
    vec_store(before, vec_exp(vec_set1(s->max[head] == max ? 0 : s->max[head] - max)));
    float keep = s->total[head] == 0 ? 0 : before[0];
    for (size_t p = n; p < KERNELS_ROUND_UP(n); p++) w[p] = max;
    for (size_t p = 0; p < KERNELS_ROUND_UP(n); p += VEC_LANES) {
        vec_store(w + p, vec_exp(vec_sub(vec_load(w + p), vec_set1(max))));
    }
    double total = 0;
    for (size_t p = 0; p < n; p++) total += w[p];
    s->total[head] = (float)((double)s->total[head] * keep + total);
    s->max[head] = max;
    return keep;
}

/* sums = sums * keep + sum_p weights[p] values[p], 32 columns at a time in registers. */
static inline void page_values(const AttentionState *s, const float *values, size_t n, size_t head,
                               float keep) {
    const float *w = s->weights + head * KERNELS_PAGE_TOKENS;
    float *sums = s->sums + head * s->value_pad;
    for (size_t i = 0; i < s->value_pad; i += 32) {
        Vec acc[GROUP_VECS];
        for (size_t j = 0; j < GROUP_VECS; j++) {
            acc[j] = vec_mul(vec_load(sums + i + j * VEC_LANES), vec_set1(keep));
        }
        for (size_t p = 0; p < n; p++) {
            Vec weight = vec_set1(w[p]);
            const float *v = values + p * s->value_pad + i;
            for (size_t j = 0; j < GROUP_VECS; j++) {
                acc[j] = vec_fma(weight, vec_load(v + j * VEC_LANES), acc[j]);
            }
        }
        for (size_t j = 0; j < GROUP_VECS; j++) vec_store(sums + i + j * VEC_LANES, acc[j]);
    }
}

static AttentionState attention_begin(const KernelsAttentionJob *job, float *scratch) {
    AttentionState s = { .job = job,
                         .key_pad = KERNELS_ROUND_UP(job->key_dim),
                         .value_pad = KERNELS_ROUND_UP(job->value_dim) };
    s.keys = scratch;
    s.values = s.keys + KERNELS_PAGE_TOKENS * s.key_pad;
    s.weights = s.values + KERNELS_PAGE_TOKENS * s.value_pad;
    s.q = s.weights + job->n_heads * KERNELS_PAGE_TOKENS;
    s.sums = s.q + job->n_heads * s.key_pad;
    s.max = s.sums + job->n_heads * s.value_pad;
    s.total = s.max + job->n_heads;
    memset(s.q, 0, job->n_heads * (s.key_pad + s.value_pad) * sizeof *s.q);
    for (size_t h = 0; h < job->n_heads; h++) {
        memcpy(s.q + h * s.key_pad, job->q + h * job->key_dim, job->key_dim * sizeof *s.q);
        s.max[h] = -INFINITY;
        s.total[h] = 0;
    }
    return s;
}

ALWAYS_INLINE void attention_with(const KernelsAttentionJob *job, float *scratch, GgufType type,
                                  KernelsDecodeRow *decode) {
    AttentionState s = attention_begin(job, scratch);
    const GgufTypeTraits *traits = gguf_type_traits(type);
    size_t key_bytes = job->key_dim / traits->n_elements * traits->bytes;
    size_t value_bytes = job->value_dim / traits->n_elements * traits->bytes;
    bool is_f32 = type == GGUF_TYPE_F32;
    for (size_t begin = job->begin; begin < job->end;) {
        size_t at = begin % job->page_tokens;
        size_t n = MIN(job->page_tokens - at, job->end - begin);
        const uint8_t *page = job->base + job->pages[begin / job->page_tokens] * job->page_bytes;
        const float *keys =
            page_rows(page + at * key_bytes, n, job->key_dim, key_bytes, decode, is_f32, s.keys);
        const float *values = page_rows(page + job->values_offset + at * value_bytes, n,
                                        job->value_dim, value_bytes, decode, is_f32, s.values);
        for (size_t h = 0; h < job->n_heads; h++) {
            page_scores(&s, keys, n, h);
            page_values(&s, values, n, h, page_softmax(&s, n, h));
        }
        begin += n;
    }
    for (size_t h = 0; h < job->n_heads; h++) {
        const float *sums = s.sums + h * s.value_pad;
        float *y = job->y + h * job->value_dim;
        for (size_t i = 0; i < job->value_dim; i++) y[i] = sums[i] / s.total[h];
    }
}

#define VEC_DEFINE_ATTENTION(type, name)                                                           \
    static void VEC_NAME(attention_##name)(const KernelsAttentionJob *job, float *scratch) {       \
        attention_with(job, scratch, GGUF_TYPE_##type, VEC_NAME(decode_row_##name));               \
    }
