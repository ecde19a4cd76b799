/* Every reader on a thousand damaged files: cut short, bytes changed, pieces doubled, moved or
 * taken from another format. It answers with an error that says something, or with documents of
 * which all that is promised holds. The seeds are fixed. */
#include "text_check.h"

#include "base/file.h"
#include <criterion/criterion.h>
#include <stdio.h>

enum { MUTANTS = 1000 };

static const char *const samples[] = {
    "\xEF\xBB\xBFPrima riga.\r\n\r\nSeconda  riga\t con l’apostrofo, 3.500 euro e 北京。\n  "
    "rientro\n\n\n"
    "Fine: perché no? \xE2\x82\xAC caff\xC3\xA8 \xF0\x9F\x98\x80.",
    "---\ntitle: \"Il caso\"\ndate: 2023-07-18\nlang: it\n---\n# Il *caso*\n\nTesto **forte** con "
    "[un link](http://a.b/c \"t\") e `codice`, &egrave; <b>x</b>.\n\n- uno\n- due\n  segue\n\n| a "
    "| b "
    "|\n|---|---|\n| 1 | 2 |\n\n```c\nint a;\n```\n> cita\n\nSotto\n---\n<!-- c -->\n[1]: "
    "http://x\n",
    "<!DOCTYPE html><html lang=\"it\"><head><meta charset=utf-8><title>T &amp; t</title><meta "
    "property='og:title' content='Citt&agrave;'><script>if (a<b) "
    "1</script></head><body><nav>x</nav>"
    "<main><article><h1>T</h1><p>Il <b>Garante</b> ha&nbsp;detto&#8217; "
    "s&igrave;.<ul><li>a<li>b</ul>"
    "<table><tr><td>1<td>2</table><pre>a\n  "
    "b</pre></article></main><footer>f</footer></body></html>",
    "{\"title\":\"Uno\",\"text\":\"Perch\\u00e9 no?\\nRiga "
    "\\ud83d\\ude00.\",\"date\":\"2023-07-18\","
    "\"lang\":\"it\",\"x\":[1,{\"a\":null}]}\n{\"text\":\"Second text in English.\"}\n{\"text\": "
    "rotto}\n",
    "<?xml version='1.0' encoding='utf-8'?><rss version='2.0'><channel><title>N &amp; "
    "n</title><item>"
    "<title>Uno &amp;egrave;</title><link>http://a/1</link><pubDate>Tue, 18 Jul 2023 10:00:00 +0200"
    "</pubDate><description>&lt;p&gt;Ciao &lt;b&gt;mondo&lt;/b&gt;</description></item><item>"
    "<content:encoded><![CDATA[<p>Lungo <i>testo</i>]]></content:encoded></item></channel></rss>",
    "<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><entry><title type='text'>A &lt; "
    "B</title>"
    "<link href='http://x/1'/><updated>2023-07-18T10:00:00Z</updated><content "
    "type='xhtml'><div><p>Hi "
    "<em>all</em> &amp; more.</p></div></content></entry></feed>",
};

static uint64_t state;

static size_t below(size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)(state >> 33) % n : 0;
}

static void append_piece(Buf *out, Slice from) {
    size_t start = below(from.n), n = 1 + below(MIN(from.n - start, (size_t)40));
    buf_append(out, from.p + start, MIN(n, from.n - start));
}

/* One to four damages. */
static void mutate(Slice sample, Buf *out) {
    buf_clear(out);
    buf_append_slice(out, sample);
    for (size_t k = 1 + below(4); k > 0 && out->n; k--) {
        size_t at = below(out->n);
        AUTO_BUF Buf tail = BUF_NULL;
        switch (below(6)) {
        case 0: out->n = at; break;
        case 1: out->p[at] = (char)below(256); break;
        case 2: out->p[at] = "<>&\"'{}[]\\#*`-\n\0\xFF\x80"[below(18)]; break;
        case 3: memmove(out->p, out->p + at, out->n - at), out->n -= at; break;
        default:
            buf_append(&tail, out->p + at, out->n - at);
            out->n = at;
            append_piece(out, k % 2 ? sample : slice_of(samples[below(N_ELEMENTS(samples))]));
            buf_append_slice(out, buf_slice(&tail));
        }
    }
}

static void expect_no_harm(size_t which) {
    static const char *const names[] = { "a.txt", "a.md", "a.html", "a.jsonl", "a.xml", "a.atom" };
    TextTerms *terms = text_terms_new();
    AUTO_BUF Buf mutant = BUF_NULL;
    size_t n_read = 0;
    state = which + 1;
    for (size_t i = 0; i < MUTANTS; i++) {
        mutate(slice_of(samples[which]), &mutant);
        TextHints hints = { .name = slice_of(names[which]) };
        TextDocs docs;
        Err err = { 0 };
        Status status = text_read(buf_slice(&mutant), &hints, NULL, &docs, &err);
        if (status) {
            cr_assert(status == STATUS_INVALID || status == STATUS_UNSUPPORTED ||
                          status == STATUS_TOO_LARGE,
                      "mutant %zu: status %d", i, (int)status);
            cr_assert_neq(err.text[0], '\0', "mutant %zu: an error without a word", i);
            continue;
        }
        n_read++;
        for (size_t d = 0; d < docs.n_docs; d++) {
            const char *wrong = check_doc(&docs.docs[d], terms);
            cr_assert_null(wrong, "mutant %zu: %s", i, wrong ? wrong : "");
        }
        text_docs_deinit(&docs);
    }
    cr_assert_gt(n_read, MUTANTS / 4, "only %zu of them could be read", n_read);
    text_terms_free(terms);
}

Test(mutants, of_plain_text_do_no_harm) {
    expect_no_harm(0);
}

Test(mutants, of_markdown_do_no_harm) {
    expect_no_harm(1);
}

Test(mutants, of_html_do_no_harm) {
    expect_no_harm(2);
}

Test(mutants, of_json_lines_do_no_harm) {
    expect_no_harm(3);
}

Test(mutants, of_rss_do_no_harm) {
    expect_no_harm(4);
}

Test(mutants, of_atom_do_no_harm) {
    expect_no_harm(5);
}
