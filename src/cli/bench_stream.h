#pragma once
/* One streamed chat completion, timed and counted: for benchmarks.
 * Threads: one owner at a time; streams of several clients side by side. */
#include <fonte/client.h>

typedef struct BenchStream {
    double *gaps_ms; /* caller's storage: between the tokens' events */
    size_t max_gaps, n_gaps;
    double first_ms; /* from when the question was due to the first token */
    double last_s;   /* when the last token came (bench_now_s) */
    size_t n_tokens; /* that events brought */
    /* what the daemon says at the end */
    size_t n_written, n_prompt, n_cached;
    size_t n_events, n_lost; /* tokens, and the end, that no event brought */
} BenchStream;

/* The body of a request; temperature 0. Returned owned (free), NULL without memory. */
char *bench_stream_body(const char *model, const char *system, const char *user, size_t n_tokens);
/* Send it and read the stream to its end. due_s: when the question was due (bench_now_s).
 * Errors: those of fonte_client_stream and of the answer; CANCELLED where the workspace is
 * interrupted. */
FonteStatus bench_stream_run(FonteClient *client, const char *body, double due_s, BenchStream *ret,
                             FonteError *error);
