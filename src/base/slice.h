#pragma once
/* A view of bytes that someone else owns; text in it is UTF-8 unless said otherwise.
 * Threads: any. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct Slice {
    const char *p; /* may be NULL where n == 0; not NUL-terminated */
    size_t n;      /* bytes */
} Slice;

#define SLICE_NULL ((Slice){ NULL, 0 })
#define SLICE(literal) ((Slice){ (literal), sizeof(literal) - 1 })
/* For printf: "%.*s", SLICE_ARGS(s) */
#define SLICE_ARGS(s) (int)((s).n > 0x7fffffff ? 0x7fffffff : (s).n), (s).n ? (s).p : ""

static inline Slice slice_of(const char *string) {
    return string ? (Slice){ string, strlen(string) } : SLICE_NULL;
}
static inline bool slice_equal(Slice a, Slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool slice_starts(Slice s, Slice prefix) {
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}
/* s without its first n bytes (all of them where there are fewer). */
static inline Slice slice_skip(Slice s, size_t n) {
    return n >= s.n ? (Slice){ s.p ? s.p + s.n : NULL, 0 } : (Slice){ s.p + n, s.n - n };
}
/* s without ASCII white space at both ends. */
static inline Slice slice_trim(Slice s) {
    while (s.n && strchr(" \t\r\n\f\v", s.p[0]) && s.p[0]) s.p++, s.n--;
    while (s.n && strchr(" \t\r\n\f\v", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
    return s;
}
