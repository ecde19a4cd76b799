/* Markdown as text to read: lines are sorted into blocks here, the marks inside a block are taken
 * out by markdown_inline.c. Written for this because cmark and md4c do not say where the text of an
 * inline stands in the source, and the offset map is the point.
 * Front matter is the part of YAML that people put there: "key: value", quoted or not.
 * Source: CommonMark 0.31 section 4 and 5, GitHub's tables, strikethrough, task lists and notes. */
#include "text/text_internal.h"

#include <strings.h>

typedef struct Markdown {
    Slice s;
    size_t at; /* the next line begins here */
    TextOut out;
    Inline para; /* lines of the paragraph that is open */
    DocMeta meta;
    Arena *arena;
    const char *skip_to; /* inside a comment or a script: until this text */
    char fence;          /* inside fenced code: its character */
    size_t fence_n;
    bool in_list, in_table;
} Markdown;

typedef struct Line {
    size_t start, end; /* without the line end, from the text on (quote marks, indent taken off) */
    size_t next;       /* where the next line begins */
    size_t indent;     /* columns before the text */
} Line;

static Slice line_text(const Markdown *md, const Line *line) {
    return (Slice){ md->s.p + line->start, line->end - line->start };
}

static Line line_at(Slice s, size_t at) {
    const char *end = at < s.n ? memchr(s.p + at, '\n', s.n - at) : NULL;
    Line line = { at, end ? (size_t)(end - s.p) : s.n, 0, 0 };
    line.next = end ? line.end + 1 : s.n;
    while (line.end > line.start && s.p[line.end - 1] == '\r') line.end--;
    return line;
}

static void line_indent(Slice s, Line *line) {
    line->indent = 0;
    while (line->start < line->end && (s.p[line->start] == ' ' || s.p[line->start] == '\t'))
        line->indent += s.p[line->start++] == '\t' ? 4 : 1;
}

/* Take off "> > " and the indent. */
static void line_unwrap(Slice s, Line *line) {
    line_indent(s, line);
    while (line->indent < 4 && line->start < line->end && s.p[line->start] == '>') {
        line->start++;
        if (line->start < line->end && s.p[line->start] == ' ') line->start++;
        line_indent(s, line);
    }
}

static void para_flush(Markdown *md) {
    inline_emit(&md->para, &md->out);
    inline_clear(&md->para);
}

static void para_add(Markdown *md, size_t start, const Line *line) {
    inline_add(&md->para, md->s, start, line->next);
}

static void end_block(Markdown *md) {
    para_flush(md);
    out_gap(&md->out, GAP_PARAGRAPH);
    md->in_table = false;
}

static void add_heading(Markdown *md, unsigned level) {
    out_heading_begin(&md->out, level);
    para_flush(md);
    out_heading_end(&md->out);
    md->in_list = md->in_table = false;
}

/* --- front matter ---------------------------------------------------------------------------- */

/* A YAML scalar without its quotes; escapes of \" \\ '' undone in a copy. */
static Slice yaml_value(Arena *arena, Slice s) {
    s = slice_trim(s);
    if (s.n < 2 || (s.p[0] != '"' && s.p[0] != '\'')) {
        const char *comment = memmem(s.p, s.n, " #", 2);
        if (comment) s.n = (size_t)(comment - s.p);
        return slice_trim(s);
    }
    char quote = s.p[0];
    char *copy = arena_alloc(arena, s.n, 1);
    if (!copy) return SLICE_NULL;
    size_t n = 0;
    for (size_t i = 1; i < s.n; i++) {
        bool more = i + 1 < s.n;
        if (quote == '"' && s.p[i] == '\\' && more)
            i++;
        else if (quote == '\'' && s.p[i] == quote && more && s.p[i + 1] == quote)
            i++;
        else if (s.p[i] == quote)
            break;
        copy[n++] = s.p[i];
    }
    return (Slice){ copy, n };
}

