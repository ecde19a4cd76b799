/* The daemon's program is the one beside this program; its configuration is empty but for what is
 * said here: the machine's own would be measured along, or refuse us. */
#include "cli/bench_daemon.h"

#include "cli/bench.h"
#include "cli/bench_text.h"
#include "cli/workspace.h"

#include <errno.h>
#include <fonte/client.h>
#include <fonte/index.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOCUMENT_BYTES = 12000, BATCH = 128, START_SECONDS = 120, MAX_ARGUMENTS = 128 };
extern char **environ;

FonteStatus bench_fill(const char *folder, size_t n_passages, bool quiet, FonteError *error) {
    FonteIndex *index = NULL;
    BenchText *text = bench_text_new(7);
    if (!text) return error->status = FONTE_NO_MEMORY;
    FonteStatus status = fonte_index_open(folder, NULL, &index, error);
    FonteIndexCounts counts = { 0 };
    for (size_t n = 0; !status && counts.n_passages < n_passages; n += BATCH) {
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
        if (!quiet) {
            fprintf(stderr, "\r%zu of %zu passages", counts.n_passages, n_passages);
        }
    }
    if (!quiet) fputc('\n', stderr);
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

static FonteStatus make_config(const char *socket, char path[PATH_MAX], FonteError *error) {
    snprintf(path, PATH_MAX, "%.4000s.conf", socket);
    FILE *file = fopen(path, "we");
    if (!file) return fail(error, FONTE_IO, path, strerror(errno));
    fclose(file);
    return FONTE_OK;
}

/* Until it answers. */
static FonteStatus wait_for(BenchDaemon *daemon, const char *socket, FonteError *error) {
    FonteClient *client = NULL;
    double start = bench_now_s();
    FonteStatus status = fonte_client_open(socket, &client, error);
    while (!status) {
        FonteRequest request = { .method = "GET", .path = "/healthz", .timeout_s = 5 };
        FonteResponse response = { 0 };
        FonteError ignored = { 0 };
        bool up =
            !fonte_client_send(client, &request, &response, &ignored) && response.status == 200;
        fonte_response_deinit(&response);
        if (up) break;
        if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
            daemon->pid = 0;
            status = fail(error, FONTE_IO, "fonted", "ended before it answered");
        } else if (bench_now_s() - start > START_SECONDS || workspace_interrupted()) {
            status = fail(error, FONTE_TIMEOUT, "fonted", "did not answer in time");
        }
        usleep(2000);
    }
    daemon->start_s = bench_now_s() - start;
    fonte_client_close(client);
    return status;
}

FonteStatus bench_daemon_start(const char *folder, const char *socket, const char *const *settings,
                               size_t n_settings, BenchDaemon *ret, FonteError *error) {
    char program[PATH_MAX], config[PATH_MAX];
    *ret = (BenchDaemon){ 0 };
    find_daemon(program, sizeof program);
    FonteStatus status = make_config(socket, config, error);
    if (status) return status;
    const char *arguments[MAX_ARGUMENTS + 1] = {
        program,    "--state", folder,
        "--socket", socket,    "--config",
        config,     "--set",   "server.log_level=error",
    };
    size_t n = 9;
    for (size_t i = 0; i < n_settings; i++) {
        if (n + 2 > MAX_ARGUMENTS) return fail(error, FONTE_USAGE, "set", "too many settings");
        arguments[n++] = "--set";
        arguments[n++] = settings[i];
    }
    int failed = posix_spawnp(&ret->pid, program, NULL, NULL, (char **)arguments, environ);
    if (failed) {
        ret->pid = 0;
        return fail(error, FONTE_NOT_FOUND, program, strerror(failed));
    }
    return wait_for(ret, socket, error);
}

void bench_daemon_stop(BenchDaemon *daemon) {
    if (daemon->pid > 0) {
        kill(daemon->pid, SIGTERM);
        waitpid(daemon->pid, NULL, 0);
    }
    daemon->pid = 0;
}
