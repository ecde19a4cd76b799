#include "answer_fixture.h"

static Fixture fixture;

static void setup(void) {
    fixture_init(&fixture);
}

static void teardown(void) {
    fixture_deinit(&fixture);
}

TestSuite(answer, .init = setup, .fini = teardown);

Test(answer, quotes_the_sentence_that_answers_and_its_bytes_are_those_of_the_document) {
    FonteAnswer *a = fixture_ask(&fixture, "Who designed the bridge over the Grand Canal?", NULL);
    cr_assert_not(a->abstained);
    cr_assert(strstr(a->text, "Santiago Calatrava"), "%s", a->text);
    cr_assert_geq(a->n_citations, 1);
    for (size_t i = 0; i < a->n_citations; i++) {
        const FonteCitation *c = &a->citations[i];
        AUTO_BUF Buf stored = BUF_NULL;
        cr_assert_eq(
            index_read(fixture.index, c->document, STORE_TEXT, c->start, c->end, &stored, NULL),
            STATUS_OK);
        cr_assert(slice_equal(buf_slice(&stored), slice_of(c->quote)));
        cr_assert_eq(c->n, i + 1);
        char mark[16];
        snprintf(mark, sizeof mark, "[%zu]", c->n);
        cr_assert(strstr(a->text, mark));
        cr_assert_eq(c->origin_end - c->origin_start, c->end - c->start);
    }
    answer_free(a);
}

Test(answer, a_quote_over_two_lines_flows_in_the_answer_and_is_exact_in_the_citation) {
    FonteAnswer *a = fixture_ask(&fixture, "What was criticised as slippery?", NULL);
    cr_assert(strstr(a->text, "have been criticised as slippery"), "%s", a->text);
    cr_assert(strstr(a->citations[0].quote, "been\ncriticised"));
    answer_free(a);
}

Test(answer, abstains_with_reason_and_nearest_passages_when_the_documents_do_not_say) {
    FonteAnswer *a = fixture_ask(&fixture, "How tall is the Eiffel Tower in Paris?", NULL);
    cr_assert(a->abstained, "%s", a->text);
    cr_assert_str_eq(a->text, "");
    cr_assert_eq(a->n_citations, 0);
    cr_assert(strlen(a->reason) > 0);
    answer_free(a);
    a = fixture_ask(&fixture, "How many people crossed the bridge in 1998?", NULL);
    cr_assert(a->abstained, "%s", a->text);
    cr_assert_gt(a->passages->n_passages, 0);
    answer_free(a);
}

Test(answer, prefers_sentences_in_the_language_of_the_question) {
    FonteAnswer *a =
        fixture_ask(&fixture, "Quando il Garante ha ordinato a OpenAI di sospendere?", NULL);
    cr_assert_str_eq(a->language, "it");
    cr_assert(strstr(a->text, "30 marzo 2023"), "%s", a->text);
    answer_free(a);
    a = fixture_ask(&fixture, "When did the Garante order OpenAI to suspend the processing?", NULL);
    cr_assert(strstr(a->text, "30 March 2023"), "%s", a->text);
    answer_free(a);
}

typedef struct Seen {
    Buf order, text;
    size_t stop_after_tokens, n_tokens;
} Seen;

static Status see_passages(void *context, const FontePassages *passages) {
    cr_assert_gt(passages->n_passages, 0);
    buf_append_byte(&((Seen *)context)->order, 'p');
    return STATUS_OK;
}

static Status see_token(void *context, Slice text) {
    Seen *seen = context;
    buf_append_byte(&seen->order, 't');
    buf_append_slice(&seen->text, text);
    return ++seen->n_tokens == seen->stop_after_tokens ? STATUS_CANCELLED : STATUS_OK;
}

static Status see_citation(void *context, const FonteCitation *citation) {
    cr_assert_gt(citation->n, 0);
    buf_append_byte(&((Seen *)context)->order, 'c');
    return STATUS_OK;
}

Test(answer, streams_passages_then_tokens_and_citations_that_make_up_the_answer) {
    Seen seen = { BUF_NULL, BUF_NULL, 0, 0 };
    AnswerEvents events = { see_passages, see_token, see_citation, NULL, &seen };
    FonteAnswer *a =
        fixture_ask(&fixture, "Who designed the bridge over the Grand Canal?", &events);
    cr_assert(strncmp(seen.order.p, "ptc", 3) == 0, "%s", seen.order.p);
    cr_assert_str_eq(seen.text.p, a->text);
    answer_free(a);
    buf_deinit(&seen.order);
    buf_deinit(&seen.text);
}

Test(answer, a_stream_that_is_gone_stops_the_answer) {
    Seen seen = { BUF_NULL, BUF_NULL, 1, 0 };
    AnswerEvents events = { NULL, see_token, NULL, NULL, &seen };
    AnswerRequest request = { .query = { .text = "Who designed the bridge?" } };
    AnswerOptions options = ANSWER_OPTIONS_DEFAULT;
    FonteAnswer *a = NULL;
    cr_assert_eq(answer_ask(fixture.index, &request, &options, &events, &a, NULL),
                 STATUS_CANCELLED);
    cr_assert_null(a);
    buf_deinit(&seen.order);
    buf_deinit(&seen.text);
}

