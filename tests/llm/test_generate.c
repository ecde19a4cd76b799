/* Writing one text, against a loop that evaluates and chooses by hand. */
#include "llm/generate.h"

#include "tiny_model.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_VOCAB = 96, CONTEXT = 64 };

typedef struct Bench {
    Buf bytes, text;
    LlmModel *model;
    LlmContext *context;
    LlmSeq seq;
    int32_t ids[CONTEXT];
    float logprobs[CONTEXT];
    size_t n, n_reading, stop_after, stop_reading;
} Bench;

static Bench bench_new(const TinySpec *spec) {
    Bench b = { 0 };
    Err err = { 0 };
    GgufFile *file = NULL;
    cr_assert_eq(tiny_build(spec, &b.bytes, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(gguf_file_open_memory(buf_slice(&b.bytes), "tiny", NULL, &file, &err), STATUS_OK);
    cr_assert_eq(llm_model_from_file(file, &b.model, &err), STATUS_OK, "%s", err.text);
    LlmContextOptions options = { .n_threads = 1, .context = CONTEXT, .n_sequences = 2 };
    cr_assert_eq(llm_context_new(b.model, &options, &b.context, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(llm_seq_new(b.context, &b.seq, &err), STATUS_OK);
    return b;
}

static void bench_free(Bench *b) {
    llm_context_free(b->context);
    llm_model_close(b->model);
    buf_deinit(&b->bytes);
    buf_deinit(&b->text);
}

static bool on_token(void *user, const GenerateToken *token) {
    Bench *b = user;
    b->logprobs[b->n] = token->logprob;
    b->ids[b->n++] = token->id;
    buf_append_slice(&b->text, token->text);
    return b->n != b->stop_after;
}

static bool on_reading(void *user, size_t n_read, size_t n_prompt) {
    Bench *b = user;
    cr_assert_lt(n_read, n_prompt);
    return ++b->n_reading != b->stop_reading;
}

static GenerateOptions options_of(Bench *b, size_t max_tokens) {
    return (GenerateOptions){ .sampling = SAMPLER_OPTIONS_DEFAULT,
                              .output = { .max_tokens = max_tokens, .ignore_end = true },
                              .token = on_token,
                              .reading = on_reading,
                              .user = b };
}

static Status run(Bench *b, const int32_t *prompt, size_t n_prompt, const GenerateOptions *o,
                  Generated *ret, Err *err) {
    b->n = b->n_reading = 0;
    buf_clear(&b->text);
    return generate(b->context, b->seq, prompt, n_prompt, o, ret, err);
}

static const int32_t prompt[] = { 1, 40, 7, 93, 12 };
enum { N_PROMPT = sizeof prompt / sizeof prompt[0] };

/* The n largest-logit tokens after the prompt, one evaluation each. */
static void by_hand(Bench *b, size_t n, int32_t *ret) {
    LlmSeq seq = 0;
    cr_assert_eq(llm_seq_new(b->context, &seq, NULL), STATUS_OK);
    for (size_t i = 0; i < N_PROMPT + n; i++) {
        LlmToken token = { i < N_PROMPT ? prompt[i] : ret[i - N_PROMPT], seq, true };
        if (i + 1 < N_PROMPT) token.want_logits = false;
        token.is_written = i >= llm_n_to_read(b->context, N_PROMPT);
        if (i + 1 == N_PROMPT + n) break;
        cr_assert_eq(llm_eval(b->context, &token, 1, NULL), STATUS_OK);
        if (i + 1 < N_PROMPT) continue;
        const float *logits = llm_logits(b->context, 0);
        int32_t best = 0;
        for (int32_t k = 1; k < N_VOCAB; k++) best = logits[k] > logits[best] ? k : best;
        ret[i + 1 - N_PROMPT] = best;
    }
    llm_seq_free(b->context, seq);
}

static void check_greedy(const TinySpec *spec) {
    Bench b = bench_new(spec);
    int32_t wanted[30];
    by_hand(&b, 30, wanted);
    GenerateOptions o = options_of(&b, 30);
    Generated done;
    Err err = { 0 };
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_OK, "%s", err.text);
    cr_assert(done.n_read == N_PROMPT && done.n_tokens == 30 && done.end == OUTPUT_FULL);
    cr_assert_eq(b.n, 30);
    cr_assert_eq(memcmp(b.ids, wanted, sizeof wanted), 0);
    cr_assert_eq(llm_seq_length(b.context, b.seq), N_PROMPT + 29);
    cr_assert(isnan(b.logprobs[0]));
    AUTO_BUF Buf text = BUF_NULL;
    cr_assert_eq(tokenizer_decode(b.model->vocab, wanted, 30, 0, &text, NULL), STATUS_OK);
    cr_assert(slice_equal(buf_slice(&text), buf_slice(&b.text)));
    bench_free(&b);
}

Test(llm_generate, greedy_is_the_largest_logit_at_every_step) {
    TinySpec spec = tiny_spec();
    check_greedy(&spec);
}

/* In some sets, prompts in Q4_K are computed otherwise than what is written. */
Test(llm_generate, a_prompts_last_token_is_computed_as_what_is_written) {
    TinySpec spec = tiny_spec_of(GGUF_TYPE_Q4_K);
    check_greedy(&spec);
    Bench b = bench_new(&spec);
    bool same = llm_context_reads_as_it_writes(b.context);
    cr_assert_eq(llm_n_to_read(b.context, N_PROMPT), same ? N_PROMPT : N_PROMPT - 1);
    cr_assert_eq(llm_n_to_read(b.context, 0), 0);
    GenerateOptions o = options_of(&b, 8);
    Generated done;
    cr_assert_eq(run(&b, prompt, 0, &o, &done, NULL), STATUS_INVALID);
    cr_assert_eq(run(&b, prompt, 1, &o, &done, NULL), STATUS_OK);
    cr_assert(done.n_read == 1 && done.n_tokens == 8);
    bench_free(&b);
}

Test(llm_generate, what_the_sequence_holds_is_not_read_again) {
    TinySpec spec = tiny_spec();
    Bench b = bench_new(&spec);
    GenerateOptions o = options_of(&b, 8);
    int32_t text[N_PROMPT + 8], rest[12];
    Generated done;
    Err err = { 0 };
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_OK);
    memcpy(text, prompt, sizeof prompt);
    memcpy(text + N_PROMPT, b.ids, 8 * sizeof *text);
    by_hand(&b, 20, b.ids);
    memcpy(rest, b.ids + 8, sizeof rest);
    o.output.max_tokens = 12;
    cr_assert_eq(run(&b, text, N_PROMPT + 8, &o, &done, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(done.n_read, 1);
    cr_assert_eq(memcmp(b.ids, rest, sizeof rest), 0);
    /* nothing to read: no logits to go on from */
    cr_assert_eq(run(&b, text, 3, &o, &done, &err), STATUS_INVALID);
    bench_free(&b);
}

Test(llm_generate, options_reach_the_sampler_and_the_text) {
    TinySpec spec = tiny_spec();
    Bench b = bench_new(&spec);
    GenerateOptions o = options_of(&b, 20);
    o.sampling.temperature = 1;
    o.sampling.seed = 5;
    o.sampling.logprobs = true;
    int32_t first[20];
    Generated done;
    Err err = { 0 };
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_OK, "%s", err.text);
    memcpy(first, b.ids, sizeof first);
    cr_assert(b.logprobs[3] < 0);
    cr_assert_eq(llm_seq_truncate(b.context, b.seq, 0, &err), STATUS_OK);
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_OK);
    cr_assert_eq(memcmp(first, b.ids, sizeof first), 0, "the same seed");
    o.sampling.seed = 6;
    cr_assert_eq(llm_seq_truncate(b.context, b.seq, 0, &err), STATUS_OK);
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_OK);
    cr_assert_neq(memcmp(first, b.ids, sizeof first), 0, "another seed");
    /* a stop string: the name of the fourth token */
    char name[16];
    snprintf(name, sizeof name, "t%d", first[3]);
    Slice stop = slice_of(name);
    o.sampling.seed = 5;
    o.output.stops = &stop;
    o.output.n_stops = 1;
    cr_assert_eq(llm_seq_truncate(b.context, b.seq, 0, &err), STATUS_OK);
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_OK);
    cr_assert_eq(done.end, OUTPUT_STOPPED);
    cr_assert_leq(done.n_tokens, 4);
    AUTO_BUF Buf text = BUF_NULL;
    cr_assert_eq(tokenizer_decode(b.model->vocab, first, done.n_tokens, 0, &text, NULL), STATUS_OK);
    cr_assert(slice_starts(buf_slice(&text), buf_slice(&b.text)));
    cr_assert_null(memmem(b.text.p, b.text.n, stop.p, stop.n));
    bench_free(&b);
}

