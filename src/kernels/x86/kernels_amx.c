/* The set for AMX: products of prompts in bf16 tiles, but those of F32. Everything else is left to
 * the sets before it: for text that is written, which memory decides, they take less time to make
 * weights ready. Nothing in it may run before kernels_cpu has said that the machine has the
 * instructions and the system has permitted them. */
#include "kernels/x86/attention_amx.h"
#include "kernels/x86/matmul_amx.h"
#include "kernels/x86/types_int8.h"

#define DEFINE_TYPE(type, name, element_bytes)                                                     \
    DEFINE_MATMUL_AMX(name, &bf16_form, 256 / ELEMENTS_##type * sizeof(GgufBlock##type))
KERNELS_BLOCK_TYPES(DEFINE_TYPE)
#undef DEFINE_TYPE
DEFINE_MATMUL_AMX(bf16, &bf16_form, 256 * sizeof(uint16_t))
DEFINE_MATMUL_AMX(f16, &f16_form, 256 / F16_PARTS * sizeof(uint16_t))

/* ---- the peak ---------------------------------------------------------------------------------
 */

enum { PEAK_CHAINS = 4 };

/* Of numbers like those of models: zeros take less power, and a Xeon multiplies them a third
 * faster.
 */
static double peak_bf16_amx(size_t n_rounds) {
    _Alignas(64) uint16_t numbers[TILE * BF16_GROUP];
    uint32_t bits = 1;
    for (size_t i = 0; i < N_ELEMENTS(numbers); i++) {
        bits = bits * 1664525 + 1013904223;
        numbers[i] = (uint16_t)(0x3F80 | (bits >> 16 & 0x807F));
    }
    configure_tiles(TILE);
    TILE_LOAD(4, numbers, TILE_ROW_BYTES);
    TILE_LOAD(6, numbers, TILE_ROW_BYTES);
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (size_t n = 0; n < n_rounds; n++) {
        TILE_DOT_BF16(0, 4, 6);
        TILE_DOT_BF16(1, 4, 6);
        TILE_DOT_BF16(2, 4, 6);
        TILE_DOT_BF16(3, 4, 6);
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
    set_form(table, KERNELS_BF16_TILES, pack_bf16_tiles, unpack_bf16_tiles);
    table->peak[KERNELS_BF16_TILES] = peak_bf16_amx;
    set_form(table, KERNELS_BF16_PART_TILES, pack_bf16_part_tiles, unpack_bf16_part_tiles);
    table->peak[KERNELS_BF16_PART_TILES] = peak_f16_amx;
#define FILL_TYPE(type, name, element_bytes)                                                       \
    table->products[KERNELS_READING][GGUF_TYPE_##type] =                                           \
        (KernelsProduct){ matmul_##name##_amx, one_form(KERNELS_BF16_TILES), PANEL_ROWS };
    KERNELS_BLOCK_TYPES(FILL_TYPE)
    FILL_TYPE(BF16, bf16, 2)
#undef FILL_TYPE
    table->attention[KERNELS_READING][KERNELS_KV_F16] = attention_f16_amx;
    table->attention_rows[KERNELS_READING] = 4 * KERNELS_ATTENTION_ROWS;
    table->products[KERNELS_READING][GGUF_TYPE_F16] =
        (KernelsProduct){ matmul_f16_amx, one_form(KERNELS_BF16_PART_TILES), PANEL_ROWS };
}
