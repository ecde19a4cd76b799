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

TestSuite(put, .init = setup, .fini = teardown);

static StorePut add(const char *key, const char *title, const char *text) {
    FixtureDocument f = { .key = key, .title = title, .text = text, .language = "en" };
    StorePut put = { .id = "" };
    cr_assert_eq(fixture_add(store, &f, &put, &err), STATUS_OK, "%s", err.text);
    return put;
}

static void verify(void) {
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
}

Test(put, stores_the_document_and_its_passages_as_slices) {
    StorePut put = add("a", "Energy", "first part\n\nsecond part");
    cr_assert_eq(strlen(put.id), 26);
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument d;
    cr_assert_eq(store_document(store, put.id, &arena, &d, &err), STATUS_OK);
    cr_assert_str_eq(d.title, "Energy");
    cr_assert_eq(d.n_passages, 2);
    cr_assert_eq(d.n_origin_bytes, d.n_text_bytes);
    int64_t ids[] = { put.first_passage + 1, 999, put.first_passage }, *there;
    FontePassage *p;
    size_t n;
    cr_assert_eq(store_passages(store, ids, 3, &arena, &p, &there, &n, &err), STATUS_OK);
    cr_assert_eq(n, 2);
    cr_assert_str_eq(p[0].text, "second part");
    cr_assert_eq(p[0].start, 12);
    cr_assert_eq(there[1], put.first_passage);
    cr_assert_str_eq(p[1].text, "first part");
    verify();
}

Test(put, id_depends_on_collection_and_key_only) {
    StorePut a = add("k", "t", "one");
    FixtureDocument f = { .key = "k", .title = "u", .text = "two", .language = "en" };
    StorePut b;
    cr_assert_eq(fixture_add(store, &f, &b, &err), STATUS_OK);
    cr_assert_str_eq(a.id, b.id);
    f.collection = "other";
    cr_assert_eq(fixture_add(store, &f, &b, &err), STATUS_OK);
    cr_assert_str_neq(a.id, b.id);
    verify();
}

Test(put, same_bytes_and_metadata_change_nothing) {
    StorePut a = add("k", "t", "one two");
    StoreCounts before, after;
    cr_assert_eq(store_counts(store, &before, &err), STATUS_OK);
    FixtureDocument f = { .key = "k", .title = "t", .text = "one two", .language = "en" };
    StorePut b;
    cr_assert_eq(fixture_add(store, &f, &b, &err), STATUS_UNCHANGED);
    cr_assert_str_eq(a.id, b.id);
    cr_assert_eq(store_counts(store, &after, &err), STATUS_OK);
    cr_assert_eq(before.generation, after.generation);
    f.title = "another title";
    cr_assert_eq(fixture_add(store, &f, &b, &err), STATUS_OK);
    cr_assert(b.replaced);
    verify();
}

Test(put, without_key_any_document_with_these_bytes_is_it) {
    StorePut a = add("k", "t", "one two");
    FixtureDocument f = { .key = "", .title = "x", .text = "one two", .language = "en" };
    StorePut b;
    cr_assert_eq(fixture_add(store, &f, &b, &err), STATUS_UNCHANGED);
    cr_assert_str_eq(a.id, b.id);
    f.collection = "other";
    cr_assert_eq(fixture_add(store, &f, &b, &err), STATUS_OK);
    cr_assert_str_neq(a.id, b.id);
}

Test(put, replacing_removes_the_old_passages) {
    StorePut a = add("k", "t", "old words\n\nolder words");
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    FixtureDocument f = { .key = "k", .title = "t", .text = "new words", .language = "en" };
    StorePut b;
    StoreIds removed = { 0 };
    cr_assert_eq(fixture_put(store, &f, 0, "", &b, &removed, &err), STATUS_OK);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    cr_assert(b.replaced);
    cr_assert_eq(removed.n, 2);
    cr_assert_eq(removed.ids[0], a.first_passage);
    cr_assert_eq(removed.ids[1], a.first_passage + 1);
    cr_assert_gt(b.first_passage, a.first_passage + 1);
    free(removed.ids);
    verify();
}

Test(put, replaces_by_id_and_keeps_collection_and_key) {
    StorePut a = add("k", "t", "old words");
    Slice text = SLICE("new words");
    StoreDocument d = { .id = slice_of(a.id), .collection = SLICE("ignored"), .text = text };
    cr_assert_eq(hash_sha256(&text, 1, &d.version, &err), STATUS_OK);
    StorePut b;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_put(store, &d, &b, NULL, &err), STATUS_OK, "%s", err.text);
    d.id = SLICE("00000000000000000000000000");
    cr_assert_eq(store_put(store, &d, &b, NULL, &err), STATUS_NOT_FOUND);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument there;
    cr_assert_eq(store_document(store, a.id, &arena, &there, &err), STATUS_OK);
    cr_assert_str_eq(there.collection, "default");
    cr_assert_eq(there.n_text_bytes, text.n);
    FixtureDocument f = { .key = "k", .title = "", .text = "third", .language = "" };
    cr_assert_eq(fixture_add(store, &f, &b, &err), STATUS_OK);
    cr_assert_str_eq(a.id, b.id);
    verify();
}

