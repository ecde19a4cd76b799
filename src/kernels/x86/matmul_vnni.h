#pragma once
/* Products of weights unpacked to slabs and inputs packed to slabs, by VPDPBUSD.
 *
 * An output is a vector of 16 partial sums, one for each block of 32 of a slab. For each slab in
 * order: the integer dot product of each block (exact), to float, times the product of the two
 * scales, added with one rounding; then, where the type has them, the minima in the same way. At
 * the end one fixed tree adds the lanes. Nothing in it depends on how many rows and tokens are
 * computed side by side, so all paths below give the same bits.
 *
 * Up to DIRECT_TOKENS tokens: a slab of weights is unpacked into registers and used at once.
 * More: a panel of KERNELS_PANEL_ROWS rows is unpacked into scratch (L2), then tiles of four rows
 * and up to TILE_TOKENS tokens keep their integer sums in registers: 4 x 5 sums, four weights and
 * one input are 25 of 32, and nine loads feed twenty products. Their float sums stand in L1.
 * Measured on Zen 4: 10.6 cycles for an output's slab, of which 8 are the products themselves. */
#include "kernels/x86/unpack_vnni.h"

#include <assert.h>

enum { DIRECT_TOKENS = 4, TILE_ROWS = 4, TILE_TOKENS = 5 };

/* A slab of a panel; m is missing in the kinds that have none (slab_bytes). */
typedef struct WeightSlab {
    _Alignas(64) uint8_t q[SLAB_STEPS][4 * SLAB_BLOCKS];
    float factors[4][SLAB_BLOCKS];
} WeightSlab;

/* How many scales and addends a kind has: they follow each other in WeightSlab. */
ALWAYS_INLINE size_t n_scales(SlabKind kind) {
    return kind == SLAB_HALVES || kind == SLAB_HALVES_MIN ? 2 : 1;
}
ALWAYS_INLINE size_t n_addends(SlabKind kind) {
    return kind == SLAB_MIN ? 1 : kind == SLAB_HALVES_MIN ? 2 : 0;
}
ALWAYS_INLINE size_t slab_bytes(SlabKind kind) {
    return sizeof(((WeightSlab *)NULL)->q) +
           (n_scales(kind) + n_addends(kind)) * SLAB_BLOCKS * sizeof(float);
}

/* sums += the dot products of four unsigned and four signed bytes in each lane. As a statement,
 * because GCC 12 copies the accumulators of the intrinsic and runs out of registers: a third of the
 * speed of the tile below. */
#define DOT(sums, weights, inputs)                                                                 \
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(inputs))

/* What integer sums of block halves [first, past) begin with: -zero * sum of the inputs. */
ALWAYS_INLINE __m512i correction(const KernelsInputSlab *x, size_t first, size_t past, int zero) {
    if (zero == 0) return _mm512_setzero_si512();
    __m512i sum = _mm512_load_si512(x->sum[first]);
    if (past - first == 2) sum = _mm512_add_epi32(sum, _mm512_load_si512(x->sum[1]));
    return _mm512_mullo_epi32(sum, _mm512_set1_epi32(-zero));
}

/* Sum of the inputs themselves, for addends. */
ALWAYS_INLINE __m512 input_sum(const KernelsInputSlab *x, size_t first, size_t past) {
    __m512i sum = _mm512_load_si512(x->sum[first]);
    if (past - first == 2) sum = _mm512_add_epi32(sum, _mm512_load_si512(x->sum[1]));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_load_ps(x->d));
}

