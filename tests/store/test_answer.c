#include "store_fixture.h"

#include <criterion/criterion.h>

static Err err;
static Store *store;

static void setup(void) {
    cr_assert(mkdtemp(fixture_folder));
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err), STATUS_OK,
                 "%s", err.text);
}

static void teardown(void) {
    store = store_close(store);
    fixture_drop();
}

TestSuite(store_answer, .init = setup, .fini = teardown);

static Status put(const char *id, int64_t made_unix_s) {
    StoreAnswer answer = { .id = id,
                           .uid = 1000,
                           .collection = "news",
                           .made_unix_s = made_unix_s,
                           .record = SLICE("{\"confidence\":0.5}") };
    TRY(store_begin(store, &err));
    Status status = store_answer_put(store, &answer, &err);
    if (status == STATUS_OK) return store_commit(store, &err);
    store_rollback(store);
    return status;
}

static void trim(size_t n_most, int64_t oldest_unix_s) {
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_answers_trim(store, n_most, oldest_unix_s, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_commit(store, &err), STATUS_OK, "%s", err.text);
}

static bool is_there(const char *id) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreAnswer answer;
    Status status = store_answer(store, id, &arena, &answer, &err);
    cr_assert(status == STATUS_OK || status == STATUS_NOT_FOUND, "%s", err.text);
    return status == STATUS_OK;
}

Test(store_answer, comes_back_as_it_was_put_and_survives_a_restart) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreAnswer answer;
    cr_assert_eq(put("a1", 7), STATUS_OK, "%s", err.text);
    store = store_close(store);
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err),
                 STATUS_OK);
    cr_assert_eq(store_answer(store, "a1", &arena, &answer, &err), STATUS_OK, "%s", err.text);
    cr_assert_str_eq(answer.id, "a1");
    cr_assert_eq(answer.uid, 1000);
    cr_assert_str_eq(answer.collection, "news");
    cr_assert_eq(answer.made_unix_s, 7);
    cr_assert(slice_equal(answer.record, SLICE("{\"confidence\":0.5}")));
    cr_assert_eq(store_answer(store, "a2", &arena, &answer, &err), STATUS_NOT_FOUND);
    cr_assert(strstr(err.text, "a2"));
}

Test(store_answer, an_id_is_put_once) {
    cr_assert_eq(put("a1", 7), STATUS_OK);
    cr_assert_neq(put("a1", 8), STATUS_OK);
    cr_assert(is_there("a1"));
}

Test(store_answer, the_oldest_are_forgotten_by_number_and_by_time) {
    static const char *const ids[] = { "a0", "a1", "a2", "a3", "a4" };
    for (int i = 0; i < 5; i++) cr_assert_eq(put(ids[i], 100 + i), STATUS_OK);
    trim(3, 0);
    for (int i = 0; i < 5; i++) cr_assert_eq(is_there(ids[i]), i >= 2, "%s", ids[i]);
    trim(100, 103);
    for (int i = 0; i < 5; i++) cr_assert_eq(is_there(ids[i]), i >= 3, "%s", ids[i]);
    trim(0, 0);
    for (int i = 0; i < 5; i++) cr_assert_not(is_there(ids[i]));
    trim(0, 0);
    cr_assert_eq(put("a0", 1), STATUS_OK, "an empty table starts anew");
}

/* What is remembered by generation (tables in memory, the snapshot) stays right. */
Test(store_answer, is_no_change_of_the_documents) {
    StoreCounts before, after;
    FixtureDocument f = { .key = "k", .text = "one two" };
    StorePut added;
    cr_assert_eq(fixture_add(store, &f, &added, &err), STATUS_OK);
    cr_assert_eq(store_counts(store, &before, &err), STATUS_OK);
    cr_assert_eq(put("a1", 7), STATUS_OK);
    trim(0, 0);
    cr_assert_eq(store_counts(store, &after, &err), STATUS_OK);
    cr_assert_eq(before.generation, after.generation);
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
}
