/* Inline Markdown to readable text. One pass over the block marks each byte as kept or dropped, a
 * second writes what is kept; so nothing nests, and the cost is linear: brackets and delimiters
 * wait on stacks, every search for a closing mark is bounded or remembered. Source: CommonMark 0.31
 * section 6; simplified where the difference is not in the text that stays (the rule of three for
 * delimiters, precedence of overlapping emphasis). */
#include "text/text_internal.h"

#include "base/utf8.h"

#include <strings.h>

/* MAX_OPEN: brackets and delimiters that wait at once; more stay as text. MAX_PARENS: nesting in a
 * link's destination, beyond which it is none; with it a scan cannot pass over many others. */
enum { MAX_TICKS = 32, MAX_OPEN = 1024, MAX_PARENS = 32 };
enum { MARK_KEEP, MARK_DROP, MARK_LITERAL, MARK_ENTITY, MARK_LINE }; /* of a byte */

typedef struct InlineOpen {
    size_t at; /* of the '[' or of the delimiter run */
    size_t n;  /* bytes left of the run */
    char c;
} InlineOpen;

void inline_deinit(Inline *inl) {
    buf_deinit(&inl->block);
    free(inl->pieces);
    free(inl->marks);
    free(inl->opens);
    *inl = (Inline){ 0 };
}

void inline_clear(Inline *inl) {
    buf_clear(&inl->block);
    inl->n_pieces = 0;
}

void inline_add(Inline *inl, Slice source, size_t start, size_t end) {
    if (!mem_grow((void **)&inl->pieces, &inl->capacity, inl->n_pieces + 1, sizeof *inl->pieces)) {
        inl->failed = true;
        return;
    }
    inl->pieces[inl->n_pieces++] = (InlinePiece){ inl->block.n, start };
    buf_append(&inl->block, source.p + start, end - start);
}

/* The next place of a closing mark, remembered: a search never goes twice over the same bytes. */
typedef struct Finder {
    const char *what;
    size_t from, hit; /* none in [from, hit); hit is one, or SIZE_MAX */
    bool valid;
} Finder;

typedef struct Pass {
    const char *p;
    size_t n;
    unsigned char *marks;
    Inline *inl;
    size_t n_opens;
    bool no_ticks[MAX_TICKS + 1]; /* no run of so many backticks comes any more */
    Finder angle, comment, bracket;
} Pass;

static void mark(Pass *pass, size_t start, size_t end, unsigned char as) {
    memset(pass->marks + start, as, end - start);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word_byte(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c & 0x80);
}

static size_t run_length(const Pass *pass, size_t at) {
    size_t n = 0;
    while (at + n < pass->n && pass->p[at + n] == pass->p[at]) n++;
    return n;
}

static size_t pass_code(Pass *pass, size_t at) {
    size_t n = run_length(pass, at);
    if (n > MAX_TICKS || pass->no_ticks[n]) {
        mark(pass, at, at + n, MARK_LITERAL);
        return at + n;
    }
    for (size_t i = at + n; i < pass->n;) {
        if (pass->p[i] != '`') {
            i++;
            continue;
        }
        size_t m = run_length(pass, i);
        if (m == n) {
            mark(pass, at, at + n, MARK_DROP);
            mark(pass, at + n, i, MARK_LITERAL);
            mark(pass, i, i + m, MARK_DROP);
            return i + m;
        }
        i += m;
    }
    pass->no_ticks[n] = true;
    mark(pass, at, at + n, MARK_LITERAL);
    return at + n;
}

static size_t find(const Pass *pass, Finder *finder, size_t at) {
    if (finder->valid && finder->from <= at && at <= finder->hit) return finder->hit;
    const char *hit = at < pass->n
                          ? memmem(pass->p + at, pass->n - at, finder->what, strlen(finder->what))
                          : NULL;
    finder->from = at;
    finder->hit = hit ? (size_t)(hit - pass->p) : SIZE_MAX;
    finder->valid = true;
    return finder->hit;
}

