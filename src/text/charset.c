/* Any encoding to UTF-8, with a map. Order of evidence: byte order mark; a declared encoding of
 * several bytes that ASCII would hide (ISO-2022, UTF-16); validity as UTF-8, which no other text
 * has by accident; the declaration; statistics (uchardet); windows-1252, which is never wrong about
 * ASCII. ICU converts and says for each UTF-16 unit from which byte it came: that is the map.
 * Source: HTML Living Standard 13.2.3.2 (sniffing), RFC 3629, WHATWG Encoding for the labels. */
#include "text/text_internal.h"

#include "base/utf8.h"

#include <strings.h>
#include <uchardet/uchardet.h>
#include <unicode/ucnv.h>
#include <unicode/utf16.h>

enum {
    NAME_BYTES = 48,
    CHUNK_UNITS = 4096,
    HELD_UNITS = 32,
    DETECT_BYTES = 256 * 1024,
    HEAD_BYTES = 4096
};

static bool is_name_byte(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && strchr("-_:.", c) != NULL);
}

static void name_copy(Slice s, char ret[NAME_BYTES]) {
    s = slice_trim(s);
    while (s.n && (s.p[0] == '"' || s.p[0] == '\'')) s = slice_skip(s, 1);
    size_t n = 0;
    while (n < s.n && n < NAME_BYTES - 1 && is_name_byte(s.p[n])) n++;
    if (n) memcpy(ret, s.p, n);
    ret[n] = '\0';
    /* Pages that say Latin-1 mean what browsers take it for. */
    static const char *const latin[] = { "iso-8859-1", "iso8859-1", "latin1", "latin-1",
                                         "us-ascii",   "ascii",     "l1" };
    for (size_t i = 0; i < N_ELEMENTS(latin); i++)
        if (strcasecmp(ret, latin[i]) == 0) memcpy(ret, "windows-1252", 13);
    if (strcasecmp(ret, "gb2312") == 0 || strcasecmp(ret, "gbk") == 0) memcpy(ret, "gb18030", 8);
}

static const char *find_word(Slice s, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.n; i++)
        if (strncasecmp(s.p + i, word, n) == 0) return s.p + i;
    return NULL;
}

/* encoding="x" of an XML declaration, charset=x of a meta element; "" where there is none. */
static void declared_inside(Slice input, char ret[NAME_BYTES]) {
    Slice head = { input.p, MIN(input.n, (size_t)HEAD_BYTES) };
    ret[0] = '\0';
    const char *at = NULL, *end = head.p + head.n;
    if (slice_starts(slice_trim(head), SLICE("<?xml"))) {
        const char *close = memchr(head.p, '>', head.n);
        at = find_word((Slice){ head.p, close ? (size_t)(close - head.p) : 0 }, "encoding=");
        if (at) at += 9;
    } else if (find_word(head, "<meta")) {
        at = find_word(head, "charset=");
        if (at) at += 8;
    }
    if (at) name_copy((Slice){ at, (size_t)(end - at) }, ret);
}

/* UTF-16 without a mark: nearly all its Latin text has a zero byte at every other place. */
static const char *guess_utf16(Slice s) {
    size_t n = MIN(s.n, (size_t)HEAD_BYTES) & ~(size_t)1, zeros[2] = { 0, 0 };
    for (size_t i = 0; i < n; i++) zeros[i & 1] += !s.p[i];
    if (n < 4) return NULL;
    if (zeros[1] > n / 5 && zeros[0] < n / 50) return "UTF-16LE";
    if (zeros[0] > n / 5 && zeros[1] < n / 50) return "UTF-16BE";
    return NULL;
}

static const char *mark_of(Slice s, size_t *ret_bytes) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *name;
    } marks[] = {
        { "\xEF\xBB\xBF", 3, "UTF-8" },    { "\xFF\xFE\0\0", 4, "UTF-32LE" },
        { "\0\0\xFE\xFF", 4, "UTF-32BE" }, { "\xFF\xFE", 2, "UTF-16LE" },
        { "\xFE\xFF", 2, "UTF-16BE" },
    };
    *ret_bytes = 0;
    for (size_t i = 0; i < N_ELEMENTS(marks); i++) {
        if (!slice_starts(s, (Slice){ marks[i].bytes, marks[i].n })) continue;
        *ret_bytes = marks[i].n;
        return marks[i].name;
    }
    return NULL;
}

/* Whether s is UTF-8 but for a few damaged places: at least 9 of 10 characters beyond ASCII. */
static bool is_mostly_utf8(Slice s) {
    size_t good = 0, bad = 0;
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        size_t n = utf8_decode(slice_skip(s, i), &c);
        if (n > 1) good++;
        if (!n) bad++;
        i += n ? n : 1;
    }
    return good > bad * 9;
}

