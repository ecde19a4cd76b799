#pragma once
/* The form in which int8 products take their inputs: slabs of 512 inputs, 16 blocks of 32 side by
 * side. A vector holds four inputs of each block, so that eight dot-product instructions give one
 * integer sum a block, and each block's scale is a lane of its own; no lane is ever moved.
 * Weights are brought to the same order (x86/unpack_vnni.h). Block b stands in lane SLAB_LANE(b):
 * that is where transposing four vectors of four blocks of 16 bytes leaves it. Folder-private. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SLAB_LANE(block) ((block) % 4 * 4 + (block) / 4)
#define LANE_BLOCK(lane) SLAB_LANE(lane) /* its own inverse */

/* Where inputs share scales, a lane's blocks of SLAB_GROUP slabs have one: their products can be
 * added before they are scaled. */
enum { KERNELS_SLAB = 512, SLAB_BLOCKS = 16, SLAB_STEPS = 8, SLAB_GROUP = 4 };

/* A row ends with a slab whose missing blocks are zeros. */
typedef struct KernelsInputSlab {
    /* [step][lane][4]: inputs 4 step .. 4 step + 3 of the lane's block */
    _Alignas(64) int8_t q[SLAB_STEPS][4 * SLAB_BLOCKS];
    float d[SLAB_BLOCKS]; /* of each lane: input = q d */
    /* weights that are unsigned numbers minus a constant are corrected by the sum of q over the
     * block, or over its two halves; those with an addend, by the sum of the inputs */
    int32_t sum[SLAB_BLOCKS], first[SLAB_BLOCKS]; /* of q: all 32, the first 16 */
    float total[SLAB_BLOCKS];                     /* d sum; where d is shared, sum */
} KernelsInputSlab;

/* What weights of a type come with, for each block of 32: scales d of the block or of its two
 * halves, addends m likewise:  weight = d (q - zero) + m,  q unsigned, zero a constant of the type.
 */
typedef enum SlabKind {
    SLAB_PLAIN,     /* d */
    SLAB_MIN,       /* d, m */
    SLAB_HALVES,    /* two d */
    SLAB_HALVES_MIN /* two d, two m */
} SlabKind;

/* How many scales and addends a kind has. */
static inline __attribute__((always_inline)) size_t n_scales(SlabKind kind) {
    return kind == SLAB_HALVES || kind == SLAB_HALVES_MIN ? 2 : 1;
}
static inline __attribute__((always_inline)) size_t n_addends(SlabKind kind) {
    return kind == SLAB_MIN ? 1 : kind == SLAB_HALVES_MIN ? 2 : 0;
}

/* Weights in the order of inputs. In memory only as many factors follow q as the kind has
 * (slab_bytes): scales, then addends. */
typedef struct WeightSlab {
    _Alignas(64) uint8_t q[SLAB_STEPS][4 * SLAB_BLOCKS];
    float factors[4][SLAB_BLOCKS];
} WeightSlab;

static inline __attribute__((always_inline)) size_t slab_bytes(SlabKind kind) {
    return sizeof(((WeightSlab *)NULL)->q) +
           (n_scales(kind) + n_addends(kind)) * SLAB_BLOCKS * sizeof(float);
}

/* n inputs to packed slabs, block by block to its lane. */
typedef void SlabPackBlock(const float *x, size_t lane, KernelsInputSlab *ret);
static inline __attribute__((always_inline)) void slab_pack(const float *x, size_t n, void *y,
                                                            SlabPackBlock *pack_block) {
    KernelsInputSlab *slab = y;
    for (size_t i = 0; i < n; i += KERNELS_SLAB, slab++) {
        size_t left = n - i < KERNELS_SLAB ? n - i : KERNELS_SLAB;
        if (left < KERNELS_SLAB) memset(slab, 0, sizeof *slab);
        for (size_t b = 0; b < left / 32; b++) pack_block(x + i + 32 * b, SLAB_LANE(b), slab);
    }
}

/* The inputs that a packed row stands for. */
static inline void slab_unpack(const void *packed, size_t n, float *x) {
    const KernelsInputSlab *slab = packed;
    for (size_t i = 0; i < n; i++) {
        const KernelsInputSlab *s = slab + i / KERNELS_SLAB;
        size_t lane = SLAB_LANE(i % KERNELS_SLAB / 32), k = i % 32;
        x[i] = (float)s->q[k / 4][4 * lane + k % 4] * s->d[lane];
    }
}
