#pragma once
/* Reading a GGUF file (versions 2 and 3, little-endian): its keys, its tensors, views of its bytes.
 * It does not know what the keys mean (src/llm) and does not compute.
 * The file is never trusted: when open succeeds, every name, count, type and extent has been
 * checked against the bytes there are, and no later call reads a size from the file again.
 * Threads: open and close: one owner; everything else: any thread at once.
 * Ownership: all slices and pointers are views that die with gguf_file_close.
 * Source: the GGUF specification (ggml-org/ggml docs/gguf.md).
 *
 *     byte  0  "GGUF"
 *           4  u32 version
 *           8  u64 n_tensors
 *          16  u64 n_keys
 *          24  keys: string name, u32 value type, value
 *              tensors: string name, u32 n_dims, u64 dims[n_dims], u32 type, u64 offset in the data
 *              zeros up to a multiple of general.alignment (32 where that key is missing)
 *              data: tensors, each at a multiple of the alignment
 *     string = u64 length, bytes; array = u32 element type, u64 count, elements. */
#include "base/slice.h"
#include "base/status.h"
#include "gguf/blocks.h"

typedef enum GgufValueType {
    GGUF_VALUE_U8 = 0,
    GGUF_VALUE_I8 = 1,
    GGUF_VALUE_U16 = 2,
    GGUF_VALUE_I16 = 3,
    GGUF_VALUE_U32 = 4,
    GGUF_VALUE_I32 = 5,
    GGUF_VALUE_F32 = 6,
    GGUF_VALUE_BOOL = 7,
    GGUF_VALUE_STRING = 8,
    GGUF_VALUE_ARRAY = 9,
    GGUF_VALUE_U64 = 10,
    GGUF_VALUE_I64 = 11,
    GGUF_VALUE_F64 = 12,
} GgufValueType;

enum { GGUF_MAX_DIMS = 4, GGUF_DEFAULT_ALIGNMENT = 32 };

/* What open accepts; a field that is 0 means the default. The bytes of the file bound everything
 * else. */
typedef struct GgufLimits {
    size_t max_keys;           /* 65,536 */
    size_t max_tensors;        /* 65,536 */
    size_t max_array_elements; /* 16,777,216, of one array */
    size_t max_key_bytes;      /* 65,535: length of a key's name (the specification's limit) */
    size_t max_name_bytes;     /* 64: length of a tensor's name (the specification's limit) */
    size_t max_alignment;      /* 1 MiB */
} GgufLimits;

/* A sequence of values of one type; for a scalar n is 1. Elements: gguf_array_*. */
typedef struct GgufArray {
    GgufValueType type;     /* of the elements, never ARRAY */
    size_t n;               /* elements */
    const uint8_t *p;       /* the first element, view, any alignment */
    const uint64_t *starts; /* strings: [n + 1] offsets from p of each string's length field */
} GgufArray;

typedef struct GgufKey {
    Slice name;         /* UTF-8 without control characters */
    GgufValueType type; /* as declared: ARRAY for arrays */
    GgufArray values;   /* the value, or the array's elements */
    uint64_t at_byte;   /* where in the file the key begins */
    Slice encoded;      /* type and value as they stand in the file (for copying) */
} GgufKey;

typedef struct GgufTensor {
    Slice name; /* UTF-8 without control characters */
    GgufType type;
    uint32_t n_dims;
    uint64_t dims[GGUF_MAX_DIMS]; /* dims[0] = length of a row; those from n_dims on are 1 */
    uint64_t n_rows;              /* dims[1] * dims[2] * dims[3] */
    size_t row_bytes;
    size_t bytes;        /* n_rows * row_bytes */
    const uint8_t *data; /* view; aligned to alignment where the file was mapped */
    uint64_t at_byte;    /* where in the file the data begin */
    uint64_t info_byte;  /* where in the file the description begins */
} GgufTensor;

typedef struct GgufFile GgufFile;

/* ---- lifecycle ---------------------------------------------------------------------------- */

/* Map the file (read-only, private) and check it. limits may be NULL.
 * Errors, each naming path, key or tensor and byte offset: DAMAGED (not what the format says, or
 * cut short), UNSUPPORTED (big-endian, another version or tensor type), TOO_LARGE (over a limit),
 * INVALID (not a regular file), NOT_FOUND, DENIED, IO, NO_MEMORY.
 * A file that another process shortens while it is mapped kills the reader with SIGBUS when it
 * touches what is gone: replace model files by renaming, never in place. gguf_file_check_unchanged
 * tells whether that happened, before the next use.
 * Cost: O(header); 128,000 token strings take some milliseconds. */
Status gguf_file_open(const char *path, const GgufLimits *limits, GgufFile **ret,
                      Err *err) MUST_CHECK;
