/* What people who ask wait for: a daemon (our own over invented documents, or one that runs), and
 * clients that read streams. Three parts:
 *   streams    prompts of a given length, part of which all have in common, to the model alone:
 *              the first token, the tokens after it, questions a second
 *   repeated   the last of them again, alone: everything but its last token is known
 *   questions  over the documents: what they take beside the engine
 * A question counts from when it was due, not from when a client was free to ask it. */
#include "cli/bench.h"
#include "cli/bench_daemon.h"
#include "cli/bench_stream.h"
#include "cli/bench_text.h"
#include "cli/cli.h"
#include "cli/workspace.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_CLIENTS = 256, MAX_SETTINGS = 48, PROBE_BYTES = 600 };

typedef struct Serve {
    const BenchOptions *options;
    const char *socket;
    char model[128];
    double bytes_per_token;
    size_t n_template; /* tokens around the texts */
    char *shared;      /* what all prompts begin with; owned */
    BenchReport *report;
    size_t n_streams; /* of a repetition */
    atomic_size_t next;
    double start_s;
} Serve;

typedef struct Client {
    pthread_t thread;
    Serve *serve;
    size_t id;
    FonteClient *client;
    BenchText *text;
    char *body; /* of the last question; owned */
    double *first_ms, *gaps_ms;
    size_t n, n_gaps, n_tokens, n_prompt, n_cached, n_events, n_lost;
    FonteStatus status;
    FonteError error;
} Client;

static FonteStatus no_memory(FonteError *error) {
    return error->status = FONTE_NO_MEMORY;
}

/* ---- prompts ----------------------------------------------------------------------------------
 */

/* A text of so many tokens, or nearly. */
static char *make_text(const Serve *s, BenchText *text, double n_tokens) {
    double bytes = n_tokens > 1 ? n_tokens * s->bytes_per_token : 1;
    char *document = bench_text_document(text, (size_t)bytes);
    if (document && strlen(document) > (size_t)bytes) {
        size_t end = (size_t)bytes;
        while (end > 0 && ((unsigned char)document[end] & 0xC0) == 0x80) end--;
        document[end] = '\0';
    }
    return document;
}

static char *make_body(const Serve *s, BenchText *text) {
    double n = (double)s->options->n_prompt, shared = n * (double)s->options->shared_percent / 100;
    char *own = make_text(s, text, n - shared - (double)s->n_template);
    char *body = own ? bench_stream_body(s->model, s->shared, own, s->options->n_decode) : NULL;
    free(own);
    return body;
}

/* ---- clients ----------------------------------------------------------------------------------
 */

static void sleep_until(double when_s) {
    double left;
    while ((left = when_s - bench_now_s()) > 0 && !workspace_interrupted()) {
        if (left > 0.1) left = 0.1;
        struct timespec t = { 0, (long)(left * 1e9) };
        nanosleep(&t, NULL);
    }
}

static FonteStatus ask_one(Client *c, double due_s) {
    free(c->body);
    c->body = make_body(c->serve, c->text);
    if (!c->body) return no_memory(&c->error);
    BenchStream stream = { .gaps_ms = c->gaps_ms + c->n_gaps,
                           .max_gaps = c->serve->options->n_decode };
    FonteStatus status = bench_stream_run(c->client, c->body, due_s, &stream, &c->error);
    if (status) return status;
    c->first_ms[c->n++] = stream.first_ms;
    c->n_gaps += stream.n_gaps;
    c->n_tokens += stream.n_tokens;
    c->n_prompt += stream.n_prompt;
    c->n_cached += stream.n_cached;
    c->n_events += stream.n_events;
    c->n_lost += stream.n_lost;
    return FONTE_OK;
}

/* Questions in turn, each to the client that is free first. */
static void *drive(void *context) {
    Client *c = context;
    Serve *s = c->serve;
    double rate = s->options->rate;
    while (!c->status) {
        size_t i = atomic_fetch_add(&s->next, 1);
        if (i >= s->n_streams) break;
        double due_s = rate > 0 ? s->start_s + (double)i / rate : bench_now_s();
        sleep_until(due_s);
        c->status = ask_one(c, due_s);
    }
    return NULL;
}

