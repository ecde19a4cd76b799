#pragma once
/* Keys and values of several sequences, in pages that sequences share: which page holds what. The
 * numbers themselves lie on the devices of the layers.
 * A page belongs to as many sequences as count it; who writes into a shared page gets a copy first.
 * So a fork copies a table of page numbers, and truncating gives pages back.
 * Threads: one owner at a time. No allocation after new. */
#include "llm/device.h"

typedef struct LlmKvCache LlmKvCache;

typedef struct LlmKvCacheOptions {
    KernelsKvType type;
    size_t n_sequences;       /* at once */
    size_t context;           /* positions of one sequence at most */
    size_t n_tokens;          /* positions of all sequences together */
    LlmDevice *const *device; /* [n_layers], borrowed until free */
} LlmKvCacheOptions;

/* Errors: NO_MEMORY naming the size; UNSUPPORTED where the heads are no multiple of 32 and the type
 * is Q8_0; TOO_LARGE. */
Status llm_kvcache_new(const LlmShape *shape, const LlmKvCacheOptions *options, LlmKvCache **ret,
                       Err *err) MUST_CHECK;
LlmKvCache *llm_kvcache_free(LlmKvCache *cache);

const LlmKvLayout *llm_kvcache_layout(const LlmKvCache *cache);
void *llm_kvcache_layer(const LlmKvCache *cache, size_t layer);
/* Bytes of all layers. */
size_t llm_kvcache_bytes(const LlmKvCache *cache);
size_t llm_kvcache_n_free_pages(const LlmKvCache *cache);

/* An empty sequence. BUSY where all are taken: the text names the number. */
Status llm_kvcache_seq_new(LlmKvCache *cache, uint32_t *ret_seq, Err *err) MUST_CHECK;
/* Give a sequence and its pages back. */
void llm_kvcache_seq_free(LlmKvCache *cache, uint32_t seq);
bool llm_kvcache_seq_valid(const LlmKvCache *cache, uint32_t seq);
size_t llm_kvcache_seq_length(const LlmKvCache *cache, uint32_t seq);
/* The page of each page_tokens positions; stays valid, its content changes with the sequence. */
const uint32_t *llm_kvcache_seq_pages(const LlmKvCache *cache, uint32_t seq);
/* A new sequence that begins with the first n positions (n <= length, asserted) of another. Errors
 * of seq_new. */
Status llm_kvcache_fork(LlmKvCache *cache, uint32_t seq, size_t n, uint32_t *ret_seq,
                        Err *err) MUST_CHECK;
/* Forget all positions from n on (n <= length, asserted). */
void llm_kvcache_truncate(LlmKvCache *cache, uint32_t seq, size_t n);

/* Free pages that growing by n positions takes. */
size_t llm_kvcache_pages_needed(const LlmKvCache *cache, uint32_t seq, size_t n);
/* Make room for n more positions and count them to the sequence: pages are taken, a shared page
 * that will be written is copied. The caller has checked that there are enough. */
void llm_kvcache_grow(LlmKvCache *cache, uint32_t seq, size_t n);
