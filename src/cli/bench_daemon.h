#pragma once
/* A fonted of our own for benchmarks: an index of invented text and a daemon over it, both in a
 * folder of the workspace. Threads: one owner at a time. */
#include <fonte/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct BenchDaemon {
    pid_t pid;      /* 0 = none */
    double start_s; /* until it answered */
} BenchDaemon;

/* Make an index of at least n_passages in folder. CANCELLED where the workspace is interrupted. */
FonteStatus bench_fill(const char *folder, size_t n_passages, bool quiet, FonteError *error);
/* Start fonted over the index in folder and wait until it answers. settings: "KEY=VALUE". After a
 * failure too, ret takes bench_daemon_stop. */
FonteStatus bench_daemon_start(const char *folder, const char *socket, const char *const *settings,
                               size_t n_settings, BenchDaemon *ret, FonteError *error);
/* SIGTERM, and wait for its end. */
void bench_daemon_stop(BenchDaemon *daemon);
