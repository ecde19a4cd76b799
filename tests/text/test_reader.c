#include "text_case.h"

Test(reader, names_what_is_not_text) {
    static const struct {
        Slice bytes;
        const char *what;
    } cases[] = {
        { SLICE("%PDF-1.7\n1 0 obj"), "a PDF document" },
        { SLICE("PK\3\4\x14\0\6\0abc"), "a ZIP archive" },
        { SLICE("\x89PNG\r\n\x1A\n\0\0\0\rIHDR"), "a PNG image" },
        { SLICE("\x7F"
                "ELF\2\1\1\0\0\0\0"),
          "an ELF program" },
        { SLICE("\x1F\x8B\x08\0\0\0\0"), "a gzip file" },
        { SLICE("\xFF\xD8\xFF\xE0\0\x10JFIF"), "a JPEG image" },
        { SLICE("SQLite format 3\0\x10\0"), "an SQLite database" },
        { SLICE("ab\0\1\2\3cd\0\0\4\5ef\6\7"), "binary data" },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        expect_refused(cases[i].bytes, NULL, STATUS_UNSUPPORTED, cases[i].what);
}

Test(reader, tells_formats_apart_by_content) {
    static const struct {
        const char *input, *name;
        TextFormat format;
    } cases[] = {
        { "Solo testo.", "", TEXT_PLAIN },
        { "Solo testo.", "a.html", TEXT_PLAIN },
        { "<!-- c --><!DOCTYPE html><p>x", "a.txt", TEXT_HTML },
        { "  <html><body>x", "", TEXT_HTML },
        { "<?xml version='1.0'?><rss><channel><item><title>x</title></item></channel></rss>",
          "a.html", TEXT_FEED },
        { "{\"text\":\"x\"}", "a.txt", TEXT_JSONL },
        { "{ non json }", "", TEXT_PLAIN },
        { "---\ntitle: x\n---\ny", "a.txt", TEXT_MARKDOWN },
        { "testo", "a.md", TEXT_MARKDOWN },
        { "a < b e b > a", "", TEXT_PLAIN },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        TextHints hints = { .name = slice_of(cases[i].name) };
        TextDocs docs = read_ok(slice_of(cases[i].input), &hints);
        cr_assert_eq(docs.docs[0].format, cases[i].format, "%zu: %s", i,
                     text_format_name(docs.docs[0].format));
        text_docs_deinit(&docs);
    }
}

Test(reader, knows_formats_by_mime_type) {
    cr_assert_eq(text_format_of_mime(SLICE("Text/HTML; charset=x")), TEXT_HTML);
    cr_assert_eq(text_format_of_mime(SLICE("application/x-ndjson")), TEXT_JSONL);
    cr_assert_eq(text_format_of_mime(SLICE("application/atom+xml")), TEXT_FEED);
    cr_assert_eq(text_format_of_mime(SLICE("application/octet-stream")), TEXT_UNKNOWN);
    cr_assert_eq(text_format_of_mime(SLICE("text/plain")), TEXT_UNKNOWN);
    cr_assert_str_eq(text_format_name(TEXT_MARKDOWN), "markdown");
}

Test(reader, lets_the_language_of_the_caller_win) {
    TextHints hints = { .language = SLICE("de-AT") };
    TextDocs docs = read_ok(SLICE("Questo è un testo in italiano."), &hints);
    expect_slice(docs.docs[0].language, "de");
    text_docs_deinit(&docs);
}

Test(reader, cleans_titles_of_controls_and_cuts_them) {
    AUTO_BUF Buf buf = BUF_NULL;
    buf_append_string(&buf, "{\"text\":\"x\",\"title\":\"a\\u001b[1m\\n  b ");
    for (int i = 0; i < 2000; i++) buf_append_string(&buf, "è");
    buf_append_string(&buf, "\"}");
    TextDocs docs = read_ok(buf_slice(&buf), NULL);
    Slice title = docs.docs[0].title;
    cr_assert(slice_starts(title, SLICE("a[1m b è")));
    cr_assert_leq(title.n, 1000);
    cr_assert_eq(utf8_valid_length(title), title.n);
    text_docs_deinit(&docs);
}
