#include "text_case.h"

#define RSS(items)                                                                                 \
    "<?xml version='1.0'?><rss version='2.0'><channel><title>Notizie &amp; altro</title>"          \
    "<language>it</language>" items "</channel></rss>"

Test(reader_feed, makes_a_document_of_every_item) {
    const char *input =
        RSS("<item><title>Uno &amp;egrave;</title><link>http://a/1</link>"
            "<pubDate>Tue, 18 Jul 2023 10:00:00 +0200</pubDate>"
            "<description>&lt;p&gt;Ciao &lt;b&gt;mondo&lt;/b&gt;</description></item>"
            "<item><guid>https://a/2</guid><description>breve</description>"
            "<content:encoded><![CDATA[<p>Lungo <i>testo</i>]]></content:encoded></item>");
    TextDocs docs = read_ok(slice_of(input), NULL);
    cr_assert_eq(docs.n_docs, 2);
    const TextDoc *doc = &docs.docs[0];
    expect_slice(doc->title, "Uno è");
    expect_slice(doc->url, "http://a/1");
    expect_slice(doc->date, "2023-07-18T08:00:00Z");
    expect_slice(doc->source, "Notizie & altro");
    expect_slice(doc->language, "it");
    expect_slice(doc->text, "Ciao mondo");
    cr_assert_eq(doc->origin.p, strstr(input, "<item>"));
    expect_slice(docs.docs[1].text, "Lungo testo");
    expect_slice(docs.docs[1].url, "https://a/2");
    text_docs_deinit(&docs);
}

Test(reader_feed, reads_atom_with_text_html_and_xhtml) {
    TextDocs docs = read_ok(
        SLICE("<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><title>F</title>"
              "<entry><title type='text'>A &lt; B</title><link rel='self' href='http://no'/>"
              "<link href='http://x/1'/><updated>2023-07-18T10:00:00Z</updated>"
              "<content type='xhtml'><div><p>Hello <em>world</em> &amp; "
              "all.</p></div></content></entry>"
              "<entry><summary type='text'>1 &lt; 2</summary></entry>"
              "<entry><content type='html'>&lt;p&gt;x &amp;amp; y</content></entry></feed>"),
        NULL);
    cr_assert_eq(docs.n_docs, 3);
    expect_slice(docs.docs[0].title, "A < B");
    expect_slice(docs.docs[0].url, "http://x/1");
    expect_slice(docs.docs[0].date, "2023-07-18T10:00:00Z");
    expect_slice(docs.docs[0].text, "Hello world & all.");
    expect_slice(docs.docs[0].language, "en");
    expect_slice(docs.docs[1].text, "1 < 2");
    expect_slice(docs.docs[2].text, "x & y");
    text_docs_deinit(&docs);
}

Test(reader_feed, maps_through_escaping_and_cdata_to_the_item) {
    static const OriginCase cases[] = {
        { RSS("<item><description>&lt;p&gt;perch&amp;eacute; no</description></item>"), "perché no",
          "perch&amp;eacute; no" },
        { RSS("<item><description>&lt;p&gt;un &lt;b&gt;forte</description></item>"), "forte",
          "forte" },
        { RSS("<item><description><![CDATA[<p>l&#8217;orso <b>forte</b>]]></description></item>"),
          "l’orso forte", "l&#8217;orso <b>forte" },
        { RSS("<item><title>solo titolo &amp; basta</title></item>"), "titolo & basta",
          "titolo &amp; basta" },
    };
    expect_origins(cases, N_ELEMENTS(cases), NULL);
}

/* Class 6 of hostile input: entities that expand or fetch. */
Test(reader_feed, refuses_entities_of_its_own) {
    static const char *const bombs[] = {
        "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]>"
        "<rss><channel><item><title>&b;</title></item></channel></rss>",
        "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
        "<feed><entry><title>&x;</title></entry></feed>",
    };
    for (size_t i = 0; i < N_ELEMENTS(bombs); i++)
        expect_refused(slice_of(bombs[i]), NULL, STATUS_INVALID, "entities of its own");
}

Test(reader_feed, refuses_nesting_beyond_the_limit) {
    AUTO_BUF Buf buf = BUF_NULL;
    buf_append_string(&buf, "<rss>");
    for (size_t i = 0; i < 100000; i++) buf_append_string(&buf, "<a>");
    expect_refused(buf_slice(&buf), NULL, STATUS_TOO_LARGE, "nested deeper than 512");
}

Test(reader_feed, keeps_whole_items_of_a_broken_file_and_counts_empty_ones) {
    TextDocs docs = read_ok(SLICE("<rss><channel><item><title>uno</title></item><item></item>"
                                  "<item><title>due</title></item><item><title"),
                            NULL);
    cr_assert_eq(docs.n_docs, 2);
    cr_assert_eq(docs.n_skipped, 2);
    cr_assert_not_null(strstr(docs.skipped, "item 2"), "%s", docs.skipped);
    text_docs_deinit(&docs);
}

Test(reader_feed, says_where_the_xml_is_broken) {
    expect_refused(SLICE("<rss><channel><item><title>a</title"), NULL, STATUS_INVALID, "byte 28");
    expect_refused(SLICE("<rss><channel></channel></rss>"), NULL, STATUS_INVALID, "no text in it");
}
