#pragma once
/* Reading a safetensors file: its tensors as views of the mapped bytes. Never trusted: every offset
 * and shape is checked when it is opened.
 * Threads: open and close: one owner; everything else: any thread.
 * Source: the safetensors format: u64 n, n bytes of JSON, data;
 *     {"name": {"dtype": "F16", "shape": [rows, columns], "data_offsets": [begin, end]}, ...} */
#include "base/slice.h"
#include "base/status.h"
#include "gguf/blocks.h"

enum { SAFETENSORS_MAX_HEADER_BYTES = 100 << 20, SAFETENSORS_MAX_DIMS = 8 };

typedef struct SafetensorsTensor {
    Slice name;        /* view, NUL-terminated */
    const char *dtype; /* as the file calls it; view */
    bool usable;       /* dtype is F32, F16 or BF16, then `type` says which */
    GgufType type;
    uint32_t n_dims;
    uint64_t dims[SAFETENSORS_MAX_DIMS]; /* outermost first, the opposite of GGUF */
    const uint8_t *data;                 /* view, any alignment */
    size_t bytes;
} SafetensorsTensor;

typedef struct Safetensors Safetensors;

/* Errors: DAMAGED naming tensor and offset; TOO_LARGE for a header over the limit; those of opening
 * a file. A file that is cut while it is mapped: see gguf_file_open. */
Status safetensors_open(const char *path, Safetensors **ret, Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
Safetensors *safetensors_close(Safetensors *file);
const char *safetensors_path(const Safetensors *file);
Status safetensors_check_unchanged(const Safetensors *file, Err *err) MUST_CHECK;
/* Sorted by name. */
size_t safetensors_n_tensors(const Safetensors *file);
const SafetensorsTensor *safetensors_tensor_at(const Safetensors *file, size_t i);
