#include "base/buf.h"
#include "text/terms.h"

#include <criterion/criterion.h>

typedef struct Taken {
    Buf buf;
    Slice text;
} Taken;

static Status take(void *context, const Term *term) {
    Taken *taken = context;
    if (taken->buf.n) buf_append_byte(&taken->buf, ' ');
    buf_append_slice(&taken->buf, term->text);
    if (term->is_stop) buf_append_byte(&taken->buf, '!');
    if (term->is_part) buf_append_byte(&taken->buf, '+');
    if (term->kind == TERM_STEM) buf_append_byte(&taken->buf, '~');
    cr_assert(term->start < term->end && term->end <= taken->text.n);
    return STATUS_OK;
}

/* want: terms parted by blanks; '!' function word, '+' part of a longer gram, '~' stem. */
static void expect_terms(const char *language, unsigned kinds, const char *text, const char *want) {
    TextTerms *terms = text_terms_new();
    Taken taken = { BUF_NULL, slice_of(text) };
    cr_assert_eq(text_terms_each(terms, taken.text, language, kinds, take, &taken), STATUS_OK);
    cr_assert(slice_equal(buf_slice(&taken.buf), slice_of(want)), "%s\n not %s",
              taken.buf.p ? taken.buf.p : "", want);
    buf_deinit(&taken.buf);
    text_terms_free(terms);
}

Test(terms, folds_case_accents_and_width) {
    expect_terms("", TERM_WORD, "Città PERCHÉ Straße ÑANDÚ ﬁne ＡＢ１ Ёж Άλφα",
                 "citta perche strasse nandu fine ab1 еж αλφα");
    expect_terms("", TERM_WORD, "e\xCC\x80 caffe\xCC\x80", "e caffe");
    expect_terms("tr", TERM_WORD, "İstanbul", "istanbul");
}

Test(terms, parts_elisions_with_any_apostrophe) {
    expect_terms("it", TERM_WORD, "l'intelligenza dell’acqua nell' ottobre un'isola",
                 "l! intelligenza dell! acqua nell! ottobre un! isola");
    expect_terms("fr", TERM_WORD, "qu'il d’eau", "qu! il! d! eau");
}

Test(terms, gives_stems_of_the_language_behind_their_words) {
    expect_terms("it", TERM_WORD | TERM_STEM, "nazionali città", "nazionali nazional~ citta citt~");
    expect_terms("en", TERM_WORD | TERM_STEM, "licenses cat", "licenses licens~ cat");
    expect_terms("", TERM_WORD | TERM_STEM, "licenses", "licenses");
    expect_terms("it", TERM_STEM, "nazionali", "nazional~");
    expect_terms("ru", TERM_WORD | TERM_STEM, "законы", "законы закон~");
    /* the second time it comes from the cache */
    expect_terms("en", TERM_WORD | TERM_STEM, "laws laws", "laws law~ laws law~");
}

Test(terms, vietnamese_words_keep_their_tones_beside_the_plain_form) {
    expect_terms("vi", TERM_WORD | TERM_STEM, "Má ma, MẠ 5", "ma má~ ma ma mạ~ 5");
    expect_terms("vi", TERM_WORD | TERM_STEM, "ma\xCC\x81", "ma má~"); /* NFD */
    expect_terms("vi", TERM_WORD, "Má", "ma");
    /* and the crab is not taken for the word that means "of" */
    expect_terms("vi", TERM_WORD | TERM_STEM, "cua của", "cua cua! của!~");
}

Test(terms, keeps_numbers_whole_in_any_notation) {
    expect_terms("it", TERM_WORD, "1.128 1,128 1128 3,5 3.5 5G 1.000.000 v1.2.3 10:30 700.",
                 "1128 1128 1128 3.5 3.5 5g 1000000 v1 2.3 10 30 700");
}

Test(terms, gives_parts_of_hyphenated_words_and_marks_function_words) {
    expect_terms("en", TERM_WORD, "the AI-powered re\xC2\xADport", "the! ai powered report");
    expect_terms("it", TERM_WORD, "the il", "the il!");
}

Test(terms, gives_characters_and_pairs_of_chinese_and_japanese) {
    expect_terms("zh", TERM_WORD | TERM_GRAM, "北京市 AI", "北 京 北京 市 京市 ai");
    expect_terms("zh", TERM_WORD, "北京市 AI", "ai");
    expect_terms("ja", TERM_GRAM, "ｶﾀ", "カ タ カタ");
}

Test(terms, gives_pairs_and_triples_of_thai_and_trigrams_of_words_beside_it) {
    expect_terms("th", TERM_GRAM, "น้ำใจ", "น้+ ้ำ+ น้ำ ำใ+ ้ำใ ใจ+ ำใจ");
    expect_terms("th", TERM_WORD | TERM_GRAM, "meta AI", "meta met eta ai");
}

/* A run that is too short for three is found by what it has: by itself, and within longer ones. */
Test(terms, a_short_run_of_thai_is_no_part_of_anything) {
    expect_terms("th", TERM_GRAM, "ก", "ก");
    expect_terms("th", TERM_GRAM, "ปู", "ปู");
    expect_terms("th", TERM_GRAM, "ปู ปูนา", "ปู ปู+ ูน+ ปูน นา+ ูนา");
}

/* What asks stands in questions, not in what answers them. */
Test(terms, grams_of_words_that_ask_are_marked) {
    expect_terms("zh", TERM_GRAM, "首都是什么", "首 都 首都 是 都是 什! 是什! 么! 什么!");
    expect_terms("ja", TERM_GRAM, "誰か", "誰! か 誰か!");
    expect_terms("th", TERM_GRAM, "ใครมา", "ใค!+ คร!+ ใคร! รม!+ ครม! มา+ รมา!");
    expect_terms("", TERM_GRAM, "谁", "谁");
    expect_terms("ja", TERM_GRAM, "谁", "谁");
}

/* With a tone mark behind it, it is another word (to desire). */
Test(terms, what_only_begins_like_a_word_that_asks_is_not) {
    expect_terms("th", TERM_GRAM, "ใคร่", "ใค+ คร+ ใคร ร่+ คร่");
}

static Status stop_at_two(void *context, const Term *term) {
    (void)term;
    return ++*(size_t *)context == 2 ? STATUS_END : STATUS_OK;
}

Test(terms, stops_where_the_taker_stops) {
    TextTerms *terms = text_terms_new();
    size_t count = 0;
    cr_assert_eq(text_terms_each(terms, SLICE("a b c d"), "", TERM_WORD, stop_at_two, &count),
                 STATUS_END);
    cr_assert_eq(count, 2);
    text_terms_free(terms);
}

Test(terms, cuts_words_of_any_length_without_harm) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 100000; i++) buf_append_string(&text, "ﷺè");
    TextTerms *terms = text_terms_new();
    Taken taken = { BUF_NULL, buf_slice(&text) };
    cr_assert_eq(text_terms_each(terms, taken.text, "it", TERM_WORD | TERM_STEM, take, &taken),
                 STATUS_OK);
    cr_assert_lt(taken.buf.n, 400);
    buf_deinit(&taken.buf);
    text_terms_free(terms);
}
