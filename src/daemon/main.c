/* Arguments of fonted(8); everything else is daemon_run. */
#include "daemon/daemon.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_OVERRIDES = 256,
    KEY_SET = 256,
    KEY_STATE,
    KEY_SOCKET,
    KEY_CONFIG,
    KEY_CHECK,
    KEY_HELP_CONFIG
};

/* argp looks for it by name: it must be seen from the C library */
FONTE_API const char *argp_program_version = "fonted " FONTE_VERSION_TEXT;

static const struct argp_option option_table[] = {
    { "config", KEY_CONFIG, "FILE", 0,
      "Read FILE and conf.d/*.conf beside it (" FONTE_CONFIG_FILE ")", 0 },
    { "state", KEY_STATE, "DIR", 0, "Folder of the index (server.state)", 0 },
    { "socket", KEY_SOCKET, "PATH", 0, "Unix socket to listen at (server.socket)", 0 },
    { "set", KEY_SET, "SECTION.KEY=VALUE", 0, "Set one key over the files; may be repeated", 0 },
    { "check-config", KEY_CHECK, NULL, 0, "Read the configuration, say what is wrong, and end", 0 },
    { "help-config", KEY_HELP_CONFIG, NULL, 0, "List every key with its default, and end", 0 },
    { 0 },
};

typedef struct Arguments {
    DaemonOptions options;
    const char *overrides[MAX_OVERRIDES];
    char *owned[MAX_OVERRIDES]; /* of those that we made */
    size_t n;
} Arguments;

static void add_override(struct argp_state *state, const char *prefix, const char *text) {
    Arguments *arguments = state->input;
    char *made = NULL;
    if (arguments->n == MAX_OVERRIDES) argp_error(state, "more than %d settings", MAX_OVERRIDES);
    if (*prefix && asprintf(&made, "%s%s", prefix, text) < 0) {
        argp_failure(state, DAEMON_EXIT_FAILED, 0, "out of memory");
    }
    arguments->owned[arguments->n] = made;
    arguments->overrides[arguments->n++] = made ? made : text;
}

static void help_config(void) {
    AUTO_BUF Buf text = BUF_NULL;
    config_help(&text);
    fputs(text.p ? text.p : "", stdout);
}

static error_t parse(int key, char *text, struct argp_state *state) {
    Arguments *arguments = state->input;
    switch (key) {
    case KEY_CONFIG: arguments->options.config_file = text; return 0;
    case KEY_STATE: add_override(state, "server.state=", text); return 0;
    case KEY_SOCKET: add_override(state, "server.socket=", text); return 0;
    case KEY_SET: add_override(state, "", text); return 0;
    case KEY_CHECK: arguments->options.check_config = true; return 0;
    case KEY_HELP_CONFIG: help_config(); exit(DAEMON_EXIT_OK);
    case ARGP_KEY_ARG: argp_error(state, "no argument is expected: %s", text); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv) {
    static const struct argp argp = {
        option_table,
        parse,
        NULL,
        "Answers questions from your own documents, over a Unix socket. See fonted(8).",
        NULL,
        NULL,
        NULL,
    };
    Arguments arguments = { 0 };
    argp_err_exit_status = DAEMON_EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    arguments.options.overrides = arguments.overrides;
    arguments.options.n_overrides = arguments.n;
    int status = daemon_run(&arguments.options);
    for (size_t i = 0; i < arguments.n; i++) free(arguments.owned[i]);
    return status;
}
