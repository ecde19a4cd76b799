/* Work in the background: nothing of it changes an answer while it is under way, and it ends. */
#include "search_fixture.h"

#include "search/terms_tokenizer.h"

TestSuite(search_maintain, .init = make_folder, .fini = remove_folder);

static IndexOptions with_embedder(const char *embedder) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.embedder = embedder;
    return options;
}

/* ---- the form of the vectors ---- */

Test(search_maintain, many_vectors_become_inverted_lists_and_stay_right) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.flat_max_vectors = 300;
    Index *index = open_with(&options);
    add_many(index, 400);
    settle(index);
    IndexStatus status = status_of(index);
    cr_assert_str_eq(status.vector_kind, "ivf-sq8");
    cr_assert_eq(status.n_vectors, 400);
    add(index, WHALES, "whales", NULL);
    verify(index);
    check_numbered(index, 0, 400, 7);
    FontePassages *found =
        search_query(index, &(FonteQuery){ .text = "largest animal", .mode = FONTE_VECTOR });
    cr_assert_str_eq(found->passages[0].url, "whales");
    index_passages_free(found);
    index_close(index);
    index = open_with(&options); /* from the snapshot */
    cr_assert_str_eq(status_of(index).vector_kind, "ivf-sq8");
    verify(index);
    check_numbered(index, 0, 400, 7);
    index_close(index);
}

/* A setting may ask for lists before there are vectors enough to train them. */
Test(search_maintain, too_few_to_train_on_stay_exact_and_leave_nothing_to_do) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.flat_max_vectors = 0;
    Index *index = open_with(&options);
    add_many(index, 100);
    size_t n_steps = 0;
    while (n_steps < 100 && index_maintain(index, NULL) == STATUS_OK) n_steps++;
    cr_assert_lt(n_steps, 20);
    cr_assert_str_eq(status_of(index).vector_kind, "flat");
    add_numbered(index, 100, 300);
    settle(index);
    cr_assert_str_eq(status_of(index).vector_kind, "ivf-sq8");
    check_numbered(index, 0, 400, 11);
    verify(index);
    index_close(index);
}

Test(search_maintain, lists_are_trained_again_when_they_have_grown_long) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.flat_max_vectors = 256;
    Index *index = open_with(&options);
    add_many(index, 300);
    settle(index);
    for (size_t i = 1; i < 6; i++) add_numbered(index, i * 300, 300);
    settle(index);
    check_numbered(index, 0, 1800, 37);
    verify(index);
    index_close(index);
}

Test(search_maintain, far_over_their_limit_vectors_do_not_wait_for_quiet) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.flat_max_vectors = 70;
    Index *index = open_with(&options);
    add_many(index, 300);
    cr_assert(!index_is_pressed(index), "over the limit: in a quiet moment");
    add_numbered(index, 300, 100);
    cr_assert(index_is_pressed(index), "five times: now");
    cr_assert_eq(index_maintain(index, NULL), STATUS_OK);
    cr_assert_str_eq(status_of(index).vector_kind, "ivf-sq8");
    cr_assert(!index_is_pressed(index));
    for (size_t i = 4; i < 20; i++) add_numbered(index, i * 100, 100);
    cr_assert(index_is_pressed(index), "long lists do not wait either");
    settle(index);
    cr_assert(!index_is_pressed(index));
    check_numbered(index, 0, 2000, 37);
    verify(index);
    index_close(index);
}

/* ---- another embedder ---- */

