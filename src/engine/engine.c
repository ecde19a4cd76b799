/* Making an engine, taking jobs, handing tokens out: what runs on the threads of those who ask. */
#include "engine/engine_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include <assert.h>
#include <string.h>
#include <time.h>

static Status check_range(const char *name, size_t value, size_t min, size_t max, Err *err) {
    if (value >= min && value <= max) return STATUS_OK;
    return err_set_param(err, STATUS_USAGE, name, "%s is %zu, not in %zu to %zu", name, value, min,
                         max);
}

static Status fill_options(const LlmModel *model, EngineOptions *o, Err *err) {
    if (o->context == 0) o->context = MIN(model->shape.context, (size_t)LLM_DEFAULT_CONTEXT);
    if (o->n_streams == 0) o->n_streams = 8;
    if (o->n_queued == 0) o->n_queued = 64;
    if (o->gap_ratio == 0) o->gap_ratio = 2;
    if (o->kv_tokens == 0) o->kv_tokens = o->n_streams * o->context;
    TRY(check_range("streams", o->n_streams, 1, ENGINE_MAX_STREAMS, err));
    TRY(check_range("cached", o->n_cached, 0, ENGINE_MAX_CACHED, err));
    TRY(check_range("drafted", o->n_drafted, 0, ENGINE_MAX_DRAFTED, err));
    TRY(check_range("cache tokens", o->kv_tokens, o->context, SIZE_MAX, err));
    if (o->gap_ratio >= 1 && o->gap_ratio <= 1000) return STATUS_OK;
    return err_set_param(err, STATUS_USAGE, "gap_ratio", "the gap ratio is %g, not in 1 to 1000",
                         o->gap_ratio);
}

static Status take_memory(Engine *e, Err *err) {
    const EngineOptions *o = &e->options;
    e->kept = mem_alloc(o->n_cached, sizeof *e->kept);
    e->batch = mem_alloc(ENGINE_BATCH + o->n_streams * (1 + o->n_drafted), sizeof *e->batch);
    if (e->kept && e->batch) return STATUS_OK;
    return err_set(err, STATUS_NO_MEMORY, "no memory for an engine");
}

static Status fill_engine(Engine *e, Err *err) {
    EngineOptions *o = &e->options;
    TRY(fill_options(e->model, o, err));
    LlmContextOptions context = { .n_threads = o->n_threads,
                                  .pin = o->pin,
                                  .cpu_mask = o->cpu_mask,
                                  .kv = o->kv,
                                  .context = o->context,
                                  .n_sequences = o->n_streams + o->n_cached,
                                  .kv_tokens = o->kv_tokens,
                                  .batch = ENGINE_BATCH,
                                  .max_logits = o->n_streams * (1 + o->n_drafted) };
    TRY(llm_context_new(e->model, &context, &e->context, err));
    TRY(take_memory(e, err));
    e->stats.kv_bytes = llm_context_kv_bytes(e->context);
    int failed = pthread_create(&e->thread, NULL, engine_run, e);
    if (failed) return err_set_errno(err, failed, "no thread for the engine");
    e->has_thread = true;
    return STATUS_OK;
}

Status engine_new(const LlmModel *model, const EngineOptions *options, Engine **ret, Err *err) {
    Engine *e = mem_alloc(1, sizeof *e);
    if (!e) return err_set(err, STATUS_NO_MEMORY, "no memory for an engine");
    e->model = model;
    if (options) e->options = *options;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->work, NULL);
    Status status = fill_engine(e, err);
    if (status != STATUS_OK) {
        engine_free(e);
        return status;
    }
    *ret = e;
    return STATUS_OK;
}

Engine *engine_free(Engine *e) {
    if (!e) return NULL;
    if (e->has_thread) {
        engine_stop(e);
        pthread_join(e->thread, NULL);
    }
    if (e->kept && e->context) prefix_drop_all(e);
    llm_context_free(e->context);
    free(e->kept);
    free(e->batch);
    pthread_cond_destroy(&e->work);
    pthread_mutex_destroy(&e->lock);
    free(e);
    return NULL;
}

const LlmModel *engine_model(const Engine *e) {
    return e->model;
}

size_t engine_context(const Engine *e) {
    return e->options.context;
}

void engine_stats(Engine *e, EngineStats *ret) {
    pthread_mutex_lock(&e->lock);
    *ret = e->stats;
    ret->n_waiting = e->n_waiting;
    pthread_mutex_unlock(&e->lock);
}

