/* One input from bytes to documents: binary is refused by name, the rest decoded, sniffed and given
 * to the reader of its format. All that documents have in common (titles, dates, languages, the
 * composition of the maps) is done here once. */
#include "text/text_internal.h"

#include "base/utf8.h"
#include "text/language.h"

#include <stdio.h>
#include <strings.h>

static Status (*const readers[TEXT_N_FORMATS])(Read *read, Err *err) = {
    [TEXT_PLAIN] = reader_plain, [TEXT_MARKDOWN] = reader_markdown, [TEXT_HTML] = reader_html,
    [TEXT_JSONL] = reader_jsonl, [TEXT_FEED] = reader_feed,
};

const char *text_format_name(TextFormat format) {
    static const char *const names[TEXT_N_FORMATS] = {
        [TEXT_UNKNOWN] = "unknown", [TEXT_PLAIN] = "text",  [TEXT_MARKDOWN] = "markdown",
        [TEXT_HTML] = "html",       [TEXT_JSONL] = "jsonl", [TEXT_FEED] = "feed",
    };
    return format >= 0 && format < TEXT_N_FORMATS ? names[format] : "unknown";
}

TextFormat text_format_of_mime(Slice mime) {
    static const struct {
        const char *name;
        TextFormat format;
    } types[] = {
        { "text/markdown", TEXT_MARKDOWN },
        { "text/x-markdown", TEXT_MARKDOWN },
        { "text/html", TEXT_HTML },
        { "application/xhtml+xml", TEXT_HTML },
        { "application/jsonl", TEXT_JSONL },
        { "application/x-ndjson", TEXT_JSONL },
        { "application/ndjson", TEXT_JSONL },
        { "application/x-jsonlines", TEXT_JSONL },
        { "application/rss+xml", TEXT_FEED },
        { "application/atom+xml", TEXT_FEED },
        { "application/jsonlines", TEXT_JSONL },
    };
    const char *end = mime.n ? memchr(mime.p, ';', mime.n) : NULL;
    if (end) mime.n = (size_t)(end - mime.p);
    mime = slice_trim(mime);
    for (size_t i = 0; i < N_ELEMENTS(types); i++)
        if (mime.n == strlen(types[i].name) && strncasecmp(mime.p, types[i].name, mime.n) == 0)
            return types[i].format;
    return TEXT_UNKNOWN;
}

void read_skip(Read *read, const char *format, ...) {
    if (!read->docs->n_skipped++) {
        va_list args;
        va_start(args, format);
        vsnprintf(read->docs->skipped, sizeof read->docs->skipped, format, args);
        va_end(args);
        Slice text = slice_of(read->docs->skipped);
        read->docs->skipped[utf8_valid_length(text)] = '\0';
    }
}

/* A line of text as metadata: white space folded, controls out, at most 1,000 bytes. */
static Status meta_copy(Arena *arena, Slice s, Slice *ret, Err *err) {
    enum { META_BYTES = 1000 };
    char line[META_BYTES + 1];
    size_t n = 0;
    bool space = false;
    for (size_t i = 0; i < s.n;) {
        size_t bytes;
        CharClass class = out_char_class(slice_skip(s, i), &bytes);
        if (class == CHAR_TEXT) {
            if (n + bytes + (space && n) > META_BYTES) break;
            if (space && n) line[n++] = ' ';
            space = false;
            memcpy(line + n, s.p + i, bytes);
            n += bytes;
        } else if (class != CHAR_DROP) {
            space = true;
        }
        i += bytes;
    }
    const char *copy = arena_string(arena, (Slice){ line, n });
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "no memory for a document");
    *ret = (Slice){ copy, n };
    return STATUS_OK;
}

/* middle: see read_add_doc. The map of clean -> bytes of the document's own origin. */
static Status doc_map(Read *read, TextMap clean, const TextMap *middle, size_t origin, TextDoc *doc,
                      Err *err) {
    MapBuilder first = MAP_BUILDER_NULL, second = MAP_BUILDER_NULL;
    TextMap map = clean;
    if (middle) {
        map_compose(map, *middle, &first);
        map = map_of(&first);
    }
    map_compose(map, read->decode, &second);
    Status status = STATUS_OK;
    TextRun *runs = arena_alloc(&read->docs->arena, second.n_runs, sizeof *runs);
    if (first.failed || second.failed || !runs)
        status = err_set(err, STATUS_NO_MEMORY, "no memory for an offset map");
    else if (second.n_runs)
        memcpy(runs, second.runs, second.n_runs * sizeof *runs);
    if (!status) {
        for (size_t i = 0; i < second.n_runs; i++) runs[i].origin -= origin;
        doc->map = (TextMap){ runs, second.n_runs };
    }
    map_builder_deinit(&first);
    map_builder_deinit(&second);
    return status;
}

