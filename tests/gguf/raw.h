#pragma once
/* GGUF files byte by byte, right or wrong as a test wants them (gguf/writer.h refuses to be wrong),
 * and memory whose end is the end of a page that nobody may touch. */
#include "base/buf.h"
#include "gguf/file.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void raw_u32(Buf *b, uint32_t v) {
    buf_append(b, &v, sizeof v);
}
static inline void raw_u64(Buf *b, uint64_t v) {
    buf_append(b, &v, sizeof v);
}
static inline void raw_string(Buf *b, const char *s) {
    raw_u64(b, strlen(s));
    buf_append_string(b, s);
}
static inline void raw_head(Buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys) {
    buf_append_string(b, "GGUF");
    raw_u32(b, version);
    raw_u64(b, n_tensors);
    raw_u64(b, n_keys);
}
static inline void raw_key(Buf *b, const char *name, uint32_t type) {
    raw_string(b, name);
    raw_u32(b, type);
}
static inline void raw_key_u32(Buf *b, const char *name, uint32_t value) {
    raw_key(b, name, GGUF_VALUE_U32);
    raw_u32(b, value);
}
static inline void raw_key_array(Buf *b, const char *name, uint32_t type, uint64_t n) {
    raw_key(b, name, GGUF_VALUE_ARRAY);
    raw_u32(b, type);
    raw_u64(b, n);
}
/* Two dimensions. */
static inline void raw_tensor(Buf *b, const char *name, uint64_t columns, uint64_t rows,
                              uint32_t type, uint64_t offset) {
    raw_string(b, name);
    raw_u32(b, 2);
    raw_u64(b, columns);
    raw_u64(b, rows);
    raw_u32(b, type);
    raw_u64(b, offset);
}
static inline void raw_zeros(Buf *b, size_t n) {
    for (size_t i = 0; i < n; i++) buf_append_byte(b, 0);
}
static inline void raw_pad(Buf *b, size_t alignment) {
    while (b->n % alignment != 0) buf_append_byte(b, 0);
}

typedef struct Guarded {
    char *map;
    size_t map_bytes;
    char *end; /* the first byte that must not be touched */
} Guarded;

/* Room for n bytes that end at a guard page. */
static inline Guarded guarded_new(size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (n + page - 1) / page * page + page;
    char *map = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(map, MAP_FAILED);
    cr_assert_eq(mprotect(map + whole - page, page, PROT_NONE), 0);
    return (Guarded){ map, whole, map + whole - page };
}
static inline void guarded_free(Guarded *g) {
    munmap(g->map, g->map_bytes);
}
/* A copy of bytes that ends at the guard page. */
static inline Slice guarded_put(const Guarded *g, Slice bytes) {
    char *p = g->end - bytes.n;
    if (bytes.n) memcpy(p, bytes.p, bytes.n);
    return (Slice){ p, bytes.n };
}

/* The bytes must be refused with that status, by a message that has the text. */
static inline void expect_refused(const Buf *b, Status status, const char *text) {
    cr_assert(!b->failed);
    Guarded g = guarded_new(b->n);
    GgufFile *file = NULL;
    Err err = { 0 };
    Status got =
        gguf_file_open_memory(guarded_put(&g, buf_slice(b)), "test.gguf", NULL, &file, &err);
    cr_assert_eq(got, status, "%d: %s", got, err.text);
    cr_assert_null(file);
    cr_assert(strstr(err.text, text), "'%s' is not in: %s", text, err.text);
    cr_assert(strstr(err.text, "test.gguf"), "%s", err.text);
    guarded_free(&g);
}
