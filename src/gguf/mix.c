/* The recipes. Measured by the field: errors in attn_v and ffn_down (and attn_output at two and
 * three bits) cost most per byte, in the first and last eighth of the layers more than in between,
 * and the output matrix most of all. */
#include "gguf/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum FileType { /* general.file_type */
                FT_F32 = 0,
                FT_F16 = 1,
                FT_Q4_0 = 2,
                FT_Q4_1 = 3,
                FT_Q8_0 = 7,
                FT_Q5_0 = 8,
                FT_Q5_1 = 9,
                FT_Q2_K = 10,
                FT_Q3_K_S = 11,
                FT_Q3_K_M = 12,
                FT_Q3_K_L = 13,
                FT_Q4_K_S = 14,
                FT_Q4_K_M = 15,
                FT_Q5_K_S = 16,
                FT_Q5_K_M = 17,
                FT_Q6_K = 18,
                FT_IQ4_NL = 25,
                FT_IQ4_XS = 30,
                FT_BF16 = 32,
};

const GgufMix gguf_mixes[] = {
    { "F32", FT_F32, GGUF_TYPE_F32 },          { "F16", FT_F16, GGUF_TYPE_F16 },
    { "BF16", FT_BF16, GGUF_TYPE_BF16 },       { "Q8_0", FT_Q8_0, GGUF_TYPE_Q8_0 },
    { "Q6_K", FT_Q6_K, GGUF_TYPE_Q6_K },       { "Q5_K_M", FT_Q5_K_M, GGUF_TYPE_Q5_K },
    { "Q5_K_S", FT_Q5_K_S, GGUF_TYPE_Q5_K },   { "Q5_1", FT_Q5_1, GGUF_TYPE_Q5_1 },
    { "Q5_0", FT_Q5_0, GGUF_TYPE_Q5_0 },       { "Q4_K_M", FT_Q4_K_M, GGUF_TYPE_Q4_K },
    { "Q4_K_S", FT_Q4_K_S, GGUF_TYPE_Q4_K },   { "IQ4_NL", FT_IQ4_NL, GGUF_TYPE_IQ4_NL },
    { "IQ4_XS", FT_IQ4_XS, GGUF_TYPE_IQ4_XS }, { "Q4_1", FT_Q4_1, GGUF_TYPE_Q4_1 },
    { "Q4_0", FT_Q4_0, GGUF_TYPE_Q4_0 },       { "Q3_K_L", FT_Q3_K_L, GGUF_TYPE_Q3_K },
    { "Q3_K_M", FT_Q3_K_M, GGUF_TYPE_Q3_K },   { "Q3_K_S", FT_Q3_K_S, GGUF_TYPE_Q3_K },
    { "Q2_K", FT_Q2_K, GGUF_TYPE_Q2_K },       { NULL, 0, GGUF_TYPE_F32 },
};

const GgufMix *gguf_mix_find(const char *name) {
    char wanted[16];
    bool plain = strcasecmp(name, "Q3_K") == 0 || strcasecmp(name, "Q4_K") == 0 ||
                 strcasecmp(name, "Q5_K") == 0;
    int n = snprintf(wanted, sizeof wanted, "%s%s", name, plain ? "_M" : "");
    if (n < 0 || (size_t)n >= sizeof wanted) return NULL;
    for (const GgufMix *m = gguf_mixes; m->name; m++) {
        if (strcasecmp(m->name, wanted) == 0) return m;
    }
    return NULL;
}

const GgufMix *gguf_mix_of_file_type(uint32_t file_type) {
    for (const GgufMix *m = gguf_mixes; m->name; m++) {
        if (m->file_type == file_type) return m;
    }
    return NULL;
}

