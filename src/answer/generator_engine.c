#include "answer/generator_engine.h"

/* An engine's stream is the generator's: the one is never seen as anything else. */
static EngineStream *own(GeneratorStream *stream) {
    return (EngineStream *)stream;
}

static Status open_stream(const Generator *self, const GeneratorJob *job, GeneratorStream **ret,
                          Err *err) {
    EngineConstraint constraint = { 0 };
    if (job->constraint) {
        constraint = (EngineConstraint){ job->constraint->allow, job->constraint->accept,
                                         job->constraint->context };
    }
    EngineJob request = { .prompt = job->prompt,
                          .n_prompt = job->n_prompt,
                          .n_tokens = job->max_tokens,
                          .sampling = job->sampling,
                          .end = template_end(self->template, self->vocab),
                          .owner = job->owner,
                          .space = job->space,
                          .deadline_us = job->deadline_us,
                          .constraint = job->constraint ? &constraint : NULL };
    EngineStream *stream = NULL;
    TRY(engine_submit(self->context, &request, &stream, err));
    *ret = (GeneratorStream *)stream;
    return STATUS_OK;
}

static Status next_token(GeneratorStream *stream, int64_t wait_us, int32_t *ret_id, Err *err) {
    SamplerToken token;
    TRY(engine_stream_next(own(stream), wait_us, &token, err));
    *ret_id = token.id;
    return STATUS_OK;
}

static void usage_of(GeneratorStream *stream, GeneratorUsage *ret) {
    EngineUsage usage;
    engine_stream_usage(own(stream), &usage);
    *ret = (GeneratorUsage){ usage.n_prompt, usage.n_cached, usage.n_tokens };
}

static void close_stream(GeneratorStream *stream) {
    engine_stream_free(own(stream));
}

void generator_engine_init(Generator *ret, Engine *engine, TemplateKind template_kind,
                           const char *name, const char *model_hash, const char *arithmetic) {
    *ret = (Generator){ .name = name,
                        .model_hash = model_hash,
                        .arithmetic = arithmetic,
                        .vocab = engine_model(engine)->vocab,
                        .template = template_kind,
                        .context_tokens = engine_context(engine),
                        .context = engine,
                        .open = open_stream,
                        .next = next_token,
                        .usage = usage_of,
                        .close = close_stream };
}
