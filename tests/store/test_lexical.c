#include "store_fixture.h"

#include <criterion/criterion.h>
#include <math.h>

static Store *store;
static Err err;
static Arena arena;

static void setup(void) {
    cr_assert(mkdtemp(fixture_folder));
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err), STATUS_OK,
                 "%s", err.text);
}

static void teardown(void) {
    arena_deinit(&arena);
    store = store_close(store);
    fixture_drop();
}

TestSuite(lexical, .init = setup, .fini = teardown);

static int64_t add(const char *key, const char *text) {
    FixtureDocument f = { .key = key, .text = text, .language = "en" };
    StorePut put = { .id = "" };
    cr_assert_eq(fixture_add(store, &f, &put, &err), STATUS_OK, "%s", err.text);
    return put.first_passage;
}

static size_t find_in(Store *in, const char *question, const StoreScope *scope, size_t k,
                      StoreHit **hits) {
    size_t n;
    cr_assert_eq(store_lexical(in, slice_of(question), "en", scope, k, &arena, hits, &n, &err),
                 STATUS_OK, "%s", err.text);
    return n;
}

static size_t find(const char *question, size_t k, StoreHit **hits) {
    StoreScope scope = { .collection = "default" };
    return find_in(store, question, &scope, k, hits);
}

Test(lexical, scores_are_bm25) {
    int64_t a = add("a", "red fish red boat"), b = add("b", "blue fish"),
            c = add("c", "green tree");
    StoreHit *hits;
    cr_assert_eq(find("the red fish", 10, &hits), 2);
    cr_assert_eq(hits[0].passage, a);
    cr_assert_eq(hits[1].passage, b);
    double average = 8.0 / 3, idf_red = log(1 + 2.5 / 1.5), idf_fish = log(1 + 1.5 / 2.5);
    double norm_a = 1.2 * (0.25 + 0.75 * 4 / average), norm_b = 1.2 * (0.25 + 0.75 * 2 / average);
    double want_a = idf_red * 2 * 2.2 / (2 + norm_a) + idf_fish * 2.2 / (1 + norm_a);
    cr_assert_float_eq(hits[0].score, want_a, 1e-5);
    cr_assert_float_eq(hits[1].score, idf_fish * 2.2 / (1 + norm_b), 1e-5);
    cr_assert_eq(find("tree", 10, &hits), 1);
    cr_assert_eq(hits[0].passage, c);
}

static bool always_parts(const char *language) {
    return strcmp(language, "en") == 0;
}

/* Overlapping parts of one phrase are not as much evidence as they are many. */
Test(lexical, parts_of_words_are_weighed_by_the_square_of_idf) {
    StoreTokenizer tokenizer = fixture_tokenizer;
    tokenizer.has_parts = always_parts;
    StoreOptions options = { .tokenizer = &tokenizer };
    add("a", "red fish red boat");
    add("b", "blue fish");
    add("c", "green tree");
    Store *other;
    cr_assert_eq(store_open(fixture_folder, STORE_READ, &options, &other, &err), STATUS_OK, "%s",
                 err.text);
    StoreScope scope = { .collection = "default" };
    const Slice terms[] = { SLICE("red"), SLICE("fish"), SLICE("nowhere") };
    double idf[3], square[3];
    cr_assert_eq(store_weights(store, terms, 3, "en", &scope, idf, &err), STATUS_OK);
    cr_assert_float_eq(idf[0], log(1 + 2.5 / 1.5), 1e-9);
    cr_assert_float_eq(idf[2], log(1 + 3.5 / 0.5), 1e-9);
    cr_assert_eq(store_weights(other, terms, 3, "en", &scope, square, &err), STATUS_OK);
    for (size_t i = 0; i < 3; i++) cr_assert_float_eq(square[i], idf[i] * idf[i], 1e-9);
    cr_assert_eq(store_weights(other, terms, 3, "it", &scope, square, &err), STATUS_OK);
    for (size_t i = 0; i < 3; i++) cr_assert_float_eq(square[i], idf[i], 1e-9);
    StoreHit *words, *parts;
    cr_assert_eq(find("tree", 10, &words), 1);
    cr_assert_eq(find_in(other, "tree", &scope, 10, &parts), 1);
    cr_assert_float_eq(parts[0].score, words[0].score * log(1 + 2.5 / 1.5), 1e-4);
    store_close(other);
}

Test(lexical, finds_by_stem_and_prefers_the_exact_form) {
    int64_t one = add("a", "an election now"), many = add("b", "the elections now");
    StoreHit *hits;
    cr_assert_eq(find("elections", 10, &hits), 2);
    cr_assert_eq(hits[0].passage, many);
    cr_assert_eq(find("election", 10, &hits), 2);
    cr_assert_eq(hits[0].passage, one, "equal scores: the smaller id");
}

Test(lexical, title_words_count) {
    FixtureDocument f = { .key = "k", .title = "Zebra", .text = "nothing of it", .language = "en" };
    StorePut put;
    cr_assert_eq(fixture_add(store, &f, &put, &err), STATUS_OK);
    StoreHit *hits;
    cr_assert_eq(find("zebra", 10, &hits), 1);
}

