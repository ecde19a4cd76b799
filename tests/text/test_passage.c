#include "text_case.h"

static const TextHints md = { .name = { "a.md", 4 } };

typedef struct Cut {
    TextDocs docs;
    Arena arena;
    TextPassage *passages;
    size_t n;
} Cut;

static Cut cut(const char *input, size_t max_words) {
    Cut cut = { .docs = read_ok(slice_of(input), &md), .arena = ARENA_NULL };
    cr_assert_eq(
        text_passages(&cut.docs.docs[0], max_words, &cut.arena, &cut.passages, &cut.n, NULL),
        STATUS_OK);
    return cut;
}

static Slice passage(const Cut *c, size_t i) {
    TextSpan span = c->passages[i].span;
    return (Slice){ c->docs.docs[0].text.p + span.start, span.end - span.start };
}

static void cut_deinit(Cut *c) {
    arena_deinit(&c->arena);
    text_docs_deinit(&c->docs);
}

Test(passage, starts_anew_at_headings_and_knows_its_path) {
    Cut c = cut("# Doc\n\nIntro.\n\n## A\n\nUno.\n\n### B\n\nDue.\n\n## C\n\nTre.", 100);
    static const char *const paths[] = { "", "A", "A > B", "C" };
    static const char *const texts[] = { "Doc\n\nIntro.", "A\n\nUno.", "B\n\nDue.", "C\n\nTre." };
    cr_assert_eq(c.n, 4);
    for (size_t i = 0; i < 4; i++) {
        expect_slice(c.passages[i].heading_path, paths[i]);
        expect_slice(passage(&c, i), texts[i]);
    }
    cut_deinit(&c);
}

Test(passage, keeps_headings_that_follow_one_another_together) {
    Cut c = cut("# Doc\n\n## A\n\n### B\n\nTesto.", 100);
    cr_assert_eq(c.n, 1);
    expect_slice(c.passages[0].heading_path, "A > B");
    cut_deinit(&c);
}

Test(passage, prefers_to_end_at_a_paragraph) {
    Cut c = cut("uno due tre quattro. cinque sei.\n\nsette otto. Nove dieci undici. Dodici.", 9);
    cr_assert_eq(c.n, 2);
    expect_slice(passage(&c, 0), "uno due tre quattro. cinque sei.");
    cut_deinit(&c);
}

Test(passage, holds_every_sentence_once_and_not_too_many_words) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "Frase numero %d con alcune parole in più%s", i, i % 7 ? ". " : ".\n\n");
    Cut c = cut(text.p, 50);
    size_t at = 0;
    const TextDoc *doc = &c.docs.docs[0];
    for (size_t i = 0; i < c.n; i++) {
        Slice s = passage(&c, i);
        size_t words = 1;
        for (size_t k = 0; k < s.n; k++)
            words += s.p[k] == ' ' || (s.p[k] == '\n' && s.p[k - 1] != '\n');
        cr_assert_leq(words, 50);
        cr_assert(i + 1 == c.n || words >= 20, "passage %zu has %zu words", i, words);
        Slice between = { doc->text.p + at, c.passages[i].span.start - at };
        cr_assert_eq(slice_trim(between).n, 0);
        cr_assert_eq(s.p[s.n - 1], '.');
        at = c.passages[i].span.end;
    }
    cr_assert_eq(at, doc->text.n);
    cut_deinit(&c);
}

Test(passage, cuts_a_sentence_that_is_too_long_at_a_word) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 100; i++) buf_append_string(&text, "parola ");
    Cut c = cut(text.p, 30);
    cr_assert_geq(c.n, 4);
    for (size_t i = 0; i < c.n; i++) {
        Slice s = passage(&c, i);
        cr_assert(slice_starts(s, SLICE("parola")));
        cr_assert_eq(s.p[s.n - 1], 'a');
        cr_assert_leq(s.n, 30 * 7);
    }
    cut_deinit(&c);
}

Test(passage, counts_words_of_scripts_without_spaces) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 100; i++) buf_append_string(&text, "北京是中国的首都。");
    Cut c = cut(text.p, 60);
    cr_assert(c.n >= 9 && c.n <= 12, "%zu", c.n);
    cut_deinit(&c);
}

Test(passage, cuts_megabytes_without_a_blank_in_little_time, .timeout = 10) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 1000000; i++) buf_append_string(&text, "è");
    Cut c = cut(text.p, 200);
    cr_assert_gt(c.n, 1);
    cut_deinit(&c);
}

Test(passage, refuses_passages_of_no_words) {
    TextDoc doc = { .text = SLICE("a") };
    AUTO_ARENA Arena arena = ARENA_NULL;
    TextPassage *passages;
    size_t n;
    cr_assert_eq(text_passages(&doc, 0, &arena, &passages, &n, NULL), STATUS_INVALID);
}