/* The same from memory: bytes are borrowed until close, any alignment; name stands for the path in
 * messages (copied). */
Status gguf_file_open_memory(Slice bytes, const char *name, const GgufLimits *limits,
                             GgufFile **ret, Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
GgufFile *gguf_file_close(GgufFile *file);
/* OK while the mapped file still has the size and modification time that it had at open; DAMAGED
 * otherwise. A file from memory is always OK. */
Status gguf_file_check_unchanged(const GgufFile *file, Err *err) MUST_CHECK;

/* ---- queries ------------------------------------------------------------------------------ */

const char *gguf_file_path(const GgufFile *file);
uint32_t gguf_file_version(const GgufFile *file);
size_t gguf_file_alignment(const GgufFile *file);
Slice gguf_file_bytes(const GgufFile *file);
/* Keys and tensors in the file's order; i < the count (asserted). */
size_t gguf_file_n_keys(const GgufFile *file);
const GgufKey *gguf_file_key_at(const GgufFile *file, size_t i);
size_t gguf_file_n_tensors(const GgufFile *file);
const GgufTensor *gguf_file_tensor_at(const GgufFile *file, size_t i);
/* By name, O(log n); NULL where there is none. */
const GgufKey *gguf_file_key(const GgufFile *file, const char *name);
const GgufTensor *gguf_file_tensor(const GgufFile *file, const char *name);

/* Typed values. NOT_FOUND where the key is missing (err names it); DAMAGED where the declared type
 * is not the one asked for. gguf_optional and gguf_required say what a missing key means (after
 * gguf_optional err may hold the text of a key that was missing and need not be there):
 *     uint32_t n = 0;                                             // keeps its value where missing
 *     TRY(gguf_optional(gguf_file_u32(f, "llama.vocab_size", &n, err)));
 *     TRY(gguf_required(gguf_file_u32(f, "llama.block_count", &n, err), err)); */
Status gguf_file_u32(const GgufFile *file, const char *key, uint32_t *ret, Err *err) MUST_CHECK;
Status gguf_file_i32(const GgufFile *file, const char *key, int32_t *ret, Err *err) MUST_CHECK;
Status gguf_file_u64(const GgufFile *file, const char *key, uint64_t *ret, Err *err) MUST_CHECK;
Status gguf_file_f32(const GgufFile *file, const char *key, float *ret, Err *err) MUST_CHECK;
Status gguf_file_bool(const GgufFile *file, const char *key, bool *ret, Err *err) MUST_CHECK;
Status gguf_file_string(const GgufFile *file, const char *key, Slice *ret, Err *err) MUST_CHECK;
/* An integer of any declared width and sign, in [0, max]: files differ in the width they use for
 * counts. DAMAGED where it is no integer or outside. */
Status gguf_file_count(const GgufFile *file, const char *key, uint64_t max, uint64_t *ret,
                       Err *err) MUST_CHECK;
/* An array whose elements have the declared type `type`. */
Status gguf_file_array(const GgufFile *file, const char *key, GgufValueType type, GgufArray *ret,
                       Err *err) MUST_CHECK;

static inline Status gguf_optional(Status status) {
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
/* NOT_FOUND becomes DAMAGED, the text stays. */
Status gguf_required(Status status, Err *err) MUST_CHECK;

/* "u32", "string", ...; "unknown" for other numbers. */
const char *gguf_value_type_name(uint32_t value_type);
/* Bytes of one value; 0 for strings, arrays and unknown numbers. */
size_t gguf_value_type_bytes(uint32_t value_type);

/* Element i < n of an array of that type (both asserted in the out-of-line string). */
static inline uint32_t gguf_array_u32(const GgufArray *a, size_t i) {
    uint32_t v;
    memcpy(&v, a->p + i * sizeof v, sizeof v);
    return v;
}
static inline int32_t gguf_array_i32(const GgufArray *a, size_t i) {
    int32_t v;
    memcpy(&v, a->p + i * sizeof v, sizeof v);
    return v;
}
static inline uint64_t gguf_array_u64(const GgufArray *a, size_t i) {
    uint64_t v;
    memcpy(&v, a->p + i * sizeof v, sizeof v);
    return v;
}
static inline float gguf_array_f32(const GgufArray *a, size_t i) {
    float v;
    memcpy(&v, a->p + i * sizeof v, sizeof v);
    return v;
}
static inline bool gguf_array_bool(const GgufArray *a, size_t i) {
    return a->p[i] != 0;
}
/* A view of the bytes, not NUL-terminated, any content. */
static inline Slice gguf_array_string(const GgufArray *a, size_t i) {
    uint64_t start = a->starts[i] + 8;
    return (Slice){ (const char *)a->p + start, (size_t)(a->starts[i + 1] - start) };
}
