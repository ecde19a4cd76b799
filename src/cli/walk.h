#pragma once
/* The files that `fonte add PATH...` means. A path that is named is taken whatever its name, also
 * through a symbolic link; inside folders hidden files and folders (.name) are left out unless
 * asked for, symbolic links are not followed and what is no regular file is left out, so there are
 * no loops and nothing outside the folder is read.
 * Threads: one owner at a time. */
#include "cli/options.h"

#include <fonte/status.h>
#include <stdint.h>

typedef struct WalkFile {
    char *path; /* as named, or the named folder's path and what follows; owned */
    uint64_t n_bytes;
    bool named; /* on the command line itself */
} WalkFile;

typedef struct WalkOptions {
    OptionList include; /* globs; where there are any, a file in a folder must match one */
    OptionList exclude; /* globs; a folder that matches is not entered */
    bool hidden;
} WalkOptions;

typedef struct Walk {
    WalkFile *files;
    size_t n_files, capacity;
    uint64_t n_bytes;
} Walk;

/* Called for what cannot be taken: named paths that are not there (named true), folders and files
 * that may not be read, special files that were named. */
typedef void (*WalkProblem)(void *context, const char *path, bool named, FonteStatus status,
                            const char *reason);

/* Append what a path means, in the order of names. False where memory ran out. */
bool walk_path(Walk *walk, const char *path, const WalkOptions *options, WalkProblem problem,
               void *context);
void walk_deinit(Walk *walk);
