#pragma once
/* The tile instructions of AMX: eight registers of up to 16 rows of 64 bytes, whose shapes a
 * configuration sets. Kernels use them through these names only, so that tests run the same kernels
 * on emulated tiles where the processor has none (tests/kernels/emulated). Numbers of tiles are
 * literals.
 *     TILE_ZERO(c)              all of c becomes 0
 *     TILE_LOAD(t, p, stride)   rows of t from p, p + stride, ...; as many bytes as t's shape says
 *     TILE_LOAD_ONCE(t, p, stride)  the same, of what need not stay in L1
 *     TILE_STORE(t, p, stride)
 *     TILE_DOT_BF16(c, a, b)    f32 c[m, n] += sum over k of a[m, k] b[k / 2, 2 n + k % 2], bf16
 * Each thread configures its own tiles, and releases them: tiles in use are kept at each context
 * switch. Source: Intel SDM vol. 1 ch. 18 and vol. 2, LDTILECFG to TILEZERO.
 *
 * As statements of their own and not <immintrin.h>'s, whose loads GCC 12 takes for reading nothing
 * (or 8 of a configuration's 64 bytes): it then moves or deletes the stores before them. */
#include <stddef.h>
#include <stdint.h>

enum { TILE_ROWS_MOST = 16, TILE_ROW_BYTES = 64 };

/* The 64 bytes of LDTILECFG. */
typedef struct TileConfig {
    _Alignas(64) uint8_t palette; /* 1 */
    uint8_t start_row, reserved[14];
    uint16_t row_bytes[16]; /* multiples of 4 */
    uint8_t rows[16];
} TileConfig;
_Static_assert(sizeof(TileConfig) == 64, "as the processor reads it");

static inline void tile_shape(TileConfig *config, size_t tile, size_t rows, size_t row_bytes) {
    config->palette = 1;
    config->rows[tile] = (uint8_t)rows;
    config->row_bytes[tile] = (uint16_t)row_bytes;
}

#ifdef KERNELS_EMULATED
#include "tiles_emulated.h"
#else

static inline void tiles_configure(const TileConfig *config) {
    __asm__ volatile("ldtilecfg %0" ::"m"(*config) : "memory");
}
static inline void tiles_release(void) {
    __asm__ volatile("tilerelease" ::: "memory");
}

#define TILE_ZERO(c) __asm__ volatile("tilezero %%tmm" #c ::: "memory")
#define TILE_MEMORY(p, stride) "r"(p), "r"((size_t)(stride))
#define TILE_LOAD(t, p, stride)                                                                    \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::TILE_MEMORY(p, stride) : "memory")
#define TILE_LOAD_ONCE(t, p, stride)                                                               \
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #t ::TILE_MEMORY(p, stride) : "memory")
#define TILE_STORE(t, p, stride)                                                                   \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::TILE_MEMORY(p, stride) : "memory")
#define TILE_DOT_BF16(c, a, b)                                                                     \
    __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")

#endif
