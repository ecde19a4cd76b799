#pragma once
/* The number formats that GGUF tensors are stored in: layouts, a table of their traits, rows to f32
 * and back. A row is a whole number of blocks; a block is the smallest unit that can be read alone.
 * Not here: arithmetic on blocks (src/kernels).
 * Threads: any; nothing here has state. Alignment: the structs are packed, so a block may stand at
 * any address. All numbers are little-endian.
 * Source: the published layouts of the GGUF/ggml formats; oracle: gguf-py's dequantisation (golden
 * `*.dequant.bin`), reproduced bit for bit. */
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Numbers as they stand in files. Others exist (gguf_type_name knows them) and are refused. */
typedef enum GgufType {
    GGUF_TYPE_F32 = 0,
    GGUF_TYPE_F16 = 1,
    GGUF_TYPE_Q4_0 = 2,
    GGUF_TYPE_Q4_1 = 3,
    GGUF_TYPE_Q5_0 = 6,
    GGUF_TYPE_Q5_1 = 7,
    GGUF_TYPE_Q8_0 = 8,
    GGUF_TYPE_Q2_K = 10,
    GGUF_TYPE_Q3_K = 11,
    GGUF_TYPE_Q4_K = 12,
    GGUF_TYPE_Q5_K = 13,
    GGUF_TYPE_Q6_K = 14,
    GGUF_TYPE_IQ4_NL = 20,
    GGUF_TYPE_IQ4_XS = 23,
    GGUF_TYPE_BF16 = 30,
} GgufType;
enum { GGUF_N_TYPE_NUMBERS = 31 }; /* every supported number is below this */

typedef struct GgufTypeTraits {
    const char *name; /* "Q4_K" */
    GgufType type;
    uint16_t n_elements; /* elements of a block */
    uint16_t bytes;      /* bytes of a block */
    bool quantized;      /* more than one element shares a scale */
} GgufTypeTraits;

/* Traits of a supported type, static; NULL for any other number. */
const GgufTypeTraits *gguf_type_traits(uint32_t type_number);
/* "Q4_K", also for types that are known and not supported ("IQ2_XXS"); "unknown" for the rest. */
const char *gguf_type_name(uint32_t type_number);
/* The supported type of that name, case-insensitive ("q4_k"); false where there is none. */
bool gguf_type_parse(const char *name, GgufType *ret) MUST_CHECK;
/* Bytes of a row of n elements; false where n is not a whole number of blocks, or too large. */
bool gguf_type_row_bytes(GgufType type, uint64_t n_elements, size_t *ret) MUST_CHECK;

/* Decode n elements (a whole number of blocks: asserted) to f32.
 * blocks  n / traits.n_elements blocks, borrowed, any alignment, any content: every bit pattern
 *         decodes (to NaN and infinity where scales hold them)
 * ret     f32 [n], must not overlap blocks. Errors: none. */
void gguf_decode_row(GgufType type, const void *blocks, size_t n, float *ret);
/* Encode n finite elements (a whole number of blocks: asserted), searching scales and levels that
 * make the squared error small. Deterministic: the same bytes on every machine and thread count.
 * Elements that are not finite count as 0 (quantised types only), those beyond the type's range
 * are clamped to it. ret: n / traits.n_elements blocks, must not overlap x. Errors: none.
 * Cost: O(n), no allocation; about 10 ns (Q8_0) to 500 ns (Q3_K) an element and GHz. */
void gguf_encode_row(GgufType type, const float *x, size_t n, void *ret);

/* ---- half precision ---------------------------------------------------------------------- */

