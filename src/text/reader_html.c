/* HTML to the text of its article, in two walks over the same tokens. The first weighs: how much
 * text stands in each region that may be the article (main, article) or may be left out (nav,
 * aside, a class "cookie-banner"). The second writes. Nothing is left out that holds most of the
 * page, and where the article found is but a crumb, the whole body is taken: better a menu too many
 * than an article lost. Elements are kept on a stack of limited depth; an end tag closes the
 * nearest that it fits. */
#include "text/html.h"

#include "base/utf8.h"

#include <strings.h>

/* A region that matters, in order of its opening tag: the same in both walks. */
typedef struct Region {
    size_t start, end; /* in the source, content only */
    size_t weight;     /* bytes of text inside, links not counted */
    bool is_main;      /* may be the article; else it may be left out */
    bool is_article;
} Region;

typedef struct Open {
    uint64_t id;
    unsigned flags;
    size_t region; /* index, SIZE_MAX: none */
    size_t weight_before;
    bool hidden, link, skipped;
} Open;

typedef struct Walk {
    HtmlTokens tokens;
    TextOut *out; /* NULL: the first walk */
    DocMeta *meta;
    Arena *arena;
    Open *stack;
    size_t depth;
    unsigned max_depth;
    Region *regions;
    size_t n_regions, regions_capacity, next_region;
    size_t weight;               /* of text so far */
    unsigned hidden, links, pre; /* elements of this kind that are open */
    unsigned skipped, articles;
    size_t from, to;   /* the second walk writes text of this part */
    bool keep_all;     /* leave nothing out but what is hidden */
    bool bullet, cell; /* a mark is due before the next text */
    bool failed, too_deep;
    HtmlToken raw; /* the raw element whose text comes next; kind HTML_END_OF_INPUT: none */
} Walk;

/* --- text ---------------------------------------------------------------------------------------
 */

static void write_marks(Walk *walk) {
    if (walk->bullet) {
        out_unit(walk->out, "-", 1, 0, 0);
        out_gap(walk->out, GAP_SPACE);
    } else if (walk->cell) {
        out_gap(walk->out, GAP_SPACE);
        out_unit(walk->out, "|", 1, 0, 0);
        out_gap(walk->out, GAP_SPACE);
    }
    walk->bullet = walk->cell = false;
}

static void write_part(Walk *walk, size_t start, size_t end) {
    if (start >= end) return;
    if (!walk->bullet && !walk->cell) {
        out_folded(walk->out, start, end);
        return;
    }
    while (start < end) { /* white space first: the mark comes before the first letter */
        size_t n;
        CharClass class = out_char_class((Slice){ walk->out->source.p + start, end - start }, &n);
        if (class == CHAR_TEXT) break;
        if (class != CHAR_DROP) out_gap_at(walk->out, GAP_SPACE, start, start + n);
        start += n;
    }
    if (start == end) return;
    write_marks(walk);
    out_folded(walk->out, start, end);
}

/* "&nbsp" and a few others are read without their ';' too. */
static size_t reference(Slice s, char utf8[8], size_t *ret_n) {
    static const char *const open[] = { "&nbsp", "&amp", "&lt", "&gt", "&quot" };
    static const char *const text[] = { "\xC2\xA0", "&", "<", ">", "\"" };
    size_t n = entity_decode(s, utf8, ret_n);
    for (size_t i = 0; !n && i < N_ELEMENTS(open); i++) {
        Slice name = slice_of(open[i]);
        if (!slice_starts(s, name)) continue;
        char next = s.n > name.n ? s.p[name.n] : ' ';
        if ((next | 0x20) >= 'a' && (next | 0x20) <= 'z') continue;
        *ret_n = strlen(text[i]);
        memcpy(utf8, text[i], *ret_n);
        return name.n;
    }
    return n;
}

static void write_reference(Walk *walk, const char *utf8, size_t n_utf8, size_t start, size_t end) {
    size_t bytes;
    CharClass class = out_char_class((Slice){ utf8, n_utf8 }, &bytes);
    if (class == CHAR_TEXT) {
        write_marks(walk);
        out_unit(walk->out, utf8, n_utf8, start, end);
    } else if (class != CHAR_DROP) {
        out_gap_at(walk->out, GAP_SPACE, start, end);
    }
}

