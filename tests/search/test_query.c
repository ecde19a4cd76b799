/* Searches: filters before ranking, repeats folded, limits, cancelling, in every mode. */
#include "search_fixture.h"

#include "search/index_internal.h"

TestSuite(search_query, .init = make_folder, .fini = remove_folder);

static const FonteSearchMode modes[] = { FONTE_HYBRID, FONTE_LEXICAL, FONTE_VECTOR };

/* ---- filters ---- */

/* One document among many that match the question better, and a filter that only it passes. */
typedef struct FilterRow {
    IndexInput decoy, target; /* all but bytes and url */
    FonteQuery query;         /* all but text and mode */
} FilterRow;

static const FilterRow filter_rows[] = {
    { { .collection = "sea" }, { .collection = "land" }, { .collection = "land" } },
    { { .language = "it" }, { .language = "en" }, { .filters = { .language = "en" } } },
    { { .source = "The Wire" }, { .source = "Gazette" }, { .filters = { .source = "gazette" } } },
    { { .date = "2020-05-05" },
      { .date = "2023-07-18" },
      { .filters = { .date_from = "2023-07", .date_to = "2023-07" } } },
    { { .date = "2020-05-05" },
      { .date = "2023-07-18" },
      { .filters = { .date_from = "2023-07-18" } } },
    { { .date = "2020-05-05" }, { .date = "1999-12-31" }, { .filters = { .date_to = "1999-12" } } },
    { { .date = "2020-05-05", .source = "Wire" },
      { .date = "2023-07-18", .source = "Wire" },
      { .filters = { .date_from = "2023", .source = "WIRE", .language = "en" } } },
};

#define FAR "A long text about many other things, gardens, music, bread and also one whale."

static void add_decoys(Index *index, const IndexInput *like, size_t n) {
    IndexPrepared *prepared[400];
    FonteAddedList *added[400];
    for (size_t i = 0; i < n; i++) {
        char text[200], url[32];
        snprintf(text, sizeof text,
                 "Whale whale whale report number %zu: whales were seen near port %zu.", i, i * 7);
        snprintf(url, sizeof url, "decoy-%zu", i);
        IndexInput input = *like;
        input.bytes = slice_of(text);
        input.url = url;
        if (!input.language) input.language = "en";
        cr_assert_eq(index_prepare(index, &input, &prepared[i], NULL), STATUS_OK);
    }
    Err err = { 0 };
    cr_assert_eq(index_commit(index, prepared, n, added, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < n; i++) {
        index_prepared_free(prepared[i]);
        index_added_free(added[i]);
    }
}

static void check_filter(const FilterRow *row, const IndexOptions *options) {
    make_folder();
    Index *index = open_with(options);
    add_decoys(index, &row->decoy, 400);
    IndexInput target = row->target;
    target.bytes = slice_of(FAR);
    target.url = "target";
    if (!target.language) target.language = "en";
    index_added_free(add_input(index, &target));
    settle(index);
    for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
        FonteQuery query = row->query;
        query.text = "whale";
        query.mode = modes[i];
        query.language = "en";
        FontePassages *found = search_query(index, &query);
        cr_assert_eq(found->n_passages, 1, "row %d, mode %zu: %zu", (int)(row - filter_rows), i,
                     found->n_passages);
        cr_assert_str_eq(found->passages[0].url, "target");
        index_passages_free(found);
    }
    index_close(index);
    remove_folder();
}

Test(search_query, filters_act_before_ranking_in_every_mode) {
    remove_folder();
    for (size_t i = 0; i < N_ELEMENTS(filter_rows); i++) check_filter(&filter_rows[i], NULL);
    make_folder();
}

Test(search_query, filters_act_before_ranking_in_inverted_lists_too) {
    remove_folder();
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.flat_max_vectors = 300;
    for (size_t i = 0; i < N_ELEMENTS(filter_rows); i++) check_filter(&filter_rows[i], &options);
    make_folder();
}

Test(search_query, a_filter_that_nothing_passes_finds_nothing) {
    Index *index = open_index();
    add_many(index, 50);
    const FonteFilters filters[] = { { .language = "fi" },
                                     { .source = "nobody" },
                                     { .date_from = "2999" } };
    for (size_t i = 0; i < N_ELEMENTS(filters); i++) {
        for (size_t j = 0; j < N_ELEMENTS(modes); j++) {
            FonteQuery query = { .text = "harbour", .filters = filters[i], .mode = modes[j] };
            cr_assert_eq(count_found(index, &query), 0);
        }
    }
    index_close(index);
}

/* ---- near-duplicates ---- */

