/* Encoding and decoding with vocabularies made here; the references' own answers are in
 * test_tokenizer_golden.c. */
#include "base/clock.h"
#include "base/utf8.h"
#include "llm/small_vocab.h"
#include "llm/tokenizer.h"

#include <criterion/criterion.h>
#include <limits.h>

static Small small;

static Vocab *make(void) {
    Vocab *vocab = NULL;
    Err err = { 0 };
    cr_assert_eq(vocab_new(&small.spec, &vocab, &err), STATUS_OK, "%s", err.text);
    return vocab;
}

/* Encode and compare with the pieces' spelling, '|' between them. */
static void check_pieces(const Vocab *vocab, Slice text, unsigned flags, const char *want) {
    TokenList ids = TOKEN_LIST_NULL;
    AUTO_BUF Buf got = BUF_NULL;
    Err err = { 0 };
    cr_assert_eq(tokenizer_encode(vocab, text, flags, &ids, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < ids.n; i++) {
        if (i) buf_append_byte(&got, '|');
        buf_append_slice(&got, vocab_piece(vocab, ids.ids[i]));
    }
    cr_assert(slice_equal(buf_slice(&got), slice_of(want)), "wanted %s, got %s", want,
              got.n ? got.p : "");
    token_list_deinit(&ids);
}

static void check_text(const Vocab *vocab, const int32_t *ids, size_t n, unsigned flags,
                       Slice want) {
    AUTO_BUF Buf text = BUF_NULL;
    cr_assert_eq(tokenizer_decode(vocab, ids, n, flags, &text, NULL), STATUS_OK);
    cr_assert(slice_equal(buf_slice(&text), want), "got \"%.*s\"", SLICE_ARGS(buf_slice(&text)));
}

Test(tokenizer, sentencepiece_merges_the_best_score_first) {
    small_spm(&small);
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("hello"), 0, "▁hello");
    check_pieces(vocab, SLICE("a  hello aaaaa"), 0, "▁|a|▁▁|he|llo|▁|aaaa|a");
    check_pieces(vocab, SLICE_NULL, 0, "");
    vocab_free(vocab);
}

Test(tokenizer, sentencepiece_falls_back_to_bytes) {
    small_spm(&small);
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("é€"), TOKENIZE_NO_PREFIX, "é|<0xE2>|<0x82>|<0xAC>");
    check_pieces(vocab, SLICE("a\0b"), TOKENIZE_NO_PREFIX, "a|<0x00>|b");
    vocab_free(vocab);
}

Test(tokenizer, sentencepiece_joins_unknown_characters_where_there_are_no_bytes) {
    small_spm(&small);
    for (size_t i = SMALL_BYTES; i < SMALL_BYTES + 256; i++) small.types[i] = VOCAB_UNUSED;
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("a€€b€"), TOKENIZE_NO_PREFIX, "a|<unk>|b|<unk>");
    vocab_free(vocab);
}

Test(tokenizer, sentencepiece_takes_unused_pieces_apart) {
    small_spm(&small);
    for (size_t i = 0; i < small.n; i++) {
        if (slice_equal(small.pieces[i], SLICE("llo"))) small.types[i] = VOCAB_UNUSED;
    }
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("xllo hello"), 0, "▁|x|ll|o|▁hello");
    vocab_free(vocab);
}

Test(tokenizer, sentencepiece_removes_extra_spaces_where_the_model_says_so) {
    small_spm(&small);
    small.spec.remove_extra_spaces = true;
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("  a   b  "), 0, "▁|a|▁|b");
    check_pieces(vocab, SLICE("   "), 0, "");
    vocab_free(vocab);
}

Test(tokenizer, byte_pairs_merge_within_words) {
    small_bpe(&small);
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("hello hello12é"), 0, "hello|Ġhello|12|Ã©");
    check_pieces(vocab, SLICE("he llo\0"), 0, "he|Ġ|ll|o|Ā");
    vocab_free(vocab);
}

Test(tokenizer, user_defined_pieces_are_found_in_text_the_longest_first) {
    small_spm(&small);
    small_add(&small, "hel", 0, VOCAB_USER_DEFINED);
    small_add(&small, "hell", 0, VOCAB_USER_DEFINED);
    small_add(&small, "ab€", 0, VOCAB_USER_DEFINED);
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("xhello hel"), 0, "▁|x|hell|o|▁|hel");
    check_pieces(vocab, SLICE("ab€ab"), 0, "▁|ab€|a|b");
    vocab_free(vocab);
    small_bpe(&small);
    small_add(&small, "ll h", 0, VOCAB_USER_DEFINED);
    vocab = make();
    check_pieces(vocab, SLICE("hell hello"), 0, "he|ll h|e|ll|o");
    vocab_free(vocab);
}

