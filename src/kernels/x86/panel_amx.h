#pragma once
/* Weights in the order of tiles: 16 rows side by side, four bytes of each in turn. What
 * unpack_vnni.h gives for a row has its 16 blocks side by side; 16 rows of that are transposed,
 * once for all tokens. Folder-private. */
#include "kernels/x86/dot_vnni.h"

enum { TILE = 16 }; /* rows of weights and tokens of a tile */

/* A block of 32 weights of 16 rows; only as many factors as the kind has are there (block_bytes):
 * scales, addends. */
typedef struct TileBlock {
    _Alignas(64) uint8_t q[SLAB_STEPS][4 * TILE]; /* signed where the type has a zero */
    float factors[4][TILE];
} TileBlock;

ALWAYS_INLINE size_t block_bytes(SlabKind kind) {
    return sizeof(((TileBlock *)NULL)->q) +
           (n_scales(kind) + n_addends(kind)) * TILE * sizeof(float);
}

/* Vectors of 16 rows to their place in the blocks of all lanes, which are `stride` apart. */
ALWAYS_INLINE void store_lanes(const __m512i rows[TILE], uint8_t *to, size_t stride) {
    __m512i lanes[TILE];
    transpose_16(rows, lanes);
    UNROLL for (size_t i = 0; i < TILE; i++) _mm512_store_si512(to + i * stride, lanes[i]);
}

/* Slab s of rows [row, row + 16), past the last one that one again. to: the first lane's block. */
ALWAYS_INLINE void expand_slab(const uint8_t *const rows[TILE], size_t s, const RowShape *shape,
                               size_t slab_stride, UnpackSlab *unpack, SlabKind kind, int zero,
                               uint8_t *to, size_t stride) {
    __m512i q[SLAB_STEPS][TILE], factors[4][TILE];
    size_t halves = n_scales(kind);
    for (size_t r = 0; r < TILE; r++) {
        Slab slab = unpack_at(rows[r], s, shape, slab_stride, unpack);
        UNROLL for (size_t k = 0; k < SLAB_STEPS; k++) {
            q[k][r] = zero ? _mm512_sub_epi8(slab.q[k], _mm512_set1_epi8((char)zero)) : slab.q[k];
        }
        UNROLL for (size_t i = 0; i < halves; i++) factors[i][r] = _mm512_castps_si512(slab.d[i]);
        UNROLL for (size_t i = 0; i < n_addends(kind); i++) {
            factors[halves + i][r] = _mm512_castps_si512(slab.m[i]);
        }
    }
    for (size_t k = 0; k < SLAB_STEPS; k++) store_lanes(q[k], to + sizeof(__m512i) * k, stride);
    for (size_t i = 0; i < halves + n_addends(kind); i++) {
        store_lanes(factors[i], to + offsetof(TileBlock, factors) + i * sizeof(__m512), stride);
    }
}

/* Rows [row, row + n_rows) to panel: [n_rows / 16, lanes, n_slabs] blocks, so that what is
 * multiplied one after another lies in order. */
ALWAYS_INLINE void expand_panel(const KernelsMatmulJob *job, size_t row, size_t n_rows,
                                const RowShape *shape, size_t slab_stride, UnpackSlab *unpack,
                                SlabKind kind, int zero, uint8_t *panel) {
    size_t stride = shape->n_slabs * block_bytes(kind);
    for (size_t first = 0; first < n_rows; first += TILE) {
        const uint8_t *rows[TILE];
        for (size_t r = 0; r < TILE; r++) {
            rows[r] = (const uint8_t *)job->w + (row + MIN(first + r, n_rows - 1)) * job->row_bytes;
        }
        for (size_t s = 0; s < shape->n_slabs; s++) {
            expand_slab(rows, s, shape, slab_stride, unpack, kind, zero,
                        panel + s * block_bytes(kind), stride);
        }
        panel += SLAB_BLOCKS * stride;
    }
}
