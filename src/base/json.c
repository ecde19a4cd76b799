/* A recursive descent over the grammar of RFC 8259, bounded by max_depth, and a writer that only
 * remembers whether a comma is due. Messages name byte offsets into the input. */
#include "base/json.h"

#include "base/utf8.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Reader {
    Slice text;
    size_t at;
    unsigned depth, max_depth;
    Arena *arena;
    Err *err;
} Reader;

static Status read_value(Reader *r, Json *ret);

static Status fail(Reader *r, size_t at, const char *what) {
    return err_set(r->err, STATUS_INVALID, "JSON: byte %zu: %s", at, what);
}

static void skip_space(Reader *r) {
    while (r->at < r->text.n) {
        char c = r->text.p[r->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
        r->at++;
    }
}

static int peek(const Reader *r) {
    return r->at < r->text.n ? (unsigned char)r->text.p[r->at] : -1;
}

static bool take_hex4(Reader *r, uint32_t *ret) {
    if (r->text.n - r->at < 4) return false;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = r->text.p[r->at + (size_t)i];
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
            digit = (uint32_t)((c | 32) - 'a' + 10);
        } else {
            return false;
        }
        value = value << 4 | digit;
    }
    r->at += 4;
    *ret = value;
    return true;
}

/* Behind "\u": one UTF-16 unit or a pair of them. */
static Status read_unicode_escape(Reader *r, size_t start, char *out, size_t *ret_n) {
    uint32_t c;
    if (!take_hex4(r, &c)) return fail(r, start, "\\u without four hexadecimal digits");
    if (c >= 0xD800 && c < 0xDC00) {
        uint32_t low;
        if (r->text.n - r->at < 6 || r->text.p[r->at] != '\\' || r->text.p[r->at + 1] != 'u') {
            return fail(r, start, "half of a surrogate pair");
        }
        r->at += 2;
        if (!take_hex4(r, &low) || low < 0xDC00 || low > 0xDFFF) {
            return fail(r, start, "half of a surrogate pair");
        }
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    } else if (c >= 0xDC00 && c <= 0xDFFF) {
        return fail(r, start, "half of a surrogate pair");
    }
    *ret_n = utf8_encode(c, out);
    return STATUS_OK;
}

static Status read_escape(Reader *r, char *out, size_t *ret_n) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    size_t start = r->at++; /* the backslash */
    int c = peek(r);
    r->at++;
    if (c == 'u') return read_unicode_escape(r, start, out, ret_n);
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (!found) return fail(r, start, "no such escape");
    out[0] = to[found - from];
    *ret_n = 1;
    return STATUS_OK;
}

static Status read_string(Reader *r, Slice *ret) {
    size_t start = r->at++; /* the quote */
    size_t end = r->at;
    while (end < r->text.n && r->text.p[end] != '"') end += r->text.p[end] == '\\' ? 2 : 1;
    if (end >= r->text.n) return fail(r, start, "a string without its end");
    /* no escape is shorter than what it stands for */
    char *out = arena_alloc(r->arena, end - r->at + 1, 1);
    if (!out) return err_set(r->err, STATUS_NO_MEMORY, "JSON: out of memory");
    size_t n = 0;
    while (r->at < end) {
        size_t run = r->at;
        while (run < end && r->text.p[run] != '\\' && (unsigned char)r->text.p[run] >= 0x20) run++;
        memcpy(out + n, r->text.p + r->at, run - r->at);
        n += run - r->at;
        r->at = run;
        if (run >= end) break;
        if (r->text.p[run] != '\\') return fail(r, run, "a control character inside a string");
        size_t n_escape = 0;
        TRY(read_escape(r, out + n, &n_escape));
        n += n_escape;
    }
    r->at++;
    *ret = (Slice){ out, n };
    return STATUS_OK;
}

static size_t skip_digits(Reader *r) {
    size_t start = r->at;
    while (peek(r) >= '0' && peek(r) <= '9') r->at++;
    return r->at - start;
}

