#include "answer/support.h"

#include <criterion/criterion.h>

static TextTerms *terms;
static Support *support;
static Arena arena;

#define TEXT_1                                                                                     \
    "The bridge was opened on 11 September 2008. It was designed by Santiago Calatrava. The city " \
    "spent 11.6 million euro on it."
#define TEXT_2 "The old station was built in 1861. About 1,500 workers lived near it."
#define TEXT_4                                                                                     \
    "The regulator did not fine Google in 2021, but it opened an inquiry. Meta was given two "     \
    "fines "                                                                                       \
    "by the regulator."
#define TEXT_3 "Il Garante ha ordinato a OpenAI di sospendere il trattamento il 30 marzo 2023."

static FontePassage list[] = {
    { .document = "a",
      .title = "Bridge",
      .date = "",
      .language = "en",
      .text = TEXT_1,
      .end = sizeof TEXT_1 - 1 },
    { .document = "b",
      .title = "Station",
      .date = "",
      .language = "en",
      .text = TEXT_2,
      .end = sizeof TEXT_2 - 1 },
    { .document = "c",
      .title = "Garante",
      .date = "",
      .language = "it",
      .text = TEXT_3,
      .end = sizeof TEXT_3 - 1 },
    { .document = "d",
      .title = "Fines",
      .date = "",
      .language = "en",
      .text = TEXT_4,
      .end = sizeof TEXT_4 - 1 },
};

static void setup(void) {
    static const FontePassages passages = { .passages = list, .n_passages = 4 };
    static const size_t used[] = { 0, 1, 2, 3 };
    Err err = { 0 };
    terms = text_terms_new();
    arena = ARENA_NULL;
    cr_assert_eq(support_new(terms, &passages, used, 4, "en", &support, &err), STATUS_OK, "%s",
                 err.text);
}

static void teardown(void) {
    support = support_free(support);
    terms = text_terms_free(terms);
    arena_deinit(&arena);
}

TestSuite(support, .init = setup, .fini = teardown);

static SupportResult check(const char *sentence, size_t number) {
    SupportResult r;
    Err err = { 0 };
    cr_assert_eq(support_check(support, slice_of(sentence), &number, number > 0, &arena, &r, &err),
                 STATUS_OK, "%s", err.text);
    return r;
}

Test(support, what_the_cited_passage_says_holds_in_other_words_and_its_sentence_is_quoted) {
    static const char *const rows[][2] = {
        { "The bridge opened on 11 September 2008.",
          "The bridge was opened on 11 September 2008." },
        { "Its designer was Santiago Calatrava.", "It was designed by Santiago Calatrava." },
        { "The city spent 11,6 million euro.", "The city spent 11.6 million euro on it." },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        SupportResult r = check(rows[i][0], 1);
        cr_assert_eq(r.verdict, SUPPORT_HOLDS, "%s: %s", rows[i][0], r.missing);
        cr_assert_eq(r.n_quotes, 1);
        cr_assert_eq(r.quotes[0].passage, 0);
        Slice quote = { list[0].text + r.quotes[0].start, r.quotes[0].end - r.quotes[0].start };
        cr_assert(slice_equal(quote, slice_of(rows[i][1])), "%.*s", SLICE_ARGS(quote));
    }
    cr_assert_eq(check("Some 1500 workers lived near the station.", 2).verdict, SUPPORT_HOLDS);
}

Test(support, a_wrong_number_date_or_name_or_other_matter_does_not_hold_and_is_named) {
    static const char *const rows[][2] = {
        { "The bridge was opened on 12 September 2008.", "12" },
        { "The bridge was opened on 11 October 2008.", "october" },
        { "The bridge was designed by Renzo Piano.", "renzo" },
        { "The city spent 11.7 million euro on it.", "11.7" },
        { "The city spent 116 million euro on it.", "116" },
        { "Penguins eat fish and krill.", "penguins" },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        SupportResult r = check(rows[i][0], 1);
        cr_assert_eq(r.verdict, SUPPORT_NONE, "%s", rows[i][0]);
        cr_assert_str_eq(r.missing, rows[i][1]);
        cr_assert_eq(r.n_quotes, 0);
    }
    cr_assert_eq(check("Yes.", 1).verdict, SUPPORT_NONE);
    cr_assert_eq(check("", 1).verdict, SUPPORT_NONE);
}

Test(support, a_denial_and_a_number_in_words_must_be_in_the_source_too) {
    static const struct {
        size_t cited;
        const char *sentence, *missing;
    } wrong[] = {
        { 1, "The bridge was never opened on 11 September 2008.", "opened" },
        { 1, "The bridge wasn't opened on 11 September 2008.", "opened" },
        { 2, "The station was not built in 1861.", "built" },
        { 4, "The regulator fined Google in 2021.", "fined" },
        { 4, "Three fines were given to Meta.", "3" },
        { 4, "The regulator fined Meta twelve times.", "12" },
    };
    static const char *const right[] = {
        "The regulator did not fine Google in 2021.",
        "The regulator gave Meta 2 fines, not one.",
        "The regulator opened an inquiry into Google.",
        "Meta was not only fined, it was fined two times.",
    };
    for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
        SupportResult r = check(wrong[i].sentence, wrong[i].cited);
        cr_expect_eq(r.verdict, SUPPORT_NONE, "%s", wrong[i].sentence);
        cr_expect_str_eq(r.missing, wrong[i].missing, "%s: %s", wrong[i].sentence, r.missing);
    }
    for (size_t i = 0; i < N_ELEMENTS(right); i++) {
        SupportResult r = check(right[i], 4);
        cr_expect_eq(r.verdict, SUPPORT_HOLDS, "%s: %s", right[i], r.missing);
    }
}

Test(support, a_sentence_that_cites_the_wrong_passage_or_none_is_given_the_right_one) {
    SupportResult r = check("The old station was built in 1861.", 1);
    cr_assert_eq(r.verdict, SUPPORT_REPAIRED);
    cr_assert_eq(r.n_quotes, 1);
    cr_assert_eq(r.quotes[0].passage, 1);
    r = check("It was designed by Santiago Calatrava.", 0);
    cr_assert_eq(r.verdict, SUPPORT_REPAIRED);
    cr_assert_eq(r.quotes[0].passage, 0);
    cr_assert_eq(check("The old station was built in 1861.", 99).verdict, SUPPORT_REPAIRED);
}

Test(support, across_two_languages_names_and_numbers_carry_a_sentence) {
    cr_assert_eq(check("The Garante ordered OpenAI to suspend it on 30 March 2023.", 3).verdict,
                 SUPPORT_HOLDS);
    cr_assert_eq(check("The Garante ordered OpenAI to suspend it on 31 March 2023.", 3).verdict,
                 SUPPORT_NONE);
    cr_assert_eq(check("The Garante ordered Meta to suspend it on 30 March 2023.", 3).verdict,
                 SUPPORT_NONE);
}

Test(support, two_passages_may_hold_a_sentence_together_and_both_are_quoted) {
    size_t numbers[] = { 1, 2 };
    SupportResult r;
    cr_assert_eq(support_check(
                     support, SLICE("The station was built in 1861 and the bridge opened in 2008."),
                     numbers, 2, &arena, &r, NULL),
                 STATUS_OK);
    cr_assert_eq(r.verdict, SUPPORT_HOLDS, "%s", r.missing);
    cr_assert_eq(r.n_quotes, 2);
}
