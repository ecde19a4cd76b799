/* Attention over pages in any order. */
#include "check.h"

static KernelsUse use; /* whose attention is checked */
static KernelsKvType plain_kv;

/* What reads in another way than it writes does so in tiles. */
static double tolerance_of(KernelsKvType kv) {
    bool same = set.attention[KERNELS_READING][kv] == set.attention[KERNELS_WRITING][kv];
    return use == KERNELS_READING && !same ? TOLERANCE_ATTENTION_PARTS : TOLERANCE_ATTENTION;
}

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
    float row[1024];
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
                                .n_queries = 1,
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
    set.attention[use][kv](&job, scratch);
    KernelsAttentionJob ref_job = job;
    ref_job.y = wanted.y;
    ref.attention[use][kv](&ref_job, scratch);
    check(close_to(got.y, wanted.y, n_y, tolerance_of(kv), one.y), "attention",
          gguf_type_name(types[kv]), c->key_dim, detail);
    check(guarded_whole(&got), "attention writes outside", gguf_type_name(types[kv]), c->key_dim,
          detail);
    /* each head alone: the same bits */
    job.n_heads = 1;
    for (size_t h = 0; h < c->n_heads; h++) {
        job.q = q.y + h * c->key_dim;
        job.y = one.y + h * c->value_dim;
        set.attention[use][kv](&job, scratch);
    }
    check(same_bits(one.y, got.y, n_y), "attention depends on the other heads", "", c->key_dim,
          detail);
    free(cache), free(pages), free(scratch), free(q.all), free(got.all), free(wanted.all),
        free(one.all);
}

/* ---- several tokens ---------------------------------------------------------------------------
 */

enum { QUERIES = 9, MORE_DIM = 64, MORE_END = 60 };

/* Tokens together, each of which sees one position more, are what each is alone, bit for bit, and
 * what ref makes of them. gap: elements between the tokens' heads. */
static void check_queries(KernelsKvType kv, size_t n_heads, size_t end, size_t gap) {
    static const GgufType types[] = { GGUF_TYPE_F32, GGUF_TYPE_F16, GGUF_TYPE_Q8_0 };
    static const uint32_t pages[] = { 2, 0, 1 };
    size_t bytes = 0, stride = n_heads * MORE_DIM + gap;
    if (!gguf_type_row_bytes(types[kv], MORE_DIM, &bytes)) return;
    uint8_t *cache = need(malloc(3 * 2 * 32 * bytes));
    float row[MORE_DIM];
    for (size_t i = 0; i < 3 * 2 * 32; i++) {
        for (size_t k = 0; k < MORE_DIM; k++) row[k] = 2 * random_float();
        ref.kv_store[kv](row, MORE_DIM, cache + i * bytes);
    }
    Guarded q, got, one, wanted, ones;
    random_row(QUERIES * stride, &q, 1), random_row(QUERIES * stride, &got, 2);
    random_row(QUERIES * stride, &one, 0), random_row(QUERIES * stride, &wanted, 0);
    random_row(QUERIES * stride, &ones, 0);
    memcpy(one.y, got.y, QUERIES * stride * sizeof(float));
    memcpy(wanted.y, got.y, QUERIES * stride * sizeof(float));
    for (size_t i = 0; i < QUERIES * stride; i++) ones.y[i] = 2;
    float *scratch = scratch_of(KERNELS_ATTENTION_SCRATCH(MORE_DIM, MORE_DIM, QUERIES * n_heads));
    KernelsAttentionJob job = { .q = q.y,
                                .q_stride = stride,
                                .n_queries = QUERIES,
                                .n_heads = n_heads,
                                .key_dim = MORE_DIM,
                                .value_dim = MORE_DIM,
                                .base = cache,
                                .pages = pages,
                                .page_bytes = 2 * 32 * bytes,
                                .page_tokens = 32,
                                .values_offset = 32 * bytes,
                                .end = end,
                                .scale = 0.125F,
                                .y = got.y,
                                .y_stride = stride };
    size_t detail = end * 100 + n_heads;
    set.attention[use][kv](&job, scratch);
    job.y = wanted.y;
    ref.attention[use][kv](&job, scratch);
    check(close_to(got.y, wanted.y, QUERIES * stride, tolerance_of(kv), ones.y),
          "attention of several tokens", gguf_type_name(types[kv]), MORE_DIM, detail);
    check(guarded_whole(&got), "attention writes outside", gguf_type_name(types[kv]), MORE_DIM,
          detail);
    job.n_queries = 1;
    for (size_t i = 0; i < QUERIES; i++) {
        job.q = q.y + i * stride;
        job.y = one.y + i * stride;
        job.end = end + i;
        set.attention[use][kv](&job, scratch);
    }
    check(same_bits(one.y, got.y, QUERIES * stride), "attention depends on the other tokens",
          gguf_type_name(types[kv]), MORE_DIM, detail);
    free(cache), free(scratch), free(q.all), free(got.all), free(one.all), free(wanted.all),
        free(ones.all);
}

