/* Plain text. Most files need nothing done, and then the clean text is a slice of the source and
 * the map one run. Else: line ends become '\n', white space at line ends and controls go, runs of
 * blank lines become one. Indentation and single line ends stay: they may mean something. */
#include "text/text_internal.h"

/* Bytes that end the fast scan: controls but '\n' and '\t', and the leads of the characters that
 * out_char_class treats specially (C2 80-9F, E2 80 A8/A9, EF BB BF, EF BF BE/BF, xF BF BE...). */
static bool is_plain_byte(unsigned char c) {
    return (c >= 0x20 && c != 0x7F && c != 0xC2 && c != 0xE2 && c != 0xEF && c < 0xF0) || c == '\t';
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Whether [0, n) may stand as it is; it has no white space at its ends. */
static bool plain_is_clean(Slice s) {
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_plain_byte(c)) {
            i++;
            continue;
        }
        if (c == '\n') {
            if (i && is_blank(s.p[i - 1])) return false;
            if (i >= 2 && s.p[i - 1] == '\n' && s.p[i - 2] == '\n') return false;
            i++;
            continue;
        }
        size_t n;
        CharClass class = out_char_class(slice_skip(s, i), &n);
        if (class != CHAR_TEXT && !(class == CHAR_SPACE && n > 1)) return false;
        i += n;
    }
    return true;
}

/* The line end at i (CR LF is one): its bytes. */
static size_t newline_bytes(Slice s, size_t i, size_t n) {
    return s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n' ? 2 : n;
}

void plain_clean(TextOut *out, size_t start, size_t end) {
    Slice s = { out->source.p, end };
    size_t kept = start, ink = start; /* written up to; end of the last visible character */
    for (size_t i = start; i < end;) {
        size_t n = 1;
        unsigned char c = (unsigned char)s.p[i];
        CharClass class = is_plain_byte(c) ? (is_blank((char)c) ? CHAR_SPACE : CHAR_TEXT)
                                           : out_char_class(slice_skip(s, i), &n);
        if (class == CHAR_TEXT) {
            ink = i + n;
        } else if (class == CHAR_DROP) {
            out_verbatim(out, kept, i);
            kept = ink = i + n;
        } else if (class != CHAR_SPACE) {
            out_verbatim(out, kept, ink);
            n = newline_bytes(s, i, n);
            bool again = out->gap >= GAP_LINE && ink <= kept;
            out_gap_at(out, class == CHAR_BREAK || again ? GAP_PARAGRAPH : GAP_LINE, i, i + n);
            kept = ink = i + n;
        }
        i += n;
    }
    out_verbatim(out, kept, ink);
}

Status reader_plain(Read *read, Err *err) {
    Slice s = read->source;
    size_t end = s.n;
    while (end && strchr(" \t\r\n", s.p[end - 1]) && s.p[end - 1]) end--;
    size_t start = 0;
    while (start < end && strchr(" \t\r\n", s.p[start]) && s.p[start]) start++;
    DocMeta meta = { 0 };
    TextOut out;
    out_init(&out, s, read->limits->max_clean_bytes);
    Slice body = { s.p + start, end - start };
    if (body.n && body.n <= read->limits->max_clean_bytes && plain_is_clean(body))
        meta.text = body;
    else
        plain_clean(&out, start, end);
    Status status = read_add_doc(read, &out, &meta, TEXT_PLAIN, 0, s.n, NULL, err);
    out_deinit(&out);
    return status;
}
