/* How closely words stand together: weights within windows, by word, stem and beginning. */
#include "search/closeness.h"

#include "search/index_internal.h"
#include "search_fixture.h"

static Index *index_;
static Store *reader;
static TextTerms *terms;

static void make(void) {
    make_folder();
    index_ = open_index();
    add_many(index_, 50);
    add(index_, WHALES, "w", NULL);
    reader = index_reader_take(index_);
    terms = text_terms_new();
}

static void drop(void) {
    text_terms_free(terms);
    index_reader_give(index_, reader);
    index_close(index_);
    remove_folder();
}

TestSuite(search_closeness, .init = make, .fini = drop);

static ClosenessQuestion *ask(const char *question, const char *language) {
    StoreScope scope = { .collection = "default" };
    ClosenessQuestion *q = NULL;
    Err err = { 0 };
    Status status =
        closeness_question_new(terms, slice_of(question), language, reader, &scope, &q, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return q;
}

static Closeness measure(ClosenessQuestion *q, const char *passage, const char *language) {
    Closeness c;
    Err err = { 0 };
    cr_assert_eq(closeness_measure(q, slice_of(passage), language, &c, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_leq(c.sentence, c.paragraph);
    cr_assert_leq(c.paragraph, c.passage);
    cr_assert_leq(c.passage, closeness_question_total(q) + 1e-9);
    return c;
}

/* "zebra" and "quagga" are nowhere in the index: their weights are equal, and the largest. */
#define FILL10 "one two three four five six seven eight nine ten "

Test(search_closeness, a_window_is_as_long_as_it_says) {
    ClosenessQuestion *q = ask("zebra quagga", "en");
    double total = closeness_question_total(q), half = total / 2;
    cr_assert_gt(half, 1);
    const struct {
        const char *passage;
        double sentence, paragraph, whole;
    } rows[] = {
        { "", 0, 0, 0 },
        { "Nothing of it.", 0, 0, 0 },
        { "A zebra.", half, half, half },
        { "A zebra, a zebra, a zebra.", half, half, half },
        { "The zebra met the quagga.", total, total, total },
        { "quagga zebra", total, total, total },
        { "zebra " FILL10 "a b c quagga", total, total, total },  /* 14 words on */
        { "zebra " FILL10 "a b c d quagga", half, total, total }, /* 15 */
        { "zebra " FILL10 FILL10 FILL10 FILL10 "a b c d e f g h quagga", half, total, total },
        { "zebra " FILL10 FILL10 FILL10 FILL10 "a b c d e f g h i quagga", half, half, total },
        { "zebra " FILL10 FILL10 FILL10 FILL10 FILL10 "quagga x zebra", total, total, total },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        Closeness c = measure(q, rows[i].passage, "en");
        cr_expect_float_eq(c.sentence, rows[i].sentence, 1e-9, "row %zu: %f", i, c.sentence);
        cr_expect_float_eq(c.paragraph, rows[i].paragraph, 1e-9, "row %zu: %f", i, c.paragraph);
        cr_expect_float_eq(c.passage, rows[i].whole, 1e-9, "row %zu: %f", i, c.passage);
    }
    closeness_question_free(q);
}

Test(search_closeness, rare_words_weigh_more) {
    ClosenessQuestion *q = ask("region krill unicorn", "en");
    double common = measure(q, "region", "en").passage, rare = measure(q, "krill", "en").passage,
           absent = measure(q, "unicorn", "en").passage;
    cr_assert_gt(common, 0);
    cr_assert_gt(rare, 5 * common);
    cr_assert_gt(absent, rare);
    cr_assert_float_eq(common + rare + absent, closeness_question_total(q), 1e-9);
    closeness_question_free(q);
}

Test(search_closeness, stems_and_beginnings_match) {
    const struct {
        const char *question, *language, *passage;
        bool matches;
    } rows[] = {
        { "quaggas", "en", "One quagga.", true }, /* stem */
        { "quagga", "en", "Many quaggas.", true },
        { "quaggology", "en", "A quagga.", true }, /* begins alike */
        { "quail", "en", "A quagga.", false },
        { "Zebrastreifen", "de", "Die Zebras", true },
        { "zebr\xc3\xa0", "it", "ZEBRA", true }, /* accents and case */
        { "zebra", "en", "cobra", false },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        ClosenessQuestion *q = ask(rows[i].question, rows[i].language);
        double weight = measure(q, rows[i].passage, rows[i].language).passage;
        cr_expect_eq(weight > 0, rows[i].matches, "row %zu: %f", i, weight);
        closeness_question_free(q);
    }
}

Test(search_closeness, function_words_count_only_where_there_is_nothing_else) {
    ClosenessQuestion *q = ask("what is the zebra", "en");
    cr_assert_eq(measure(q, "what is the", "en").passage, 0);
    closeness_question_free(q);
    q = ask("who is who", "en");
    cr_assert_gt(closeness_question_total(q), 0);
    cr_assert_gt(measure(q, "who is it", "en").passage, 0);
    closeness_question_free(q);
}

Test(search_closeness, a_question_without_words_weighs_nothing) {
    ClosenessQuestion *q = ask("?!", "en");
    cr_assert_eq(closeness_question_total(q), 0);
    cr_assert_eq(measure(q, "anything at all", "en").passage, 0);
    closeness_question_free(q);
}

/* More different words than a question is looked at for, and a passage of one word repeated. */
Test(search_closeness, long_questions_and_passages_have_their_limits) {
    AUTO_BUF Buf question = BUF_NULL, passage = BUF_NULL;
    for (int i = 0; i < 2000; i++) buf_printf(&question, "zz%dqq%d ", i * 7919, i);
    for (int i = 0; i < 20000; i++) buf_printf(&passage, "zz0qq0 ");
    ClosenessQuestion *q = ask(question.p, "en");
    double total = closeness_question_total(q);
    double one = measure(q, passage.p, "en").passage;
    cr_assert_gt(one, 0);
    cr_assert_float_eq(total, one * STORE_QUESTION_TERMS, one * 0.01);
    Closeness all = measure(q, question.p, "en");
    cr_assert_float_eq(all.passage, total, 1e-6);
    closeness_question_free(q);
}