void engine_stop(Engine *e) {
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    pthread_cond_broadcast(&e->work);
    pthread_mutex_unlock(&e->lock);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static Status check_job(const Engine *e, EngineJob *job, Err *err) {
    size_t n_vocab = e->model->shape.n_vocab, context = e->options.context;
    if (job->n_prompt == 0) return err_set(err, STATUS_INVALID, "the prompt has no token");
    for (size_t i = 0; i < job->n_prompt; i++) {
        if (job->prompt[i] >= 0 && (size_t)job->prompt[i] < n_vocab) continue;
        return err_set(err, STATUS_INVALID, "token %zu of the prompt: id %d is not in 0 to %zu", i,
                       job->prompt[i], n_vocab - 1);
    }
    if (job->n_prompt >= context) {
        return err_set(err, STATUS_TOO_LARGE,
                       "the prompt has %zu tokens, which leaves no room to answer: the context has "
                       "%zu",
                       job->n_prompt, context);
    }
    if (job->n_tokens == 0) job->n_tokens = context - job->n_prompt;
    if (job->n_tokens <= context - job->n_prompt) return STATUS_OK;
    return err_set(err, STATUS_TOO_LARGE,
                   "the prompt has %zu tokens and %zu are to be written: the context has %zu",
                   job->n_prompt, job->n_tokens, context);
}

static EngineStream *stream_destroy(EngineStream *s) {
    if (!s) return NULL;
    sampler_free(s->sampler);
    pthread_cond_destroy(&s->came);
    free(s->tokens);
    free(s->drafted);
    free(s->out);
    free(s->top);
    free(s);
    return NULL;
}

static Status fill_stream(EngineStream *s, const EngineJob *job, Err *err) {
    Engine *e = s->engine;
    s->job = *job;
    s->job.sampling.n_top = MIN(job->sampling.n_top, e->model->shape.n_vocab);
    TRY(check_job(e, &s->job, err));
    TRY(sampler_check(e->model->shape.n_vocab, &job->sampling, err));
    s->capacity = s->job.n_prompt + s->job.n_tokens;
    s->tokens = mem_alloc(s->capacity, sizeof *s->tokens);
    s->drafted = mem_alloc(e->options.n_drafted, sizeof *s->drafted);
    s->out = mem_alloc(s->job.n_tokens, sizeof *s->out);
    s->top = mem_alloc(s->job.n_tokens, s->job.sampling.n_top * sizeof *s->top);
    if (!s->tokens || !s->drafted || !s->out || !s->top) {
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu tokens", s->capacity);
    }
    memcpy(s->tokens, job->prompt, job->n_prompt * sizeof *s->tokens);
    s->n_known = s->usage.n_prompt = s->job.n_prompt;
    s->job.prompt = NULL;
    if (job->constraint) {
        s->constraint = *job->constraint;
        s->job.constraint = &s->constraint;
    }
    s->job.sampling.constrained = job->constraint != NULL;
    TRY(sampler_new(e->model->shape.n_vocab, &s->job.sampling, &s->sampler, err));
    sampler_read(s->sampler, s->tokens, s->job.n_prompt);
    return STATUS_OK;
}

static Status enqueue(EngineStream *s, Err *err) {
    Engine *e = s->engine;
    Status status = STATUS_OK;
    pthread_mutex_lock(&e->lock);
    if (e->stopping) {
        status = err_set(err, STATUS_CANCELLED, "the engine is stopping");
    } else if (e->n_waiting >= e->options.n_queued) {
        e->stats.n_rejected++;
        status = err_set(err, STATUS_BUSY, "%zu questions wait already", e->n_waiting);
    } else {
        EngineStream **end = &e->queue;
        while (*end) end = &(*end)->next;
        *end = s;
        e->n_waiting++;
        e->stats.n_jobs++;
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->lock);
    return status;
}

Status engine_submit(Engine *e, const EngineJob *job, EngineStream **ret, Err *err) {
    EngineStream *s = mem_alloc(1, sizeof *s);
    if (!s) return err_set(err, STATUS_NO_MEMORY, "no memory for a job");
    s->engine = e;
    s->submitted_us = clock_us();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->came, &attributes);
    pthread_condattr_destroy(&attributes);
    Status status = fill_stream(s, job, err);
    if (status == STATUS_OK) status = enqueue(s, err);
    if (status != STATUS_OK) {
        stream_destroy(s);
        return status;
    }
    *ret = s;
    return STATUS_OK;
}

/* ---- streams --------------------------------------------------------------------------------- */

static bool wait_locked(EngineStream *s, int64_t until_us) {
    if (until_us == 0) return pthread_cond_wait(&s->came, &s->engine->lock) == 0;
    struct timespec until = { until_us / 1000000, until_us % 1000000 * 1000 };
    return pthread_cond_timedwait(&s->came, &s->engine->lock, &until) == 0;
}

static Status next_locked(EngineStream *s, int64_t until_us, SamplerToken *ret, Err *err) {
    while (s->n_taken == s->n_out && !s->done) {
        if (!wait_locked(s, until_us)) return STATUS_BUSY;
    }
    if (s->n_taken < s->n_out) {
        *ret = s->out[s->n_taken++];
        return STATUS_OK;
    }
    if (s->status == STATUS_OK) return STATUS_END;
    if (err) *err = s->err;
    return s->status;
}

Status engine_stream_next(EngineStream *s, int64_t wait_us, SamplerToken *ret, Err *err) {
    int64_t until_us = wait_us > 0 ? clock_us() + wait_us : 0;
    pthread_mutex_lock(&s->engine->lock);
    Status status = next_locked(s, until_us, ret, err);
    pthread_mutex_unlock(&s->engine->lock);
    return status;
}

const SamplerToken *engine_stream_top(const EngineStream *s, size_t *ret_n) {
    *ret_n = s->n_taken > 0 ? s->job.sampling.n_top : 0;
    return s->n_taken > 0 ? s->top + (s->n_taken - 1) * s->job.sampling.n_top : s->top;
}

EngineEnd engine_stream_end(const EngineStream *s) {
    return s->end;
}

void engine_stream_usage(EngineStream *s, EngineUsage *ret) {
    pthread_mutex_lock(&s->engine->lock);
    *ret = s->done ? s->usage : (EngineUsage){ 0 };
    pthread_mutex_unlock(&s->engine->lock);
}

EngineStream *engine_stream_free(EngineStream *s) {
    if (!s) return NULL;
    pthread_mutex_lock(&s->engine->lock);
    s->cancelled = true;
    pthread_cond_signal(&s->engine->work);
    while (!s->done) pthread_cond_wait(&s->came, &s->engine->lock);
    pthread_mutex_unlock(&s->engine->lock);
    return stream_destroy(s);
}
