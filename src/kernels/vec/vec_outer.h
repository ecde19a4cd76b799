#pragma once
/* Many tokens, by outer products, written once over the vectors of a set and over two kinds of
 * units of 32 bits: an f32, or a pair of bf16. The including file has chosen its `Vec`
 * (vec_<set>.h), OUTER_VECS, OUTER_TOKENS and outer_add.
 *
 * A panel of 48 rows of weights lies in scratch, transposed: a vector has one unit each of
 * VEC_LANES rows. It is multiplied with one unit of a token's input, the same in all lanes. So each
 * vector of weights serves all tokens of a tile, whose inputs stay in L1, and what comes from L2 is
 * a single stream, 8 bytes a cycle of Zen 4. (Tiles of dot products read two, and waited for them a
 * sixth of their time.)
 *
 * The order of sums is that of dot products with few tokens, so that both give the same bits: an
 * output has VEC_LANES partial sums, of which number l takes units l, l + VEC_LANES, ... in order,
 * and one fixed tree adds them: l and l + VEC_LANES / 2, then / 4, ... Partial sums are computed
 * one after the other, each for all rows and tokens of the panel, in an order in which those that
 * the tree adds follow each other (0, 8, 4, 12, 2, ...): so that few have to wait, one for each
 * level of the tree. Inputs are packed lane by lane for it. */
#include "kernels/kernels_internal.h"

enum {
    OUTER_ROWS = OUTER_VECS * VEC_LANES, /* of a tile */
    PANEL_TOKENS = KERNELS_PANEL_TOKENS,
    LEVEL_FLOATS = PANEL_TOKENS * KERNELS_PANEL_ROWS,
    GROUP_UNITS_MOST = 32,
    FILL_AHEAD = 8, /* groups */
};
_Static_assert(KERNELS_PANEL_ROWS % OUTER_ROWS == 0, "whole tiles");
_Static_assert(VEC_LANES <= 1 << KERNELS_PANEL_LEVELS, "a level each");

/* Units of group g of a row, those past its end zeros; as many as the including file says. */
typedef void GroupUnits(const KernelsMatmulJob *job, const uint8_t *row, size_t g, float *ret);

typedef struct Panel {
    const KernelsMatmulJob *job;
    size_t row, n_rows;
    size_t begin, end; /* tokens */
    size_t steps;      /* units of a lane */
    float *w;          /* [tiles, VEC_LANES, steps, OUTER_ROWS] */
    float *levels; /* [KERNELS_PANEL_LEVELS, PANEL_TOKENS, KERNELS_PANEL_ROWS]: sums that wait */
} Panel;

/* ---- weights ----------------------------------------------------------------------------------
 */

/* Rows past the end: the last one again. group_units and units are constants where this is inlined.
 */
ALWAYS_INLINE void panel_fill(const Panel *p, size_t group_units, GroupUnits *units) {
    size_t end = (p->n_rows + OUTER_ROWS - 1) / OUTER_ROWS * OUTER_ROWS;
    size_t group_steps = group_units / VEC_LANES;
    size_t group_bytes = p->job->row_bytes / MAX(p->steps / group_steps, (size_t)1);
    for (size_t row = 0; row < end; row += VEC_LANES) {
        const uint8_t *w[VEC_LANES];
        for (size_t r = 0; r < VEC_LANES; r++) {
            size_t from = p->row + MIN(row + r, p->n_rows - 1);
            w[r] = (const uint8_t *)p->job->w + from * p->job->row_bytes;
        }
        float *to = p->w + row / OUTER_ROWS * VEC_LANES * p->steps * OUTER_ROWS + row % OUTER_ROWS;
        for (size_t step = 0; step < p->steps; step += group_steps) {
            _Alignas(64) float group[VEC_LANES][GROUP_UNITS_MOST];
            size_t g = step / group_steps;
            for (size_t r = 0; r < VEC_LANES; r++) {
                units(p->job, w[r], g, group[r]);
                __builtin_prefetch(w[r] + (g + FILL_AHEAD) * group_bytes, 0, 2);
            }
            for (size_t j = 0; j < group_steps; j++) {
                Vec v[VEC_LANES];
                for (size_t r = 0; r < VEC_LANES; r++) v[r] = vec_load(group[r] + j * VEC_LANES);
                vec_transpose(v);
                for (size_t lane = 0; lane < VEC_LANES; lane++) {
                    vec_store(to + (lane * p->steps + step + j) * OUTER_ROWS, v[lane]);
                }
            }
        }
    }
}

