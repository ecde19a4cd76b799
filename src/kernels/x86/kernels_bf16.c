/* The set for AVX-512 BF16: products of BF16 weights by VDPBF16PS. Everything else is left to the
 * sets before it. Built with this set's flags; nothing in it may run before kernels_cpu has
 * said that the machine has them.
 *
 * An output is a vector of 16 partial sums of pairs, which takes the inputs in order, 32 at a time,
 * and one fixed tree that adds the lanes; tiles only decide how many such sums run side by side.
 * The instruction takes numbers below 2^-126 for zero. Weights are used as they stand. With few
 * tokens memory decides, and the next tile's rows are fetched meanwhile: one thread on Zen 4, 1, 4,
 * 8 tokens: 20, 17, 12.5 -> 23, 19, 14.5 GB/s. Many tokens: vec/vec_outer.h; to transpose the
 * weights pays from some 50 on. */
#include "kernels/x86/pack_bf16.h"
#include "kernels/x86/vec_avx512.h"

/* Of a tile of outer products; units are pairs. */
static inline Vec outer_add(Vec sum, Vec w, Vec x) {
    DOT_BF16(sum, _mm512_castps_si512(w), _mm512_castps_si512(x));
    return sum;
}
#include "kernels/vec/vec_outer.h"

enum { TILE_ROWS = 4, TILE_TOKENS = 5, FEW_TOKENS = 48 };

typedef struct Tile {
    const uint16_t *w[TILE_ROWS];
    const uint16_t *x[TILE_TOKENS]; /* packed: zeros follow the last input */
    size_t n;
    size_t ahead; /* bytes from a row to the one that is fetched meanwhile */
} Tile;

ALWAYS_INLINE void tile_sums(const Tile *tile, size_t n_tokens, __m128 ret[TILE_TOKENS]) {
    __m512 sums[TILE_TOKENS][TILE_ROWS];
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) sums[t][r] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < tile->n; i += BF16_GROUP) {
        size_t left = tile->n - i;
        __mmask32 mask = left < BF16_GROUP ? (1U << left) - 1 : 0xFFFFFFFF;
        __m512i weights[TILE_ROWS];
        UNROLL for (size_t r = 0; r < TILE_ROWS; r++) {
            weights[r] = _mm512_maskz_loadu_epi16(mask, tile->w[r] + i);
            _mm_prefetch((const char *)(tile->w[r] + i) + tile->ahead, _MM_HINT_T1);
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            __m512i inputs = _mm512_load_si512(tile->x[t] + i);
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) DOT_BF16(sums[t][r], weights[r], inputs);
        }
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) ret[t] = fold_four(sums[t]);
}

typedef void TileSums(const Tile *tile, __m128 ret[TILE_TOKENS]);
#define DEFINE_TILE(n)                                                                             \
    static                                                                                         \
        __attribute__((noinline)) void tile_sums_##n(const Tile *tile, __m128 ret[TILE_TOKENS]) {  \
        tile_sums(tile, n, ret);                                                                   \
    }
DEFINE_TILE(1)
DEFINE_TILE(2)
DEFINE_TILE(3)
DEFINE_TILE(4)
DEFINE_TILE(5)
static TileSums *const tiles[TILE_TOKENS] = { tile_sums_1, tile_sums_2, tile_sums_3, tile_sums_4,
                                              tile_sums_5 };

/* Up to four rows times n_tokens tokens. Past the last row, that one again. */
static void multiply_tile(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                          size_t n_tokens) {
    Tile tile = { .n = job->n, .ahead = TILE_ROWS * job->row_bytes };
    __m128 sums[TILE_TOKENS];
    for (size_t r = 0; r < TILE_ROWS; r++) {
        const char *w = (const char *)job->w + (row + MIN(r, n_rows - 1)) * job->row_bytes;
        tile.w[r] = (const uint16_t *)(const void *)w;
    }
    for (size_t t = 0; t < n_tokens; t++) {
        const char *x = (const char *)job->x + (token + t) * job->x_stride;
        tile.x[t] = (const uint16_t *)(const void *)x;
    }
    tiles[n_tokens - 1](&tile, sums);
    __mmask8 mask = (__mmask8)((1U << n_rows) - 1);
    for (size_t t = 0; t < n_tokens; t++) {
        float *y = job->y + (token + t) * job->y_stride + row;
        if (job->accumulate) sums[t] = _mm_add_ps(_mm_maskz_loadu_ps(mask, y), sums[t]);
        _mm_mask_storeu_ps(y, mask, sums[t]);
    }
}