static void detect(Slice s, char ret[NAME_BYTES]) {
    ret[0] = '\0';
    uchardet_t detector = uchardet_new();
    if (!detector) return;
    /* from the first byte beyond ASCII on: before it all encodings look the same */
    size_t start = 0;
    while (start < s.n && !((unsigned char)s.p[start] & 0x80)) start++;
    start -= MIN(start, (size_t)64);
    Slice part = { s.p + start, MIN(s.n - start, (size_t)DETECT_BYTES) };
    if (uchardet_handle_data(detector, part.p, part.n) == 0) {
        uchardet_data_end(detector);
        name_copy(slice_of(uchardet_get_charset(detector)), ret);
    }
    uchardet_delete(detector);
}

static bool is_known(const char *name) {
    if (!name[0]) return false;
    UErrorCode code = U_ZERO_ERROR;
    UConverter *converter = ucnv_open(name, &code);
    ucnv_close(converter);
    return U_SUCCESS(code);
}

/* Length of the bad beginning of s that one U+FFFD stands for: the maximal part of a character
 * that could still have become one (Unicode 3.9, best practice). */
static size_t bad_length(Slice s) {
    unsigned char a = (unsigned char)s.p[0];
    size_t want = a >= 0xF0 && a <= 0xF4 ? 4 : a >= 0xE0 ? 3 : a >= 0xC2 ? 2 : 1;
    if (a > 0xF4) want = 1;
    for (size_t n = 1; n < want; n++) {
        if (n >= s.n) return n;
        unsigned char b = (unsigned char)s.p[n];
        if ((b & 0xC0) != 0x80) return n;
        if (n == 1 && ((a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) ||
                       (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F)))
            return 1;
    }
    return want;
}

typedef struct Decoded {
    Buf text;
    MapBuilder map;
} Decoded;

static void decode_utf8(Slice s, size_t skip, Decoded *ret) {
    for (size_t i = skip; i < s.n;) {
        size_t good = utf8_valid_length(slice_skip(s, i));
        map_builder_add(&ret->map, (TextRun){ ret->text.n, i, good, 1, 1 });
        buf_append(&ret->text, s.p + i, good);
        i += good;
        if (i == s.n) break;
        size_t bad = bad_length(slice_skip(s, i));
        map_builder_add(&ret->map, (TextRun){ ret->text.n, i, 1, 3, (uint32_t)bad });
        buf_append_string(&ret->text, UTF8_REPLACEMENT);
        i += bad;
    }
}

/* UTF-16 units and the offset in the input at which the bytes of each begin. */
typedef struct Units {
    UChar units[CHUNK_UNITS + HELD_UNITS];
    size_t starts[CHUNK_UNITS + HELD_UNITS];
    size_t n;
} Units;

/* Write what is there; end: where the bytes of the last one end. All units of one origin are one
 * unit of the map (a pair of surrogates, or a letter with its mark). Where it is not the last part,
 * the last such group is kept for the next: more of it may come. */
static void units_write(Units *u, size_t end, bool is_last, Decoded *ret) {
    size_t stop = u->n;
    if (!is_last)
        while (stop > 0 && u->n - stop < HELD_UNITS - 8 &&
               u->starts[stop - 1] == u->starts[u->n - 1])
            stop--;
    for (size_t i = 0; i < stop;) {
        size_t first = i, n_bytes = 0;
        char bytes[4 * HELD_UNITS];
        do {
            UChar32 c;
            U16_NEXT(u->units, i, stop, c);
            if (U_IS_SURROGATE(c)) c = 0xFFFD;
            n_bytes += utf8_encode((uint32_t)c, bytes + n_bytes);
        } while (i < stop && u->starts[i] == u->starts[first] && i - first < HELD_UNITS - 1);
        size_t next = i < u->n ? u->starts[i] : end;
        map_builder_add(&ret->map, (TextRun){ ret->text.n, u->starts[first], 1, (uint32_t)n_bytes,
                                              (uint32_t)(next - u->starts[first]) });
        buf_append(&ret->text, bytes, n_bytes);
    }
    memmove(u->units, u->units + stop, (u->n - stop) * sizeof *u->units);
    memmove(u->starts, u->starts + stop, (u->n - stop) * sizeof *u->starts);
    u->n -= stop;
}

