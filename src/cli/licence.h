#pragma once
/* The licence of models: the terms that matter, shown before one is brought here, and the notice
 * that has to stand beside it. They are summed up, not quoted: the agreement itself is what
 * counts. Threads: main thread. */
#include "cli/cli.h"

typedef enum Licence { LICENCE_UNKNOWN, LICENCE_LLAMA2 } Licence;

/* "llama2" as GGUF files say it; "unknown". */
const char *licence_name(Licence licence);
/* By the name of a file or URL: is Llama 2 in it? */
Licence licence_guess(const char *name);
/* Show the terms on stderr, and take --yes (accepted) or a 'yes' on the terminal. False, with a
 * line on stderr, where neither came. */
bool licence_accept(Cli *cli, Licence licence, const char *what, bool accepted);
/* Where a notice about a file came from. */
typedef struct NoticeFacts {
    Licence licence;
    const char *file, *url, *sha256;
} NoticeFacts;
/* Write "PATH.NOTICE" over what has that name. *ret_path: returned owned (free). */
FonteStatus licence_write_notice(const char *path, const NoticeFacts *facts, char **ret_path,
                                 FonteError *error);