Test(lexical, question_is_never_parsed_as_a_query) {
    add("a", "one \"quoted\" AND word* NOT title:x (deep^2) near/3");
    const char *questions[] = {
        "\"quoted\"", "word*", "NOT", "title:x", "(deep^2)", "near/3", "AND"
    };
    StoreHit *hits;
    for (size_t i = 0; i < N_ELEMENTS(questions); i++) {
        cr_assert_eq(find(questions[i], 10, &hits), 1, "%s", questions[i]);
    }
    const char *none[] = { "", "the", "\"", "* *", "'; DROP TABLE passage; --", "\x1f" };
    for (size_t i = 0; i < N_ELEMENTS(none); i++) {
        cr_assert_eq(find(none[i], 10, &hits), 0, "%s", none[i]);
    }
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
}

Test(lexical, gives_the_best_k_with_ties_to_the_smaller_id) {
    int64_t first = 0;
    for (int i = 0; i < 50; i++) {
        char key[16], text[64];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(text, sizeof text, "word %s%d", i % 10 == 3 ? "word w" : "x y", i);
        int64_t id = add(key, text);
        if (!i) first = id;
    }
    StoreHit *all, *hits;
    cr_assert_eq(find("word", 100, &all), 50);
    for (int i = 0; i < 5; i++) cr_assert_eq(all[i].passage, first + 3 + 10 * i);
    for (int i = 1; i < 50; i++) {
        cr_assert(all[i - 1].score > all[i].score ||
                  (all[i - 1].score == all[i].score && all[i - 1].passage < all[i].passage));
    }
    for (size_t k = 0; k < 50; k += 7) {
        cr_assert_eq(find("word", k, &hits), k);
        for (size_t i = 0; i < k; i++) cr_assert_eq(hits[i].passage, all[i].passage);
    }
}

Test(lexical, filters_come_before_ranking) {
    const FixtureDocument docs[] = {
        { "a", "", "shared word", "one", "it", "La Stampa", "2023-07-18" },
        { "b", "", "shared word", "one", "en", "Ägypten Heute", "2023-12-31T23:59:59Z" },
        { "c", "", "shared word", "two", "en", "la stampa", "2024-01-01" },
        { "d", "", "shared word", "two", "en", "", "" },
    };
    int64_t ids[4];
    for (size_t i = 0; i < N_ELEMENTS(docs); i++) {
        StorePut put;
        cr_assert_eq(fixture_add(store, &docs[i], &put, &err), STATUS_OK);
        ids[i] = put.first_passage;
    }
    const struct {
        StoreScope scope;
        const char *found;
    } rows[] = {
        { { .collection = "one" }, "ab" },
        { { .collection = "" }, "abcd" },
        { { .collection = "three" }, "" },
        { { .filters.language = "en" }, "bcd" },
        { { .filters.language = "xx" }, "" },
        { { .filters.source = "LA STAMPA" }, "ac" },
        { { .filters.source = "äGYPTEN heute" }, "b" },
        { { .filters.date_to = "2023" }, "ab" },
        { { .filters.date_from = "2023-12" }, "bc" },
        { { .filters.date_from = "2023-07-19", .filters.date_to = "2023-12-31" }, "b" },
        { { .collection = "two", .filters.date_from = "2000" }, "c" },
        { { .collection = "one", .filters.language = "it", .filters.source = "la stampa" }, "a" },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        StoreHit *hits;
        size_t n = find_in(store, "word", &rows[i].scope, 10, &hits);
        cr_assert_eq(n, strlen(rows[i].found), "row %zu: %zu", i, n);
        for (size_t j = 0; j < n; j++) cr_assert_eq(hits[j].passage, ids[rows[i].found[j] - 'a']);
        StoreIds scope_ids = { 0 };
        Status status = store_scope_ids(store, &rows[i].scope, &scope_ids, &err);
        cr_assert_eq(status, n == 4 ? STATUS_UNCHANGED : STATUS_OK);
        cr_assert_eq(scope_ids.n, n == 4 ? 0 : n);
        free(scope_ids.ids);
    }
}

Test(lexical, scores_tell_nothing_of_another_collection) {
    FixtureDocument mine = { .key = "m", .text = "secret plan", .collection = "mine" };
    FixtureDocument mine2 = { .key = "n", .text = "other words", .collection = "mine" };
    StorePut put;
    cr_assert_eq(fixture_add(store, &mine, &put, &err), STATUS_OK);
    cr_assert_eq(fixture_add(store, &mine2, &put, &err), STATUS_OK);
    StoreScope scope = { .collection = "mine" };
    StoreHit *hits;
    cr_assert_eq(find_in(store, "secret plan", &scope, 10, &hits), 1);
    double before = hits[0].score;
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        add(key, "secret secret long text of others");
    }
    cr_assert_eq(find_in(store, "secret plan", &scope, 10, &hits), 1);
    cr_assert_eq(hits[0].score, before);
}