static FonteStatus client_init(Client *c, Serve *s, size_t id) {
    *c = (Client){ .serve = s, .id = id };
    c->text = bench_text_new(1000 + id);
    c->first_ms = calloc(s->n_streams, sizeof *c->first_ms);
    c->gaps_ms = calloc(s->n_streams * s->options->n_decode, sizeof *c->gaps_ms);
    if (!c->text || !c->first_ms || !c->gaps_ms) return no_memory(&c->error);
    return fonte_client_open(s->socket, &c->client, &c->error);
}

static void client_deinit(Client *c) {
    fonte_client_close(c->client);
    bench_text_free(c->text);
    free(c->body);
    free(c->first_ms);
    free(c->gaps_ms);
}

/* ---- streams ----------------------------------------------------------------------------------
 */

/* The first n of a client behind those of all before it. */
static size_t gather(double *all, size_t at, const double *values, size_t n) {
    memcpy(all + at, values, n * sizeof *all);
    return at + n;
}

static FonteStatus report_streams(Serve *s, const Client *clients, size_t n, double seconds,
                                  FonteError *error) {
    Client sum = { .first_ms = calloc(s->n_streams + 1, sizeof(double)),
                   .gaps_ms = calloc(s->n_streams * s->options->n_decode + 1, sizeof(double)) };
    if (!sum.first_ms || !sum.gaps_ms) {
        client_deinit(&sum);
        return no_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        const Client *c = &clients[i];
        sum.n = gather(sum.first_ms, sum.n, c->first_ms, c->n);
        sum.n_gaps = gather(sum.gaps_ms, sum.n_gaps, c->gaps_ms, c->n_gaps);
        sum.n_tokens += c->n_tokens;
        sum.n_prompt += c->n_prompt;
        sum.n_cached += c->n_cached;
        sum.n_events += c->n_events;
        sum.n_lost += c->n_lost;
    }
    BenchReport *r = s->report;
    bench_add_quantiles(r, "first_token", "ms", sum.first_ms, sum.n);
    bench_add_quantiles(r, "next_token", "ms", sum.gaps_ms, sum.n_gaps);
    bench_add(r, "requests", "requests/s", (double)sum.n / seconds);
    bench_add(r, "tokens", "tokens/s", (double)sum.n_tokens / seconds);
    bench_add(r, "prompt", "tokens", (double)sum.n_prompt / (double)sum.n);
    bench_add(r, "cached", "of prompt", (double)sum.n_cached / (double)sum.n_prompt);
    bench_add(r, "events", "events", (double)sum.n_events);
    bench_add(r, "lost_events", "events", (double)sum.n_lost);
    client_deinit(&sum);
    return FONTE_OK;
}

/* A stream nobody else disturbs: its first token and the usual gap behind it. */
static FonteStatus measure_repeated(Serve *s, Client *c, FonteError *error) {
    BenchStream stream = { .gaps_ms = c->gaps_ms, .max_gaps = s->options->n_decode };
    FonteStatus status = bench_stream_run(c->client, c->body, bench_now_s(), &stream, error);
    if (status) return status;
    bench_add(s->report, "repeated_first_token", "ms", stream.first_ms);
    BenchReport gaps = { 0 };
    bench_add_quantiles(&gaps, "", "ms", stream.gaps_ms, stream.n_gaps);
    if (stream.n_gaps) bench_add(s->report, "repeated_next_token", "ms", gaps.figures[0].values[0]);
    return FONTE_OK;
}

static FonteStatus measure_streams(Serve *s, size_t round, FonteError *error) {
    size_t n = (size_t)s->options->clients, n_ready = 0, n_started = 0;
    Client *clients = calloc(n, sizeof *clients);
    if (!clients) return no_memory(error);
    FonteStatus status = FONTE_OK;
    for (; n_ready < n && !status; n_ready++) {
        status = client_init(&clients[n_ready], s, round * MAX_CLIENTS + n_ready);
        if (status) *error = clients[n_ready].error;
    }
    atomic_store(&s->next, 0);
    s->start_s = bench_now_s();
    for (; !status && n_started < n; n_started++) {
        if (pthread_create(&clients[n_started].thread, NULL, drive, &clients[n_started])) {
            status = no_memory(error);
            break;
        }
    }
    for (size_t i = 0; i < n_started; i++) {
        pthread_join(clients[i].thread, NULL);
        if (clients[i].status && !status) *error = clients[i].error, status = clients[i].status;
    }
    if (!status) status = report_streams(s, clients, n, bench_now_s() - s->start_s, error);
    Client *asked = clients; /* one that did: others may have been quicker than the first */
    while (asked < clients + n - 1 && !asked->body) asked++;
    if (!status && asked->body) status = measure_repeated(s, asked, error);
    for (size_t i = 0; i < n_ready; i++) client_deinit(&clients[i]);
    free(clients);
    return status;
}

