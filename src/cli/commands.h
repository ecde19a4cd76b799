#pragma once
/* The commands of `fonte`: one file each (cmd_NAME.c), one row in the table of main.c.
 * A command's run() gets its own line (argv[0] is the command's name), describes its options in a
 * table on its stack (cli/options.h) and hands it to cli_parse, which also does --help and the
 * global options; it returns the exit status (fonte_status_exit, or EXIT_*). */
#include "cli/cli.h"

typedef struct Command {
    const char *name;
    const char *help; /* one line */
    int (*run)(Cli *cli, int argc, char **argv);
} Command;

int cmd_add(Cli *cli, int argc, char **argv);
int cmd_ask(Cli *cli, int argc, char **argv);
int cmd_bench(Cli *cli, int argc, char **argv);
int cmd_docs(Cli *cli, int argc, char **argv);
int cmd_eval(Cli *cli, int argc, char **argv);
int cmd_model(Cli *cli, int argc, char **argv);
int cmd_replay(Cli *cli, int argc, char **argv);
int cmd_rm(Cli *cli, int argc, char **argv);
int cmd_search(Cli *cli, int argc, char **argv);
int cmd_status(Cli *cli, int argc, char **argv);