/* The table and the postings in memory follow other connections' commits. */
Test(lexical, readers_see_the_last_commit) {
    Store *reader;
    add("a", "alpha beta");
    cr_assert_eq(store_open(fixture_folder, STORE_READ, &fixture_options, &reader, &err), STATUS_OK,
                 "%s", err.text);
    StoreScope scope = { .collection = "default" };
    StoreHit *hits;
    cr_assert_eq(find_in(reader, "alpha", &scope, 10, &hits), 1);
    int64_t b = add("b", "alpha gamma");
    cr_assert_eq(find_in(reader, "alpha", &scope, 10, &hits), 2);
    cr_assert_eq(find_in(reader, "gamma", &scope, 10, &hits), 1);
    add("b", "delta");
    cr_assert_eq(find_in(reader, "alpha gamma", &scope, 10, &hits), 1);
    cr_assert_neq(hits[0].passage, b);
    cr_assert_eq(find_in(reader, "delta", &scope, 10, &hits), 1);
    reader = store_close(reader);
}

/* The same questions answered from scratch and by tables that followed every change agree. */
Test(lexical, tables_that_follow_equal_tables_that_are_read_anew) {
    Store *follows;
    cr_assert_eq(store_open(fixture_folder, STORE_READ, &fixture_options, &follows, &err),
                 STATUS_OK);
    unsigned seed = 7;
    for (int round = 0; round < 60; round++) {
        cr_assert_eq(store_begin(store, &err), STATUS_OK);
        for (int i = 0; i < 8; i++) {
            char key[16], text[256] = "";
            seed = seed * 1103515245 + 12345;
            snprintf(key, sizeof key, "k%u", (seed >> 16) % 60);
            for (int w = 0; w < 12; w++) {
                seed = seed * 1103515245 + 12345;
                snprintf(text + strlen(text), sizeof text - strlen(text), "w%u%s",
                         (seed >> 16) % 40, w % 5 == 4 ? "\n\n" : " ");
            }
            FixtureDocument f = { .key = key, .text = text, .collection = "default" };
            StorePut put;
            Status status = fixture_put(store, &f, 0, "", &put, NULL, &err);
            cr_assert(status == STATUS_OK || status == STATUS_UNCHANGED, "%s", err.text);
            if (i == 7) cr_assert_eq(store_delete(store, put.id, NULL, &err), STATUS_OK);
        }
        cr_assert_eq(store_commit(store, &err), STATUS_OK);
        Store *anew;
        cr_assert_eq(store_open(fixture_folder, STORE_READ, &fixture_options, &anew, &err),
                     STATUS_OK);
        StoreScope scope = { .collection = "default" };
        StoreHit *a, *b;
        size_t n = find_in(follows, "w1 w2 w39", &scope, 20, &a);
        cr_assert_eq(n, find_in(anew, "w1 w2 w39", &scope, 20, &b));
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(a[i].passage, b[i].passage);
            cr_assert_eq(a[i].score, b[i].score);
        }
        anew = store_close(anew);
    }
    follows = store_close(follows);
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
}

Test(lexical, frequencies_count_live_passages) {
    add("a", "fish fish boats");
    add("b", "fish");
    StorePut put;
    FixtureDocument f = { .key = "b", .text = "bird", .language = "en" };
    Slice terms[] = { SLICE("fish"), SLICE("boat"), SLICE("bird"), SLICE("nowhere") };
    uint64_t df[4];
    cr_assert_eq(store_frequencies(store, terms, 4, df, &err), STATUS_OK);
    cr_assert_eq(df[0], 2);
    cr_assert_eq(df[1], 1);
    cr_assert_eq(fixture_add(store, &f, &put, &err), STATUS_OK);
    cr_assert_eq(store_frequencies(store, terms, 4, df, &err), STATUS_OK);
    cr_assert_eq(df[0], 1);
    cr_assert_eq(df[2], 1);
    cr_assert_eq(df[3], 0);
}

Test(lexical, a_small_memory_for_postings_changes_no_result) {
    for (int i = 0; i < 300; i++) {
        char key[16], text[64];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(text, sizeof text, "w%d w%d w%d common", i % 50, i % 7, i % 3);
        add(key, text);
    }
    Store *small;
    StoreOptions options = fixture_options;
    options.postings_bytes = 1;
    cr_assert_eq(store_open(fixture_folder, STORE_READ, &options, &small, &err), STATUS_OK);
    StoreScope scope = { .collection = "default" };
    for (int i = 0; i < 50; i++) {
        char question[64];
        snprintf(question, sizeof question, "w%d common w2", i);
        StoreHit *a, *b;
        size_t n = find(question, 20, &a);
        cr_assert_eq(n, find_in(small, question, &scope, 20, &b));
        for (size_t j = 0; j < n; j++) cr_assert_eq(a[j].passage, b[j].passage);
    }
    small = store_close(small);
}

Test(lexical, searching_inside_a_change_is_refused) {
    add("a", "word");
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    StoreScope scope = { .collection = "default" };
    StoreHit *hits;
    size_t n;
    cr_assert_eq(store_lexical(store, SLICE("word"), "", &scope, 1, &arena, &hits, &n, &err),
                 STATUS_INTERNAL);
}
