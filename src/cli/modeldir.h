#pragma once
/* Where models are kept: $FONTE_MODELS, else /var/lib/fonte/models for root, else
 * $XDG_DATA_HOME/fonte/models, else ~/.local/share/fonte/models. Threads: main thread. */
#include <fonte/status.h>
#include <stdbool.h>

/* The first of these, returned owned (free); NULL without memory. */
char *modeldir_default(void);
/* mkdir -p. IO with the path. */
FonteStatus modeldir_make(const char *dir, FonteError *error);
/* May a file of that name be made in a folder? Letters, digits, ".", "_" and "-", not at its
 * beginning a ".", and at its end ".gguf". */
bool modeldir_is_file_name(const char *name);
/* The file that NAME means: a path (it has a "/") as it is made absolute, else NAME or NAME.gguf or
 * the catalogue's file of that name in modeldir_default() or /var/lib/fonte/models. Returned owned
 * (free). NOT_FOUND names where was looked. */
FonteStatus modeldir_find(const char *name, char **ret, FonteError *error);
