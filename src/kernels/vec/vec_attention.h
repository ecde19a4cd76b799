#pragma once
/* Attention over pages, written once over the vectors of a set. The including file has vec_rows.h
 * (exp) and vec_matmul.h (decoding of the cache's types) before this.
 *
 * A row is a query head of a token. Each page is read once for all rows of the job, a tile of rows
 * at a time: scores of four keys, softmax, sums of 32 columns (or 128 of a row alone). The rows of
 * a tile see different numbers of the last page's positions: what all see is summed together, the
 * rest row by row, so that what a row does not see is not multiplied, not even by zero. A page
 * changes a row's running maximum at most once; its sums so far are scaled then. Pages begin at
 * multiples of page_tokens and every score and column is summed in an order of its own, so that
 * results do not depend on the other rows.
 * While a page is summed, the next one is fetched: pages of a head lie far from each other.
 * Pages become f32 rows, padded with zeros to a multiple of 32, first; but none is copied where it
 * stands so in the cache already, and few rows read f16 as they need it. */
#include "kernels/kernels_internal.h"

#include <string.h>

enum { ATTENTION_KEYS = 4, FEW_ROWS = 3 };

typedef struct AttentionState {
    const KernelsAttentionJob *job;
    size_t n_rows;
    size_t key_pad, value_pad; /* dimensions rounded up to 32 */
    float *q;                  /* [n_rows, key_pad] */
    float *sums;               /* [n_rows, value_pad] */
    float *weights;            /* [n_rows, KERNELS_PAGE_TOKENS]: scores, then exp */
    float *max, *total;        /* [n_rows] */
    float *keys, *values;      /* [KERNELS_PAGE_TOKENS, pad] */
} AttentionState;

/* The positions of a page that the job sees, as rows of f32 or f16. */
typedef struct AttentionPage {
    const uint8_t *keys, *values;
    size_t key_stride, value_stride; /* bytes */
    size_t begin, n;                 /* positions */
    /* Keys and values of the page to come, which are fetched from memory position by position while
     * this one is summed; NULL: none, or fetched already. */
    const uint8_t *next_keys, *next_values;
} AttentionPage;

/* Row p of a page to come into the cache. */
ALWAYS_INLINE void prefetch_row(const uint8_t *rows, size_t p, size_t stride) {
    for (size_t i = 0; rows && i < stride; i += 64) __builtin_prefetch(rows + p * stride + i, 0, 2);
}

ALWAYS_INLINE Vec load_number(const uint8_t *row, size_t i, bool is_half) {
    return is_half ? vec_load_half(row + 2 * i) : vec_load((const float *)(const void *)row + i);
}

/* Scores of four keys from p on, of n_rows rows (all of a tile, or one). */
ALWAYS_INLINE void store_scores(const AttentionState *s, Vec acc[VEC_TILE_ROWS][ATTENTION_KEYS],
                                size_t first, size_t n_rows, size_t p) {
    enum { N = VEC_TILE_ROWS * ATTENTION_KEYS };
    _Static_assert(N % VEC_LANES == 0, "whole vectors of sums");
    float scores[N], *to = s->weights + first * KERNELS_PAGE_TOKENS + p;
    if (n_rows == VEC_TILE_ROWS) {
        for (size_t i = 0; i < N; i += VEC_LANES) {
            Vec sums = vec_sum_all(&acc[0][0] + i);
            vec_store(scores + i, vec_mul(sums, vec_set1(s->job->scale)));
        }
    } else {
        vec_sum_four(acc[0], scores);
        for (size_t j = 0; j < ATTENTION_KEYS; j++) scores[j] *= s->job->scale;
    }
    for (size_t r = 0; r < n_rows; r++) {
        memcpy(to + r * KERNELS_PAGE_TOKENS, scores + r * ATTENTION_KEYS,
               ATTENTION_KEYS * sizeof *scores);
    }
}

/* weights[row][p] of the rows [first, first + n_rows) and n keys. Past the last key, the last one
 * again. */
