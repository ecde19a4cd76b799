/* fonte model: model files, without a daemon but for use. Its commands are a table like main.c's.
 */
#include "cli/commands.h"
#include "cli/model.h"

#include <string.h>

static const Command commands[] = {
    { "pull", "Bring a model here", model_pull },
    { "use", "Have the daemon answer with another model", model_use },
    { "inspect", "Show what a file holds: sizes, types, tokenizer, licence", model_inspect },
    { "verify", "Check a whole file", model_verify },
    { "tokenize", "Text to token ids", model_tokenize },
    { "detokenize", "Token ids to text", model_detokenize },
    { "logits", "Write the logits of every position", model_logits },
    { "generate", "Write on from a prompt", model_generate },
    { "perplexity", "How well a text is foreseen", model_perplexity },
    { "quantize", "Write a file with another number format", model_quantize },
    { "convert", "Make a GGUF file of a Hugging Face folder", model_convert },
    { "random", "Make a model with random weights, to measure with", model_random },
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

int cmd_model(Cli *cli, int argc, char **argv) {
    char about[2048];
    size_t n = (size_t)snprintf(
        about, sizeof about,
        "Work with model files (GGUF). Only 'use' needs the daemon.\n\nCommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        n += (size_t)snprintf(about + n, sizeof about - n, "  %-10s  %s\n", commands[i].name,
                              commands[i].help);
    snprintf(about + n, sizeof about - n,
             "\n'fonte model COMMAND --help' shows the options of a command.");
    Usage usage = {
        .command = "model", .operands = "COMMAND ...", .about = about, .has_commands = true
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (first >= argc) return cli_fail_usage(cli, "which command?");
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[first], commands[i].name) == 0)
            return commands[i].run(cli, argc - first, argv + first);
    return cli_fail_usage(cli, "there is no command '%s'", argv[first]);
}
