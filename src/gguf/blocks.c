/* The table of types. A row of it is all that the reader, the writer and the quantiser need to know
 * of a format; the formats themselves are in decode.c and encode_*.c. */
#include "gguf/blocks.h"

#include "base/mem.h"
#include <strings.h>

const int8_t gguf_iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113 };

static const GgufTypeTraits traits[GGUF_N_TYPE_NUMBERS] = {
    [GGUF_TYPE_F32] = { "F32", GGUF_TYPE_F32, 1, 4, false },
    [GGUF_TYPE_F16] = { "F16", GGUF_TYPE_F16, 1, 2, false },
    [GGUF_TYPE_BF16] = { "BF16", GGUF_TYPE_BF16, 1, 2, false },
    [GGUF_TYPE_Q4_0] = { "Q4_0", GGUF_TYPE_Q4_0, 32, sizeof(GgufBlockQ4_0), true },
    [GGUF_TYPE_Q4_1] = { "Q4_1", GGUF_TYPE_Q4_1, 32, sizeof(GgufBlockQ4_1), true },
    [GGUF_TYPE_Q5_0] = { "Q5_0", GGUF_TYPE_Q5_0, 32, sizeof(GgufBlockQ5_0), true },
    [GGUF_TYPE_Q5_1] = { "Q5_1", GGUF_TYPE_Q5_1, 32, sizeof(GgufBlockQ5_1), true },
    [GGUF_TYPE_Q8_0] = { "Q8_0", GGUF_TYPE_Q8_0, 32, sizeof(GgufBlockQ8_0), true },
    [GGUF_TYPE_Q2_K] = { "Q2_K", GGUF_TYPE_Q2_K, 256, sizeof(GgufBlockQ2_K), true },
    [GGUF_TYPE_Q3_K] = { "Q3_K", GGUF_TYPE_Q3_K, 256, sizeof(GgufBlockQ3_K), true },
    [GGUF_TYPE_Q4_K] = { "Q4_K", GGUF_TYPE_Q4_K, 256, sizeof(GgufBlockQ4_K), true },
    [GGUF_TYPE_Q5_K] = { "Q5_K", GGUF_TYPE_Q5_K, 256, sizeof(GgufBlockQ5_K), true },
    [GGUF_TYPE_Q6_K] = { "Q6_K", GGUF_TYPE_Q6_K, 256, sizeof(GgufBlockQ6_K), true },
    [GGUF_TYPE_IQ4_NL] = { "IQ4_NL", GGUF_TYPE_IQ4_NL, 32, sizeof(GgufBlockIQ4_NL), true },
    [GGUF_TYPE_IQ4_XS] = { "IQ4_XS", GGUF_TYPE_IQ4_XS, 256, sizeof(GgufBlockIQ4_XS), true },
};

/* Types of the format that this program does not read, for messages that name them. */
static const char *const other_names[] = {
    [4] = "Q4_2",      [5] = "Q4_3",        [9] = "Q8_1",        [15] = "Q8_K",
    [16] = "IQ2_XXS",  [17] = "IQ2_XS",     [18] = "IQ3_XXS",    [19] = "IQ1_S",
    [21] = "IQ3_S",    [22] = "IQ2_S",      [24] = "I8",         [25] = "I16",
    [26] = "I32",      [27] = "I64",        [28] = "F64",        [29] = "IQ1_M",
    [31] = "Q4_0_4_4", [32] = "Q4_0_4_8",   [33] = "Q4_0_8_8",   [34] = "TQ1_0",
    [35] = "TQ2_0",    [36] = "IQ4_NL_4_4", [37] = "IQ4_NL_4_8", [38] = "IQ4_NL_8_8",
    [39] = "MXFP4",
};

const GgufTypeTraits *gguf_type_traits(uint32_t type_number) {
    if (type_number >= GGUF_N_TYPE_NUMBERS || !traits[type_number].name) return NULL;
    return &traits[type_number];
}

const char *gguf_type_name(uint32_t type_number) {
    const GgufTypeTraits *t = gguf_type_traits(type_number);
    if (t) return t->name;
    if (type_number < N_ELEMENTS(other_names) && other_names[type_number]) {
        return other_names[type_number];
    }
    return "unknown";
}

bool gguf_type_parse(const char *name, GgufType *ret) {
    for (size_t i = 0; i < GGUF_N_TYPE_NUMBERS; i++) {
        if (!traits[i].name || strcasecmp(traits[i].name, name) != 0) continue;
        *ret = traits[i].type;
        return true;
    }
    return false;
}

bool gguf_type_row_bytes(GgufType type, uint64_t n_elements, size_t *ret) {
    const GgufTypeTraits *t = gguf_type_traits(type);
    if (!t || n_elements % t->n_elements != 0) return false;
    return mem_mul(n_elements / t->n_elements, t->bytes, ret);
}
