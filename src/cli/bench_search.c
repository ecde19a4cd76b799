/* A daemon of our own on a temporary socket over an index of many passages; several clients search
 * side by side and time each answer from the first byte sent to the last byte read. */
#include "cli/bench.h"
#include "cli/bench_daemon.h"
#include "cli/bench_text.h"
#include "cli/workspace.h"

#include <cjson/cJSON.h>
#include <fonte/client.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLIENTS = 64 };

typedef struct Client {
    pthread_t thread;
    const char *socket;
    int id, requests;
    double *ms; /* [requests] */
    FonteStatus status;
    FonteError error;
} Client;

static char *make_body(BenchText *text) {
    char *question = bench_text_question(text);
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "question", question ? question : "");
    cJSON_AddNumberToObject(body, "k", 8);
    char *json = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    free(question);
    return json;
}

static void *drive(void *context) {
    Client *c = context;
    FonteClient *client = NULL;
    BenchText *text = bench_text_new((uint64_t)c->id + 1000);
    c->status = text ? fonte_client_open(c->socket, &client, &c->error) : FONTE_NO_MEMORY;
    for (int i = 0; i < c->requests && !c->status && !workspace_interrupted(); i++) {
        char *body = make_body(text);
        FonteRequest request = { .method = "POST",
                                 .path = "/v1/search",
                                 .content_type = "application/json",
                                 .body = body,
                                 .n_body = body ? strlen(body) : 0,
                                 .timeout_s = 60 };
        FonteResponse response = { 0 };
        double start = bench_now_s();
        c->status = fonte_client_send(client, &request, &response, &c->error);
        c->ms[i] = (bench_now_s() - start) * 1e3;
        if (!c->status && response.status != 200)
            c->status = fonte_response_error(&response, &c->error);
        fonte_response_deinit(&response);
        free(body);
    }
    fonte_client_close(client);
    bench_text_free(text);
    return NULL;
}

static FonteStatus measure(const BenchOptions *options, const char *socket, pid_t pid, int round,
                           BenchReport *report, FonteError *error) {
    Client clients[MAX_CLIENTS] = { 0 };
    int n = options->clients < MAX_CLIENTS ? options->clients : MAX_CLIENTS;
    size_t total = (size_t)n * (size_t)options->requests;
    double *ms = calloc(total + 1, sizeof *ms);
    if (!ms) return error->status = FONTE_NO_MEMORY;
    double start = bench_now_s(), cpu_start = bench_cpu_s(pid);
    for (int i = 0; i < n; i++) {
        clients[i] = (Client){ .socket = socket,
                               .id = round * MAX_CLIENTS + i,
                               .requests = options->requests,
                               .ms = ms + (size_t)i * (size_t)options->requests };
        if (pthread_create(&clients[i].thread, NULL, drive, &clients[i])) {
            clients[i].status = FONTE_NO_MEMORY;
            n = i;
        }
    }
    FonteStatus status = FONTE_OK;
    for (int i = 0; i < n; i++) {
        pthread_join(clients[i].thread, NULL);
        if (clients[i].status && !status) *error = clients[i].error, status = clients[i].status;
    }
    double seconds = bench_now_s() - start;
    if (!status && !workspace_interrupted() && total) {
        bench_add_quantiles(report, "search", "ms", ms, total);
        bench_add(report, "search_rate", "requests/s", (double)total / seconds);
        bench_add(report, "search_processor_time", "ms",
                  (bench_cpu_s(pid) - cpu_start) * 1e3 / (double)total);
    }
    free(ms);
    return status;
}

static FonteStatus with_daemon(const BenchOptions *options, const char *folder, const char *socket,
                               int round, BenchReport *report, FonteError *error) {
    BenchDaemon daemon;
    FonteStatus status = bench_daemon_start(folder, socket, NULL, 0, &daemon, error);
    if (!status) {
        bench_add(report, "start", "s", daemon.start_s);
        status = measure(options, socket, daemon.pid, round, report, error);
        bench_add(report, "daemon_peak_memory", "MB", bench_peak_mb(daemon.pid));
    }
    bench_daemon_stop(&daemon);
    return status;
}

FonteStatus bench_search(const BenchOptions *options, BenchReport *ret, FonteError *error) {
    const char *workspace;
    FonteStatus status = workspace_open(&workspace, error);
    if (status) return status;
    char folder[PATH_MAX], socket[PATH_MAX];
    snprintf(folder, sizeof folder, "%.4000s/state", workspace);
    snprintf(socket, sizeof socket, "%.4000s/fonte.sock", workspace);
    status = bench_fill(folder, options->n_passages, options->keep_quiet, error);
    for (int i = 0; i < options->repeats && !status && !workspace_interrupted(); i++) {
        status = with_daemon(options, folder, socket, i, ret, error);
    }
    if (!status && workspace_interrupted()) status = error->status = FONTE_CANCELLED;
    workspace_close();
    return status;
}
