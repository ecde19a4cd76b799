#pragma once
/* Attention of prompts over a cache of f16, in bf16 tiles. Keys and values are exactly two bf16;
 * queries and weights are two as well, which hold 16 of their 24 significant bits; of the four
 * products of parts the smallest is left out. So scores and outputs are right to some 2^-16: a
 * hundredth of what rounding inputs to bf16 costs in the products before and after. What is scaled,
 * compared and exponentiated are vectors of 16 rows (a row is a query head of a token): keys, and
 * transposed values, are the left sides of products, so nothing is added up across a vector.
 *
 * Page by page with a running maximum, as vec_attention.h; but a page is 64 positions here,
 * whatever the cache's pages are. It is split into parts once for all rows of the job, so that many
 * rows suit it. A row's weights of positions that it does not see are zero, and they are
 * multiplied: what is not finite there makes it NaN. Folder-private. */
#include "kernels/x86/tiles_amx.h"

#define LOG2_E 0x1.715476p+0F
enum {
    PAGE = KERNELS_PAGE_TOKENS,
    PAGE_TILES = PAGE / TILE,
    PAGE_GROUPS = PAGE / BF16_GROUP,
    ROW_PARTS = 2, /* of queries and weights */
    ROW_TILE_BYTES = ROW_PARTS * TILE_BYTES,
};
static const TileForm attention_form = {
    ROW_PARTS, F16_PARTS, 3, { { 1, 0 }, { 0, 1 }, { 0, 0 } }
};

typedef struct TileAttention {
    const KernelsAttentionJob *job;
    size_t n_rows, n_tiles;          /* of rows, 16 each */
    size_t key_groups, value_groups; /* of 32 numbers; of values an even number */
    uint8_t *queries;                /* [n_tiles, key_groups, parts] tiles: pairs, rows */
    uint8_t *keys;                   /* [PAGE_TILES, key_groups, parts] tiles: keys, numbers */
    uint8_t *values;                 /* [2 value_groups, PAGE_GROUPS, parts] tiles: numbers, keys */
    uint8_t *weights;                /* [2, PAGE_GROUPS, parts] tiles: pairs of keys, rows */
    SumTile *scores;                 /* [2, PAGE_TILES]: keys, rows */
    SumTile *sums;                   /* [n_tiles, 2 value_groups]: numbers, rows */
    float *max, *total;              /* [n_tiles][rows] */
    int32_t *ends; /* [n_tiles][rows]: positions that a row sees; past the last, 0 */
} TileAttention;

/* ---- parts -----------------------------------------------------------------------------------
 */

/* Where the n keys and values of a page are; a page of the cache may have fewer. */
typedef struct Page {
    size_t n;
    const uint8_t *keys[PAGE], *values[PAGE];
} Page;

static Page page_at(const KernelsAttentionJob *job, size_t begin, size_t n) {
    Page page = { .n = n };
    size_t at = begin % job->page_tokens, i = begin / job->page_tokens;
    for (size_t p = 0; p < n; p++) {
        const uint8_t *keys = job->base + job->pages[i] * job->page_bytes;
        page.keys[p] = keys + at * 2 * job->key_dim;
        page.values[p] = keys + job->values_offset + at * 2 * job->value_dim;
        if (++at == job->page_tokens) at = 0, i++;
    }
    return page;
}

/* n rows of f16, zeros up to a whole page. */
static void split_keys(const TileAttention *a, const Page *page) {
    size_t tile_bytes = a->key_groups * F16_PARTS * TILE_BYTES;
    for (size_t p = 0; p < PAGE; p++) {
        uint8_t *to = a->keys + p / TILE * tile_bytes + p % TILE * TILE_ROW_BYTES;
        if (p < page->n) {
            expand_f16(page->keys[p], a->job->key_dim, a->key_groups, to);
            continue;
        }
        for (size_t i = 0; i < a->key_groups * F16_PARTS; i++) {
            _mm512_store_si512(to + i * TILE_BYTES, _mm512_setzero_si512());
        }
    }
}

/* 32 numbers from the first-th on, of n_left, of the 32 rows of f16 at rows, of which n are there,
 * transposed. */
