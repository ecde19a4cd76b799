#pragma once
/* Which type each tensor of a quantised file gets. A file type such as Q4_K_M is a recipe: most
 * tensors in one type, those that hurt most in a better one, norms in F32.
 * Threads: any. Errors: none.
 * Source: the recipes that files of these names have in practice (llama.cpp without importance
 * matrix); the mixtures of the golden models. */
#include "base/slice.h"
#include "gguf/blocks.h"

typedef struct GgufMix {
    const char *name;   /* "Q4_K_M" */
    uint32_t file_type; /* general.file_type */
    GgufType base;      /* most tensors */
} GgufMix;

/* What the recipe has to know of the model. */
typedef struct GgufMixModel {
    uint32_t n_layers;
    uint32_t gqa;    /* query heads that share a key/value head, 1 where unknown */
    bool has_output; /* there is an output.weight; otherwise the embeddings serve as it */
    bool pure;       /* every tensor in the base type (or its fallback) */
} GgufMixModel;

/* All recipes, ended by one whose name is NULL. */
extern const GgufMix gguf_mixes[];
/* By name, case-insensitive; "Q3_K", "Q4_K", "Q5_K" are their _M. NULL where there is none. */
const GgufMix *gguf_mix_find(const char *name);
/* By general.file_type; NULL where unknown. */
const GgufMix *gguf_mix_of_file_type(uint32_t file_type);
/* The type for a tensor. Tensors that are not matrices of weights keep `from`. A type whose blocks
 * do not fit rows of n_columns is replaced by the nearest that does, in the end by F16. */
GgufType gguf_mix_type(const GgufMix *mix, const GgufMixModel *model, Slice name, uint32_t n_dims,
                       uint64_t n_columns, GgufType from);
