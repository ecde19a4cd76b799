/* libxml2 would parse the same, but does not say where a piece of text stood (its callbacks come
 * with a position that is past it by an amount that depends on its buffers), and the map is the
 * point. */
#include "text/xml.h"

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t behind(Slice s, size_t at, const char *what) {
    const char *hit = at < s.n ? memmem(s.p + at, s.n - at, what, strlen(what)) : NULL;
    return hit ? (size_t)(hit - s.p) + strlen(what) : 0;
}

/* "<!DOCTYPE ...>" at `at`: its end. With an internal subset it is refused. */
static Status doctype(XmlScan *scan, size_t at, Err *err) {
    for (size_t i = at; i < scan->s.n; i++) {
        if (scan->s.p[i] == '[')
            return err_set(err, STATUS_INVALID,
                           "byte %zu: the document defines entities of its own, which is refused",
                           i);
        if (scan->s.p[i] != '>') continue;
        scan->at = i + 1;
        return STATUS_OK;
    }
    return err_set(err, STATUS_INVALID, "byte %zu: a DOCTYPE without an end", at);
}

static Status tag(XmlScan *scan, size_t at, XmlToken *ret, Err *err) {
    Slice s = scan->s;
    bool closing = at + 1 < s.n && s.p[at + 1] == '/';
    size_t start = at + 1 + closing, i = start;
    while (i < s.n && !is_space(s.p[i]) && s.p[i] != '>' && s.p[i] != '/' && s.p[i] != '<') i++;
    if (i == start) return err_set(err, STATUS_INVALID, "byte %zu: '<' without a name", at);
    XmlToken token = { .kind = closing ? XML_CLOSE : XML_OPEN, .start = at };
    token.name = (Slice){ s.p + start, i - start };
    const char *colon = memchr(token.name.p, ':', token.name.n);
    if (colon) {
        token.prefix = (Slice){ token.name.p, (size_t)(colon - token.name.p) };
        token.name = slice_skip(token.name, token.prefix.n + 1);
    }
    size_t attributes = i;
    for (char quote = '\0'; i < s.n; i++) {
        char c = s.p[i];
        if (quote) {
            if (c == quote) quote = '\0';
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '<') {
            break;
        } else if (c == '>') {
            token.empty = !closing && s.p[i - 1] == '/';
            token.attributes = (Slice){ s.p + attributes, i - attributes };
            token.end = scan->at = i + 1;
            *ret = token;
            return STATUS_OK;
        }
    }
    return err_set(err, STATUS_INVALID, "byte %zu: a tag without an end", at);
}

Status xml_next(XmlScan *scan, XmlToken *ret, Err *err) {
    Slice s = scan->s;
    for (;;) {
        size_t at = scan->at, end;
        if (at >= s.n) {
            *ret = (XmlToken){ .kind = XML_END_OF_INPUT, .start = s.n, .end = s.n };
            return STATUS_OK;
        }
        if (s.p[at] != '<') {
            const char *hit = memchr(s.p + at, '<', s.n - at);
            end = scan->at = hit ? (size_t)(hit - s.p) : s.n;
            *ret = (XmlToken){ .kind = XML_TEXT, .start = at, .end = end };
            return STATUS_OK;
        }
        Slice rest = slice_skip(s, at);
        if (slice_starts(rest, SLICE("<![CDATA["))) {
            end = behind(s, at + 9, "]]>");
            if (!end) return err_set(err, STATUS_INVALID, "byte %zu: CDATA without an end", at);
            scan->at = end;
            *ret = (XmlToken){ .kind = XML_CDATA, .start = at + 9, .end = end - 3 };
            return STATUS_OK;
        }
        if (slice_starts(rest, SLICE("<!--")) || slice_starts(rest, SLICE("<?"))) {
            end = behind(s, at + 2, rest.p[1] == '?' ? "?>" : "-->");
            if (!end) return err_set(err, STATUS_INVALID, "byte %zu: a comment without an end", at);
            scan->at = end;
        } else if (slice_starts(rest, SLICE("<!"))) {
            TRY(doctype(scan, at, err));
        } else {
            return tag(scan, at, ret, err);
        }
    }
}

Slice xml_attribute(const XmlToken *token, const char *name) {
    Slice s = token->attributes;
    size_t n = strlen(name);
    while (s.n) {
        while (s.n && (is_space(s.p[0]) || s.p[0] == '/')) s = slice_skip(s, 1);
        size_t length = 0;
        while (length < s.n && s.p[length] != '=' && !is_space(s.p[length])) length++;
        bool found = length == n && memcmp(s.p, name, n) == 0;
        s = slice_skip(s, length);
        while (s.n && (is_space(s.p[0]) || s.p[0] == '=')) s = slice_skip(s, 1);
        if (!s.n || (s.p[0] != '"' && s.p[0] != '\'')) {
            if (!length) return SLICE_NULL;
            continue;
        }
        const char *close = memchr(s.p + 1, s.p[0], s.n - 1);
        if (!close) return SLICE_NULL;
        Slice value = { s.p + 1, (size_t)(close - s.p) - 1 };
        if (found) return value;
        s = slice_skip(s, value.n + 2);
    }
    return SLICE_NULL;
}

void xml_text(Slice source, size_t start, size_t end, Buf *ret, MapBuilder *map) {
    for (size_t i = start; i < end;) {
        const char *hit = memchr(source.p + i, '&', end - i);
        size_t stop = hit ? (size_t)(hit - source.p) : end;
        char utf8[8];
        size_t n_utf8 = 0, used = 0;
        if (hit) used = entity_decode((Slice){ hit, end - stop }, utf8, &n_utf8);
        if (hit && !used) stop++; /* a '&' that is none stands for itself */
        map_builder_add(map, (TextRun){ ret->n, i, stop - i, 1, 1 });
        buf_append(ret, source.p + i, stop - i);
        i = stop;
        if (!used) continue;
        map_builder_add(map, (TextRun){ ret->n, i, 1, (uint32_t)n_utf8, (uint32_t)used });
        buf_append(ret, utf8, n_utf8);
        i += used;
    }
}
