/* One step: the batch holds, for every stream that is writing, its last token and the guesses of
 * what follows, and, for the prompts that are being read, as many tokens as time allows. Then each
 * row of logits gives a token; a guess stands if it is the token that its row gave, so guessing
 * changes nothing but speed. */
#include "engine/engine_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* Guessing pays while the weights' way from memory is what a step waits for. */
enum { MOST_WRITERS_TO_DRAFT_FOR = 2 };

typedef struct Step {
    size_t n, n_rows;
    size_t n_writing, n_prompt, n_drafted; /* tokens of each kind */
} Step;

static size_t count_writing(const Engine *e) {
    size_t n = 0;
    for (const EngineStream *s = e->active; s; s = s->next) n += s->state == STREAM_WRITING;
    return n;
}

static void add_token(Engine *e, Step *step, EngineStream *s, int32_t id, bool want_logits) {
    e->batch[step->n++] = (LlmToken){ .id = id,
                                      .seq = s->seq,
                                      .want_logits = want_logits,
                                      .is_written = s->state == STREAM_WRITING };
    if (!want_logits) return;
    if (s->n_rows++ == 0) s->row = step->n_rows;
    step->n_rows++;
}

static void add_writing(Engine *e, Step *step, EngineStream *s, bool drafts) {
    size_t max = MIN(e->options.n_drafted, s->capacity - s->n_known - 1), n = 0;
    if (drafts && max > 0) n = draft_guess(&s->draft, s->tokens, s->n_known, max, s->drafted);
    add_token(e, step, s, s->tokens[s->n_known - 1], true);
    for (size_t i = 0; i < n; i++) add_token(e, step, s, s->drafted[i], true);
    s->n_in_step = 1 + n;
    step->n_writing++;
    step->n_drafted += n;
}

static void add_reading(Engine *e, Step *step, EngineStream *s, size_t max) {
    size_t n = MIN(max, engine_n_to_read(e, s) - s->n_read);
    for (size_t i = 0; i < n; i++) {
        size_t at = s->n_read + i;
        add_token(e, step, s, s->tokens[at], at + 1 == s->job.n_prompt);
    }
    s->n_in_step = n;
    step->n_prompt += n;
}

static void read_or_write(Engine *e, EngineStream *s) {
    s->state = s->n_read < engine_n_to_read(e, s) ? STREAM_READING : STREAM_WRITING;
}

/* Streams that were admitted begin with what is computed already, or wait for it. */
static Status begin_admitted(Engine *e, Err *err) {
    for (EngineStream *s = e->active; s; s = s->next) {
        if (s->state != STREAM_ADMITTED) continue;
        Status status = prefix_begin(e, s, err);
        if (status == STATUS_BUSY) continue;
        TRY(status);
        read_or_write(e, s);
    }
    return STATUS_OK;
}

static Status fill(Engine *e, Step *step, Err *err) {
    TRY(begin_admitted(e, err));
    size_t n_writing = count_writing(e),
           rest = pace_slice(&e->pace, e->options.gap_ratio, n_writing);
    for (EngineStream *s = e->active; s; s = s->next) {
        s->n_rows = s->n_in_step = 0;
        if (s->state == STREAM_WRITING) {
            bool begun = s->n_known > s->job.n_prompt;
            add_writing(e, step, s, begun && n_writing <= MOST_WRITERS_TO_DRAFT_FOR);
        }
    }
    for (EngineStream *s = e->active; s && rest > step->n_prompt; s = s->next) {
        if (s->state == STREAM_READING) add_reading(e, step, s, rest - step->n_prompt);
    }
    return STATUS_OK;
}

