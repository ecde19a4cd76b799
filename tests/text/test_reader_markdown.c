#include "text_case.h"

static const TextHints md = { .name = { "a.md", 4 } };

Test(reader_markdown, takes_front_matter_for_what_the_document_is) {
    TextDocs docs = read_ok(SLICE("---\ntitle: \"Il \\\"caso\\\": uno\"\ndate: 2023-07-18\n"
                                  "lang: it-IT\nsource: 'L''Eco' # commento\nurl: http://a/b\n---\n"
                                  "Testo."),
                            NULL);
    const TextDoc *doc = &docs.docs[0];
    expect_slice(doc->title, "Il \"caso\": uno");
    expect_slice(doc->date, "2023-07-18");
    expect_slice(doc->language, "it");
    expect_slice(doc->source, "L'Eco");
    expect_slice(doc->url, "http://a/b");
    expect_slice(doc->text, "Testo.");
    cr_assert_eq(doc->format, TEXT_MARKDOWN);
    text_docs_deinit(&docs);
}

Test(reader_markdown, takes_the_first_heading_for_the_title) {
    TextDocs docs = read_ok(SLICE("# Il *titolo* #\n\nTesto.\n\nSotto\n---\nAltro."), &md);
    const TextDoc *doc = &docs.docs[0];
    expect_slice(doc->title, "Il titolo");
    expect_slice(doc->text, "Il titolo\n\nTesto.\n\nSotto\n\nAltro.");
    cr_assert_eq(doc->n_headings, 2);
    cr_assert_eq(doc->headings[1].level, 2);
    Slice heading = { doc->text.p + doc->headings[1].start,
                      doc->headings[1].end - doc->headings[1].start };
    expect_slice(heading, "Sotto");
    text_docs_deinit(&docs);
}

Test(reader_markdown, leaves_out_marks_and_keeps_their_text) {
    static const struct {
        const char *input, *clean;
    } cases[] = {
        { "un *corsivo* e **forte** ~~no~~", "un corsivo e forte no" },
        { "***entrambi*** e _questo_ snake_case_qui 2*3*4",
          "entrambi e questo snake_case_qui 234" },
        { "5 * 3 e *aperto", "5 * 3 e *aperto" },
        { "[testo](http://a.b/(c) \"t\") e ![figura](x.png)", "testo e figura" },
        { "[testo][1] e [solo] e nota[^1]\n\n[1]: http://a", "testo e [solo] e nota" },
        { "`a*b*` e ``c`d``", "a*b* e c`d" },
        { "\\*no\\* &egrave; &#8217; <b>x</b> <https://a.b> a<!-- c -->z",
          "*no* è ’ x https://a.b az" },
        { "riga\nsegue  \nrotta\\\ntre<br>quattro", "riga segue\nrotta\ntre\nquattro" },
        { "> cita\n> ancora\n\ndopo", "cita ancora\n\ndopo" },
        { "- uno\n* due\n  segue\n1. tre\n- [x] fatto", "- uno\n- due segue\n1. tre\n- fatto" },
        { "| a | b |\n|---|:-:|\n| 1 | *2* |", "a | b\n1 | 2" },
        { "```c\nint *a;\n\n  b\n```\nfine", "int *a;\n\n  b\n\nfine" },
        { "a\n\n<!-- x\ny -->\n\nb\n\n***\n\nc", "a\n\nb\n\nc" },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) expect_text(cases[i].input, &md, cases[i].clean);
}

Test(reader_markdown, maps_clean_text_to_the_bytes_it_stands_for) {
    static const OriginCase cases[] = {
        { "un **forte** qui", "forte", "forte" },
        { "un **forte** qui", "un forte qui", "un **forte** qui" },
        { "perch&eacute; [no](http://a)?", "perché", "perch&eacute;" },
        { "perch&eacute; [no](http://a)?", "no?", "no](http://a)?" },
        { "---\na: b\n---\n# T\n\nTesto\\! qui", "Testo!", "Testo\\!" },
        { "- uno\n- due", "due", "due" },
    };
    expect_origins(cases, N_ELEMENTS(cases), &md);
}

Test(reader_markdown, is_recognised_by_what_stands_in_it) {
    TextDocs docs = read_ok(SLICE("# Titolo\n\nTesto."), NULL);
    cr_assert_eq(docs.docs[0].format, TEXT_MARKDOWN);
    text_docs_deinit(&docs);
    docs = read_ok(SLICE("Un testo con #hashtag e 2 * 3.\n\n# commento di uno script"), NULL);
    cr_assert_eq(docs.docs[0].format, TEXT_PLAIN);
    text_docs_deinit(&docs);
}

/* Class 6 of hostile input: what costs more than it is long. */
Test(reader_markdown, is_linear_in_marks_that_never_close, .timeout = 20) {
    static const char *const pieces[] = {
        "[",   "![",   "[a](", "[a](<", "*a ",      "**a_ ", "`",
        "``a", "<!--", "<a ",  "> ",    "[a](x \"", "&",     "- "
    };
    for (size_t i = 0; i < N_ELEMENTS(pieces); i++) {
        AUTO_BUF Buf buf = BUF_NULL;
        while (buf.n < 2000000) buf_append_string(&buf, pieces[i]);
        buf_append_string(&buf, "fine");
        TextDocs docs;
        Err err = { 0 };
        Status status = text_read(buf_slice(&buf), &md, NULL, &docs, &err);
        cr_assert(status == STATUS_OK || status == STATUS_INVALID, "%s: %s", pieces[i], err.text);
        if (!status) text_docs_deinit(&docs);
    }
}
