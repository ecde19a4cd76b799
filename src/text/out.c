/* Clean text and its map, built together. White space is owed (a gap) until the next text is
 * written, so that no text begins or ends with it and the strongest of several breaks wins. */
#include "text/text_internal.h"

#include "base/utf8.h"

void out_init(TextOut *out, Slice source, size_t max_bytes) {
    *out = (TextOut){ .source = source, .max_bytes = max_bytes };
}

void out_deinit(TextOut *out) {
    buf_deinit(&out->text);
    map_builder_deinit(&out->map);
    free(out->headings);
    *out = (TextOut){ 0 };
}

void out_reset(TextOut *out, Slice source) {
    buf_clear(&out->text);
    out->map.n_runs = 0;
    out->n_headings = 0;
    out->source = source;
    out->gap = GAP_NONE;
    out->in_heading = false;
}

static void out_append(TextOut *out, const char *bytes, size_t n, size_t start, size_t end) {
    if (n > out->max_bytes || out->text.n > out->max_bytes - n) {
        out->too_large = true;
        return;
    }
    size_t clean = out->text.n;
    buf_append(&out->text, bytes, n);
    if (start >= end) return;
    bool same = end - start == n && memcmp(out->source.p + start, bytes, n) == 0;
    if (same)
        map_builder_add(&out->map, (TextRun){ clean, start, n, 1, 1 });
    else if (n <= UINT32_MAX && end - start <= UINT32_MAX)
        map_builder_add(&out->map,
                        (TextRun){ clean, start, 1, (uint32_t)n, (uint32_t)(end - start) });
}

static void out_settle(TextOut *out) {
    static const char *const white[] = { "", " ", "\n", "\n\n" };
    OutGap gap = out->gap;
    out->gap = GAP_NONE;
    if (gap != GAP_NONE && out->text.n)
        out_append(out, white[gap], strlen(white[gap]), out->gap_start, out->gap_end);
    if (out->in_heading && out->heading.start == SIZE_MAX) out->heading.start = out->text.n;
}

void out_verbatim(TextOut *out, size_t start, size_t end) {
    if (start >= end) return;
    out_settle(out);
    out_append(out, out->source.p + start, end - start, start, end);
}

void out_unit(TextOut *out, const char *bytes, size_t n, size_t start, size_t end) {
    if (!n) return;
    out_settle(out);
    out_append(out, bytes, n, start, end);
}

void out_gap_at(TextOut *out, OutGap gap, size_t start, size_t end) {
    if (gap == GAP_NONE || !out->text.n) return;
    if (out->in_heading && gap > GAP_SPACE) gap = GAP_SPACE;
    if (out->gap == GAP_NONE) {
        out->gap_start = start;
        out->gap_end = end;
    } else if (start < end) {
        if (out->gap_start >= out->gap_end) out->gap_start = start;
        if (end > out->gap_end) out->gap_end = end;
    }
    if (gap > out->gap) out->gap = gap;
}

void out_gap(TextOut *out, OutGap gap) {
    out_gap_at(out, gap, 0, 0);
}

CharClass out_char_class(Slice s, size_t *ret_bytes) {
    unsigned char a = (unsigned char)s.p[0];
    if (a < 0x80) {
        *ret_bytes = 1;
        if (a == ' ' || a == '\t') return CHAR_SPACE;
        if (a == '\n' || a == '\r' || a == '\v') return CHAR_NEWLINE;
        if (a == '\f') return CHAR_BREAK;
        return a < 0x20 || a == 0x7F ? CHAR_DROP : CHAR_TEXT;
    }
    uint32_t c = 0;
    *ret_bytes = utf8_decode(s, &c);
    if (!*ret_bytes) {
        *ret_bytes = 1;
        return CHAR_DROP;
    }
    if (c == 0x85 || c == 0x2028) return CHAR_NEWLINE;
    if (c == 0x2029) return CHAR_BREAK;
    if (c < 0xA0 || c == 0xFEFF || (c & 0xFFFE) == 0xFFFE) return CHAR_DROP;
    if (c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F ||
        c == 0x3000)
        return CHAR_SPACE;
    return CHAR_TEXT;
}

void out_folded(TextOut *out, size_t start, size_t end) {
    size_t kept = start; /* text from here on is not yet written */
    for (size_t i = start; i < end;) {
        unsigned char a = (unsigned char)out->source.p[i];
        if (a > ' ' && a < 0x7F) {
            i++;
            continue;
        }
        size_t n;
        CharClass class = out_char_class((Slice){ out->source.p + i, end - i }, &n);
        if (class != CHAR_TEXT) {
            out_verbatim(out, kept, i);
            if (class != CHAR_DROP) out_gap_at(out, GAP_SPACE, i, i + n);
            kept = i + n;
        }
        i += n;
    }
    out_verbatim(out, kept, end);
}

void out_heading_begin(TextOut *out, unsigned level) {
    out_heading_end(out);
    out_gap(out, GAP_PARAGRAPH);
    out->in_heading = true;
    out->heading = (TextHeading){ SIZE_MAX, SIZE_MAX, level };
}

void out_heading_end(TextOut *out) {
    if (!out->in_heading) return;
    out->in_heading = false;
    if (out->heading.start == SIZE_MAX) return; /* it held no text */
    out->heading.end = out->text.n;
    out->gap = GAP_NONE;
    out_gap(out, GAP_PARAGRAPH);
    if (!mem_grow((void **)&out->headings, &out->headings_capacity, out->n_headings + 1,
                  sizeof *out->headings)) {
        out->failed = true;
        return;
    }
    out->headings[out->n_headings++] = out->heading;
}

Status out_status(const TextOut *out, Err *err) {
    if (out->too_large)
        return err_set_param(err, STATUS_TOO_LARGE, "max_clean_bytes",
                             "a document has more than %zu bytes of text", out->max_bytes);
    if (out->failed || out->map.failed || out->text.failed)
        return err_set(err, STATUS_NO_MEMORY, "no memory for a document's text");
    return STATUS_OK;
}
