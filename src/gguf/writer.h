#pragma once
/* Writing a GGUF file (version 3): keys and tensors are declared, then the header is written, then
 * the tensors' data follow in the declared order, in pieces of any size.
 * The file appears under its name only when it is whole and on the disk: until finish it is
 * PATH.partial, which is locked against a second writer and removed by free.
 * Threads: one owner at a time.
 * Source: as gguf/file.h. */
#include "base/buf.h"
#include "gguf/file.h"

typedef struct GgufWriter GgufWriter;

/* ---- lifecycle ---------------------------------------------------------------------------- */

Status gguf_writer_new(GgufWriter **ret, Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. A file that was begun and not finished is removed. */
GgufWriter *gguf_writer_free(GgufWriter *writer);

/* ---- declarations, before the header ------------------------------------------------------ */
/* These never fail at the call: the first failure (a name that is empty, too long or not UTF-8, a
 * shape that the type cannot hold, no memory) is kept and reported with the header. All that is
 * passed is copied. */

/* Power of two, 8 to 1 MiB; not 32 also sets the key general.alignment. Default 32. */
void gguf_writer_set_alignment(GgufWriter *writer, uint32_t alignment);
void gguf_writer_u32(GgufWriter *writer, const char *key, uint32_t value);
void gguf_writer_i32(GgufWriter *writer, const char *key, int32_t value);
void gguf_writer_u64(GgufWriter *writer, const char *key, uint64_t value);
void gguf_writer_f32(GgufWriter *writer, const char *key, float value);
void gguf_writer_bool(GgufWriter *writer, const char *key, bool value);
void gguf_writer_string(GgufWriter *writer, const char *key, Slice value);
/* n elements of a fixed-size type, in this machine's (little-endian) order. */
void gguf_writer_array(GgufWriter *writer, const char *key, GgufValueType type,
                       const void *elements, size_t n);
void gguf_writer_strings(GgufWriter *writer, const char *key, const Slice *strings, size_t n);
/* A key as it stands in another file (general.alignment is skipped: it describes that file). */
void gguf_writer_copy_key(GgufWriter *writer, const GgufKey *key);
/* dims[0] is the length of a row, a whole number of blocks of the type. */
void gguf_writer_tensor(GgufWriter *writer, Slice name, GgufType type, uint32_t n_dims,
                        const uint64_t *dims);

/* ---- output ------------------------------------------------------------------------------- */

/* Append the header and its padding to ret: what stands in the file before the data. Errors: the
 * first of the declarations; INVALID for a key or tensor declared twice; NO_MEMORY. */
Status gguf_writer_header(const GgufWriter *writer, Buf *ret, Err *err) MUST_CHECK;
/* Where tensor i's data begin, from the end of the header; for i = number of tensors: bytes of all
 * data. */
uint64_t gguf_writer_data_offset(const GgufWriter *writer, size_t i);
/* Create PATH.partial and write the header. CONFLICT where another writer has it. */
Status gguf_writer_begin(GgufWriter *writer, const char *path, Err *err) MUST_CHECK;
/* Append to the data of the tensor whose turn it is; padding is written in between. INVALID beyond
 * the end of that tensor: pieces do not span tensors. NO_SPACE, IO. */
Status gguf_writer_data(GgufWriter *writer, const void *bytes, size_t n, Err *err) MUST_CHECK;
/* fsync, rename to PATH, fsync of the folder. INVALID where data are missing. */
Status gguf_writer_finish(GgufWriter *writer, Err *err) MUST_CHECK;
