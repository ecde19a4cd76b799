/* fonte bench: speed on this machine. Starts what it needs itself, in a temporary folder. */
#include "cli/bench.h"
#include "cli/commands.h"

#include <string.h>

typedef struct Bench {
    const char *name;
    FonteStatus (*run)(const BenchOptions *options, BenchReport *ret, FonteError *error);
    bool takes_model;
    size_t default_requests, default_repeats;
} Bench;

static const Bench benches[] = {
    { "ingest", bench_ingest, false, 0, 3 },
    { "search", bench_search, false, 250, 3 },
    { "engine", bench_engine, true, 0, 3 },
    { "serve", bench_serve, true, 4, 1 },
};

/* The bench that argv[0] names, with as many operands as it takes; NULL where the usage was wrong.
 */
static const Bench *choose(Cli *cli, int argc, char **argv, BenchOptions *options) {
    const Bench *bench = NULL;
    for (size_t i = 0; argc > 0 && i < sizeof benches / sizeof benches[0]; i++) {
        if (strcmp(argv[0], benches[i].name) == 0) bench = &benches[i];
    }
    if (!bench) {
        cli_fail_usage(cli, "bench what: ingest, search, engine or serve?");
        return NULL;
    }
    bool is_own = bench->run != bench_serve || !cli->socket;
    if (argc != 1 + (bench->takes_model && is_own)) {
        if (!bench->takes_model)
            cli_fail_usage(cli, "%s takes no operands", bench->name);
        else
            cli_fail_usage(cli, is_own ? "one model" : "with --socket the daemon has the model");
        return NULL;
    }
    options->model = argc > 1 ? argv[1] : NULL;
    options->socket = is_own ? NULL : cli->socket;
    return bench;
}

int cmd_bench(Cli *cli, int argc, char **argv) {
    size_t megabytes = 50, passages = 100000, clients = 4, requests = 0, repeats = 0;
    OptionList settings = { 0 };
    BenchOptions options = {
        .n_prompt = 512, .n_decode = 64, .n_streams = 1, .shared_percent = 60, .n_questions = 10
    };
    Option table[] = {
        { 0, "size", OPTION_COUNT, &megabytes, "MB", "ingest: text to add (default 50)", 1, 1e6 },
        { 0, "passages", OPTION_COUNT, &passages, "N",
          "search, serve: in the index (default 100000)", 1, 1e8 },
        { 0, "clients", OPTION_COUNT, &clients, "N", "search, serve: at once (default 4)", 1, 64 },
        { 0, "requests", OPTION_COUNT, &requests, "N", "search, serve: per client (default 250, 4)",
          1, 1e6 },
        { 0, "rate", OPTION_NUMBER, &options.rate, "X",
          "serve: questions a second, all together (default: as answers come)", 0, 1e6 },
        { 0, "shared", OPTION_COUNT, &options.shared_percent, "PERCENT",
          "serve: of each prompt, the same for all (default 60)", 0, 100 },
        { 0, "questions", OPTION_COUNT, &options.n_questions, "N",
          "serve: over the documents (default 10; 0: none)", 0, 1e6 },
        { 0, "set", OPTION_LIST, &settings, "KEY=VALUE", "serve: a setting of the daemon" },
        { 0, "prompt", OPTION_COUNT, &options.n_prompt, "N",
          "engine, serve: tokens to read (default 512; 0: none)", 0, 1e7 },
        { 0, "decode", OPTION_COUNT, &options.n_decode, "N",
          "engine, serve: tokens to write (default 64; 0: none)", 0, 1e7 },
        { 0, "context", OPTION_COUNT, &options.n_context, "N",
          "engine: tokens before those (default 0)", 0, 1e7 },
        { 0, "streams", OPTION_COUNT, &options.n_streams, "N",
          "engine: written to at once (default 1)", 1, 256 },
        { 'j', "threads", OPTION_COUNT, &options.n_threads, "N",
          "engine, serve: threads (default: all processors)", 1, 256 },
        { 0, "kv", OPTION_CHOICE, &options.kv, "f32|f16|q8_0",
          "engine: numbers of the key/value cache (default f16)" },
        { 0, "kernels", OPTION_TEXT, &options.kernels, "SETS",
          "engine: only these sets of kernels, as in \"ref,avx2\"" },
        { 0, "profile", OPTION_FLAG, &options.profile, NULL,
          "engine: also the time of each operation" },
        { 0, "speculation", OPTION_FLAG, &options.speculation, NULL,
          "engine: also what guessing ahead is worth" },
        { 0, "repeat", OPTION_COUNT, &repeats, "N", "repetitions (default 3; serve: 1)", 1,
          BENCH_MAX_REPEATS },
    };
    Usage usage = { "bench", "ingest|search|engine MODEL|serve MODEL",
                    "Measure this machine: ingest adds plain text to an index of its own (MB/s and "
                    "memory); search starts a daemon of its own over many passages (time to start, "
                    "p50 and p99 of searches over the socket); engine reads and writes tokens with "
                    "a model (tokens/s, and their share of what memory and processor could do); "
                    "serve has many clients of a daemon read streams (time to the first token and "
                    "between tokens, lost events), and asks over the documents (time beside the "
                    "engine). Needs no running daemon and leaves nothing behind; serve takes one "
                    "that runs with --socket.",
                    table, sizeof table / sizeof table[0] };
    int first, exit_status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &exit_status)) return exit_status;
    const Bench *bench = choose(cli, argc - first, argv + first, &options);
    if (!bench) return EXIT_USAGE;
    options.megabytes = megabytes;
    options.n_passages = passages;
    options.clients = (int)clients;
    options.requests = (int)(requests ? requests : bench->default_requests);
    options.settings = settings.items;
    options.n_settings = settings.n;
    options.repeats = (int)(repeats ? repeats : bench->default_repeats);
    options.keep_quiet = !cli->err.is_terminal;
    static BenchReport report;
    FonteError error = { 0 };
    FonteStatus status = bench->run(&options, &report, &error);
    option_list_deinit(&settings);
    if (status == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    if (status) {
        if (!error.text[0])
            error = (FonteError){ .status = status, .text = "the benchmark failed" };
        return cli_fail(cli, &error);
    }
    bench_print(&report, cli->json);
    return EXIT_OK;
}
