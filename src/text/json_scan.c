/* Values are passed over without recursion: a bit per open bracket says whether it is an object.
 * Source: RFC 8259. */
#include "text/json_scan.h"

#include "base/utf8.h"

static bool fail(JsonScan *scan, const char *error) {
    if (!scan->error) scan->error = error;
    return false;
}

static void skip_space(JsonScan *scan) {
    while (scan->at < scan->s.n && strchr(" \t\r\n", scan->s.p[scan->at]) && scan->s.p[scan->at])
        scan->at++;
}

static bool take_byte(JsonScan *scan, char byte) {
    if (scan->at >= scan->s.n || scan->s.p[scan->at] != byte) return false;
    scan->at++;
    return true;
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool scan_string(JsonScan *scan, Slice *ret) {
    size_t start = scan->at;
    if (!take_byte(scan, '"')) return fail(scan, "a string was expected");
    while (scan->at < scan->s.n) {
        unsigned char c = (unsigned char)scan->s.p[scan->at];
        if (c == '"') {
            scan->at++;
            *ret = (Slice){ scan->s.p + start, scan->at - start };
            return true;
        }
        if (c < 0x20) return fail(scan, "a control character in a string");
        if (c != '\\') {
            scan->at++;
            continue;
        }
        char escape = scan->at + 1 < scan->s.n ? scan->s.p[scan->at + 1] : '\0';
        if (escape == 'u') {
            for (size_t i = 2; i < 6; i++)
                if (scan->at + i >= scan->s.n || !is_hex(scan->s.p[scan->at + i]))
                    return fail(scan, "\\u without four hexadecimal digits");
            scan->at += 6;
        } else if (escape && strchr("\"\\/bfnrt", escape)) {
            scan->at += 2;
        } else {
            return fail(scan, "an unknown escape in a string");
        }
    }
    return fail(scan, "a string without an end");
}

static bool scan_digits(JsonScan *scan) {
    size_t start = scan->at;
    while (scan->at < scan->s.n && scan->s.p[scan->at] >= '0' && scan->s.p[scan->at] <= '9')
        scan->at++;
    return scan->at > start || fail(scan, "a digit was expected");
}

static bool scan_number(JsonScan *scan) {
    (void)take_byte(scan, '-');
    if (!take_byte(scan, '0') && !scan_digits(scan)) return false;
    if (take_byte(scan, '.') && !scan_digits(scan)) return false;
    if (take_byte(scan, 'e') || take_byte(scan, 'E')) {
        if (!take_byte(scan, '+')) (void)take_byte(scan, '-');
        return scan_digits(scan);
    }
    return true;
}

/* A string, number or word. */
static bool scan_scalar(JsonScan *scan) {
    static const char *const words[] = { "true", "false", "null" };
    Slice rest = slice_skip(scan->s, scan->at), string;
    if (!rest.n) return fail(scan, "a value is missing");
    if (rest.p[0] == '"') return scan_string(scan, &string);
    if (rest.p[0] == '-' || (rest.p[0] >= '0' && rest.p[0] <= '9')) return scan_number(scan);
    for (size_t i = 0; i < N_ELEMENTS(words); i++) {
        if (!slice_starts(rest, slice_of(words[i]))) continue;
        scan->at += strlen(words[i]);
        return true;
    }
    return fail(scan, "a value was expected");
}

static bool scan_key(JsonScan *scan, Slice *ret) {
    skip_space(scan);
    if (!scan_string(scan, ret)) return false;
    skip_space(scan);
    if (!take_byte(scan, ':')) return fail(scan, "':' was expected");
    skip_space(scan);
    return true;
}

enum { MAX_DEPTH = 4096 };

/* Any value, passed over. */
static bool scan_value(JsonScan *scan) {
    bool objects[MAX_DEPTH];
    unsigned depth = 0, limit = MIN(scan->max_depth, (unsigned)MAX_DEPTH);
    Slice key;
    for (;;) {
        skip_space(scan);
        bool object = take_byte(scan, '{'), array = !object && take_byte(scan, '[');
        if (object || array) {
            if (depth == limit) return fail(scan, "nested too deeply");
            objects[depth++] = object;
            skip_space(scan);
            if (!take_byte(scan, object ? '}' : ']')) {
                if (object && !scan_key(scan, &key)) return false;
                continue;
            }
            depth--;
        } else if (!scan_scalar(scan)) {
            return false;
        }
        for (;;) { /* a value is complete: what encloses it goes on or ends */
            if (!depth) return true;
            skip_space(scan);
            if (take_byte(scan, ',')) {
                if (objects[depth - 1] && !scan_key(scan, &key)) return false;
                break;
            }
            if (!take_byte(scan, objects[depth - 1] ? '}' : ']'))
                return fail(scan, "',' or a closing bracket was expected");
            depth--;
        }
    }
}

bool json_scan_object(JsonScan *scan, void (*take)(void *context, Slice key, Slice value),
                      void *context) {
    skip_space(scan);
    if (!take_byte(scan, '{')) return fail(scan, "an object was expected");
    skip_space(scan);
    if (take_byte(scan, '}')) return true;
    for (;;) {
        Slice key;
        if (!scan_key(scan, &key)) return false;
        size_t start = scan->at;
        if (!scan_value(scan)) return false;
        Slice name = { key.p + 1, key.n - 2 };
        take(context, name, (Slice){ scan->s.p + start, scan->at - start });
        skip_space(scan);
        if (take_byte(scan, '}')) return true;
        if (!take_byte(scan, ',')) return fail(scan, "',' or '}' was expected");
    }
}

static uint32_t hex4(const char *p) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = p[i];
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The escape at p: its character and bytes. */
static size_t escape_decode(const char *p, size_t n, uint32_t *ret) {
    static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *letter = strchr(letters, p[1]);
    if (p[1] != 'u') {
        *ret = letter ? (uint32_t)values[letter - letters] : (uint32_t)p[1];
        return 2;
    }
    uint32_t c = hex4(p + 2);
    if (c >= 0xD800 && c < 0xDC00 && n >= 12 && p[6] == '\\' && p[7] == 'u') {
        uint32_t low = hex4(p + 8);
        if (low >= 0xDC00 && low < 0xE000) {
            *ret = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            return 12;
        }
    }
    *ret = c >= 0xD800 && c < 0xE000 ? 0xFFFD : c;
    return 6;
}

void json_scan_string(Slice whole, Slice raw, Buf *ret, MapBuilder *map) {
    const char *p = raw.p + 1, *end = raw.p + raw.n - 1;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((escape ? escape : end) - p);
        if (map) map_builder_add(map, (TextRun){ ret->n, (size_t)(p - whole.p), n, 1, 1 });
        buf_append(ret, p, n);
        p += n;
        if (!escape) return;
        uint32_t c;
        char utf8[4];
        size_t used = escape_decode(p, (size_t)(end - p), &c), bytes = utf8_encode(c, utf8);
        if (map)
            map_builder_add(map, (TextRun){ ret->n, (size_t)(p - whole.p), 1, (uint32_t)bytes,
                                            (uint32_t)used });
        buf_append(ret, utf8, bytes);
        p += used;
    }
}
