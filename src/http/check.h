#pragma once
/* What libmicrohttpd lets pass and HTTP forbids (RFC 9110, RFC 9112): repeated framing fields, two
 * framings at once, names and values with control bytes. Works on plain pairs, so that it is tested
 * without a server. Threads: any. */
#include "base/slice.h"
#include "base/status.h"

typedef struct HttpField {
    Slice name, value;
} HttpField;

enum { HTTP_MAX_FIELDS = 100 };

typedef struct HttpHead {
    Slice method, version; /* "HTTP/1.1" */
    const HttpField *fields;
    size_t n_fields;
} HttpHead;

typedef struct HttpFraming {
    bool chunked;
    bool has_length;
    uint64_t length; /* bytes; 0 without a body */
} HttpFraming;

/* 0 and *ret where the head is well formed; else the HTTP status to refuse with, err filled. */
int http_check_head(const HttpHead *head, HttpFraming *ret, Err *err) MUST_CHECK;
/* ASCII, without regard to case. */
bool http_name_equal(Slice a, const char *b);