ALWAYS_INLINE void split_values_block(const uint8_t *const *rows, size_t first, size_t n,
                                      size_t n_left, uint8_t *to, size_t dim_stride) {
    __m512i pairs[2][TILE], dims[TILE], parts[F16_PARTS];
    UNROLL for (size_t k = 0; k < TILE; k++) {
        __m512i zero = _mm512_setzero_si512();
        __m512i even = 2 * k < n ? words_at(rows[2 * k] + 2 * first, n_left, 0) : zero;
        __m512i odd = 2 * k + 1 < n ? words_at(rows[2 * k + 1] + 2 * first, n_left, 0) : zero;
        pairs[0][k] = _mm512_unpacklo_epi16(even, odd);
        pairs[1][k] = _mm512_unpackhi_epi16(even, odd);
    }
    for (size_t half = 0; half < 2; half++) {
        transpose_16(pairs[half], dims);
        for (size_t j = 0; j < TILE; j++) {
            size_t dim = j / 4 * 8 + half * 4 + j % 4; /* as unpacking leaves them */
            split_f16(dims[j], parts);
            uint8_t *row = to + dim / TILE * dim_stride + dim % TILE * TILE_ROW_BYTES;
            for (size_t p = 0; p < F16_PARTS; p++)
                _mm512_store_si512(row + p * TILE_BYTES, parts[p]);
        }
    }
}

static void split_values(const TileAttention *a, const Page *page) {
    size_t dim_stride = PAGE_GROUPS * F16_PARTS * TILE_BYTES;
    for (size_t g = 0; g < PAGE_GROUPS; g++) {
        size_t first = g * BF16_GROUP, here = page->n > first ? page->n - first : 0;
        for (size_t d = 0; d * BF16_GROUP < a->job->value_dim; d++) {
            split_values_block(
                page->values + first, d * BF16_GROUP, here, a->job->value_dim - d * BF16_GROUP,
                a->values + 2 * d * dim_stride + g * F16_PARTS * TILE_BYTES, dim_stride);
        }
    }
}

/* ---- scores and weights -----------------------------------------------------------------------
 */

/* Scores of one or two tiles of rows. */
ALWAYS_INLINE void page_scores(const TileAttention *a, size_t tile, bool two) {
    size_t group = F16_PARTS * TILE_BYTES, stride = a->key_groups * group;
    size_t q_stride = a->key_groups * ROW_TILE_BYTES;
    const uint8_t *q = a->queries + tile * q_stride;
    SumsTurn turn = { .begins = true };
    for (size_t k = 0; k < PAGE_TILES; k += 2) {
        const uint8_t *keys = a->keys + k * stride;
        turn.now = run_sums(a->scores + k, a->scores + PAGE_TILES + k, two);
        for (size_t g = 0; g < a->key_groups; g++) {
            add_products(&attention_form, keys + g * group, keys + stride + g * group,
                         q + g * ROW_TILE_BYTES, q + q_stride + g * ROW_TILE_BYTES, two,
                         g == 0 ? &turn : NULL);
        }
        turn.before = turn.now;
    }
    keep_sums(&turn.before);
}

/* Two keys' weights of 16 rows, none of them negative, to a row of pairs of each part: the first 8
 * significant bits, the next 8 to the nearest. */
ALWAYS_INLINE void store_pairs(__m512 even, __m512 odd, uint8_t *to) {
    __m512i upper = _mm512_set1_epi32((int)0xFFFF0000);
    __m512 mask = _mm512_castsi512_ps(upper);
    __m512i rest_even = rounded(_mm512_sub_ps(even, _mm512_and_ps(even, mask)));
    __m512i rest_odd = rounded(_mm512_sub_ps(odd, _mm512_and_ps(odd, mask)));
    /* bits of the odd one above, those of the even one below */
#define PAIR(a, b) _mm512_ternarylogic_epi32(_mm512_srli_epi32(a, 16), b, upper, 0xF8)
    _mm512_store_si512(to, PAIR(_mm512_castps_si512(even), _mm512_castps_si512(odd)));
    _mm512_store_si512(to + TILE_BYTES, PAIR(rest_even, rest_odd));
#undef PAIR
}

/* 2^t for t <= 0, to 2e-7 of it and exactly for 0; 2^-100 for all below that, so that its parts are
 * no numbers below 2^-126, which take 100 times as long. t is cut to a whole number and a rest of
 * 1/2 at the most, whose power is the polynomial of degree 5 with the least relative error. */
