/* What a stream of tokens shows, against the text of all tokens at once. */
#include "llm/output.h"

#include "base/utf8.h"
#include "llm/small_vocab.h"
#include <criterion/criterion.h>
#include <string.h>

static Small small;

static Vocab *vocabulary(bool bpe) {
    Vocab *vocab = NULL;
    Err err = { 0 };
    if (bpe)
        small_bpe(&small);
    else
        small_spm(&small);
    cr_assert_eq(vocab_new(&small.spec, &vocab, &err), STATUS_OK, "%s", err.text);
    return vocab;
}

static Output *output(const Vocab *vocab, OutputOptions options) {
    Output *o = NULL;
    Err err = { 0 };
    cr_assert_eq(output_new(vocab, &options, &o, &err), STATUS_OK, "%s", err.text);
    return o;
}

typedef struct Shown {
    char text[4096];
    size_t n, n_tokens;
    OutputEnd end;
} Shown;

/* Push tokens until the end; every piece of text must be whole characters. */
static Shown show(const Vocab *vocab, OutputOptions options, const int32_t *ids, size_t n) {
    Shown shown = { .end = OUTPUT_GOES_ON };
    Output *o = output(vocab, options);
    for (size_t i = 0; i <= n && shown.end == OUTPUT_GOES_ON; i++) {
        Slice text = SLICE_NULL;
        Err err = { 0 };
        if (i < n)
            cr_assert_eq(output_push(o, ids[i], &text, &shown.end, &err), STATUS_OK, "%s",
                         err.text);
        else
            text = output_flush(o);
        shown.n_tokens += i < n;
        cr_assert_eq(utf8_valid_length(text), text.n);
        cr_assert_lt(shown.n + text.n, sizeof shown.text);
        if (text.n) memcpy(shown.text + shown.n, text.p, text.n);
        shown.n += text.n;
    }
    output_free(o);
    return shown;
}

/* Tokens that spell these bytes one by one. */
static size_t spell(const char *text, int32_t *ids) {
    size_t n = 0;
    for (; text[n]; n++) ids[n] = SMALL_BYTES + (unsigned char)text[n];
    return n;
}

static void check_bytes(const char *text, const char *stop, const char *wanted, OutputEnd end) {
    int32_t ids[256];
    Vocab *vocab = vocabulary(false);
    Slice stops[] = { slice_of(stop) };
    OutputOptions options = { .stops = stops,
                              .n_stops = stop != NULL,
                              .detokenize = DETOKENIZE_CONTINUED };
    Shown shown = show(vocab, options, ids, spell(text, ids));
    cr_assert_eq(shown.n, strlen(wanted), "%.*s", (int)shown.n, shown.text);
    cr_assert_eq(memcmp(shown.text, wanted, shown.n), 0, "%.*s", (int)shown.n, shown.text);
    cr_assert_eq(shown.end, end);
    vocab_free(vocab);
}

Test(llm_output, characters_are_never_split) {
    check_bytes("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z", NULL,
                "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z", OUTPUT_GOES_ON);
    check_bytes("a\xE2\x82", NULL, "a\xEF\xBF\xBD\xEF\xBF\xBD", OUTPUT_GOES_ON);
}

Test(llm_output, stop_strings_are_found_across_tokens) {
    check_bytes("one STOP two", "STOP", "one ", OUTPUT_STOPPED);
    check_bytes("one STO two", "STOP", "one STO two", OUTPUT_GOES_ON);
    check_bytes("one STO", "STOP", "one STO", OUTPUT_GOES_ON);
    check_bytes("SSTOP", "STOP", "S", OUTPUT_STOPPED);
    check_bytes("aabaabaaab", "aabaaab", "aab", OUTPUT_STOPPED);
    check_bytes("STOP", "STOP", "", OUTPUT_STOPPED);
    check_bytes("x\xE2\x82\xAC\xE2\x82\xACy", "\xE2\x82\xAC\xE2\x82\xACy", "x", OUTPUT_STOPPED);
    check_bytes("x\xE2\x82\xADy", "\xE2\x82\xAC", "x\xE2\x82\xADy", OUTPUT_GOES_ON);
}