static void front_matter_set(Markdown *md, Slice key, Slice value) {
    const struct {
        const char *key;
        Slice *field;
    } keys[] = {
        { "title", &md->meta.title },       { "date", &md->meta.date },
        { "published", &md->meta.date },    { "pubdate", &md->meta.date },
        { "source", &md->meta.source },     { "publisher", &md->meta.source },
        { "lang", &md->meta.language },     { "language", &md->meta.language },
        { "url", &md->meta.url },           { "link", &md->meta.url },
        { "canonical_url", &md->meta.url }, { "permalink", &md->meta.url },
    };
    for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
        if (key.n != strlen(keys[i].key) || strncasecmp(key.p, keys[i].key, key.n) != 0) continue;
        if (!keys[i].field->n) *keys[i].field = yaml_value(md->arena, value);
    }
}

/* "---" to "---" or "..." at the beginning; md->at moves behind it. */
static void front_matter(Markdown *md) {
    size_t at = 0, keys = 0;
    Line line = line_at(md->s, at);
    if (!slice_equal(slice_trim(line_text(md, &line)), SLICE("---"))) return;
    size_t body = line.next, end = 0;
    for (at = body; at < md->s.n && !end; at = line.next) {
        line = line_at(md->s, at);
        Slice text = slice_trim(line_text(md, &line));
        if (slice_equal(text, SLICE("---")) || slice_equal(text, SLICE("..."))) end = at;
        keys += text.n && memchr(text.p, ':', text.n) != NULL;
    }
    if (!end || !keys) return;
    md->at = line.next;
    for (at = body; at < end; at = line.next) {
        line = line_at(md->s, at);
        Slice text = line_text(md, &line);
        const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
        if (!colon || text.p[0] == ' ' || text.p[0] == '#') continue;
        Slice key = { text.p, (size_t)(colon - text.p) };
        Slice value = slice_trim(slice_skip(text, key.n + 1));
        if (value.n && value.n <= 2 && (value.p[0] == '>' || value.p[0] == '|')) {
            Line below = line_at(md->s, line.next); /* a block: its first line */
            if (line.next < end) value = line_text(md, &below);
        }
        front_matter_set(md, slice_trim(key), value);
    }
}

/* --- what a line is --------------------------------------------------------------------------- */

static size_t count_of(Slice s, char c) {
    size_t n = 0;
    while (n < s.n && s.p[n] == c) n++;
    return n;
}

/* "---", "* * *", "___": only one mark and blanks. */
static bool is_rule(Slice s) {
    s = slice_trim(s);
    if (s.n < 3 || (s.p[0] != '-' && s.p[0] != '*' && s.p[0] != '_')) return false;
    size_t marks = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == s.p[0])
            marks++;
        else if (s.p[i] != ' ' && s.p[i] != '\t')
            return false;
    }
    return marks >= 3;
}

/* "|---|:-:|": the second line of a table. */
static bool is_table_rule(Slice s) {
    bool dash = false, bar = false;
    for (size_t i = 0; i < s.n; i++) {
        if (!strchr("|-: \t", s.p[i]) || !s.p[i]) return false;
        dash |= s.p[i] == '-';
        bar |= s.p[i] == '|';
    }
    return dash && bar;
}

/* Bytes of "- ", "12. " at the beginning, without the blank; 0 where there is none. */
static size_t list_marker(Slice s) {
    size_t n = 0;
    if (s.n && strchr("-*+", s.p[0]) && s.p[0]) {
        n = 1;
    } else {
        while (n < s.n && n < 9 && s.p[n] >= '0' && s.p[n] <= '9') n++;
        if (!n || n >= s.n || (s.p[n] != '.' && s.p[n] != ')')) return 0;
        n++;
    }
    return n < s.n && (s.p[n] == ' ' || s.p[n] == '\t') ? n : 0;
}

/* --- blocks ------------------------------------------------------------------------------------
 */

