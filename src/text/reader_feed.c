/* RSS 2.0, RSS 1.0 and Atom: every item is a document. What an item says is HTML in XML: first the
 * CDATA or the escaped text becomes HTML with a map to the source, then the HTML reader cleans
 * that, and the two maps become one. Source: RSS 2.0 (Harvard), RFC 4287, the content and Dublin
 * Core modules. */
#include "text/html.h"
#include "text/xml.h"

#include <strings.h>

/* The fields of an item; the better of two sources of one thing comes first. */
typedef enum Field {
    FIELD_TITLE,
    FIELD_LINK,
    FIELD_GUID,
    FIELD_PUBLISHED,
    FIELD_UPDATED,
    FIELD_CONTENT,
    FIELD_SUMMARY,
    FIELD_LANGUAGE,
    N_FIELDS,
    FIELD_NONE = N_FIELDS,
} Field;

typedef struct Part {
    size_t start, end;
    Field field;
    bool cdata;
} Part;

typedef struct Feed {
    Read *read;
    XmlScan scan;
    unsigned depth;
    unsigned field_depth; /* of the element whose text is being read */
    Field field;
    bool is_plain[N_FIELDS]; /* Atom's type="text" */
    bool in_item;
    size_t item_start, item_number;
    Part *parts;
    size_t n_parts, parts_capacity;
    Slice link; /* an Atom link's href, or the guid that is one */
    Slice source, language;
    bool is_feed;
} Feed;

/* The text of a field in out: its parts decoded, then as HTML or plain. middle: out's source (text)
 * -> the read's source; owned by the caller. */
static Status field_text(Feed *feed, Field field, Buf *text, MapBuilder *middle, TextOut *out,
                         Err *err) {
    Slice s = feed->read->source;
    buf_clear(text);
    middle->n_runs = 0;
    for (size_t i = 0; i < feed->n_parts; i++) {
        const Part *part = &feed->parts[i];
        if (part->field != field) continue;
        if (!part->cdata) {
            xml_text(s, part->start, part->end, text, middle);
            continue;
        }
        map_builder_add(middle, (TextRun){ text->n, part->start, part->end - part->start, 1, 1 });
        buf_append(text, s.p + part->start, part->end - part->start);
    }
    TRY(buf_status(text, err));
    if (middle->failed) return err_set(err, STATUS_NO_MEMORY, "no memory to read a feed");
    out_reset(out, buf_slice(text));
    if (!feed->is_plain[field])
        return html_clean(out, feed->read->limits->max_depth, &feed->read->docs->arena, NULL, err);
    plain_clean(out, 0, text->n);
    return STATUS_OK;
}

typedef struct Scratch {
    Buf text;
    MapBuilder middle;
    TextOut out;
} Scratch;

/* The same as a string in the arena. */
static Status field_string(Feed *feed, Field field, Scratch *scratch, Slice *ret, Err *err) {
    TRY(field_text(feed, field, &scratch->text, &scratch->middle, &scratch->out, err));
    TRY(out_status(&scratch->out, err));
    char *copy = arena_string(&feed->read->docs->arena, buf_slice(&scratch->out.text));
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "no memory to read a feed");
    *ret = (Slice){ copy, scratch->out.text.n };
    return STATUS_OK;
}

static Status item_meta(Feed *feed, Scratch *scratch, DocMeta *meta, Err *err) {
    Slice updated = SLICE_NULL, guid = SLICE_NULL, link = SLICE_NULL, language = SLICE_NULL;
    TRY(field_string(feed, FIELD_TITLE, scratch, &meta->title, err));
    TRY(field_string(feed, FIELD_PUBLISHED, scratch, &meta->date, err));
    TRY(field_string(feed, FIELD_UPDATED, scratch, &updated, err));
    TRY(field_string(feed, FIELD_LINK, scratch, &link, err));
    TRY(field_string(feed, FIELD_GUID, scratch, &guid, err));
    TRY(field_string(feed, FIELD_LANGUAGE, scratch, &language, err));
    if (!meta->date.n) meta->date = updated;
    meta->url = feed->link.n ? feed->link : link;
    if (!meta->url.n && guid.n > 4 && strncasecmp(guid.p, "http", 4) == 0) meta->url = guid;
    meta->language = language.n ? language : feed->language;
    meta->source = feed->source;
    return STATUS_OK;
}

