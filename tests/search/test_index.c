/* The index as its callers see it: documents in, passages out, nothing left behind. */
#include "search_fixture.h"

TestSuite(search_index, .init = make_folder, .fini = remove_folder);

Test(search_index, what_was_added_is_found_with_its_source) {
    Index *index = open_index();
    char id[STORE_ID_BYTES];
    add(index, WHALES, "https://example.org/whales", id);
    add(index, BRIDGE, "https://example.org/bridge", NULL);
    FontePassages *found = search(index, "What is the largest animal?");
    cr_assert_geq(found->n_passages, 1);
    cr_assert_str_eq(found->passages[0].document, id);
    cr_assert_str_eq(found->passages[0].url, "https://example.org/whales");
    cr_assert_str_eq(found->passages[0].text, WHALES);
    cr_assert_eq(found->passages[0].lexical_rank, 1);
    cr_assert_eq(found->passages[0].vector_rank, 1);
    cr_assert_eq(found->passages[0].origin_start, 0);
    cr_assert_str_eq(found->language, "en");
    index_passages_free(found);
    verify(index);
    index_close(index);
}

Test(search_index, is_the_same_after_it_was_closed_and_opened) {
    Index *index = open_index();
    add(index, WHALES, "u1", NULL);
    add(index, PASTA, "u2", NULL);
    index_close(index);
    index = open_index();
    verify(index);
    FontePassages *found = search(index, "Come si prepara la carbonara?");
    cr_assert_str_eq(found->passages[0].url, "u2");
    index_passages_free(found);
    index_close(index);
}

Test(search_index, finds_a_misspelt_word_by_vector) {
    Index *index = open_index();
    add(index, WHALES, "u1", NULL);
    add(index, BRIDGE, "u2", NULL);
    FontePassages *found = search(index, "Brookklyn Brdige");
    cr_assert_geq(found->n_passages, 1);
    cr_assert_str_eq(found->passages[0].url, "u2");
    index_passages_free(found);
    index_close(index);
}

Test(search_index, removing_takes_a_document_out_of_everything) {
    Index *index = open_index();
    char id[STORE_ID_BYTES];
    add(index, WHALES, "u1", id);
    add(index, BRIDGE, "u2", NULL);
    Err err = { 0 };
    cr_assert_eq(index_remove(index, id, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(index_remove(index, id, &err), STATUS_NOT_FOUND);
    FontePassages *found = search(index, "largest animal blue whale");
    for (size_t i = 0; i < found->n_passages; i++) {
        cr_assert_str_neq(found->passages[i].document, id);
    }
    index_passages_free(found);
    IndexStatus status;
    cr_assert_eq(index_status(index, &status, &err), STATUS_OK);
    cr_assert_eq(status.n_vectors, 1);
    cr_assert_eq(status.counts.n_passages, 1);
    verify(index);
    index_close(index);
}

Test(search_index, the_same_bytes_again_are_a_duplicate) {
    Index *index = open_index();
    add(index, WHALES, NULL, NULL);
    FonteAddedList *added =
        add_input(index, &(IndexInput){ .bytes = slice_of(WHALES), .name = "b.txt" });
    cr_assert(added->added[0].duplicate);
    index_added_free(added);
    IndexStatus status;
    cr_assert_eq(index_status(index, &status, NULL), STATUS_OK);
    cr_assert_eq(status.counts.n_documents, 1);
    verify(index);
    index_close(index);
}

Test(search_index, a_new_version_takes_the_place_of_the_old) {
    Index *index = open_index();
    char id[STORE_ID_BYTES];
    add(index, WHALES, "u1", id);
    FonteAddedList *added =
        add_input(index, &(IndexInput){ .bytes = slice_of(PASTA), .url = "u1", .name = "a.txt" });
    cr_assert(added->added[0].replaced);
    cr_assert_str_eq(added->added[0].id, id);
    index_added_free(added);
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "krill", .mode = FONTE_LEXICAL }), 0);
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "guanciale", .mode = FONTE_LEXICAL }),
                 1);
    verify(index);
    index_close(index);
}

Test(search_index, versions_of_one_document_in_one_commit_leave_the_last) {
    Index *index = open_index();
    IndexPrepared *prepared[2];
    const char *texts[] = { WHALES, BRIDGE };
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(index_prepare(index, &(IndexInput){ .bytes = slice_of(texts[i]), .url = "u" },
                                   &prepared[i], NULL),
                     STATUS_OK);
        cr_assert_gt(index_prepared_bytes(prepared[i]), strlen(texts[i]));
    }
    FonteAddedList *added[2];
    Err err = { 0 };
    cr_assert_eq(index_commit(index, prepared, 2, added, &err), STATUS_OK, "%s", err.text);
    cr_assert(added[1]->added[0].replaced);
    for (size_t i = 0; i < 2; i++) {
        index_prepared_free(prepared[i]);
        index_added_free(added[i]);
    }
    verify(index);
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "krill", .mode = FONTE_LEXICAL }), 0);
    index_close(index);
}

