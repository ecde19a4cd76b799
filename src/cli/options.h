#pragma once
/* Options of a command as a table; the table makes the parser and the --help text. Long options
 * may be given as --name VALUE or --name=VALUE and shortened where that is unambiguous; options and
 * operands may be mixed, "--" ends the options.
 * Threads: main thread only (getopt_long keeps its state in globals). */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum OptionKind {
    OPTION_FLAG,   /* target: bool, set to true */
    OPTION_TEXT,   /* target: const char *, a view into argv */
    OPTION_LIST,   /* target: OptionList, may be given several times */
    OPTION_COUNT,  /* target: size_t, min <= value <= max */
    OPTION_NUMBER, /* target: double, min <= value <= max */
    OPTION_CHOICE, /* target: const char *, one of the words in `value` ("auto|always|never") */
} OptionKind;

typedef struct OptionList {
    const char **items; /* views into argv; the array is owned (option_list_deinit) */
    size_t n;
} OptionList;
void option_list_deinit(OptionList *list);

typedef struct Option {
    char letter;      /* 0 = none */
    const char *name; /* long name, without dashes */
    OptionKind kind;
    void *target;
    const char *value; /* what stands for the value in the help; the words of a choice */
    const char *help;
    double min, max; /* of a count or number; both 0 = any that is not negative */
} Option;

typedef struct Usage {
    const char *command;  /* "add"; NULL = the program itself, which has commands */
    const char *operands; /* "PATH..." */
    const char *about;    /* a paragraph for the help */
    const Option *options;
    size_t n_options;
    bool has_commands; /* parsing stops at the first operand: the rest is a command's own line */
} Usage;

/* Several tables at once: the command's own and the global ones. */
enum { OPTIONS_MAX = 64 };

typedef enum OptionsResult {
    OPTIONS_OK,
    OPTIONS_HELP,  /* --help was asked for: nothing was checked after it */
    OPTIONS_WRONG, /* ret_text says what; exit status 2 */
} OptionsResult;

/* Parse argv[1..argc). Operands are moved to the end; *ret_first is the index of the first. */
OptionsResult options_parse(const Usage *usage, const Option *global, size_t n_global, int argc,
                            char **argv, int *ret_first, char *ret_text, size_t n_text);
/* The help text of a usage. */
void options_help(FILE *file, const Usage *usage, const Option *global, size_t n_global);
