#include "store_fixture.h"

#include <criterion/criterion.h>

static Store *store;
static Err err;

static void setup(void) {
    cr_assert(mkdtemp(fixture_folder));
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err), STATUS_OK,
                 "%s", err.text);
}

static void teardown(void) {
    store = store_close(store);
    fixture_drop();
}

TestSuite(vector, .init = setup, .fini = teardown);

static int64_t embedder(const char *name, size_t dim) {
    int64_t id = 0;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_embedder(store, name, dim, &id, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    return id;
}

static StorePut add(const char *key, const char *text, int64_t with, const char *vector) {
    FixtureDocument f = { .key = key, .text = text, .title = "T", .language = "it" };
    StorePut put = { .id = "" };
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(fixture_put(store, &f, with, vector, &put, NULL, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    return put;
}

typedef struct Seen {
    int64_t ids[16];
    char bytes[16][8];
    size_t n;
} Seen;

static Status take(void *context, int64_t passage, Slice vector) {
    Seen *seen = context;
    if (seen->n == 16) return STATUS_TOO_LARGE;
    seen->ids[seen->n] = passage;
    memcpy(seen->bytes[seen->n], vector.p, MIN(vector.n, (size_t)8));
    seen->n++;
    return STATUS_OK;
}

static Seen all(int64_t of, int64_t after) {
    Seen seen = { .n = 0 };
    cr_assert_eq(store_vectors_each(store, of, after, take, &seen, &err), STATUS_OK, "%s",
                 err.text);
    return seen;
}

static void verify(void) {
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
}

Test(vector, an_embedder_is_one_row_with_one_dimension) {
    int64_t a = embedder("hash-1", 384), b = embedder("other", 8), c = 0;
    cr_assert_neq(a, b);
    cr_assert_eq(store_embedder(store, "hash-1", 384, &c, &err), STATUS_OK);
    cr_assert_eq(a, c);
    cr_assert_eq(store_embedder(store, "hash-1", 385, &c, &err), STATUS_CONFLICT);
    cr_assert_eq(store_embedder(store, "new", 1, &c, &err), STATUS_NOT_FOUND);
}

Test(vector, current_is_none_until_set) {
    int64_t current = 7;
    char name[64] = "x";
    cr_assert_eq(store_embedder_current(store, &current, name, &err), STATUS_OK);
    cr_assert_eq(current, 0);
    cr_assert_str_eq(name, "");
    int64_t a = embedder("hash-1", 384);
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_embedder_set_current(store, a + 9, &err), STATUS_INVALID);
    cr_assert_eq(store_embedder_set_current(store, a, &err), STATUS_OK);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    cr_assert_eq(store_embedder_current(store, &current, name, &err), STATUS_OK);
    cr_assert_eq(current, a);
    cr_assert_str_eq(name, "hash-1");
}

Test(vector, come_in_order_and_go_with_their_document) {
    int64_t a = embedder("hash-1", 2);
    StorePut one = add("a", "x\n\ny", a, "12345678"), two = add("b", "z", a, "abcdefgh");
    Seen seen = all(a, 0);
    cr_assert_eq(seen.n, 3);
    cr_assert_eq(seen.ids[0], one.first_passage);
    cr_assert_eq(seen.ids[2], two.first_passage);
    cr_assert_eq(memcmp(seen.bytes[2], "abcdefgh", 8), 0);
    seen = all(a, one.first_passage + 1);
    cr_assert_eq(seen.n, 1);
    verify();
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_delete(store, one.id, NULL, &err), STATUS_OK);
    cr_assert_eq(store_embedder_set_current(store, a, &err), STATUS_OK);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    cr_assert_eq(all(a, 0).n, 1);
    StoreCounts counts;
    cr_assert_eq(store_counts(store, &counts, &err), STATUS_OK);
    cr_assert_eq(counts.n_vectors, 1);
    verify();
}

Test(vector, passages_without_one_are_embedded_later) {
    int64_t a = embedder("hash-1", 2);
    add("a", "x\n\ny", a, "12345678");
    StorePut later = add("b", "prima parte\n\nseconda parte", 0, "");
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreUnembedded *u;
    size_t n;
    cr_assert_eq(store_unembedded(store, a, 0, 10, &arena, &u, &n, &err), STATUS_OK);
    cr_assert_eq(n, 2);
    cr_assert_eq(u[0].passage, later.first_passage);
    cr_assert(slice_equal(u[1].text, SLICE("seconda parte")));
    cr_assert(slice_equal(u[1].title, SLICE("T")));
    cr_assert_str_eq(u[1].language, "it");
    cr_assert_eq(store_unembedded(store, a, 0, 1, &arena, &u, &n, &err), STATUS_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(store_unembedded(store, a, later.first_passage, 9, &arena, &u, &n, &err),
                 STATUS_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    for (int twice = 0; twice < 2; twice++) {
        cr_assert_eq(store_vector_put(store, a, later.first_passage, SLICE("vvvvvvvv"), &err),
                     STATUS_OK);
    }
    cr_assert_eq(store_vector_put(store, a, 4711, SLICE("vvvvvvvv"), &err), STATUS_OK);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    cr_assert_eq(all(a, 0).n, 3);
    verify();
}

Test(vector, others_are_dropped_in_steps) {
    int64_t a = embedder("old", 2), b = embedder("new", 2);
    for (int i = 0; i < 5; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        StorePut put = add(key, key, a, "12345678");
        cr_assert_eq(store_begin(store, &err), STATUS_OK);
        cr_assert_eq(store_vector_put(store, b, put.first_passage, SLICE("abcdefgh"), &err),
                     STATUS_OK);
        cr_assert_eq(store_commit(store, &err), STATUS_OK);
    }
    int steps = 0;
    for (Status status = STATUS_OK; status == STATUS_OK; steps++) {
        cr_assert_eq(store_begin(store, &err), STATUS_OK);
        status = store_vectors_drop_others(store, b, 2, &err);
        cr_assert(status == STATUS_OK || status == STATUS_UNCHANGED);
        cr_assert_eq(store_commit(store, &err), STATUS_OK);
        verify();
        cr_assert_lt(steps, 10);
    }
    cr_assert_eq(all(a, 0).n, 0);
    cr_assert_eq(all(b, 0).n, 5);
}

Test(vector, bad_rows_are_refused) {
    Seen seen = { .n = 0 };
    cr_assert_eq(store_vectors_each(store, 0, 0, take, &seen, &err), STATUS_INVALID);
    cr_assert_eq(store_vectors_each(store, INT64_MAX, 0, take, &seen, &err), STATUS_INVALID);
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    FixtureDocument f = { .key = "a", .text = "x" };
    StorePut put;
    cr_assert_eq(fixture_put(store, &f, 99, "12345678", &put, NULL, &err), STATUS_INVALID);
    store_rollback(store);
    verify();
}