static bool ends_with(Slice s, Slice end) {
    return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

/* Matrices that products are taken with; not norms, biases, positions, frequencies. */
static bool is_weight(Slice name, uint32_t n_dims) {
    return n_dims >= 2 && ends_with(name, SLICE("weight")) &&
           !ends_with(name, SLICE("_norm.weight")) &&
           !ends_with(name, SLICE("ffn_gate_inp.weight")) &&
           !slice_equal(name, SLICE("position_embd.weight")) &&
           !slice_equal(name, SLICE("token_types.weight"));
}

/* The number in "blk.N."; UINT32_MAX elsewhere. */
static uint32_t layer_of(Slice name) {
    if (!slice_starts(name, SLICE("blk."))) return UINT32_MAX;
    uint32_t layer = 0;
    for (size_t i = 4; i < name.n && name.p[i] >= '0' && name.p[i] <= '9'; i++) {
        if (layer > 100000) return UINT32_MAX;
        layer = layer * 10 + (uint32_t)(name.p[i] - '0');
    }
    return layer;
}

/* First and last eighth, and every third layer between. */
static bool wants_more_bits(uint32_t layer, uint32_t n_layers) {
    uint32_t eighth = n_layers / 8;
    if (layer < eighth || layer >= 7 * n_layers / 8) return true;
    return (layer - eighth) % 3 == 2;
}

static GgufType for_attn_v(const GgufMix *mix, const GgufMixModel *model, uint32_t layer) {
    bool shared = model->gqa >= 4; /* few of them, each used by many heads */
    switch (mix->file_type) {
    case FT_Q2_K: return shared ? GGUF_TYPE_Q4_K : GGUF_TYPE_Q3_K;
    case FT_Q3_K_M: return layer < 2 ? GGUF_TYPE_Q5_K : GGUF_TYPE_Q4_K;
    case FT_Q3_K_L: return GGUF_TYPE_Q5_K;
    case FT_Q4_K_S: return layer < 4 ? GGUF_TYPE_Q5_K : mix->base;
    case FT_Q4_K_M:
    case FT_Q5_K_M: return wants_more_bits(layer, model->n_layers) ? GGUF_TYPE_Q6_K : mix->base;
    case FT_IQ4_NL:
    case FT_IQ4_XS: return shared ? GGUF_TYPE_Q5_K : mix->base;
    default: return mix->base;
    }
}

static GgufType for_ffn_down(const GgufMix *mix, const GgufMixModel *model, uint32_t layer) {
    bool first_eighth = layer < model->n_layers / 8;
    switch (mix->file_type) {
    case FT_Q2_K: return GGUF_TYPE_Q3_K;
    case FT_Q3_K_M: return layer < model->n_layers / 16 ? GGUF_TYPE_Q5_K : GGUF_TYPE_Q4_K;
    case FT_Q3_K_L: return GGUF_TYPE_Q5_K;
    case FT_Q4_K_S:
    case FT_IQ4_NL:
    case FT_IQ4_XS: return first_eighth ? GGUF_TYPE_Q5_K : mix->base;
    case FT_Q4_K_M:
    case FT_Q5_K_M: return wants_more_bits(layer, model->n_layers) ? GGUF_TYPE_Q6_K : mix->base;
    default: return mix->base;
    }
}

static GgufType for_attn_output(const GgufMix *mix) {
    switch (mix->file_type) {
    case FT_Q2_K: return GGUF_TYPE_Q3_K;
    case FT_Q3_K_M: return GGUF_TYPE_Q4_K;
    case FT_Q3_K_L: return GGUF_TYPE_Q5_K;
    default: return mix->base;
    }
}

static GgufType by_recipe(const GgufMix *mix, const GgufMixModel *model, Slice name) {
    bool output = slice_equal(name, SLICE("output.weight")) ||
                  (!model->has_output && slice_equal(name, SLICE("token_embd.weight")));
    if (output) return mix->base == GGUF_TYPE_Q8_0 ? GGUF_TYPE_Q8_0 : GGUF_TYPE_Q6_K;
    uint32_t layer = layer_of(name);
    if (layer == UINT32_MAX) return mix->base;
    if (ends_with(name, SLICE("attn_v.weight"))) return for_attn_v(mix, model, layer);
    if (ends_with(name, SLICE("ffn_down.weight"))) return for_ffn_down(mix, model, layer);
    if (ends_with(name, SLICE("attn_output.weight"))) return for_attn_output(mix);
    return mix->base;
}

static GgufType fitting(GgufType type, uint64_t n_columns) {
    size_t bytes;
    if (gguf_type_row_bytes(type, n_columns, &bytes)) return type;
    GgufType other = GGUF_TYPE_F16;
    switch (type) {
    case GGUF_TYPE_Q2_K:
    case GGUF_TYPE_Q3_K:
    case GGUF_TYPE_IQ4_XS: other = GGUF_TYPE_IQ4_NL; break;
    case GGUF_TYPE_Q4_K: other = GGUF_TYPE_Q5_0; break;
    case GGUF_TYPE_Q5_K: other = GGUF_TYPE_Q5_1; break;
    case GGUF_TYPE_Q6_K: other = GGUF_TYPE_Q8_0; break;
    default: break;
    }
    return gguf_type_row_bytes(other, n_columns, &bytes) ? other : GGUF_TYPE_F16;
}

GgufType gguf_mix_type(const GgufMix *mix, const GgufMixModel *model, Slice name, uint32_t n_dims,
                       uint64_t n_columns, GgufType from) {
    if (!is_weight(name, n_dims)) return from;
    bool plain = !gguf_type_traits(mix->base)->quantized;
    return fitting(plain || model->pure ? mix->base : by_recipe(mix, model, name), n_columns);
}
