#pragma once
/* A LLaMA model as it stands in a GGUF file: its shape, its tensors as views of the mapped file.
 * Only what the forward pass computes is accepted; anything else is refused by name, so that no
 * file is answered wrongly. It does not compute (llm/forward.h).
 * Threads: open and close: one owner; read-only between.
 * Ownership: tensors are views that die with the model. Weights stay in the page cache: a model
 * that is open occupies some kilobytes of its own.
 * Source: key and tensor names of the GGUF specification; arXiv:2302.13971, 2307.09288 (Llama),
 * 2310.06825 (Mistral). */
#include "gguf/file.h"
#include "llm/rope.h"
#include "llm/vocab.h"

/* A matrix, row-major: n_rows outputs of n_in inputs each. */
typedef struct LlmTensor {
    GgufType type;
    size_t n_in, n_rows;
    size_t row_bytes;
    const uint8_t *data; /* view */
} LlmTensor;

typedef struct LlmLayer {
    const float *attn_norm; /* [dim], owned by the model, as all vectors */
    LlmTensor wq;           /* [n_heads * key_dim, dim] */
    LlmTensor wk;           /* [n_kv_heads * key_dim, dim] */
    LlmTensor wv;           /* [n_kv_heads * value_dim, dim] */
    LlmTensor wo;           /* [dim, n_heads * value_dim] */
    const float *ffn_norm;  /* [dim] */
    LlmTensor w_gate, w_up; /* [ffn_dim, dim] */
    LlmTensor w_down;       /* [dim, ffn_dim] */
} LlmLayer;

typedef struct LlmShape {
    size_t n_layers, dim, ffn_dim, n_vocab;
    size_t n_heads, n_kv_heads; /* n_heads is a multiple of n_kv_heads */
    size_t key_dim, value_dim;  /* of one head */
    size_t context;             /* tokens the model was trained for */
    size_t window;              /* positions that a token sees, itself included; 0 = all */
    float eps;
} LlmShape;

typedef struct LlmModel {
    LlmShape shape;
    LlmRope rope;
    LlmTensor embedding; /* [n_vocab, dim] */
    LlmLayer *layers;    /* [n_layers] */
    const float *norm;   /* [dim] */
    LlmTensor output;    /* [n_vocab, dim]; the embedding where tied */
    bool tied;
    char name[128]; /* general.name, "" where there is none; UTF-8 */
    float *vectors; /* the norms: copies, so that they are aligned */
    GgufFile *file;
    Vocab *vocab;
} LlmModel;

/* Limits on what a file may claim; far above any model that exists. */
enum {
    LLM_MAX_LAYERS = 1024,
    LLM_MAX_HEADS = 4096,
    LLM_MAX_HEAD_DIM = LLM_ROPE_MAX_ROTATED,
    LLM_MAX_DIM = 1 << 20,
    LLM_MAX_CONTEXT = 1 << 28,
};

/* Returned owned (llm_model_close). Errors of gguf_file_open and vocab_from_gguf, and, naming key
 * or tensor: UNSUPPORTED (architecture, RoPE scaling, experts, biases, other tensors than Llama's),
 * DAMAGED (missing, of another shape, numbers out of range), NO_MEMORY.
 * Cost: the header; the weights are not read. */
Status llm_model_open(const char *path, LlmModel **ret, Err *err) MUST_CHECK;
/* The same over a file that is open already: consumed on success. */
Status llm_model_from_file(GgufFile *file, LlmModel **ret, Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
LlmModel *llm_model_close(LlmModel *model);
/* Bytes of all weights in the file. */
size_t llm_model_bytes(const LlmModel *model);

/* model_shape.c: the keys of the file. Fills shape (n_vocab and dimensions not yet checked against
 * tensors) and the RoPE's spec (without divisors). */
Status llm_model_read_keys(const GgufFile *file, LlmShape *ret_shape, LlmRopeSpec *ret_rope,
                           Err *err) MUST_CHECK;