ALWAYS_INLINE void tile_scores(const AttentionState *s, const AttentionPage *page, size_t n,
                               size_t first, size_t n_rows, bool is_half) {
    for (size_t p = 0; p < n; p += ATTENTION_KEYS) {
        Vec acc[VEC_TILE_ROWS][ATTENTION_KEYS];
        const uint8_t *k[ATTENTION_KEYS];
        for (size_t j = 0; j < ATTENTION_KEYS; j++) {
            k[j] = page->keys + MIN(p + j, n - 1) * page->key_stride;
            prefetch_row(page->next_keys, p + j, page->key_stride);
            for (size_t r = 0; r < n_rows; r++) acc[r][j] = vec_zero();
        }
        for (size_t i = 0; i < s->key_pad; i += VEC_LANES) {
            Vec key[ATTENTION_KEYS];
            for (size_t j = 0; j < ATTENTION_KEYS; j++) key[j] = load_number(k[j], i, is_half);
            for (size_t r = 0; r < n_rows; r++) {
                Vec q = vec_load(s->q + (first + r) * s->key_pad + i);
                for (size_t j = 0; j < ATTENTION_KEYS; j++) {
                    acc[r][j] = vec_fma(q, key[j], acc[r][j]);
                }
            }
        }
        store_scores(s, acc, first, n_rows, p);
    }
}

/* n scores to exp(score - max), updating max, total and the scale of what was summed before. */
static inline float page_softmax(const AttentionState *s, size_t n, size_t row) {
    float *w = s->weights + row * KERNELS_PAGE_TOKENS;
    for (size_t p = n; p < KERNELS_ROUND_UP(n); p++) w[p] = -INFINITY;
    Vec highest = vec_set1(s->max[row]);
    for (size_t p = 0; p < n; p += VEC_LANES) highest = vec_max(highest, vec_load(w + p));
    float max = vec_highest(highest);
    /* The first page has nothing before it; -inf - -inf would be NaN. */
    float before[VEC_LANES];
    vec_store(before, vec_exp(vec_set1(s->max[row] == max ? 0 : s->max[row] - max)));
    float keep = s->total[row] == 0 ? 0 : before[0];
    Vec total = vec_zero();
    size_t p = 0;
    for (; p + VEC_LANES <= n; p += VEC_LANES) {
        Vec e = vec_exp(vec_sub(vec_load(w + p), vec_set1(max)));
        vec_store(w + p, e);
        total = vec_add(total, e);
    }
    if (p < n) {
        vec_store(w + p, vec_exp(vec_sub(vec_load(w + p), vec_set1(max))));
        total = vec_add(total, vec_load_part(w + p, n - p));
    }
    s->total[row] = s->total[row] * keep + vec_sum(total);
    s->max[row] = max;
    return keep;
}

/* Columns [i, i + n_vecs * VEC_LANES) of sums = sums * keep + sum_p weights[p] values[p]: the first
 * n[0] positions for all rows, then each row's own. */
ALWAYS_INLINE void tile_columns(const AttentionState *s, const AttentionPage *page, const size_t *n,
                                size_t first, size_t n_rows, const float *keep, size_t i,
                                size_t n_vecs, bool is_half) {
    Vec acc[VEC_TILE_ROWS][4 * GROUP_VECS];
    const float *w = s->weights + first * KERNELS_PAGE_TOKENS;
    float *sums = s->sums + first * s->value_pad + i;
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t j = 0; j < n_vecs; j++) {
            Vec sum = vec_load(sums + r * s->value_pad + j * VEC_LANES);
            acc[r][j] = vec_mul(sum, vec_set1(keep[r]));
        }
    }
    for (size_t p = 0; p < n[0]; p++) {
        const uint8_t *v = page->values + p * page->value_stride;
        Vec value[4 * GROUP_VECS];
        if (i == 0) prefetch_row(page->next_values, p, page->value_stride);
        for (size_t j = 0; j < n_vecs; j++) value[j] = load_number(v, i + j * VEC_LANES, is_half);
        for (size_t r = 0; r < n_rows; r++) {
            Vec weight = vec_set1(w[r * KERNELS_PAGE_TOKENS + p]);
            for (size_t j = 0; j < n_vecs; j++) acc[r][j] = vec_fma(weight, value[j], acc[r][j]);
        }
    }
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t p = n[0]; p < n[r]; p++) {
            const uint8_t *v = page->values + p * page->value_stride;
            Vec weight = vec_set1(w[r * KERNELS_PAGE_TOKENS + p]);
            for (size_t j = 0; j < n_vecs; j++) {
                Vec value = load_number(v, i + j * VEC_LANES, is_half);
                acc[r][j] = vec_fma(weight, value, acc[r][j]);
            }
        }
        for (size_t j = 0; j < n_vecs; j++) {
            vec_store(sums + r * s->value_pad + j * VEC_LANES, acc[r][j]);
        }
    }
}