/* Text with references, white space folded. */
static void write_text(Walk *walk, size_t start, size_t end) {
    const char *p = walk->out->source.p;
    size_t kept = start;
    for (size_t i = start; i < end;) {
        const char *hit = memchr(p + i, '&', end - i);
        if (!hit) break;
        i = (size_t)(hit - p);
        char utf8[8];
        size_t n_utf8, n = reference((Slice){ p + i, end - i }, utf8, &n_utf8);
        if (n) {
            write_part(walk, kept, i);
            write_reference(walk, utf8, n_utf8, i, i + n);
            kept = i + n;
        }
        i += n ? n : 1;
    }
    write_part(walk, kept, end);
}

/* Preformatted: lines stay lines. */
static void write_pre(Walk *walk, size_t start, size_t end) {
    const char *p = walk->out->source.p;
    for (size_t i = start; i < end;) {
        const char *hit = memchr(p + i, '\n', end - i);
        size_t stop = hit ? (size_t)(hit - p) : end;
        size_t ink = i;
        while (ink < stop && (p[ink] == ' ' || p[ink] == '\t')) ink++;
        if (ink < stop && walk->out->gap >= GAP_LINE) out_verbatim(walk->out, i, ink);
        write_text(walk, ink, stop);
        if (hit) out_gap_at(walk->out, GAP_LINE, stop, stop + 1);
        i = stop + 1;
    }
}

static void walk_text(Walk *walk, const HtmlToken *token) {
    if (walk->hidden) return;
    if (!walk->out) {
        size_t ink = 0;
        const char *p = walk->tokens.s.p;
        for (size_t i = token->start; i < token->end; i++) ink += (unsigned char)p[i] > ' ';
        if (!walk->links) walk->weight += ink;
        return;
    }
    if (walk->skipped || token->start < walk->from || token->start >= walk->to) return;
    if (walk->pre)
        write_pre(walk, token->start, token->end);
    else
        write_text(walk, token->start, token->end);
}

/* --- what the page says of itself ----------------------------------------------------------------
 */

/* References decoded, in a copy where there are any. */
static Slice decoded(Walk *walk, Slice s) {
    if (!s.n || !memchr(s.p, '&', s.n)) return s;
    char *copy = arena_alloc(walk->arena, s.n + 8, 1);
    if (!copy) {
        walk->failed = true;
        return SLICE_NULL;
    }
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        char utf8[8];
        size_t n_utf8, used = reference(slice_skip(s, i), utf8, &n_utf8);
        if (!used || n_utf8 > used) { /* no reference gets longer than it was */
            copy[n++] = s.p[i++];
            continue;
        }
        memcpy(copy + n, utf8, n_utf8);
        n += n_utf8;
        i += used;
    }
    return (Slice){ copy, n };
}

