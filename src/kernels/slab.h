#pragma once
/* The form in which int8 products take their inputs: slabs of 512 inputs, 16 blocks of 32 side by
 * side. A vector holds four inputs of each block, so that eight dot-product instructions give one
 * integer sum a block, and each block's scale is a lane of its own; no lane is ever moved.
 * Weights are brought to the same order (x86/unpack_vnni.h). Block b stands in lane SLAB_LANE(b):
 * that is where transposing four vectors of four blocks of 16 bytes leaves it. Folder-private. */
#include <stdint.h>

#define SLAB_LANE(block) ((block) % 4 * 4 + (block) / 4)
#define LANE_BLOCK(lane) SLAB_LANE(lane) /* its own inverse */

enum { KERNELS_SLAB = 512, SLAB_BLOCKS = 16, SLAB_STEPS = 8 };

/* A row ends with a slab whose missing blocks are zeros. */
typedef struct KernelsInputSlab {
    /* [step][lane][4]: inputs 4 step .. 4 step + 3 of the lane's block */
    _Alignas(64) int8_t q[SLAB_STEPS][4 * SLAB_BLOCKS];
    float d[SLAB_BLOCKS]; /* of each lane: input = q d */
    /* weights that are unsigned numbers minus a constant are corrected by the sum of q over the
     * block, or over its two halves; those with an addend, by the sum of the inputs */
    int32_t sum[SLAB_BLOCKS], first[SLAB_BLOCKS]; /* of q: all 32, the first 16 */
    float total[SLAB_BLOCKS];                     /* d sum */
} KernelsInputSlab;
