#include "answer/reading.h"

#include "answer_fixture.h"

static Fixture fixture;
static TextTerms *terms;

static void setup(void) {
    fixture_init(&fixture);
    terms = text_terms_new();
    cr_assert(terms);
}

static void teardown(void) {
    terms = text_terms_free(terms);
    fixture_deinit(&fixture);
}

TestSuite(question, .init = setup, .fini = teardown);

static Question ask(const char *text, const char *language) {
    Question q;
    Err err = { 0 };
    cr_assert_eq(question_init(&q, fixture.index, terms, slice_of(text), language, &err), STATUS_OK,
                 "%s", err.text);
    return q;
}

Test(question, keeps_content_words_and_tells_names_and_kinds) {
    Question q = ask("When did the Garante order OpenAI to stop?", "en");
    cr_assert_eq(q.kind, ANSWER_TIME);
    bool has_the = false, garante_is_name = false;
    for (size_t i = 0; i < q.n_terms; i++) {
        has_the |= strcmp(q.terms[i].word, "the") == 0;
        garante_is_name |= strcmp(q.terms[i].word, "garante") == 0 && q.terms[i].is_name;
    }
    cr_assert_not(has_the);
    cr_assert(garante_is_name);
    question_deinit(&q);
    q = ask("Quanti milioni di euro ha speso la città?", "it");
    cr_assert_eq(q.kind, ANSWER_NUMBER);
    question_deinit(&q);
    q = ask("In which country did the Garante act?", "en");
    cr_assert_eq(q.kind, ANSWER_PLACE);
    question_deinit(&q);
    q = ask("Chi ha progettato il ponte?", "it");
    cr_assert_eq(q.kind, ANSWER_PERSON);
    question_deinit(&q);
}

Test(question, rare_terms_weigh_more_than_common_ones) {
    Question q = ask("service Calatrava", "en");
    cr_assert_eq(q.n_terms, 2);
    cr_assert_gt(q.terms[1].weight, 0);
    Question common = ask("Garante Calatrava", "en");
    cr_assert_gt(common.terms[1].weight, common.terms[0].weight);
    question_deinit(&common);
    question_deinit(&q);
}

static Reading read_text(const Question *q, const char *text, const char *language, Arena *arena) {
    Reading r;
    Err err = { 0 };
    cr_assert_eq(reading_of(q, terms, slice_of(text), language, arena, &r, &err), STATUS_OK, "%s",
                 err.text);
    return r;
}

Test(question, matches_stems_within_a_language_and_like_beginnings_across_two) {
    Question q = ask("suspended service OpenAI", "en");
    Arena arena = ARENA_NULL;
    Reading r = read_text(&q, "OpenAI suspends services in 2023", "en", &arena);
    cr_assert_eq(r.terms, 7);
    cr_assert_eq(r.exact, 4);
    cr_assert_eq(r.words[r.n_words - 1].n_digits, 4);
    cr_assert(r.words[r.n_words - 1].is_time);
    r = read_text(&q, "OpenAI sospende il servizio", "it", &arena);
    cr_assert(r.terms & 4, "the name is found");
    arena_deinit(&arena);
    question_deinit(&q);
}

Test(question, words_that_are_alike_count_in_part_and_numbers_only_whole) {
    cr_assert_gt(reading_likeness(SLICE("designed"), SLICE("designer")), 0.5F);
    cr_assert_eq(reading_likeness(SLICE("bridge"), SLICE("castle")), 0);
    cr_assert_eq(reading_likeness(SLICE("1998"), SLICE("1999")), 0);
    Question q = ask("Who was the architect of 1998 things?", "en");
    Arena arena = ARENA_NULL;
    Reading r = read_text(&q, "They built in an architectural style of 1999.", "en", &arena);
    cr_assert_eq(r.terms, 0);
    cr_assert_gt(r.soft[0], 0);
    cr_assert_lt(r.soft[0], 1);
    cr_assert_eq(r.soft[1], 0);
    arena_deinit(&arena);
    question_deinit(&q);
}

Test(question, a_question_of_very_many_words_is_cut_at_the_limit) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 500; i++) buf_printf(&text, "word%d ", i);
    Question q = ask(text.p, "en");
    cr_assert_eq(q.n_terms, QUESTION_MAX_TERMS);
    question_deinit(&q);
}