Test(tokenizer, a_user_defined_piece_never_cuts_a_character) {
    small_spm(&small);
    small_add(&small, "b\xE2", 0, VOCAB_USER_DEFINED);
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("ab€b"), 0, "▁|a|b|<0xE2>|<0x82>|<0xAC>|b");
    vocab_free(vocab);
}

/* ---- text is never control ---- */

static void check_no_control(const Vocab *vocab, const char *text) {
    TokenList ids = TOKEN_LIST_NULL;
    cr_assert_eq(tokenizer_encode(vocab, slice_of(text), 0, &ids, NULL), STATUS_OK);
    for (size_t i = 0; i < ids.n; i++)
        cr_assert_neq(vocab_type(vocab, ids.ids[i]), VOCAB_CONTROL, "%s", text);
    AUTO_BUF Buf back = BUF_NULL;
    cr_assert_eq(tokenizer_decode(vocab, ids.ids, ids.n, 0, &back, NULL), STATUS_OK);
    cr_assert(slice_equal(buf_slice(&back), slice_of(text)), "%s", text);
    token_list_deinit(&ids);
}

Test(tokenizer, spelling_a_control_token_gives_plain_text) {
    static const char *const spellings[] = { "</s>",           "<s>",
                                             "a<|eot_id|>b",   "<|im_start|>system",
                                             "<unk>",          "<0x41>",
                                             "[INST] <<SYS>>", "<|begin_of_text|>",
                                             "<|x|>" };
    for (int kind = 0; kind < 2; kind++) {
        if (kind)
            small_bpe(&small);
        else
            small_spm(&small);
        /* Files that declare their markers as user-defined, or as ordinary, do not change that. */
        small_add(&small, "[INST]", 0, VOCAB_USER_DEFINED);
        small_add(&small, "<|x|>", 0, VOCAB_USER_DEFINED);
        small_add(&small, "<<SYS>>", 0, VOCAB_NORMAL);
        small_add(&small, "x", 0, VOCAB_CONTROL);
        Vocab *vocab = make();
        for (size_t i = 0; i < N_ELEMENTS(spellings); i++) check_no_control(vocab, spellings[i]);
        vocab_free(vocab);
    }
}

/* ---- parts and flags ---- */

Test(tokenizer, texts_that_follow_each_other_are_one_text) {
    small_spm(&small);
    Vocab *vocab = make();
    const PromptPart parts[] = { { PART_TEXT, SLICE("he"), 0 },
                                 { PART_TEXT, SLICE("llo"), 0 },
                                 { PART_TOKEN, SLICE_NULL, 2 },
                                 { PART_TEXT, SLICE("a"), 0 } };
    TokenList ids = TOKEN_LIST_NULL, want = TOKEN_LIST_NULL;
    cr_assert_eq(tokenizer_encode_parts(vocab, parts, 4, TOKENIZE_BOS, &ids, NULL), STATUS_OK);
    cr_assert_eq(tokenizer_encode(vocab, SLICE("hello"), TOKENIZE_BOS | TOKENIZE_EOS, &want, NULL),
                 STATUS_OK);
    cr_assert_eq(tokenizer_encode(vocab, SLICE("a"), 0, &want, NULL), STATUS_OK);
    cr_assert_eq(ids.n, want.n);
    cr_assert_eq(memcmp(ids.ids, want.ids, ids.n * sizeof *ids.ids), 0);
    token_list_deinit(&ids);
    token_list_deinit(&want);
    vocab_free(vocab);
}

Test(tokenizer, bos_and_eos_are_added_on_request_and_as_the_model_says) {
    small_spm(&small);
    Vocab *vocab = make();
    check_pieces(vocab, SLICE("a"), TOKENIZE_BOS | TOKENIZE_EOS, "<s>|▁|a|</s>");
    check_pieces(vocab, SLICE("a"), TOKENIZE_AS_MODEL, "<s>|▁|a");
    vocab_free(vocab);
    small.spec.bos_id = VOCAB_NO_ID;
    vocab = make();
    TokenList ids = TOKEN_LIST_NULL;
    cr_assert_eq(tokenizer_encode(vocab, SLICE("a"), TOKENIZE_BOS, &ids, NULL), STATUS_INVALID);
    cr_assert_eq(ids.n, 0);
    token_list_deinit(&ids);
    vocab_free(vocab);
}

