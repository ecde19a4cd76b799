/* A change goes everywhere or nowhere: store, lexical index, vectors, snapshot. */
#include "search_fixture.h"

#include "search/snapshot.h"

TestSuite(search_commit, .init = make_folder, .fini = remove_folder);

static void check_counts(Index *index, size_t n_documents, size_t n_passages) {
    IndexStatus status = status_of(index);
    cr_assert_eq(status.counts.n_documents, n_documents);
    cr_assert_eq(status.counts.n_passages, n_passages);
    cr_assert_eq(status.counts.n_lexical, n_passages);
    cr_assert_eq(status.counts.n_vectors, n_passages);
    cr_assert_eq(status.n_vectors, n_passages);
    verify(index);
}

static size_t count_in_snapshot(void) {
    SnapshotInfo info;
    Vectors *vectors;
    Err err = { 0 };
    cr_assert_eq(snapshot_read(path_of("vectors.fonte"), "hash-1-256", 256, &info, &vectors, &err),
                 STATUS_OK, "%s", err.text);
    size_t n = vectors_count(vectors);
    cr_assert_eq(info.n_vectors, n);
    vectors_free(vectors);
    return n;
}

/* ---- removing ---- */

Test(search_commit, what_is_removed_is_gone_from_everything) {
    Index *index = open_index();
    add_many(index, 30);
    char id[STORE_ID_BYTES];
    add(index, WHALES, "whales", id);
    index_close(index);
    cr_assert_eq(count_in_snapshot(), 31);
    index = open_index();
    Err err = { 0 };
    cr_assert_eq(index_remove(index, id, &err), STATUS_OK, "%s", err.text);
    check_counts(index, 30, 30);
    const FonteSearchMode modes[] = { FONTE_HYBRID, FONTE_LEXICAL, FONTE_VECTOR };
    for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
        FontePassages *found =
            search_query(index, &(FonteQuery){ .text = WHALES, .mode = modes[i], .k = 100 });
        for (size_t j = 0; j < found->n_passages; j++) {
            cr_assert_str_neq(found->passages[j].document, id);
        }
        index_passages_free(found);
    }
    Slice term = SLICE("krill");
    uint64_t df, n;
    cr_assert_eq(index_frequencies(index, &term, 1, &df, &n, &err), STATUS_OK);
    cr_assert_eq(df, 0);
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument document;
    AUTO_BUF Buf bytes = BUF_NULL;
    cr_assert_eq(index_document(index, id, &arena, &document, &err), STATUS_NOT_FOUND);
    cr_assert_eq(index_read(index, id, STORE_TEXT, 0, SIZE_MAX, &bytes, &err), STATUS_NOT_FOUND);
    index_close(index);
    cr_assert_eq(count_in_snapshot(), 30);
}

Test(search_commit, a_document_of_many_passages_goes_whole) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.max_passage_words = 20;
    Index *index = open_with(&options);
    AUTO_BUF Buf text = BUF_NULL;
    for (size_t i = 0; i < 200; i++) {
        char sentence[256];
        numbered_text(i, sentence);
        buf_printf(&text, "%s ", sentence);
    }
    add(index, WHALES, "w", NULL);
    char id[STORE_ID_BYTES];
    add(index, text.p, "long", id);
    IndexStatus status = status_of(index);
    cr_assert_gt(status.n_vectors, 100);
    check_counts(index, 2, status.n_vectors);
    add(index, "Short now.", "long", NULL); /* a new version */
    check_counts(index, 2, 2);
    cr_assert_eq(index_remove(index, id, NULL), STATUS_OK);
    check_counts(index, 1, 1);
    index_close(index);
}

Test(search_commit, everything_may_be_removed_and_added_again) {
    Index *index = open_index();
    for (int round = 0; round < 3; round++) {
        add_many(index, 40);
        check_counts(index, 40, 40);
        for (size_t i = 0; i < 40; i++) {
            char url[32], id[STORE_ID_BYTES];
            snprintf(url, sizeof url, "many-%zu", i);
            cr_assert_eq(store_document_id(SLICE("default"), slice_of(url), id, NULL), STATUS_OK);
            cr_assert_eq(index_remove(index, id, NULL), STATUS_OK);
        }
        check_counts(index, 0, 0);
        cr_assert_eq(count_found(index, &(FonteQuery){ .text = "harbour" }), 0);
    }
    index_close(index);
    index = open_index();
    check_counts(index, 0, 0);
    index_close(index);
}

/* ---- all or nothing ---- */