static Status item_end(Feed *feed, size_t end, Err *err) {
    static const Field bodies[] = { FIELD_CONTENT, FIELD_SUMMARY, FIELD_TITLE };
    DocMeta meta = { 0 };
    Scratch scratch = { .text = BUF_NULL, .middle = MAP_BUILDER_NULL };
    out_init(&scratch.out, feed->read->source, feed->read->limits->max_clean_bytes);
    Status status = item_meta(feed, &scratch, &meta, err);
    bool added = false;
    for (size_t i = 0; i < N_ELEMENTS(bodies) && !status && !added; i++) {
        status = field_text(feed, bodies[i], &scratch.text, &scratch.middle, &scratch.out, err);
        if (status) break;
        TextMap middle = map_of(&scratch.middle);
        status = read_add_doc(feed->read, &scratch.out, &meta, TEXT_FEED, feed->item_start, end,
                              &middle, err);
        added = !status;
        if (status == STATUS_NOT_FOUND) status = STATUS_OK;
    }
    if (!status && !added)
        read_skip(feed->read, "item %zu, byte %zu: no text in it", feed->item_number,
                  feed->item_start);
    buf_deinit(&scratch.text);
    map_builder_deinit(&scratch.middle);
    out_deinit(&scratch.out);
    return status;
}

static bool is_named(const XmlToken *tag, const char *name) {
    return slice_equal(tag->name, slice_of(name));
}

static Field field_of(const XmlToken *tag) {
    static const struct {
        const char *name;
        Field field;
    } names[] = {
        { "title", FIELD_TITLE },         { "link", FIELD_LINK },
        { "guid", FIELD_GUID },           { "id", FIELD_GUID },
        { "pubDate", FIELD_PUBLISHED },   { "published", FIELD_PUBLISHED },
        { "issued", FIELD_PUBLISHED },    { "date", FIELD_PUBLISHED },
        { "updated", FIELD_UPDATED },     { "modified", FIELD_UPDATED },
        { "encoded", FIELD_CONTENT },     { "content", FIELD_CONTENT },
        { "description", FIELD_SUMMARY }, { "summary", FIELD_SUMMARY },
        { "language", FIELD_LANGUAGE },
    };
    static const char *const prefixes[] = { "", "dc", "content", "atom", "rss", "a", "dcterms" };
    bool known = false;
    for (size_t i = 0; i < N_ELEMENTS(prefixes); i++)
        known |= slice_equal(tag->prefix, slice_of(prefixes[i]));
    if (!known) return FIELD_NONE; /* media:title and its like are of something else */
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (is_named(tag, names[i].name)) return names[i].field;
    return FIELD_NONE;
}

static void atom_link(Feed *feed, const XmlToken *tag) {
    Slice rel = xml_attribute(tag, "rel"), href = xml_attribute(tag, "href");
    bool page = !rel.n || slice_equal(rel, SLICE("alternate"));
    if (feed->in_item && href.n && page && !feed->link.n) feed->link = href;
}

static Status add_part(Feed *feed, size_t start, size_t end, bool cdata, Err *err) {
    if (start >= end) return STATUS_OK;
    if (!mem_grow((void **)&feed->parts, &feed->parts_capacity, feed->n_parts + 1,
                  sizeof *feed->parts))
        return err_set(err, STATUS_NO_MEMORY, "no memory to read a feed");
    feed->parts[feed->n_parts++] = (Part){ start, end, feed->field, cdata };
    return STATUS_OK;
}

/* XHTML inside of Atom is markup of the source itself: up to the end tag, as it stands. */
static Status xhtml_part(Feed *feed, const XmlToken *open, Err *err) {
    unsigned depth = 1;
    XmlToken token;
    for (;;) {
        TRY(xml_next(&feed->scan, &token, err));
        if (token.kind == XML_END_OF_INPUT)
            return err_set(err, STATUS_INVALID, "byte %zu: an element without an end", open->start);
        if (token.kind == XML_OPEN && !token.empty) depth++;
        if (token.kind == XML_CLOSE && --depth == 0) break;
    }
    feed->depth--;
    Status status = add_part(feed, open->end, token.start, true, err);
    feed->field = FIELD_NONE;
    return status;
}