Test(llm_generate, a_prompt_and_answer_that_do_not_fit_are_refused_with_the_numbers) {
    TinySpec spec = tiny_spec();
    Bench b = bench_new(&spec);
    Generated done;
    Err err = { 0 };
    GenerateOptions o = options_of(&b, CONTEXT - N_PROMPT + 1);
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_TOO_LARGE);
    cr_assert_str_eq(err.text,
                     "the prompt has 5 tokens and 60 are to be written, the context has 64");
    cr_assert_eq(b.n_reading, 0);
    o.output.max_tokens--;
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_OK);
    cr_assert_eq(done.n_tokens, CONTEXT - N_PROMPT);
    int32_t longer[CONTEXT + 1];
    for (size_t i = 0; i <= CONTEXT; i++) longer[i] = 5;
    cr_assert_eq(llm_seq_truncate(b.context, b.seq, 0, &err), STATUS_OK);
    o.output.max_tokens = 0;
    cr_assert_eq(run(&b, longer, CONTEXT + 1, &o, &done, &err), STATUS_TOO_LARGE);
    cr_assert_str_eq(err.text, "the prompt has 65 tokens, the context 64");
    bench_free(&b);
}

Test(llm_generate, a_full_context_is_an_error_after_the_last_token_that_it_gives) {
    TinySpec spec = tiny_spec();
    Bench b = bench_new(&spec);
    GenerateOptions o = options_of(&b, 0);
    Generated done;
    Err err = { 0 };
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_TOO_LARGE);
    cr_assert_str_eq(err.text, "the context is full: 64 tokens and 1 more, at most 64");
    cr_assert_eq(b.n, CONTEXT - N_PROMPT + 1);
    cr_assert(done.end == OUTPUT_GOES_ON && done.n_tokens == b.n);
    bench_free(&b);
}

