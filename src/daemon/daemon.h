#pragma once
/* fonted: the loop and everything it ties together. Threads: the main thread. */
#include "daemon/config.h"

typedef struct DaemonOptions {
    const char *config_file;      /* NULL = /etc/fonte/fonted.conf where it is there */
    const char *const *overrides; /* "section.key=value" */
    size_t n_overrides;
    bool check_config; /* only read the configuration */
} DaemonOptions;

enum { DAEMON_EXIT_OK = 0, DAEMON_EXIT_FAILED = 1, DAEMON_EXIT_USAGE = 2 };

/* Runs until SIGTERM or SIGINT; returns the exit status. */
int daemon_run(const DaemonOptions *options);