static void check_several(void) {
    static const size_t ends[] = { 1, 24, 27, 31, 32, 33, MORE_END };
    for (size_t kv = 0; kv < KERNELS_N_KV_TYPES; kv++) {
        for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
            for (size_t n_heads = 1; n_heads <= 4; n_heads++) {
                check_queries((KernelsKvType)kv, n_heads, ends[i], i % 3 * 5);
            }
        }
    }
}

/* ---- extremes ---------------------------------------------------------------------------------
 */

enum { HEADS = 3, DIM = 40, PAGE = 32, PAGES = 3, END = 70 };
typedef struct Plain {
    float cache[PAGES][2][PAGE][DIM]; /* [page][keys, values] */
    float q[HEADS][DIM], y[HEADS][DIM];
} Plain;

static void plain_random(Plain *p) {
    float *all = &p->cache[0][0][0][0];
    for (size_t i = 0; i < sizeof p->cache / sizeof *all; i++) { /* exact as f16 too */
        all[i] = gguf_f16_to_f32(gguf_f32_to_f16(random_float()));
    }
    for (size_t i = 0; i < (size_t)HEADS * DIM; i++) p->q[i / DIM][i % DIM] = random_float();
}

static float *key_of(Plain *p, size_t position) {
    return p->cache[position / PAGE][0][position % PAGE];
}
static float *value_of(Plain *p, size_t position) {
    return p->cache[position / PAGE][1][position % PAGE];
}

static void plain_run(Plain *p, size_t begin, size_t end) {
    static const uint32_t pages[PAGES] = { 0, 1, 2 };
    float *scratch = scratch_of(KERNELS_ATTENTION_SCRATCH(DIM, DIM, HEADS));
    KernelsAttentionJob job = { .q = &p->q[0][0],
                                .n_queries = 1,
                                .n_heads = HEADS,
                                .key_dim = DIM,
                                .value_dim = DIM,
                                .base = (const uint8_t *)p->cache,
                                .pages = pages,
                                .page_bytes = sizeof p->cache[0],
                                .page_tokens = PAGE,
                                .values_offset = sizeof p->cache[0][0],
                                .begin = begin,
                                .end = end,
                                .scale = 0.2F,
                                .y = &p->y[0][0] };
    size_t n = sizeof p->cache / sizeof(float);
    uint16_t *halves = need(malloc(n * sizeof *halves));
    if (plain_kv == KERNELS_KV_F16) {
        for (size_t i = 0; i < n; i++) halves[i] = gguf_f32_to_f16((&p->cache[0][0][0][0])[i]);
        job.base = (const uint8_t *)halves;
        job.page_bytes /= 2;
        job.values_offset /= 2;
    }
    set.attention[use][plain_kv](&job, scratch);
    free(scratch), free(halves);
}

