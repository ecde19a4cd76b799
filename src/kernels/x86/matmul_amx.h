#pragma once
/* Products in bf16 tiles. Weights become bf16 as they lie, row by row (expand_amx.h), and are the
 * left side of a product of tiles: 16 rows of weights by 32 inputs, times 32 inputs by 16 tokens,
 * added to sums of 16 rows and 16 tokens. Each output's products are added in order of its inputs,
 * 32 at a time, by the instruction in an order of its own; sums that wait in memory are exact. So
 * nothing depends on how many rows and tokens are computed together.
 *
 * One product for each 32 inputs; but F16 keeps the precision of f32: a weight is exactly two bf16,
 * an input three, and five of the six products of parts are computed. The sixth, below 2^-24 of the
 * whole and of either sign, is what an f32 product rounds off.
 *
 * The instruction takes numbers below 2^-126 for zero, so inputs of F16 below 2^-103 lose bits. An
 * infinity meets parts that are zero and so may become NaN. Folder-private. */
#include "kernels/x86/few_amx.h"

/* ---- blocks ------------------------------------------------------------------------------------
 * 256 rows by 256 inputs are multiplied at a time, for up to 512 tokens: 128 KiB of weights that
 * stay in L2. So do the inputs, 256 KiB; those of 32 tokens stay in L1. The sums of two tiles of
 * rows and two of tokens stay in tiles, and in L2 between the blocks of inputs. While the tiles
 * work, the vectors expand the next block's weights, a row now and then, and what comes after
 * those is fetched. */

enum { PANEL_ROWS = KERNELS_TILES_ROWS, PANEL_TOKENS = KERNELS_TILES_TOKENS };
typedef WeightTiles Panel[PANEL_ROWS / TILE];

typedef struct Block {
    size_t row, end; /* of rows */
    size_t token, n_tokens;
    size_t group, n_groups; /* 0: there is no such block */
    Panel *panel;
} Block;

/* Weights of a block that become ready row by row. */
typedef struct Expansion {
    const uint8_t *w;
    size_t row_bytes, n_left, n_groups;
    size_t n_rows, done;
    Panel *panel;
} Expansion;

/* Rows of weights that come from memory, in the order in which they lie there, as only such are
 * fetched by the processor itself before they are asked for. */
typedef struct Stream {
    const char *p;
    size_t n, done; /* bytes */
} Stream;

typedef struct Product {
    const KernelsMatmulJob *job;
    SumTile *sums; /* [tiles of tokens, tiles of rows] */
    Block now, next;
    Expansion expansion; /* of next */
    Stream stream;       /* a part of the rows after these, for each block of these */
    RunSums kept;        /* where sums go that are in tiles yet */
} Product;

ALWAYS_INLINE size_t row_tiles(const Block *block) {
    return (block->end - block->row + 2 * TILE - 1) / (2 * TILE) * 2; /* in pairs */
}
ALWAYS_INLINE size_t token_tiles(const Block *block) {
    return (block->n_tokens + TILE - 1) / TILE;
}

ALWAYS_INLINE void fetch(const void *p, size_t n) {
    for (size_t i = 0; i < n; i += 64) _mm_prefetch((const char *)p + i, _MM_HINT_T1);
}

/* In order: groups, tokens, rows. */
ALWAYS_INLINE Block next_block(const KernelsMatmulJob *job, const Block *block, size_t row_end,
                               const TileForm *form, Panel *panel) {
    Block next = *block;
    next.panel = panel;
    next.group += block->n_groups;
    if (next.group == n_groups(job)) {
        next.group = 0;
        next.token += block->n_tokens;
    }
    if (next.token == job->n_tokens) {
        next.token = 0;
        next.row = block->end;
        next.end = MIN(next.row + PANEL_ROWS, row_end);
    }
    next.n_tokens = MIN(job->n_tokens - next.token, (size_t)PANEL_TOKENS);
    bool any = next.row < row_end;
    next.n_groups = any ? MIN(n_groups(job) - next.group, block_groups(form)) : 0;
    return next;
}

