#pragma once
/* Shared by file.c (mapping, queries) and parse.c (the header's grammar). Not for other rooms. */
#include "base/mem.h"
#include "gguf/file.h"
#include "gguf/map.h"

struct GgufFile {
    char *path;           /* owned; for messages */
    const uint8_t *bytes; /* the whole file */
    size_t n_bytes;
    GgufMap map;       /* GGUF_MAP_NULL for memory */
    GgufLimits limits; /* defaults filled in */
    uint32_t version;
    size_t alignment;
    uint64_t data_byte; /* where the tensors' data begin */
    GgufKey *keys;      /* [n_keys], the file's order */
    size_t n_keys;
    GgufTensor *tensors; /* [n_tensors], the file's order */
    size_t n_tensors;
    uint32_t *keys_by_name, *tensors_by_name; /* indices, sorted by name */
};

/* Fill file from its bytes; on failure the caller closes it. */
Status gguf_parse(GgufFile *file, Err *err) MUST_CHECK;
/* strcmp's order for slices: bytes, then length. */
int gguf_slice_compare(Slice a, Slice b);
/* A name cut to what a message can carry, for "%.*s". */
#define NAME_ARGS(s) (int)MIN((s).n, (size_t)80), (s).n ? (s).p : ""
