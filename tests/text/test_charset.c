#include "text_case.h"

#include <unicode/ucnv.h>

/* UTF-8 text in another encoding. */
static Slice encode(const char *text, const char *encoding, char *out, size_t room) {
    UErrorCode code = U_ZERO_ERROR;
    int32_t n = ucnv_convert(encoding, "UTF-8", out, (int32_t)room, text, -1, &code);
    cr_assert(U_SUCCESS(code), "%s", encoding);
    return (Slice){ out, (size_t)n };
}

/* Every word of the clean text, mapped to the original and decoded, is that word. */
static void expect_exact_map(const TextDoc *doc, const char *encoding) {
    for (size_t i = 0; i < doc->text.n;) {
        size_t end = i;
        while (end < doc->text.n && doc->text.p[end] != ' ' && doc->text.p[end] != '\n') end++;
        if (end > i) {
            size_t start, stop;
            char back[256];
            UErrorCode code = U_ZERO_ERROR;
            cr_assert(text_map_span(&doc->map, i, end, &start, &stop));
            int32_t n = ucnv_convert("UTF-8", encoding, back, sizeof back, doc->origin.p + start,
                                     (int32_t)(stop - start), &code);
            cr_assert(U_SUCCESS(code) || code == U_STRING_NOT_TERMINATED_WARNING);
            Slice word = { doc->text.p + i, end - i };
            cr_assert(slice_equal((Slice){ back, (size_t)n }, word), "%s: \"%.*s\" not \"%.*s\"",
                      encoding, n, back, SLICE_ARGS(word));
        }
        i = end + 1;
    }
}

static const char italian[] = "La società è già in città: perché l’ordine costa 5 € e non più "
                              "«nulla».\n\nPoi però finì così.";

Test(charset, recognises_and_maps_single_byte_text) {
    char bytes[512];
    TextDocs docs = read_ok(encode(italian, "windows-1252", bytes, sizeof bytes), NULL);
    expect_slice(docs.docs[0].text, italian);
    expect_exact_map(&docs.docs[0], "windows-1252");
    text_docs_deinit(&docs);
}

Test(charset, recognises_utf16_with_and_without_a_mark) {
    static const char *const encodings[] = { "UTF-16LE", "UTF-16BE" };
    for (size_t i = 0; i < 2; i++) {
        char bytes[1024];
        for (int mark = 0; mark < 2; mark++) {
            AUTO_BUF Buf text = BUF_NULL;
            if (mark) buf_append_string(&text, "\xEF\xBB\xBF");
            buf_append_string(&text, italian);
            buf_append_string(&text, " 😀 fine");
            TextDocs docs = read_ok(encode(text.p, encodings[i], bytes, sizeof bytes), NULL);
            expect_slice(docs.docs[0].text, text.p + (mark ? 3 : 0));
            expect_exact_map(&docs.docs[0], encodings[i]);
            text_docs_deinit(&docs);
        }
    }
}

Test(charset, recognises_and_maps_east_asian_text) {
    static const struct {
        const char *text, *encoding;
    } cases[] = {
        { "これは日本語の文章です。 東京は日本の首都です。 文字コードのテストをします。",
          "shift_jis" },
        { "これは日本語の文章です。 東京は日本の首都です。 文字コードのテストをします。",
          "euc-jp" },
        { "这是一个中文测试文本。 北京是中国的首都。 编码检测应该可以工作。", "gb18030" },
        { "這是一個中文測試文本。 台北是台灣的首都。 編碼檢測應該可以工作。", "big5" },
        { "Это русский текст для проверки. Москва столица России, город большой.", "windows-1251" },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char bytes[512];
        TextDocs docs =
            read_ok(encode(cases[i].text, cases[i].encoding, bytes, sizeof bytes), NULL);
        expect_slice(docs.docs[0].text, cases[i].text);
        expect_exact_map(&docs.docs[0], cases[i].encoding);
        text_docs_deinit(&docs);
    }
}

Test(charset, maps_exactly_over_many_chunks_of_the_converter) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 3000; i++) buf_printf(&text, "é😀%d ", i);
    buf_append_string(&text, "fine");
    size_t room = text.n * 3;
    AUTO_FREE char *bytes = mem_alloc(room, 1);
    TextHints hints = { .charset = SLICE("gb18030") };
    TextDocs docs = read_ok(encode(text.p, "gb18030", bytes, room), &hints);
    expect_slice(docs.docs[0].text, text.p);
    expect_exact_map(&docs.docs[0], "gb18030");
    text_docs_deinit(&docs);
}

Test(charset, believes_a_declaration_where_the_bytes_allow_it) {
    TextHints koi = { .charset = SLICE("koi8-r") };
    TextDocs docs = read_ok(SLICE("\xCD\xC9\xD2"), &koi);
    expect_slice(docs.docs[0].text, "мир");
    text_docs_deinit(&docs);
    /* valid UTF-8 is UTF-8, whatever is said */
    docs = read_ok(SLICE("perché"), &koi);
    expect_slice(docs.docs[0].text, "perché");
    text_docs_deinit(&docs);
    docs = read_ok(SLICE("<html><meta charset='iso-8859-1'><p>citt\xE0 \x80"), NULL);
    expect_slice(docs.docs[0].text, "città €");
    text_docs_deinit(&docs);
    docs = read_ok(SLICE("<?xml version='1.0' encoding='ISO-8859-2'?><rss><channel><item><title>"
                         "\xB1 z</title></item></channel></rss>"),
                   NULL);
    expect_slice(docs.docs[0].text, "ą z");
    text_docs_deinit(&docs);
}

Test(charset, replaces_malformed_bytes_and_maps_them) {
    AUTO_BUF Buf buf = BUF_NULL;
    for (int i = 0; i < 20; i++) buf_append_string(&buf, "perché ");
    buf_append_string(&buf, "rotto\xE2\x82 qui");
    TextDocs docs = read_ok(buf_slice(&buf), NULL);
    expect_slice(origin_of(&docs.docs[0], "rotto\xEF\xBF\xBD qui"), "rotto\xE2\x82 qui");
    text_docs_deinit(&docs);
}
