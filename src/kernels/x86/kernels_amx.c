/* The set for AMX: products of quantised weights in int8 tiles, of BF16 and F16 weights in bf16
 * tiles. Everything else is left to the sets before it. Nothing in it may run before
 * kernels_cpu_sets has said that the machine has the instructions and the system has permitted
 * them. */
#include "kernels/x86/matmul_bf16_amx.h"

INT8_TYPES(DEFINE_TILES)

/* ---- inputs ------------------------------------------------------------------------------------
 */

/* Slabs are for few tokens; behind them the same bytes in order, as tiles load them. */
static void append_plain(size_t n, void *y) {
    const KernelsInputSlab *slab = y;
    size_t n_slabs = (n + KERNELS_SLAB - 1) / KERNELS_SLAB;
    uint8_t *plain = (uint8_t *)y + n_slabs * sizeof *slab;
    for (size_t s = 0; s < n_slabs; s++, slab++) {
        for (size_t b = 0; b < SLAB_BLOCKS; b++) {
            for (size_t k = 0; k < SLAB_STEPS; k++, plain += 4) {
                memcpy(plain, &slab->q[k][4 * SLAB_LANE(b)], 4);
            }
        }
    }
}

static void pack_int8_amx(const float *x, size_t n, void *y) {
    kernels_pack_int8_vnni(x, n, y);
    append_plain(n, y);
}

static void pack_int8_shared_amx(const float *x, size_t n, void *y) {
    kernels_pack_int8_shared_vnni(x, n, y);
    append_plain(n, y);
}

static void unpack_int8_amx(const void *packed, size_t n, float *x) {
    const KernelsInputSlab *slabs = packed;
    const int8_t *plain = (const void *)(slabs + (n + KERNELS_SLAB - 1) / KERNELS_SLAB);
    for (size_t i = 0; i < n; i++) {
        size_t lane = SLAB_LANE(i % KERNELS_SLAB / GGUF_BLOCK);
        x[i] = (float)plain[i] * slabs[i / KERNELS_SLAB].d[lane];
    }
}

/* ---- the peak ---------------------------------------------------------------------------------
 */

enum { PEAK_CHAINS = 4 };

static void configure_peak(void) {
    TileConfig config = { 0 };
    for (size_t i = 0; i < 8; i++) tile_shape(&config, i, TILE, TILE_ROW_BYTES);
    tiles_configure(&config);
    TILE_ZERO(4);
    TILE_ZERO(5);
}

static double peak_int8_amx(size_t n_rounds) {
    configure_peak();
    for (size_t n = 0; n < n_rounds; n++) {
        TILE_DOT_SS(0, 4, 5);
        TILE_DOT_SS(1, 4, 5);
        TILE_DOT_SS(2, 4, 5);
        TILE_DOT_SS(3, 4, 5);
    }
    tiles_release();
    return (double)n_rounds * PEAK_CHAINS * TILE * TILE * TILE_ROW_BYTES * 2;
}

static double peak_bf16_amx(size_t n_rounds) {
    configure_peak();
    for (size_t n = 0; n < n_rounds; n++) {
        TILE_DOT_BF16(0, 4, 5);
        TILE_DOT_BF16(1, 4, 5);
        TILE_DOT_BF16(2, 4, 5);
        TILE_DOT_BF16(3, 4, 5);
    }
    tiles_release();
    return (double)n_rounds * PEAK_CHAINS * TILE * TILE * BF16_GROUP * 2;
}

/* Of weights: each takes part in five products of tiles. */
static double peak_f16_amx(size_t n_rounds) {
    return peak_bf16_amx(n_rounds) / F16_PRODUCTS;
}

void kernels_fill_amx(KernelTable *table) {
    table->name = "amx";
    table->pack[KERNELS_INT8] = NULL; /* nothing takes them any more */
    table->pack[KERNELS_INT8_SHARED] = NULL;
    table->pack[KERNELS_INT8_TILES] = pack_int8_amx;
    table->pack[KERNELS_INT8_SHARED_TILES] = pack_int8_shared_amx;
    table->unpack[KERNELS_INT8_TILES] = unpack_int8_amx;
    table->unpack[KERNELS_INT8_SHARED_TILES] = unpack_int8_amx;
    table->peak[KERNELS_INT8_TILES] = peak_int8_amx;
    table->peak[KERNELS_INT8_SHARED_TILES] = peak_int8_amx;
#define FILL_TYPE(type, name, kind, zero, top)                                                     \
    table->matmul[GGUF_TYPE_##type] = matmul_##name##_amx;                                         \
    table->forms[GGUF_TYPE_##type] =                                                               \
        one_form(SHARES_SCALES(type) ? KERNELS_INT8_SHARED_TILES : KERNELS_INT8_TILES);
    INT8_TYPES(FILL_TYPE)
#undef FILL_TYPE
    table->matmul[GGUF_TYPE_BF16] = matmul_bf16_amx;
    table->forms[GGUF_TYPE_BF16] = one_form(KERNELS_BF16);
    table->pack[KERNELS_BF16] = pack_bf16;
    table->unpack[KERNELS_BF16] = unpack_bf16;
    table->peak[KERNELS_BF16] = peak_bf16_amx;
    table->matmul[GGUF_TYPE_F16] = matmul_f16_amx;
    table->forms[GGUF_TYPE_F16] = one_form(KERNELS_BF16_PARTS);
    table->pack[KERNELS_BF16_PARTS] = pack_bf16_parts;
    table->unpack[KERNELS_BF16_PARTS] = unpack_bf16_parts;
    table->peak[KERNELS_BF16_PARTS] = peak_f16_amx;
}
