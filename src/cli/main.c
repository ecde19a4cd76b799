/* fonte: finds the command and runs it. Its exit status is documented in fonte(1) and in --help. */
#include "cli/commands.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

static const Command commands[] = {
    { "add", "Add files, folders or standard input", cmd_add },
    { "ask", "Ask a question and see the answer with its sources", cmd_ask },
    { "replay", "Make an answer once more and see whether it is the same", cmd_replay },
    { "search", "Find passages", cmd_search },
    { "docs", "List documents, show one", cmd_docs },
    { "rm", "Remove documents", cmd_rm },
    { "status", "Show the state of the daemon and its index", cmd_status },
    { "model", "Look into, test, run and make model files", cmd_model },
    { "eval", "Measure the quality of search and answers on a dataset", cmd_eval },
    { "bench", "Measure the speed of this machine", cmd_bench },
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static char about[4096];

static void describe(void) {
    size_t n = 0;
    n += (size_t)snprintf(about, sizeof about,
                          "Ask your own documents and see where each sentence of the answer stands."
                          "\n\nCommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        n += (size_t)snprintf(about + n, sizeof about - n, "  %-10s  %s\n", commands[i].name,
                              commands[i].help);
    snprintf(
        about + n, sizeof about - n,
        "\n'fonte COMMAND --help' shows the options of a command.\n"
        "\nExit status: 0 ok, 1 failed, 2 wrong usage, 3 cannot reach the daemon, 4 not found,\n"
        "5 refused by a limit or a right, 130 interrupted.");
}

int main(int argc, char **argv) {
    Cli cli = { .color = "auto" };
    int first = 0, status = EXIT_OK;
    /* Columns are counted in UTF-8, which is all that is ever printed; numbers stay in the C
     * locale's form. */
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    describe();
    Usage usage = { .operands = "COMMAND ...", .about = about };
    if (!cli_parse(&cli, &usage, argc, argv, &first, &status)) return cli_finish(&cli, status);
    if (first >= argc) return cli_finish(&cli, cli_fail_usage(&cli, "which command?"));
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[first], commands[i].name) == 0)
            return cli_finish(&cli, commands[i].run(&cli, argc - first, argv + first));
    status = cli_fail_usage(&cli, "there is no command '%s'", argv[first]);
    return cli_finish(&cli, status);
}
