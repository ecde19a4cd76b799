#include "text_case.h"

Test(reader_jsonl, makes_a_document_of_every_line) {
    const char *input =
        "{\"title\":\"Uno\",\"text\":\"Il primo testo.\",\"url\":\"http:\\/\\/a\",\"date\":"
        "\"2023-07-18\",\"lang\":\"it\",\"source\":\"S\"}\n\n"
        "{\"text\":\"The second one is in English.\",\"x\":{\"a\":[1,{}]}}\r\n";
    TextDocs docs = read_ok(slice_of(input), NULL);
    cr_assert_eq(docs.n_docs, 2);
    const TextDoc *doc = &docs.docs[0];
    expect_slice(doc->title, "Uno");
    expect_slice(doc->url, "http://a");
    expect_slice(doc->date, "2023-07-18");
    expect_slice(doc->source, "S");
    expect_slice(doc->language, "it");
    cr_assert_eq(doc->format, TEXT_JSONL);
    cr_assert_eq(doc->origin.p, input);
    expect_slice(docs.docs[1].language, "en");
    cr_assert_eq(docs.docs[1].origin.p, strstr(input, "{\"text\""));
    cr_assert_eq(docs.docs[1].origin.p[docs.docs[1].origin.n - 1], '}');
    text_docs_deinit(&docs);
}

Test(reader_jsonl, decodes_escapes_and_maps_them) {
    static const OriginCase cases[] = {
        { "{\"text\":\"perch\\u00e9 \\ud83d\\ude00 qui\"}", "perché", "perch\\u00e9" },
        { "{\"text\":\"perch\\u00e9 \\ud83d\\ude00 qui\"}", "😀", "\\ud83d\\ude00" },
        { "{\"text\":\"a\\nb\\n\\nc\"}", "a\nb\n\nc", "a\\nb\\n\\nc" },
        { "{\"text\":\"dice \\\"s\\u00ec\\\"\"}", "\"sì\"", "\\\"s\\u00ec\\\"" },
        { "{\"text\":\"a \\ud800 b\"}", "a \xEF\xBF\xBD b", "a \\ud800 b" },
        { "{\"text\":\"a\\u0000b \\u001b[1m\"}", "ab [1m", "a\\u0000b \\u001b[1m" },
    };
    expect_origins(cases, N_ELEMENTS(cases), NULL);
}

Test(reader_jsonl, counts_broken_lines_and_says_where_the_first_is) {
    TextDocs docs = read_ok(SLICE("{\"text\":\"uno\"}\n{\"text\": due}\n{\"title\":\"x\"}\n"
                                  "{\"text\":\"tre\"} coda\n{\"text\":\"quattro\"}\nnon json\n"),
                            NULL);
    cr_assert_eq(docs.n_docs, 2);
    cr_assert_eq(docs.n_skipped, 4);
    cr_assert_not_null(strstr(docs.skipped, "line 2, byte 9: a value was expected"), "%s",
                       docs.skipped);
    text_docs_deinit(&docs);
}

Test(reader_jsonl, takes_one_object_over_several_lines) {
    TextDocs docs = read_ok(SLICE("{\n  \"title\": \"T\",\n  \"text\": \"Uno due.\"\n}\n"), NULL);
    cr_assert_eq(docs.n_docs, 1);
    cr_assert_eq(docs.n_skipped, 0);
    expect_slice(docs.docs[0].text, "Uno due.");
    text_docs_deinit(&docs);
}

Test(reader_jsonl, refuses_a_file_with_no_good_line) {
    expect_refused(SLICE("{\"text\":\n"), NULL, STATUS_INVALID, "line 1");
    expect_refused(SLICE("{\"a\":1}\n{\"b\":2}"), NULL, STATUS_INVALID, "it has no \"text\"");
}

Test(reader_jsonl, refuses_deep_nesting_without_recursion) {
    AUTO_BUF Buf buf = BUF_NULL;
    buf_append_string(&buf, "{\"text\":\"x\",\"a\":");
    for (size_t i = 0; i < 1000000; i++) buf_append_byte(&buf, '[');
    expect_refused(buf_slice(&buf), NULL, STATUS_INVALID, "nested too deeply");
}

Test(reader_jsonl, stops_at_the_limit_of_documents) {
    TextLimits limits = TEXT_LIMITS_DEFAULT;
    limits.max_docs = 2;
    TextDocs docs;
    Err err = { 0 };
    Slice input = SLICE("{\"text\":\"a\"}\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n");
    cr_assert_eq(text_read(input, NULL, &limits, &docs, &err), STATUS_TOO_LARGE);
    cr_assert_str_eq(err.param, "max_docs");
}