Test(search_index, near_duplicates_are_folded_and_counted) {
    Index *index = open_index();
    add(index, BRIDGE " It was designed by John Roebling, who died before it was built.", "u1",
        NULL);
    add(index, BRIDGE " It was designed by John Roebling, who died before it was built!", "u2",
        NULL);
    add(index, WHALES, "u3", NULL);
    FontePassages *found = search(index, "Who designed the Brooklyn Bridge?");
    cr_assert_eq(found->passages[0].n_folded, 1);
    size_t n_bridges = 0;
    for (size_t i = 0; i < found->n_passages; i++) {
        n_bridges += strstr(found->passages[i].text, "Roebling") != NULL;
    }
    cr_assert_eq(n_bridges, 1);
    index_passages_free(found);
    index_close(index);
}

Test(search_index, filters_act_before_ranking) {
    Index *index = open_index();
    for (int i = 0; i < 300; i++) {
        char text[200], url[32];
        snprintf(text, sizeof text,
                 "Whale whale whale report number %d: whales were seen near port %d.", i, i * 7);
        snprintf(url, sizeof url, "w%d", i);
        index_added_free(add_input(
            index, &(IndexInput){ .bytes = slice_of(text), .url = url, .date = "2020-05-05" }));
    }
    const char *late = "A long text about many other things, gardens, music and also one whale.";
    index_added_free(add_input(
        index, &(IndexInput){ .bytes = slice_of(late), .url = "late", .date = "2023-07-18" }));
    FonteSearchMode modes[] = { FONTE_HYBRID, FONTE_LEXICAL, FONTE_VECTOR };
    for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
        FontePassages *found = search_query(
            index, &(FonteQuery){ .text = "whale",
                                  .mode = modes[i],
                                  .filters = { .date_from = "2023", .date_to = "2023" } });
        cr_assert_eq(found->n_passages, 1, "mode %zu: %zu", i, found->n_passages);
        cr_assert_str_eq(found->passages[0].url, "late");
        index_passages_free(found);
    }
    index_close(index);
}

Test(search_index, collections_do_not_see_each_other) {
    Index *index = open_index();
    index_added_free(
        add_input(index, &(IndexInput){ .bytes = slice_of(WHALES), .collection = "sea" }));
    index_added_free(
        add_input(index, &(IndexInput){ .bytes = slice_of(BRIDGE), .collection = "land" }));
    FontePassages *found = search_query(
        index, &(FonteQuery){ .text = "blue whale krill bridge river", .collection = "land" });
    cr_assert_eq(found->n_passages, 1);
    cr_assert_str_eq(found->passages[0].text, BRIDGE);
    index_passages_free(found);
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "whale", .collection = "sky" }), 0);
    index_close(index);
}

Test(search_index, wrong_input_is_refused_by_name) {
    Index *index = open_index();
    const struct {
        IndexInput input;
        const char *param;
    } rows[] = {
        { { .bytes = SLICE("x"), .collection = "No Good" }, "collection" },
        { { .bytes = SLICE("x"), .collection = "" }, "collection" },
        { { .bytes = SLICE("x"), .date = "the other day" }, "date" },
        { { .bytes = SLICE("x"), .language = "klingonish" }, "lang" },
        { { .bytes = SLICE("x"), .title = "a\nb" }, "title" },
        { { .bytes = SLICE("x"), .url = "\xff" }, "url" },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        FonteAddedList *added;
        Err err = { 0 };
        cr_assert_lt(index_add(index, &rows[i].input, &added, &err), 0, "row %zu", i);
        cr_assert_str_eq(err.param, rows[i].param, "row %zu: %s", i, err.text);
    }
    const char *questions[] = { "", "   ", "\xc3" };
    for (size_t i = 0; i < N_ELEMENTS(questions); i++) {
        FontePassages *found;
        Err err = { 0 };
        FonteQuery query = { .text = questions[i] };
        cr_assert_eq(index_search(index, &query, NULL, NULL, &found, &err), STATUS_INVALID);
        cr_assert_str_eq(err.param, "question");
    }
    index_close(index);
}

static bool always(void *context) {
    (void)context;
    return true;
}

Test(search_index, a_cancelled_search_says_so) {
    Index *index = open_index();
    add(index, WHALES, NULL, NULL);
    FontePassages *found;
    cr_assert_eq(index_search(index, &(FonteQuery){ .text = "whale" }, always, NULL, &found, NULL),
                 STATUS_CANCELLED);
    index_close(index);
}

Test(search_index, a_second_writer_is_refused_and_a_reader_is_not) {
    Index *index = open_index();
    add(index, WHALES, NULL, NULL);
    Index *other = NULL;
    Err err = { 0 };
    cr_assert_eq(index_open(folder, NULL, NULL, NULL, &other, &err), STATUS_CONFLICT);
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.read_only = true;
    other = open_with(&options);
    cr_assert_eq(count_found(other, &(FonteQuery){ .text = "krill" }), 1);
    FonteAddedList *added;
    cr_assert_eq(index_add(other, &(IndexInput){ .bytes = SLICE("x") }, &added, &err),
                 STATUS_DENIED);
    index_close(other);
    index_close(index);
}