static Status decode_icu(Slice s, size_t skip, const char *name, Decoded *ret, Err *err) {
    UErrorCode code = U_ZERO_ERROR;
    UConverter *converter = ucnv_open(name, &code);
    if (U_FAILURE(code)) return err_set(err, STATUS_UNSUPPORTED, "encoding %s is not known", name);
    const char *at = s.p + skip, *end = s.p + s.n;
    Units u = { .n = 0 };
    int32_t offsets[CHUNK_UNITS];
    do {
        size_t base = (size_t)(at - s.p), held = u.n;
        UChar *out = u.units + held;
        code = U_ZERO_ERROR;
        ucnv_toUnicode(converter, &out, out + CHUNK_UNITS, &at, end, offsets, true, &code);
        u.n = (size_t)(out - u.units);
        for (size_t n = held; n < u.n; n++) {
            int32_t offset = offsets[n - held];
            /* -1: left over from the call before, a part of the character there */
            u.starts[n] = offset >= 0 ? base + (size_t)offset : n ? u.starts[n - 1] : base;
        }
        units_write(&u, (size_t)(at - s.p), code != U_BUFFER_OVERFLOW_ERROR, ret);
    } while (code == U_BUFFER_OVERFLOW_ERROR);
    ucnv_close(converter);
    if (U_FAILURE(code) && code != U_TRUNCATED_CHAR_FOUND)
        return err_set(err, STATUS_INVALID, "encoding %s: %s", name, u_errorName(code));
    return STATUS_OK;
}

/* The name of the encoding into name; ret_skip: bytes of its mark. */
static void choose(Slice input, Slice declared, char name[NAME_BYTES], size_t *ret_skip) {
    const char *sure = mark_of(input, ret_skip);
    char outside[NAME_BYTES], inside[NAME_BYTES];
    if (!sure) sure = guess_utf16(input);
    if (sure) {
        name_copy(slice_of(sure), name);
        return;
    }
    name_copy(declared, outside);
    declared_inside(input, inside);
    const char *said = is_known(outside) ? outside : is_known(inside) ? inside : "";
    bool wide = strncasecmp(said, "utf-16", 6) == 0 || strncasecmp(said, "utf-32", 6) == 0;
    bool hidden = strncasecmp(said, "iso-2022", 8) == 0 || strncasecmp(said, "hz", 2) == 0;
    if (wide && memchr(input.p, 0, input.n)) hidden = true;
    if (!hidden && (utf8_valid_length(input) == input.n || is_mostly_utf8(input)))
        said = "UTF-8";
    else if (wide && !hidden) /* it says UTF-16 inside, and is not: a page saved anew */
        said = "";
    if (strcasecmp(said, "utf-8") == 0 && utf8_valid_length(input) != input.n &&
        !is_mostly_utf8(input))
        said = "";
    if (!said[0]) {
        detect(input, inside);
        said = is_known(inside) ? inside : "windows-1252";
    }
    memmove(name, said, strlen(said) + 1);
}

Status charset_decode(Slice input, Slice declared, Arena *arena, Slice *ret_text, TextMap *ret_map,
                      Err *err) {
    char name[NAME_BYTES];
    size_t skip;
    choose(input, declared, name, &skip);
    bool utf8 = strcasecmp(name, "utf-8") == 0;
    Slice body = slice_skip(input, skip);
    if (utf8 && utf8_valid_length(body) == body.n) {
        TextRun *run = arena_alloc(arena, 1, sizeof *run);
        if (!run) return err_set(err, STATUS_NO_MEMORY, "no memory to decode");
        *run = (TextRun){ 0, skip, body.n, 1, 1 };
        *ret_map = (TextMap){ run, body.n ? 1 : 0 };
        *ret_text = body;
        return STATUS_OK;
    }
    Decoded decoded = { BUF_NULL, MAP_BUILDER_NULL };
    Status status = STATUS_OK;
    if (utf8)
        decode_utf8(input, skip, &decoded);
    else
        status = decode_icu(input, skip, name, &decoded, err);
    if (!status) status = buf_status(&decoded.text, err);
    char *text = NULL;
    TextRun *runs = NULL;
    if (!status) {
        text = arena_string(arena, buf_slice(&decoded.text));
        runs = arena_alloc(arena, decoded.map.n_runs + 1, sizeof *runs);
        if (!text || !runs || decoded.map.failed)
            status = err_set(err, STATUS_NO_MEMORY, "no memory to decode");
    }
    if (!status) {
        if (decoded.map.n_runs) memcpy(runs, decoded.map.runs, decoded.map.n_runs * sizeof *runs);
        *ret_text = (Slice){ text, decoded.text.n };
        *ret_map = (TextMap){ runs, decoded.map.n_runs };
    }
    buf_deinit(&decoded.text);
    map_builder_deinit(&decoded.map);
    return status;
}