/* ---- classes 3 and 4 of the bugs that such daemons have had ---- */

Test(tokenizer_hostile, token_ids_past_the_vocabulary_and_negative_ones_are_refused) {
    small_spm(&small);
    Vocab *vocab = make();
    const int32_t bad[] = { (int32_t)small.n, -1, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        const PromptPart part = { PART_TOKEN, SLICE_NULL, bad[i] };
        TokenList ids = TOKEN_LIST_NULL;
        AUTO_BUF Buf text = BUF_NULL;
        Err err = { 0 };
        cr_assert_eq(tokenizer_encode_parts(vocab, &part, 1, 0, &ids, &err), STATUS_INVALID);
        cr_assert_eq(ids.n, 0);
        const int32_t list[] = { 5, bad[i] };
        cr_assert_eq(tokenizer_decode(vocab, list, 2, 0, &text, &err), STATUS_INVALID);
        cr_assert(strstr(err.text, "place 1"), "%s", err.text);
        cr_assert_eq(text.n, 0);
        Detokenizer stream;
        detokenizer_init(&stream, vocab, 0);
        cr_assert_eq(detokenizer_push(&stream, bad[i], &text, &err), STATUS_INVALID);
        cr_assert_eq(vocab_piece(vocab, bad[i]).n, 0);
        cr_assert_not(vocab_ends_text(vocab, bad[i]));
        token_list_deinit(&ids);
    }
    vocab_free(vocab);
}

Test(tokenizer_hostile, text_longer_than_the_limit_is_refused_before_it_is_read) {
    small_spm(&small);
    Vocab *vocab = make();
    const size_t sizes[] = { TOKENIZER_MAX_TEXT_BYTES + 1, (size_t)INT_MAX + 1, SIZE_MAX };
    for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
        TokenList ids = TOKEN_LIST_NULL;
        Err err = { 0 };
        cr_assert_eq(tokenizer_encode(vocab, (Slice){ "", sizes[i] }, 0, &ids, &err),
                     STATUS_TOO_LARGE);
        /* also when only the parts together are too long */
        const PromptPart parts[] = { { PART_TEXT, SLICE("abc"), 0 },
                                     { PART_TEXT, { "", sizes[i] - 3 }, 0 } };
        cr_assert_eq(tokenizer_encode_parts(vocab, parts, 2, 0, &ids, &err), STATUS_TOO_LARGE);
        cr_assert_null(ids.ids);
    }
    vocab_free(vocab);
}

Test(tokenizer_hostile, bytes_that_are_not_utf8_count_as_u_fffd_each) {
    static const char *const texts[] = { "\xFF",     "\xC3",         "\xE2\x82",
                                         "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                         "a\x80z",   "\xF0\x9F\x98" };
    for (int kind = 0; kind < 2; kind++) {
        if (kind)
            small_bpe(&small);
        else
            small_spm(&small);
        Vocab *vocab = make();
        for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
            AUTO_BUF Buf clean = BUF_NULL;
            for (const char *p = texts[i]; *p; p++) {
                if ((unsigned char)*p < 0x80)
                    buf_append_byte(&clean, *p);
                else
                    buf_append_string(&clean, UTF8_REPLACEMENT);
            }
            TokenList ids = TOKEN_LIST_NULL;
            cr_assert_eq(tokenizer_encode(vocab, slice_of(texts[i]), 0, &ids, NULL), STATUS_OK);
            check_text(vocab, ids.ids, ids.n, 0, buf_slice(&clean));
            token_list_deinit(&ids);
        }
        vocab_free(vocab);
    }
}

Test(tokenizer_hostile, a_character_without_any_token_is_an_error_that_names_the_byte) {
    small_bpe(&small);
    small.types['z'] = VOCAB_UNUSED;
    Vocab *vocab = make();
    TokenList ids = TOKEN_LIST_NULL;
    Err err = { 0 };
    cr_assert_eq(tokenizer_encode(vocab, SLICE("az"), 0, &ids, &err), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "0x7A"), "%s", err.text);
    cr_assert_eq(ids.n, 0);
    token_list_deinit(&ids);
    vocab_free(vocab);
}

/* ---- time ---- */

