#pragma once
/* A temporary folder for evaluations and benchmarks, gone when they end, also by Ctrl-C or SIGTERM.
 * Threads: one workspace a process. */
#include <fonte/status.h>
#include <stdbool.h>

/* Make a folder under $TMPDIR (or /tmp) and remember it; from now on SIGINT and SIGTERM only set a
 * flag. The path is valid until workspace_close. */
FonteStatus workspace_open(const char **ret_path, FonteError *error);
/* Remove the folder and everything in it, give the signals back. */
void workspace_close(void);
/* Ctrl-C or SIGTERM came: stop soon and call workspace_close. */
bool workspace_interrupted(void);