static Status doc_text(Read *read, const TextOut *out, const DocMeta *meta, TextDoc *doc,
                       Err *err) {
    doc->text = meta->text;
    if (meta->text.n) return STATUS_OK;
    char *text = arena_string(&read->docs->arena, buf_slice(&out->text));
    TextHeading *headings = arena_alloc(&read->docs->arena, out->n_headings, sizeof *doc->headings);
    if (!text || !headings) return err_set(err, STATUS_NO_MEMORY, "no memory for a document");
    if (out->n_headings) memcpy(headings, out->headings, out->n_headings * sizeof *headings);
    doc->text = (Slice){ text, out->text.n };
    doc->headings = headings;
    doc->n_headings = out->n_headings;
    return STATUS_OK;
}

static Status doc_meta(Read *read, const DocMeta *meta, TextDoc *doc, Err *err) {
    Arena *arena = &read->docs->arena;
    char date[DATE_BYTES] = "", language[LANGUAGE_BYTES] = "";
    TRY(meta_copy(arena, meta->title, &doc->title, err));
    TRY(meta_copy(arena, meta->url, &doc->url, err));
    TRY(meta_copy(arena, meta->source, &doc->source, err));
    if (!date_parse(meta->date, date)) date[0] = '\0';
    language_parse(read->hints->language, language);
    if (!language[0]) language_parse(meta->language, language);
    if (!language[0]) language_guess(doc->text, "", language);
    TRY(meta_copy(arena, slice_of(date), &doc->date, err));
    return meta_copy(arena, slice_of(language), &doc->language, err);
}

static bool read_span(const Read *read, size_t start, size_t end, size_t *ret_start,
                      size_t *ret_end) {
    if (!text_map_span(&read->decode, start, end, ret_start, ret_end)) return false;
    if (start == 0) *ret_start = 0; /* a byte order mark belongs to the first document */
    return *ret_end <= read->input.n;
}

Status read_add_doc(Read *read, TextOut *out, const DocMeta *meta, TextFormat format, size_t start,
                    size_t end, const TextMap *middle, Err *err) {
    TRY(out_status(out, err));
    if (!out->text.n && !meta->text.n) return STATUS_NOT_FOUND;
    if (read->docs->n_docs >= read->limits->max_docs)
        return err_set_param(err, STATUS_TOO_LARGE, "max_docs",
                             "more than %zu documents in one input", read->limits->max_docs);
    TextDoc doc = { .format = format };
    size_t origin, origin_end;
    if (!read_span(read, start, end, &origin, &origin_end))
        return err_set(err, STATUS_INTERNAL, "a document lies outside of its input");
    doc.origin = (Slice){ read->input.p + origin, origin_end - origin };
    TRY(doc_text(read, out, meta, &doc, err));
    TextRun whole = { 0, (size_t)(meta->text.p - read->source.p), meta->text.n, 1, 1 };
    TextMap clean = meta->text.n ? (TextMap){ &whole, 1 } : map_of(&out->map);
    TRY(doc_map(read, clean, middle, origin, &doc, err));
    TRY(doc_meta(read, meta, &doc, err));
    if (!mem_grow((void **)&read->array, &read->capacity, read->docs->n_docs + 1, sizeof doc))
        return err_set(err, STATUS_NO_MEMORY, "no memory for a document");
    read->array[read->docs->n_docs++] = doc;
    return STATUS_OK;
}

static Status read_all(Read *read, Err *err) {
    TRY(sniff_binary(read->input, err));
    TRY(charset_decode(read->input, read->hints->charset, &read->docs->arena, &read->source,
                       &read->decode, err));
    TextFormat format = sniff_format(read->source, read->hints);
    if (!readers[format])
        return err_set(err, STATUS_UNSUPPORTED, "no reader for %s", text_format_name(format));
    Status status = readers[format](read, err);
    if (status == STATUS_NOT_FOUND) status = STATUS_OK; /* its only document has no text */
    if (status) return status;
    if (!read->docs->n_docs && read->docs->n_skipped)
        return err_set(err, STATUS_INVALID, "no document in it: %s", read->docs->skipped);
    if (!read->docs->n_docs) return err_set(err, STATUS_INVALID, "no text in it");
    TextDoc *docs = arena_alloc(&read->docs->arena, read->docs->n_docs, sizeof *docs);
    if (!docs) return err_set(err, STATUS_NO_MEMORY, "no memory for documents");
    memcpy(docs, read->array, read->docs->n_docs * sizeof *docs);
    read->docs->docs = docs;
    return STATUS_OK;
}

Status text_read(Slice input, const TextHints *hints, const TextLimits *limits, TextDocs *ret,
                 Err *err) {
    static const TextHints no_hints = { 0 };
    static const TextLimits usual = { (size_t)64 << 20, 1000000, 512 };
    TextDocs docs = { .arena = ARENA_NULL };
    Read read = { .input = input,
                  .hints = hints ? hints : &no_hints,
                  .limits = limits ? limits : &usual,
                  .docs = &docs };
    if (!input.n) return err_set(err, STATUS_INVALID, "no text in it");
    Status status = read_all(&read, err);
    free(read.array);
    if (status)
        text_docs_deinit(&docs);
    else
        *ret = docs;
    return status;
}

void text_docs_deinit(TextDocs *docs) {
    arena_deinit(&docs->arena);
    *docs = (TextDocs){ 0 };
}
