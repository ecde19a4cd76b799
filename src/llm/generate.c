/* The prompt is read in slices, so that whoever waits can be told and can stop it. Only its last
 * token needs logits, and is computed as what is written after it. */
#include "llm/generate.h"

#include "base/clock.h"
#include "base/mem.h"
#include <math.h>

enum { SLICE_TOKENS = 256 };

typedef struct Run {
    const LlmModel *model;
    LlmContext *context;
    LlmSeq seq;
    const GenerateOptions *options;
    Sampler *sampler;
    Output *output;
    Generated *done;
} Run;

static Status check_room(const LlmContext *c, LlmSeq seq, size_t n_prompt, size_t max_tokens,
                         Err *err) {
    size_t room = llm_context_length(c);
    if (n_prompt <= llm_seq_length(c, seq))
        return err_set_param(err, STATUS_INVALID, "prompt", "the prompt has no token to read");
    if (n_prompt <= room && max_tokens <= room - n_prompt) return STATUS_OK;
    if (max_tokens == 0)
        return err_set(err, STATUS_TOO_LARGE, "the prompt has %zu tokens, the context %zu",
                       n_prompt, room);
    return err_set(err, STATUS_TOO_LARGE,
                   "the prompt has %zu tokens and %zu are to be written, the context has %zu",
                   n_prompt, max_tokens, room);
}

static Status cancelled(Err *err) {
    return err_set(err, STATUS_CANCELLED, "stopped");
}

static Status read_prompt(Run *r, const int32_t *prompt, size_t n_prompt, Err *err) {
    LlmToken tokens[SLICE_TOKENS];
    const GenerateOptions *o = r->options;
    size_t n_to_read = llm_n_to_read(r->context, n_prompt);
    for (size_t at = llm_seq_length(r->context, r->seq); at < n_prompt;) {
        bool is_written = at == n_to_read;
        size_t n = is_written ? 1 : MIN(n_to_read - at, (size_t)SLICE_TOKENS);
        if (o->reading && !o->reading(o->user, at, n_prompt)) return cancelled(err);
        for (size_t i = 0; i < n; i++)
            tokens[i] = (LlmToken){ .id = prompt[at + i],
                                    .seq = r->seq,
                                    .want_logits = at + i + 1 == n_prompt,
                                    .is_written = is_written };
        TRY(llm_eval(r->context, tokens, n, err));
        at += n;
        r->done->n_read += n;
    }
    return STATUS_OK;
}

/* Choose from the logits there are and hand it out. */
static Status choose(Run *r, int32_t *ret_id, Err *err) {
    const GenerateOptions *o = r->options;
    SamplerToken chosen = { 0 };
    GenerateToken token = { 0 };
    float *logits = llm_logits(r->context, 0);
    /* Rows that only fill the matrix up are no tokens. */
    for (size_t i = vocab_size(r->model->vocab); i < r->model->shape.n_vocab; i++)
        logits[i] = -INFINITY;
    TRY(sampler_next(r->sampler, logits, NULL, &chosen, err));
    r->done->n_tokens++;
    OutputEnd end = OUTPUT_GOES_ON;
    TRY(output_push(r->output, chosen.id, &token.text, &end, err));
    token.id = chosen.id;
    token.logprob = chosen.logprob;
    token.top = sampler_top(r->sampler, &token.n_top);
    if (o->token && !o->token(o->user, &token)) return cancelled(err);
    r->done->end = end;
    *ret_id = chosen.id;
    return STATUS_OK;
}

static Status run(Run *r, const int32_t *prompt, size_t n_prompt, Err *err) {
    int64_t start = clock_us();
    Status status = read_prompt(r, prompt, n_prompt, err);
    int64_t read = clock_us();
    r->done->read_us = read - start;
    TRY(status);
    sampler_read(r->sampler, prompt, n_prompt);
    while (r->done->end == OUTPUT_GOES_ON && status == STATUS_OK) {
        LlmToken token = { .seq = r->seq, .want_logits = true, .is_written = true };
        status = choose(r, &token.id, err);
        if (status == STATUS_OK && r->done->end == OUTPUT_GOES_ON)
            status = llm_eval(r->context, &token, 1, err);
    }
    r->done->write_us = clock_us() - read;
    return status;
}

Status generate(LlmContext *context, LlmSeq seq, const int32_t *prompt, size_t n_prompt,
                const GenerateOptions *options, Generated *ret, Err *err) {
    const LlmModel *model = llm_context_model(context);
    *ret = (Generated){ 0 };
    Run r = { model, context, seq, options, .done = ret };
    TRY(check_room(context, seq, n_prompt, options->output.max_tokens, err));
    TRY(sampler_new(model->shape.n_vocab, &options->sampling, &r.sampler, err));
    Status status = output_new(model->vocab, &options->output, &r.output, err);
    if (status == STATUS_OK) status = run(&r, prompt, n_prompt, err);
    output_free(r.output);
    sampler_free(r.sampler);
    return status;
}