ALWAYS_INLINE __m512 power_of_two(__m512 t) {
    __m512 whole_bits = _mm512_set1_ps(0x1.8p23F); /* a sum has whole numbers in its lowest bits */
    t = _mm512_max_ps(_mm512_set1_ps(-100), t);    /* this order keeps NaN */
    __m512 sum = _mm512_add_ps(t, whole_bits);
    __m512 r = _mm512_sub_ps(t, _mm512_sub_ps(sum, whole_bits));
    __m512 p = _mm512_set1_ps(0x1.5bbcdp-10F);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.3ce884p-7F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.c6b742p-5F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.ebf9cp-3F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.62e42ap-1F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(sum), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), exponent));
}

/* The greatest of the rows' scores, of what they see, and of max. A NaN may be left out: its weight
 * is NaN whatever this is. */
ALWAYS_INLINE __m512 greatest(float scores[PAGE][TILE], __m512i seen, bool all, __m512 max) {
    __m512 maxima[4] = { max, max, max, max };
    for (size_t p = 0; p < PAGE; p += 4) {
        UNROLL for (size_t i = 0; i < 4; i++) {
            __m512 score = _mm512_load_ps(scores[p + i]);
            __mmask16 visible =
                all ? 0xFFFF : _mm512_cmpgt_epi32_mask(seen, _mm512_set1_epi32((int)(p + i)));
            maxima[i] = _mm512_mask_max_ps(maxima[i], visible, maxima[i], score);
        }
    }
    return _mm512_max_ps(_mm512_max_ps(maxima[0], maxima[1]), _mm512_max_ps(maxima[2], maxima[3]));
}

/* Scores to weights exp(score - max) in parts; updates max and total. Returns the scale of what was
 * summed before. seen: positions of the page that each row sees; all: that is the whole page. */
ALWAYS_INLINE __m512 weigh(const TileAttention *a, size_t tile, __m512i seen, bool all,
                           float scores[PAGE][TILE], uint8_t *weights) {
    __m512 scale = _mm512_set1_ps(a->job->scale * LOG2_E);
    __m512 before = _mm512_load_ps(a->max + tile * TILE), sums[4];
    __m512 max = greatest(scores, seen, all, before);
    UNROLL for (size_t i = 0; i < 4; i++) sums[i] = _mm512_setzero_ps();
    for (size_t p = 0; p < PAGE; p += 4) {
        __m512 w[4];
        UNROLL for (size_t i = 0; i < 4; i++) {
            __m512 less = _mm512_sub_ps(_mm512_load_ps(scores[p + i]), max);
            w[i] = power_of_two(_mm512_mul_ps(less, scale));
            if (!all) {
                __mmask16 visible = _mm512_cmpgt_epi32_mask(seen, _mm512_set1_epi32((int)(p + i)));
                w[i] = _mm512_maskz_mov_ps(visible, w[i]);
            }
            sums[i] = _mm512_add_ps(sums[i], w[i]);
        }
        uint8_t *to =
            weights + p / BF16_GROUP * ROW_TILE_BYTES + p % BF16_GROUP / 2 * TILE_ROW_BYTES;
        store_pairs(w[0], w[1], to);
        store_pairs(w[2], w[3], to + TILE_ROW_BYTES);
    }
    __m512 total = _mm512_load_ps(a->total + tile * TILE);
    /* The first page has nothing before it; -inf - -inf would be NaN. */
    __mmask16 first = _mm512_cmp_ps_mask(total, _mm512_setzero_ps(), _CMP_EQ_OQ);
    __mmask16 same = _mm512_cmp_ps_mask(before, max, _CMP_EQ_OQ);
    __m512 less = _mm512_maskz_sub_ps((__mmask16)~same, before, max);
    __m512 keep = power_of_two(_mm512_mul_ps(less, scale));
    keep = _mm512_maskz_mov_ps((__mmask16)~first, keep);
    __m512 sum = _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
    _mm512_store_ps(a->total + tile * TILE, _mm512_fmadd_ps(total, keep, sum));
    _mm512_store_ps(a->max + tile * TILE, max);
    return keep;
}

