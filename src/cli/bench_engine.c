/* Speed of the language model's engine: fonte_bench_engine, whose values become the report's. */
#include "cli/bench.h"

#include <fonte/bench.h>
#include <stdio.h>

typedef struct Watch {
    BenchReport *report;
    bool quiet;
} Watch;

static bool take_figure(void *context, const char *name, const char *unit, double value) {
    Watch *watch = context;
    bench_add(watch->report, name, unit, value);
    if (!watch->quiet) fprintf(stderr, "\r\033[K%s: %.4g %s", name, value, unit);
    return true;
}

FonteStatus bench_engine(const BenchOptions *options, BenchReport *ret, FonteError *error) {
    Watch watch = { ret, options->keep_quiet };
    FonteBenchEngine engine = {
        .model = options->model,
        .n_prompt = options->n_prompt,
        .n_decode = options->n_decode,
        .n_context = options->n_context,
        .n_streams = options->n_streams,
        .n_threads = (unsigned)options->n_threads,
        .n_repeats = (unsigned)options->repeats,
        .kv = options->kv,
        .kernels = options->kernels,
        .profile = options->profile,
        .speculation = options->speculation,
        .figure = take_figure,
        .context = &watch,
    };
    FonteStatus status = fonte_bench_engine(&engine, error);
    if (!watch.quiet) fprintf(stderr, "\r\033[K");
    return status;
}