static Status read_number(Reader *r, Json *ret) {
    size_t start = r->at;
    if (peek(r) == '-') r->at++;
    if (peek(r) == '0') {
        r->at++;
    } else if (skip_digits(r) == 0) {
        return fail(r, start, "no JSON value");
    }
    if (peek(r) == '.') {
        r->at++;
        if (skip_digits(r) == 0) return fail(r, start, "a number without digits behind its point");
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-') r->at++;
        if (skip_digits(r) == 0) return fail(r, start, "a number without its exponent");
    }
    char text[128];
    size_t n = r->at - start;
    if (n >= sizeof text) return fail(r, start, "a number with too many digits");
    memcpy(text, r->text.p + start, n);
    text[n] = '\0';
    ret->type = JSON_NUMBER;
    ret->number = strtod(text, NULL);
    if (!isfinite(ret->number)) return fail(r, start, "a number out of range");
    return STATUS_OK;
}

static Status read_word(Reader *r, const char *word) {
    size_t n = strlen(word);
    if (r->text.n - r->at < n || memcmp(r->text.p + r->at, word, n) != 0) {
        return fail(r, r->at, "no JSON value");
    }
    r->at += n;
    return STATUS_OK;
}

static Status read_member_name(Reader *r, const Json *object, Json *member) {
    skip_space(r);
    size_t start = r->at;
    if (peek(r) != '"') return fail(r, start, "a name in quotes is expected");
    TRY(read_string(r, &member->key));
    for (const Json *other = object->child; other; other = other->next) {
        if (other != member && slice_equal(other->key, member->key)) {
            return fail(r, start, "a name that was given before");
        }
    }
    skip_space(r);
    if (peek(r) != ':') return fail(r, r->at, "':' is expected");
    r->at++;
    return STATUS_OK;
}

static Status read_children(Reader *r, Json *ret, char close) {
    r->at++;
    skip_space(r);
    if (peek(r) == close) {
        r->at++;
        return STATUS_OK;
    }
    Json **link = &ret->child;
    for (;;) {
        Json *child = arena_alloc(r->arena, 1, sizeof *child);
        if (!child) return err_set(r->err, STATUS_NO_MEMORY, "JSON: out of memory");
        if (close == '}') {
            if (ret->n >= JSON_MAX_MEMBERS) {
                return err_set(r->err, STATUS_TOO_LARGE,
                               "JSON: byte %zu: more than %d names in one object", r->at,
                               JSON_MAX_MEMBERS);
            }
            TRY(read_member_name(r, ret, child));
        }
        TRY(read_value(r, child));
        *link = child;
        link = &child->next;
        ret->n++;
        skip_space(r);
        int c = peek(r);
        if (c != ',' && c != close) {
            return fail(r, r->at,
                        close == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
        }
        r->at++;
        if (c == close) return STATUS_OK;
    }
}

static Status read_nested(Reader *r, Json *ret, JsonType type) {
    if (r->depth >= r->max_depth) {
        return err_set(r->err, STATUS_TOO_LARGE, "JSON: byte %zu: nested more than %u deep", r->at,
                       r->max_depth);
    }
    ret->type = type;
    r->depth++;
    TRY(read_children(r, ret, type == JSON_OBJECT ? '}' : ']'));
    r->depth--;
    return STATUS_OK;
}

static Status read_value(Reader *r, Json *ret) {
    skip_space(r);
    ret->offset = r->at;
    switch (peek(r)) {
    case -1: return fail(r, r->at, "ends too early");
    case '{': return read_nested(r, ret, JSON_OBJECT);
    case '[': return read_nested(r, ret, JSON_ARRAY);
    case '"': ret->type = JSON_STRING; return read_string(r, &ret->string);
    case 'n': ret->type = JSON_NULL; return read_word(r, "null");
    case 't':
        ret->type = JSON_BOOL;
        ret->boolean = true;
        return read_word(r, "true");
    case 'f': ret->type = JSON_BOOL; return read_word(r, "false");
    default: return read_number(r, ret);
    }
}

Status json_read(Slice text, unsigned max_depth, Arena *arena, const Json **ret, Err *err) {
    Reader r = { .text = text, .max_depth = max_depth, .arena = arena, .err = err };
    size_t valid = utf8_valid_length(text);
    if (valid != text.n) return fail(&r, valid, "not UTF-8");
    Json *value = arena_alloc(arena, 1, sizeof *value);
    if (!value) return err_set(err, STATUS_NO_MEMORY, "JSON: out of memory");
    TRY(read_value(&r, value));
    skip_space(&r);
    if (r.at != text.n) return fail(&r, r.at, "something follows the value");
    *ret = value;
    return STATUS_OK;
}

const Json *json_get(const Json *object, const char *key) {
    if (object->type != JSON_OBJECT) return NULL;
    for (const Json *child = object->child; child; child = child->next) {
        if (slice_equal(child->key, slice_of(key))) return child;
    }
    return NULL;
}

const char *json_type_name(JsonType type) {
    static const char *const names[] = { "null",     "true or false", "a number",
                                         "a string", "an array",      "an object" };
    return names[type];
}

/* ---- writing ---- */

static void write_escaped(Buf *out, Slice s) {
    static const char hex[] = "0123456789abcdef";
    buf_append_byte(out, '"');
    size_t run = 0, i = 0;
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            i++;
            continue;
        }
        uint32_t character;
        size_t n = c < 0x80 ? 1 : utf8_decode((Slice){ s.p + i, s.n - i }, &character);
        if (n > 1) {
            i += n;
            continue;
        }
        buf_append(out, s.p + run, i - run);
        if (n == 0) {
            buf_append_string(out, UTF8_REPLACEMENT);
        } else if (c == '"' || c == '\\') {
            buf_append(out, (char[]){ '\\', (char)c }, 2);
        } else if (c == '\n') {
            buf_append(out, "\\n", 2);
        } else if (c == '\t') {
            buf_append(out, "\\t", 2);
        } else if (c == '\r') {
            buf_append(out, "\\r", 2);
        } else {
            buf_append(out, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
        }
        run = ++i;
    }
    buf_append(out, s.p ? s.p + run : "", s.n - run);
    buf_append_byte(out, '"');
}

