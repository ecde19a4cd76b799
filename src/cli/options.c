/* getopt_long does the splitting; its own messages are off (opterr), so that every error is one
 * line that names the program, the command and the option. */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_FIRST = 1000, VALUE_HELP = 999 };

void option_list_deinit(OptionList *list) {
    free(list->items);
    *list = (OptionList){ 0 };
}

static bool in_choice(const char *words, const char *word) {
    size_t n = strlen(word);
    for (const char *p = words; n && !strchr(word, '|'); p++) {
        if (strncmp(p, word, n) == 0 && (p[n] == '|' || p[n] == 0)) return true;
        if (!(p = strchr(p, '|'))) return false;
    }
    return false;
}

static bool set_number(const Option *option, const char *text, char *ret_text, size_t n_text) {
    bool whole = option->kind == OPTION_COUNT;
    double max = option->max > 0 ? option->max : (whole ? 9e15 : HUGE_VAL);
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    bool number = end != text && *end == 0 && !isnan(value);
    if (whole && text[strspn(text, "0123456789")]) number = false;
    if (!number || value < option->min || value > max) {
        if (option->max > 0)
            snprintf(ret_text, n_text, "--%s: '%s' is not a %snumber from %g to %g", option->name,
                     text, whole ? "whole " : "", option->min, option->max);
        else
            snprintf(ret_text, n_text, "--%s: '%s' is not a %snumber of %g or more", option->name,
                     text, whole ? "whole " : "", option->min);
        return false;
    }
    if (whole)
        *(size_t *)option->target = (size_t)value;
    else
        *(double *)option->target = value;
    return true;
}

static bool set_list(OptionList *list, const char *text, char *ret_text, size_t n_text) {
    const char **items = reallocarray(list->items, list->n + 1, sizeof *items);
    if (!items) {
        snprintf(ret_text, n_text, "out of memory");
        return false;
    }
    list->items = items;
    list->items[list->n++] = text;
    return true;
}

static bool set(const Option *option, const char *text, char *ret_text, size_t n_text) {
    switch (option->kind) {
    case OPTION_FLAG: *(bool *)option->target = true; return true;
    case OPTION_TEXT: *(const char **)option->target = text; return true;
    case OPTION_LIST: return set_list(option->target, text, ret_text, n_text);
    case OPTION_COUNT:
    case OPTION_NUMBER: return set_number(option, text, ret_text, n_text);
    case OPTION_CHOICE:
        if (in_choice(option->value, text)) {
            *(const char **)option->target = text;
            return true;
        }
        snprintf(ret_text, n_text, "--%s: '%s' is none of %s", option->name, text, option->value);
        return false;
    }
    return false;
}

/* The tables in getopt's own form. */
typedef struct Table {
    const Option *options[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 2];
    char letters[2 * OPTIONS_MAX + 8];
    int n;
} Table;

static void table_add(Table *table, const Option *options, size_t n, char **letter) {
    for (size_t i = 0; i < n; i++) {
        assert(table->n < OPTIONS_MAX);
        const Option *option = &options[i];
        int has_arg = option->kind == OPTION_FLAG ? no_argument : required_argument;
        table->options[table->n] = option;
        table->longs[table->n] =
            (struct option){ option->name, has_arg, NULL, VALUE_FIRST + table->n };
        if (option->letter) {
            *(*letter)++ = option->letter;
            if (has_arg == required_argument) *(*letter)++ = ':';
        }
        table->n++;
    }
}

static const Option *table_find(const Table *table, int value) {
    if (value >= VALUE_FIRST && value - VALUE_FIRST < table->n)
        return table->options[value - VALUE_FIRST];
    for (int i = 0; i < table->n; i++)
        if (table->options[i]->letter && table->options[i]->letter == value)
            return table->options[i];
    return NULL;
}

static void say_wrong(int kind, const Table *table, char **argv, char *ret_text, size_t n_text) {
    const char *word = argv[optind - 1];
    const Option *option = table_find(table, optopt);
    if (kind == ':')
        snprintf(ret_text, n_text, "%s%s needs a value", option ? "--" : "",
                 option ? option->name : word);
    else if (option || optopt == VALUE_HELP)
        snprintf(ret_text, n_text, "--%s takes no value", option ? option->name : "help");
    else if (optopt)
        snprintf(ret_text, n_text, "unknown option -%c", optopt);
    else
        snprintf(ret_text, n_text, "unknown or ambiguous option %s", word);
}

OptionsResult options_parse(const Usage *usage, const Option *global, size_t n_global, int argc,
                            char **argv, int *ret_first, char *ret_text, size_t n_text) {
    Table table = { .n = 0 };
    char *letter = table.letters;
    if (!usage->command || usage->has_commands)
        *letter++ = '+'; /* what follows the command belongs to the command */
    *letter++ = ':';
    *letter++ = 'h';
    table_add(&table, usage->options, usage->n_options, &letter);
    table_add(&table, global, n_global, &letter);
    table.longs[table.n] = (struct option){ "help", no_argument, NULL, VALUE_HELP };

    opterr = 0;
    optind = 0; /* 0, not 1: glibc starts afresh also where '+' changed */
    for (;;) {
        int value = getopt_long(argc, argv, table.letters, table.longs, NULL);
        if (value == -1) break;
        if (value == VALUE_HELP || value == 'h') return OPTIONS_HELP;
        const Option *option = value == '?' || value == ':' ? NULL : table_find(&table, value);
        if (!option) {
            say_wrong(value, &table, argv, ret_text, n_text);
            return OPTIONS_WRONG;
        }
        if (!set(option, optarg, ret_text, n_text)) return OPTIONS_WRONG;
    }
    *ret_first = optind;
    return OPTIONS_OK;
}

static void help_options(FILE *file, const Option *options, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const Option *option = &options[i];
        char left[80], letter[8] = "    ";
        if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
                 option->kind == OPTION_FLAG ? "" : " ",
                 option->kind == OPTION_FLAG ? "" : option->value);
        if (strlen(left) > 30)
            fprintf(file, "%s\n%32s%s\n", left, "", option->help);
        else
            fprintf(file, "%-30s  %s\n", left, option->help);
    }
}

/* Lines that are too long are broken at a space; line ends that are there stay. */
static void help_paragraph(FILE *file, const char *text) {
    enum { COLUMNS = 95 };
    while (*text) {
        size_t n = strcspn(text, "\n");
        while (n > COLUMNS) {
            size_t cut = COLUMNS;
            while (cut > 0 && text[cut] != ' ') cut--;
            if (cut == 0) break;
            fprintf(file, "%.*s\n", (int)cut, text);
            text += cut + 1;
            n -= cut + 1;
        }
        fprintf(file, "%.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void options_help(FILE *file, const Usage *usage, const Option *global, size_t n_global) {
    fprintf(file, "Usage: fonte%s%s [OPTION]... %s\n\n", usage->command ? " " : "",
            usage->command ? usage->command : "", usage->operands);
    help_paragraph(file, usage->about);
    if (usage->n_options) {
        fputs("\nOptions:\n", file);
        help_options(file, usage->options, usage->n_options);
    }
    fputs("\nGlobal options:\n", file);
    help_options(file, global, n_global);
    fputs("  -h, --help                    Show this help and end\n", file);
}
