/* The library as a stranger uses it: through the public headers and the shared object only. */
#include <criterion/criterion.h>
#include <fonte/fonte.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[40];
static FonteIndex *db;
static FonteError error;

static void set_up(void) {
    strcpy(folder, "/tmp/fonte-api-XXXXXX");
    cr_assert(mkdtemp(folder));
    cr_assert_eq(fonte_index_open(folder, NULL, &db, &error), FONTE_OK, "%s", error.text);
}

static void tear_down(void) {
    char command[80];
    fonte_index_close(db);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(api_index, .init = set_up, .fini = tear_down);

static const char llama[] = "Meta released LLaMA 2 on 18 July 2023. Its licence needs a special "
                            "agreement above 700 million monthly users.";

static FonteInput text_input(const char *text, const char *url) {
    return (FonteInput){ .bytes = text, .n_bytes = strlen(text), .url = url, .title = "A title" };
}

Test(api_index, document_is_added_found_asked_read_and_removed) {
    FonteInput input = text_input(llama, "https://example.org/llama");
    FonteAddedList *added = NULL;
    cr_assert_eq(fonte_index_add(db, &input, &added, &error), FONTE_OK, "%s", error.text);
    cr_assert_eq(added->n_added, 1);
    cr_assert_eq(added->n_skipped, 0);
    cr_assert_not(added->added[0].duplicate);
    char id[64];
    snprintf(id, sizeof id, "%s", added->added[0].id);
    fonte_added_free(added);

    FontePassages *passages = NULL;
    FonteQuery query = { .text = "When was LLaMA 2 released?" };
    cr_assert_eq(fonte_index_search(db, &query, &passages, &error), FONTE_OK, "%s", error.text);
    cr_assert_geq(passages->n_passages, 1);
    cr_assert_str_eq(passages->passages[0].document, id);
    cr_assert_str_eq(passages->passages[0].title, "A title");
    fonte_passages_free(passages);

    FonteAnswer *answer = NULL;
    cr_assert_eq(fonte_index_ask(db, &query, NULL, &answer, &error), FONTE_OK, "%s", error.text);
    cr_assert_not(answer->abstained);
    cr_assert_geq(answer->n_citations, 1);
    for (size_t i = 0; i < answer->n_citations; i++) {
        const FonteCitation *c = &answer->citations[i];
        char *slice = NULL;
        size_t n = 0;
        cr_assert_eq(fonte_index_text(db, c->document, c->start, c->end, &slice, &n, &error),
                     FONTE_OK);
        cr_assert_eq(n, c->end - c->start);
        cr_assert_str_eq(slice, c->quote);
        free(slice);
    }
    fonte_answer_free(answer);

    FonteIndexCounts counts;
    cr_assert_eq(fonte_index_counts(db, &counts, &error), FONTE_OK);
    cr_assert_eq(counts.n_documents, 1);
    cr_assert_eq(counts.n_vectors, counts.n_passages);
    cr_assert(counts.embedder[0]);
    cr_assert_eq(fonte_index_settle(db, &error), FONTE_OK, "%s", error.text);
    cr_assert_eq(fonte_index_verify(db, &error), FONTE_OK, "%s", error.text);

    cr_assert_eq(fonte_index_remove(db, id, &error), FONTE_OK);
    cr_assert_eq(fonte_index_remove(db, id, &error), FONTE_NOT_FOUND);
    cr_assert_eq(fonte_index_counts(db, &counts, &error), FONTE_OK);
    cr_assert_eq(counts.n_documents, 0);
}

Test(api_index, same_bytes_are_nothing_new_and_other_bytes_replace) {
    FonteInput input = text_input(llama, "u"), other = text_input("Something else.", "u");
    FonteAddedList *added = NULL;
    cr_assert_eq(fonte_index_add(db, &input, NULL, &error), FONTE_OK);
    cr_assert_eq(fonte_index_add(db, &input, &added, &error), FONTE_OK);
    cr_assert(added->added[0].duplicate);
    fonte_added_free(added);
    cr_assert_eq(fonte_index_add(db, &other, &added, &error), FONTE_OK);
    cr_assert(added->added[0].replaced);
    fonte_added_free(added);
}

Test(api_index, many_are_added_by_any_number_of_threads_in_the_order_of_the_inputs) {
    enum { N = 50 };
    for (unsigned n_threads = 0; n_threads < 80; n_threads = 3 * n_threads + 1) {
        FonteInput inputs[N];
        FonteAddedList *added[N];
        FonteError errors[N];
        char texts[N][64], urls[N][32], title[N][32];
        for (int i = 0; i < N; i++) {
            snprintf(texts[i], sizeof texts[i], "Run %u has text number %d.", n_threads, i);
            snprintf(urls[i], sizeof urls[i], "u%d", i);
            snprintf(title[i], sizeof title[i], "title %d", i);
            inputs[i] = text_input(i % 10 == 3 ? "" : texts[i], urls[i]);
            inputs[i].title = title[i];
        }
        cr_assert_eq(fonte_index_add_many(db, inputs, N, n_threads, added, errors, &error),
                     FONTE_OK, "%s", error.text);
        for (int i = 0; i < N; i++) {
            if (i % 10 == 3) { /* nothing in it */
                cr_assert_null(added[i]);
                cr_assert_neq(errors[i].status, FONTE_OK);
                cr_assert(errors[i].text[0]);
                continue;
            }
            cr_assert_eq(errors[i].status, FONTE_OK);
            cr_assert_eq(added[i]->n_added, 1);
            cr_assert_str_eq(added[i]->added[0].title, title[i]);
            cr_assert_eq(added[i]->added[0].replaced, n_threads > 0);
            fonte_added_free(added[i]);
        }
        cr_assert_eq(fonte_index_add_many(db, inputs, N, n_threads, NULL, NULL, &error), FONTE_OK);
    }
    cr_assert_eq(fonte_index_add_many(db, NULL, 0, 1, NULL, NULL, &error), FONTE_OK);
    cr_assert_eq(fonte_index_verify(db, &error), FONTE_OK, "%s", error.text);
}

Test(api_index, second_writer_is_refused_and_a_reader_is_not) {
    FonteIndex *second = NULL;
    FonteInput input = text_input(llama, "u");
    cr_assert_eq(fonte_index_add(db, &input, NULL, &error), FONTE_OK);
    cr_assert_eq(fonte_index_open(folder, NULL, &second, &error), FONTE_CONFLICT);
    cr_assert_null(second);
    FonteIndexOptions reading = { .read_only = true };
    cr_assert_eq(fonte_index_open(folder, &reading, &second, &error), FONTE_OK, "%s", error.text);
    FonteIndexCounts counts;
    cr_assert_eq(fonte_index_counts(second, &counts, &error), FONTE_OK);
    cr_assert_eq(counts.n_documents, 1);
    cr_assert_neq(fonte_index_add(second, &input, NULL, &error), FONTE_OK);
    fonte_index_close(second);
}

Test(api_index, wrong_use_is_an_error_that_names_the_argument) {
    FonteIndex *none = NULL;
    FontePassages *passages = NULL;
    FonteInput empty = { .n_bytes = 3 };
    char *text = NULL;
    cr_assert_eq(fonte_index_open(NULL, NULL, &none, &error), FONTE_USAGE);
    cr_assert_str_eq(error.param, "folder");
    cr_assert_eq(fonte_index_add(db, NULL, NULL, &error), FONTE_USAGE);
    cr_assert_eq(fonte_index_add(db, &empty, NULL, &error), FONTE_USAGE);
    cr_assert_str_eq(error.param, "bytes");
    cr_assert_eq(fonte_index_search(db, NULL, &passages, &error), FONTE_USAGE);
    cr_assert_eq(fonte_index_search(db, &(FonteQuery){ .text = NULL }, &passages, NULL),
                 FONTE_USAGE);
    cr_assert_eq(fonte_index_text(db, "no-such-id", 0, 10, &text, NULL, &error), FONTE_NOT_FOUND);
    cr_assert_eq(fonte_index_remove(NULL, "x", &error), FONTE_USAGE);
    cr_assert_null(fonte_index_close(NULL));
    cr_assert_null(fonte_answer_free(NULL));
    cr_assert_null(fonte_passages_free(NULL));
    cr_assert_null(fonte_added_free(NULL));
}

Test(api_index, unknown_embedder_and_impossible_folder_are_refused) {
    FonteIndex *none = NULL;
    FonteIndexOptions options = { .embedder = "no-such-embedder" };
    cr_assert_neq(fonte_index_open("/dev/null/x", NULL, &none, &error), FONTE_OK);
    cr_assert_neq(fonte_index_open("/proc/self/fonte", NULL, &none, &error), FONTE_OK);
    char other[64];
    snprintf(other, sizeof other, "%s/other", folder);
    cr_assert_eq(fonte_index_open(other, &options, &none, &error), FONTE_UNSUPPORTED);
    cr_assert_null(none);
}

static void expect_reason(const char *collection, const char *text, const char *reason) {
    FonteAnswer *answer = NULL;
    FonteQuery query = { .text = text, .collection = collection };
    cr_assert_eq(fonte_index_ask(db, &query, NULL, &answer, &error), FONTE_OK, "%s", error.text);
    cr_assert(answer->abstained);
    cr_assert_str_eq(answer->reason, reason);
    fonte_answer_free(answer);
}

Test(api_index, empty_collection_abstains_for_want_of_documents) {
    FonteInput input = text_input(llama, "u");
    expect_reason(NULL, "When was LLaMA 2 released?", "no_documents");
    cr_assert_eq(fonte_index_add(db, &input, NULL, &error), FONTE_OK);
    expect_reason("other", "When was LLaMA 2 released?", "no_documents");
}

Test(api_index, sentences_are_spans_of_the_text) {
    size_t *spans = NULL, n = 0;
    const char *text = "It is Monday. Is it Tuesday? No.";
    cr_assert_eq(fonte_text_sentences(text, strlen(text), "en", &spans, &n, &error), FONTE_OK);
    cr_assert_eq(n, 3);
    cr_assert_eq(strncmp(text + spans[2], "Is it Tuesday?", spans[3] - spans[2]), 0);
    free(spans);
    cr_assert_eq(fonte_text_sentences("\xff", 1, NULL, &spans, &n, &error), FONTE_INVALID);
    cr_assert_eq(fonte_text_sentences(NULL, 0, NULL, &spans, &n, &error), FONTE_OK);
    cr_assert_eq(n, 0);
    free(spans);
}