Test(llm_generate, both_callbacks_can_stop_it) {
    TinySpec spec = tiny_spec();
    Bench b = bench_new(&spec);
    GenerateOptions o = options_of(&b, 20);
    Generated done;
    b.stop_after = 3;
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, NULL), STATUS_CANCELLED);
    cr_assert(b.n == 3 && done.n_tokens == 3 && done.end == OUTPUT_GOES_ON);
    cr_assert_eq(llm_seq_length(b.context, b.seq), N_PROMPT + 2);
    cr_assert_eq(llm_seq_truncate(b.context, b.seq, 0, NULL), STATUS_OK);
    b.stop_reading = 1;
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, NULL), STATUS_CANCELLED);
    cr_assert(b.n == 0 && done.n_read == 0);
    o.token = NULL;
    o.reading = NULL;
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, NULL), STATUS_OK);
    cr_assert_eq(done.n_tokens, 20);
    bench_free(&b);
}

/* Rows of the output matrix that are no tokens are never chosen. */
Test(llm_generate, padding_is_no_token) {
    TinySpec spec = tiny_spec();
    spec.n_pieces = 4;
    Bench b = bench_new(&spec);
    GenerateOptions o = options_of(&b, 50);
    o.sampling.temperature = 100;
    const int32_t begin[] = { 1, 3 };
    Generated done;
    Err err = { 0 };
    cr_assert_eq(run(&b, begin, 2, &o, &done, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < b.n; i++) cr_assert_lt(b.ids[i], 4);
    bench_free(&b);
}

Test(llm_generate, bad_options_are_named_before_anything_is_read) {
    TinySpec spec = tiny_spec();
    Bench b = bench_new(&spec);
    GenerateOptions o = options_of(&b, 5);
    Generated done;
    Err err = { 0 };
    o.sampling.top_p = 2;
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_USAGE);
    cr_assert_str_eq(err.param, "top_p");
    o = options_of(&b, 5);
    Slice empty = SLICE_NULL;
    o.output.stops = &empty;
    o.output.n_stops = 1;
    cr_assert_eq(run(&b, prompt, N_PROMPT, &o, &done, &err), STATUS_USAGE);
    cr_assert_str_eq(err.param, "stop");
    const int32_t bad[] = { 1, N_VOCAB };
    o = options_of(&b, 5);
    cr_assert_eq(run(&b, bad, 2, &o, &done, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "id 96"), "%s", err.text);
    cr_assert_eq(llm_seq_length(b.context, b.seq), 0);
    bench_free(&b);
}
