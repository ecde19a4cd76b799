#pragma once
/* What every benchmark prints: figures with median, least and greatest of several repetitions, and
 * the machine they were measured on.
 * Threads: one owner at a time. */
#include <fonte/status.h>
#include <stdbool.h>

enum { BENCH_MAX_FIGURES = 32, BENCH_MAX_REPEATS = 100 };

typedef struct BenchFigure {
    char name[48];
    const char *unit; /* literal */
    double values[BENCH_MAX_REPEATS];
    int n;
} BenchFigure;

typedef struct BenchReport {
    BenchFigure figures[BENCH_MAX_FIGURES];
    int n;
} BenchReport;

/* Add one measured value to the figure of that name (made where it is new). */
void bench_add(BenchReport *report, const char *name, const char *unit, double value);
/* The same for NAME_p50 and NAME_p99 of n values, which are sorted. */
void bench_add_quantiles(BenchReport *report, const char *name, const char *unit, double *values,
                         size_t n);
/* {"machine":…,"figures":{"NAME":{"median","min","max","unit"}}} or a table for people. */
void bench_print(BenchReport *report, bool json);

typedef struct BenchOptions {
    size_t megabytes;            /* ingest: of text */
    size_t n_passages;           /* search, serve */
    int clients;                 /* search, serve */
    int requests;                /* search, serve: per client and repetition */
    double rate;                 /* serve: questions/s; 0 = as answers come */
    size_t shared_percent;       /* serve: of the prompt, the same for all */
    size_t n_questions;          /* serve: over the documents */
    const char *socket;          /* serve: a daemon that runs; NULL = our own */
    const char *const *settings; /* serve: of our own daemon, "KEY=VALUE" */
    size_t n_settings;
    const char *model;                    /* engine, serve: a GGUF file */
    size_t n_prompt, n_decode, n_context; /* engine, serve: tokens */
    size_t n_streams, n_threads;          /* engine; engine, serve */
    const char *kv, *kernels;             /* engine: NULL = the engine's choice */
    bool profile, speculation;            /* engine: time of each operation; guessing ahead */
    int repeats;
    bool keep_quiet; /* no progress on standard error */
} BenchOptions;

/* Read, split, index, embed and commit plain text: MB/s, and the process's memory. */
FonteStatus bench_ingest(const BenchOptions *options, BenchReport *ret, FonteError *error);
/* A fonted of our own over an index of n_passages: searches over the socket, and its start. */
FonteStatus bench_search(const BenchOptions *options, BenchReport *ret, FonteError *error);
/* Read prompts and write tokens with a model: tokens/s, its loading and memory. */
FonteStatus bench_engine(const BenchOptions *options, BenchReport *ret, FonteError *error);
/* A fonted of our own with a model, or one that runs: streams of many clients, and questions. */
FonteStatus bench_serve(const BenchOptions *options, BenchReport *ret, FonteError *error);

double bench_now_s(void);
/* Peak resident memory of a process (0 = this one) in MB; 0 where it cannot be read. */
double bench_peak_mb(int pid);
/* Processor time that a process has used so far in seconds; 0 where it cannot be read. */
double bench_cpu_s(int pid);