static inline float gguf_bits_f32(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint32_t gguf_f32_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}
/* IEEE binary16 to f32: exact, subnormals included. */
static inline float gguf_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000U) << 16;
    uint32_t magnitude = (uint32_t)(h & 0x7FFFU) << 13;
    if (magnitude >= 0x0F800000U)
        return gguf_bits_f32(sign | 0x70000000U | magnitude); /* inf, NaN */
    /* The exponents' biases differ by 112; the product is exact and normalises subnormals. */
    return gguf_bits_f32(sign | gguf_f32_bits(gguf_bits_f32(magnitude) * 0x1p112F));
}
/* f32 to IEEE binary16, to nearest, ties to even; overflow becomes infinity. */
static inline uint16_t gguf_f32_to_f16(float f) {
    uint32_t bits = gguf_f32_bits(f);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000U);
    uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) return (uint16_t)(sign | 0x7E00U | (magnitude >> 13 & 0x3FFU));
    if (magnitude >= 0x477FF000U) return (uint16_t)(sign | 0x7C00U);
    if (magnitude < 0x38800000U) {
        /* subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits */
        uint32_t sum = gguf_f32_bits(gguf_bits_f32(magnitude) + 0.5F);
        return (uint16_t)(sign | (sum - 0x3F000000U));
    }
    uint32_t odd = magnitude >> 13 & 1U;
    return (uint16_t)(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13));
}
static inline float gguf_bf16_to_f32(uint16_t b) {
    return gguf_bits_f32((uint32_t)b << 16);
}
/* To nearest, ties to even; NaN stays NaN (quiet). */
static inline uint16_t gguf_f32_to_bf16(float f) {
    uint32_t bits = gguf_f32_bits(f);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return (uint16_t)(bits >> 16 | 0x40U);
    return (uint16_t)((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

/* ---- blocks of 32 -------------------------------------------------------------------------- */
/* Nibbles: element i < 16 is the low half of qs[i], element i + 16 the high half. */

enum { GGUF_BLOCK = 32, GGUF_SUPERBLOCK = 256 };
#define GGUF_PACKED __attribute__((packed))

/* byte 0 d f16 | 2 qs[16].  x = (q - 8) d */
typedef struct GGUF_PACKED GgufBlockQ4_0 {
    uint16_t d;
    uint8_t qs[16];
} GgufBlockQ4_0;
/* byte 0 d f16 | 2 m f16 | 4 qs[16].  x = q d + m */
typedef struct GGUF_PACKED GgufBlockQ4_1 {
    uint16_t d, m;
    uint8_t qs[16];
} GgufBlockQ4_1;
/* byte 0 d f16 | 2 qh u32 (bit i: fifth bit of element i) | 6 qs[16].  x = (q - 16) d */
typedef struct GGUF_PACKED GgufBlockQ5_0 {
    uint16_t d;
    uint8_t qh[4];
    uint8_t qs[16];
} GgufBlockQ5_0;
/* byte 0 d f16 | 2 m f16 | 4 qh u32 | 8 qs[16].  x = q d + m */
typedef struct GGUF_PACKED GgufBlockQ5_1 {
    uint16_t d, m;
    uint8_t qh[4];
    uint8_t qs[16];
} GgufBlockQ5_1;
/* byte 0 d f16 | 2 qs[32] signed.  x = q d */
typedef struct GGUF_PACKED GgufBlockQ8_0 {
    uint16_t d;
    int8_t qs[32];
} GgufBlockQ8_0;
/* byte 0 d f16 | 2 qs[16].  x = gguf_iq4_values[q] d */
typedef struct GGUF_PACKED GgufBlockIQ4_NL {
    uint16_t d;
    uint8_t qs[16];
} GgufBlockIQ4_NL;

/* The 16 levels of IQ4_NL and IQ4_XS, ascending. */
extern const int8_t gguf_iq4_values[16];

/* ---- superblocks of 256 ---------------------------------------------------------------------- */

/* byte 0 scales[16] (low 4 bits scale, high 4 bits minimum, of 16 elements each) | 16 qs[64] |
 * 80 d f16 | 82 dmin f16.  x = d sc q - dmin m
 * Element 128 h + 32 j + l (l < 32): bits 2j, 2j + 1 of qs[32 h + l]; group (element / 16). */
typedef struct GGUF_PACKED GgufBlockQ2_K {
    uint8_t scales[16];
    uint8_t qs[64];
    uint16_t d, dmin;
} GgufBlockQ2_K;
/* byte 0 hmask[32] | 32 qs[64] | 96 scales[12] (see gguf_q3_k_scales) | 108 d f16.
 * x = d (sc - 32) (q - 4), q of three bits: two as in Q2_K, the third is bit 4h + j of hmask[l]. */
typedef struct GGUF_PACKED GgufBlockQ3_K {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    uint16_t d;
} GgufBlockQ3_K;
/* byte 0 d f16 | 2 dmin f16 | 4 scales[12] (see gguf_q4_k_scale) | 16 qs[128].
 * x = d sc q - dmin m.  Element 64 c + l (l < 32): low half of qs[32 c + l]; 64 c + 32 + l: its
 * high half; group (element / 32). */
typedef struct GGUF_PACKED GgufBlockQ4_K {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qs[128];
} GgufBlockQ4_K;
/* byte 0 d f16 | 2 dmin f16 | 4 scales[12] | 16 qh[32] | 48 qs[128].  As Q4_K; the fifth bit of
 * element 32 g + l is bit g of qh[l]. */
typedef struct GGUF_PACKED GgufBlockQ5_K {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
} GgufBlockQ5_K;
/* byte 0 ql[128] | 128 qh[64] | 192 scales[16] signed, of 16 elements each | 208 d f16.
 * x = d sc (q - 32).  Element 128 h + 32 j + l (l < 32): low four bits in ql[64 h + 32 (j % 2) +
 * l], low half for j < 2, high half otherwise; high two are bits 2j, 2j + 1 of qh[32 h + l]. */
typedef struct GGUF_PACKED GgufBlockQ6_K {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    uint16_t d;
} GgufBlockQ6_K;
/* byte 0 d f16 | 2 scales_h u16 (two bits a group) | 4 scales_l[4] (four bits a group) | 8 qs[128].
 * x = d (sc - 32) gguf_iq4_values[q]; groups of 32 elements, each with 16 bytes of nibbles laid out
 * as in the blocks of 32. */
typedef struct GGUF_PACKED GgufBlockIQ4_XS {
    uint16_t d;
    uint16_t scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
} GgufBlockIQ4_XS;

_Static_assert(sizeof(GgufBlockQ4_0) == 18, "Q4_0");
_Static_assert(sizeof(GgufBlockQ4_1) == 20, "Q4_1");
_Static_assert(sizeof(GgufBlockQ5_0) == 22, "Q5_0");
_Static_assert(sizeof(GgufBlockQ5_1) == 24, "Q5_1");
_Static_assert(sizeof(GgufBlockQ8_0) == 34, "Q8_0");
_Static_assert(sizeof(GgufBlockIQ4_NL) == 18, "IQ4_NL");
_Static_assert(sizeof(GgufBlockQ2_K) == 84, "Q2_K");
_Static_assert(sizeof(GgufBlockQ3_K) == 110, "Q3_K");
_Static_assert(sizeof(GgufBlockQ4_K) == 144, "Q4_K");
_Static_assert(sizeof(GgufBlockQ5_K) == 176, "Q5_K");
_Static_assert(sizeof(GgufBlockQ6_K) == 210, "Q6_K");
_Static_assert(sizeof(GgufBlockIQ4_XS) == 136, "IQ4_XS");

/* Scale and minimum (0-63) of group g < 8 of Q4_K and Q5_K. The first four of each have the low six
 * bits of bytes g and g + 4; of the others, byte g + 4 holds four bits of both, and the two high
 * bits stand on top of bytes g - 4 and g. */
static inline void gguf_q4_k_scale(const uint8_t scales[12], size_t g, uint8_t *ret_scale,
                                   uint8_t *ret_min) {
    if (g < 4) {
        *ret_scale = scales[g] & 63;
        *ret_min = scales[g + 4] & 63;
    } else {
        *ret_scale = (uint8_t)((scales[g + 4] & 15) | scales[g - 4] >> 6 << 4);
        *ret_min = (uint8_t)(scales[g + 4] >> 4 | scales[g] >> 6 << 4);
    }
}
/* The sixteen scales of Q3_K, -32..31: four low bits in the halves of bytes 0-7, two high bits of
 * scale i at bits 2 (i / 4) of byte 8 + i % 4. */
static inline void gguf_q3_k_scales(const uint8_t scales[12], int8_t ret[16]) {
    for (size_t i = 0; i < 16; i++) {
        int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
        int high = scales[8 + i % 4] >> 2 * (i / 4) & 3;
        ret[i] = (int8_t)((low | high << 4) - 32);
    }
}
/* Scale (-32..31) of group g < 8 of IQ4_XS. */
static inline int gguf_iq4_xs_scale(const GgufBlockIQ4_XS *b, size_t g) {
    int low = b->scales_l[g / 2] >> 4 * (g % 2) & 15;
    return (low | (b->scales_h >> 2 * g & 3) << 4) - 32;
}
