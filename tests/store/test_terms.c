#include "store_fixture.h"

#include <criterion/criterion.h>

static Err err;

static void build(StoreTerms *terms, const char *title, Slice text, Buf *ret) {
    cr_assert_eq(store_terms_build(terms, slice_of(title), SLICE_NULL, text, "en", ret, &err),
                 STATUS_OK, "%s", err.text);
}

Test(terms, groups_by_frequency_with_the_title_twice) {
    StoreTerms *terms = store_terms_new(&fixture_tokenizer);
    AUTO_BUF Buf b = BUF_NULL;
    build(terms, "Sea", SLICE("sea Boats boat wind"), &b);
    /* 4 words and the title's 1 * 2; once: boats, wind; twice: boat; three times: sea */
    const char want[] = "\x06\x01\x0a"
                        "boats\x1fwind\x02\x04"
                        "boat\x03\x03sea";
    cr_assert(slice_equal(buf_slice(&b), (Slice){ want, sizeof want - 1 }));
    terms = store_terms_free(terms);
}

Test(terms, are_the_same_whatever_came_before) {
    StoreTerms *terms = store_terms_new(&fixture_tokenizer);
    AUTO_BUF Buf first = BUF_NULL, other = BUF_NULL, again = BUF_NULL, many = BUF_NULL;
    build(terms, "t", SLICE("a b c a"), &first);
    for (int i = 0; i < 5000; i++) buf_printf(&many, "w%d ", i);
    build(terms, "", buf_slice(&many), &other);
    build(terms, "t", SLICE("a b c a"), &again);
    cr_assert(slice_equal(buf_slice(&first), buf_slice(&again)));
    terms = store_terms_free(terms);
}

Test(terms, frequency_and_length_have_limits) {
    StoreTerms *terms = store_terms_new(&fixture_tokenizer);
    AUTO_BUF Buf text = BUF_NULL, b = BUF_NULL;
    for (int i = 0; i < 100; i++) buf_append_string(&text, "many ");
    for (int i = 0; i < 100; i++) buf_append_string(&text, "\xC3\xA8");
    build(terms, "", buf_slice(&text), &b);
    cr_assert_eq(b.p[0], 101);
    cr_assert_eq(b.p[1], 1); /* the long word: cut to 128 bytes, a varint of two */
    cr_assert_eq((unsigned char)b.p[2], 0x80);
    cr_assert_eq(b.p[4 + 128], 16);
    cr_assert(slice_equal(slice_skip(buf_slice(&b), 4 + 128 + 2), SLICE("many")));
    terms = store_terms_free(terms);
}

Test(terms, of_nothing_are_only_a_length) {
    StoreTerms *terms = store_terms_new(&fixture_tokenizer);
    AUTO_BUF Buf b = BUF_NULL;
    build(terms, "", SLICE(""), &b);
    cr_assert(slice_equal(buf_slice(&b), (Slice){ "\0", 1 }));
    terms = store_terms_free(terms);
    cr_assert_null(store_terms_free(NULL));
}

Test(terms, prepared_ahead_or_by_put_are_the_same) {
    cr_assert(mkdtemp(fixture_folder));
    Store *store;
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err),
                 STATUS_OK);
    StoreTerms *terms = store_terms_new(&fixture_tokenizer);
    Slice text = SLICE("some words here");
    AUTO_BUF Buf b = BUF_NULL;
    build(terms, "Title", text, &b);
    StorePassage passage = { .start = 0, .end = text.n, .terms = buf_slice(&b) };
    StoreDocument d = { .collection = SLICE("c"),
                        .key = SLICE("k"),
                        .title = SLICE("Title"),
                        .text = text,
                        .passages = &passage,
                        .n_passages = 1,
                        .language = SLICE("en") };
    cr_assert_eq(hash_sha256(&text, 1, &d.version, &err), STATUS_OK);
    StorePut put;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
    /* bytes that store_terms_build did not write are refused */
    const Slice bad[] = { SLICE("\x03\x11\x01x"), SLICE("\x03\x01\x7fx"), SLICE("\x03\x01"),
                          SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f") };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        passage.terms = bad[i];
        d.key = SLICE("l");
        cr_assert_eq(store_begin(store, &err), STATUS_OK);
        cr_assert_eq(store_put(store, &d, &put, NULL, &err), STATUS_DAMAGED, "%zu", i);
        store_rollback(store);
    }
    terms = store_terms_free(terms);
    store = store_close(store);
    fixture_drop();
}
