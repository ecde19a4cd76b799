/* fonte bench: speed on this machine. Starts what it needs itself, in a temporary folder. */
#include "cli/bench.h"
#include "cli/commands.h"

#include <string.h>

typedef struct Bench {
    const char *name;
    FonteStatus (*run)(const BenchOptions *options, BenchReport *ret, FonteError *error);
    size_t default_repeats;
} Bench;

static const Bench benches[] = {
    { "ingest", bench_ingest, 3 },
    { "search", bench_search, 3 },
};

int cmd_bench(Cli *cli, int argc, char **argv) {
    size_t megabytes = 50, passages = 100000, clients = 4, requests = 250, repeats = 0;
    Option table[] = {
        { 0, "size", OPTION_COUNT, &megabytes, "MB", "ingest: text to add (default 50)", 1, 1e6 },
        { 0, "passages", OPTION_COUNT, &passages, "N", "search: in the index (default 100000)", 1,
          1e8 },
        { 0, "clients", OPTION_COUNT, &clients, "N", "search: at once (default 4)", 1, 64 },
        { 0, "requests", OPTION_COUNT, &requests, "N", "search: per client (default 250)", 1, 1e6 },
        { 0, "repeat", OPTION_COUNT, &repeats, "N", "repetitions (default 3)", 1,
          BENCH_MAX_REPEATS },
    };
    Usage usage = { "bench", "ingest|search",
                    "Measure this machine: ingest adds plain text to an index of its own (MB/s and "
                    "memory); search starts a daemon of its own over many passages (time to start, "
                    "p50 and p99 of searches over the socket). Needs no running daemon and leaves "
                    "nothing behind.",
                    table, sizeof table / sizeof table[0] };
    int first, exit_status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &exit_status)) return exit_status;
    const Bench *bench = NULL;
    for (size_t i = 0; first + 1 == argc && i < sizeof benches / sizeof benches[0]; i++) {
        if (strcmp(argv[first], benches[i].name) == 0) bench = &benches[i];
    }
    if (!bench) return cli_fail_usage(cli, "bench what: ingest or search?");
    BenchOptions options = {
        .megabytes = megabytes,
        .n_passages = passages,
        .clients = (int)clients,
        .requests = (int)requests,
        .repeats = (int)(repeats ? repeats : bench->default_repeats),
        .keep_quiet = !cli->err.is_terminal,
    };
    static BenchReport report;
    FonteError error = { 0 };
    FonteStatus status = bench->run(&options, &report, &error);
    if (status == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    if (status) {
        if (!error.text[0])
            error = (FonteError){ .status = status, .text = "the benchmark failed" };
        return cli_fail(cli, &error);
    }
    bench_print(&report, cli->json);
    return EXIT_OK;
}
