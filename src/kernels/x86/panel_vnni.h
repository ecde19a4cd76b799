#pragma once
/* Many tokens: rows of weights are unpacked into a panel (scratch, L2), then tiles of some rows and
 * tokens keep their integer sums in registers. A tile does a group of slabs, whose inputs stay in
 * L1 while the panel's rows pass by; sums wait in scratch from group to group. While a panel is
 * multiplied, the rows that follow it are fetched from memory. There are two forms of panels:
 * tiles_scaled_vnni.h, tiles_rounded_vnni.h. */
#include "kernels/x86/dot_vnni.h"

enum { MAX_TILE_TOKENS = 6, L2_INPUT_BYTES = 384 << 10 };

/* Sums of a token for each row of a panel. */
typedef float TokenSums[KERNELS_PANEL_ROWS][SLAB_BLOCKS];
/* KERNELS_DOT_SCRATCH: for each of its rows 1.5 bytes a weight, and 256 sums */
_Static_assert(KERNELS_PANEL_ROWS * sizeof(WeightSlab) <=
                       KERNELS_SCRATCH_ROWS * KERNELS_SLAB * 3 / 2 &&
                   MAX_TILE_TOKENS * sizeof(TokenSums) <=
                       KERNELS_SCRATCH_ROWS * 256 * sizeof(float),
               "a panel and its sums");

/* A group of slabs of a panel's rows and of some tokens. */
typedef struct Strip {
    const uint8_t *w; /* [n_rows, n_slabs] */
    size_t n_rows;
    const KernelsInputSlab *x[MAX_TILE_TOKENS];
    const char *next[MAX_TILE_TOKENS]; /* inputs of the strip to come */
    bool fetch;                        /* them: all inputs are more than L2 holds */
    size_t n_slabs;
    int zero;
    bool first;                    /* sums begin here */
    TokenSums *sums;               /* [n_tokens] */
    const char *later, *later_end; /* weights of the panel to come that are not fetched yet */
    size_t later_bytes;            /* how much of them to fetch a slab */
} Strip;
typedef void StripRun(Strip *strip);

/* How weights lie in a panel, [groups, n_rows, SLAB_GROUP] slabs, fewer in the last group, so that
 * a strip's lie one after the other; and what multiplies them. */
typedef struct PanelForm {
    size_t slab_bytes, group_bytes; /* of a row: each slab's, and what follows those of a group */
    size_t tile_rows, tile_tokens;
    StripRun *const *strips; /* [tile_tokens]: for so many, less one */
    int zero;
} PanelForm;

/* Where group `slab / SLAB_GROUP`, of n_slabs, of row r is in a panel of n_rows. */
ALWAYS_INLINE size_t group_at(const PanelForm *form, size_t n_rows, size_t slab, size_t n_slabs,
                              size_t r) {
    size_t before = slab * form->slab_bytes + slab / SLAB_GROUP * form->group_bytes;
    return before * n_rows + r * (n_slabs * form->slab_bytes + form->group_bytes);
}

/* A tile's share of the next strip's inputs, from L3 to L2. */
ALWAYS_INLINE void fetch_inputs(const Strip *strip, size_t row, size_t n_rows, size_t n_tokens) {
    if (!strip->fetch) return;
    UNROLL for (size_t t = 0; t < n_tokens; t++) {
        UNROLL for (size_t r = 0; r < n_rows; r++) {
            _mm_prefetch(strip->next[t] + (row + r) * 64, _MM_HINT_T1);
        }
    }
}
_Static_assert(SLAB_GROUP * sizeof(KernelsInputSlab) == KERNELS_PANEL_ROWS * 64,
               "each row fetches a line");

/* A slab's share of the next panel's weights, from memory to L2. Returns where the rest begins. */
ALWAYS_INLINE const char *fetch_weights(const Strip *strip, const char *later) {
    for (size_t i = 0; i < strip->later_bytes && later < strip->later_end; i += 64, later += 64) {
        _mm_prefetch(later, _MM_HINT_T1);
    }
    return later;
}