static void few_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end) {
    size_t n_tiles = (job->n_tokens + TILE_TOKENS - 1) / TILE_TOKENS;
    for (size_t row = row_begin; row < row_end; row += TILE_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)TILE_ROWS), token = 0;
        for (size_t i = 0; i < n_tiles; i++) { /* of nearly the same size */
            size_t here = (job->n_tokens - token + n_tiles - i - 1) / (n_tiles - i);
            multiply_tile(job, row, n_rows, token, here);
            token += here;
        }
    }
}

/* ---- many tokens ------------------------------------------------------------------------------
 */

enum { GROUP_PAIRS = BF16_GROUP / 2 };

ALWAYS_INLINE void pairs_at(const KernelsMatmulJob *job, const uint8_t *row, size_t g, float *ret) {
    size_t left = job->n - g * BF16_GROUP;
    const uint8_t *at = row + 2 * g * BF16_GROUP;
    if (left >= BF16_GROUP)
        _mm512_store_si512(ret, _mm512_loadu_si512(at));
    else
        _mm512_store_si512(ret, _mm512_maskz_loadu_epi16((1U << left) - 1, at));
}

static void matmul_bf16_bf16(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                             float *scratch) {
    if (job->n_tokens <= FEW_TOKENS) {
        few_rows(job, row_begin, row_end);
        return;
    }
    size_t n_pairs = (job->n + BF16_GROUP - 1) / BF16_GROUP * GROUP_PAIRS;
    outer_rows(job, row_begin, row_end, scratch, n_pairs, GROUP_PAIRS, pairs_at);
}

/* KERNELS_BF16_LANES: pairs [VEC_LANES, steps]. */
static void pack_bf16_lanes(const float *x, size_t n, void *y) {
    size_t steps = (n + BF16_GROUP - 1) / BF16_GROUP;
    for (size_t step = 0; step < steps; step += VEC_LANES) {
        _Alignas(64) uint16_t packed[VEC_LANES * BF16_GROUP] = { 0 };
        size_t begin = step * BF16_GROUP;
        pack_bf16(x + begin, MIN(n - begin, sizeof packed / sizeof *packed), packed);
        Vec rows[VEC_LANES];
        for (size_t i = 0; i < VEC_LANES; i++) {
            rows[i] = _mm512_load_ps(packed + i * BF16_GROUP);
        }
        store_lanes(rows, MIN(steps - step, (size_t)VEC_LANES), y, steps, step);
    }
}
static void unpack_bf16_lanes(const void *packed, size_t n, float *x) {
    size_t steps = (n + BF16_GROUP - 1) / BF16_GROUP;
    for (size_t i = 0; i < n; i++) {
        size_t pair = i / 2 % VEC_LANES * steps + i / BF16_GROUP;
        x[i] = gguf_bf16_to_f32(((const uint16_t *)packed)[2 * pair + i % 2]);
    }
}

DEFINE_ROW_FORM(pairs, KERNELS_BF16, pack_bf16, unpack_bf16)
DEFINE_ROW_FORM(lanes, KERNELS_BF16_LANES, pack_bf16_lanes, unpack_bf16_lanes)

/* ---- the peak ---------------------------------------------------------------------------------
 */

static double peak_bf16_bf16(size_t n_rounds) {
    enum { CHAINS = 12, STEPS = 16 };
    __m512 sums[CHAINS];
    __m512i one = _mm512_set1_epi16(0x3F80);
    UNROLL for (size_t i = 0; i < CHAINS; i++) sums[i] = _mm512_setzero_ps();
    for (size_t n = 0; n < n_rounds; n++) {
        for (size_t k = 0; k < STEPS; k++) {
            UNROLL for (size_t i = 0; i < CHAINS; i++) {
                DOT_BF16(sums[i], one, one);
                KEEP(sums[i]);
            }
        }
    }
    return (double)n_rounds * STEPS * CHAINS * 32 * 2;
}

void kernels_fill_bf16(KernelTable *table) {
    table->name = "bf16";
    set_product(table, GGUF_TYPE_BF16, matmul_bf16_bf16,
                (KernelsForms){ FEW_TOKENS, .few = KERNELS_BF16, .many = KERNELS_BF16_LANES });
    set_form(table, KERNELS_BF16, pairs_pack, pairs_unpack);
    set_form(table, KERNELS_BF16_LANES, lanes_pack, lanes_unpack);
    table->peak[KERNELS_BF16] = peak_bf16_bf16;
}
