/* A daemon of our own on a temporary socket over an index of many passages; several clients search
 * side by side and time each answer from the first byte sent to the last byte read. */
#include "cli/bench.h"
#include "cli/bench_text.h"
#include "cli/workspace.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fonte/client.h>
#include <fonte/index.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOCUMENT_BYTES = 12000, BATCH = 128, MAX_CLIENTS = 64, START_SECONDS = 120 };
extern char **environ;

typedef struct Client {
    pthread_t thread;
    const char *socket;
    int id, requests;
    double *ms; /* [requests] */
    FonteStatus status;
    FonteError error;
} Client;

static FonteStatus fill(const char *folder, const BenchOptions *options, FonteError *error) {
    FonteIndex *index = NULL;
    BenchText *text = bench_text_new(7);
    if (!text) return error->status = FONTE_NO_MEMORY;
    FonteStatus status = fonte_index_open(folder, NULL, &index, error);
    FonteIndexCounts counts = { 0 };
    for (size_t n = 0; !status && counts.n_passages < options->n_passages; n += BATCH) {
        FonteInput inputs[BATCH] = { 0 };
        char urls[BATCH][32];
        for (size_t i = 0; i < BATCH; i++) {
            snprintf(urls[i], sizeof urls[i], "bench:%zu", n + i);
            char *document = bench_text_document(text, DOCUMENT_BYTES);
            inputs[i] = (FonteInput){ .bytes = document ? document : "",
                                      .n_bytes = document ? strlen(document) : 0,
                                      .url = urls[i],
                                      .mime = "text/plain" };
        }
        status = fonte_index_add_many(index, inputs, BATCH, 0, NULL, NULL, error);
        for (size_t i = 0; i < BATCH; i++) {
            if (inputs[i].n_bytes) free((void *)inputs[i].bytes);
        }
        if (!status) status = fonte_index_counts(index, &counts, error);
        if (!status && workspace_interrupted()) status = error->status = FONTE_CANCELLED;
        if (!options->keep_quiet) {
            fprintf(stderr, "\rsearch: %zu of %zu passages", counts.n_passages,
                    options->n_passages);
        }
    }
    if (!options->keep_quiet) fputc('\n', stderr);
    if (!status) status = fonte_index_settle(index, error);
    fonte_index_close(index);
    bench_text_free(text);
    return status;
}

/* fonted beside this program, or in the build tree, or in $PATH. */
static void find_daemon(char *path, size_t n) {
    char self[PATH_MAX] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) > 0) {
        static const char *const beside[] = { "fonted", "../daemon/fonted", "../sbin/fonted" };
        const char *folder = dirname(self);
        for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
            snprintf(path, n, "%s/%s", folder, beside[i]);
            if (access(path, X_OK) == 0) return;
        }
    }
    snprintf(path, n, "fonted");
}

static FonteStatus fail(FonteError *error, FonteStatus status, const char *what, const char *why) {
    *error = (FonteError){ .status = status };
    snprintf(error->text, sizeof error->text, "%.200s: %.200s", what, why);
    return status;
}

/* An empty configuration: the machine's own would be measured along, or refuse us. */
static FonteStatus make_config(const char *socket, char path[PATH_MAX], FonteError *error) {
    snprintf(path, PATH_MAX, "%.4000s.conf", socket);
    FILE *file = fopen(path, "we");
    if (!file) return fail(error, FONTE_IO, path, strerror(errno));
    fclose(file);
    return FONTE_OK;
}

static FonteStatus start_daemon(const char *folder, const char *socket, pid_t *ret_pid,
                                double *ret_seconds, FonteError *error) {
    char program[PATH_MAX], config[PATH_MAX];
    find_daemon(program, sizeof program);
    FonteStatus status = make_config(socket, config, error);
    if (status) return status;
    char *arguments[] = { program,    "--state",      (char *)folder,
                          "--socket", (char *)socket, "--config",
                          config,     "--set",        "server.log_level=error",
                          NULL };
    double start = bench_now_s();
    int failed = posix_spawnp(ret_pid, program, NULL, NULL, arguments, environ);
    if (failed) return fail(error, FONTE_NOT_FOUND, program, strerror(failed));
    FonteClient *client = NULL;
    status = fonte_client_open(socket, &client, error);
    while (!status) {
        FonteRequest request = { .method = "GET", .path = "/healthz", .timeout_s = 5 };
        FonteResponse response = { 0 };
        FonteError ignored = { 0 };
        bool up =
            !fonte_client_send(client, &request, &response, &ignored) && response.status == 200;
        fonte_response_deinit(&response);
        if (up) break;
        if (waitpid(*ret_pid, NULL, WNOHANG) == *ret_pid) {
            *ret_pid = 0;
            status = fail(error, FONTE_IO, program, "ended before it answered");
        } else if (bench_now_s() - start > START_SECONDS || workspace_interrupted()) {
            status = fail(error, FONTE_TIMEOUT, program, "did not answer in time");
        }
        usleep(2000);
    }
    *ret_seconds = bench_now_s() - start;
    fonte_client_close(client);
    return status;
}

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

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
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
        qsort(ms, total, sizeof *ms, compare);
        bench_add(report, "search_p50", "ms", ms[total / 2]);
        bench_add(report, "search_p99", "ms", ms[total - 1 - total / 100]);
        bench_add(report, "search_rate", "requests/s", (double)total / seconds);
        bench_add(report, "search_processor_time", "ms",
                  (bench_cpu_s(pid) - cpu_start) * 1e3 / (double)total);
    }
    free(ms);
    return status;
}

static FonteStatus with_daemon(const BenchOptions *options, const char *folder, const char *socket,
                               int round, BenchReport *report, FonteError *error) {
    pid_t pid = 0;
    double seconds;
    FonteStatus status = start_daemon(folder, socket, &pid, &seconds, error);
    if (!status) {
        bench_add(report, "start", "s", seconds);
        status = measure(options, socket, pid, round, report, error);
        bench_add(report, "daemon_peak_memory", "MB", bench_peak_mb(pid));
    }
    if (pid > 0) {
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
    }
    return status;
}

FonteStatus bench_search(const BenchOptions *options, BenchReport *ret, FonteError *error) {
    const char *workspace;
    FonteStatus status = workspace_open(&workspace, error);
    if (status) return status;
    char folder[PATH_MAX], socket[PATH_MAX];
    snprintf(folder, sizeof folder, "%.4000s/state", workspace);
    snprintf(socket, sizeof socket, "%.4000s/fonte.sock", workspace);
    status = fill(folder, options, error);
    for (int i = 0; i < options->repeats && !status && !workspace_interrupted(); i++) {
        status = with_daemon(options, folder, socket, i, ret, error);
    }
    if (!status && workspace_interrupted()) status = error->status = FONTE_CANCELLED;
    workspace_close();
    return status;
}