/* ---- questions --------------------------------------------------------------------------------
 */

static FonteStatus send_json(FonteClient *client, const char *method, const char *path, cJSON *body,
                             cJSON **ret, FonteError *error) {
    char *text = body ? cJSON_PrintUnformatted(body) : NULL;
    FonteRequest request = { .method = method,
                             .path = path,
                             .content_type = text ? "application/json" : NULL,
                             .body = text,
                             .n_body = text ? strlen(text) : 0 };
    FonteResponse response = { 0 };
    FonteStatus status = fonte_client_send(client, &request, &response, error);
    if (!status && response.status != 200) status = fonte_response_error(&response, error);
    if (!status) *ret = cJSON_ParseWithLength(response.body, response.n_body);
    fonte_response_deinit(&response);
    free(text);
    cJSON_Delete(body);
    return status;
}

/* One question over the documents: what it took but for the engine, and that. */
static FonteStatus ask_question(FonteClient *client, BenchText *text, double *ret_overhead_ms,
                                double *ret_engine_ms, FonteError *error) {
    char *question = bench_text_question(text);
    cJSON *body = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddStringToObject(body, "question", question ? question : "");
    cJSON_AddStringToObject(body, "mode", "generate");
    free(question);
    double start_s = bench_now_s();
    FonteStatus status = send_json(client, "POST", "/v1/ask", body, &answer, error);
    double all_ms = (bench_now_s() - start_s) * 1e3;
    *ret_engine_ms = json_number(json_get(answer, "timings_ms"), "engine");
    *ret_overhead_ms = all_ms - *ret_engine_ms;
    cJSON_Delete(answer);
    return status;
}

static FonteStatus measure_questions(Serve *s, size_t round, FonteError *error) {
    size_t n = s->options->n_questions, done = 0;
    FonteClient *client = NULL;
    double *overhead = calloc(n + 1, sizeof *overhead), *engine = calloc(n + 1, sizeof *engine);
    BenchText *text = bench_text_new(90 + round);
    FonteStatus status = overhead && engine && text ? FONTE_OK : no_memory(error);
    if (!status) status = fonte_client_open(s->socket, &client, error);
    for (; done < n && !status; done++) {
        status = ask_question(client, text, &overhead[done], &engine[done], error);
        if (workspace_interrupted()) status = error->status = FONTE_CANCELLED;
    }
    if (!status) bench_add_quantiles(s->report, "overhead", "ms", overhead, n);
    if (!status) bench_add_quantiles(s->report, "engine", "ms", engine, n);
    fonte_client_close(client);
    bench_text_free(text);
    free(overhead);
    free(engine);
    return status;
}

/* ---- the whole ---- */

static FonteStatus find_model(Serve *s, FonteClient *client, FonteError *error) {
    cJSON *answer = NULL;
    FonteStatus status = send_json(client, "GET", "/v1/status", NULL, &answer, error);
    if (status) return status;
    snprintf(s->model, sizeof s->model, "%s", json_text(json_get(answer, "model"), "name"));
    cJSON_Delete(answer);
    if (s->model[0]) return FONTE_OK;
    *error = (FonteError){ .status = FONTE_INVALID, .text = "the daemon serves no model" };
    return error->status;
}

/* Prompts with nothing and with PROBE_BYTES in each of both texts: what a token is. */
static FonteStatus probe(Serve *s, FonteClient *client, FonteError *error) {
    BenchText *text = bench_text_new(3);
    char *document = text ? bench_text_document(text, PROBE_BYTES) : NULL;
    size_t n[2] = { 0 };
    FonteStatus status = document ? FONTE_OK : no_memory(error);
    for (int i = 0; i < 2 && !status; i++) {
        const char *what = i == 0 ? "a" : document;
        char *body = bench_stream_body(s->model, what, what, 1);
        BenchStream stream = { 0 };
        status =
            body ? bench_stream_run(client, body, bench_now_s(), &stream, error) : no_memory(error);
        n[i] = stream.n_prompt;
        free(body);
    }
    if (!status) {
        double bytes = 2 * (double)strlen(document), tokens = (double)n[1] - (double)n[0];
        s->bytes_per_token = tokens > 0 ? bytes / tokens : 1;
        s->n_template = n[0];
    }
    free(document);
    bench_text_free(text);
    return status;
}

