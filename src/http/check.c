/* One pass over the fields that counts what must be unique, then the rules between them. */
#include "http/check.h"

#include <strings.h>

bool http_name_equal(Slice a, const char *b) {
    return a.n == strlen(b) && (a.n == 0 || strncasecmp(a.p, b, a.n) == 0);
}

static bool is_token(Slice s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!alphanumeric && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))) return false;
    }
    return s.n > 0;
}

static bool is_field_value(Slice s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) return false;
    }
    return true;
}

static bool parse_length(Slice s, uint64_t *ret) {
    s = slice_trim(s);
    uint64_t n = 0;
    if (s.n == 0 || s.n > 18) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret = n;
    return true;
}

static int refuse(Err *err, int http, const char *what) {
    err_set(err, STATUS_INVALID, "%s", what);
    return http;
}

typedef struct Seen {
    unsigned hosts, lengths, encodings, types, expects, origins, keys;
    Slice host, length, encoding, expect, content_encoding;
} Seen;

static int see_fields(const HttpHead *head, Seen *seen, Err *err) {
    if (head->n_fields > HTTP_MAX_FIELDS) return refuse(err, 431, "too many header fields");
    for (size_t i = 0; i < head->n_fields; i++) {
        Slice name = head->fields[i].name, value = head->fields[i].value;
        if (!is_token(name)) return refuse(err, 400, "a header field's name has a bad character");
        if (!is_field_value(value)) {
            return refuse(err, 400, "a control byte in a header field's value");
        }
        if (http_name_equal(name, "host")) seen->hosts++, seen->host = value;
        if (http_name_equal(name, "content-length")) seen->lengths++, seen->length = value;
        if (http_name_equal(name, "transfer-encoding")) seen->encodings++, seen->encoding = value;
        if (http_name_equal(name, "content-type")) seen->types++;
        if (http_name_equal(name, "origin")) seen->origins++;
        if (http_name_equal(name, "authorization")) seen->keys++;
        if (http_name_equal(name, "expect")) seen->expects++, seen->expect = value;
        if (http_name_equal(name, "content-encoding")) seen->content_encoding = value;
    }
    return 0;
}

int http_check_head(const HttpHead *head, HttpFraming *ret, Err *err) {
    bool is_1_1 = slice_equal(head->version, SLICE("HTTP/1.1"));
    if (!is_1_1 && !slice_equal(head->version, SLICE("HTTP/1.0"))) {
        return refuse(err, 505, "HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    if (!is_token(head->method)) return refuse(err, 400, "the method has a bad character");
    Seen seen = { 0 };
    int http = see_fields(head, &seen, err);
    if (http) return http;
    if (seen.hosts > 1) return refuse(err, 400, "more than one Host");
    if (is_1_1 && seen.hosts == 0) return refuse(err, 400, "no Host");
    if (seen.hosts && memchr(seen.host.p ? seen.host.p : "", ' ', seen.host.n)) {
        return refuse(err, 400, "white space in Host");
    }
    if (seen.types > 1) return refuse(err, 400, "more than one Content-Type");
    if (seen.origins > 1) return refuse(err, 400, "more than one Origin");
    if (seen.keys > 1) return refuse(err, 400, "more than one Authorization");
    if (seen.lengths > 1) return refuse(err, 400, "more than one Content-Length");
    if (seen.encodings > 1) return refuse(err, 400, "more than one Transfer-Encoding");
    if (seen.lengths && seen.encodings) {
        return refuse(err, 400, "Content-Length together with Transfer-Encoding");
    }
    HttpFraming framing = { .chunked = seen.encodings != 0, .has_length = seen.lengths != 0 };
    if (seen.lengths && !parse_length(seen.length, &framing.length)) {
        return refuse(err, 400, "Content-Length is no number");
    }
    if (seen.encodings && !is_1_1) return refuse(err, 400, "Transfer-Encoding in HTTP/1.0");
    if (seen.encodings && !http_name_equal(slice_trim(seen.encoding), "chunked")) {
        return refuse(err, 501, "only the transfer encoding 'chunked' is known");
    }
    if (seen.expects &&
        (seen.expects > 1 || !http_name_equal(slice_trim(seen.expect), "100-continue"))) {
        return refuse(err, 417, "only 'Expect: 100-continue' is known");
    }
    Slice coding = slice_trim(seen.content_encoding);
    if (coding.n && !http_name_equal(coding, "identity")) {
        return refuse(err, 415, "Content-Encoding is not supported");
    }
    *ret = framing;
    return 0;
}