ALWAYS_INLINE Expansion expansion_of(const KernelsMatmulJob *job, const Block *block,
                                     TileType type) {
    size_t at = block->group / block_groups(type.form) * type.block_bytes;
    size_t n_rows = block->n_groups ? block->end - block->row : 0;
    return (Expansion){ .w = (const uint8_t *)job->w + block->row * job->row_bytes + at,
                        .row_bytes = job->row_bytes,
                        .n_left = job->n - block->group * BF16_GROUP,
                        .n_groups = block->n_groups,
                        .n_rows = n_rows,
                        .panel = block->panel };
}

ALWAYS_INLINE Stream stream_of(const KernelsMatmulJob *job, const Block *block, TileType type) {
    size_t n_rows = block->end - block->row;
    size_t at = block->group / block_groups(type.form) * n_rows * type.block_bytes;
    if (block->token > 0) return (Stream){ 0 };
    return (Stream){ .p = (const char *)job->w + block->end * job->row_bytes + at,
                     .n = n_rows * type.block_bytes };
}

/* Rows up to the `to`-th. */
ALWAYS_INLINE void expand_rows(Expansion *e, size_t to, TileType type) {
    size_t all = block_groups(type.form);
    for (; e->done < to; e->done++, e->w += e->row_bytes) {
        uint8_t *tile = (*e->panel)[e->done / TILE][0] + e->done % TILE * TILE_ROW_BYTES;
        if (e->n_left >= all * BF16_GROUP) {
            type.expand(e->w, all * BF16_GROUP, all, tile);
        } else {
            type.expand(e->w, e->n_left, e->n_groups, tile);
        }
    }
}

/* Row tiles i, i + 1 times tokens of tiles t and (two) t + 1. */
ALWAYS_INLINE void run(Product *p, TileType type, void (*expand)(Expansion *, size_t), size_t i,
                       size_t t, bool two) {
    const KernelsMatmulJob *job = p->job;
    const TileForm *form = type.form;
    const Block *block = &p->now;
    size_t x_bytes = form->x_parts * TILE_BYTES, w_bytes = form->w_parts * TILE_BYTES;
    const uint8_t *x = (const uint8_t *)job->x + (block->token + t * TILE) * job->x_stride +
                       block->group * x_bytes;
    const uint8_t *x_later = x + TILE * job->x_stride;
    const uint8_t *w = (*block->panel)[i][0], *w_later = (*block->panel)[i + 1][0];
    size_t n_pairs = row_tiles(block) / 2, n_runs = (token_tiles(block) + 1) / 2 * n_pairs;
    /* each pair of row tiles fetches its part of the inputs that come after these */
    size_t n_ahead = block->n_groups * x_bytes;
    size_t n_fetched = (n_ahead / n_pairs / block->n_groups + 63) / 64 * 64;
    const uint8_t *ahead = x + n_ahead + i / 2 * n_fetched * block->n_groups;
    size_t turn = (t / 2 * n_pairs + i / 2) * block->n_groups, n_turns = n_runs * block->n_groups;
    SumTile *sums = p->sums + t * row_tiles(block) + i;
    SumsTurn sums_turn = { .before = p->kept,
                           .now = run_sums(sums, sums + row_tiles(block), two),
                           .begins = block->group == 0 };
    for (size_t g = 0; g < block->n_groups; g++) {
        fetch(ahead + g * n_fetched, n_fetched);
        if (two) fetch(ahead + TILE * job->x_stride + g * n_fetched, n_fetched);
        add_products(form, w + g * w_bytes, w_later + g * w_bytes, x + g * x_bytes,
                     x_later + g * x_bytes, two, g == 0 ? &sums_turn : NULL);
        size_t due = p->expansion.n_rows * (turn + g + 1) / n_turns;
        if (due > p->expansion.done) expand(&p->expansion, due);
        due = p->stream.n * (turn + g + 1) / n_turns;
        for (; p->stream.done < due; p->stream.done += 64) {
            _mm_prefetch(p->stream.p + p->stream.done, _MM_HINT_T1);
        }
    }
    p->kept = sums_turn.now;
}