static bool block_fence(Markdown *md, const Line *line) {
    Slice text = line_text(md, line);
    char c = text.n ? text.p[0] : '\0';
    size_t n = c == '`' || c == '~' ? count_of(text, c) : 0;
    if (md->fence) {
        if (c == md->fence && n >= md->fence_n && slice_trim(slice_skip(text, n)).n == 0) {
            md->fence = '\0';
            out_gap(&md->out, GAP_PARAGRAPH);
            return true;
        }
        Line raw = line_at(md->s, md->at); /* with its indent */
        Slice code = line_text(md, &raw);
        if (!slice_trim(code).n) {
            out_gap_at(&md->out, GAP_PARAGRAPH, raw.end, raw.next);
        } else {
            /* only an indent of blanks is kept: it is text, not a gap */
            while (raw.end > raw.start && strchr(" \t", md->s.p[raw.end - 1])) raw.end--;
            size_t ink = raw.start;
            while (ink < raw.end && (md->s.p[ink] == ' ' || md->s.p[ink] == '\t')) ink++;
            out_verbatim(&md->out, raw.start, ink);
            out_folded(&md->out, ink, raw.end);
            out_gap_at(&md->out, GAP_LINE, raw.end, raw.next);
        }
        return true;
    }
    if (n < 3 || (c == '`' && memchr(text.p + n, '`', text.n - n))) return false;
    end_block(md);
    md->fence = c;
    md->fence_n = n;
    return true;
}

static bool block_heading(Markdown *md, const Line *line) {
    Slice text = line_text(md, line);
    size_t n = count_of(text, '#');
    if (md->para.block.n && (text.n && (text.p[0] == '=' || text.p[0] == '-'))) {
        Slice rest = slice_trim(slice_skip(text, count_of(text, text.p[0])));
        if (!rest.n && !md->in_list) {
            add_heading(md, text.p[0] == '=' ? 1 : 2);
            return true;
        }
    }
    if (n < 1 || n > 6 || line->indent > 3 || (n < text.n && text.p[n] != ' ' && text.p[n] != '\t'))
        return false;
    end_block(md);
    size_t start = line->start + n, end = line->end;
    while (end > start && strchr(" \t", md->s.p[end - 1])) end--;
    size_t closing = end;
    while (closing > start && md->s.p[closing - 1] == '#') closing--;
    if (closing < end && (closing == start || strchr(" \t", md->s.p[closing - 1]))) end = closing;
    inline_add(&md->para, md->s, start, end);
    add_heading(md, (unsigned)n);
    return true;
}

/* One row: cells parted by " | ", the rule under the head left out. */
static void table_row(Markdown *md, const Line *line) {
    Slice s = md->s;
    bool first = true;
    size_t cell = line->start;
    out_gap_at(&md->out, GAP_LINE, line->start, line->start);
    for (size_t i = line->start; i <= line->end; i++) {
        if (i < line->end && (s.p[i] != '|' || (i > line->start && s.p[i - 1] == '\\'))) continue;
        Slice text = slice_trim((Slice){ s.p + cell, i - cell });
        if (text.n) {
            size_t start = (size_t)(text.p - s.p);
            if (!first) {
                out_gap(&md->out, GAP_SPACE);
                out_unit(&md->out, "|", 1, 0, 0);
                out_gap(&md->out, GAP_SPACE);
            }
            inline_add(&md->para, s, start, start + text.n);
            para_flush(md);
            first = false;
        }
        cell = i + 1;
    }
    out_gap_at(&md->out, GAP_LINE, line->end, line->next);
}

static bool block_table(Markdown *md, const Line *line) {
    Slice text = line_text(md, line);
    if (!text.n || !memchr(text.p, '|', text.n)) return false;
    if (!md->in_table) {
        if (md->para.block.n) return false;
        Line next = line_at(md->s, line->next);
        line_unwrap(md->s, &next);
        if (!is_table_rule(line_text(md, &next))) return false;
        end_block(md);
        md->in_table = true;
    }
    if (!is_table_rule(text)) table_row(md, line);
    return true;
}

static bool block_list(Markdown *md, const Line *line) {
    Slice text = line_text(md, line);
    size_t n = list_marker(text);
    if (!n || (line->indent > 3 && !md->in_list)) return false;
    /* a number in running text ("in\n1984. Then") does not begin a list, "1." does */
    if (md->para.block.n && !md->in_list && n > 1 && text.p[0] != '1') return false;
    para_flush(md);
    out_gap(&md->out, GAP_LINE);
    md->in_list = true;
    size_t start = line->start, rest = start + n;
    while (rest < line->end && strchr(" \t", md->s.p[rest])) rest++;
    Slice task = { md->s.p + rest, line->end - rest };
    if (task.n > 3 && task.p[0] == '[' && task.p[2] == ']' && task.p[3] == ' ') rest += 4;
    if (rest >= line->end) return true; /* an empty item */
    if (n == 1)
        out_unit(&md->out, "-", 1, start, start + 1);
    else
        out_verbatim(&md->out, start, start + n);
    out_gap_at(&md->out, GAP_SPACE, start + n, rest);
    para_add(md, rest, line);
    return true;
}