/* Without a question every value counts the same; with a strong one only the key that it means. */
static void check_weights(void) {
    Plain p;
    plain_random(&p);
    memset(p.q, 0, sizeof p.q);
    plain_run(&p, 3, END);
    for (size_t i = 0; i < DIM; i++) {
        double mean = 0;
        for (size_t k = 3; k < END; k++) mean += (double)value_of(&p, k)[i] / (END - 3);
        check(fabs(p.y[1][i] - mean) <= tolerance_of(plain_kv), "attention to all", "", DIM, i);
    }
    for (size_t k = 0; k < END; k += 23) {
        for (size_t h = 0; h < HEADS; h++) {
            for (size_t i = 0; i < DIM; i++) p.q[h][i] = 1e4F * key_of(&p, k)[i];
        }
        for (size_t i = 0; i < DIM; i++) key_of(&p, k)[i] *= 10; /* the largest product by far */
        plain_run(&p, 0, END);
        bool good = true;
        for (size_t i = 0; i < DIM; i++) good &= p.y[2][i] == value_of(&p, k)[i];
        check(good, "attention to one", "", DIM, k);
        for (size_t i = 0; i < DIM; i++) key_of(&p, k)[i] /= 10;
    }
}

/* What is not finite reaches the outputs that it belongs to, and no others; what lies outside the
 * positions is not looked at. */
static void check_attention_not_finite(void) {
    Plain p, clean;
    plain_random(&p);
    plain_run(&p, 5, END - 1);
    clean = p;
    for (size_t i = 0; i < DIM; i++) {
        key_of(&p, 4)[i] = key_of(&p, END - 1)[i] = NAN;
        value_of(&p, 4)[i] = value_of(&p, END - 1)[i] = NAN;
    }
    plain_run(&p, 5, END - 1);
    check(same_bits(&p.y[0][0], &clean.y[0][0], HEADS * DIM), "attention looks outside", "", DIM,
          0);
    p.q[1][7] = NAN;
    plain_run(&p, 5, END - 1);
    for (size_t i = 0; i < (size_t)HEADS * DIM; i++) {
        const float *y = &p.y[0][0] + i, *c = &clean.y[0][0] + i;
        check(i / DIM == 1 ? *y != *y : same_bits(y, c, 1), "NaN in a head", "", DIM, i);
    }
    p = clean;
    value_of(&p, 50)[11] = NAN;
    plain_run(&p, 5, END - 1);
    for (size_t i = 0; i < (size_t)HEADS * DIM; i++) {
        const float *y = &p.y[0][0] + i, *c = &clean.y[0][0] + i;
        check(i % DIM == 11 ? *y != *y : same_bits(y, c, 1), "NaN in a value", "", DIM, i);
    }
    p = clean;
    key_of(&p, 33)[2] = NAN;
    plain_run(&p, 5, END - 1);
    bool good = true;
    for (size_t i = 0; i < (size_t)HEADS * DIM; i++)
        good &= p.y[i / DIM][i % DIM] != p.y[i / DIM][i % DIM];
    check(good, "NaN in a key", "", DIM, 0);
}

void check_attentions(void) {
    static const AttentionCase cases[] = {
        { 8, 8, 2, 32, 0, 1 },        { 8, 8, 1, 32, 0, 33 },       { 32, 32, 4, 32, 0, 31 },
        { 32, 32, 2, 64, 0, 64 },     { 40, 24, 3, 32, 5, 70 },     { 64, 64, 8, 32, 0, 65 },
        { 80, 80, 1, 16, 17, 18 },    { 128, 128, 8, 64, 60, 200 }, { 128, 96, 1, 64, 0, 129 },
        { 33, 31, 2, 16, 15, 48 },    { 16, 16, 5, 64, 0, 300 },    { 256, 256, 8, 32, 0, 100 },
        { 1024, 1024, 1, 32, 0, 40 }, { 128, 128, 64, 32, 3, 40 },  { 128, 128, 4, 32, 0, 3000 },
    };
    for (use = 0; use < KERNELS_N_USES; use++) {
        if (use > 0 && memcmp(set.attention[0], set.attention[1], sizeof set.attention[0]) == 0)
            break;
        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
            for (size_t kv = 0; kv < KERNELS_N_KV_TYPES; kv++) {
                check_attention(&cases[i], (KernelsKvType)kv, i);
            }
        }
        check_several();
        for (plain_kv = KERNELS_KV_F32; plain_kv <= KERNELS_KV_F16; plain_kv++) {
            check_weights();
            check_attention_not_finite();
        }
    }
}
