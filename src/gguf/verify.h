#pragma once
/* Reads every number of an open GGUF file: what the structure's checks (gguf/file.h) cannot see.
 * Threads: one call at a time per file is all that is needed; the callback runs on the caller's. */
#include "gguf/file.h"

typedef struct GgufVerifyOptions {
    unsigned n_threads; /* 0: as many as there are CPUs; at most 256 */
    /* Called as bytes are done; false stops with CANCELLED. May be NULL. */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *user;
} GgufVerifyOptions;

/* Decode all tensors. DAMAGED for the first number, in the file's order, that is not finite: the
 * text names path, tensor, row, column and the byte offset of its block. CANCELLED, NO_MEMORY.
 * options may be NULL. Cost: O(file), no allocation but a row for each thread. */
Status gguf_verify(const GgufFile *file, const GgufVerifyOptions *options, Err *err) MUST_CHECK;