static Status feed_open(Feed *feed, const XmlToken *tag, Err *err) {
    if (is_named(tag, "rss") || is_named(tag, "feed") || is_named(tag, "RDF")) {
        feed->is_feed = true;
        Slice language = xml_attribute(tag, "xml:lang");
        if (language.n) feed->language = language;
    }
    if (is_named(tag, "link")) atom_link(feed, tag);
    if (tag->empty) return STATUS_OK;
    if (++feed->depth > feed->read->limits->max_depth)
        return err_set_param(err, STATUS_TOO_LARGE, "max_depth",
                             "byte %zu: XML elements nested deeper than %u", tag->start,
                             feed->read->limits->max_depth);
    if (!feed->in_item && (is_named(tag, "item") || is_named(tag, "entry"))) {
        feed->in_item = true;
        feed->item_start = tag->start;
        feed->item_number++;
        feed->n_parts = 0;
        feed->link = SLICE_NULL;
        feed->field = FIELD_NONE;
        memset(feed->is_plain, 0, sizeof feed->is_plain);
        return STATUS_OK;
    }
    if (feed->field != FIELD_NONE) return STATUS_OK; /* markup inside of a field */
    feed->field = field_of(tag);
    feed->field_depth = feed->depth;
    if (feed->field == FIELD_NONE) return STATUS_OK;
    Slice type = xml_attribute(tag, "type");
    feed->is_plain[feed->field] = slice_equal(type, SLICE("text"));
    return slice_equal(type, SLICE("xhtml")) ? xhtml_part(feed, tag, err) : STATUS_OK;
}

/* The feed's own title and language, before its items. */
static Status feed_field(Feed *feed, Err *err) {
    if (feed->field != FIELD_TITLE && feed->field != FIELD_LANGUAGE) return STATUS_OK;
    Slice *field = feed->field == FIELD_TITLE ? &feed->source : &feed->language;
    Scratch scratch = { .text = BUF_NULL, .middle = MAP_BUILDER_NULL };
    out_init(&scratch.out, feed->read->source, feed->read->limits->max_clean_bytes);
    Status status = field->n ? STATUS_OK : field_string(feed, feed->field, &scratch, field, err);
    buf_deinit(&scratch.text);
    map_builder_deinit(&scratch.middle);
    out_deinit(&scratch.out);
    return status;
}

static Status feed_close(Feed *feed, const XmlToken *tag, Err *err) {
    if (feed->in_item && (is_named(tag, "item") || is_named(tag, "entry"))) {
        feed->in_item = false;
        feed->field = FIELD_NONE;
        TRY(item_end(feed, tag->end, err));
        feed->n_parts = 0;
    } else if (feed->field != FIELD_NONE && feed->depth <= feed->field_depth) {
        if (!feed->in_item) {
            TRY(feed_field(feed, err));
            feed->n_parts = 0;
        }
        feed->field = FIELD_NONE;
    }
    if (feed->depth) feed->depth--;
    return STATUS_OK;
}

static Status feed_all(Feed *feed, Err *err) {
    for (;;) {
        XmlToken token;
        Status status = xml_next(&feed->scan, &token, err);
        /* what is broken after whole items does not take them away */
        if (status == STATUS_INVALID && feed->read->docs->n_docs) {
            read_skip(feed->read, "byte %zu: the XML is broken from here on", feed->scan.at);
            return STATUS_OK;
        }
        if (status) return status;
        switch (token.kind) {
        case XML_END_OF_INPUT:
            if (feed->in_item)
                read_skip(feed->read, "item %zu, byte %zu: it has no end", feed->item_number,
                          feed->item_start);
            if (!feed->is_feed) return err_set(err, STATUS_INVALID, "no feed in it");
            return STATUS_OK;
        case XML_OPEN: TRY(feed_open(feed, &token, err)); break;
        case XML_CLOSE: TRY(feed_close(feed, &token, err)); break;
        case XML_TEXT:
        case XML_CDATA:
            if (feed->field != FIELD_NONE)
                TRY(add_part(feed, token.start, token.end, token.kind == XML_CDATA, err));
            break;
        }
    }
}

Status reader_feed(Read *read, Err *err) {
    Feed feed = { .read = read, .scan = { .s = read->source }, .field = FIELD_NONE };
    Status status = feed_all(&feed, err);
    free(feed.parts);
    return status;
}