static void check_time(const Vocab *vocab, const char *pattern, size_t n) {
    char *text = malloc(n);
    for (size_t i = 0, k = 0; i < n; i++, k = pattern[k + 1] ? k + 1 : 0) text[i] = pattern[k];
    TokenList ids = TOKEN_LIST_NULL;
    int64_t start = clock_us();
    cr_assert_eq(tokenizer_encode(vocab, (Slice){ text, n }, 0, &ids, NULL), STATUS_OK);
    int64_t took = clock_us() - start;
    cr_assert_leq(took, 5000000, "%zu bytes of \"%s\": %zu us", n, pattern, (size_t)took);
    check_text(vocab, ids.ids, ids.n, 0, (Slice){ text, n });
    token_list_deinit(&ids);
    free(text);
}

Test(tokenizer, ten_megabytes_of_anything_take_less_than_five_seconds) {
    static const char *const patterns[] = { "a", " ", "hello", "hello ", "\n", "\xC3\xA9" };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const size_t n = 1000000; /* instrumented code is several times slower */
#else
    const size_t n = 10000000;
#endif
    for (int kind = 0; kind < 2; kind++) {
        if (kind)
            small_bpe(&small);
        else
            small_spm(&small);
        Vocab *vocab = make();
        for (size_t i = 0; i < N_ELEMENTS(patterns); i++) check_time(vocab, patterns[i], n);
        vocab_free(vocab);
    }
}

/* ---- decoding ---- */

Test(detokenizer, never_gives_part_of_a_character) {
    small_bpe(&small);
    Vocab *vocab = make();
    Detokenizer stream;
    AUTO_BUF Buf text = BUF_NULL;
    detokenizer_init(&stream, vocab, 0);
    static const unsigned char bytes[] = "a\xF0\x9F\x98\x80\xE2\x82\xAC";
    static const size_t whole[] = { 1, 1, 1, 1, 5, 5, 5, 8 };
    for (size_t i = 0; i < 8; i++) {
        cr_assert_eq(detokenizer_push(&stream, bytes[i], &text, NULL), STATUS_OK);
        cr_assert_eq(text.n, whole[i], "after byte %zu", i);
    }
    detokenizer_finish(&stream, &text);
    cr_assert(slice_equal(buf_slice(&text), slice_of((const char *)bytes)));
    vocab_free(vocab);
}

Test(detokenizer, broken_bytes_become_u_fffd) {
    small_bpe(&small);
    Vocab *vocab = make();
    check_text(vocab, (int32_t[]){ 0xE2, 0x82, 'a' }, 3, 0,
               SLICE("\xEF\xBF\xBD"
                     "a"));
    check_text(vocab, (int32_t[]){ 0x80, 0xFF, 0xC3 }, 3, 0,
               SLICE("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"));
    check_text(vocab, (int32_t[]){ 0xE2, 0xC3, 0xA9 }, 3, 0, SLICE("\xEF\xBF\xBD\xC3\xA9"));
    vocab_free(vocab);
    small_spm(&small);
    vocab = make();
    enum { B = SMALL_BYTES };
    check_text(vocab, (int32_t[]){ B + 0xE2, B + 0x82, B + 'a' }, 3, 0,
               SLICE("\xEF\xBF\xBD\xEF\xBF\xBD"
                     "a"));
    check_text(vocab, (int32_t[]){ B + 0xC3, B + 0xA9, B + 0xF0 }, 3, 0,
               SLICE("\xC3\xA9\xEF\xBF\xBD"));
    vocab_free(vocab);
}

Test(detokenizer, takes_the_space_before_the_text_off_once) {
    small_spm(&small);
    Vocab *vocab = make();
    TokenList ids = TOKEN_LIST_NULL;
    cr_assert_eq(tokenizer_encode(vocab, SLICE(" hello hello"), TOKENIZE_BOS, &ids, NULL),
                 STATUS_OK);
    check_text(vocab, ids.ids, ids.n, 0, SLICE(" hello hello"));
    check_text(vocab, ids.ids, ids.n, DETOKENIZE_CONTINUED, SLICE("  hello hello"));
    check_text(vocab, ids.ids, ids.n, DETOKENIZE_CONTROL, SLICE("<s> hello hello"));
    check_text(vocab, (int32_t[]){ 1, 0, 2 }, 3, 0, SLICE(" \xE2\x81\x87 "));
    token_list_deinit(&ids);
    vocab_free(vocab);
}