/* A comment, script or style element that begins a line and ends on it or later. */
static bool block_skipped(Markdown *md, const Line *line) {
    static const struct {
        const char *open, *close;
    } elements[] = { { "<!--", "-->" }, { "<script", "</script>" }, { "<style", "</style>" } };
    Slice text = line_text(md, line);
    for (size_t i = 0; !md->skip_to && i < N_ELEMENTS(elements); i++) {
        size_t n = strlen(elements[i].open);
        if (text.n < n || strncasecmp(text.p, elements[i].open, n) != 0) continue;
        end_block(md);
        md->skip_to = elements[i].close;
        text = slice_skip(text, n);
    }
    if (!md->skip_to) return false;
    size_t n = strlen(md->skip_to);
    for (size_t i = 0; i + n <= text.n; i++) {
        if (strncasecmp(text.p + i, md->skip_to, n) != 0) continue;
        md->skip_to = NULL;
        size_t start = (size_t)(text.p - md->s.p) + i + n;
        if (slice_trim(slice_skip(text, i + n)).n) para_add(md, start, line);
        break;
    }
    return true;
}

/* "[label]: destination" is left out; of a note only its text stays. */
static bool block_definition(Markdown *md, const Line *line) {
    Slice text = line_text(md, line);
    if (text.n < 5 || text.p[0] != '[' || md->para.block.n) return false;
    const char *close = memmem(text.p, MIN(text.n, (size_t)1000), "]:", 2);
    if (!close) return false;
    size_t n = (size_t)(close - text.p) + 2;
    if (text.p[1] == '^') {
        out_gap(&md->out, GAP_PARAGRAPH);
        para_add(md, line->start + n, line);
    }
    return true;
}

static void block_code_line(Markdown *md, const Line *line) {
    out_folded(&md->out, line->start, line->end);
    out_gap_at(&md->out, GAP_LINE, line->end, line->next);
}

static void markdown_line(Markdown *md, Line *line) {
    line_unwrap(md->s, line);
    Slice text = line_text(md, line);
    if (md->fence || md->skip_to) {
        if (md->fence)
            (void)block_fence(md, line);
        else
            (void)block_skipped(md, line);
        return;
    }
    if (!text.n) {
        para_flush(md);
        out_gap_at(&md->out, GAP_PARAGRAPH, line->start, line->next);
        md->in_table = false;
        return;
    }
    if (line->indent == 0 && md->out.gap == GAP_PARAGRAPH && !list_marker(text))
        md->in_list = false;
    if (block_fence(md, line) || block_skipped(md, line) || block_heading(md, line)) return;
    if (is_rule(text)) {
        end_block(md);
        return;
    }
    if (block_table(md, line) || block_list(md, line) || block_definition(md, line)) return;
    if (line->indent > 3 && !md->para.block.n && !md->in_list) {
        block_code_line(md, line);
        return;
    }
    para_add(md, line->start, line);
}

Status reader_markdown(Read *read, Err *err) {
    Markdown md = { .s = read->source, .arena = &read->docs->arena };
    out_init(&md.out, read->source, read->limits->max_clean_bytes);
    front_matter(&md);
    while (md.at < md.s.n) {
        Line line = line_at(md.s, md.at);
        size_t next = line.next;
        markdown_line(&md, &line);
        md.at = next;
        if (md.out.too_large) break;
    }
    para_flush(&md);
    for (size_t i = 0; i < md.out.n_headings && !md.meta.title.n; i++) {
        const TextHeading *h = &md.out.headings[i];
        if (h->level == 1) md.meta.title = (Slice){ md.out.text.p + h->start, h->end - h->start };
    }
    Status status =
        read_add_doc(read, &md.out, &md.meta, TEXT_MARKDOWN, 0, read->source.n, NULL, err);
    inline_deinit(&md.para);
    out_deinit(&md.out);
    return status;
}
