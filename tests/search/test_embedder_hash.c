/* The hashed embedder: golden values that every machine must reproduce (they are stored, so they
 * are a file format), and what makes two texts alike. */
#include "search/embedder.h"

#include "base/hash.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static Embedder *embedder;
static void *scratch;

static void make(void) {
    cr_assert_eq(embedder_by_name(NULL, &embedder, NULL), STATUS_OK);
    scratch = embedder->new_scratch(embedder);
    cr_assert(scratch);
}

static void drop(void) {
    embedder->free_scratch(scratch);
    embedder->free(embedder);
}

TestSuite(search_embedder_hash, .init = make, .fini = drop);

enum { DIM = 256 };

static void embed_text(const EmbedText *text, float ret[DIM]) {
    cr_assert_eq(embedder->embed(embedder, scratch, text, ret, NULL), STATUS_OK);
}

static void embed(const char *text, float ret[DIM]) {
    embed_text(&(EmbedText){ .text = slice_of(text), .language = "" }, ret);
}

static double cosine(const char *a, const char *b) {
    float x[DIM], y[DIM];
    embed(a, x);
    embed(b, y);
    double dot = 0;
    for (size_t i = 0; i < DIM; i++) dot += (double)x[i] * (double)y[i];
    return dot;
}

/* ---- golden values ---- */

typedef struct Golden {
    const char *name, *text, *title, *heading;
    const char *hash; /* the first 64 bits of SHA-256 of the packed vector, as it is stored */
    int8_t packed[8]; /* its first components, to see what changed */
} Golden;

static const Golden goldens[] = {
    { "hash-1-256", "", "", "", "5341e6b2646979a7", { 0, 0, 0, 0, 0, 0, 0, 0 } },
    { "hash-1-256", "whale", "", "", "e92041573a4bcdaf", { 0, 46, 0, 0, 0, 0, 0, 0 } },
    { "hash-1-256",
      "The Brooklyn Bridge was opened in 1883.",
      "",
      "",
      "656d386e5c4b22a3",
      { 0, 40, 40, 44, 0, 40, -44, 0 } },
    { "hash-1-256",
      "Perché l'università di Città della Pieve è più antica?",
      "Città",
      "Storia › Medioevo",
      "3b91605cdda21e5b",
      { -35, -34, 0, -34, 21, 0, 0, 0 } },
    { "hash-1-256",
      "Straße und Größe im ﬁnanzamt",
      "",
      "",
      "129a91abb27b3727",
      { 39, 86, 0, 41, 0, 0, 0, 0 } },
    { "hash-1-256", "Москва река", "", "", "e1ec8ba582210735", { 0, 0, -64, 0, 0, 0, 63, 0 } },
    { "hash-1-256", "北京是中国的首都", "", "", "8dd9450ba8bd612e", { 0, 0, 0, 0, 0, 0, 0, 64 } },
    { "hash-1-256", "กรุงเทพ", "", "", "f4d2d7c1661e506a", { 0, 0, 0, 0, 0, 0, 0, 0 } },
    { "hash-1-256", "مَدِينَة", "", "", "a3973ce9501f1e46", { 0, 0, 0, 0, 0, 0, 0, 0 } },
    { "hash-1-64",
      "The Brooklyn Bridge was opened in 1883.",
      "",
      "",
      "d89ef07b3317272a",
      { 47, -1, 17, 13, 10, -17, -19, -17 } },
    { "hash-1-2048",
      "The Brooklyn Bridge was opened in 1883.",
      "",
      "",
      "41afd453b8535455",
      { 0, 0, 0, 0, 0, 0, 0, 0 } },
};

static void check_golden(const Golden *golden) {
    Embedder *e;
    cr_assert_eq(embedder_by_name(golden->name, &e, NULL), STATUS_OK);
    void *own = e->new_scratch(e);
    float x[EMBEDDER_MAX_DIM];
    int8_t packed[EMBEDDER_MAX_DIM];
    EmbedText text = { .text = slice_of(golden->text),
                       .title = slice_of(golden->title),
                       .heading = slice_of(golden->heading),
                       .language = "" };
    cr_assert_eq(e->embed(e, own, &text, x, NULL), STATUS_OK);
    embedder_pack(x, e->dim, packed);
    Hash hash;
    char hex[HASH_HEX_BYTES];
    Slice bytes = { (char *)packed, e->dim };
    cr_assert_eq(hash_sha256(&bytes, 1, &hash, NULL), STATUS_OK);
    hash_hex(&hash, hex);
    hex[16] = '\0';
    e->free_scratch(own);
    e->free(e);
    cr_expect_str_eq(hex, golden->hash, "%s of \"%s\": %s { %d, %d, %d, %d, %d, %d, %d, %d }",
                     golden->name, golden->text, hex, packed[0], packed[1], packed[2], packed[3],
                     packed[4], packed[5], packed[6], packed[7]);
    cr_expect_arr_eq(packed, golden->packed, sizeof golden->packed);
}

Test(search_embedder_hash, stored_bytes_are_the_same_on_every_machine) {
    for (size_t i = 0; i < N_ELEMENTS(goldens); i++) check_golden(&goldens[i]);
}

/* Enough different words that they are counted in several lots. */
Test(search_embedder_hash, a_long_text_has_its_golden_value_too) {
    enum { WORDS = 50000 };
    char *text = malloc(WORDS * 8 + 1);
    size_t n = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        n += (size_t)sprintf(text + n, "w%u ", i * 7919u % 20011u);
    }
    float x[DIM];
    int8_t packed[DIM];
    embed(text, x);
    embedder_pack(x, DIM, packed);
    free(text);
    Hash hash;
    char hex[HASH_HEX_BYTES];
    Slice bytes = { (char *)packed, DIM };
    cr_assert_eq(hash_sha256(&bytes, 1, &hash, NULL), STATUS_OK);
    hash_hex(&hash, hex);
    hex[16] = '\0';
    cr_assert_str_eq(hex, "b1076e953be15c28");
}

