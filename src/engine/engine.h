#pragma once
/* Serving one model to many at once: prompts in, tokens out. One thread computes. Each step is one
 * batch that holds the next token of every stream and a slice of a prompt that is being read
 * (continuous batching), so that nobody waits for somebody else's prompt or answer.
 * A prompt begins from what other prompts of the same space have already computed (prefix cache);
 * text that repeats the prompt is guessed ahead and checked in one step (speculation). Neither
 * changes a single token: the same job gives the same tokens alone or among others.
 * Threads: engine_submit, engine_stats: any. A stream: one thread at a time. engine_free: the
 * owner, once no stream is left (asserted).
 * Source: Yu et al., Orca (OSDI 2022), section 3 (iteration-level scheduling); Leviathan et al.,
 * arXiv:2211.17192 (speculation); Saxena, prompt lookup decoding (drafts from the prompt). */
#include "llm/forward.h"
#include "llm/sampler.h"

typedef struct Engine Engine;
typedef struct EngineStream EngineStream;

typedef struct EngineOptions {
    unsigned n_threads; /* 0 = processors of this process */
    bool pin;           /* threads to processors */
    unsigned cpu_mask;  /* of KernelsSet; 0 = all */
    KernelsKvType kv;   /* how keys and values are kept */
    size_t context;     /* tokens of one prompt and its answer; 0 = the model's, 4,096 at most */
    size_t n_streams;   /* read or written at once; 0 = 8 */
    size_t n_cached;    /* answered prompts kept for those that begin alike; 0 = none */
    size_t kv_tokens;   /* tokens of all streams and kept prompts; at least context; 0 =
                           n_streams * context */
    size_t n_queued;    /* jobs that may wait; 0 = 64 */
    double gap_ratio;   /* while somebody is being answered, steps take on average this many times
                           as long at most as those that read nothing; 1: nothing is read
                           meanwhile; 0 = 2 */
    size_t n_drafted;   /* tokens guessed ahead at most; 0 = no speculation */
} EngineOptions;
enum { ENGINE_MAX_STREAMS = 256, ENGINE_MAX_CACHED = 1024, ENGINE_MAX_DRAFTED = 31 };

/* What may come next, decided token by token on the engine's thread: allow marks the ids that may
 * not come as 0 in mask (a bit an id, all 1 before), accept hears what came. Both must be quick. */
typedef struct EngineConstraint {
    void (*allow)(void *context, SamplerMask *mask);
    void (*accept)(void *context, int32_t id);
    void *context; /* borrowed until the stream is freed */
} EngineConstraint;

typedef struct EngineJob {
    const int32_t *prompt; /* [n_prompt], copied */
    size_t n_prompt;
    size_t n_tokens; /* at most; 0 = what the context leaves */
    SamplerOptions sampling;
    int32_t end;         /* a token that ends the text besides vocab_ends_text; VOCAB_NO_ID */
    uint64_t owner;      /* who asks: owners take turns */
    uint64_t space;      /* prompts share work only with those of the same space */
    int64_t deadline_us; /* clock_us when it must be done; 0 = none */
    const EngineConstraint *constraint; /* copied; NULL = none */
} EngineJob;

/* Why a stream ended. */
typedef enum EngineEnd {
    ENGINE_GOES_ON,
    ENGINE_STOPPED, /* the model ended the text */
    ENGINE_FULL,    /* n_tokens reached */
} EngineEnd;

typedef struct EngineUsage {
    size_t n_prompt, n_cached; /* tokens of the prompt; of these not computed again */
    size_t n_tokens;           /* written, without the one that ends */
    size_t n_drafted, n_accepted;
    int64_t wait_us, read_us, write_us; /* in the queue; to the first token; from there on */
} EngineUsage;

typedef struct EngineStats {
    size_t n_waiting, n_active, n_kept;       /* jobs; jobs; prompts in the prefix cache */
    uint64_t n_jobs, n_cancelled, n_rejected; /* since the start */
    uint64_t n_prompt, n_cached, n_tokens;    /* tokens, as in EngineUsage */
    uint64_t n_steps, n_drafted, n_accepted;
    size_t kv_bytes;
} EngineStats;

/* The model is borrowed until engine_free. Errors of llm_context_new; USAGE for an option out of
 * its range; IO where the system gives no thread. */
Status engine_new(const LlmModel *model, const EngineOptions *options, Engine **ret,
                  Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
Engine *engine_free(Engine *engine);
const LlmModel *engine_model(const Engine *engine);
size_t engine_context(const Engine *engine);
void engine_stats(Engine *engine, EngineStats *ret);
/* No new jobs; those there are end: CANCELLED. */
void engine_stop(Engine *engine);

/* Queue a job. Returned owned (engine_stream_free). Errors: INVALID (no token, an id that the model
 * does not have), USAGE (sampling), TOO_LARGE (prompt and tokens exceed the context: the text has
 * the numbers), BUSY (n_queued wait), CANCELLED (stopped), NO_MEMORY. */
Status engine_submit(Engine *engine, const EngineJob *job, EngineStream **ret, Err *err) MUST_CHECK;
/* Wait for the next token. END after the last one (engine_stream_end says why), CANCELLED
 * (engine_stop), TIMEOUT (the deadline), what llm_eval and sampler_next fail with. wait_us > 0:
 * BUSY where none comes within it, so that the caller can look whether its client is still there;
 * 0 = wait for ever. */
Status engine_stream_next(EngineStream *stream, int64_t wait_us, SamplerToken *ret,
                          Err *err) MUST_CHECK;
/* The likeliest tokens at the place of the token that engine_stream_next gave last, likeliest
 * first: view until the stream is freed; as many as sampling.n_top asked for. */
const SamplerToken *engine_stream_top(const EngineStream *stream, size_t *ret_n);
/* Why a stream ended that engine_stream_next has ended. */
EngineEnd engine_stream_end(const EngineStream *stream);
/* All zero until the job is done, which it is once engine_stream_next has ended it. */
void engine_stream_usage(EngineStream *stream, EngineUsage *ret);
/* A job that is not done ends first, which takes as long as a step. NULL is fine; returns NULL. */
EngineStream *engine_stream_free(EngineStream *stream);