static bool is_named(Slice s, const char *name) {
    return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

static void set_once(Slice *field, Slice value) {
    if (!field->n) *field = value;
}

static void meta_element(Walk *walk, Slice name, Slice content) {
    DocMeta *meta = walk->meta;
    static const char *const dates[] = {
        "article:published_time", "datePublished",   "date",           "pubdate",
        "publish-date",           "DC.date",         "DC.date.issued", "dcterms.created",
        "dcterms.date",           "parsely-pub-date"
    };
    if (is_named(name, "og:title")) meta->title = content;
    if (is_named(name, "og:url")) set_once(&meta->url, content);
    if (is_named(name, "og:site_name")) meta->source = content;
    if (is_named(name, "application-name")) set_once(&meta->source, content);
    for (size_t i = 0; i < N_ELEMENTS(dates); i++)
        if (is_named(name, dates[i])) set_once(&meta->date, content);
}

/* Only in the first walk. */
static void walk_meta(Walk *walk, const HtmlToken *tag) {
    Slice name, value, key = SLICE_NULL, content = SLICE_NULL, href = SLICE_NULL;
    bool canonical = false;
    bool meta = html_is(tag, "meta"), link = html_is(tag, "link"), html = html_is(tag, "html"),
         time = html_is(tag, "time");
    if (!walk->meta || !(meta || link || html || time)) return;
    for (size_t at = 0; html_attribute(&walk->tokens, tag, &at, &name, &value);) {
        if (meta &&
            (is_named(name, "property") || is_named(name, "name") || is_named(name, "itemprop")))
            set_once(&key, value);
        if (meta && is_named(name, "content")) content = decoded(walk, value);
        if (link && is_named(name, "rel")) canonical = is_named(slice_trim(value), "canonical");
        if (link && is_named(name, "href")) href = decoded(walk, value);
        if (html && (is_named(name, "lang") || is_named(name, "xml:lang")))
            set_once(&walk->meta->language, value);
        char date[DATE_BYTES];
        if (time && is_named(name, "datetime") && date_parse(value, date))
            set_once(&walk->meta->date, value);
    }
    if (meta && key.n) meta_element(walk, key, content);
    if (canonical) walk->meta->url = href;
}

/* --- elements
 * ------------------------------------------------------------------------------------- */

static bool has_hidden_attribute(Walk *walk, const HtmlToken *tag, bool *ret_soft) {
    Slice name, value;
    bool hidden = false;
    *ret_soft = false;
    for (size_t at = 0; html_attribute(&walk->tokens, tag, &at, &name, &value);) {
        if (is_named(name, "hidden") || (is_named(name, "aria-hidden") && is_named(value, "true")))
            hidden = true;
        if (is_named(name, "style") && memmem(value.p, value.n, "display:none", 12)) hidden = true;
        if (html_is_boilerplate(name, value)) *ret_soft = true;
    }
    return hidden;
}

static void region_open(Walk *walk, Open *open, const HtmlToken *tag, bool is_main) {
    if (walk->out) {
        open->region = walk->next_region++;
        return;
    }
    if (!mem_grow((void **)&walk->regions, &walk->regions_capacity, walk->n_regions + 1,
                  sizeof *walk->regions)) {
        walk->failed = true;
        return;
    }
    open->region = walk->n_regions;
    walk->regions[walk->n_regions++] =
        (Region){ tag->end, walk->tokens.s.n, 0, is_main, html_is(tag, "article") };
}

/* Whether what is in the region is left out: not where it holds most of what will be written. */
static bool region_is_skipped(const Walk *walk, size_t region, bool has_hidden) {
    if (walk->keep_all) return has_hidden && walk->regions[region].weight * 2 < walk->weight;
    return walk->regions[region].weight * 2 < walk->weight;
}

static void element_break(Walk *walk, unsigned flags) {
    if (!walk->out) return;
    if (flags & TAG_BLOCK) out_gap(walk->out, GAP_PARAGRAPH);
    if (flags & TAG_LINE) out_gap(walk->out, GAP_LINE);
}

static void pop(Walk *walk, size_t at) {
    Open *open = &walk->stack[--walk->depth];
    walk->hidden -= open->hidden;
    walk->links -= open->link;
    walk->skipped -= open->skipped;
    walk->pre -= (open->flags & TAG_PRE) != 0;
    walk->articles -= (open->flags & TAG_MAIN) != 0;
    if (open->region != SIZE_MAX && !walk->out) {
        Region *region = &walk->regions[open->region];
        region->end = at;
        region->weight = walk->weight - open->weight_before;
    }
    if ((open->flags & TAG_HEADING) && walk->out) out_heading_end(walk->out);
    if (open->flags & TAG_ITEM) walk->bullet = false;
    if (open->flags & (TAG_ROW | TAG_ITEM)) walk->cell = false;
    element_break(walk, open->flags);
}

/* The end tag of id, or what ends it by itself: close down to the nearest such element, but not out
 * of a cell, a list or a table that is open in it. */
static void close_to(Walk *walk, uint64_t id, unsigned flags, size_t at) {
    for (size_t i = walk->depth; i > 0; i--) {
        const Open *open = &walk->stack[i - 1];
        if (open->id == id) {
            while (walk->depth >= i) pop(walk, at);
            return;
        }
        bool wall = (open->flags & TAG_CELL) && !(flags & (TAG_CELL | TAG_ROW)) &&
                    id != html_id(SLICE("table")) && id != html_id(SLICE("body"));
        if (wall) return;
    }
}

static void close_implied(Walk *walk, const HtmlToken *tag) {
    if ((tag->flags & TAG_ENDS_P) && walk->depth &&
        walk->stack[walk->depth - 1].id == html_id(SLICE("p")))
        pop(walk, tag->start);
    if (!(tag->flags & TAG_CLOSED_BY_SELF)) return;
    uint64_t list = html_id(SLICE("ul")), numbers = html_id(SLICE("ol")),
             table = html_id(SLICE("table")), terms = html_id(SLICE("dl"));
    uint64_t dt = html_id(SLICE("dt")), dd = html_id(SLICE("dd")), td = html_id(SLICE("td")),
             th = html_id(SLICE("th"));
    bool definition = tag->id == dt || tag->id == dd, cell = tag->id == td || tag->id == th;
    for (size_t i = walk->depth; i > 0; i--) {
        const Open *open = &walk->stack[i - 1];
        if (open->id == tag->id || (definition && (open->id == dt || open->id == dd)) ||
            (cell && (open->id == td || open->id == th))) {
            while (walk->depth >= i) pop(walk, tag->start);
            return;
        }
        if (open->id == list || open->id == numbers || open->id == table || open->id == terms ||
            (open->flags & (TAG_MAIN | TAG_SOFT | TAG_CELL)) || (cell && (open->flags & TAG_ROW)) ||
            (html_is(tag, "p") && (open->flags & TAG_BLOCK)))
            return;
    }
}

static void open_marks(Walk *walk, const HtmlToken *tag) {
    if (!walk->out) return;
    if ((tag->flags & (TAG_HEADING | TAG_BLOCK)) && walk->out->in_heading && !html_is(tag, "div"))
        out_heading_end(walk->out);
    element_break(walk, tag->flags);
    if (walk->skipped || walk->hidden || tag->start < walk->from || tag->start >= walk->to) return;
    if (tag->flags & TAG_HEADING) {
        walk->bullet = walk->cell = false;
        out_heading_begin(walk->out, (unsigned)(tag->name.p[1] - '0'));
    }
    if (tag->flags & TAG_ITEM) walk->bullet = true;
    if (tag->flags & TAG_ROW) walk->cell = false;
    if ((tag->flags & TAG_CELL) && walk->out->gap < GAP_LINE) walk->cell = walk->out->text.n > 0;
}

static void walk_open(Walk *walk, const HtmlToken *tag) {
    if (!walk->out) walk_meta(walk, tag);
    if (tag->flags & TAG_FORMAT) return;
    close_implied(walk, tag);
    if (tag->flags & TAG_VOID) {
        element_break(walk, tag->flags);
        return;
    }
    bool soft, page = html_is(tag, "html") || html_is(tag, "body");
    bool hidden = has_hidden_attribute(walk, tag, &soft) && !page;
    bool is_main = (tag->flags & TAG_MAIN) != 0;
    bool tag_soft = (tag->flags & TAG_SOFT) && !(walk->articles && html_is(tag, "header"));
    if (tag->self_closing && (tag->flags & TAG_HIDDEN)) return;
    if (walk->depth >= walk->max_depth) {
        walk->too_deep = true;
        return;
    }
    Open *open = &walk->stack[walk->depth++];
    *open = (Open){ .id = tag->id, .flags = tag->flags, .region = SIZE_MAX };
    open->weight_before = walk->weight;
    open->link = html_is(tag, "a");
    open->hidden = (tag->flags & TAG_HIDDEN) != 0;
    if (is_main || ((soft || tag_soft || hidden) && !page)) {
        region_open(walk, open, tag, is_main);
        if (walk->out && !is_main) open->skipped = region_is_skipped(walk, open->region, hidden);
    }
    open_marks(walk, tag);
    walk->hidden += open->hidden;
    walk->links += open->link;
    walk->skipped += open->skipped;
    walk->pre += (tag->flags & TAG_PRE) != 0;
    walk->articles += is_main;
}

/* The text of a script, a title...; such elements are not on the stack. */
static void walk_raw(Walk *walk, const HtmlToken *text) {
    Slice s = { walk->tokens.s.p + text->start, text->end - text->start };
    if (html_is(&walk->raw, "title") && !walk->out && walk->meta)
        set_once(&walk->meta->title, decoded(walk, slice_trim(s)));
    if (!(walk->raw.flags & TAG_HIDDEN)) walk_text(walk, text);
}

static Status walk_all(Walk *walk, Err *err) {
    for (;;) {
        HtmlToken token = html_next(&walk->tokens);
        if (token.kind == HTML_END_OF_INPUT) break;
        if (token.kind == HTML_TEXT) {
            if (walk->raw.kind == HTML_OPEN)
                walk_raw(walk, &token);
            else
                walk_text(walk, &token);
        } else if (token.flags & TAG_RAW) {
            element_break(walk, token.flags);
        } else if (token.kind == HTML_OPEN) {
            walk_open(walk, &token);
        } else if (!(token.flags & (TAG_FORMAT | TAG_VOID))) {
            close_to(walk, token.id, token.flags, token.start);
        } else {
            element_break(walk, token.flags & TAG_LINE); /* "</br>" */
        }
        bool raw = token.kind == HTML_OPEN && (token.flags & TAG_RAW) && !token.self_closing;
        walk->raw = raw ? token : (HtmlToken){ .kind = HTML_END_OF_INPUT };
        if (walk->too_deep)
            return err_set_param(err, STATUS_TOO_LARGE, "max_depth",
                                 "byte %zu: HTML elements nested deeper than %u", token.start,
                                 walk->max_depth);
        if (walk->failed) return err_set(err, STATUS_NO_MEMORY, "no memory to read HTML");
        if (walk->out && walk->out->too_large) break;
    }
    while (walk->depth) pop(walk, walk->tokens.s.n);
    return STATUS_OK;
}

/* The part that is the article: the heaviest <main> or <article>, where it has a third of the text.
 * Of several articles of like weight (a front page) none is it: then main, or all. */
static void choose_part(Walk *walk) {
    const Region *best = NULL;
    size_t articles = 0, all = walk->weight;
    for (size_t i = 0; i < walk->n_regions; i++)
        if (walk->regions[i].is_article) articles += walk->regions[i].weight;
    for (size_t i = 0; i < walk->n_regions; i++) {
        const Region *region = &walk->regions[i];
        if (!region->is_main || region->weight * 3 < all || region->weight < 100) continue;
        if (region->is_article && region->weight * 3 < articles * 2) continue;
        /* the inner one, where it holds nearly all of the outer */
        if (!best || region->weight * 10 >= best->weight * 9) best = region;
    }
    walk->from = best ? best->start : 0;
    walk->to = best ? best->end : walk->tokens.s.n;
}

static Status write_walk(Walk *walk, Err *err) {
    walk->tokens = (HtmlTokens){ .s = walk->out->source };
    walk->next_region = 0;
    walk->bullet = walk->cell = false;
    out_reset(walk->out, walk->out->source);
    return walk_all(walk, err);
}

Status html_clean(TextOut *out, unsigned max_depth, Arena *arena, DocMeta *meta, Err *err) {
    Walk walk = { .tokens = { .s = out->source }, .meta = meta, .arena = arena };
    walk.max_depth = max_depth;
    walk.stack = mem_alloc(max_depth + 1u, sizeof *walk.stack);
    Status status = walk.stack ? walk_all(&walk, err)
                               : err_set(err, STATUS_NO_MEMORY, "no memory to read HTML");
    if (!status) {
        walk.out = out;
        choose_part(&walk);
        status = write_walk(&walk, err);
    }
    if (!status && out->text.n < 400 && out->text.n * 4 < walk.weight) {
        walk.keep_all = true; /* what was left out was the page */
        walk.from = 0;
        walk.to = out->source.n;
        status = write_walk(&walk, err);
    }
    free(walk.stack);
    free(walk.regions);
    return status;
}

Status reader_html(Read *read, Err *err) {
    TextOut out;
    DocMeta meta = { 0 };
    out_init(&out, read->source, read->limits->max_clean_bytes);
    Status status = html_clean(&out, read->limits->max_depth, &read->docs->arena, &meta, err);
    for (size_t i = 0; !status && i < out.n_headings && !meta.title.n; i++) {
        const TextHeading *h = &out.headings[i];
        if (h->level == 1) meta.title = (Slice){ out.text.p + h->start, h->end - h->start };
    }
    if (!status) status = read_add_doc(read, &out, &meta, TEXT_HTML, 0, read->source.n, NULL, err);
    out_deinit(&out);
    return status;
}