/* The common part, read once: what is measured is a daemon that has been asked before. */
static FonteStatus warm(Serve *s, FonteClient *client, FonteError *error) {
    const BenchOptions *o = s->options;
    BenchText *text = bench_text_new(4);
    double n = (double)o->n_prompt * (double)o->shared_percent / 100;
    s->shared = text ? make_text(s, text, n) : NULL;
    char *body = s->shared ? make_body(s, text) : NULL;
    BenchStream stream = { 0 };
    FonteStatus status =
        body ? bench_stream_run(client, body, bench_now_s(), &stream, error) : no_memory(error);
    free(body);
    bench_text_free(text);
    return status;
}

static FonteStatus measure(Serve *s, FonteError *error) {
    FonteClient *client = NULL;
    FonteStatus status = fonte_client_open(s->socket, &client, error);
    if (!status) status = find_model(s, client, error);
    if (!status) status = probe(s, client, error);
    if (!status) status = warm(s, client, error);
    for (int i = 0; i < s->options->repeats && !status; i++) {
        if (s->n_streams) status = measure_streams(s, (size_t)i, error);
        if (!status) status = measure_questions(s, (size_t)i, error);
    }
    fonte_client_close(client);
    free(s->shared);
    return status;
}

/* The daemon's settings for this benchmark, then the user's. */
static size_t choose_settings(const BenchOptions *o, char own[][PATH_MAX],
                              const char *ret[MAX_SETTINGS]) {
    size_t n = 0;
    snprintf(own[n++], PATH_MAX, "generator.model=%.4000s", o->model);
    snprintf(own[n++], PATH_MAX, "generator.name=bench");
    snprintf(own[n++], PATH_MAX, "generator.template=llama2");
    snprintf(own[n++], PATH_MAX, "generator.streams=%d", o->clients);
    snprintf(own[n++], PATH_MAX, "generator.queue=%d", o->clients);
    snprintf(own[n++], PATH_MAX, "generator.answer_tokens=%zu", o->n_decode);
    snprintf(own[n++], PATH_MAX, "generator.threads=%zu", o->n_threads);
    snprintf(own[n++], PATH_MAX, "answer.min_confidence=0");
    snprintf(own[n++], PATH_MAX, "limits.request_time=1h");
    for (size_t i = 0; i < n; i++) ret[i] = own[i];
    for (size_t i = 0; i < o->n_settings && n < MAX_SETTINGS; i++) ret[n++] = o->settings[i];
    return n;
}

static FonteStatus with_daemon(Serve *s, const char *folder, FonteError *error) {
    static char own[9][PATH_MAX];
    const char *settings[MAX_SETTINGS];
    size_t n = choose_settings(s->options, own, settings);
    BenchDaemon daemon;
    FonteStatus status = bench_daemon_start(folder, s->socket, settings, n, &daemon, error);
    if (!status) status = measure(s, error);
    if (!status) bench_add(s->report, "daemon_peak_memory", "MB", bench_peak_mb(daemon.pid));
    bench_daemon_stop(&daemon);
    return status;
}

FonteStatus bench_serve(const BenchOptions *options, BenchReport *ret, FonteError *error) {
    Serve serve = { .options = options, .socket = options->socket, .report = ret };
    serve.n_streams = (size_t)options->clients * (size_t)options->requests;
    const char *workspace;
    FonteStatus status = workspace_open(&workspace, error);
    if (status) return status;
    if (options->socket) {
        status = measure(&serve, error);
    } else {
        char folder[PATH_MAX], socket[PATH_MAX];
        snprintf(folder, sizeof folder, "%.4000s/state", workspace);
        snprintf(socket, sizeof socket, "%.4000s/fonte.sock", workspace);
        serve.socket = socket;
        status = bench_fill(folder, options->n_passages, options->keep_quiet, error);
        if (!status) status = with_daemon(&serve, folder, error);
    }
    workspace_close();
    return status;
}