Test(llm_output, a_token_s_text_is_cut_before_the_stop) {
    Vocab *vocab = vocabulary(false);
    /* "hello" in two pieces; the stop begins in the first and ends inside the second */
    const int32_t hello = SMALL_BYTES + 256 + 7, lo = SMALL_BYTES + 256 + 8;
    const int32_t ids[] = { hello, lo, lo };
    Slice stops[] = { SLICE("ol") };
    OutputOptions options = { .stops = stops, .n_stops = 1, .detokenize = DETOKENIZE_CONTINUED };
    Shown shown = show(vocab, options, ids, 3);
    cr_assert_eq(shown.end, OUTPUT_STOPPED);
    cr_assert_eq(shown.n_tokens, 2);
    cr_assert(slice_equal((Slice){ shown.text, shown.n }, SLICE(" hell")));
    vocab_free(vocab);
}

Test(llm_output, tokens_that_end_a_text_end_it) {
    Vocab *vocab = vocabulary(false);
    int32_t ids[8];
    size_t n = spell("ab", ids);
    ids[n++] = 2;
    n += spell("c", ids + n);
    OutputOptions options = { .detokenize = DETOKENIZE_CONTINUED };
    Shown shown = show(vocab, options, ids, n);
    cr_assert(shown.end == OUTPUT_ENDED && shown.n_tokens == 3 && shown.n == 2);
    options.ignore_end = true;
    shown = show(vocab, options, ids, n);
    cr_assert(shown.end == OUTPUT_GOES_ON && shown.n_tokens == 4 && shown.n == 3);
    options.detokenize |= DETOKENIZE_CONTROL;
    shown = show(vocab, options, ids, n);
    cr_assert(slice_equal((Slice){ shown.text, shown.n }, SLICE("ab</s>c")));
    /* what is held back comes out with the end */
    Slice stops[] = { SLICE("bX") };
    options = (OutputOptions){ .stops = stops, .n_stops = 1, .detokenize = DETOKENIZE_CONTINUED };
    shown = show(vocab, options, ids, n);
    cr_assert(shown.end == OUTPUT_ENDED && shown.n == 2);
    ids[1] = SMALL_BYTES + 0xC3;
    shown = show(vocab, options, ids, n);
    cr_assert(slice_equal((Slice){ shown.text, shown.n }, SLICE("a\xEF\xBF\xBD")));
    vocab_free(vocab);
}

Test(llm_output, the_budget_ends_a_text) {
    Vocab *vocab = vocabulary(false);
    int32_t ids[8];
    size_t n = spell("abc", ids);
    Slice stops[] = { SLICE("bX") };
    OutputOptions options = {
        .stops = stops, .n_stops = 1, .max_tokens = 2, .detokenize = DETOKENIZE_CONTINUED
    };
    Shown shown = show(vocab, options, ids, n);
    cr_assert(shown.end == OUTPUT_FULL && shown.n_tokens == 2 && shown.n == 2);
    ids[1] = 2; /* the text ended by itself */
    shown = show(vocab, options, ids, n);
    cr_assert(shown.end == OUTPUT_ENDED && shown.n_tokens == 2 && shown.n == 1);
    vocab_free(vocab);
}

Test(llm_output, the_first_space_stays_where_a_text_goes_on) {
    Vocab *vocab = vocabulary(false);
    const int32_t ids[] = { SMALL_BYTES + 256 + 7 };
    Shown shown = show(vocab, (OutputOptions){ 0 }, ids, 1);
    cr_assert(slice_equal((Slice){ shown.text, shown.n }, SLICE("hello")));
    shown = show(vocab, (OutputOptions){ .detokenize = DETOKENIZE_CONTINUED }, ids, 1);
    cr_assert(slice_equal((Slice){ shown.text, shown.n }, SLICE(" hello")));
    vocab_free(vocab);
}

Test(llm_output, stop_strings_that_cannot_be_are_refused) {
    static char longer[OUTPUT_MAX_STOP_BYTES + 1];
    memset(longer, 'x', sizeof longer);
    Slice many[OUTPUT_MAX_STOPS + 1];
    for (size_t i = 0; i < N_ELEMENTS(many); i++) many[i] = SLICE("x");
    const struct {
        Slice stop;
        const char *text;
    } rows[] = {
        { SLICE_NULL, "empty" },
        { { longer, sizeof longer }, "too long" },
        { SLICE("a\xC3"), "UTF-8" },
    };
    Vocab *vocab = vocabulary(false);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        Err err = { 0 };
        Output *o = NULL;
        OutputOptions options = { .stops = &rows[i].stop, .n_stops = 1 };
        cr_assert_eq(output_new(vocab, &options, &o, &err), STATUS_USAGE);
        cr_assert(strstr(err.text, rows[i].text), "%s", err.text);
        cr_assert_str_eq(err.param, "stop");
    }
    OutputOptions options = { .stops = many, .n_stops = N_ELEMENTS(many) };
    Output *o = NULL;
    cr_assert_eq(output_new(vocab, &options, &o, NULL), STATUS_USAGE);
    vocab_free(vocab);
}

