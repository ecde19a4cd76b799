/* Class 13: out of memory. Every allocation of the rooms under test fails once, the k-th in the
 * k-th run, until a run needs no more of them: each must give NO_MEMORY, change nothing and leak
 * nothing (AddressSanitizer looks). Allocation is intercepted by the linker (--wrap), so
 * Criterion's own is not touched. */
#include "llm/generate.h"
#include "llm/small_vocab.h"
#include "llm/template.h"

#include "tiny_model.h"
#include <criterion/criterion.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long left = -1; /* allocations until one fails; below 0: none does */
static unsigned long n_calls;

static bool fails(void) {
    n_calls++;
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

static Buf model_bytes;

static Status open_model(void *context, Err *err) {
    GgufFile *file = NULL;
    LlmModel *model = NULL;
    TRY(gguf_file_open_memory(buf_slice(&model_bytes), "tiny", NULL, &file, err));
    Status status = llm_model_from_file(file, &model, err);
    if (status != STATUS_OK) {
        gguf_file_close(file);
        return status;
    }
    if (context) {
        *(LlmModel **)context = model;
    } else {
        llm_model_close(model);
    }
    return STATUS_OK;
}

static const LlmContextOptions options = { .n_threads = 2, .n_sequences = 3, .batch = 16 };

static Status make_context(void *model, Err *err) {
    LlmContext *context = NULL;
    TRY(llm_context_new(model, &options, &context, err));
    llm_context_free(context);
    return STATUS_OK;
}

/* Prompts, single tokens, forks and copies of pages: everything that serving does. */
static void serve(LlmContext *context) {
    Err err = { 0 };
    LlmSeq seq[3];
    LlmToken tokens[40];
    cr_assert_eq(llm_seq_new(context, &seq[0], &err), STATUS_OK);
    for (int i = 0; i < 40; i++) tokens[i] = (LlmToken){ i, seq[0], i > 35 };
    cr_assert_eq(llm_eval(context, tokens, 40, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(llm_seq_fork(context, seq[0], 35, &seq[1], &err), STATUS_OK);
    cr_assert_eq(llm_seq_fork(context, seq[0], 3, &seq[2], &err), STATUS_OK);
    for (int i = 0; i < 30; i++) {
        for (size_t s = 0; s < 3; s++) tokens[s] = (LlmToken){ i, seq[s], true };
        cr_assert_eq(llm_eval(context, tokens, 3, &err), STATUS_OK, "%s", err.text);
    }
    for (size_t s = 0; s < 3; s++) llm_seq_free(context, seq[s]);
}

Test(no_memory, models_and_contexts_report_it_and_a_token_step_needs_none) {
    TinySpec spec = tiny_spec();
    cr_assert_eq(tiny_build(&spec, &model_bytes, NULL), STATUS_OK);
    cr_assert_gt(until_it_succeeds(open_model, NULL), 10);
    LlmModel *model = NULL;
    cr_assert_eq(open_model(&model, NULL), STATUS_OK);
    cr_assert_gt(until_it_succeeds(make_context, model), 5);
    LlmContext *context = NULL;
    cr_assert_eq(llm_context_new(model, &options, &context, NULL), STATUS_OK);
    unsigned long before = n_calls;
    serve(context);
    cr_assert_eq(n_calls, before, "%lu allocations in token steps", n_calls - before);
    llm_context_free(context);
    llm_model_close(model);
    buf_deinit(&model_bytes);
}

/* With everything that can be asked for. */
static const SamplerOptions sampling = { .temperature = 1,
                                         .top_k = 40,
                                         .top_p = 0.9F,
                                         .min_p = 0.01F,
                                         .repetition_penalty = 1.1F,
                                         .frequency_penalty = 0.1F,
                                         .presence_penalty = 0.1F,
                                         .logprobs = true,
                                         .n_top = 5 };
typedef struct Writing {
    LlmContext *context;
    size_t n_tokens;
    unsigned long first, last; /* allocations until the first and the last token */
} Writing;

static bool count_token(void *user, const GenerateToken *token) {
    Writing *w = user;
    (void)token;
    if (w->n_tokens++ == 0) w->first = n_calls;
    w->last = n_calls;
    return true;
}

static Status write_text(void *user, Err *err) {
    Writing *w = user;
    LlmSeq seq = 0;
    static const Slice stops[] = { SLICE("never"), SLICE("t1t1t1") };
    static const int32_t prompt[] = { 1, 5, 9 };
    GenerateOptions o = { .sampling = sampling,
                          .output = { stops, 2, .max_tokens = 100, .ignore_end = true },
                          .token = count_token,
                          .user = w };
    Generated done;
    w->n_tokens = 0;
    TRY(llm_seq_new(w->context, &seq, err));
    Status status = generate(w->context, seq, prompt, N_ELEMENTS(prompt), &o, &done, err);
    llm_seq_free(w->context, seq);
    return status;
}

Test(no_memory, writing_reports_it_and_allocates_nothing_between_tokens) {
    TinySpec spec = tiny_spec();
    cr_assert_eq(tiny_build(&spec, &model_bytes, NULL), STATUS_OK);
    LlmModel *model = NULL;
    cr_assert_eq(open_model(&model, NULL), STATUS_OK);
    Writing w = { 0 };
    cr_assert_eq(llm_context_new(model, &options, &w.context, NULL), STATUS_OK);
    cr_assert_gt(until_it_succeeds(write_text, &w), 3);
    cr_assert_eq(w.n_tokens, 100);
    cr_assert_eq(w.first, w.last, "%lu allocations between tokens", w.last - w.first);
    llm_context_free(w.context);
    llm_model_close(model);
    buf_deinit(&model_bytes);
}