/* One page for n_rows rows, of which row r sees n[r] > 0 positions, in ascending order. */
ALWAYS_INLINE void tile_page(const AttentionState *s, const AttentionPage *page, const size_t *n,
                             size_t first, size_t n_rows, bool is_half) {
    float keep[VEC_TILE_ROWS];
    tile_scores(s, page, n[n_rows - 1], first, n_rows, is_half);
    for (size_t r = 0; r < n_rows; r++) keep[r] = page_softmax(s, n[r], first + r);
    size_t i = 0;
    /* a row alone needs more columns to hide the latency of its sums */
    for (; n_rows == 1 && i + 128 <= s->value_pad; i += 128) {
        tile_columns(s, page, n, first, n_rows, keep, i, 4 * GROUP_VECS, is_half);
    }
    /* of 32 registers, 16 are sums */
    for (; VEC_LANES == 16 && i + 64 <= s->value_pad; i += 64) {
        tile_columns(s, page, n, first, n_rows, keep, i, 2 * GROUP_VECS, is_half);
    }
    for (; i < s->value_pad; i += 32) {
        tile_columns(s, page, n, first, n_rows, keep, i, GROUP_VECS, is_half);
    }
}

/* Positions of the page that a row sees. */
static inline size_t row_positions(const AttentionState *s, const AttentionPage *page, size_t row) {
    size_t end = s->job->end + row / s->job->n_heads;
    return end <= page->begin ? 0 : MIN(end - page->begin, page->n);
}

ALWAYS_INLINE void page_rows(const AttentionState *s, AttentionPage *page, bool is_half) {
    for (size_t first = 0; first < s->n_rows;) {
        size_t n[VEC_TILE_ROWS], here = MIN(s->n_rows - first, (size_t)VEC_TILE_ROWS);
        for (size_t r = 0; r < here; r++) n[r] = row_positions(s, page, first + r);
        if (here == VEC_TILE_ROWS && n[0] > 0) {
            tile_page(s, page, n, first, VEC_TILE_ROWS, is_half);
            first += VEC_TILE_ROWS;
        } else {
            if (n[0] > 0) tile_page(s, page, n, first, 1, is_half);
            first++;
        }
        page->next_keys = page->next_values = NULL;
    }
}

/* n rows of dim elements as f32, padded, in buffer; next: those of the page to come, or NULL. */
ALWAYS_INLINE const uint8_t *page_numbers(const uint8_t *rows, const uint8_t *next, size_t n,
                                          size_t dim, size_t row_bytes, KernelsDecodeRow *decode,
                                          float *buffer) {
    size_t pad = KERNELS_ROUND_UP(dim);
    for (size_t i = 0; i < n; i++) {
        prefetch_row(next, i, row_bytes);
        decode(rows + i * row_bytes, dim, buffer + i * pad);
        for (size_t j = dim; j < pad; j++) buffer[i * pad + j] = 0;
    }
    return (const uint8_t *)buffer;
}

/* The page becomes one of f32. */
ALWAYS_INLINE void decode_page(const AttentionState *s, AttentionPage *page,
                               KernelsDecodeRow *decode) {
    const KernelsAttentionJob *job = s->job;
    page->keys = page_numbers(page->keys, page->next_keys, page->n, job->key_dim, page->key_stride,
                              decode, s->keys);
    page->values = page_numbers(page->values, page->next_values, page->n, job->value_dim,
                                page->value_stride, decode, s->values);
    page->key_stride = s->key_pad * sizeof(float);
    page->value_stride = s->value_pad * sizeof(float);
    page->next_keys = page->next_values = NULL;
}

