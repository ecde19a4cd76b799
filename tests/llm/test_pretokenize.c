/* Words of each scanner; '|' stands for a cut. The expressions are at the top of pretokenize.c; the
 * reference cases of test_tokenizer_golden.c check two of them on hundreds of texts. */
#include "base/buf.h"
#include "llm/pretokenize.h"

#include <criterion/criterion.h>

static const VocabSplit GPT2 = VOCAB_SPLIT_GPT2, LLAMA3 = VOCAB_SPLIT_LLAMA3,
                        SMOLLM = VOCAB_SPLIT_SMOLLM, DEFAULT = VOCAB_SPLIT_DEFAULT;

static void check(VocabSplit split, const char *want) {
    AUTO_BUF Buf text = BUF_NULL;
    AUTO_BUF Buf got = BUF_NULL;
    for (const char *p = want; *p; p++) {
        if (*p != '|') buf_append_byte(&text, *p);
    }
    Words words = { split, buf_slice(&text), 0 };
    for (Slice word; words_next(&words, &word);) {
        cr_assert_gt(word.n, 0);
        if (got.n) buf_append_byte(&got, '|');
        buf_append_slice(&got, word);
    }
    cr_assert(slice_equal(buf_slice(&got), slice_of(want)), "wanted \"%s\", got \"%s\"", want,
              got.n ? got.p : "");
}

Test(pretokenize, gpt2_words) {
    check(GPT2, "Hello| world|!| It|'s| 2024|,| isn|'t| it|?");
    check(GPT2, "I|'|LL| we|'ll| they|'ve");
    check(GPT2, "a|  | b|\n|\n|c|   ");
    check(GPT2, "x|\t|y|\n\n|\n|z");
    check(GPT2, "abc|1234567|def");
    check(GPT2, "perch\xC3\xA9| \xE4\xB8\xAD\xE6\x96\x87|\xE3\x80\x82");
    check(GPT2, "");
}

Test(pretokenize, llama3_words) {
    check(LLAMA3, "Hello| world|!| It|'s| |202|4|,| isn|'T| it|?");
    check(LLAMA3, "we|'LL| |12| x|=|1|.\n\n|next|\r\n\r\n|  | end|  ");
    check(LLAMA3, "\tif|\n\n   \n|  | (|a|)\n|b");
    check(LLAMA3, "123|456|7| |\xC2\xBD|x");
    check(LLAMA3, "(foo|.bar|->|baz|)$|5|'");
    check(LLAMA3, "\xC2\xA0word|\xC2\xA0|\xE2\x80\x83x|\r|y");
}

Test(pretokenize, smollm_words_have_single_digits) {
    check(SMOLLM, "in| |1|2| days|,|3|4|x|  ");
    check(SMOLLM, "no| digits|  | here|'s");
}

Test(pretokenize, default_words_cut_punctuation_and_threes) {
    check(DEFAULT, "price| |:$|123|45| now|(|ok|)'|s");
    check(DEFAULT, "\xC2\xBD|123|4\xC2\xBD|567| |12");
}

Test(pretokenize, long_runs_take_linear_time) {
    enum { N = 1 << 20 };
    static const char runs[] = { ' ', '\n', 'a', '1', '.', '\t' };
    static const VocabSplit splits[] = { VOCAB_SPLIT_GPT2, VOCAB_SPLIT_LLAMA3, VOCAB_SPLIT_SMOLLM,
                                         VOCAB_SPLIT_DEFAULT };
    char *text = malloc(N);
    for (size_t r = 0; r < sizeof runs; r++) {
        memset(text, runs[r], N);
        for (size_t i = 0; i < N_ELEMENTS(splits); i++) {
            Words words = { splits[i], { text, N }, 0 };
            size_t total = 0;
            for (Slice word; words_next(&words, &word);) total += word.n;
            cr_assert_eq(total, N);
        }
    }
    free(text);
}
