#include "http/check.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

/* "Name: value|Name: value" */
static int check_fields(const char *text, HttpFraming *ret) {
    HttpField fields[HTTP_MAX_FIELDS + 2];
    size_t n = 0;
    Slice rest = slice_of(text);
    while (rest.n && n < N_ELEMENTS(fields)) {
        const char *bar = memchr(rest.p, '|', rest.n);
        Slice line = { rest.p, bar ? (size_t)(bar - rest.p) : rest.n };
        const char *colon = memchr(line.p, ':', line.n);
        size_t at = (size_t)(colon - line.p);
        fields[n++] = (HttpField){ { line.p, at }, slice_trim(slice_skip(line, at + 1)) };
        rest = slice_skip(rest, line.n + 1);
    }
    HttpHead head = { SLICE("POST"), SLICE("HTTP/1.1"), fields, n };
    Err err = { 0 };
    return http_check_head(&head, ret, &err);
}

Test(http_check, reads_the_framing) {
    HttpFraming f;
    cr_assert_eq(check_fields("Host: x|content-length: 17", &f), 0);
    cr_assert(f.has_length && !f.chunked && f.length == 17);
    cr_assert_eq(check_fields("Host: x|Transfer-Encoding: Chunked", &f), 0);
    cr_assert(f.chunked && !f.has_length);
    cr_assert_eq(check_fields("Host: x|Expect: 100-Continue", &f), 0);
    cr_assert(!f.chunked && !f.has_length && f.length == 0);
}

typedef struct Bad {
    char fields[96];
    int status;
} Bad;

ParameterizedTestParameters(http_check, refuses_bad_heads) {
    static Bad rows[] = {
        { "A: b", 400 },
        { "Host: x|Host: x", 400 },
        { "Host: x y", 400 },
        { "Host: x|Content-Length: 1|Content-Length: 1", 400 },
        { "Host: x|Content-Length: 1|content-length: 2", 400 },
        { "Host: x|Content-Length: 1|Transfer-Encoding: chunked", 400 },
        { "Host: x|Transfer-Encoding: chunked|Transfer-Encoding: chunked", 400 },
        { "Host: x|Transfer-Encoding: gzip, chunked", 501 },
        { "Host: x|Content-Length: ", 400 },
        { "Host: x|Content-Length: -1", 400 },
        { "Host: x|Content-Length: 1 1", 400 },
        { "Host: x|Content-Length: 0x1", 400 },
        { "Host: x|Content-Length: 9999999999999999999", 400 },
        { "Host: x|Content-Type: a/b|Content-Type: a/b", 400 },
        { "Host: x|Origin: a|Origin: a", 400 },
        { "Host: x|Authorization: a|Authorization: b", 400 },
        { "Host: x|Expect: 200-ok", 417 },
        { "Host: x|Content-Encoding: gzip", 415 },
        { "Host: x|A B: c", 400 },
        { "Host: x|A : c", 400 },
        { "Host: x|: c", 400 },
        { "Host: x|A: c\x01"
          "d",
          400 },
        { "Host: x|A: c\x7f", 400 },
    };
    return cr_make_param_array(Bad, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(Bad *row, http_check, refuses_bad_heads) {
    HttpFraming f;
    cr_assert_eq(check_fields(row->fields, &f), row->status, "%s", row->fields);
}

Test(http_check, refuses_other_versions) {
    HttpField host = { SLICE("Host"), SLICE("x") };
    HttpFraming f;
    Err err = { 0 };
    HttpHead head = { SLICE("GET"), SLICE("HTTP/2.0"), &host, 1 };
    cr_assert_eq(http_check_head(&head, &f, &err), 505);
    head.version = SLICE("HTTP/1.0");
    head.n_fields = 0;
    cr_assert_eq(http_check_head(&head, &f, &err), 0);
}

Test(http_check, refuses_too_many_fields) {
    HttpField fields[HTTP_MAX_FIELDS + 1];
    for (size_t i = 0; i < N_ELEMENTS(fields); i++)
        fields[i] = (HttpField){ SLICE("A"), SLICE("b") };
    HttpHead head = { SLICE("GET"), SLICE("HTTP/1.1"), fields, N_ELEMENTS(fields) };
    HttpFraming f;
    Err err = { 0 };
    cr_assert_eq(http_check_head(&head, &f, &err), 431);
}