/* ---- products ---------------------------------------------------------------------------------
 */

/* A lane's steps of a tile's rows, times those of n_tokens (a constant) inputs: the first
 * OUTER_ROWS of each of sums [n_tokens, KERNELS_PANEL_ROWS]. */
ALWAYS_INLINE void outer_tile(const float *w, const float *x, size_t x_stride, size_t steps,
                              size_t n_tokens, float *sums) {
    Vec acc[OUTER_TOKENS][OUTER_VECS];
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t v = 0; v < OUTER_VECS; v++) acc[t][v] = vec_zero();
    }
    for (size_t s = 0; s < steps; s++, w += OUTER_ROWS) {
        Vec weights[OUTER_VECS];
        UNROLL for (size_t v = 0; v < OUTER_VECS; v++) {
            weights[v] = vec_hold(vec_load(w + v * VEC_LANES));
        }
        UNROLL for (size_t t = 0; t < n_tokens; t++) {
            /* in a register: loads for each product would take longer than the products */
            Vec input = vec_hold(vec_set1(x[t * x_stride + s]));
            UNROLL for (size_t v = 0; v < OUTER_VECS; v++) {
                acc[t][v] = outer_add(acc[t][v], weights[v], input);
            }
        }
    }
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t v = 0; v < OUTER_VECS; v++) {
            vec_store(sums + t * KERNELS_PANEL_ROWS + v * VEC_LANES, acc[t][v]);
        }
    }
}

/* Functions of their own: with others inlined beside it, GCC moves sums out of registers. */
typedef struct OuterTile {
    size_t n_tokens;
    void (*run)(const float *w, const float *x, size_t x_stride, size_t steps, float *sums);
} OuterTile;
#define DEFINE_OUTER_TILE(name, n)                                                                 \
    static __attribute__((noinline)) void name(const float *w, const float *x, size_t x_stride,    \
                                               size_t steps, float *sums) {                        \
        outer_tile(w, x, x_stride, steps, n, sums);                                                \
    }
DEFINE_OUTER_TILE(outer_tile_all, OUTER_TOKENS)
DEFINE_OUTER_TILE(outer_tile_half, OUTER_TOKENS / 2)
DEFINE_OUTER_TILE(outer_tile_two, 2)
DEFINE_OUTER_TILE(outer_tile_one, 1)

/* The largest for n tokens, of which there are some. */
static inline OuterTile outer_tile_for(size_t n) {
    static const OuterTile tiles[] = { { OUTER_TOKENS, outer_tile_all },
                                       { OUTER_TOKENS / 2, outer_tile_half },
                                       { 2, outer_tile_two },
                                       { 1, outer_tile_one } };
    size_t i = 0;
    while (tiles[i].n_tokens > n) i++;
    return tiles[i];
}

/* What is in all lanes goes to n <= VEC_LANES outputs. */
ALWAYS_INLINE void store_outputs(float *y, Vec sum, size_t n, bool accumulate) {
    if (n == VEC_LANES) {
        vec_store(y, accumulate ? vec_add(vec_load(y), sum) : sum);
    } else {
        vec_store_part(y, accumulate ? vec_add(vec_load_part(y, n), sum) : sum, n);
    }
}

/* A tile's sums of one lane up the tree, by `level` (a constant where this is inlined): past the
 * others that wait, there to wait, or, the last lane's, to the outputs. */