static __m512 page_weights(const TileAttention *a, size_t tile, __m512i seen, SumTile *tiles,
                           uint8_t *weights) {
    __mmask16 all = _mm512_cmpeq_epi32_mask(seen, _mm512_set1_epi32(PAGE));
    return all == 0xFFFF ? weigh(a, tile, seen, true, tiles[0], weights)
                         : weigh(a, tile, seen, false, tiles[0], weights);
}

/* What was summed before of a tile of rows times keep. */
static void keep_values(const TileAttention *a, size_t tile, __m512 keep) {
    size_t n_dims = a->value_groups * BF16_GROUP;
    float(*sums)[TILE] = a->sums[tile * n_dims / TILE];
    if (_mm512_cmp_ps_mask(keep, _mm512_set1_ps(1), _CMP_NEQ_UQ) == 0) return;
    for (size_t d = 0; d < n_dims; d++) {
        _mm512_store_ps(sums[d], _mm512_mul_ps(_mm512_load_ps(sums[d]), keep));
    }
}

ALWAYS_INLINE void page_values(const TileAttention *a, size_t tile, bool two) {
    size_t group = F16_PARTS * TILE_BYTES, stride = PAGE_GROUPS * group;
    size_t n_tiles = 2 * a->value_groups, x_stride = PAGE_GROUPS * ROW_TILE_BYTES;
    SumTile *sums = a->sums + tile * n_tiles, *later = sums + n_tiles;
    SumsTurn turn = { .begins = false };
    for (size_t d = 0; d < n_tiles; d += 2) {
        const uint8_t *values = a->values + d * stride;
        turn.now = run_sums(sums + d, later + d, two);
        for (size_t g = 0; g < PAGE_GROUPS; g++) {
            const uint8_t *x = a->weights + g * ROW_TILE_BYTES;
            add_products(&attention_form, values + g * group, values + stride + g * group, x,
                         x + x_stride, two, g == 0 ? &turn : NULL);
        }
        turn.before = turn.now;
    }
    keep_sums(&turn.before);
}

/* ---- the job ---------------------------------------------------------------------------------
 */

/* Positions of a page [begin, begin + n) that the rows of a tile see. */
ALWAYS_INLINE __m512i seen_by(const TileAttention *a, size_t tile, size_t begin, size_t n) {
    __m512i ends = _mm512_load_si512(a->ends + tile * TILE);
    __m512i here = _mm512_sub_epi32(ends, _mm512_set1_epi32((int)begin));
    here = _mm512_max_epi32(here, _mm512_setzero_si512());
    return _mm512_min_epi32(here, _mm512_set1_epi32((int)n));
}

static void split_queries(const TileAttention *a) {
    const KernelsAttentionJob *job = a->job;
    for (size_t tile = 0; tile < a->n_tiles; tile++) {
        for (size_t g = 0; g < a->key_groups; g++) {
            uint8_t *to = a->queries + (tile * a->key_groups + g) * ROW_TILE_BYTES;
            __m512i rows[ROW_PARTS][TILE], parts[BF16_PARTS];
            size_t n = MIN(job->key_dim - g * BF16_GROUP, (size_t)BF16_GROUP);
            for (size_t i = 0; i < TILE; i++) {
                size_t row = MIN(tile * TILE + i, a->n_rows - 1);
                const float *q = job->q + row / job->n_heads * job->q_stride +
                                 row % job->n_heads * job->key_dim + g * BF16_GROUP;
                input_parts(q, n, ROW_PARTS, parts);
                for (size_t p = 0; p < ROW_PARTS; p++) rows[p][i] = parts[p];
            }
            store_tiles(rows, ROW_PARTS, TILE, to);
        }
    }
}