/* <https://x>, <a@b>, <tag x="y">, </tag>, <!-- -->; else a plain '<'. */
static size_t pass_angle(Pass *pass, size_t at) {
    Slice rest = { pass->p + at, pass->n - at };
    size_t end;
    if (slice_starts(rest, SLICE("<!--"))) {
        end = find(pass, &pass->comment, at + 4);
        if (end == SIZE_MAX) return at + 1;
        mark(pass, at, end + 3, MARK_DROP);
        return end + 3;
    }
    char c = rest.n > 1 ? rest.p[1] : '\0';
    bool tag = c == '/' || c == '!' || c == '?' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    end = tag ? find(pass, &pass->angle, at) : SIZE_MAX;
    if (end == SIZE_MAX) return at + 1;
    Slice inside = { pass->p + at + 1, end - at - 1 };
    bool spaced = false, colon = false, mail = false;
    for (size_t i = 0; i < inside.n; i++) {
        spaced |= is_space(inside.p[i]);
        colon |= inside.p[i] == ':';
        mail |= inside.p[i] == '@';
        if (inside.p[i] == '<') return at + 1;
    }
    if (!spaced && (colon || mail) && c != '/') { /* an address stays, as it is */
        mark(pass, at, at + 1, MARK_DROP);
        mark(pass, at + 1, end, MARK_LITERAL);
        mark(pass, end, end + 1, MARK_DROP);
        return end + 1;
    }
    mark(pass, at, end + 1, MARK_DROP);
    if (inside.n >= 2 && strncasecmp(inside.p, "br", 2) == 0 &&
        (inside.n == 2 || !is_word_byte(inside.p[2])))
        pass->marks[at] = MARK_LINE;
    return end + 1;
}

static void push(Pass *pass, size_t at, size_t n, char c) {
    Inline *inl = pass->inl;
    if (pass->n_opens == MAX_OPEN) return;
    if (!mem_grow((void **)&inl->opens, &inl->opens_capacity, pass->n_opens + 1,
                  sizeof *inl->opens)) {
        inl->failed = true;
        return;
    }
    inl->opens[pass->n_opens++] = (InlineOpen){ at, n, c };
}

