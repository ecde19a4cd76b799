/* Each piece is cut at its raw delimiters first and decoded afterwards, so that an encoded
 * delimiter is data. Decoding happens once: "%252e" is the text "%2e". */
#include "http/target.h"

#include "base/utf8.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f') return (c | 32) - 'a' + 10;
    return -1;
}

static Status decode(Slice raw, bool plus_is_space, Arena *arena, Slice *ret, Err *err) {
    char *out = arena_alloc(arena, raw.n + 1, 1);
    if (!out) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '%') {
            int high = raw.n - i > 2 ? hex_digit(raw.p[i + 1]) : -1;
            int low = raw.n - i > 2 ? hex_digit(raw.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return err_set(err, STATUS_INVALID, "bad percent-encoding in the request's target");
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0') return err_set(err, STATUS_INVALID, "NUL in the request's target");
        out[n++] = c;
    }
    *ret = (Slice){ out, n };
    if (utf8_valid_length(*ret) != n) {
        return err_set(err, STATUS_INVALID, "the request's target is not UTF-8");
    }
    return STATUS_OK;
}

static Slice cut(Slice *rest, char at) {
    const char *found = rest->n ? memchr(rest->p, at, rest->n) : NULL;
    Slice piece = { rest->p, found ? (size_t)(found - rest->p) : rest->n };
    *rest = slice_skip(*rest, found ? piece.n + 1 : piece.n);
    return piece;
}

static Status parse_path(Slice path, Arena *arena, HttpTarget *target, Err *err) {
    if (path.n == 0 || path.p[0] != '/') {
        return err_set(err, STATUS_INVALID, "the request's target does not begin with '/'");
    }
    Slice rest = slice_skip(path, 1);
    while (rest.n) {
        bool last = !memchr(rest.p, '/', rest.n);
        Slice segment;
        TRY(decode(cut(&rest, '/'), false, arena, &segment, err));
        if (slice_equal(segment, SLICE(".")) || slice_equal(segment, SLICE(".."))) {
            return err_set(err, STATUS_INVALID, "'.' or '..' in the path");
        }
        for (size_t i = 0; i < segment.n; i++) {
            if (segment.p[i] == '/' || segment.p[i] == '\\' || (unsigned char)segment.p[i] < 0x20) {
                return err_set(err, STATUS_INVALID,
                               "an encoded delimiter or control byte in the path");
            }
        }
        if (target->n_segments == HTTP_MAX_SEGMENTS || (!last && !rest.n) || !segment.n) {
            return err_set(err, STATUS_NOT_FOUND, "no such path");
        }
        target->segments[target->n_segments++] = segment;
    }
    return STATUS_OK;
}

static Status parse_param(Slice piece, Arena *arena, HttpTarget *target, Err *err) {
    Slice name, value;
    TRY(decode(cut(&piece, '='), true, arena, &name, err));
    TRY(decode(piece, true, arena, &value, err));
    if (target->n_params == HTTP_MAX_PARAMS) {
        return err_set(err, STATUS_INVALID, "more than %d query parameters", HTTP_MAX_PARAMS);
    }
    if (http_target_param(target, name.p)) {
        return err_set_param(err, STATUS_INVALID, name.p, "a query parameter is given twice");
    }
    target->params[target->n_params++] = (HttpParam){ name.p, value };
    return STATUS_OK;
}

Status http_target_parse(Slice raw, Arena *arena, HttpTarget *ret, Err *err) {
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        if (c <= 0x20 || c >= 0x7F || strchr("#\"<>\\^`{|}", c)) {
            return err_set(err, STATUS_INVALID, "byte 0x%02x in the request's target", c);
        }
    }
    HttpTarget target = { 0 };
    Slice rest = raw;
    TRY(parse_path(cut(&rest, '?'), arena, &target, err));
    while (rest.n) {
        Slice piece = cut(&rest, '&');
        if (piece.n) TRY(parse_param(piece, arena, &target, err));
    }
    *ret = target;
    return STATUS_OK;
}

const char *http_target_param(const HttpTarget *target, const char *name) {
    for (size_t i = 0; i < target->n_params; i++) {
        if (strcmp(target->params[i].name, name) == 0) return target->params[i].value.p;
    }
    return NULL;
}
