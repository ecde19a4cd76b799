#pragma once
/* Where layers are computed: memory, upload, the operations of a layer, sync. The CPU is one
 * (device_cpu.c); a GPU is another; each layer of a model is placed on one of them.
 * Operations are in order and may be asynchronous: their results are there after sync. Pointers
 * named x, y, q, ... are memory of the device; `host` ones are the caller's and must stay until
 * sync. No operation allocates.
 * Threads: one owner at a time.
 * Errors: operations have none of their own; a device that fails says so at sync. */
#include "base/pool.h"
#include "kernels/kernels.h"
#include "llm/model.h"

/* How keys and values lie in the cache of one layer: page p begins at p * page_bytes and holds, for
 * each key/value head, page_tokens keys, then page_tokens values. */
typedef struct LlmKvLayout {
    KernelsKvType type;
    size_t n_pages, page_tokens;
    size_t key_dim, value_dim, n_kv_heads;
    size_t key_bytes, value_bytes; /* of one position of one head */
    size_t head_bytes;             /* of one head of a page */
    size_t page_bytes;
} LlmKvLayout;

/* The tokens that are computed together. */
typedef struct LlmBatch {
    size_t n_tokens, n_written;   /* the first n_written are written, the others read */
    const int32_t *ids;           /* host [n_tokens] */
    const uint32_t *positions;    /* host [n_tokens] */
    const uint32_t *const *pages; /* host [n_tokens]: the page table of the token's sequence */
    const float *cos, *sin;       /* host [n_tokens, n_rotated] (llm_rope_angles) */
    size_t n_rotated;
} LlmBatch;

typedef struct LlmDevice LlmDevice;
typedef struct LlmDeviceOps {
    const char *name; /* "cpu" */
    LlmDevice *(*free)(LlmDevice *d);

    /* n bytes that read as zeros, returned owned (memory_free); NO_MEMORY naming the size. */
    Status (*memory_new)(LlmDevice *d, size_t bytes, void **ret, Err *err);
    void (*memory_free)(LlmDevice *d, void *memory, size_t bytes);
    /* Make a tensor of the file usable: ret has the device's own pointer. The CPU gives the view
     * back. Undone by unload. */
    Status (*upload)(LlmDevice *d, const LlmTensor *tensor, LlmTensor *ret, Err *err);
    Status (*upload_vector)(LlmDevice *d, const float *host, size_t n, const float **ret, Err *err);
    void (*unload)(LlmDevice *d, const void *data);
    void (*read)(LlmDevice *d, const void *memory, size_t bytes, void *host);
    void (*write)(LlmDevice *d, const void *host, size_t bytes, void *memory);
    Status (*sync)(LlmDevice *d, Err *err);

    /* The batch that the operations below mean; borrowed until the next begin. */
    void (*begin)(LlmDevice *d, const LlmBatch *batch);
    /* x[t] = row ids[t] of the table. f32 [n_tokens, dim] */
    void (*embed)(LlmDevice *d, const LlmTensor *table, float *x);
    /* y[i] = g x[rows[i]] / rms(x[rows[i]]) for n rows (rows NULL: all tokens in order, n of them).
     */
    void (*rmsnorm)(LlmDevice *d, const float *x, const uint32_t *rows, size_t n, const float *g,
                    size_t dim, float eps, float *y);
    /* y = W x for n rows of x, the first n_written of written tokens. */
    void (*matmul)(LlmDevice *d, const LlmTensor *w, const float *x, size_t n, size_t n_written,
                   float *y);
    /* y += W x of all tokens. */
    void (*matmul_add)(LlmDevice *d, const LlmTensor *w, const float *x, float *y);
    /* Three products of the same x in one step. */
    void (*matmul_qkv)(LlmDevice *d, const LlmLayer *layer, const float *x, float *q, float *k,
                       float *v);
    /* y = silu(W_gate x) * (W_up x); up is room for n_tokens * ffn_dim numbers. */
    void (*matmul_swiglu)(LlmDevice *d, const LlmLayer *layer, const float *x, float *up, float *y);
    /* Rotate each token's heads in place. */
    void (*rope)(LlmDevice *d, float *x, size_t n_heads, size_t head_dim);
    /* Store keys [n_tokens, n_kv_heads, key_dim] and values at their positions in the pages. */
    void (*kv_append)(LlmDevice *d, const LlmKvLayout *layout, void *cache, const float *k,
                      const float *v);
    /* y [n_tokens, n_heads, value_dim]; each token sees the last `window` positions (0 = all). */
    void (*attention)(LlmDevice *d, const LlmKvLayout *layout, const void *cache, const float *q,
                      size_t n_heads, size_t window, float *y);
    /* One page's content to another page. */
    void (*kv_copy)(LlmDevice *d, const LlmKvLayout *layout, void *cache, uint32_t from,
                    uint32_t to);
} LlmDeviceOps;

struct LlmDevice {
    const LlmDeviceOps *ops;
};

/* The processor, with n threads of the pool's (borrowed until free), the kernels of the table and
 * scratch for models of that shape and batches of that many tokens. Errors: NO_MEMORY, TOO_LARGE.
 */
Status llm_device_cpu_new(Pool *pool, const KernelTable *kernels, const LlmShape *shape,
                          size_t max_batch, LlmDevice **ret, Err *err) MUST_CHECK;