Test(llm_output, an_id_that_there_is_not_is_an_error_and_changes_nothing) {
    Vocab *vocab = vocabulary(false);
    Output *o = output(vocab, (OutputOptions){ 0 });
    Slice text = SLICE_NULL;
    OutputEnd end = OUTPUT_FULL;
    cr_assert_eq(output_push(o, 100000, &text, &end, NULL), STATUS_INVALID);
    cr_assert_eq(output_push(o, -1, &text, &end, NULL), STATUS_INVALID);
    cr_assert(end == OUTPUT_FULL && text.n == 0);
    cr_assert_eq(output_push(o, SMALL_BYTES + 'x', &text, &end, NULL), STATUS_OK);
    cr_assert(slice_equal(text, SLICE("x")));
    output_free(o);
    vocab_free(vocab);
}

/* Where a text ends by its definition: the first place where a stop string is complete, the longest
 * of those that end there. */
static size_t plain_end(const char *text, size_t n, const Slice *stops, size_t n_stops) {
    for (size_t end = 1; end <= n; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < n_stops; i++)
            if (stops[i].n <= end && stops[i].n > longest &&
                memcmp(text + end - stops[i].n, stops[i].p, stops[i].n) == 0)
                longest = stops[i].n;
        if (longest) return end - longest;
    }
    return n;
}

/* Random tokens of a few pieces, which often spell the beginnings of stop strings. */
Test(llm_output, random_streams_show_the_text_up_to_the_first_stop) {
    uint64_t random = 7;
    for (int round = 0; round < 4000; round++) {
        static Vocab *vocab;
        if (round % 2000 == 0) {
            vocab_free(vocab);
            vocab = vocabulary(round > 0);
        }
        const int32_t *pieces;
        static const int32_t spm[] = { SMALL_BYTES + 'a',     SMALL_BYTES + 'b',
                                       SMALL_BYTES + 0xC3,    SMALL_BYTES + 0xA9,
                                       SMALL_BYTES + 256 + 5, SMALL_BYTES + 256 + 6,
                                       SMALL_BYTES + 256 + 10 };
        static const int32_t bpe[] = { 'a', 'b', 0xC3, 0xA9, 256, 257, 263 };
        pieces = round < 2000 ? spm : bpe;
        static const char *const texts[] = { "aab",
                                             "ab\xC3\xA9",
                                             "\xC3\xA9\xC3\xA9",
                                             "ba",
                                             "baa",
                                             ("\xEF\xBF\xBD"
                                              "a") };
        Slice stops[3];
        size_t n_stops = (size_t)round % 4;
        int32_t ids[60];
        for (size_t i = 0; i < n_stops; i++)
            random = random * 6364136223846793005U + 1,
            stops[i] = slice_of(texts[(random >> 40) % 6]);
        for (size_t i = 0; i < N_ELEMENTS(ids); i++)
            random = random * 6364136223846793005U + 1, ids[i] = pieces[(random >> 40) % 7];
        AUTO_BUF Buf whole = BUF_NULL;
        cr_assert_eq(
            tokenizer_decode(vocab, ids, N_ELEMENTS(ids), DETOKENIZE_CONTINUED, &whole, NULL),
            STATUS_OK);
        size_t end = plain_end(whole.p, whole.n, stops, n_stops);
        OutputOptions options = { .stops = stops,
                                  .n_stops = n_stops,
                                  .detokenize = DETOKENIZE_CONTINUED };
        Shown shown = show(vocab, options, ids, N_ELEMENTS(ids));
        cr_assert_eq(shown.n, end, "round %d", round);
        cr_assert_eq(memcmp(shown.text, whole.p, end), 0, "round %d", round);
    }
}