ALWAYS_INLINE void climb(const Panel *p, size_t level, size_t token, size_t n_tokens, size_t row,
                         const float *sums) {
    const KernelsMatmulJob *job = p->job;
    size_t n_rows = MIN(p->n_rows - row, (size_t)OUTER_ROWS);
    bool last = 1 << level == VEC_LANES;
    for (size_t t = 0; t < n_tokens; t++, sums += KERNELS_PANEL_ROWS) {
        float *wait = p->levels + (token - p->begin + t) * KERNELS_PANEL_ROWS + row;
        float *y = job->y + (token + t) * job->y_stride + p->row + row;
        UNROLL for (size_t r = 0; r < OUTER_ROWS; r += VEC_LANES) {
            Vec sum = vec_load(sums + r);
            UNROLL for (size_t k = 0; k < level; k++) {
                sum = vec_add(vec_load(wait + k * LEVEL_FLOATS + r), sum);
            }
            if (!last)
                vec_store(wait + level * LEVEL_FLOATS + r, sum);
            else if (r < n_rows)
                store_outputs(y + r, sum, MIN(n_rows - r, (size_t)VEC_LANES), job->accumulate);
        }
    }
}

/* One lane, the i-th in the tree's order, of a tile. */
static inline void outer_lane(const Panel *p, size_t i, size_t lane, OuterTile tile, size_t token,
                              size_t row) {
    _Alignas(64) float sums[OUTER_TOKENS * KERNELS_PANEL_ROWS];
    size_t level = (size_t)__builtin_ctzll(i + 1), x_stride = p->job->x_stride / sizeof(float);
    const float *w = p->w + (row * VEC_LANES + lane * OUTER_ROWS) * p->steps;
    const float *x = (const float *)p->job->x + token * x_stride + lane * p->steps;
    float *wait = p->levels + (token - p->begin) * KERNELS_PANEL_ROWS + row;
    tile.run(w, x, x_stride, p->steps, level ? sums : wait);
    switch (level) {
    case 0: break;
    case 1: climb(p, 1, token, tile.n_tokens, row, sums); break;
    case 2: climb(p, 2, token, tile.n_tokens, row, sums); break;
    case 3: climb(p, 3, token, tile.n_tokens, row, sums); break;
    default: climb(p, 4, token, tile.n_tokens, row, sums);
    }
}

/* The i-th lane in the tree's order: its number with the bits in reverse. */
ALWAYS_INLINE size_t lane_of(size_t i) {
    size_t lane = 0;
    for (size_t bit = VEC_LANES / 2; bit; bit /= 2, i /= 2) lane += i % 2 * bit;
    return lane;
}

static __attribute__((noinline)) void panel_multiply(const Panel *p) {
    for (size_t i = 0; i < VEC_LANES; i++) {
        OuterTile tile;
        for (size_t t = p->begin; t < p->end; t += tile.n_tokens) {
            tile = outer_tile_for(p->end - t);
            for (size_t row = 0; row < p->n_rows; row += OUTER_ROWS) {
                outer_lane(p, i, lane_of(i), tile, t, row);
            }
        }
    }
}

/* n_units: of a row, whole groups of them. */
ALWAYS_INLINE void outer_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                              float *scratch, size_t n_units, size_t group_units,
                              GroupUnits *units) {
    Panel p = { .job = job, .steps = n_units / VEC_LANES, .w = scratch };
    p.levels = scratch + KERNELS_PANEL_ROWS * n_units;
    for (p.row = row_begin; p.row < row_end; p.row += KERNELS_PANEL_ROWS) {
        p.n_rows = MIN(row_end - p.row, (size_t)KERNELS_PANEL_ROWS);
        panel_fill(&p, group_units, units);
        for (p.begin = 0; p.begin < job->n_tokens; p.begin = p.end) {
            p.end = MIN(p.begin + PANEL_TOKENS, job->n_tokens);
            panel_multiply(&p);
        }
    }
}

/* ---- inputs -----------------------------------------------------------------------------------
 */

/* Vectors [step, step + n) of a row to their places, lane by lane; n <= VEC_LANES, of VEC_LANES
 * vectors. */
ALWAYS_INLINE void store_lanes(Vec rows[VEC_LANES], size_t n, float *lanes, size_t steps,
                               size_t step) {
    vec_transpose(rows);
    for (size_t lane = 0; lane < VEC_LANES; lane++) {
        store_outputs(lanes + lane * steps + step, rows[lane], n, false);
    }
}
