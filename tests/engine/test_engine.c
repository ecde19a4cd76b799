/* The engine over a small trained model: whatever is shared, guessed or computed together, a job
 * gives the tokens that it gives alone. */
#include "fixture.h"

#include "base/clock.h"
#include "base/mem.h"
#include <criterion/criterion.h>

static LlmModel *model;

static void open_model(void) {
    model = fixture_model(NULL);
}
static void close_model(void) {
    llm_model_close(model);
}
TestSuite(engine, .init = open_model, .fini = close_model);

static const char *const prompts[] = {
    "Meta released Llama 2 on 18 July 2023 with a licence",
    "Il Garante per la protezione dei dati personali",
    "Alibaba Cloud became the first Chinese company to support Llama 2",
    "The European Union's AI Act",
    "Meta released Llama 2 on 18 July 2023 and Microsoft",
};

static EngineJob job_of(const char *text, int32_t *ids) {
    return (EngineJob){ .prompt = ids,
                        .n_prompt = fixture_prompt(model, text, ids),
                        .n_tokens = 48,
                        .sampling = SAMPLER_OPTIONS_DEFAULT,
                        .end = VOCAB_NO_ID };
}

static void run_all(Engine *engine, double temperature, Written *ret) {
    EngineStream *streams[N_ELEMENTS(prompts)];
    for (size_t i = 0; i < N_ELEMENTS(prompts); i++) {
        int32_t ids[FIXTURE_MAX_TOKENS];
        EngineJob job = job_of(prompts[i], ids);
        job.sampling.temperature = (float)temperature;
        job.sampling.seed = 7 + i;
        job.owner = i;
        streams[i] = fixture_submit(engine, &job);
    }
    for (size_t i = 0; i < N_ELEMENTS(prompts); i++) {
        cr_assert_eq(fixture_read(streams[i], &ret[i]), STATUS_END);
    }
}

static void assert_same(const Written *a, const Written *b) {
    for (size_t i = 0; i < N_ELEMENTS(prompts); i++) {
        cr_assert_eq(a[i].n, b[i].n, "%s: %zu and %zu tokens", prompts[i], a[i].n, b[i].n);
        cr_assert_eq(memcmp(a[i].ids, b[i].ids, a[i].n * sizeof *a[i].ids), 0, "%s", prompts[i]);
        cr_assert_eq(a[i].end, b[i].end);
    }
}

static void check_same_as_alone(double temperature) {
    Written alone[N_ELEMENTS(prompts)], together[N_ELEMENTS(prompts)];
    EngineOptions one = { .n_threads = 1, .n_streams = 1 };
    Engine *engine = fixture_engine(model, &one);
    run_all(engine, temperature, alone);
    engine_free(engine);
    EngineOptions many = { .n_threads = 2, .n_streams = 4, .n_cached = 4, .n_drafted = 8 };
    engine = fixture_engine(model, &many);
    for (int round = 0; round < 3; round++) {
        run_all(engine, temperature, together);
        assert_same(alone, together);
    }
    EngineStats stats;
    engine_stats(engine, &stats);
    cr_assert_gt(stats.n_cached, 0);
    engine_free(engine);
}

Test(engine, greedy_text_is_the_same_alone_and_together) {
    check_same_as_alone(0);
}

Test(engine, sampled_text_is_the_same_alone_and_together) {
    check_same_as_alone(0.9);
}

/* Prompts in Q4_K are computed otherwise than what is written, by some sets. */
Test(engine, text_is_the_same_where_prompts_round_weights) {
    llm_model_close(model);
    model = fixture_model("Q4_K");
    check_same_as_alone(0);
}

static size_t count_steps(Engine *engine) {
    EngineStats stats;
    engine_stats(engine, &stats);
    return stats.n_steps;
}

static void check_repeated(const char *type) {
    llm_model_close(model);
    model = fixture_model(type);
    EngineOptions options = { .n_threads = 1, .n_cached = 2 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[0], ids);
    Written first, second;
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &first), STATUS_END);
    size_t before = count_steps(engine);
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &second), STATUS_END);
    engine_stop(engine);
    cr_assert_eq(second.usage.n_cached, job.n_prompt - 1);
    cr_assert_eq(count_steps(engine) - before, job.n_tokens, "a step for each token");
    cr_assert_eq(first.n, second.n);
    cr_assert_eq(memcmp(first.ids, second.ids, first.n * sizeof *first.ids), 0);
    /* a prompt of one token has nothing to read */
    engine_free(engine);
    engine = fixture_engine(model, &options);
    job.n_prompt = 1;
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &first), STATUS_END);
    cr_assert_eq(first.n, job.n_tokens);
    engine_free(engine);
}

