#pragma once
/* A growing byte buffer. Appending never fails at the call: a buffer that ran out of memory keeps
 * `failed` set and ignores what follows, so that builders check once, at the end.
 * Threads: one owner at a time. */
#include "base/mem.h"
#include "base/slice.h"

typedef struct Buf {
    char *p;         /* owned; NUL-terminated whenever n > 0 (the NUL is not counted) */
    size_t n;        /* bytes */
    size_t capacity; /* bytes */
    bool failed;     /* an append was lost for want of memory */
} Buf;

#define BUF_NULL ((Buf){ NULL, 0, 0, false })
#define AUTO_BUF CLEANUP(buf_deinit)

void buf_deinit(Buf *buf);
/* Forget the content and the failure, keep the memory. */
void buf_clear(Buf *buf);
/* Room for n more bytes, so that appending them allocates nothing; false, and failed, without. */
bool buf_reserve(Buf *buf, size_t n);
void buf_append(Buf *buf, const void *bytes, size_t n);
void buf_append_slice(Buf *buf, Slice s);
void buf_append_string(Buf *buf, const char *string);
void buf_append_byte(Buf *buf, char byte);
void buf_printf(Buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Unsigned LEB128, and its reader: false where the bytes end early or exceed 64 bits. */
void buf_append_varint(Buf *buf, uint64_t value);
bool slice_take_varint(Slice *s, uint64_t *ret) MUST_CHECK;
/* OK, or NO_MEMORY where an append was lost. */
Status buf_status(const Buf *buf, Err *err) MUST_CHECK;
/* The content as an owned NUL-terminated string (free); the buffer is empty afterwards. NULL where
 * memory ran out. ret_n may be NULL. */
char *buf_steal(Buf *buf, size_t *ret_n) MUST_CHECK;
static inline Slice buf_slice(const Buf *buf) {
    return (Slice){ buf->p, buf->n };
}