/* Lanes i and i + 8, then i + 4, i + 2, i + 1. */
ALWAYS_INLINE __m128 fold_to_4(__m512 v) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
}
ALWAYS_INLINE float fold_to_1(__m512 v) {
    __m128 b = fold_to_4(v);
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* ---- few tokens ------------------------------------------------------------------------------ */

/* One slab of one row times n_tokens inputs. */
ALWAYS_INLINE void direct_slab(const Slab *w, const KernelsInputSlab *const *x, size_t n_tokens,
                               SlabKind kind, int zero, __m512 sums[DIRECT_TOKENS]) {
    size_t halves = n_scales(kind), steps = SLAB_STEPS / halves;
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        __m512 scale = _mm512_load_ps(x[t]->d);
        UNROLL for (size_t h = 0; h < halves; h++) {
            size_t past = halves == 2 ? h + 1 : 2;
            /* two chains: integers may be added in any order */
            __m512i a = correction(x[t], h, past, zero), b = _mm512_setzero_si512();
            UNROLL for (size_t k = h * steps; k < (h + 1) * steps; k += 2) {
                DOT(a, w->q[k], _mm512_load_si512(x[t]->q[k]));
                DOT(b, w->q[k + 1], _mm512_load_si512(x[t]->q[k + 1]));
            }
            __m512 dot = _mm512_cvtepi32_ps(_mm512_add_epi32(a, b));
            sums[t] = _mm512_fmadd_ps(dot, _mm512_mul_ps(w->d[h], scale), sums[t]);
            if (n_addends(kind) == 0) continue;
            sums[t] = _mm512_fmadd_ps(w->m[h], input_sum(x[t], h, past), sums[t]);
        }
    }
}

typedef struct RowShape {
    size_t n_slabs;     /* whole ones and a part */
    size_t whole;       /* whole slabs */
    size_t slab_stride; /* bytes of a whole slab in the row */
    size_t rest;        /* bytes of the part */
} RowShape;

ALWAYS_INLINE RowShape row_shape(const KernelsMatmulJob *job, size_t slab_stride) {
    RowShape s = { .slab_stride = slab_stride, .whole = job->n / KERNELS_SLAB };
    s.rest = job->row_bytes - s.whole * slab_stride;
    s.n_slabs = s.whole + (s.rest > 0);
    return s;
}

enum { MAX_SLAB_BYTES = 16 * sizeof(GgufBlockQ8_0), PREFETCH_BYTES = 2048 };

/* The part at a row's end, followed by zeros: blocks of zeros have scales of zero. */
ALWAYS_INLINE Slab unpack_rest(const uint8_t *p, size_t rest, UnpackSlab *unpack) {
    uint8_t padded[MAX_SLAB_BYTES] = { 0 };
    memcpy(padded, p, rest);
    return unpack(padded);
}

ALWAYS_INLINE void direct_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               size_t first, size_t n_tokens, size_t slab_stride,
                               UnpackSlab *unpack, SlabKind kind, int zero) {
    RowShape shape = row_shape(job, slab_stride);
    for (size_t r = row_begin; r < row_end; r++) {
        const uint8_t *p = (const uint8_t *)job->w + r * job->row_bytes;
        const KernelsInputSlab *x[DIRECT_TOKENS];
        __m512 sums[DIRECT_TOKENS];
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            x[t] = (const void *)((const uint8_t *)job->x + (first + t) * job->x_stride);
            sums[t] = _mm512_setzero_ps();
        }
        for (size_t s = 0; s < shape.n_slabs; s++, p += slab_stride) {
            for (size_t i = 0; i < slab_stride; i += 64) {
                _mm_prefetch((const char *)p + PREFETCH_BYTES + i, _MM_HINT_T0);
            }
            Slab w = s < shape.whole ? unpack(p) : unpack_rest(p, shape.rest, unpack);
            direct_slab(&w, x, n_tokens, kind, zero, sums);
            UNROLL for (size_t t = 0; t < n_tokens; t++) x[t]++;
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            float *y = job->y + (first + t) * job->y_stride + r, sum = fold_to_1(sums[t]);
            *y = job->accumulate ? *y + sum : sum;
        }
    }
}

/* ---- many tokens ------------------------------------------------------------------------------
 */