Test(put, deleting_leaves_nothing) {
    StorePut a = add("k", "t", "words here\n\nand there");
    StoreIds removed = { 0 };
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_delete(store, a.id, &removed, &err), STATUS_OK);
    cr_assert_eq(store_delete(store, a.id, &removed, &err), STATUS_NOT_FOUND);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    cr_assert_eq(removed.n, 2);
    free(removed.ids);
    StoreCounts counts;
    cr_assert_eq(store_counts(store, &counts, &err), STATUS_OK);
    cr_assert_eq(counts.n_documents, 0);
    cr_assert_eq(counts.n_lexical, 0);
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreCollection *collections;
    size_t n;
    cr_assert_eq(store_collections(store, &arena, &collections, &n, &err), STATUS_OK);
    cr_assert_eq(n, 0);
    verify();
}

Test(put, rolled_back_changes_are_not_there) {
    add("k", "t", "one");
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    FixtureDocument f = { .key = "l", .title = "t", .text = "two", .language = "en" };
    StorePut put;
    cr_assert_eq(fixture_put(store, &f, 0, "", &put, NULL, &err), STATUS_OK);
    store_rollback(store);
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument d;
    cr_assert_eq(store_document(store, put.id, &arena, &d, &err), STATUS_NOT_FOUND);
    StorePut again = add("m", "t", "three");
    cr_assert_eq(again.first_passage, put.first_passage);
    verify();
}

Test(put, refuses_passages_outside_the_text) {
    StorePassage bad[][2] = { { { .start = 0, .end = 6 } },
                              { { .start = 3, .end = 2 } },
                              { { .start = 3, .end = 4 }, { .start = 1, .end = 2 } } };
    Slice text = SLICE("words");
    StoreDocument d = { .collection = SLICE("c"), .key = SLICE("k"), .text = text };
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        d.passages = bad[i];
        d.n_passages = i == 2 ? 2 : 1;
        StorePut put;
        cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_INVALID);
    }
    store_rollback(store);
    verify();
}

Test(put, refuses_metadata_that_is_not_text) {
    StoreDocument d = { .collection = SLICE("c"), .key = SLICE("k"), .title = { "a\0b", 3 } };
    StorePut put;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_INVALID);
    d.title = SLICE("\xff");
    cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_INVALID);
    d.title = SLICE("");
    d.language = SLICE("a-language-that-is-longer-than-any-tag");
    cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_INVALID);
}

Test(put, reads_slices_across_chunks_of_a_large_document) {
    size_t n = 300000;
    AUTO_FREE char *text = mem_alloc(n + 1, 1);
    for (size_t i = 0; i < n; i++) text[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    Slice whole = { text, n }, origin = SLICE("the original"), map = SLICE("map");
    StorePassage passage = { .start = 65530, .end = 131080 };
    StoreDocument d = { .collection = SLICE("c"),
                        .key = SLICE("k"),
                        .text = whole,
                        .origin = origin,
                        .map = map,
                        .passages = &passage,
                        .n_passages = 1 };
    cr_assert_eq(hash_sha256(&origin, 1, &d.version, &err), STATUS_OK);
    StorePut put;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    const size_t cuts[][2] = { { 0, 1 },          { 65535, 65537 },     { 65536, 65536 },
                               { 1000, 299999 },  { 299000, SIZE_MAX }, { n, n + 5 },
                               { 131072, 196608 } };
    for (size_t i = 0; i < N_ELEMENTS(cuts); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        cr_assert_eq(store_read(store, put.id, STORE_TEXT, cuts[i][0], cuts[i][1], &b, &err),
                     STATUS_OK);
        size_t end = MIN(cuts[i][1], n);
        cr_assert(slice_equal(buf_slice(&b), (Slice){ text + cuts[i][0], end - cuts[i][0] }));
    }
    AUTO_BUF Buf b = BUF_NULL;
    cr_assert_eq(store_read(store, put.id, STORE_ORIGIN, 4, 12, &b, &err), STATUS_OK);
    cr_assert_eq(store_read(store, put.id, STORE_MAP, 0, SIZE_MAX, &b, &err), STATUS_OK);
    cr_assert_str_eq(b.p, "originalmap");
    cr_assert_eq(store_read(store, "nobody", STORE_MAP, 0, 1, &b, &err), STATUS_NOT_FOUND);
    verify();
}

Test(put, lists_by_collection_in_pages) {
    for (int i = 0; i < 25; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        FixtureDocument f = {
            .key = key, .title = key, .text = key, .collection = i % 5 ? "a" : "b"
        };
        StorePut put;
        cr_assert_eq(fixture_add(store, &f, &put, &err), STATUS_OK);
    }
    AUTO_ARENA Arena arena = ARENA_NULL;
    size_t seen = 0, n = 0;
    const char *after = "";
    do {
        FonteDocument *page;
        cr_assert_eq(store_list(store, "a", after, 7, &arena, &page, &n, &err), STATUS_OK);
        for (size_t i = 0; i < n; i++) {
            cr_assert_gt(strcmp(page[i].id, after), 0);
            cr_assert_str_eq(page[i].collection, "a");
            after = page[i].id;
        }
        seen += n;
    } while (n == 7);
    cr_assert_eq(seen, 20);
    StoreCollection *c;
    cr_assert_eq(store_collections(store, &arena, &c, &n, &err), STATUS_OK);
    cr_assert_eq(n, 2);
    cr_assert_eq(c[1].n_documents, 5);
    cr_assert_eq(store_list(store, "", "", 100, &arena, &(FonteDocument *){ NULL }, &n, &err),
                 STATUS_OK);
    cr_assert_eq(n, 25);
}

Test(put, a_change_outside_begin_is_refused) {
    StoreDocument d = { .collection = SLICE("c") };
    StorePut put;
    cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_INTERNAL);
    cr_assert_eq(store_delete(store, "x", NULL, &err), STATUS_INTERNAL);
    cr_assert_eq(store_commit(store, &err), STATUS_INTERNAL);
}