Test(search_commit, one_that_fails_undoes_the_others_of_its_commit) {
    Index *index = open_index();
    add_many(index, 5);
    IndexPrepared *prepared[3];
    FonteAddedList *added[3] = { NULL };
    const IndexInput inputs[] = {
        { .bytes = SLICE(WHALES), .url = "w" },
        { .bytes = SLICE(PASTA), .id = "00000000000000000000000000" }, /* replaces none */
        { .bytes = SLICE(BRIDGE), .url = "b" },
    };
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(index_prepare(index, &inputs[i], &prepared[i], NULL), STATUS_OK);
    }
    Err err = { 0 };
    cr_assert_eq(index_commit(index, prepared, 3, added, &err), STATUS_NOT_FOUND);
    cr_assert_null(added[0]);
    check_counts(index, 5, 5);
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "krill", .mode = FONTE_LEXICAL }), 0);
    /* and the ones that were right can still be committed */
    IndexPrepared *right[] = { prepared[0], prepared[2] };
    cr_assert_eq(index_commit(index, right, 2, added, &err), STATUS_OK, "%s", err.text);
    check_counts(index, 7, 7);
    for (size_t i = 0; i < 3; i++) {
        index_prepared_free(prepared[i]);
        index_added_free(added[i]);
    }
    index_close(index);
}

Test(search_commit, nothing_to_commit_is_no_error) {
    Index *index = open_index();
    cr_assert_eq(index_commit(index, NULL, 0, NULL, NULL), STATUS_OK);
    cr_assert_eq(index_remove(index, "", NULL), STATUS_NOT_FOUND);
    index_close(index);
}

/* ---- inputs that hold several documents ---- */

static FonteAddedList *add_lines(Index *index, const char *lines) {
    return add_input(index, &(IndexInput){ .bytes = slice_of(lines),
                                           .url = "feed.jsonl",
                                           .mime = "application/x-ndjson" });
}

Test(search_commit, parts_that_an_input_lost_are_removed) {
    Index *index = open_index();
    FonteAddedList *added = add_lines(index, "{\"text\":\"" WHALES "\"}\n{\"text\":\"" BRIDGE
                                             "\"}\n{\"text\":\"" PASTA "\"}\n");
    cr_assert_eq(added->n_added, 3);
    index_added_free(added);
    check_counts(index, 3, 3);
    added = add_lines(index, "{\"text\":\"" WHALES "\"}\n{\"text\":\"The tower is new.\"}\n");
    cr_assert_eq(added->n_added, 2);
    cr_assert(added->added[0].duplicate);
    cr_assert(added->added[1].replaced);
    index_added_free(added);
    check_counts(index, 2, 2);
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "guanciale", .mode = FONTE_LEXICAL }),
                 0);
    FontePassages *found =
        search_query(index, &(FonteQuery){ .text = PASTA, .mode = FONTE_VECTOR });
    for (size_t i = 0; i < found->n_passages; i++) {
        cr_assert_lt(found->passages[i].vector_score, 0.5);
    }
    index_passages_free(found);
    index_close(index);
}

Test(search_commit, a_file_of_several_may_become_one_and_one_several) {
    Index *index = open_index();
    index_added_free(add_lines(index, "{\"text\":\"" WHALES "\"}\n{\"text\":\"" BRIDGE "\"}\n"));
    check_counts(index, 2, 2);
    index_added_free(add_lines(index, "{\"text\":\"" PASTA "\"}\n"));
    check_counts(index, 1, 1);
    index_added_free(add_lines(index, "{\"text\":\"" PASTA "\"}\n{\"text\":\"" BRIDGE "\"}\n"));
    check_counts(index, 2, 2);
    index_close(index);
}

/* Records with a URL of their own stay; they, and what somebody removed, leave no gap behind which
 * parts could hide. */
Test(search_commit, parts_behind_a_gap_are_removed_too) {
    Index *index = open_index();
    index_added_free(add_lines(index, "{\"text\":\"One harbour.\"}\n"
                                      "{\"text\":\"Two violins.\",\"url\":\"https://x.org/2\"}\n"
                                      "{\"text\":\"Three quarries.\"}\n"
                                      "{\"text\":\"Four meadows.\"}\n"
                                      "{\"text\":\"Five turbines.\"}\n"));
    check_counts(index, 5, 5);
    char id[STORE_ID_BYTES];
    cr_assert_eq(store_document_id(SLICE("default"), SLICE("feed.jsonl#3"), id, NULL), STATUS_OK);
    cr_assert_eq(index_remove(index, id, NULL), STATUS_OK);
    index_added_free(add_lines(index, "{\"text\":\"One harbour.\"}\n"));
    check_counts(index, 2, 2);
    const char *gone[] = { "quarries", "meadows", "turbines" };
    for (size_t i = 0; i < N_ELEMENTS(gone); i++) {
        cr_assert_eq(count_found(index, &(FonteQuery){ .text = gone[i], .mode = FONTE_LEXICAL }),
                     0);
    }
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "violins", .mode = FONTE_LEXICAL }), 1);
    index_close(index);
}