static void hand_over(Engine *e, EngineStream *s, const SamplerToken *token) {
    int64_t now = clock_us();
    if (s->n_known == s->job.n_prompt + 1) {
        s->first_us = now;
        s->usage.read_us = now - s->admitted_us;
    }
    size_t n_top = 0;
    const SamplerToken *top = sampler_top(s->sampler, &n_top);
    pthread_mutex_lock(&e->lock);
    memcpy(s->top + s->n_out * s->job.sampling.n_top, top, n_top * sizeof *top);
    s->out[s->n_out++] = *token;
    s->usage.n_tokens = s->n_out;
    s->usage.write_us = now - s->first_us;
    pthread_cond_broadcast(&s->came);
    pthread_mutex_unlock(&e->lock);
}

/* The next token from a row. ret_end: the text ends with it. */
static Status take_token(Engine *e, EngineStream *s, float *logits, int32_t *ret_id,
                         EngineEnd *ret_end, Err *err) {
    /* Rows that only fill the matrix up are no tokens. */
    for (size_t i = vocab_size(e->model->vocab); i < e->model->shape.n_vocab; i++) {
        logits[i] = -INFINITY;
    }
    SamplerToken token;
    SamplerMask *mask = s->job.constraint ? sampler_mask(s->sampler) : NULL;
    if (mask) s->constraint.allow(s->constraint.context, mask);
    TRY(sampler_next(s->sampler, logits, mask, &token, err));
    *ret_id = token.id;
    if (s->job.constraint) s->constraint.accept(s->constraint.context, token.id);
    if (token.id == s->job.end || vocab_ends_text(e->model->vocab, token.id)) {
        *ret_end = ENGINE_STOPPED;
        return STATUS_OK;
    }
    s->tokens[s->n_known++] = token.id;
    hand_over(e, s, &token);
    *ret_end = s->n_out == s->job.n_tokens ? ENGINE_FULL : ENGINE_GOES_ON;
    return STATUS_OK;
}

/* All rows of a stream, up to the first guess that is wrong. */
static Status take_rows(Engine *e, EngineStream *s, EngineEnd *ret_end, Err *err) {
    size_t n_guesses = s->n_rows - 1, i = 0;
    Status status;
    for (;; i++) {
        int32_t id;
        status = take_token(e, s, llm_logits(e->context, s->row + i), &id, ret_end, err);
        if (status != STATUS_OK || *ret_end != ENGINE_GOES_ON) break;
        if (i == n_guesses || s->drafted[i] != id) break;
    }
    s->usage.n_drafted += n_guesses;
    s->usage.n_accepted += i;
    draft_learn(&s->draft, n_guesses, i, e->options.n_drafted);
    /* What was guessed wrong, or lies beyond the end, is forgotten. */
    s->n_read -= n_guesses - i;
    if (status != STATUS_OK) return status;
    return llm_seq_truncate(e->context, s->seq, s->n_read, err);
}

static Status after(Engine *e, EngineStream *s, EngineEnd *ret_end, Err *err) {
    *ret_end = ENGINE_GOES_ON;
    if (s->n_in_step == 0) return STATUS_OK;
    s->n_read += s->n_in_step;
    read_or_write(e, s);
    if (s->n_rows == 0) return STATUS_OK;
    return take_rows(e, s, ret_end, err);
}

Status engine_step(Engine *e, Err *err) {
    Step step = { 0 };
    TRY(fill(e, &step, err));
    assert(step.n > 0);
    int64_t begin_us = clock_us();
    TRY(llm_eval(e->context, e->batch, step.n, err));
    pace_learn(&e->pace, &(PaceStep){ .n_writing = step.n_writing,
                                      .n_drafted = step.n_drafted,
                                      .n_read = step.n_prompt,
                                      .us = (double)(clock_us() - begin_us) });
    pthread_mutex_lock(&e->lock);
    e->stats.n_steps++;
    pthread_mutex_unlock(&e->lock);
    for (EngineStream **at = &e->active; *at;) {
        EngineStream *s = *at;
        EngineEnd end;
        Err stream_err = { 0 };
        Status status = after(e, s, &end, &stream_err);
        if (status == STATUS_OK && end == ENGINE_GOES_ON) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        engine_finish(e, s, end, status, &stream_err);
    }
    return STATUS_OK;
}
