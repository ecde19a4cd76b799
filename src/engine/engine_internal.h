#pragma once
/* What the files of this room share.
 * Threading model: one thread computes (schedule.c) and owns the context, the kept prompts, the
 * list of active streams and every stream's fields marked "engine's". `lock` guards the queue, the
 * counters and every stream's fields marked "lock". The engine's thread holds the lock only to take
 * jobs and to hand over tokens, never while it computes. No other lock is taken under it. */
#include "engine/engine.h"

#include <pthread.h>

enum {
    ENGINE_BATCH = 512,          /* tokens of one step at most, those of all streams included */
    ENGINE_MAX_STEP_US = 500000, /* a step that only reads prompts takes about this long at most, so
                                    that who comes or goes is noticed */
    ENGINE_N_TURNS = 64,         /* owners whose turns are remembered */
};

/* Guessing ahead for one stream (draft.c). */
typedef struct Draft {
    size_t length; /* to guess the next time; 0 = none */
    size_t rest;   /* steps to leave out */
    size_t fails;  /* in a row */
} Draft;

typedef enum StreamState {
    STREAM_WAITING,  /* in the queue */
    STREAM_ADMITTED, /* has room; has no sequence yet */
    STREAM_READING,
    STREAM_WRITING,
} StreamState;

struct EngineStream {
    Engine *engine;
    EngineStream *next; /* queue (lock), then active list (engine's) */
    EngineJob job;      /* prompt: NULL; constraint: NULL or &constraint */
    EngineConstraint constraint;
    int64_t submitted_us, admitted_us, first_us, last_us;
    Sampler *sampler;

    /* engine's */
    StreamState state;
    int32_t *tokens; /* [capacity]: the prompt, then what was written */
    size_t capacity, n_known;
    LlmSeq seq;
    size_t n_read; /* tokens of `tokens` that the sequence holds */
    Draft draft;
    size_t row, n_rows; /* of this step's logits */
    size_t n_in_step;   /* tokens of it in this step */
    int32_t *drafted;   /* [options.n_drafted]: this step's guesses */

    /* lock */
    bool done; /* nobody but its consumer touches it any more */
    pthread_cond_t came;
    SamplerToken *out; /* [job.n_tokens] */
    SamplerToken *top; /* [job.n_tokens, job.sampling.n_top] */
    size_t n_out, n_taken;
    bool cancelled;
    EngineEnd end;
    Status status; /* of a stream that is done without an end */
    Err err;
    EngineUsage usage;
};

/* A prompt and its answer whose keys and values are kept (prefix.c). */
typedef struct Kept {
    int32_t *tokens; /* owned */
    size_t n;        /* 0 = the place is free */
    LlmSeq seq;
    uint64_t space;
    uint64_t used; /* the larger the later */
} Kept;

/* How long steps take, lately (pace.c). */
typedef struct PaceWriting {
    double us;         /* of a step that reads nothing; 0 = not known */
    uint64_t measured; /* of Pace.now */
} PaceWriting;
typedef struct Pace {
    uint64_t now;                                /* counts steps */
    PaceWriting writing[ENGINE_MAX_STREAMS + 1]; /* to so many streams */
    double weight, n, nn, us, n_us; /* of reading: weighted sums of 1, n, n n, us, n us */
    double credit_us;               /* that reading may take from those who are written to */
} Pace;
typedef struct PaceStep {
    size_t n_writing; /* streams */
    size_t n_drafted, n_read;
    double us;
} PaceStep;

typedef struct EngineTurn {
    uint64_t owner, when; /* when: of Engine.now; 0 = the place is free */
} EngineTurn;

struct Engine {
    const LlmModel *model;
    EngineOptions options;
    LlmContext *context;
    pthread_t thread;
    bool has_thread;

    /* engine's */
    EngineStream *active; /* in the order of admission */
    size_t n_active;
    Kept *kept;   /* [options.n_cached] */
    uint64_t now; /* counts uses and turns */
    EngineTurn turns[ENGINE_N_TURNS];
    LlmToken *batch; /* [ENGINE_BATCH + n_streams * (1 + n_drafted)] */
    Pace pace;

    pthread_mutex_t lock;
    pthread_cond_t work; /* a job came, one was cancelled, or stopping */
    EngineStream *queue; /* in the order of submission */
    size_t n_waiting;
    bool stopping;
    EngineStats stats;
};

/* Tokens of its prompt that a stream reads. */
static inline size_t engine_n_to_read(const Engine *e, const EngineStream *s) {
    return llm_n_to_read(e->context, s->job.n_prompt);
}

/* schedule.c */
void *engine_run(void *engine);
/* The stream ends here: with `end`, or, where that is ENGINE_GOES_ON, with status and err. Takes
 * the lock; the stream is the consumer's from here on. It must be off the lists. */
void engine_finish(Engine *engine, EngineStream *stream, EngineEnd end, Status status,
                   const Err *err);

/* step.c: one batch for the active streams. Non-OK is llm_eval's: no stream can go on. */
Status engine_step(Engine *engine, Err *err) MUST_CHECK;

/* pace.c */
/* Tokens of prompts that the next step may read, while n_writing streams are written to. */
size_t pace_slice(Pace *pace, double gap_ratio, size_t n_writing);
/* What a step took. */
void pace_learn(Pace *pace, const PaceStep *step);

/* prefix.c */
/* Begin the stream's sequence with the longest beginning that is computed already. BUSY: a prompt
 * that is being read will soon hold more of it, so wait. */
Status prefix_begin(Engine *engine, EngineStream *stream, Err *err) MUST_CHECK;
/* The stream is done: keep its sequence for others, or give it back. Takes `tokens`. */
void prefix_keep(Engine *engine, EngineStream *stream);
/* Use the prompt that shares most with this one as the latest, so that it is dropped last. */
void prefix_touch(Engine *engine, const EngineStream *stream);
/* Drop the prompt that was used longest ago; false where none is kept. */
bool prefix_drop_oldest(Engine *engine);
void prefix_drop_all(Engine *engine);
size_t prefix_n_kept(const Engine *engine);

/* draft.c: guess what comes after the n tokens from an earlier place where the last few stood; at
 * most max. Returns how many. */
size_t draft_guess(Draft *draft, const int32_t *tokens, size_t n, size_t max, int32_t *ret);
/* n_right of n guesses were right. */
void draft_learn(Draft *draft, size_t n, size_t n_right, size_t max);
