#include "text_case.h"

static const TextHints html = { .name = { "a.html", 6 } };

#define PAGE(body)                                                                                 \
    "<!DOCTYPE html><html lang=\"it-IT\"><head><title>T &amp; t</title></head><body>" body         \
    "</body></html>"
#define ARTICLE                                                                                    \
    "<p>Il Garante ha bloccato il servizio in tutta Italia, con un ordine che vale da subito.</p>" \
    "<p>La società ha venti giorni per rispondere e rischia una sanzione fino al quattro per "    \
    "cento."

Test(reader_html, says_what_the_page_says_of_itself) {
    TextDocs docs = read_ok(
        SLICE("<html lang=it><head><title>Uno | Sito</title>"
              "<meta property='og:title' content='Citt&agrave; &amp; no'>"
              "<meta property=og:site_name content=\"Il Sito\">"
              "<meta property='article:published_time' content='2023-03-31T10:00:00+02:00'>"
              "<link rel=canonical href='https://a.it/?b=1&amp;c=2'></head><body><p>Ciao.</body>"),
        NULL);
    const TextDoc *doc = &docs.docs[0];
    expect_slice(doc->title, "Città & no");
    expect_slice(doc->source, "Il Sito");
    expect_slice(doc->date, "2023-03-31T08:00:00Z");
    expect_slice(doc->url, "https://a.it/?b=1&c=2");
    expect_slice(doc->language, "it");
    expect_slice(doc->text, "Ciao.");
    text_docs_deinit(&docs);
}

Test(reader_html, falls_back_to_title_element_and_time) {
    TextDocs docs = read_ok(SLICE(PAGE("<time datetime='2023-07-18'>ieri</time><p>Testo")), NULL);
    expect_slice(docs.docs[0].title, "T & t");
    expect_slice(docs.docs[0].date, "2023-07-18");
    text_docs_deinit(&docs);
    docs = read_ok(SLICE("<body><h1>Il <i>solo</i> titolo</h1><p>Testo"), &html);
    expect_slice(docs.docs[0].title, "Il solo titolo");
    text_docs_deinit(&docs);
}