static TileAttention tile_attention(const KernelsAttentionJob *job, float *scratch) {
    TileAttention a = { .job = job,
                        .n_rows = job->n_queries * job->n_heads,
                        .key_groups = (job->key_dim + BF16_GROUP - 1) / BF16_GROUP };
    a.value_groups = (job->value_dim + 2 * BF16_GROUP - 1) / (2 * BF16_GROUP) * 2;
    a.n_tiles = (a.n_rows + TILE - 1) / TILE;
    uint8_t *p = (uint8_t *)scratch;
#define TAKE(field, bytes) (a.field = (void *)p, p += (bytes))
    TAKE(keys, PAGE_TILES * a.key_groups * F16_PARTS * TILE_BYTES);
    TAKE(values, a.value_groups * 2 * PAGE_GROUPS * F16_PARTS * TILE_BYTES);
    TAKE(weights, 2 * PAGE_GROUPS * ROW_TILE_BYTES);
    TAKE(scores, 2 * PAGE_TILES * sizeof(SumTile));
    TAKE(queries, a.n_tiles * a.key_groups * ROW_TILE_BYTES);
    TAKE(sums, a.n_tiles * 2 * a.value_groups * sizeof(SumTile));
    TAKE(max, a.n_tiles * TILE * sizeof(float));
    TAKE(total, a.n_tiles * TILE * sizeof(float));
    TAKE(ends, a.n_tiles * TILE * sizeof(int32_t));
#undef TAKE
    memset(a.sums, 0, a.n_tiles * 2 * a.value_groups * sizeof(SumTile));
    memset(a.values, 0, a.value_groups * 2 * PAGE_GROUPS * F16_PARTS * TILE_BYTES);
    for (size_t i = 0; i < a.n_tiles * TILE; i++) {
        a.max[i] = -INFINITY;
        a.total[i] = 0;
        a.ends[i] = i < a.n_rows ? (int32_t)(job->end + i / job->n_heads) : 0;
    }
    return a;
}

static void store_rows(const TileAttention *a) {
    const KernelsAttentionJob *job = a->job;
    for (size_t tile = 0; tile < a->n_tiles; tile++) {
        __m512 total = _mm512_load_ps(a->total + tile * TILE);
        for (size_t d = 0; d < job->value_dim; d += TILE) {
            __m512i dims[TILE], rows[TILE];
            const float(*sums)[TILE] = a->sums[tile * 2 * a->value_groups + d / TILE];
            __mmask16 mask = (__mmask16)(0xFFFFU >> (TILE - MIN(job->value_dim - d, (size_t)TILE)));
            for (size_t i = 0; i < TILE; i++) {
                dims[i] = _mm512_castps_si512(_mm512_div_ps(_mm512_load_ps(sums[i]), total));
            }
            transpose_16(dims, rows);
            for (size_t i = 0; i < TILE && tile * TILE + i < a->n_rows; i++) {
                size_t row = tile * TILE + i;
                float *y = job->y + row / job->n_heads * job->y_stride +
                           row % job->n_heads * job->value_dim + d;
                _mm512_mask_storeu_ps(y, mask, _mm512_castsi512_ps(rows[i]));
            }
        }
    }
}

/* One page and two tiles of rows, or the last one. */
static void page_rows(const TileAttention *a, size_t tile, size_t begin, size_t n) {
    bool two = tile + 1 < a->n_tiles;
    __m512i seen[2] = { seen_by(a, tile, begin, n), seen_by(a, tile + two, begin, n) };
    /* the later rows see more */
    if (_mm512_test_epi32_mask(seen[two], seen[two]) == 0) return;
    if (two) {
        page_scores(a, tile, true);
    } else {
        page_scores(a, tile, false);
    }
    for (size_t i = 0; i < (two ? 2 : 1); i++) {
        keep_values(a, tile + i,
                    page_weights(a, tile + i, seen[i], a->scores + i * PAGE_TILES,
                                 a->weights + i * PAGE_GROUPS * ROW_TILE_BYTES));
    }
    if (two) {
        page_values(a, tile, true);
    } else {
        page_values(a, tile, false);
    }
}

static void attention_f16_amx(const KernelsAttentionJob *job, float *scratch) {
    TileAttention a = tile_attention(job, scratch);
    size_t end = job->end + job->n_queries - 1, n;
    split_queries(&a);
    configure_tiles(TILE);
    for (size_t begin = job->begin; begin < end; begin += n) {
        n = MIN(PAGE - begin % PAGE, end - begin);
        Page page = page_at(job, begin, n);
        split_keys(&a, &page);
        split_values(&a, &page);
        for (size_t tile = 0; tile < a.n_tiles; tile += 2) page_rows(&a, tile, begin, n);
    }
    tiles_release();
    store_rows(&a);
}
