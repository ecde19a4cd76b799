/* Formats without any file: every half-precision number, and for each block format one block built
 * by hand from its byte table, with the values that the definition gives. */
#include "gguf/blocks.h"

#include "base/mem.h"
#include <criterion/criterion.h>
#include <math.h>

/* binary16 by its definition, in doubles. */
static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return h & 0x8000 ? -magnitude : magnitude;
}

Test(blocks, every_half_decodes_exactly_and_encodes_to_itself) {
    for (uint32_t h = 0; h < 65536; h++) {
        float f = gguf_f16_to_f32((uint16_t)h);
        if ((h & 0x7C00) != 0x7C00) {
            cr_assert(f == half_value((uint16_t)h), "%04x", h);
            cr_assert_eq(gguf_f32_to_f16(f), h, "%04x", h);
        } else if (h & 0x3FF) {
            cr_assert(isnan(f) && isnan(gguf_f16_to_f32(gguf_f32_to_f16(f))));
        } else {
            cr_assert(isinf(f) && gguf_f32_to_f16(f) == h);
        }
    }
}

Test(blocks, halves_round_to_nearest_with_ties_to_even) {
    for (uint32_t h = 0; h < 0x7BFF; h++) {
        double low = half_value((uint16_t)h), high = half_value((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); /* exact: one bit more */
        cr_assert_eq(gguf_f32_to_f16(middle), h + (h & 1), "%04x", h);
        cr_assert_eq(gguf_f32_to_f16(nextafterf(middle, 0)), h, "%04x", h);
        cr_assert_eq(gguf_f32_to_f16(nextafterf(middle, 1e9F)), h + 1, "%04x", h);
    }
    cr_assert_eq(gguf_f32_to_f16(65519.996F), 0x7BFF);
    cr_assert_eq(gguf_f32_to_f16(65520.0F), 0x7C00);
    cr_assert_eq(gguf_f32_to_f16(-1e30F), 0xFC00);
}

Test(blocks, bf16_is_the_upper_half_rounded_to_even) {
    cr_assert_eq(gguf_f32_to_bf16(1.0F), 0x3F80);
    cr_assert_eq(gguf_f32_to_bf16(gguf_bits_f32(0x3F808000)), 0x3F80);
    cr_assert_eq(gguf_f32_to_bf16(gguf_bits_f32(0x3F818000)), 0x3F82);
    cr_assert_eq(gguf_f32_to_bf16(gguf_bits_f32(0x3F808001)), 0x3F81);
    cr_assert(isnan(gguf_bf16_to_f32(gguf_f32_to_bf16(gguf_bits_f32(0x7F800001)))));
    cr_assert_eq(gguf_bf16_to_f32(0xC040), -3.0F);
}

Test(blocks, names_are_found_both_ways) {
    for (uint32_t i = 0; i < 64; i++) {
        const GgufTypeTraits *t = gguf_type_traits(i);
        if (!t) continue;
        GgufType type;
        cr_assert(gguf_type_parse(t->name, &type) && type == i);
        cr_assert_str_eq(gguf_type_name(i), t->name);
    }
    GgufType type;
    cr_assert(gguf_type_parse("q4_k", &type) && type == GGUF_TYPE_Q4_K);
    cr_assert_not(gguf_type_parse("Q4_K_M", &type));
    cr_assert_null(gguf_type_traits(16));
    cr_assert_str_eq(gguf_type_name(1000), "unknown");
}

Test(blocks, row_sizes_are_whole_blocks) {
    size_t bytes = 1;
    cr_assert(gguf_type_row_bytes(GGUF_TYPE_Q4_K, 512, &bytes) && bytes == 288);
    cr_assert_not(gguf_type_row_bytes(GGUF_TYPE_Q4_K, 384, &bytes));
    cr_assert_not(gguf_type_row_bytes(GGUF_TYPE_F32, 1ULL << 63, &bytes));
    cr_assert_not(gguf_type_row_bytes((GgufType)16, 256, &bytes));
    cr_assert_eq(bytes, 288);
}

/* 2.0 and 0.5 in half precision */
enum { TWO = 0x4000, HALF = 0x3800 };

static void check_32(GgufType type, const void *block, size_t i, float want) {
    float y[32];
    gguf_decode_row(type, block, 32, y);
    cr_assert_eq(y[i], want, "%s element %zu is %g, not %g", gguf_type_name(type), i, y[i], want);
}

Test(blocks, blocks_of_32_decode_as_their_tables_say) {
    GgufBlockQ4_0 q40 = { TWO, { 0x1F, [15] = 0xE3 } };
    check_32(GGUF_TYPE_Q4_0, &q40, 0, 14);
    check_32(GGUF_TYPE_Q4_0, &q40, 16, -14);
    check_32(GGUF_TYPE_Q4_0, &q40, 15, -10);
    check_32(GGUF_TYPE_Q4_0, &q40, 31, 12);
    GgufBlockQ4_1 q41 = { TWO, HALF, { 0x1F } };
    check_32(GGUF_TYPE_Q4_1, &q41, 0, 30.5F);
    check_32(GGUF_TYPE_Q4_1, &q41, 16, 2.5F);
    GgufBlockQ5_0 q50 = { TWO, { 0x01, 0, 0x02, 0x80 }, { 0x1F, 0x20, [15] = 0x40 } };
    check_32(GGUF_TYPE_Q5_0, &q50, 0, 30);
    check_32(GGUF_TYPE_Q5_0, &q50, 16, -30);
    check_32(GGUF_TYPE_Q5_0, &q50, 17, 4);
    check_32(GGUF_TYPE_Q5_0, &q50, 31, 8);
    GgufBlockQ5_1 q51 = { TWO, HALF, { 0x01, 0, 0, 0x80 }, { 0x1F, [15] = 0x40 } };
    check_32(GGUF_TYPE_Q5_1, &q51, 0, 62.5F);
    check_32(GGUF_TYPE_Q5_1, &q51, 31, 40.5F);
    GgufBlockQ8_0 q80 = { HALF, { -128, [31] = 127 } };
    check_32(GGUF_TYPE_Q8_0, &q80, 0, -64);
    check_32(GGUF_TYPE_Q8_0, &q80, 31, 63.5F);
    GgufBlockIQ4_NL nl = { TWO, { 0xF0, [15] = 0x78 } };
    check_32(GGUF_TYPE_IQ4_NL, &nl, 0, -254);
    check_32(GGUF_TYPE_IQ4_NL, &nl, 16, 226);
    check_32(GGUF_TYPE_IQ4_NL, &nl, 15, 2);
    check_32(GGUF_TYPE_IQ4_NL, &nl, 31, -20);
}

static void check_256(GgufType type, const void *block, size_t i, float want) {
    float y[256];
    gguf_decode_row(type, block, 256, y);
    cr_assert_eq(y[i], want, "%s element %zu is %g, not %g", gguf_type_name(type), i, y[i], want);
}

Test(blocks, superblocks_decode_as_their_tables_say) {
    /* element 128 + 64 + 17: half 1, j 2, l 17: group 13 */
    GgufBlockQ2_K q2 = { .scales = { [13] = 0x35 }, .qs = { [49] = 0x20 }, TWO, HALF };
    check_256(GGUF_TYPE_Q2_K, &q2, 209, 2 * 5 * 2 - 0.5F * 3);
    check_256(GGUF_TYPE_Q2_K, &q2, 210, -1.5F);
    check_256(GGUF_TYPE_Q2_K, &q2, 0, 0);
    /* scale 13: high half of byte 5, bits 6-7 of byte 9; 13 -> low 7, high 3 = 55 - 32 = 23 */
    GgufBlockQ3_K q3 = { .hmask = { [17] = 1 << 6 },
                         .qs = { [49] = 0x30 },
                         .scales = { [5] = 0x70, [9] = 0xC0 },
                         .d = TWO };
    check_256(GGUF_TYPE_Q3_K, &q3, 209, 2 * 23 * 3);
    check_256(GGUF_TYPE_Q3_K, &q3, 210, 2 * 23 * -4);
    check_256(GGUF_TYPE_Q3_K, &q3, 0, 2 * -32 * -4);
    /* group 6 (elements 192-223): scale 9 | 2 << 4, minimum 3 | 1 << 4 */
    GgufBlockQ4_K q4 = { TWO, HALF, { [2] = 2 << 6, [6] = 1 << 6, [10] = 0x39 }, { [96] = 0x0B } };
    check_256(GGUF_TYPE_Q4_K, &q4, 192, 2 * 41 * 11 - 0.5F * 19);
    check_256(GGUF_TYPE_Q4_K, &q4, 193, -9.5F);
    GgufBlockQ5_K q5 = {
        TWO, HALF, { [2] = 2 << 6, [6] = 1 << 6, [10] = 0x39 }, { [0] = 1 << 6 }, { [96] = 0x0B }
    };
    check_256(GGUF_TYPE_Q5_K, &q5, 192, 2 * 41 * 27 - 0.5F * 19);
    GgufBlockQ6_K q6 = { { [81] = 0x90 }, { [49] = 0x10 }, { [13] = -3 }, TWO };
    check_256(GGUF_TYPE_Q6_K, &q6, 209, 2 * -3 * (25 - 32));
    check_256(GGUF_TYPE_Q6_K, &q6, 210, 2 * -3 * -32);
    /* group 5 (elements 160-191): low half-byte 9, high bits 2: 41 - 32 = 9 */
    GgufBlockIQ4_XS xs = { TWO, 2 << 10, { [2] = 0x90 }, { [81] = 0xF0 } };
    check_256(GGUF_TYPE_IQ4_XS, &xs, 161, 2 * 9 * -127);
    check_256(GGUF_TYPE_IQ4_XS, &xs, 177, 2 * 9 * 113);
}