Test(search_query, however_many_repeats_there_are_others_come_through) {
    Index *index = open_index();
    for (int i = 0; i < 60; i++) {
        char text[300], url[32];
        snprintf(
            text, sizeof text,
            "The whale was seen at noon by the crew of the ship, who wrote it into the log and "
            "told the harbour master of the town about it on the evening of day %d.",
            i);
        snprintf(url, sizeof url, "repeat-%d", i);
        add(index, text, url, NULL);
    }
    add(index, "A whale is a mammal.", "mammal", NULL);
    add(index, "Old maps show a whale where nobody had been.", "maps", NULL);
    for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
        FontePassages *found = search_query(index, &(FonteQuery){ .text = "whale seen by the crew",
                                                                  .k = 3,
                                                                  .mode = modes[i],
                                                                  .language = "en" });
        cr_assert_eq(found->n_passages, 3, "mode %zu", i);
        bool mammal = false, maps = false;
        for (size_t j = 0; j < 3; j++) {
            mammal = mammal || strcmp(found->passages[j].url, "mammal") == 0;
            maps = maps || strcmp(found->passages[j].url, "maps") == 0;
            if (strncmp(found->passages[j].url, "repeat", 6) == 0) {
                cr_assert_gt(found->passages[j].n_folded, 20);
            } else {
                cr_assert_eq(found->passages[j].n_folded, 0);
            }
        }
        cr_assert(mammal && maps);
        index_passages_free(found);
    }
    index_close(index);
}

/* Two collections may hold the same text: what is folded is what the search could see. */
Test(search_query, a_repeat_in_another_collection_is_not_counted) {
    Index *index = open_index();
    index_added_free(
        add_input(index, &(IndexInput){ .bytes = slice_of(WHALES), .collection = "a" }));
    index_added_free(
        add_input(index, &(IndexInput){ .bytes = slice_of(WHALES), .collection = "b" }));
    FontePassages *found = search_query(index, &(FonteQuery){ .text = "krill", .collection = "a" });
    cr_assert_eq(found->n_passages, 1);
    cr_assert_eq(found->passages[0].n_folded, 0);
    index_passages_free(found);
    index_close(index);
}

/* ---- what comes back ---- */

Test(search_query, scores_fall_from_at_most_1_and_are_above_0) {
    Index *index = open_index();
    add_many(index, 300);
    add(index, WHALES, "whales", NULL);
    for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
        FontePassages *found =
            search_query(index, &(FonteQuery){ .text = "the harbour beside the treaty of region 62",
                                               .k = 50,
                                               .mode = modes[i] });
        cr_assert_gt(found->n_passages, 10);
        double before = 1;
        for (size_t j = 0; j < found->n_passages; j++) {
            const FontePassage *p = &found->passages[j];
            cr_assert_leq(p->score, before);
            cr_assert_gt(p->score, 0);
            before = p->score;
            cr_assert_eq(p->lexical_rank == 0, p->lexical_score <= 0);
            cr_assert_eq(p->vector_rank == 0, p->vector_score <= 0);
            if (modes[i] == FONTE_LEXICAL) cr_assert_eq(p->vector_rank, 0);
            if (modes[i] == FONTE_VECTOR) cr_assert_eq(p->lexical_rank, 0);
        }
        index_passages_free(found);
    }
    index_close(index);
}

Test(search_query, as_many_as_asked_for_and_eight_if_nobody_says) {
    Index *index = open_index();
    add_many(index, 200);
    const size_t ks[] = { 0, 1, 2, 50, 150, 1000 }, expected[] = { 8, 1, 2, 50, 150, 200 };
    for (size_t i = 0; i < N_ELEMENTS(ks); i++) {
        FontePassages *found =
            search_query(index, &(FonteQuery){ .text = "region number beside", .k = ks[i] });
        cr_assert_leq(found->n_passages, expected[i]);
        cr_assert_geq(found->n_passages, expected[i] * 3 / 4, "%zu of %zu", found->n_passages,
                      ks[i]);
        index_passages_free(found);
    }
    index_close(index);
}

Test(search_query, the_same_question_has_the_same_answer) {
    Index *index = open_index();
    add_many(index, 300);
    FonteQuery query = { .text = "which lantern lies beside the orchid?", .k = 20 };
    FontePassages *first = search_query(index, &query);
    for (int i = 0; i < 5; i++) {
        FontePassages *again = search_query(index, &query);
        cr_assert_eq(again->n_passages, first->n_passages);
        for (size_t j = 0; j < first->n_passages; j++) {
            cr_assert_str_eq(again->passages[j].document, first->passages[j].document);
            cr_assert_eq(again->passages[j].score, first->passages[j].score);
        }
        index_passages_free(again);
    }
    index_passages_free(first);
    index_close(index);
}

Test(search_query, a_language_that_is_given_wins_over_the_guess) {
    Index *index = open_index();
    add(index, PASTA, "p", NULL);
    FontePassages *found =
        search_query(index, &(FonteQuery){ .text = "carbonara pepe", .language = "ita" });
    cr_assert_str_eq(found->language, "it");
    index_passages_free(found);
    index_close(index);
}