Test(engine, a_repeated_prompt_takes_a_step_for_each_token) {
    check_repeated(NULL);
    check_repeated("Q4_K");
}

Test(engine, a_repeated_prompt_is_not_computed_again) {
    EngineOptions options = { .n_threads = 1, .n_cached = 2 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[0], ids);
    Written first, second, other;
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &first), STATUS_END);
    cr_assert_eq(first.usage.n_cached, 0);
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &second), STATUS_END);
    cr_assert_eq(second.usage.n_cached, job.n_prompt - 1);
    job.space = 1;
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &other), STATUS_END);
    cr_assert_eq(other.usage.n_cached, 0, "a prompt of another space was shared");
    engine_free(engine);
}

Test(engine, prompts_read_together_share_their_beginning) {
    EngineOptions options = { .n_threads = 1, .n_streams = 4 };
    Engine *engine = fixture_engine(model, &options);
    EngineStream *streams[4];
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of("Meta released Llama 2 on 18 July 2023 with a licence that lets most "
                           "companies use it, but not those with 700 million monthly users. "
                           "Alibaba Cloud was the first Chinese company to support it.",
                           ids);
    cr_assert_gt(job.n_prompt, 48);
    for (size_t i = 0; i < 4; i++) streams[i] = fixture_submit(engine, &job);
    size_t n_cached = 0;
    for (size_t i = 0; i < 4; i++) {
        Written w;
        cr_assert_eq(fixture_read(streams[i], &w), STATUS_END);
        n_cached += w.usage.n_cached;
    }
    cr_assert_geq(n_cached, 3 * (job.n_prompt - 1));
    engine_free(engine);
}

/* Allows only the tokens of a list, one after the other. */
typedef struct Forced {
    const int32_t *ids;
    size_t n;
} Forced;

static void allow_forced(void *context, SamplerMask *mask) {
    const Forced *forced = context;
    sampler_mask_forbid_all(mask);
    sampler_mask_allow(mask, forced->ids[forced->n]);
}

static void accept_forced(void *context, int32_t id) {
    Forced *forced = context;
    cr_assert_eq(id, forced->ids[forced->n++]);
}

Test(engine, a_constraint_is_kept_and_text_that_repeats_is_guessed) {
    EngineOptions options = { .n_threads = 1, .n_drafted = 8 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[2], ids);
    Forced forced = { .ids = ids + 2 };
    EngineConstraint constraint = { allow_forced, accept_forced, &forced };
    job.constraint = &constraint;
    job.n_tokens = job.n_prompt - 2;
    Written w;
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &w), STATUS_END);
    cr_assert_eq(w.end, ENGINE_FULL);
    cr_assert_eq(w.n, job.n_tokens);
    cr_assert_eq(memcmp(w.ids, ids + 2, w.n * sizeof *ids), 0);
    cr_assert_geq(w.usage.n_accepted, w.n / 2, "%zu of %zu", w.usage.n_accepted, w.n);
    engine_free(engine);
}

Test(engine, the_likeliest_tokens_come_along) {
    EngineOptions options = { .n_threads = 1 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[0], ids);
    job.sampling.n_top = 3;
    EngineStream *stream = fixture_submit(engine, &job);
    SamplerToken token;
    size_t n_tokens = 0, n_top;
    while (engine_stream_next(stream, 0, &token, NULL) == STATUS_OK) {
        const SamplerToken *top = engine_stream_top(stream, &n_top);
        cr_assert_eq(n_top, 3);
        cr_assert_eq(top[0].id, token.id, "greedy takes the likeliest");
        cr_assert_eq(top[0].logprob, token.logprob);
        cr_assert(top[0].logprob >= top[1].logprob && top[1].logprob >= top[2].logprob);
        n_tokens++;
    }
    cr_assert_eq(n_tokens, job.n_tokens);
    engine_stream_free(stream);
    engine_free(engine);
}

