/* Weights: decoding bit for bit, inputs packed, products within their tolerance of ref, the same
 * bits whichever rows and tokens are computed together. */
#include "check.h"

static void put_half(uint8_t *at, float value) {
    uint16_t h = gguf_f32_to_f16(value);
    memcpy(at, &h, sizeof h);
}

/* Scales of ordinary size for a block of any bytes; or a weight, where elements stand alone. */
static void put_scales(GgufType type, uint8_t *block) {
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

/* A block of random levels. */
static void random_block(GgufType type, uint8_t *block) {
    const GgufTypeTraits *t = gguf_type_traits(type);
    for (size_t i = 0; i < t->bytes; i++) block[i] = (uint8_t)random_bits();
    put_scales(type, block);
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
    static const size_t single[] = { 0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65, 100, 300, 1055 };
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

static KernelsUse use; /* whose products are checked */

static const KernelsProduct *product_of(const GgufTypeTraits *t) {
    return &set.products[use][t->type];
}

typedef struct Product {
    const GgufTypeTraits *t;
    uint8_t *memory;
    float *weights; /* f32 [n_rows, n]: what the set multiplies, */
    float *unsure;  /* f32 [n_rows, n]: give or take so much */
    KernelsMatmulJob job;
    size_t n_rows;
    Guarded x, y;
    uint8_t *packed; /* what job.x is where the set packs inputs; x is what it stands for then */
    float *scratch;
} Product;

/* A row whose blocks keep their scales, and whose levels are all lowest or all highest. */
static float *row_of_levels(const Product *p, const uint8_t *row, uint8_t byte) {
    enum { HEAD = offsetof(GgufBlockQ5_K, scales) + sizeof(((GgufBlockQ5_K *)NULL)->scales) };
    uint8_t *copy = need(malloc(p->job.row_bytes + 1));
    float *levels = need(malloc((p->job.n + 1) * sizeof *levels));
    memcpy(copy, row, p->job.row_bytes);
    for (size_t i = 0; i < p->job.row_bytes; i += p->t->bytes) {
        memset(copy + i + HEAD, byte, p->t->bytes - HEAD);
    }
    gguf_decode_row(p->t->type, copy, p->job.n, levels);
    free(copy);
    return levels;
}

/* KernelsProduct.rounds: a row's weights to the nearest step of their group, 32 numbers and those
 * 512, 1,024 and 1,536 further on in some 2,048. Scales are rounded to 1/256 of a step before they
 * are multiplied by up to 31, so that between two steps it may be either. */
static void round_row(Product *p, size_t r) {
    enum { GROUP = 2048, APART = 512 };
    const uint8_t *row = (const uint8_t *)p->job.w + r * p->job.row_bytes;
    float *low = row_of_levels(p, row, 0), *high = row_of_levels(p, row, 0xFF);
    float *w = p->weights + r * p->job.n, *unsure = p->unsure + r * p->job.n;
    for (size_t i = 0; i < p->job.n; i++) {
        double most = 0;
        for (size_t k = i / GROUP * GROUP + i % APART; k < MIN(i / GROUP * GROUP + GROUP, p->job.n);
             k += APART) {
            most = fmax(most, fmax(fabs((double)low[k]), fabs((double)high[k])));
        }
        if (!(most > 0)) continue;
        double step = most / 127, steps = w[i] / step, nearest = rint(steps);
        w[i] = (float)(nearest * step);
        unsure[i] = fabs(fabs(steps - nearest) - 0.5) < 0.065 ? (float)step : 0;
    }
    free(low), free(high);
}

/* What the rows' bytes stand for; to the nearest bf16, away from zero where there are two, where
 * blocks are multiplied in tiles. */
static void find_weights(Product *p) {
    const KernelsMatmulJob *job = &p->job;
    bool rounded = p->t->quantized && kernels_in_tiles(product_of(p->t)->forms.many);
    for (size_t r = 0; r < p->n_rows; r++) {
        float *w = p->weights + r * job->n;
        gguf_decode_row(p->t->type, (const uint8_t *)job->w + r * job->row_bytes, job->n, w);
        for (size_t i = 0; rounded && i < job->n; i++) {
            uint32_t bits = gguf_f32_bits(w[i]);
            if (w[i] == w[i]) w[i] = gguf_bits_f32((bits + 0x8000U) & 0xFFFF0000U);
        }
        memset(p->unsure + r * job->n, 0, job->n * sizeof *p->unsure);
        if (product_of(p->t)->rounds) round_row(p, r);
    }
}

static size_t packed_size(KernelsArithmetic a, size_t n, size_t n_tokens) {
    size_t whole = (n_tokens + KERNELS_PACK_TOKENS - 1) / KERNELS_PACK_TOKENS;
    return MAX(whole, (size_t)1) * KERNELS_PACK_TOKENS *
           MAX(kernels_packed_bytes(a, n), (size_t)64);
}

/* Inputs in the set's form; x becomes the numbers that they were rounded to, so that ref multiplies
 * the same. */
static void pack_inputs(Product *p, size_t n, size_t n_tokens, size_t x_stride) {
    KernelsArithmetic a = kernels_arithmetic(product_of(p->t), n_tokens);
    p->job.x = p->x.y;
    p->job.x_stride = x_stride * sizeof(float);
    if (a == KERNELS_F32) return;
    p->packed = need(aligned_alloc(64, packed_size(a, n, n_tokens)));
    KernelsPackJob job = {
        .x = p->x.y, .x_stride = x_stride, .n = n, .n_tokens = n_tokens, .y = p->packed
    };
    set.pack[a](&job, 0, n_tokens);
    for (size_t k = 0; k < n_tokens; k++) set.unpack[a](&job, k, p->x.y + k * x_stride);
    p->job.x = p->packed;
    p->job.x_stride = kernels_packed_bytes(a, n);
}

/* The job of token k alone. Its inputs are the same numbers, perhaps in another form, at `form`
 * (packed_size), 64-byte aligned. */
static KernelsMatmulJob single_token(const Product *p, size_t k, size_t x_stride, void *form) {
    KernelsArithmetic many = kernels_arithmetic(product_of(p->t), p->job.n_tokens);
    KernelsArithmetic one = kernels_arithmetic(product_of(p->t), 1);
    KernelsMatmulJob job = p->job;
    job.n_tokens = 1;
    job.x = (const uint8_t *)p->job.x + k * p->job.x_stride;
    if (one == many && !kernels_in_tiles(one)) return job;
    job.x = p->x.y + k * x_stride;
    if (one == KERNELS_F32) return job;
    KernelsPackJob pack = { .x = job.x, .n = job.n, .n_tokens = 1, .y = form };
    set.pack[one](&pack, 0, 1);
    job.x = form;
    job.x_stride = kernels_packed_bytes(one, job.n);
    return job;
}

static Product product_new(const GgufTypeTraits *t, size_t n, size_t n_rows, size_t n_tokens,
                           size_t shift, bool accumulate) {
    Product p = { .t = t, .n_rows = n_rows };
    size_t row_bytes = n / t->n_elements * t->bytes;
    /* what follows the last row is NaN in every type of single numbers; AddressSanitizer sees who
     * reads it */
    size_t after = getenv("FONTE_SANITIZED") ? 1 : 128;
    p.memory = need(malloc(n_rows * row_bytes + shift + after));
    memset(p.memory + shift + n_rows * row_bytes, 0xFF, after);
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
    p.weights = need(malloc((n_rows * n + 1) * sizeof *p.weights));
    p.unsure = need(malloc((n_rows * n + 1) * sizeof *p.unsure));
    find_weights(&p);
    pack_inputs(&p, n, n_tokens, x_stride);
    return p;
}

static void product_deinit(Product *p) {
    free(p->memory), free(p->x.all), free(p->y.all), free(p->scratch), free(p->packed);
    free(p->weights), free(p->unsure);
}

/* What ref makes of the numbers that weights and inputs were rounded to. */
static void ref_product(const Product *p, size_t x_stride, float *ret_y) {
    KernelsMatmulJob job = p->job;
    job.x = p->x.y;
    job.x_stride = x_stride * sizeof(float);
    job.y = ret_y;
    job.w = p->weights;
    job.row_bytes = job.n * sizeof(float);
    ref.products[use][GGUF_TYPE_F32].matmul(&job, 0, p->n_rows, p->scratch);
}

/* The scale of output (r, t): sum |w x| + |y before|. */
static double magnitude(const Product *p, size_t r, size_t t, size_t x_stride, float before) {
    double sum = p->job.accumulate ? fabs((double)before) : 0;
    for (size_t i = 0; i < p->job.n; i++) {
        sum += fabs((double)p->weights[r * p->job.n + i] * p->x.y[t * x_stride + i]);
    }
    return sum;
}

/* By what it may differ because of weights that are not sure. */
static double unsure(const Product *p, size_t r, size_t t, size_t x_stride) {
    double sum = 0;
    for (size_t i = 0; product_of(p->t)->rounds && i < p->job.n; i++) {
        sum += fabs((double)p->unsure[r * p->job.n + i] * p->x.y[t * x_stride + i]);
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
    product_of(t)->matmul(&p.job, 0, n_rows, p.scratch);
    ref_product(&p, n + shift, wanted.y);
    bool good = true;
    for (size_t k = 0; k < n_tokens; k++) {
        for (size_t r = 0; r < n_rows; r++) {
            size_t at = k * p.job.y_stride + r;
            double limit = TOLERANCE_MATMUL * magnitude(&p, r, k, n + shift, before.y[at]) +
                           unsure(&p, r, k, n + shift);
            good &= fabs((double)p.y.y[at] - wanted.y[at]) <= limit;
        }
        for (size_t i = n_rows; i < p.job.y_stride; i++) {
            good &= p.y.y[k * p.job.y_stride + i] == before.y[k * p.job.y_stride + i];
        }
    }
    size_t detail = n_rows * 1000 + n_tokens * 10 + shift;
    check(good, "matmul", t->name, n, detail);
    check(guarded_whole(&p.y), "matmul writes outside", t->name, n, detail);
    /* one by one, with the same bits; in tiles, where a row alone takes as long as 32, a few rows
     * of all tokens but the first */
    KernelsArithmetic one = kernels_arithmetic(product_of(t), 1);
    uint8_t *form = need(aligned_alloc(64, packed_size(one, n, 1)));
    for (size_t k = 0; k < n_tokens; k++) {
        KernelsMatmulJob job = single_token(&p, k, n + shift, form);
        job.y = single.y + k * p.job.y_stride;
        for (size_t r = 0, end; r < n_rows; r = end) {
            size_t most = kernels_in_tiles(one) && k > 0 ? 1 + random_bits() % 8 : 1;
            end = MIN(r + most, n_rows);
            product_of(t)->matmul(&job, r, end, p.scratch);
        }
    }
    free(form);
    check(same_bits(single.y, p.y.y, n_y), "matmul depends on the batch", t->name, n, detail);
    /* in two ranges of rows, in both orders of reading them: the same bits */
    for (int streams = 0; streams < 2; streams++) {
        size_t cut = random_bits() % (n_rows + 1);
        KernelsMatmulJob job = p.job;
        memcpy(single.y, before.y, n_y * sizeof(float));
        job.y = single.y;
        job.streams = streams;
        product_of(t)->matmul(&job, cut, n_rows, p.scratch);
        product_of(t)->matmul(&job, 0, cut, p.scratch);
        check(same_bits(single.y, p.y.y, n_y), "matmul depends on the rows", t->name, n, cut);
        check(guarded_whole(&single), "matmul of some rows writes outside", t->name, n, cut);
    }
    free(wanted.all), free(single.all), free(before.all);
    product_deinit(&p);
}

/* Largest levels and largest inputs, where integers would overflow or be saturated first: levels
 * from bytes that are all `byte`; inputs that change their sign every `period`. A
 * tolerance of its own: equal terms are all rounded the same way, and what is looked for is far
 * larger. */
static void check_extremes(const GgufTypeTraits *t, uint8_t byte, size_t period) {
    enum { ROWS = 5, TOKENS = 6 };
    size_t n = 3 * GGUF_SUPERBLOCK;
    Product p = product_new(t, n, ROWS, TOKENS, 0, false);
    for (size_t i = 0; i < ROWS * p.job.row_bytes; i += t->bytes) {
        memset(p.memory + i, byte, t->bytes);
        put_scales(t->type, p.memory + i);
    }
    for (size_t i = 0; i < n * TOKENS; i++) p.x.y[i] = i / period % 2 ? -1 : 1;
    free(p.packed);
    find_weights(&p);
    pack_inputs(&p, n, TOKENS, n);
    product_of(t)->matmul(&p.job, 0, ROWS, p.scratch);
    float wanted[ROWS * TOKENS];
    ref_product(&p, n, wanted);
    for (size_t k = 0; k < TOKENS; k++) {
        for (size_t r = 0; r < ROWS; r++) {
            double scale = magnitude(&p, r, k, n, 0), got = p.y.y[k * ROWS + r];
            check(fabs(got - (double)wanted[k * ROWS + r]) <= 1e-4 * scale + unsure(&p, r, k, n),
                  "largest levels and inputs", t->name, byte, period);
        }
    }
    product_deinit(&p);
}

static void check_extremes_type(const GgufTypeTraits *t) {
    static const uint8_t bytes[] = { 0xFF, 0x00, 0x80, 0x7F, 0x0F, 0xF0 };
    static const size_t periods[] = { 1, 2, 32, 1000 };
    for (size_t i = 0; t->n_elements > 1 && i < N_ELEMENTS(bytes); i++) {
        for (size_t k = 0; k < N_ELEMENTS(periods); k++) check_extremes(t, bytes[i], periods[k]);
    }
}

/* A whole number of so many bits, or its negative. */
static float random_whole(unsigned bits) {
    float whole = (float)(random_bits() >> 11 & ((1U << bits) - 1));
    return random_bits() >> 63 ? -whole : whole;
}

/* Whole numbers, weights times a power of two, whose sums have 23 bits at most: no order of
 * additions rounds anything, and the products are ref's. */
static void check_exact(const GgufTypeTraits *t, unsigned weight_bits, int exponent, bool dense) {
    enum { N = 75, ROWS = 18, TOKENS = 19 };
    unsigned input_bits = 23 - weight_bits - (dense ? 7 : 0);
    Product p = product_new(t, N, ROWS, TOKENS, 0, false);
    for (size_t i = 0; i < (size_t)N * ROWS; i++) {
        float f = ldexpf(random_whole(weight_bits), exponent);
        uint16_t b = gguf_f32_to_bf16(f);
        if (t->type == GGUF_TYPE_F32) memcpy(p.memory + i * sizeof f, &f, sizeof f);
        if (t->type == GGUF_TYPE_F16) put_half(p.memory + i * sizeof b, f);
        if (t->type == GGUF_TYPE_BF16) memcpy(p.memory + i * sizeof b, &b, sizeof b);
    }
    memset(p.x.y, 0, sizeof(float) * N * TOKENS);
    for (size_t k = 0; k < TOKENS; k++) {
        for (size_t i = 0; i < (dense ? N : 1); i++) {
            p.x.y[k * N + (dense ? i : random_bits() % N)] = random_whole(input_bits);
        }
    }
    free(p.packed);
    p.packed = NULL;
    find_weights(&p);
    pack_inputs(&p, N, TOKENS, N);
    product_of(t)->matmul(&p.job, 0, ROWS, p.scratch);
    float wanted[ROWS * TOKENS];
    ref_product(&p, N, wanted);
    bool good = true;
    for (size_t i = 0; i < (size_t)ROWS * TOKENS; i++) good &= p.y.y[i] == wanted[i];
    check(good, "whole numbers", t->name, weight_bits, dense);
    product_deinit(&p);
}

static void check_exact_type(const GgufTypeTraits *t) {
    unsigned most = t->type == GGUF_TYPE_BF16 ? 8 : 11;
    for (unsigned bits = 1; t->n_elements == 1 && bits <= most; bits++) {
        check_exact(t, bits, 0, false);
        check_exact(t, bits, 0, true);
        check_exact(t, MIN(bits, 10U), -24, true); /* subnormals of f16 */
    }
}

/* ---- packed inputs ----------------------------------------------------------------------------
 */

/* The largest of the numbers that share a scale with those of a block of 32: the block itself, or
 * the blocks 512 apart of some 2,048. */
static float largest_sharing(KernelsArithmetic a, const float *x, size_t n, size_t block) {
    bool shared = a == KERNELS_INT8_SHARED;
    size_t begin = shared ? block / 2048 * 2048 + block % 512 : block;
    size_t end = shared ? MIN(block / 2048 * 2048 + 2048, n) : MIN(block + GGUF_BLOCK, n);
    float max = 0;
    for (size_t i = begin; i < end; i += 512) {
        for (size_t k = i; k < MIN(i + GGUF_BLOCK, n); k++) max = fmaxf(max, fabsf(x[k]));
    }
    return max;
}

/* By what a number may differ once it is packed; max: of those that share its scale. */
static double pack_limit(KernelsArithmetic a, float x, float max) {
    switch (a) {
    case KERNELS_F32_LANES: return 0;
    case KERNELS_BF16:
    case KERNELS_BF16_TILES:
    case KERNELS_BF16_LANES: return fabs((double)x) / 256 + 0x1p-133;
    case KERNELS_BF16_PART_TILES: return fabsf(x) < 0x1p-100F ? 0x1p-133 : 0;
    default: return (double)max * (0.5001 / 127) + 0x1p-120;
    }
}

/* Packing n numbers of magnitudes around 2^exponent: every one near the nearest that the form has,
 * nothing written outside, unpacking n numbers and no more. */
static void check_pack_length(KernelsArithmetic a, size_t n, size_t n_tokens, int exponent) {
    size_t whole = n_tokens <= KERNELS_PACK_TOKENS || !kernels_in_tiles(a) ? n_tokens : 32;
    size_t bytes = kernels_packed_bytes(a, n) * whole, x_stride = n + 5;
    uint8_t *packed = need(aligned_alloc(64, bytes + 64));
    memset(packed + bytes, 0xA5, 64);
    Guarded x, got = guarded_new(n, 1);
    random_row(n_tokens * x_stride, &x, 3);
    for (size_t i = 0; i < n_tokens * x_stride; i++) {
        x.y[i] = ldexpf(x.y[i], exponent - (int)(i / GGUF_BLOCK % 5));
    }
    if (n > 2 * GGUF_BLOCK) memset(x.y + GGUF_BLOCK, 0, GGUF_BLOCK * sizeof(float));
    KernelsPackJob job = {
        .x = x.y, .x_stride = x_stride, .n = n, .n_tokens = n_tokens, .y = packed
    };
    size_t cut = MIN(n_tokens, (size_t)KERNELS_PACK_TOKENS);
    set.pack[a](&job, cut, n_tokens);
    set.pack[a](&job, 0, cut);
    bool good = true;
    for (size_t t = 0; t < n_tokens; t++) {
        const float *from = x.y + t * x_stride;
        set.unpack[a](&job, t, got.y);
        for (size_t block = 0; block < n; block += GGUF_BLOCK) {
            float max = largest_sharing(a, from, n, block);
            for (size_t i = block; i < MIN(block + GGUF_BLOCK, n); i++) {
                good &= fabs((double)got.y[i] - from[i]) <= pack_limit(a, from[i], max);
            }
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
        KernelsPackJob job = { .x = x, .n = 64, .n_tokens = 1, .y = packed };
        set.pack[a](&job, 0, 1);
        set.unpack[a](&job, 0, y);
        bool good = !isfinite(y[40]);
        for (size_t k = 0; k < 32; k++) good &= fabsf(y[k] - x[k]) < 0.2F;
        check(good, "pack of what is not finite", "", 64, i);
        free(packed);
    }
}

static void check_pack(void) {
    static const size_t lengths[] = { 32, 64, 96, 512, 544, 1120, 2048, 4384 };
    static const int exponents[] = { 0, -110, -130, 20, 126 };
    for (int a = 0; a < KERNELS_N_ARITHMETICS; a++) {
        if (!set.pack[a]) continue;
        for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
            for (size_t k = 0; k < N_ELEMENTS(exponents); k++) {
                check_pack_length((KernelsArithmetic)a, lengths[i], 1, exponents[k]);
                check_pack_length((KernelsArithmetic)a, lengths[i], 7, exponents[k]);
                check_pack_length((KernelsArithmetic)a, lengths[i], 19, exponents[k]);
            }
        }
        check_pack_not_finite((KernelsArithmetic)a);
    }
}

static void check_matmul(const GgufTypeTraits *t) {
    static const size_t tokens[] = { 0, 1, 2, 3, 4, 5, 7, 9, 37 };
    static const size_t rows[] = { 1, 3, 4, 9, 53 };
    size_t lengths[16], n_lengths = lengths_of(t, lengths), k = 0;
    for (size_t i = 0; i < n_lengths; i++) {
        for (size_t j = 0; j < N_ELEMENTS(tokens); j++, k++) {
            check_product(t, lengths[i], rows[k % 5], tokens[j], k % 3, k % 7 == 0);
        }
    }
    for (size_t i = 0; t->n_elements == 1 && i < n_lengths; i++) { /* many in all sets */
        check_product(t, lengths[i], rows[i % 5], 63, i % 3, i % 2);
    }
    size_t large = t->n_elements == 1 ? 4099 : 11008;
    check_product(t, large, 5, 1, 1, false);
    check_product(t, large, 3, 9, 2, true);
    check_product(t, large, 17, 16, 0, false); /* whole tiles, and more rows than a panel has */
    check_product(t, lengths[n_lengths - 2], 70, 48, 1, true);
    if (t->n_elements == 1) check_product(t, 33, 18, 530, 1, true); /* past a block of tokens */
}

/* ---- numbers that are not finite ---------------------------------------------------------------
 */

/* A weight or its scale becomes NaN or infinite. */
static void poison(GgufType type, uint8_t *block, bool nan) {
    float f = nan ? NAN : INFINITY;
    uint16_t b = gguf_f32_to_bf16(f);
    switch (type) {
    case GGUF_TYPE_F32: memcpy(block, &f, sizeof f); break;
    case GGUF_TYPE_BF16: memcpy(block, &b, sizeof b); break;
    case GGUF_TYPE_Q2_K: put_half(block + 80, f); break;
    case GGUF_TYPE_Q3_K: put_half(block + 108, f); break;
    case GGUF_TYPE_Q6_K: put_half(block + 208, f); break;
    default: put_half(block, f); break;
    }
}

/* y [tokens, rows] is what it was, but for row and token `bad`, all of which is not finite. */
static bool only_bad(const Product *p, const float *clean, size_t bad, bool is_row) {
    bool good = true;
    for (size_t k = 0; k < p->job.n_tokens; k++) {
        for (size_t r = 0; r < p->n_rows; r++) {
            size_t at = k * p->job.y_stride + r;
            bool hit = (is_row ? r : k) == bad;
            good &= hit ? !isfinite(p->job.y[at]) : same_bits(p->job.y + at, clean + at, 1);
        }
    }
    return good;
}

/* NaN and infinity reach the outputs of their own row or token, and no others. */
static void check_not_finite(const GgufTypeTraits *t, size_t n_tokens, bool nan) {
    enum { ROWS = 6, BAD = 1 };
    size_t n = t->n_elements == 1 ? 96 : 3 * t->n_elements;
    Product p = product_new(t, n, ROWS, n_tokens, 0, false);
    Guarded clean = guarded_new(n_tokens * ROWS, 0);
    product_of(t)->matmul(&p.job, 0, ROWS, p.scratch);
    memcpy(clean.y, p.y.y, n_tokens * ROWS * sizeof(float));
    uint8_t *row = p.memory + BAD * p.job.row_bytes, kept[sizeof(GgufBlockQ6_K)];
    memcpy(kept, row, t->bytes);
    poison(t->type, row, nan);
    product_of(t)->matmul(&p.job, 0, ROWS, p.scratch);
    check(only_bad(&p, clean.y, BAD, true), "weights not finite", t->name, n, n_tokens);
    memcpy(row, kept, t->bytes);
    free(p.packed);
    p.packed = NULL;
    p.x.y[BAD * n + 40] = nan ? NAN : INFINITY;
    pack_inputs(&p, n, n_tokens, n);
    product_of(t)->matmul(&p.job, 0, ROWS, p.scratch);
    check(only_bad(&p, clean.y, BAD, false), "inputs not finite", t->name, n, n_tokens);
    free(clean.all);
    product_deinit(&p);
}

void check_products(void) {
    check_pack();
    for (uint32_t number = 0; number < GGUF_N_TYPE_NUMBERS; number++) {
        const GgufTypeTraits *t = gguf_type_traits(number);
        if (!t) continue;
        check_decode(t);
        for (use = 0; use < KERNELS_N_USES; use++) {
            if (use > 0 && kernels_same_product(&set, number)) break;
            check_matmul(t);
            check_extremes_type(t);
            check_exact_type(t);
            for (int nan = 0; nan < 2; nan++) {
                check_not_finite(t, 3, nan);
                check_not_finite(t, 11, nan);
            }
        }
    }
}
