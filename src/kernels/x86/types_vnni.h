#pragma once
/* What the set for VNNI lends to the set of tiles: products for few tokens, and packed inputs.
 * Folder-private. */
#include "kernels/kernels.h"
#include "kernels/x86/types_int8.h"

#define DECLARE_MATMUL(type, name, kind, zero, top) KernelsMatmul kernels_matmul_##name##_vnni;
INT8_TYPES(DECLARE_MATMUL)
KernelsPack kernels_pack_int8_vnni, kernels_pack_int8_shared_vnni;
