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
    { "engine", bench_engine, 3 },
};

int cmd_bench(Cli *cli, int argc, char **argv) {
    size_t megabytes = 50, passages = 100000, clients = 4, requests = 250, repeats = 0;
    BenchOptions options = { .n_prompt = 512, .n_decode = 64, .n_streams = 1 };
    Option table[] = {
        { 0, "size", OPTION_COUNT, &megabytes, "MB", "ingest: text to add (default 50)", 1, 1e6 },
        { 0, "passages", OPTION_COUNT, &passages, "N", "search: in the index (default 100000)", 1,
          1e8 },
        { 0, "clients", OPTION_COUNT, &clients, "N", "search: at once (default 4)", 1, 64 },
        { 0, "requests", OPTION_COUNT, &requests, "N", "search: per client (default 250)", 1, 1e6 },
        { 0, "prompt", OPTION_COUNT, &options.n_prompt, "N",
          "engine: tokens to read (default 512; 0: none)", 0, 1e7 },
        { 0, "decode", OPTION_COUNT, &options.n_decode, "N",
          "engine: tokens to write (default 64; 0: none)", 0, 1e7 },
        { 0, "context", OPTION_COUNT, &options.n_context, "N",
          "engine: tokens before those (default 0)", 0, 1e7 },
        { 0, "streams", OPTION_COUNT, &options.n_streams, "N",
          "engine: written to at once (default 1)", 1, 256 },
        { 'j', "threads", OPTION_COUNT, &options.n_threads, "N",
          "engine: threads (default: all processors)", 1, 256 },
        { 0, "kv", OPTION_CHOICE, &options.kv, "f32|f16|q8_0",
          "engine: numbers of the key/value cache (default f16)" },
        { 0, "kernels", OPTION_TEXT, &options.kernels, "SETS",
          "engine: only these sets of kernels, as in \"ref,avx2\"" },
        { 0, "profile", OPTION_FLAG, &options.profile, NULL,
          "engine: also the time of each operation" },
        { 0, "repeat", OPTION_COUNT, &repeats, "N", "repetitions (default 3)", 1,
          BENCH_MAX_REPEATS },
    };
    Usage usage = { "bench", "ingest|search|engine MODEL",
                    "Measure this machine: ingest adds plain text to an index of its own (MB/s and "
                    "memory); search starts a daemon of its own over many passages (time to start, "
                    "p50 and p99 of searches over the socket); engine reads and writes tokens with "
                    "a model (tokens/s, and their share of what memory and processor could do). "
                    "Needs no running daemon and leaves "
                    "nothing behind.",
                    table, sizeof table / sizeof table[0] };
    int first, exit_status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &exit_status)) return exit_status;
    const Bench *bench = NULL;
    for (size_t i = 0; first < argc && i < sizeof benches / sizeof benches[0]; i++) {
        if (strcmp(argv[first], benches[i].name) == 0) bench = &benches[i];
    }
    if (!bench) return cli_fail_usage(cli, "bench what: ingest, search or engine?");
    bool is_engine = bench->run == bench_engine;
    if (argc - first != 1 + is_engine)
        return cli_fail_usage(cli, is_engine ? "one model" : "%s takes no operands", bench->name);
    options.model = is_engine ? argv[first + 1] : NULL;
    options.megabytes = megabytes;
    options.n_passages = passages;
    options.clients = (int)clients;
    options.requests = (int)requests;
    options.repeats = (int)(repeats ? repeats : bench->default_repeats);
    options.keep_quiet = !cli->err.is_terminal;
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
