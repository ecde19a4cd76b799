#pragma once
/* Many tokens times weights in int8 tiles. A product of tiles gives the integer sums of one block
 * of 32 (or of one half) for 16 tokens and 16 rows; they are scaled and added in f32 exactly as
 * dot_vnni.h says, so that the bits are those of the set for VNNI, which computes few tokens.
 *
 * One lane of the slabs is done after another: the 16 tokens' sums of a lane stay in registers
 * while all slabs pass by, and the lane's inputs stay in L1 while the panel's rows do. The sums of
 * all lanes wait in scratch until the tree adds them. Products are started four at a time, so that
 * the tiles work while the vectors scale what is done: on paper, 16 cycles of the tiles beside 24
 * of the vectors for 8,192 products. Not measured on a processor that has them. */
#include "kernels/x86/panel_amx.h"
#include "kernels/x86/tiles.h"
#include "kernels/x86/types_vnni.h"

enum {
    PANEL_ROWS = KERNELS_SCRATCH_ROWS,
    PANEL_TILES = PANEL_ROWS / TILE,
    AHEAD = 4, /* products started at a time: one tile of sums each */
};

/* [tile of rows][lane][token]: sums of 16 rows */
typedef float LaneSums[SLAB_BLOCKS][TILE][TILE];

/* Up to 16 tokens; past the last one, that one again: their sums are not stored. */
typedef struct TileTokens {
    const uint8_t *slabs[TILE]; /* of KernelsInputSlab */
    const uint8_t *plain;       /* the first token's bytes in order */
    size_t stride;              /* bytes from one token to the next */
    size_t n_slabs;
} TileTokens;

/* Everything of one lane: inputs [tokens] x blocks [slabs] of 16 rows. */
typedef struct LaneWork {
    const TileTokens *tokens;
    const uint8_t *inputs, *blocks;
    size_t lane;
    _Alignas(64) int32_t dots[AHEAD][TILE][TILE];
} LaneWork;

ALWAYS_INLINE const TileBlock *lane_block(const LaneWork *work, size_t s, SlabKind kind) {
    return (const TileBlock *)(const void *)(work->blocks + s * block_bytes(kind));
}

/* Products u .. u + n - 1 of the lane, n <= AHEAD, to dots: half u % halves of slab u / halves. */
ALWAYS_INLINE void lane_dots(LaneWork *work, size_t u, size_t n, SlabKind kind, bool is_signed) {
    size_t halves = n_scales(kind), stride = work->tokens->stride;
#define LANE_DOT(i, a, b)                                                                          \
    if (i < n) {                                                                                   \
        size_t s = (u + i) / halves, h = (u + i) % halves;                                         \
        TILE_ZERO(i);                                                                              \
        TILE_LOAD(a, work->inputs + s * KERNELS_SLAB + h * GGUF_BLOCK / halves, stride);           \
        TILE_LOAD(b, lane_block(work, s, kind)->q[h * SLAB_STEPS / halves], 4 * TILE);             \
        if (is_signed) {                                                                           \
            TILE_DOT_SS(i, a, b);                                                                  \
        } else {                                                                                   \
            TILE_DOT_SU(i, a, b);                                                                  \
        }                                                                                          \
        TILE_STORE(i, work->dots[i], sizeof(__m512i));                                             \
    }
    LANE_DOT(0, 4, 5)
    LANE_DOT(1, 6, 7)
    LANE_DOT(2, 4, 5)
    LANE_DOT(3, 6, 7)
#undef LANE_DOT
}

/* What addends are multiplied by: the sum of the token's inputs, see input_sum. */
ALWAYS_INLINE __m512 lane_input_sum(const KernelsInputSlab *x, size_t lane, size_t h, size_t halves,
                                    bool shared) {
    if (halves == 1) return _mm512_set1_ps(x->total[lane]);
    int32_t first = x->first[lane];
    __m512 q = _mm512_cvtepi32_ps(_mm512_set1_epi32(h == 0 ? first : x->sum[lane] - first));
    return shared ? q : _mm512_mul_ps(q, _mm512_set1_ps(x->d[lane]));
}