static void write_key(JsonWriter *w, const char *key) {
    if (w->comma) buf_append_byte(w->out, ',');
    if (key) {
        write_escaped(w->out, slice_of(key));
        buf_append_byte(w->out, ':');
    }
    w->comma = true;
}

static void begin(JsonWriter *w, const char *key, char open) {
    write_key(w, key);
    buf_append_byte(w->out, open);
    w->comma = false;
}

static void end(JsonWriter *w, char close) {
    buf_append_byte(w->out, close);
    w->comma = true;
}

void json_begin_object(JsonWriter *w, const char *key) {
    begin(w, key, '{');
}
void json_end_object(JsonWriter *w) {
    end(w, '}');
}
void json_begin_array(JsonWriter *w, const char *key) {
    begin(w, key, '[');
}
void json_end_array(JsonWriter *w) {
    end(w, ']');
}

void json_slice(JsonWriter *w, const char *key, Slice value) {
    write_key(w, key);
    write_escaped(w->out, value);
}

void json_string(JsonWriter *w, const char *key, const char *value) {
    json_slice(w, key, slice_of(value));
}

void json_uint(JsonWriter *w, const char *key, uint64_t value) {
    write_key(w, key);
    buf_printf(w->out, "%llu", (unsigned long long)value);
}

void json_int(JsonWriter *w, const char *key, int64_t value) {
    write_key(w, key);
    buf_printf(w->out, "%lld", (long long)value);
}

void json_number(JsonWriter *w, const char *key, double value) {
    write_key(w, key);
    if (!isfinite(value)) {
        buf_append_string(w->out, "null");
        return;
    }
    char text[40];
    /* what is a decimal number of up to 15 digits comes out as it: %g drops trailing zeros */
    for (int precision = DBL_DIG; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value) break;
    }
    buf_append_string(w->out, text);
}

void json_fixed(JsonWriter *w, const char *key, double value, int decimals) {
    if (!isfinite(value)) {
        json_null(w, key);
        return;
    }
    write_key(w, key);
    buf_printf(w->out, "%.*f", decimals, value);
}

void json_bool(JsonWriter *w, const char *key, bool value) {
    write_key(w, key);
    buf_append_string(w->out, value ? "true" : "false");
}

void json_null(JsonWriter *w, const char *key) {
    write_key(w, key);
    buf_append_string(w->out, "null");
}