/* Where outputs will go: each token's lie pages apart. */
static void fetch_outputs(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                          size_t n_tokens) {
    for (size_t t = token; t < token + n_tokens; t++) {
        const float *y = job->y + t * job->y_stride + row;
        for (size_t i = 0; i < n_rows; i += 16) __builtin_prefetch(y + i, 1, 2);
    }
}

/* Outputs of n_tokens from their sums. */
static void panel_store(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                        size_t n_tokens, TokenSums *sums) {
    for (size_t t = 0; t < n_tokens; t++) {
        for (size_t first = 0; first < n_rows; first += 16) {
            __mmask16 mask = (__mmask16)((1U << MIN(n_rows - first, (size_t)16)) - 1);
            float *y = job->y + (token + t) * job->y_stride + row + first;
            __m512 v[16];
            UNROLL for (size_t i = 0; i < 16; i++) v[i] = _mm512_load_ps(sums[t][first + i]);
            __m512 outputs = fold_16(v);
            if (job->accumulate) outputs = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), outputs);
            _mm512_mask_storeu_ps(y, mask, outputs);
        }
    }
}

/* How many of the tokens that are left the next strip takes: as many as the others. */
static size_t strip_tokens(size_t left, size_t most) {
    size_t n_strips = (left + most - 1) / most;
    return (left + n_strips - 1) / n_strips;
}

/* All tokens times a panel. */
static void multiply_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t n_slabs,
                           const uint8_t *panel, const PanelForm *form, TokenSums *sums) {
    size_t n_tiles = (job->n_tokens + form->tile_tokens - 1) / form->tile_tokens *
                     ((n_rows + form->tile_rows - 1) / form->tile_rows);
    Strip strip = { .n_rows = n_rows, .zero = form->zero, .sums = sums };
    strip.fetch = job->n_tokens * job->x_stride > L2_INPUT_BYTES;
    strip.later = (const char *)job->w + (row + n_rows) * job->row_bytes;
    strip.later_end = strip.later + n_rows * job->row_bytes;
    if (n_slabs == 0) memset(sums, 0, MAX_TILE_TOKENS * sizeof *sums);
    if (n_slabs) strip.later_bytes = (n_rows * job->row_bytes / (n_tiles * n_slabs) + 63) / 64 * 64;
    for (size_t token = 0, n_tokens; token < job->n_tokens; token += n_tokens) {
        n_tokens = strip_tokens(job->n_tokens - token, form->tile_tokens);
        fetch_outputs(job, row, n_rows, token, n_tokens);
        for (size_t slab = 0; slab < n_slabs; slab += SLAB_GROUP) {
            strip.first = slab == 0;
            strip.n_slabs = MIN(n_slabs - slab, (size_t)SLAB_GROUP);
            strip.w = panel + group_at(form, n_rows, slab, strip.n_slabs, 0);
            for (size_t t = 0; t < n_tokens; t++) {
                const uint8_t *x = (const uint8_t *)job->x + (token + t) * job->x_stride;
                strip.x[t] = (const KernelsInputSlab *)(const void *)x + slab;
                bool last = slab + SLAB_GROUP >= n_slabs;
                strip.next[t] = last ? (const char *)x + n_tokens * job->x_stride
                                     : (const char *)(strip.x[t] + SLAB_GROUP);
            }
            form->strips[n_tokens - 1](&strip);
        }
        panel_store(job, row, n_rows, token, n_tokens, sums);
    }
}

typedef void UnpackPanel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                         const RowShape *shape, uint8_t *panel);

static void panel_rows(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                       size_t slab_stride, float *scratch, UnpackPanel *unpack,
                       const PanelForm *form) {
    RowShape shape = row_shape(job, slab_stride);
    TokenSums *sums = (void *)scratch;
    uint8_t *panel = (uint8_t *)(sums + MAX_TILE_TOKENS);
    for (size_t row = row_begin; row < row_end; row += KERNELS_PANEL_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)KERNELS_PANEL_ROWS);
        unpack(job, row, n_rows, &shape, panel);
        multiply_panel(job, row, n_rows, shape.n_slabs, panel, form, sums);
    }
}