/* Keys of the page that holds a position. */
static inline const uint8_t *page_at(const KernelsAttentionJob *job, size_t position) {
    return job->base + job->pages[position / job->page_tokens] * job->page_bytes;
}

static AttentionState attention_begin(const KernelsAttentionJob *job, float *scratch) {
    AttentionState s = { .job = job,
                         .n_rows = job->n_queries * job->n_heads,
                         .key_pad = KERNELS_ROUND_UP(job->key_dim),
                         .value_pad = KERNELS_ROUND_UP(job->value_dim) };
    s.keys = scratch;
    s.values = s.keys + KERNELS_PAGE_TOKENS * s.key_pad;
    s.weights = s.values + KERNELS_PAGE_TOKENS * s.value_pad;
    s.q = s.weights + s.n_rows * KERNELS_PAGE_TOKENS;
    s.sums = s.q + s.n_rows * s.key_pad;
    s.max = s.sums + s.n_rows * s.value_pad;
    s.total = s.max + s.n_rows;
    memset(s.q, 0, s.n_rows * (s.key_pad + s.value_pad) * sizeof *s.q);
    for (size_t r = 0; r < s.n_rows; r++) {
        const float *q = job->q + r / job->n_heads * job->q_stride;
        memcpy(s.q + r * s.key_pad, q + r % job->n_heads * job->key_dim,
               job->key_dim * sizeof *s.q);
        s.max[r] = -INFINITY;
        s.total[r] = 0;
    }
    return s;
}

static void attention_end(const AttentionState *s) {
    const KernelsAttentionJob *job = s->job;
    for (size_t r = 0; r < s->n_rows; r++) {
        const float *sums = s->sums + r * s->value_pad;
        float *y = job->y + r / job->n_heads * job->y_stride + r % job->n_heads * job->value_dim;
        for (size_t i = 0; i < job->value_dim; i++) y[i] = sums[i] / s->total[r];
    }
}

ALWAYS_INLINE void attention_with(const KernelsAttentionJob *job, float *scratch, GgufType type,
                                  KernelsDecodeRow *decode) {
    AttentionState s = attention_begin(job, scratch);
    const GgufTypeTraits *traits = gguf_type_traits(type);
    size_t key_bytes = job->key_dim / traits->n_elements * traits->bytes;
    size_t value_bytes = job->value_dim / traits->n_elements * traits->bytes;
    bool whole = job->key_dim % 32 == 0 && job->value_dim % 32 == 0;
    bool as_it_is =
        whole && (type == GGUF_TYPE_F32 || (type == GGUF_TYPE_F16 && s.n_rows <= FEW_ROWS));
    size_t end = job->end + job->n_queries - 1;
    AttentionPage page;
    for (page.begin = job->begin; page.begin < end; page.begin += page.n) {
        size_t at = page.begin % job->page_tokens;
        const uint8_t *keys = page_at(job, page.begin);
        page.n = MIN(job->page_tokens - at, end - page.begin);
        page.keys = keys + at * key_bytes;
        page.values = keys + job->values_offset + at * value_bytes;
        page.key_stride = key_bytes;
        page.value_stride = value_bytes;
        bool last = page.begin + page.n >= end;
        page.next_keys = last ? NULL : page_at(job, page.begin + page.n);
        page.next_values = last ? NULL : page.next_keys + job->values_offset;
        if (!as_it_is) decode_page(&s, &page, decode);
        if (as_it_is && type == GGUF_TYPE_F16) {
            page_rows(&s, &page, true);
        } else {
            page_rows(&s, &page, false);
        }
    }
    attention_end(&s);
}

#define VEC_DEFINE_ATTENTION(type, name)                                                           \
    static void VEC_NAME(attention_##name)(const KernelsAttentionJob *job, float *scratch) {       \
        attention_with(job, scratch, GGUF_TYPE_##type, VEC_NAME(decode_row_##name));               \
    }