Test(answer, refuses_to_generate_without_a_model_and_an_empty_question) {
    AnswerRequest request = { .query = { .text = "Who?" }, .mode = ANSWER_GENERATE };
    AnswerOptions options = ANSWER_OPTIONS_DEFAULT;
    FonteAnswer *a = NULL;
    Err err = { 0 };
    cr_assert_eq(answer_ask(fixture.index, &request, &options, NULL, &a, &err), STATUS_UNSUPPORTED);
    cr_assert_str_eq(err.param, "mode");
    request = (AnswerRequest){ .query = { .text = "  " } };
    cr_assert_eq(answer_ask(fixture.index, &request, &options, NULL, &a, &err), STATUS_INVALID);
}

/* ---- again ---- */

static void keep_record(void *context, const AnswerRecord *r) {
    JsonWriter w = JSON_WRITER(context);
    json_begin_object(&w, NULL);
    record_write(r, &w);
    json_end_object(&w);
}

static Status ask_again(const char *question, const Buf *kept, FonteAnswer **ret, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *json;
    AnswerRecord record;
    AnswerRequest request;
    AnswerOptions options;
    TRY(json_read(buf_slice(kept), 8, &arena, &json, err));
    TRY(record_read(json, buf_slice(kept), &arena, &record, err));
    answer_again(&record, question, &request, &options);
    return answer_ask(fixture.index, &request, &options, NULL, ret, err);
}

static FonteAnswer *ask_recorded(const char *question, Buf *kept) {
    AnswerOptions options = ANSWER_OPTIONS_DEFAULT;
    options.record = keep_record;
    options.record_context = kept;
    AnswerRequest request = { .query = { .text = question } };
    FonteAnswer *answer = NULL;
    Err err = { 0 };
    cr_assert_eq(answer_ask(fixture.index, &request, &options, NULL, &answer, &err), STATUS_OK,
                 "%s", err.text);
    return answer;
}

/* Other documents come meanwhile: a search and the weights of words would be others. */
Test(answer, a_record_gives_the_same_answer_again) {
    static const char *const questions[] = { "When was the bridge over the Grand Canal opened?",
                                             "Quando è tornato disponibile il servizio?",
                                             "Who won the chess olympiad of 1998?" };
    for (size_t i = 0; i < N_ELEMENTS(questions); i++) {
        Buf kept = BUF_NULL;
        char url[32];
        Err err = { 0 };
        FonteAnswer *first = ask_recorded(questions[i], &kept), *second = NULL;
        snprintf(url, sizeof url, "test:other-%zu", i);
        fixture_add(&fixture, url, "Bridges",
                    "The bridge over the Grand Canal was opened on a chess day in 1998.", "en");
        cr_assert_eq(ask_again(questions[i], &kept, &second, &err), STATUS_OK, "%s", err.text);
        cr_assert_str_eq(first->text, second->text);
        cr_assert_eq(first->confidence, second->confidence);
        cr_assert_eq(first->n_citations, second->n_citations);
        answer_free(first);
        answer_free(second);
        buf_deinit(&kept);
    }
}

Test(answer, again_names_the_document_that_changed) {
    const char *question = "When was the bridge over the Grand Canal opened?";
    Buf kept = BUF_NULL;
    Err err = { 0 };
    FonteAnswer *first = ask_recorded(question, &kept), *second = NULL;
    fixture_add(&fixture, "test:bridge", "The bridge of Calatrava", "It is closed.", "en");
    cr_assert_eq(ask_again(question, &kept, &second, &err), STATUS_CONFLICT);
    cr_assert(strstr(err.text, first->citations[0].document), "%s", err.text);
    cr_assert_eq(index_remove(fixture.index, first->citations[0].document, &err), STATUS_OK);
    cr_assert_eq(ask_again(question, &kept, &second, &err), STATUS_CONFLICT);
    cr_assert_eq(ask_again("What?", &kept, &second, &err), STATUS_CONFLICT);
    answer_free(first);
    buf_deinit(&kept);
}

/* A record comes from a file: every member taken away or of another type is named, none crashes. */
Test(answer, a_damaged_record_is_refused_by_its_member) {
    Buf kept = BUF_NULL;
    answer_free(ask_recorded("When was the bridge over the Grand Canal opened?", &kept));
    size_t n_refused = 0;
    for (size_t i = 0; i + 1 < kept.n; i++) {
        if (kept.p[i] != '"' || kept.p[i + 1] == ',' || kept.p[i + 1] == ':') continue;
        AUTO_ARENA Arena arena = ARENA_NULL;
        const Json *json;
        AnswerRecord record;
        Err err = { 0 };
        char before = kept.p[i + 1];
        kept.p[i + 1] = '~';
        if (json_read(buf_slice(&kept), 8, &arena, &json, &err) == STATUS_OK &&
            record_read(json, buf_slice(&kept), &arena, &record, &err) == STATUS_DAMAGED) {
            cr_assert(strstr(err.text, "is missing or wrong"), "%s", err.text);
            n_refused++;
        }
        kept.p[i + 1] = before;
    }
    cr_assert_gt(n_refused, 20);
    buf_deinit(&kept);
}