ALWAYS_INLINE void store_slab(const Slab *slab, SlabKind kind, WeightSlab *ret) {
    UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) _mm512_store_si512(ret->q[k], slab->q[k]);
    UNROLL for (size_t i = 0; i < n_scales(kind); i++) {
        _mm512_store_ps(ret->factors[i], slab->d[i]);
    }
    UNROLL for (size_t i = 0; i < n_addends(kind); i++) {
        _mm512_store_ps(ret->factors[n_scales(kind) + i], slab->m[i]);
    }
}

/* Rows [row, row + n_rows) to panel, [n_rows, n_slabs] slabs. */
ALWAYS_INLINE void unpack_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                RowShape shape, uint8_t *panel, UnpackSlab *unpack, SlabKind kind) {
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *p = (const uint8_t *)job->w + (row + r) * job->row_bytes;
        for (size_t s = 0; s < shape.n_slabs; s++, p += shape.slab_stride) {
            Slab slab = s < shape.whole ? unpack(p) : unpack_rest(p, shape.rest, unpack);
            store_slab(&slab, kind, (WeightSlab *)(void *)panel);
            panel += slab_bytes(kind);
        }
    }
}

typedef struct Tile {
    const uint8_t *w[TILE_ROWS];            /* slabs of the panel's rows */
    const KernelsInputSlab *x[TILE_TOKENS]; /* slabs of the tokens */
    size_t n_slabs;
    int zero;
    _Alignas(64) float sums[TILE_TOKENS][TILE_ROWS][SLAB_BLOCKS];
} Tile;

/* The steps of one half (or all) of slab s, and its float sums. */
ALWAYS_INLINE void tile_steps(Tile *tile, size_t s, size_t n_tokens, SlabKind kind, size_t h) {
    size_t halves = n_scales(kind), steps = SLAB_STEPS / halves, past = halves == 2 ? h + 1 : 2;
    const WeightSlab *w[TILE_ROWS];
    __m512i dots[TILE_TOKENS][TILE_ROWS];
    UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
        w[r] = (const WeightSlab *)(const void *)(tile->w[r] + s * slab_bytes(kind));
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        __m512i begin = correction(tile->x[t] + s, h, past, tile->zero);
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) dots[t][r] = begin;
    }
    for (size_t k = h * steps; k < (h + 1) * steps; k++) {
        __m512i weights[TILE_ROWS];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) weights[r] = _mm512_load_si512(w[r]->q[k]);
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m512i inputs = _mm512_load_si512(tile->x[t][s].q[k]);
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) DOT(dots[t][r], weights[r], inputs);
        }
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        __m512 scale = _mm512_load_ps(tile->x[t][s].d);
        __m512 total = n_addends(kind) ? input_sum(tile->x[t] + s, h, past) : scale;
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            __m512 factor = _mm512_mul_ps(_mm512_load_ps(w[r]->factors[h]), scale);
            __m512 sum = _mm512_load_ps(tile->sums[t][r]);
            sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][r]), factor, sum);
            if (n_addends(kind)) {
                sum = _mm512_fmadd_ps(_mm512_load_ps(w[r]->factors[halves + h]), total, sum);
            }
            _mm512_store_ps(tile->sums[t][r], sum);
        }
    }
}

ALWAYS_INLINE void tile_run(Tile *tile, size_t n_tokens, SlabKind kind) {
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            _mm512_store_ps(tile->sums[t][r], _mm512_setzero_ps());
        }
    }
    for (size_t s = 0; s < tile->n_slabs; s++) {
        UNROLL for (size_t h = 0; h < n_scales(kind); h++) tile_steps(tile, s, n_tokens, kind, h);
    }
}

typedef void TileRun(Tile *tile);
#define DEFINE_TILE(name, kind, n_tokens)                                                          \
    static __attribute__((noinline)) void tile_##name##_##n_tokens(Tile *tile) {                   \
        tile_run(tile, n_tokens, kind);                                                            \
    }