/* The end of "(destination "title")" that begins at `at`; 0 where it is none. */
static size_t destination_end(const Pass *pass, size_t at) {
    size_t stop = pass->n, depth = 0;
    bool angle = false;
    char quote = '\0';
    for (size_t i = at; i < stop; i++) {
        char c = pass->p[i];
        if (c == '\\' && i + 1 < stop) {
            i++;
        } else if (quote) {
            if (c == quote) quote = '\0';
        } else if (angle) {
            if (c == '<' || c == '\n') return 0;
            angle = c != '>';
        } else if (c == '<' && i > at && pass->p[i - 1] == '(') {
            angle = true;
        } else if ((c == '"' || c == '\'') && i > at && is_space(pass->p[i - 1])) {
            quote = c;
        } else if (c == '(') {
            if (++depth > MAX_PARENS) return 0;
        } else if (c == ')' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* ']' at `at`: a link, image or note goes with its marks, its text stays. */
static size_t pass_close_bracket(Pass *pass, size_t at) {
    size_t top = pass->n_opens;
    while (top > 0 && pass->inl->opens[top - 1].c != '[') top--;
    if (!top) return at + 1;
    size_t open = pass->inl->opens[top - 1].at;
    /* delimiters inside that found no partner stay text; they may still pair beyond */
    memmove(&pass->inl->opens[top - 1], &pass->inl->opens[top],
            (pass->n_opens - top) * sizeof *pass->inl->opens);
    pass->n_opens--;
    if (pass->p[open + 1] == '^' && at > open + 2) { /* a mark of a note */
        mark(pass, open, at + 1, MARK_DROP);
        return at + 1;
    }
    char next = at + 1 < pass->n ? pass->p[at + 1] : '\0';
    size_t end = 0;
    if (next == '(') end = destination_end(pass, at + 1);
    if (next == '[') {
        end = find(pass, &pass->bracket, at + 1);
        end = end == SIZE_MAX ? 0 : end + 1;
    }
    if (!end) return at + 1;
    mark(pass, open > 0 && pass->p[open - 1] == '!' ? open - 1 : open, open + 1, MARK_DROP);
    mark(pass, at, end, MARK_DROP);
    return end;
}

static size_t pass_delimiter(Pass *pass, size_t at) {
    char c = pass->p[at];
    size_t n = run_length(pass, at), after = at + n;
    if (c == '~' && n != 2) return after;
    bool space_before = at == 0 || is_space(pass->p[at - 1]);
    bool space_after = after >= pass->n || is_space(pass->p[after]);
    bool can_open = !space_after, can_close = !space_before;
    if (c == '_') { /* not inside a word: snake_case stays */
        if (!space_before && is_word_byte(pass->p[at - 1])) can_open = false;
        if (!space_after && is_word_byte(pass->p[after])) can_close = false;
    }
    size_t left = n, from = at; /* what is left of this run, and where it begins */
    for (size_t i = pass->n_opens; can_close && left && i > 0; i--) {
        InlineOpen *open = &pass->inl->opens[i - 1];
        if (open->c == '[') break; /* emphasis does not cross a bracket that is open */
        if (open->c != c || !open->n) continue;
        size_t use = MIN(left, open->n);
        mark(pass, open->at + open->n - use, open->at + open->n, MARK_DROP);
        mark(pass, from, from + use, MARK_DROP);
        open->n -= use;
        left -= use;
        from += use;
        pass->n_opens = open->n ? i : i - 1; /* what stood between them has no partner */
    }
    if (left && can_open) push(pass, from, left, c);
    return after;
}

static size_t pass_escape(Pass *pass, size_t at) {
    if (at + 1 >= pass->n) return at + 1;
    char c = pass->p[at + 1];
    if (c == '\n') {
        pass->marks[at] = MARK_LINE;
        return at + 2;
    }
    bool punctuation = c > ' ' && c < 0x7F && !is_word_byte(c);
    if (!punctuation) return at + 1;
    pass->marks[at] = MARK_DROP;
    pass->marks[at + 1] = MARK_LITERAL;
    return at + 2;
}

/* Two spaces at the end of a line break it. */
static size_t pass_line(Pass *pass, size_t at) {
    size_t end = at > 0 && pass->p[at - 1] == '\r' ? at - 1 : at;
    if (end >= 2 && pass->p[end - 1] == ' ' && pass->p[end - 2] == ' ') pass->marks[at] = MARK_LINE;
    return at + 1;
}

static void pass_mark(Pass *pass) {
    for (size_t i = 0; i < pass->n;) {
        char utf8[8];
        size_t n;
        switch (pass->p[i]) {
        case '\\': i = pass_escape(pass, i); break;
        case '`': i = pass_code(pass, i); break;
        case '<': i = pass_angle(pass, i); break;
        case '[':
            if (i + 1 < pass->n) push(pass, i, 1, '[');
            i++;
            break;
        case ']': i = pass_close_bracket(pass, i); break;
        case '*':
        case '_':
        case '~': i = pass_delimiter(pass, i); break;
        case '&':
            if (entity_decode((Slice){ pass->p + i, pass->n - i }, utf8, &n))
                pass->marks[i] = MARK_ENTITY;
            i++;
            break;
        case '\n': i = pass_line(pass, i); break;
        default: i++;
        }
    }
}

/* A place in the block as a place in the source; moves forward. */
static size_t to_source(const Inline *inl, size_t at, size_t *piece) {
    while (*piece + 1 < inl->n_pieces && inl->pieces[*piece + 1].at <= at) (*piece)++;
    return inl->pieces[*piece].source + (at - inl->pieces[*piece].at);
}

static void pass_write(const Pass *pass, TextOut *out) {
    size_t piece = 0;
    for (size_t i = 0; i < pass->n;) {
        size_t from = to_source(pass->inl, i, &piece), n = 1;
        switch (pass->marks[i]) {
        case MARK_DROP: i++; continue;
        case MARK_LINE:
            out_gap_at(out, GAP_LINE, from, from + 1);
            i++;
            continue;
        case MARK_ENTITY: {
            char utf8[8];
            size_t n_utf8, bytes;
            n = entity_decode((Slice){ pass->p + i, pass->n - i }, utf8, &n_utf8);
            CharClass class = out_char_class((Slice){ utf8, n_utf8 }, &bytes);
            if (class == CHAR_TEXT)
                out_unit(out, utf8, n_utf8, from, from + n);
            else if (class != CHAR_DROP)
                out_gap_at(out, GAP_SPACE, from, from + n);
            i += n;
            continue;
        }
        default: break;
        }
        /* a stretch within one piece that is kept */
        size_t stop = piece + 1 < pass->inl->n_pieces ? pass->inl->pieces[piece + 1].at : pass->n;
        while (i + n < stop &&
               (pass->marks[i + n] == MARK_KEEP || pass->marks[i + n] == MARK_LITERAL))
            n++;
        out_folded(out, from, from + n);
        i += n;
    }
}

void inline_emit(Inline *inl, TextOut *out) {
    size_t n = inl->block.n;
    if (!mem_grow((void **)&inl->marks, &inl->marks_capacity, n + 1, 1)) inl->failed = true;
    if (inl->failed || inl->block.failed) {
        out->failed = true;
        return;
    }
    if (!n) return;
    memset(inl->marks, MARK_KEEP, n);
    Pass pass = { .p = inl->block.p, .n = n, .marks = inl->marks, .inl = inl };
    pass.angle.what = ">";
    pass.comment.what = "-->";
    pass.bracket.what = "]";
    pass_mark(&pass);
    pass_write(&pass, out);
}
