#pragma once
/* What a context holds; for forward.c (the computation) and context.c (its making). Not for others.
 */
#include "llm/forward.h"
#include "llm/kvcache.h"

struct LlmContext {
    const LlmModel *model;
    LlmContextOptions options; /* defaults filled in */
    Pool *pool;
    KernelTable kernels;
    LlmDevice *cpu;
    LlmDevice **device; /* [n_layers]: where each layer is computed */
    LlmKvCache *kv;
    /* the batch, host memory */
    int32_t *ids;           /* [batch] */
    uint32_t *positions;    /* [batch] */
    uint32_t *wanted;       /* [batch]: rows of the batch whose logits are wanted */
    const uint32_t **pages; /* [batch] */
    float *cos, *sin;       /* [batch, n_rotated] */
    size_t *seq_start;      /* [n_sequences]: length before the batch */
    size_t *seq_new;        /* [n_sequences]: tokens that the batch adds */
    /* activations, f32 */
    float *x, *h;         /* [batch, dim]: the residual stream; a normalised copy */
    float *q, *k, *v, *a; /* [batch, heads * head dimension]; a: attention's output */
    float *gate, *up;     /* [batch, ffn_dim] */
    float *logits;        /* [max_logits, n_vocab] */
    size_t n_logits;
    void *memory; /* all of the above, one piece */
    size_t memory_bytes;
};