Test(search_maintain, another_embedder_takes_over_in_the_background) {
    IndexOptions options = with_embedder("hash-1-128");
    Index *index = open_with(&options);
    add_many(index, 400);
    index_close(index);
    options.embedder = "hash-1-192";
    index = open_with(&options);
    IndexStatus status = status_of(index);
    cr_assert_str_eq(status.embedder, "hash-1-128");
    cr_assert_str_eq(status.embedder_building, "hash-1-192");
    cr_assert_eq(status.building_ratio, 0.0);
    Err err = { 0 };
    cr_assert_eq(index_maintain(index, &err), STATUS_OK, "%s", err.text);
    status = status_of(index);
    cr_assert_str_eq(status.embedder, "hash-1-128", "the old one serves");
    cr_assert_float_eq(status.building_ratio, 256.0 / 400.0, 0.001);
    check_numbered(index, 0, 400, 17);
    /* while it is being built: add, replace, remove */
    char id[STORE_ID_BYTES];
    add(index, WHALES, "whales", NULL);
    add(index, BRIDGE, "many-3", id);
    cr_assert_eq(index_remove(index, id, &err), STATUS_OK, "%s", err.text);
    add(index, PASTA, "many-399", NULL);
    verify(index);
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "krill", .mode = FONTE_VECTOR, .k = 1 }),
                 1);
    settle(index);
    status = status_of(index);
    cr_assert_str_eq(status.embedder, "hash-1-192");
    cr_assert_str_eq(status.embedder_building, "");
    cr_assert_eq(status.n_vectors, 400);
    cr_assert_eq(status.counts.n_vectors, 400);
    verify(index);
    check_numbered(index, 4, 390, 17);
    index_close(index);
    index = open_with(&options);
    cr_assert_str_eq(status_of(index).embedder_building, "");
    check_numbered(index, 4, 390, 17);
    verify(index);
    index_close(index);
}

static size_t count_vectors(const char *embedder, size_t dim) {
    StoreOptions options = { .tokenizer = terms_tokenizer() };
    Store *store;
    Err err = { 0 };
    cr_assert_eq(store_open(folder, STORE_READ, &options, &store, &err), STATUS_OK, "%s", err.text);
    int64_t row = 0;
    Status status = store_embedder(store, embedder, dim, &row, NULL);
    StoreUnembedded *list = NULL;
    AUTO_ARENA Arena arena = ARENA_NULL;
    size_t n_without = 0;
    StoreCounts counts;
    cr_assert_eq(store_counts(store, &counts, &err), STATUS_OK);
    if (status == STATUS_OK) {
        cr_assert_eq(store_unembedded(store, row, 0, 10000, &arena, &list, &n_without, &err),
                     STATUS_OK, "%s", err.text);
    }
    store_close(store);
    return status == STATUS_OK ? counts.n_passages - n_without : 0;
}

Test(search_maintain, a_change_of_embedder_goes_on_after_a_restart) {
    IndexOptions options = with_embedder("hash-1-64");
    Index *index = open_with(&options);
    add_many(index, 400);
    index_close(index);
    options.embedder = "hash-1-96";
    index = open_with(&options);
    cr_assert_eq(index_maintain(index, NULL), STATUS_OK);
    index_close(index);
    cr_assert_eq(count_vectors("hash-1-96", 96), 256);
    index = open_with(&options);
    cr_assert_str_eq(status_of(index).embedder, "hash-1-64");
    settle(index);
    cr_assert_str_eq(status_of(index).embedder, "hash-1-96");
    verify(index);
    index_close(index);
    cr_assert_eq(count_vectors("hash-1-64", 64), 0, "the old one's vectors are dropped");
    cr_assert_eq(count_vectors("hash-1-96", 96), 400);
}

Test(search_maintain, a_change_of_embedder_that_is_taken_back_leaves_nothing) {
    IndexOptions options = with_embedder("hash-1-64");
    Index *index = open_with(&options);
    add_many(index, 400);
    index_close(index);
    options.embedder = "hash-1-96";
    index = open_with(&options);
    cr_assert_eq(index_maintain(index, NULL), STATUS_OK);
    index_close(index);
    options.embedder = "hash-1-64";
    index = open_with(&options);
    cr_assert_str_eq(status_of(index).embedder_building, "");
    settle(index);
    check_numbered(index, 0, 400, 19);
    verify(index);
    index_close(index);
    cr_assert_eq(count_vectors("hash-1-96", 96), 0);
}

