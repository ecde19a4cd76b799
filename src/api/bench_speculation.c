/* A model with random weights copies nothing by itself, so the text is dictated: of each row of
 * logits only the next token of the text is allowed. What the engine computes and guesses is what
 * it would if the model had wanted that text. Prompt and other text are drawn as words are in text:
 * rank r with probability about 1 / r, so that pairs of tokens recur while what follows them is
 * another thing: guesses that fail. The copy is a part of the prompt. */
#include "api/bench_speculation.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <math.h>
#include <string.h>

enum { DRAFTED = 8 }; /* as the daemon's default */

typedef struct Dictation {
    const int32_t *text; /* [n] */
    size_t n, at;
} Dictation;

static void allow_cb(void *context, SamplerMask *mask) {
    const Dictation *d = context;
    sampler_mask_forbid_all(mask);
    if (d->at < d->n) sampler_mask_allow(mask, d->text[d->at]);
}

static void accept_cb(void *context, int32_t id) {
    Dictation *d = context;
    (void)id;
    d->at++;
}

static void draw_text(uint32_t *random, size_t n_vocab, int32_t *ret, size_t n) {
    for (size_t i = 0; i < n; i++) {
        *random = *random * 1664525U + 1013904223U;
        double rank = pow((double)n_vocab - 3, (double)(*random >> 8) * 0x1p-24);
        ret[i] = (int32_t)MIN(3 + (size_t)rank, n_vocab - 1);
    }
}

static Status wait_for_end(EngineStream *stream, Err *err) {
    SamplerToken token;
    Status status;
    do status = engine_stream_next(stream, 0, &token, err);
    while (status == STATUS_OK);
    return status == STATUS_END ? STATUS_OK : status;
}

/* Tokens a second from the first token on. */
static Status write_text(Engine *engine, const int32_t *prompt, size_t n_prompt,
                         const int32_t *text, size_t n, double *ret, Err *err) {
    Dictation dictation = { text, n, 0 };
    EngineConstraint constraint = { allow_cb, accept_cb, &dictation };
    EngineJob job = { .prompt = prompt,
                      .n_prompt = n_prompt,
                      .n_tokens = n,
                      .sampling = SAMPLER_OPTIONS_DEFAULT,
                      .end = VOCAB_NO_ID,
                      .constraint = &constraint };
    job.sampling.temperature = 0;
    job.sampling.constrained = true;
    EngineStream *stream = NULL;
    TRY(engine_submit(engine, &job, &stream, err));
    Status status = wait_for_end(stream, err);
    EngineUsage usage;
    engine_stream_usage(stream, &usage);
    engine_stream_free(stream);
    *ret = (double)(n - 1) * 1e6 / (double)MAX(usage.write_us, (int64_t)1);
    return status;
}

typedef struct Texts {
    const int32_t *prompt, *other; /* the copy begins in the middle of the prompt */
    size_t n_prompt, n;
} Texts;

static Status write_both(const LlmModel *model, const LlmContextOptions *options, const Texts *t,
                         size_t n_drafted, double *ret_copied, double *ret_other, Err *err) {
    EngineOptions o = { .n_threads = options->n_threads,
                        .cpu_mask = options->cpu_mask,
                        .kv = options->kv,
                        .context = options->context,
                        .n_streams = 1,
                        .n_cached = 1,
                        .n_drafted = n_drafted };
    Engine *engine = NULL;
    TRY(engine_new(model, &o, &engine, err));
    const int32_t *copy = t->prompt + (t->n_prompt - t->n) / 2;
    Status status = write_text(engine, t->prompt, t->n_prompt, copy, t->n, ret_copied, err);
    if (status == STATUS_OK) {
        status = write_text(engine, t->prompt, t->n_prompt, t->other, t->n, ret_other, err);
    }
    engine_free(engine);
    return status;
}

Status bench_speculation_measure(const LlmModel *model, const LlmContextOptions *options,
                                 size_t n_prompt, size_t n_tokens, uint32_t round,
                                 BenchSpeculation *ret, Err *err) {
    BenchSpeculation s = { 0 };
    AUTO_FREE int32_t *all = mem_alloc(n_prompt + n_tokens, sizeof *all);
    if (!all) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    uint32_t random = round * 2654435761U + 1;
    draw_text(&random, vocab_size(model->vocab), all, n_prompt + n_tokens);
    Texts t = { all, all + n_prompt, n_prompt, n_tokens };
    TRY(write_both(model, options, &t, 0, &s.copied_plain, &s.other_plain, err));
    TRY(write_both(model, options, &t, DRAFTED, &s.copied, &s.other, err));
    *ret = s;
    return STATUS_OK;
}
