/* Clients that ask, stop in the middle, come back and go while others stop the engine: under
 * ThreadSanitizer by script/test. Every stream that was read to its end must have the tokens that
 * its prompt gave the first time. */
#include "engine/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { N_CLIENTS = 6, N_ROUNDS = 6, N_PROMPTS = 3 };

typedef struct Client {
    Engine *engine;
    unsigned number;
} Client;

static const char *const texts[N_PROMPTS] = {
    "Meta released Llama 2 on 18 July 2023 with a licence",
    "Meta released Llama 2 on 18 July 2023 and Microsoft",
    "Il Garante per la protezione dei dati personali",
};
static int32_t prompts[N_PROMPTS][FIXTURE_MAX_TOKENS];
static size_t n_prompts[N_PROMPTS];
static Written expected[N_PROMPTS];
static atomic_bool wrong;

static EngineJob job_of(size_t prompt, uint64_t owner) {
    return (EngineJob){ .prompt = prompts[prompt],
                        .n_prompt = n_prompts[prompt],
                        .n_tokens = 24,
                        .sampling = SAMPLER_OPTIONS_DEFAULT,
                        .end = VOCAB_NO_ID,
                        .owner = owner };
}

static void *run_client(void *argument) {
    const Client *client = argument;
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        size_t prompt = (client->number + round) % N_PROMPTS;
        EngineJob job = job_of(prompt, client->number % 3);
        EngineStream *stream = NULL;
        Err err = { 0 };
        Status status = engine_submit(client->engine, &job, &stream, &err);
        if (status == STATUS_BUSY) continue;
        fixture_check(status, &err);
        if ((client->number + round) % 4 == 3) {
            SamplerToken token;
            status = engine_stream_next(stream, 1000, &token, &err);
            engine_stream_free(stream);
            continue;
        }
        Written w;
        status = fixture_read(stream, &w);
        const Written *e = &expected[prompt];
        if (status != STATUS_END || w.n != e->n || memcmp(w.ids, e->ids, w.n * sizeof *w.ids)) {
            atomic_store(&wrong, true);
        }
        EngineStats stats;
        engine_stats(client->engine, &stats);
    }
    return NULL;
}

int main(void) {
    LlmModel *model = fixture_model(NULL);
    EngineOptions options = {
        .n_threads = 2, .n_streams = 3, .n_cached = 2, .n_queued = 4, .n_drafted = 4
    };
    Engine *engine = fixture_engine(model, &options);
    for (size_t i = 0; i < N_PROMPTS; i++) {
        n_prompts[i] = fixture_prompt(model, texts[i], prompts[i]);
        EngineJob job = job_of(i, 0);
        if (fixture_read(fixture_submit(engine, &job), &expected[i]) != STATUS_END) return 1;
    }
    pthread_t threads[N_CLIENTS];
    Client clients[N_CLIENTS];
    for (unsigned i = 0; i < N_CLIENTS; i++) {
        clients[i] = (Client){ engine, i };
        if (pthread_create(&threads[i], NULL, run_client, &clients[i])) return 1;
    }
    for (unsigned i = 0; i < N_CLIENTS; i++) pthread_join(threads[i], NULL);
    /* Stopping with work under way. */
    EngineJob job = job_of(0, 0);
    EngineStream *stream = fixture_submit(engine, &job);
    engine_stop(engine);
    engine_stream_free(stream);
    engine_free(engine);
    llm_model_close(model);
    if (atomic_load(&wrong)) fprintf(stderr, "a stream had other tokens than alone\n");
    return atomic_load(&wrong);
}