Test(search_query, what_cannot_be_asked_is_refused_by_name) {
    Index *index = open_index();
    const struct {
        FonteQuery query;
        Status status;
        const char *param;
    } rows[] = {
        { { .text = "x", .k = INDEX_MAX_PASSAGES + 1 }, STATUS_TOO_LARGE, "k" },
        { { .text = "x", .language = "klingonish" }, STATUS_INVALID, "language" },
        { { .text = "x", .collection = "No" }, STATUS_INVALID, "collection" },
        { { .text = "\xed\xa0\x80" }, STATUS_INVALID, "question" },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        FontePassages *found = NULL;
        Err err = { 0 };
        cr_assert_eq(index_search(index, &rows[i].query, NULL, NULL, &found, &err), rows[i].status,
                     "row %zu: %s", i, err.text);
        cr_assert_str_eq(err.param, rows[i].param);
        cr_assert_null(found);
    }
    char *longest = malloc(INDEX_QUESTION_MAX_BYTES + 2);
    memset(longest, 'a', INDEX_QUESTION_MAX_BYTES + 1);
    longest[INDEX_QUESTION_MAX_BYTES + 1] = '\0';
    FontePassages *found = NULL;
    Err err = { 0 };
    FonteQuery query = { .text = longest };
    cr_assert_eq(index_search(index, &query, NULL, NULL, &found, &err), STATUS_TOO_LARGE);
    longest[INDEX_QUESTION_MAX_BYTES] = '\0';
    cr_assert_eq(index_search(index, &query, NULL, NULL, &found, &err), STATUS_OK, "%s", err.text);
    index_passages_free(found);
    free(longest);
    index_close(index);
}

/* Text is data: nothing in a question is an operator. */
Test(search_query, a_question_is_never_a_query_language) {
    Index *index = open_index();
    add(index, WHALES, "w", NULL);
    const char *questions[] = { "\"",     "krill AND",           "NEAR(krill)", "krill*",
                                "-krill", "title:krill OR 1=1",  "^krill",      "' OR ''='",
                                "%s%n",   "krill) UNION SELECT", "{krill}" };
    for (size_t i = 0; i < N_ELEMENTS(questions); i++) {
        FontePassages *found = search(index, questions[i]);
        cr_assert_eq(found->n_passages, strstr(questions[i], "krill") != NULL, "%s", questions[i]);
        index_passages_free(found);
    }
    index_close(index);
}

/* ---- while other things go on ---- */

static bool after_some(void *context) {
    size_t *n = context;
    return (*n)-- == 0;
}

Test(search_query, may_be_cancelled_at_every_stage) {
    Index *index = open_index();
    add_many(index, 100);
    size_t n_cancelled = 0;
    for (size_t stage = 0; stage < 20; stage++) {
        size_t left = stage;
        FontePassages *found = NULL;
        Status status = index_search(index, &(FonteQuery){ .text = "harbour" }, after_some, &left,
                                     &found, NULL);
        if (status == STATUS_OK) {
            index_passages_free(found);
            break;
        }
        cr_assert_eq(status, STATUS_CANCELLED);
        cr_assert_null(found);
        n_cancelled++;
    }
    cr_assert_geq(n_cancelled, 3);
    cr_assert_lt(n_cancelled, 20);
    cr_assert_gt(count_found(index, &(FonteQuery){ .text = "harbour" }), 0);
    index_close(index);
}

/* Memory may be a moment ahead of the commit that a search reads. */
Test(search_query, a_vector_whose_passage_is_not_there_is_left_out) {
    Index *index = open_index();
    add_many(index, 20);
    Embedder *embedder = index->live.embedder->embedder;
    void *scratch = embedder->new_scratch(embedder);
    float x[256];
    EmbedText text = { .text = SLICE("a passage that is not committed yet"), .language = "" };
    cr_assert_eq(embedder->embed(embedder, scratch, &text, x, NULL), STATUS_OK);
    embedder->free_scratch(scratch);
    const int64_t id = 999;
    cr_assert_eq(vectors_add(index->live.vectors, &id, x, 1, NULL), STATUS_OK);
    FontePassages *found =
        search_query(index, &(FonteQuery){ .text = "a passage that is not committed yet",
                                           .mode = FONTE_VECTOR });
    for (size_t i = 0; i < found->n_passages; i++) {
        cr_assert_lt(found->passages[i].vector_score, 0.9);
    }
    index_passages_free(found);
    index_close(index);
}

Test(search_query, frequencies_are_those_of_the_lexical_index) {
    Index *index = open_index();
    add(index, WHALES, "w", NULL);
    add(index, BRIDGE, "b", NULL);
    add(index, "Whales are found in every ocean.", "o", NULL);
    const Slice terms[] = { SLICE("whale"), SLICE("brooklyn"), SLICE("unicorn") };
    uint64_t df[3], n;
    Err err = { 0 };
    cr_assert_eq(index_frequencies(index, terms, 3, df, &n, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(n, 3);
    cr_assert_eq(df[0], 2);
    cr_assert_eq(df[1], 1);
    cr_assert_eq(df[2], 0);
    index_close(index);
}
