#pragma once
/* Small LLaMA models with random weights, made in memory: of any shape, format and keys, right or
 * wrong as a test wants them. No test library, so that plain programs can use it too.
 * Threads: any. */
#include "base/buf.h"
#include "gguf/writer.h"

typedef struct TinySpec {
    size_t n_layers, dim, ffn_dim, n_vocab, n_heads, n_kv_heads, context;
    size_t key_dim, value_dim; /* 0: dim / n_heads, and no key of that name */
    GgufType q, k, v, o, gate, up, down, embedding, output;
    size_t n_pieces;            /* of the vocabulary; 0: n_vocab */
    bool tied;                  /* no output.weight */
    float gain;                 /* of the matrices: about the size of logits */
    const char *without;        /* a key or tensor that is left out, or NULL */
    void (*more)(GgufWriter *); /* declares further keys and tensors (all bytes 0), or NULL */
    size_t n_more;              /* tensors that `more` declares */
} TinySpec;

/* Two layers of 64, F32, 4 heads that share 2, 96 pieces, 256 positions. */
TinySpec tiny_spec(void);
/* The same with all matrices of one type; one layer of 256 where the type needs
 * rows of that. */
TinySpec tiny_spec_of(GgufType type);
/* The file's bytes, appended to ret. The same bytes for the same spec. Errors of the writer. */
Status tiny_build(const TinySpec *spec, Buf *ret, Err *err) MUST_CHECK;
/* The same as a file. */
Status tiny_write(const TinySpec *spec, const char *path, Err *err) MUST_CHECK;
