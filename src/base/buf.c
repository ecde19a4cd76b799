/* See buf.h. The NUL behind the content costs one byte and lets a buffer be handed to C strings. */
#include "base/buf.h"

#include <stdio.h>

void buf_deinit(Buf *buf) {
    free(buf->p);
    *buf = BUF_NULL;
}

void buf_clear(Buf *buf) {
    buf->n = 0;
    buf->failed = false;
    if (buf->p) buf->p[0] = '\0';
}

bool buf_reserve(Buf *buf, size_t more) {
    size_t wanted;
    if (buf->failed) return false;
    if (!mem_add(buf->n, more, &wanted) || !mem_add(wanted, 1, &wanted) ||
        !mem_grow((void **)&buf->p, &buf->capacity, wanted, 1)) {
        buf->failed = true;
        return false;
    }
    return true;
}

void buf_append(Buf *buf, const void *bytes, size_t n) {
    if (!n || !buf_reserve(buf, n)) return;
    memcpy(buf->p + buf->n, bytes, n);
    buf->n += n;
    buf->p[buf->n] = '\0';
}

void buf_append_slice(Buf *buf, Slice s) {
    buf_append(buf, s.p, s.n);
}

void buf_append_string(Buf *buf, const char *string) {
    buf_append(buf, string, strlen(string));
}

void buf_append_byte(Buf *buf, char byte) {
    buf_append(buf, &byte, 1);
}

void buf_printf(Buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) buf->failed = true;
    if (n > 0 && buf_reserve(buf, (size_t)n)) {
        vsnprintf(buf->p + buf->n, (size_t)n + 1, format, again);
        buf->n += (size_t)n;
    }
    va_end(again);
}

void buf_append_varint(Buf *buf, uint64_t value) {
    char bytes[10];
    size_t n = 0;
    do {
        unsigned low = (unsigned)(value & 0x7F);
        value >>= 7;
        bytes[n++] = (char)(value ? low | 0x80 : low);
    } while (value);
    buf_append(buf, bytes, n);
}

bool slice_take_varint(Slice *s, uint64_t *ret) {
    uint64_t value = 0;
    for (size_t i = 0; i < s->n && i < 10; i++) {
        uint64_t low = (unsigned char)s->p[i] & 0x7F;
        if (i == 9 && low > 1) return false;
        value |= low << (7 * i);
        if (!((unsigned char)s->p[i] & 0x80)) {
            *s = slice_skip(*s, i + 1);
            *ret = value;
            return true;
        }
    }
    return false;
}

Status buf_status(const Buf *buf, Err *err) {
    return buf->failed ? err_set(err, STATUS_NO_MEMORY, "out of memory after %zu bytes", buf->n)
                       : STATUS_OK;
}

char *buf_steal(Buf *buf, size_t *ret_n) {
    if (!buf->p && !buf->failed) buf_reserve(buf, 0);
    if (buf->failed) return NULL;
    buf->p[buf->n] = '\0';
    if (ret_n) *ret_n = buf->n;
    char *p = buf->p;
    *buf = BUF_NULL;
    return p;
}