#define DEFINE_TILES(name, kind)                                                                   \
    DEFINE_TILE(name, kind, 1)                                                                     \
    DEFINE_TILE(name, kind, 2)                                                                     \
    DEFINE_TILE(name, kind, 3)                                                                     \
    DEFINE_TILE(name, kind, 4)                                                                     \
    DEFINE_TILE(name, kind, 5)
DEFINE_TILES(plain, SLAB_PLAIN)
DEFINE_TILES(min, SLAB_MIN)
DEFINE_TILES(halves, SLAB_HALVES)
DEFINE_TILES(halves_min, SLAB_HALVES_MIN)
#define LIST_TILES(name)                                                                           \
    { tile_##name##_1, tile_##name##_2, tile_##name##_3, tile_##name##_4, tile_##name##_5 }
static TileRun *const tiles[][TILE_TOKENS] = { LIST_TILES(plain), LIST_TILES(min),
                                               LIST_TILES(halves), LIST_TILES(halves_min) };

/* Four sums a token, by the tree of fold_to_1. */
static inline void tile_store(const Tile *tile, const KernelsMatmulJob *job, size_t row,
                              size_t n_rows, size_t token, size_t n_tokens) {
    for (size_t t = 0; t < n_tokens; t++) {
        __m128 s[TILE_ROWS];
        for (size_t r = 0; r < TILE_ROWS; r++) s[r] = fold_to_4(_mm512_load_ps(tile->sums[t][r]));
        _MM_TRANSPOSE4_PS(s[0], s[1], s[2], s[3]);
        __m128 sums = _mm_add_ps(_mm_add_ps(s[0], s[2]), _mm_add_ps(s[1], s[3]));
        __mmask8 mask = (__mmask8)((1U << n_rows) - 1);
        float *y = job->y + (token + t) * job->y_stride + row;
        if (job->accumulate) sums = _mm_add_ps(_mm_maskz_loadu_ps(mask, y), sums);
        _mm_mask_storeu_ps(y, mask, sums);
    }
}

/* All tokens times a panel: a tile's inputs stay in L1 while the panel passes by. */
static void multiply_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           const uint8_t *panel, SlabKind kind, int zero) {
    size_t row_stride = n_slabs * slab_bytes(kind);
    Tile tile = { .n_slabs = n_slabs, .zero = zero };
    for (size_t token = 0; token < job->n_tokens; token += TILE_TOKENS) {
        size_t n_tokens = MIN(job->n_tokens - token, (size_t)TILE_TOKENS);
        for (size_t t = 0; t < n_tokens; t++) {
            tile.x[t] = (const void *)((const uint8_t *)job->x + (token + t) * job->x_stride);
        }
        for (size_t first = 0; first < n_rows; first += TILE_ROWS) {
            size_t here = MIN(n_rows - first, (size_t)TILE_ROWS);
            for (size_t r = 0; r < TILE_ROWS; r++) { /* past the end: the last one again */
                tile.w[r] = panel + (first + MIN(r, here - 1)) * row_stride;
            }
            tiles[kind][n_tokens - 1](&tile);
            tile_store(&tile, job, row + first, here, token, n_tokens);
        }
    }
}

/* ---- a type ------------------------------------------------------------------------------------
 */

#define VNNI_DIRECT(name, unpack, kind, zero, stride, n)                                           \
    static __attribute__((noinline)) void direct_##name##_##n(                                     \
        const KernelsMatmulJob *job, size_t row_begin, size_t row_end, size_t first) {             \
        direct_rows(job, row_begin, row_end, first, n, stride, unpack, kind, zero);                \
    }

typedef void DirectRows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                        size_t first);
typedef void UnpackPanel(const KernelsMatmulJob *job, size_t row, size_t n_rows, RowShape shape,
                         uint8_t *panel);