/* Bit for bit, not only as it is stored: what is unpacked is searched. */
Test(search_embedder_hash, one_word_has_few_components_of_one_size) {
    float x[DIM];
    embed("whale", x);
    double square = 0;
    size_t n = 0;
    for (size_t i = 0; i < DIM; i++) {
        square += (double)x[i] * (double)x[i];
        n += x[i] != 0.0f;
    }
    cr_assert_float_eq(square, 1.0, 1e-6);
    /* the word and its 12 n-grams of "<whale>", two dimensions each, where none fall together */
    cr_assert_leq(n, 26);
    cr_assert_geq(n, 18);
}

/* ---- what does not change a vector ---- */

Test(search_embedder_hash, case_accents_and_the_order_of_words_do_not_count) {
    const char *same[][2] = {
        { "Città della Pieve", "CITTA DELLA PIEVE" },
        { "citta\xcc\x80", "città" }, /* combining grave */
        { "Straße", "STRASSE" },
        { "one two three", "three, two; one!" },
        { "ＡＢ１", "ab1" }, /* full width */
        { "soft\xc2\xadhyphen zero\xe2\x80\x8bwidth", "softhyphen zerowidth" },
        { "مَدِينَة", /* Arabic vowel signs */
          "مدينة" },
    };
    for (size_t i = 0; i < N_ELEMENTS(same); i++) {
        float x[DIM], y[DIM];
        embed(same[i][0], x);
        embed(same[i][1], y);
        cr_assert_arr_eq(x, y, sizeof x, "row %zu", i);
    }
}

Test(search_embedder_hash, a_scratch_carries_nothing_over) {
    float x[DIM], y[DIM];
    embed("the violin in the harbour", x);
    embed("glacier", y);
    embed("the violin in the harbour", y);
    cr_assert_arr_eq(x, y, sizeof x);
}

Test(search_embedder_hash, text_without_words_is_all_zero) {
    const char *texts[] = { "", "   ", "... !!! —", "\xff\xfe\xc3", "😀" };
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        float x[DIM];
        embed(texts[i], x);
        for (size_t j = 0; j < DIM; j++) cr_assert_eq(x[j], 0.0f, "row %zu", i);
    }
}

Test(search_embedder_hash, a_broken_byte_parts_words) {
    float x[DIM], y[DIM];
    embed("harbour\xff violin\xc3", x);
    embed("harbour violin", y);
    cr_assert_arr_eq(x, y, sizeof x);
}

Test(search_embedder_hash, a_word_without_end_is_taken_in_pieces) {
    char *text = malloc(1 << 20);
    memset(text, 'a', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    float x[DIM];
    embed(text, x);
    free(text);
    double square = 0;
    for (size_t i = 0; i < DIM; i++) square += (double)x[i] * (double)x[i];
    cr_assert_float_eq(square, 1.0, 1e-5);
}

Test(search_embedder_hash, title_and_heading_count_half) {
    float body[DIM], titled[DIM], both[DIM];
    EmbedText text = { .text = SLICE("harbour"), .language = "" };
    embed_text(&text, body);
    text.title = SLICE("violin");
    embed_text(&text, titled);
    embed("harbour violin", both);
    double with_title = 0, with_both = 0;
    for (size_t i = 0; i < DIM; i++) {
        with_title += (double)body[i] * (double)titled[i];
        with_both += (double)body[i] * (double)both[i];
    }
    cr_assert_gt(with_title, with_both + 0.05);
    cr_assert_lt(with_title, 0.99);
}

/* ---- what makes texts alike ---- */

Test(search_embedder_hash, forms_of_a_word_are_near_and_other_words_are_not) {
    const struct {
        const char *a, *near, *far;
    } rows[] = {
        { "translation", "translations", "harbour" },
        { "organizzazione", "organizzazioni", "carbonara" },
        { "Datenschutzgrundverordnung", "Datenschutz", "Fahrradkette" },
        { "Brooklyn", "Brookklyn", "Manhattan" },
        { "北京市", "北京", "上海" },
        { "กรุงเทพฯ", "กรุงเทพ", "เชียง" },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        double near = cosine(rows[i].a, rows[i].near), far = cosine(rows[i].a, rows[i].far);
        cr_expect_gt(near, 0.4, "%s: %.3f", rows[i].a, near);
        cr_expect_lt(far, 0.25, "%s: %.3f", rows[i].a, far);
    }
}

/* Of all dimensions none may take much more than its share: that would make texts alike that are
 * not. */
Test(search_embedder_hash, words_are_spread_over_all_dimensions) {
    double energy[DIM] = { 0 };
    for (unsigned i = 0; i < 5000; i++) {
        char word[16];
        snprintf(word, sizeof word, "%c%c%c%c%u", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 7 % 26,
                 'a' + i / 31 % 26, i);
        float x[DIM];
        embed(word, x);
        for (size_t j = 0; j < DIM; j++) energy[j] += (double)x[j] * (double)x[j] / 5000 * DIM;
    }
    for (size_t j = 0; j < DIM; j++) {
        cr_expect_gt(energy[j], 0.6, "dimension %zu: %.2f", j, energy[j]);
        cr_expect_lt(energy[j], 1.5, "dimension %zu: %.2f", j, energy[j]);
    }
}