/* Read before the switch, committed after it: the vectors must be the new embedder's. */
Test(search_maintain, what_was_prepared_for_the_old_embedder_is_embedded_anew) {
    IndexOptions options = with_embedder("hash-1-64");
    Index *index = open_with(&options);
    add_many(index, 10);
    index_close(index);
    options.embedder = "hash-1-96";
    index = open_with(&options);
    IndexPrepared *prepared;
    FonteAddedList *added;
    Err err = { 0 };
    cr_assert_eq(index_prepare(index, &(IndexInput){ .bytes = slice_of(WHALES), .url = "w" },
                               &prepared, &err),
                 STATUS_OK);
    settle(index);
    cr_assert_str_eq(status_of(index).embedder, "hash-1-96");
    cr_assert_eq(index_commit(index, &prepared, 1, &added, &err), STATUS_OK, "%s", err.text);
    index_prepared_free(prepared);
    index_added_free(added);
    verify(index);
    FontePassages *found =
        search_query(index, &(FonteQuery){ .text = WHALES, .mode = FONTE_VECTOR, .k = 1 });
    cr_assert_str_eq(found->passages[0].url, "w");
    cr_assert_gt(found->passages[0].vector_score, 0.97);
    index_passages_free(found);
    index_close(index);
}

Test(search_maintain, a_reader_serves_with_the_embedder_that_the_index_has) {
    IndexOptions options = with_embedder("hash-1-64");
    Index *index = open_with(&options);
    add_many(index, 50);
    index_close(index);
    options.embedder = "hash-1-96";
    options.read_only = true;
    index = open_with(&options);
    cr_assert_str_eq(status_of(index).embedder, "hash-1-64");
    cr_assert_eq(index_maintain(index, NULL), STATUS_UNCHANGED);
    check_numbered(index, 0, 50, 7);
    index_close(index);
}

Test(search_maintain, an_embedder_that_is_not_built_in_is_refused) {
    IndexOptions options = with_embedder("hash-1-+128");
    Index *index;
    Err err = { 0 };
    cr_assert_eq(index_open(folder, &options, NULL, NULL, &index, &err), STATUS_UNSUPPORTED);
    cr_assert_str_eq(err.param, "embedder");
}

/* ---- documents without vectors ---- */

/* As a program without this embedder would have left them. */
static void put_without_vector(const char *text, const char *current, size_t dim) {
    StoreOptions options = { .tokenizer = terms_tokenizer() };
    Store *store;
    Err err = { 0 };
    cr_assert_eq(store_open(folder, STORE_WRITE, &options, &store, &err), STATUS_OK, "%s",
                 err.text);
    StorePassage passage = { .end = strlen(text) };
    StoreDocument document = { .collection = slice_of("default"),
                               .key = slice_of(text),
                               .language = slice_of("en"),
                               .format = slice_of("text"),
                               .text = slice_of(text),
                               .passages = &passage,
                               .n_passages = 1 };
    cr_assert_eq(hash_sha256(&document.text, 1, &document.version, &err), STATUS_OK);
    StorePut put;
    int64_t row;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_put(store, &document, &put, NULL, &err), STATUS_OK, "%s", err.text);
    if (current) {
        cr_assert_eq(store_embedder(store, current, dim, &row, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(store_embedder_set_current(store, row, &err), STATUS_OK, "%s", err.text);
    }
    cr_assert_eq(store_commit(store, &err), STATUS_OK, "%s", err.text);
    store_close(store);
}

Test(search_maintain, passages_without_a_vector_get_one) {
    Index *index = open_index();
    add_many(index, 20);
    index_close(index);
    put_without_vector(WHALES, NULL, 0);
    index = open_index();
    cr_assert_eq(status_of(index).n_vectors, 20);
    cr_assert_str_eq(status_of(index).embedder_building, "", "no other one will serve");
    settle(index);
    cr_assert_eq(status_of(index).n_vectors, 21);
    verify(index);
    check_numbered(index, 0, 20, 3);
    index_close(index);
    index = open_index();
    verify(index);
    index_close(index);
}

Test(search_maintain, an_index_of_an_unknown_embedder_is_embedded_anew) {
    Index *index = open_index();
    add_many(index, 300);
    index_close(index);
    put_without_vector(WHALES, "glove-7", 50);
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.flat_max_vectors = 256;
    index = open_with(&options);
    cr_assert_str_eq(status_of(index).embedder, "hash-1-256");
    cr_assert_eq(count_found(index, &(FonteQuery){ .text = "krill", .mode = FONTE_LEXICAL }), 1,
                 "words are found at once");
    settle(index);
    cr_assert_eq(status_of(index).n_vectors, 301);
    verify(index);
    check_numbered(index, 0, 300, 7);
    index_close(index);
}
