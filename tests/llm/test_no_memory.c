/* Class 13: out of memory. Every allocation of the rooms under test fails once, the k-th in the
 * k-th run, until a run needs no more of them: each must give NO_MEMORY, change nothing and leak
 * nothing (AddressSanitizer looks). Allocation is intercepted by the linker (--wrap), so
 * Criterion's own is not touched. */
#include "llm/small_vocab.h"
#include "llm/template.h"

#include <criterion/criterion.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long left = -1; /* allocations until one fails; below 0: none does */

static bool fails(void) {
    return left >= 0 && left-- == 0;
}
void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size) {
    return fails() ? NULL : __real_realloc(p, size);
}

static Small small;

/* Runs `step` with the k-th allocation failing, for k = 0, 1, ... until it succeeds; returns k. */
static long until_it_succeeds(Status (*step)(void *context, Err *err), void *context) {
    for (long k = 0; k < 10000; k++) {
        Err err = { 0 };
        left = k;
        Status status = step(context, &err);
        bool hit = left < 0;
        left = -1;
        if (status == STATUS_OK && !hit) return k;
        cr_assert_eq(status, STATUS_NO_MEMORY, "allocation %ld: %d %s", k, (int)status, err.text);
        cr_assert(err.text[0]);
    }
    cr_assert_fail("it never succeeds");
    return -1;
}

static Status make_vocab(void *context, Err *err) {
    (void)context;
    Vocab *vocab = NULL;
    TRY(vocab_new(&small.spec, &vocab, err));
    vocab_free(vocab);
    return STATUS_OK;
}

static Status encode(void *context, Err *err) {
    static char text[400];
    memset(text, 'a', sizeof text);
    memcpy(text + 200, "hello \xFF\xC3\xA9", 9);
    TokenList ids = TOKEN_LIST_NULL;
    Status status =
        tokenizer_encode(context, (Slice){ text, sizeof text }, TOKENIZE_BOS, &ids, err);
    if (status != STATUS_OK) cr_assert_eq(ids.n, 0);
    token_list_deinit(&ids);
    return status;
}

static Status decode(void *context, Err *err) {
    const int32_t ids[] = { 100, 101, 102, 103, 104, 105 };
    AUTO_BUF Buf text = BUF_NULL;
    return tokenizer_decode(context, ids, N_ELEMENTS(ids), 0, &text, err);
}

static Status render(void *context, Err *err) {
    const ChatMessage messages[] = { { CHAT_SYSTEM, SLICE("a") }, { CHAT_USER, SLICE("b") } };
    PromptParts prompt = PROMPT_PARTS_NULL;
    Status status = template_render(TEMPLATE_ZEPHYR, messages, 2, true, context, &prompt, err);
    if (status != STATUS_OK) cr_assert_eq(prompt.n, 0);
    prompt_parts_deinit(&prompt);
    return status;
}

Test(no_memory, every_allocation_may_fail) {
    for (int kind = 0; kind < 2; kind++) {
        if (kind)
            small_bpe(&small);
        else
            small_spm(&small);
        small_add(&small, "qq", 0, VOCAB_USER_DEFINED);
        cr_assert_gt(until_it_succeeds(make_vocab, NULL), 5);
        Vocab *vocab = NULL;
        cr_assert_eq(vocab_new(&small.spec, &vocab, NULL), STATUS_OK);
        cr_assert_gt(until_it_succeeds(encode, vocab), 5);
        cr_assert_gt(until_it_succeeds(decode, vocab), 0);
        cr_assert_gt(until_it_succeeds(render, vocab), 0);
        vocab_free(vocab);
    }
}
