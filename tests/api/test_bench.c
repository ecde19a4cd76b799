/* Measuring the engine: every figure comes, once a repetition, and is possible. */
#include <criterion/criterion.h>
#include <fonte/fonte.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[40], model[64];
static FonteError error;

static void set_up(void) {
    FonteRandomOptions options = { .n_layers = 1 };
    strcpy(folder, "/tmp/fonte-bench-XXXXXX");
    cr_assert(mkdtemp(folder));
    snprintf(model, sizeof model, "%s/a.gguf", folder);
    cr_assert_eq(fonte_model_random("tinyllama-1.1b", "Q4_0", model, &options, NULL, &error),
                 FONTE_OK, "%s", error.text);
}

static void tear_down(void) {
    char command[80];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(api_bench, .init = set_up, .fini = tear_down);

typedef struct Figures {
    char names[64][48];
    double values[64];
    size_t n, stop_after;
} Figures;

static bool take(void *context, const char *name, const char *unit, double value) {
    Figures *f = context;
    cr_assert_lt(f->n, 64);
    cr_assert(unit[0]);
    snprintf(f->names[f->n], sizeof f->names[0], "%s", name);
    f->values[f->n++] = value;
    return f->n != f->stop_after;
}

static size_t count(const Figures *f, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->names[i], name) != 0) continue;
        cr_assert_gt(f->values[i], 0, "%s", name);
        n++;
    }
    return n;
}

static FonteBenchEngine small(Figures *figures) {
    return (FonteBenchEngine){ .model = model,
                               .n_prompt = 5,
                               .n_decode = 2,
                               .n_context = 3,
                               .n_streams = 2,
                               .n_threads = 2,
                               .n_repeats = 2,
                               .figure = take,
                               .context = figures };
}

Test(api_bench, every_figure_comes_once_a_repetition) {
    Figures f = { 0 };
    FonteBenchEngine bench = small(&f);
    bench.profile = true;
    cr_assert_eq(fonte_bench_engine(&bench, &error), FONTE_OK, "%s", error.text);
    static const char *const repeated[] = {
        "load",         "prefill",         "decode",          "prefill_share",
        "decode_share", "prefill_gate_up", "decode_attention"
    };
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        cr_assert_eq(count(&f, repeated[i]), 2, "%s", repeated[i]);
    }
    cr_assert_eq(count(&f, "resident"), 1);
    cr_assert_eq(count(&f, "memory_limit"), 1);
    cr_assert_eq(count(&f, "arithmetic_limit"), 1);
}

Test(api_bench, guessing_ahead_is_measured_where_it_is_asked_for) {
    Figures f = { 0 };
    FonteBenchEngine bench = small(&f);
    bench.speculation = true;
    bench.n_prompt = 12;
    bench.n_decode = 6;
    cr_assert_eq(fonte_bench_engine(&bench, &error), FONTE_OK, "%s", error.text);
    static const char *const repeated[] = { "copied", "copied_plain", "copied_gain", "other",
                                            "other_plain" };
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        cr_assert_eq(count(&f, repeated[i]), 2, "%s", repeated[i]);
    }
}

Test(api_bench, what_is_not_asked_for_is_not_measured) {
    Figures f = { 0 };
    FonteBenchEngine bench = small(&f);
    bench.n_prompt = 0;
    cr_assert_eq(fonte_bench_engine(&bench, &error), FONTE_OK, "%s", error.text);
    cr_assert_eq(count(&f, "prefill"), 0);
    cr_assert_eq(count(&f, "decode"), 2);
}

Test(api_bench, it_stops_where_the_caller_says_so) {
    Figures f = { .stop_after = 1 };
    FonteBenchEngine bench = small(&f);
    cr_assert_eq(fonte_bench_engine(&bench, &error), FONTE_CANCELLED);
    cr_assert_eq(f.n, 1);
}

static void refused(FonteBenchEngine bench, FonteStatus status, const char *text) {
    error = (FonteError){ 0 };
    cr_assert_eq(fonte_bench_engine(&bench, &error), status, "%s", error.text);
    cr_assert(strstr(error.text, text), "%s", error.text);
}

Test(api_bench, options_out_of_range_are_refused) {
    Figures f = { 0 };
    FonteBenchEngine bench = small(&f);
    bench.kv = "q4";
    refused(bench, FONTE_USAGE, "unknown type of cache 'q4'");
    bench = small(&f);
    bench.n_streams = 257;
    refused(bench, FONTE_USAGE, "257 streams, at most 256");
    bench = small(&f);
    bench.n_context = 5000;
    refused(bench, FONTE_USAGE, "context");
    bench = small(&f);
    bench.speculation = true;
    bench.n_decode = bench.n_prompt + 1;
    refused(bench, FONTE_USAGE, "speculation");
    bench = small(&f);
    bench.kernels = "sse9";
    refused(bench, FONTE_USAGE, "sse9");
    bench = small(&f);
    bench.model = "/nonexistent/a.gguf";
    refused(bench, FONTE_NOT_FOUND, "/nonexistent/a.gguf");
    bench.model = NULL;
    refused(bench, FONTE_USAGE, "model");
}