static void matmul_any(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                       float *scratch, DirectRows *const *direct, UnpackPanel *unpack,
                       size_t slab_stride, SlabKind kind, int zero) {
    assert(job->n % GGUF_BLOCK == 0);
    if (job->n_tokens == 0) return;
    if (job->n_tokens <= DIRECT_TOKENS) {
        direct[job->n_tokens - 1](job, row_begin, row_end, 0);
        return;
    }
    RowShape shape = row_shape(job, slab_stride);
    uint8_t *panel = (uint8_t *)scratch;
    for (size_t row = row_begin; row < row_end; row += KERNELS_PANEL_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)KERNELS_PANEL_ROWS);
        unpack(job, row, n_rows, shape, panel);
        multiply_panel(job, row, n_rows, shape.n_slabs, panel, kind, zero);
    }
}

/* X(enum suffix, name, kind, zero) */
#define VNNI_TYPES(X)                                                                              \
    X(Q4_0, q4_0, SLAB_PLAIN, 8)                                                                   \
    X(Q4_1, q4_1, SLAB_MIN, 0)                                                                     \
    X(Q5_0, q5_0, SLAB_PLAIN, 16)                                                                  \
    X(Q5_1, q5_1, SLAB_MIN, 0)                                                                     \
    X(Q8_0, q8_0, SLAB_PLAIN, 128)                                                                 \
    X(Q2_K, q2_k, SLAB_HALVES_MIN, 0)                                                              \
    X(Q3_K, q3_k, SLAB_HALVES, 4)                                                                  \
    X(Q4_K, q4_k, SLAB_MIN, 0)                                                                     \
    X(Q5_K, q5_k, SLAB_MIN, 0)                                                                     \
    X(Q6_K, q6_k, SLAB_HALVES, 32)                                                                 \
    X(IQ4_NL, iq4_nl, SLAB_PLAIN, 127)                                                             \
    X(IQ4_XS, iq4_xs, SLAB_PLAIN, 127)

/* Elements of a block, for constants. */
enum {
    ELEMENTS_Q4_0 = GGUF_BLOCK,
    ELEMENTS_Q4_1 = GGUF_BLOCK,
    ELEMENTS_Q5_0 = GGUF_BLOCK,
    ELEMENTS_Q5_1 = GGUF_BLOCK,
    ELEMENTS_Q8_0 = GGUF_BLOCK,
    ELEMENTS_IQ4_NL = GGUF_BLOCK,
    ELEMENTS_Q2_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q3_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q4_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q5_K = GGUF_SUPERBLOCK,
    ELEMENTS_Q6_K = GGUF_SUPERBLOCK,
    ELEMENTS_IQ4_XS = GGUF_SUPERBLOCK,
};

#define DEFINE_MATMUL(type, name, kind, zero)                                                      \
    enum { STRIDE_##type = KERNELS_SLAB / ELEMENTS_##type * sizeof(GgufBlock##type) };             \
    VNNI_DIRECT(name, unpack_##name, kind, zero, STRIDE_##type, 1)                                 \
    VNNI_DIRECT(name, unpack_##name, kind, zero, STRIDE_##type, 2)                                 \
    VNNI_DIRECT(name, unpack_##name, kind, zero, STRIDE_##type, 3)                                 \
    VNNI_DIRECT(name, unpack_##name, kind, zero, STRIDE_##type, 4)                                 \
    static void panel_##name(const KernelsMatmulJob *job, size_t row, size_t n_rows,               \
                             RowShape shape, uint8_t *panel) {                                     \
        unpack_panel(job, row, n_rows, shape, panel, unpack_##name, kind);                         \
    }                                                                                              \
    static void matmul_##name##_vnni(const KernelsMatmulJob *job, size_t row_begin,                \
                                     size_t row_end, float *scratch) {                             \
        static DirectRows *const direct[] = { direct_##name##_1, direct_##name##_2,                \
                                              direct_##name##_3, direct_##name##_4 };              \
        matmul_any(job, row_begin, row_end, scratch, direct, panel_##name, STRIDE_##type, kind,    \
                   zero);                                                                          \
    }