Test(reader_html, parts_blocks_lists_and_tables) {
    static const struct {
        const char *input, *clean;
    } cases[] = {
        { "<p>uno<p>due <b>tre</b>\n quattro<br>cinque", "uno\n\ndue tre quattro\ncinque" },
        { "<h2>T\n<i>x</i></h2>a<div>b</div>c", "T x\n\na\n\nb\n\nc" },
        { "<ul><li>a<li><b>b</b></ul>c", "- a\n- b\n\nc" },
        { "<table><tr><th>A<th>B<tr><td>1<td> 2 </table>", "A | B\n1 | 2" },
        { "<pre>a\n  b\n</pre><p>x", "a\n  b\n\nx" },
        { "<p>1 &lt; 2 &amp;&nbsp;3 &#x20AC;&#8217; AT&T &nope; a < b",
          "1 < 2 & 3 €’ AT&T &nope; a < b" },
        { "<p>a<!-- <p>no --><script>if (a<b) '</p>'</script><style>p{}</style>b", "ab" },
        { "<p>a<select><option>x</select><button>ok</button><svg><text>t</text></svg> b", "a b" },
        { "<dl><dt>k<dd>v</dl>", "k\n\nv" },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        expect_text(cases[i].input, &html, cases[i].clean);
}

Test(reader_html, leaves_out_what_stands_around_the_article) {
    static const char *const pages[] = {
        PAGE("<header>Logo</header><nav><a href=/>Casa</a> e altro</nav>" ARTICLE
             "<footer>Diritti</footer>"),
        PAGE("<div id=cookie-banner>Usiamo i cookie</div><main>" ARTICLE "</main><p>Fuori"),
        PAGE("<div role=navigation>Voci</div><article>" ARTICLE
             "<div class='shareButtons'>Condividi</div></article><aside>Altro</aside>"),
        PAGE("<form>Cerca</form>" ARTICLE "<div class='related-posts'>Leggi</div>"
             "<p hidden>Nascosto<p style='display:none'>No"),
    };
    for (size_t i = 0; i < N_ELEMENTS(pages); i++)
        expect_text(pages[i], NULL,
                    "Il Garante ha bloccato il servizio in tutta Italia, con un ordine che vale da "
                    "subito.\n\nLa società ha venti giorni per rispondere e rischia una sanzione "
                    "fino al quattro per cento.");
}

Test(reader_html, never_loses_an_article_that_calls_itself_something_else) {
    static const char *const pages[] = {
        PAGE("<form id=aspnetForm>" ARTICLE "</form>"),
        PAGE("<div class='content with-sidebar'>" ARTICLE "</div><p>x"),
        PAGE("<aside>" ARTICLE "</aside>"),
        PAGE("<article>Breve</article><div>" ARTICLE "</div>"),
        PAGE("<div hidden>" ARTICLE "</div>"),
    };
    for (size_t i = 0; i < N_ELEMENTS(pages); i++) {
        TextDocs docs = read_ok(slice_of(pages[i]), NULL);
        Slice text = docs.docs[0].text;
        cr_assert_not_null(memmem(text.p, text.n, "quattro per cento", 17), "%zu", i);
        text_docs_deinit(&docs);
    }
}

Test(reader_html, keeps_all_articles_of_a_front_page) {
    TextDocs docs = read_ok(
        SLICE(PAGE("<article>" ARTICLE "</article><article>" ARTICLE " Fine</article>")), NULL);
    Slice text = docs.docs[0].text;
    const char *first = memmem(text.p, text.n, "quattro", 7);
    cr_assert_not_null(memmem(first + 1, text.n - (size_t)(first + 1 - text.p), "quattro", 7));
    text_docs_deinit(&docs);
}

Test(reader_html, maps_clean_text_to_the_bytes_it_stands_for) {
    static const OriginCase cases[] = {
        { "<p>perch&eacute;&nbsp;no</p>", "perché no", "perch&eacute;&nbsp;no" },
        { "<p>un <b>forte</b> qui", "un forte qui", "un <b>forte</b> qui" },
        { "<p>un <b>forte</b> qui", "forte", "forte" },
        { "<p>a&#x27;b", "a'b", "a&#x27;b" },
        { "<p>a</p>\n\n<p>b", "b", "b" },
        { "<p>a\r\n  b", "a b", "a\r\n  b" },
    };
    expect_origins(cases, N_ELEMENTS(cases), &html);
}

Test(reader_html, refuses_nesting_beyond_the_limit) {
    AUTO_BUF Buf buf = BUF_NULL;
    for (size_t i = 0; i < 100000; i++) buf_append_string(&buf, "<div>");
    buf_append_string(&buf, "x");
    expect_refused(buf_slice(&buf), NULL, STATUS_TOO_LARGE, "nested deeper than 512");
}

/* Class 6 of hostile input: what costs more than it is long. */
Test(reader_html, is_linear_in_marks_that_never_close, .timeout = 20) {
    static const char *const pieces[] = { "<b>",      "<p><b id=1>", "<!--",     "<a b=\"",
                                          "<a '>",    "<title>",     "<script>", "</div>",
                                          "<li>",     "<td>",        "<",        "&",
                                          "<a b=c d", "<option>",    "<![CDATA[" };
    for (size_t i = 0; i < N_ELEMENTS(pieces); i++) {
        AUTO_BUF Buf buf = BUF_NULL;
        buf_append_string(&buf, "<html>");
        while (buf.n < 2000000) buf_append_string(&buf, pieces[i]);
        buf_append_string(&buf, "fine");
        TextDocs docs;
        Err err = { 0 };
        Status status = text_read(buf_slice(&buf), &html, NULL, &docs, &err);
        if (!status) text_docs_deinit(&docs);
        cr_assert(status == STATUS_OK || status == STATUS_INVALID || status == STATUS_TOO_LARGE,
                  "%s: %s", pieces[i], err.text);
    }
}
