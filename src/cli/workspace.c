/* The handler only sets a flag: removing a folder is no work for a signal handler. A second Ctrl-C
 * ends the process at once, for those who cannot wait. */
#include "cli/workspace.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[PATH_MAX];
static volatile sig_atomic_t interrupted;
static struct sigaction old_int, old_term;

static void on_signal(int number) {
    interrupted = number;
}

FonteStatus workspace_open(const char **ret_path, FonteError *error) {
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/fonte-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) {
        *error = (FonteError){ .status = FONTE_IO };
        snprintf(error->text, sizeof error->text, "%.200s: %s", path, strerror(errno));
        return FONTE_IO;
    }
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGTERM, &action, &old_term);
    *ret_path = path;
    return FONTE_OK;
}

static int remove_one(const char *name, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st, (void)kind, (void)ftw;
    return remove(name);
}

void workspace_close(void) {
    if (path[0]) nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    path[0] = '\0';
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
}

bool workspace_interrupted(void) {
    return interrupted != 0;
}