Test(engine, little_memory_makes_jobs_wait_not_fail) {
    EngineOptions options = {
        .n_threads = 1, .n_streams = 4, .n_cached = 4, .context = 128, .kv_tokens = 128
    };
    Engine *engine = fixture_engine(model, &options);
    Written w[N_ELEMENTS(prompts)];
    run_all(engine, 0, w);
    for (size_t i = 0; i < N_ELEMENTS(prompts); i++) cr_assert_gt(w[i].n, 0);
    engine_free(engine);
}

Test(engine, owners_take_turns) {
    EngineOptions options = { .n_threads = 1, .n_streams = 1 };
    Engine *engine = fixture_engine(model, &options);
    EngineStream *streams[5];
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[0], ids);
    for (size_t i = 0; i < 5; i++) {
        job.owner = i == 4;
        streams[i] = fixture_submit(engine, &job);
    }
    Written w[5];
    for (size_t i = 0; i < 5; i++) cr_assert_eq(fixture_read(streams[i], &w[i]), STATUS_END);
    cr_assert_lt(w[4].usage.wait_us, w[2].usage.wait_us, "the other owner waited for all");
    engine_free(engine);
}

Test(engine, a_job_that_cannot_be_served_is_refused_with_the_numbers) {
    EngineOptions options = { .n_threads = 1, .n_streams = 1, .n_queued = 1, .context = 64 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS] = { 1 };
    EngineJob job = job_of(prompts[0], ids);
    EngineStream *stream = NULL;
    Err err = { 0 };
    job.n_tokens = 64;
    cr_assert_eq(engine_submit(engine, &job, &stream, &err), STATUS_TOO_LARGE);
    cr_assert(strstr(err.text, "64"), "%s", err.text);
    job.n_prompt = 0;
    cr_assert_eq(engine_submit(engine, &job, &stream, &err), STATUS_INVALID);
    job.n_prompt = 2;
    ids[1] = 1024;
    cr_assert_eq(engine_submit(engine, &job, &stream, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "1024"), "%s", err.text);
    cr_assert_null(stream);
    engine_free(engine);
}

Test(engine, a_full_queue_is_busy) {
    EngineOptions options = { .n_threads = 1, .n_streams = 1, .n_queued = 2 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[0], ids);
    job.n_tokens = 150;
    EngineStream *streams[8] = { NULL };
    size_t n_busy = 0;
    for (size_t i = 0; i < 8; i++) {
        Err err = { 0 };
        Status status = engine_submit(engine, &job, &streams[i], &err);
        cr_assert(status == STATUS_OK || status == STATUS_BUSY);
        n_busy += status == STATUS_BUSY;
    }
    cr_assert_gt(n_busy, 0);
    for (size_t i = 0; i < 8; i++) engine_stream_free(streams[i]);
    EngineStats stats;
    engine_stats(engine, &stats);
    cr_assert_eq(stats.n_rejected, n_busy);
    engine_free(engine);
}

Test(engine, a_deadline_ends_a_job) {
    EngineOptions options = { .n_threads = 1 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[0], ids);
    job.deadline_us = clock_us() - 1;
    Written w;
    cr_assert_eq(fixture_read(fixture_submit(engine, &job), &w), STATUS_TIMEOUT);
    engine_free(engine);
}

Test(engine, stopping_ends_every_job) {
    EngineOptions options = { .n_threads = 1, .n_streams = 1 };
    Engine *engine = fixture_engine(model, &options);
    int32_t ids[FIXTURE_MAX_TOKENS];
    EngineJob job = job_of(prompts[0], ids);
    job.n_tokens = 200;
    EngineStream *streams[3];
    for (size_t i = 0; i < 3; i++) streams[i] = fixture_submit(engine, &job);
    engine_stop(engine);
    for (size_t i = 0; i < 3; i++) {
        Written w;
        cr_assert_eq(fixture_read(streams[i], &w), STATUS_CANCELLED);
    }
    EngineStream *stream = NULL;
    Err err = { 0 };
    cr_assert_eq(engine_submit(engine, &job, &stream, &err), STATUS_CANCELLED);
    engine_free(engine);
}
