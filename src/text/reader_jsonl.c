/* JSON Lines: one object a line. A line that is broken is counted and left out; the others are
 * documents of their own. One object written over several lines is taken too. */
#include "text/json_scan.h"

typedef struct Record {
    Slice title, text, url, date, language, source; /* raw strings */
} Record;

static void record_take(void *context, Slice key, Slice value) {
    Record *record = context;
    const struct {
        const char *key;
        Slice *field;
    } fields[] = {
        { "title", &record->title },   { "text", &record->text },
        { "url", &record->url },       { "date", &record->date },
        { "lang", &record->language }, { "language", &record->language },
        { "source", &record->source }, { "content", &record->text },
        { "body", &record->text },     { "link", &record->url },
    };
    if (!value.n || value.p[0] != '"') return;
    for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
        if (!slice_equal(key, slice_of(fields[i].key))) continue;
        /* the names of the contract win over their likes */
        if (i < 7 || !fields[i].field->n) *fields[i].field = value;
    }
}

static Slice decoded(Read *read, Slice raw, Buf *scratch) {
    if (!raw.n) return SLICE_NULL;
    buf_clear(scratch);
    json_scan_string(read->source, raw, scratch, NULL);
    char *copy = arena_string(&read->docs->arena, buf_slice(scratch));
    return copy ? (Slice){ copy, scratch->n } : SLICE_NULL;
}

/* The document of a record that lies at [start, end) of the source. */
static Status record_add(Read *read, const Record *record, size_t line, size_t start, size_t end,
                         TextOut *out, Buf *text, Err *err) {
    MapBuilder map = MAP_BUILDER_NULL;
    buf_clear(text);
    DocMeta meta = { .title = decoded(read, record->title, text) };
    meta.url = decoded(read, record->url, text);
    meta.date = decoded(read, record->date, text);
    meta.language = decoded(read, record->language, text);
    meta.source = decoded(read, record->source, text);
    buf_clear(text);
    if (record->text.n) json_scan_string(read->source, record->text, text, &map);
    out_reset(out, buf_slice(text));
    plain_clean(out, 0, text->n);
    Status status = buf_status(text, err);
    if (!status && map.failed) status = err_set(err, STATUS_NO_MEMORY, "no memory to read JSON");
    TextMap middle = map_of(&map);
    if (!status) status = read_add_doc(read, out, &meta, TEXT_JSONL, start, end, &middle, err);
    map_builder_deinit(&map);
    if (status != STATUS_NOT_FOUND) return status;
    read_skip(read, "line %zu: %s", line,
              record->text.n ? "its \"text\" is empty" : "it has no \"text\"");
    return STATUS_OK;
}

/* The record at [start, end), or, where it is the first and goes on over several lines, its real
 * end. *ret_end: where to go on. */
static Status record_read(Read *read, size_t line, size_t start, size_t end, TextOut *out,
                          Buf *text, size_t *ret_end, Err *err) {
    Record record = { 0 };
    JsonScan scan = { { read->source.p, end }, start, read->limits->max_depth, NULL };
    bool ok = json_scan_object(&scan, record_take, &record);
    if (!ok && !read->docs->n_docs && !read->docs->n_skipped) {
        record = (Record){ 0 };
        JsonScan wide = { read->source, start, read->limits->max_depth, NULL };
        if (json_scan_object(&wide, record_take, &record)) {
            scan = wide;
            end = *ret_end = wide.at;
            ok = true;
        }
    }
    if (ok) {
        Slice rest = slice_trim((Slice){ read->source.p + scan.at, end - scan.at });
        if (!rest.n) return record_add(read, &record, line, start, scan.at, out, text, err);
        scan.error = "more text after the object";
    }
    read_skip(read, "line %zu, byte %zu: %s", line, scan.at - start, scan.error);
    return STATUS_OK;
}

Status reader_jsonl(Read *read, Err *err) {
    Slice s = read->source;
    TextOut out;
    AUTO_BUF Buf text = BUF_NULL;
    out_init(&out, s, read->limits->max_clean_bytes);
    Status status = STATUS_OK;
    size_t line = 1;
    for (size_t at = 0; at < s.n && !status; line++) {
        const char *hit = memchr(s.p + at, '\n', s.n - at);
        size_t end = hit ? (size_t)(hit - s.p) : s.n, next = end + 1, start = at;
        while (start < end && strchr(" \t\r", s.p[start])) start++;
        size_t stop = end;
        if (start < end) status = record_read(read, line, start, end, &out, &text, &stop, err);
        at = stop > end ? stop : next;
    }
    out_deinit(&out);
    return status;
}