ALWAYS_INLINE void multiply_block(Product *p, TileType type, void (*expand)(Expansion *, size_t)) {
    for (size_t t = 0; t < token_tiles(&p->now); t += 2) {
        for (size_t i = 0; i < row_tiles(&p->now); i += 2) {
            if (t + 1 < token_tiles(&p->now)) {
                run(p, type, expand, i, t, true);
            } else {
                run(p, type, expand, i, t, false);
            }
        }
    }
}

static void store_block(Product *p) {
    const Block *block = &p->now;
    keep_sums(&p->kept);
    p->kept = (RunSums){ 0 };
    for (size_t t = 0; t < block->n_tokens; t += TILE) {
        SumTile *sums = p->sums + t / TILE * row_tiles(block);
        size_t n = MIN(block->n_tokens - t, (size_t)TILE);
        for (size_t r = block->row; r < block->end; r += TILE) {
            store_sums(p->job, r, block->end, block->token + t, n, *sums++);
        }
    }
}

_Static_assert(2 * sizeof(Panel) + PANEL_ROWS / TILE * PANEL_TOKENS / TILE * sizeof(SumTile) <=
                   KERNELS_TILES_SCRATCH * sizeof(float),
               "scratch holds weights and sums");

static void zero_outputs(const KernelsMatmulJob *job, size_t row, size_t end) {
    for (size_t t = 0; t < job->n_tokens; t++) {
        memset(job->y + t * job->y_stride + row, 0, (end - row) * sizeof *job->y);
    }
}

ALWAYS_INLINE void matmul_tiles(const KernelsMatmulJob *job, size_t row, size_t end, TileType type,
                                void (*expand)(Expansion *, size_t), float *scratch) {
    if (job->n_tokens == 0 || row >= end) return;
    if (job->n == 0) {
        if (!job->accumulate) zero_outputs(job, row, end);
        return;
    }
    if (job->n_tokens <= FEW_TOKENS) {
        matmul_few(job, row, end, type, scratch);
        return;
    }
    Panel *panels = (void *)scratch;
    Product p = { .job = job, .sums = (void *)(panels + 2) };
    p.now = (Block){ .row = row,
                     .end = MIN(row + PANEL_ROWS, end),
                     .n_tokens = MIN(job->n_tokens, (size_t)PANEL_TOKENS),
                     .n_groups = MIN(n_groups(job), block_groups(type.form)),
                     .panel = &panels[0] };
    configure_tiles(job->n_tokens);
    p.expansion = expansion_of(job, &p.now, type);
    expand(&p.expansion, p.expansion.n_rows);
    for (size_t i = 1; p.now.n_groups > 0; i++) {
        p.next = next_block(job, &p.now, end, type.form, &panels[i % 2]);
        p.expansion = expansion_of(job, &p.next, type);
        p.stream = stream_of(job, &p.now, type);
        multiply_block(&p, type, expand);
        if (p.now.group + p.now.n_groups == n_groups(job)) store_block(&p);
        p.now = p.next;
    }
    tiles_release();
}

#define DEFINE_MATMUL_AMX(name, form, block_bytes)                                                 \
    static __attribute__((noinline)) void expand_rows_##name(Expansion *e, size_t to) {            \
        expand_rows(e, to, (TileType){ form, expand_##name, block_bytes });                        \
    }                                                                                              \
    static void matmul_##name##_amx(const KernelsMatmulJob *job, size_t row_begin, size_t row_end, \
                                    float *scratch) {                                              \
        matmul_tiles(job, row_begin, row_end, (TileType){ form, expand_##name, block_bytes },      \
                     expand_rows_##name, scratch);                                                 \
    }