/* Scale n products and add them to the tokens' sums. */
ALWAYS_INLINE void lane_scale(const LaneWork *work, size_t u, size_t n, SlabKind kind, bool shared,
                              __m512 sums[TILE]) {
    size_t halves = n_scales(kind);
    for (size_t i = 0; i < n; i++) {
        size_t s = (u + i) / halves, h = (u + i) % halves;
        const TileBlock *block = lane_block(work, s, kind);
        __m512 d = _mm512_load_ps(block->factors[h]), m = d;
        if (n_addends(kind)) m = _mm512_load_ps(block->factors[halves + h]);
        UNROLL for (size_t t = 0; t < TILE; t++) {
            const void *row = work->tokens->slabs[t];
            const KernelsInputSlab *x = (const KernelsInputSlab *)row + s;
            __m512 factor = shared ? d : _mm512_mul_ps(d, _mm512_set1_ps(x->d[work->lane]));
            __m512 dots = _mm512_cvtepi32_ps(_mm512_load_si512(work->dots[i][t]));
            sums[t] = _mm512_fmadd_ps(dots, factor, sums[t]);
            if (n_addends(kind) == 0) continue;
            sums[t] = _mm512_fmadd_ps(m, lane_input_sum(x, work->lane, h, halves, shared), sums[t]);
        }
    }
}

/* Products [u, end) of one lane of 16 rows, added to the tokens' sums. */
ALWAYS_INLINE void lane_products(LaneWork *work, size_t u, size_t end, SlabKind kind,
                                 bool is_signed, bool shared, __m512 sums[TILE]) {
    for (; u + AHEAD <= end; u += AHEAD) {
        lane_dots(work, u, AHEAD, kind, is_signed);
        lane_scale(work, u, AHEAD, kind, shared, sums);
    }
    for (; u < end; u++) {
        lane_dots(work, u, 1, kind, is_signed);
        lane_scale(work, u, 1, kind, shared, sums);
    }
}

/* One lane of 16 rows: ret[t] are the sums of token t. */
ALWAYS_INLINE void lane_run(LaneWork *work, SlabKind kind, bool is_signed, bool shared,
                            float ret[TILE][TILE]) {
    size_t n = work->tokens->n_slabs * n_scales(kind);
    size_t step = shared ? SLAB_GROUP * n_scales(kind) : n;
    memset(ret, 0, sizeof(float[TILE][TILE]));
    for (size_t u = 0; u < n; u += step) {
        __m512 sums[TILE];
        UNROLL for (size_t t = 0; t < TILE; t++) sums[t] = _mm512_setzero_ps();
        lane_products(work, u, MIN(u + step, n), kind, is_signed, shared, sums);
        UNROLL for (size_t t = 0; t < TILE; t++) {
            const void *row = work->tokens->slabs[t];
            const KernelsInputSlab *x = (const KernelsInputSlab *)row + u / n_scales(kind);
            __m512 scale = _mm512_set1_ps(x->d[work->lane]);
            if (shared) sums[t] = _mm512_fmadd_ps(sums[t], scale, _mm512_load_ps(ret[t]));
            _mm512_store_ps(ret[t], sums[t]);
        }
    }
}

typedef void LaneRun(LaneWork *work, float ret[TILE][TILE]);
#define DEFINE_LANE(name, kind, is_signed, shared)                                                 \
    static __attribute__((noinline)) void lane_##name(LaneWork *work, float ret[TILE][TILE]) {     \
        lane_run(work, kind, is_signed, shared, ret);                                              \
    }
DEFINE_LANE(plain, SLAB_PLAIN, true, false)
DEFINE_LANE(min, SLAB_MIN, false, false)
DEFINE_LANE(shared_plain, SLAB_PLAIN, true, true)
DEFINE_LANE(shared_min, SLAB_MIN, false, true)
DEFINE_LANE(shared_halves, SLAB_HALVES, true, true)
DEFINE_LANE(shared_halves_min, SLAB_HALVES_MIN, false, true)
/* [shared][kind]: those that INT8_TYPES has */
static LaneRun *const lanes[2][4] = {
    { lane_plain, lane_min },
    { lane_shared_plain, lane_shared_min, lane_shared_halves, lane_shared_halves_min },
};

/* Lanes i and i + 8, then i + 4, i + 2, i + 1, as fold: the sums of 16 rows. */
ALWAYS_INLINE __m512 fold_lanes(LaneSums sums, size_t t) {
    __m512 v[SLAB_BLOCKS / 2];
    UNROLL for (size_t i = 0; i < 8; i++) {
        v[i] = _mm512_add_ps(_mm512_load_ps(sums[i][t]), _mm512_load_ps(sums[i + 8][t]));
    }
    UNROLL for (size_t i = 0; i < 4; i++) v[i] = _mm512_add_ps(v[i], v[i + 4]);
    return _mm512_add_ps(_mm512_add_ps(v[0], v[2]), _mm512_add_ps(v[1], v[3]));
}

