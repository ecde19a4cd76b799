#include "answer/citation.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static Vocab *vocab;
static CitationTable *table;

static void setup(void) {
    char path[512];
    Err err = { 0 };
    snprintf(path, sizeof path, "%s/fixtures/tiny-llama/tokenizer.model", getenv("FONTE_TESTS"));
    cr_assert_eq(vocab_open(path, &vocab, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(citation_table_new(vocab, &table, &err), STATUS_OK, "%s", err.text);
}

static void teardown(void) {
    table = citation_table_free(table);
    vocab = vocab_free(vocab);
}

TestSuite(citation, .init = setup, .fini = teardown);

/* Every token is tried in the state after `before`: those that are allowed are exactly those after
 * which all numbers in brackets can still become, or are, those of a passage. */
static bool can_be_right(const char *text, size_t n_passages) {
    for (const char *p = text; (p = strchr(p, '[')); p++) {
        size_t digits = strspn(p + 1, "0123456789");
        if (!digits) continue;
        unsigned long value = strtoul(p + 1, NULL, 10);
        if (p[1] == '0' || value < 1 || value > n_passages) return false;
        if (p[1 + digits] && p[1 + digits] != ']') return false;
    }
    return true;
}

static void accept_text(CitationState *state, const char *text) {
    TokenList ids = TOKEN_LIST_NULL;
    cr_assert_eq(tokenizer_encode(vocab, slice_of(text), TOKENIZE_NO_PREFIX, &ids, NULL),
                 STATUS_OK);
    for (size_t i = 0; i < ids.n; i++) citation_accept(state, ids.ids[i]);
    token_list_deinit(&ids);
}

static void check_all(const char *before, size_t n_passages) {
    CitationState state;
    citation_state_init(&state, table, n_passages);
    accept_text(&state, before);
    size_t n = vocab_size(vocab);
    uint64_t *bits = malloc((n + 63) / 64 * 8);
    memset(bits, 0xff, (n + 63) / 64 * 8);
    SamplerMask mask = { bits, n };
    citation_allow(&state, &mask);
    bool inside = strrchr(before, '[') && strspn(strrchr(before, '[') + 1, "0123456789") > 0 &&
                  !strchr(strrchr(before, '['), ']');
    for (size_t i = 0; i < n; i++) {
        int32_t id = (int32_t)i;
        AUTO_BUF Buf text = BUF_NULL;
        buf_printf(&text, "%s", before);
        size_t length = text.n;
        cr_assert_eq(tokenizer_decode(vocab, &id, 1, DETOKENIZE_CONTINUED, &text, NULL), STATUS_OK);
        for (size_t j = 0; j < text.n; j++) text.p[j] = text.p[j] ? text.p[j] : ' '; /* byte 0 */
        const char *all = text.p ? text.p : "";
        bool right = can_be_right(all, n_passages) && !(inside && text.n == length);
        cr_assert_eq(sampler_mask_has(&mask, id), right, "\"%s\" of %zu, id %d", all, n_passages,
                     id);
    }
    free(bits);
}

Test(citation, of_all_tokens_only_those_may_come_that_name_passages_that_exist) {
    static const char *const before[] = {
        "",       "It was so", "so [",   "so [1", "so [2",
        "so [1]", "so [12",    "a [sic", "[[",    "so [1] and ["
    };
    static const size_t counts[] = { 1, 2, 3, 9, 12, 120 };
    for (size_t i = 0; i < N_ELEMENTS(before); i++) {
        for (size_t j = 0; j < N_ELEMENTS(counts); j++) {
            if (can_be_right(before[i], counts[j])) check_all(before[i], counts[j]);
        }
    }
}

Test(citation, text_written_at_random_under_the_constraint_names_only_passages_that_exist) {
    size_t n = vocab_size(vocab);
    uint64_t *bits = malloc((n + 63) / 64 * 8);
    unsigned random = 7;
    CitationState state;
    AUTO_BUF Buf text = BUF_NULL;
    citation_state_init(&state, table, 3);
    Detokenizer stream;
    detokenizer_init(&stream, vocab, DETOKENIZE_CONTINUED);
    TokenList ids = TOKEN_LIST_NULL; /* brackets and digits come often */
    cr_assert_eq(tokenizer_encode(vocab, SLICE("[1[2[3[4[0]]12]9] a"), 0, &ids, NULL), STATUS_OK);
    for (int i = 0; i < 4000; i++) {
        memset(bits, 0xff, (n + 63) / 64 * 8);
        SamplerMask mask = { bits, n };
        citation_allow(&state, &mask);
        int32_t id;
        do {
            random = random * 1664525 + 1013904223;
            id = random >> 31 ? ids.ids[(random >> 8) % ids.n] : (int32_t)((random >> 8) % n);
        } while (!sampler_mask_has(&mask, id));
        citation_accept(&state, id);
        cr_assert_eq(detokenizer_push(&stream, id, &text, NULL), STATUS_OK);
    }
    cr_assert(can_be_right(text.p, 3), "%s", text.p);
    cr_assert(strstr(text.p, "[3]") && strstr(text.p, "[1]"));
    token_list_deinit(&ids);
    free(bits);
}

Test(citation, markers_are_read_back_and_wrong_ones_left_out) {
    Arena arena = ARENA_NULL;
    AUTO_BUF Buf text = BUF_NULL;
    CitationMarks marks;
    cr_assert_eq(citation_parse(SLICE("It was [sic] so [2][1], twice [2] [7] [0]."), 3, &arena,
                                &text, &marks, NULL),
                 STATUS_OK);
    cr_assert(slice_equal(buf_slice(&text), SLICE("It was [sic] so, twice.")), "%s", text.p);
    cr_assert_eq(marks.n, 2);
    cr_assert_eq(marks.numbers[0], 2);
    cr_assert_eq(marks.numbers[1], 1);
    cr_assert_eq(marks.n_wrong, 2);
    arena_deinit(&arena);
}
