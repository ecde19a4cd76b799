#pragma once
/* A Hugging Face folder (config.json, *.safetensors, tokenizer.model or tokenizer.json) to a GGUF
 * file of architecture "llama". Rows of the query and key matrices are put from the half-split
 * order of transformers into the interleaved order of GGUF files.
 * Threads: one call at a time per output file; the callback runs on the calling thread.
 * Source: the tensor names and keys that llama.cpp's converter writes; transformers' LlamaConfig.
 */
#include "base/status.h"
#include "gguf/blocks.h"

typedef struct GgufConvertOptions {
    const char *type; /* of the matrices: "F32", "F16", "BF16"; NULL keeps each as it is */
    const char *name; /* general.name; NULL: the folder's name */
    /* Called as bytes of the weights are done; false stops with CANCELLED. May be NULL. */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *user;
} GgufConvertOptions;

typedef struct GgufConvertSummary {
    size_t n_tensors;
    uint64_t n_elements;
    uint64_t out_bytes; /* of tensor data */
    GgufType type;      /* of most matrices */
} GgufConvertSummary;

/* Write out_path (atomically). options, ret may be NULL. Norms are written as F32, as everybody's
 * files have them. Errors, naming file and field or tensor: UNSUPPORTED for another architecture,
 * activation, RoPE scaling, pre-tokenizer, number type; DAMAGED for files that contradict
 * themselves or each other, missing or surplus tensors; USAGE for an unknown type; those of
 * opening and writing files; CANCELLED. Memory: the vocabulary and 8 MiB beside the mapped files.
 */
Status gguf_convert(const char *folder, const char *out_path, const GgufConvertOptions *options,
                    GgufConvertSummary *ret, Err *err) MUST_CHECK;