/* Up to 16 outputs of a token. */
ALWAYS_INLINE void store_outputs(const KernelsMatmulJob *job, size_t token, size_t row,
                                 size_t n_rows, __m512 sums) {
    __mmask16 mask = (__mmask16)(0xFFFFU >> (TILE - n_rows));
    float *y = job->y + token * job->y_stride + row;
    if (job->accumulate) sums = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), sums);
    _mm512_mask_storeu_ps(y, mask, sums);
}

/* Tiles 0-3: sums; 4, 6: inputs; 5, 7: weights. */
static void configure_int8(size_t n_tokens, size_t halves) {
    TileConfig config = { 0 };
    for (size_t i = 0; i < AHEAD; i++) tile_shape(&config, i, n_tokens, 4 * TILE);
    for (size_t i = AHEAD; i < 8; i += 2) {
        tile_shape(&config, i, n_tokens, GGUF_BLOCK / halves);
        tile_shape(&config, i + 1, GGUF_BLOCK / halves / 4, 4 * TILE);
    }
    tiles_configure(&config);
}

/* Tokens [token, token + n_tokens) times a panel. */
static void multiply_tokens(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                            size_t n_tokens, size_t n_slabs, const uint8_t *panel, LaneSums *sums,
                            DotType type) {
    SlabKind kind = type.kind;
    const uint8_t *x = (const uint8_t *)job->x + token * job->x_stride;
    TileTokens tokens = { .plain = x + n_slabs * sizeof(KernelsInputSlab),
                          .stride = job->x_stride,
                          .n_slabs = n_slabs };
    for (size_t t = 0; t < TILE; t++) tokens.slabs[t] = x + MIN(t, n_tokens - 1) * job->x_stride;
    size_t n_tiles = (n_rows + TILE - 1) / TILE, lane_stride = n_slabs * block_bytes(kind);
    LaneWork work = { .tokens = &tokens };
    configure_int8(n_tokens, n_scales(kind));
    for (work.lane = 0; work.lane < SLAB_BLOCKS; work.lane++) {
        work.inputs = tokens.plain + LANE_BLOCK(work.lane) * GGUF_BLOCK;
        for (size_t i = 0; i < n_tiles; i++) {
            work.blocks = panel + (i * SLAB_BLOCKS + work.lane) * lane_stride;
            lanes[type.shared][kind](&work, sums[i][work.lane]);
        }
    }
    for (size_t i = 0; i < n_tiles; i++) {
        size_t here = MIN(n_rows - i * TILE, (size_t)TILE);
        for (size_t t = 0; t < n_tokens; t++) {
            store_outputs(job, token + t, row + i * TILE, here, fold_lanes(sums[i], t));
        }
    }
}

/* sums: in scratch, behind the panel. */
static void multiply_tiles(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           uint8_t *panel, DotType type) {
    void *sums = panel + PANEL_TILES * SLAB_BLOCKS * n_slabs * block_bytes(type.kind);
    for (size_t token = 0; token < job->n_tokens; token += TILE) {
        size_t n_tokens = MIN(job->n_tokens - token, (size_t)TILE);
        multiply_tokens(job, row, n_rows, token, n_tokens, n_slabs, panel, sums, type);
    }
}

#define DEFINE_TILES(type, name, kind, zero, top)                                                  \
    static void matmul_##name##_amx(const KernelsMatmulJob *job, size_t row_begin, size_t row_end, \
                                    float *scratch) {                                              \
        if (job->n_tokens < TILE) {                                                                \
            kernels_matmul_##name##_vnni(job, row_begin, row_end, scratch);                        \
            return;                                                                                \
        }                                                                                          \
        RowShape shape = row_shape(job, STRIDE_##type);                                            \
        uint8_t *panel = (uint8_t *)scratch;                                                       \
        for (size_t row = row_begin; row < row_end; row += PANEL_ROWS) {                           \
            size_t n_rows = MIN(row_end - row, (size_t)PANEL_ROWS);                                \
            expand_panel(job, row, n_rows, &shape, STRIDE_##type, unpack_##name, kind, zero,       \
                         panel);                                                                   \
            multiply_tiles(job, row, n_rows, shape.n_slabs, panel, DOT_TYPE(type, kind, zero));    \
        }                                                                                          \
        tiles_release();                                                                           \
    }
