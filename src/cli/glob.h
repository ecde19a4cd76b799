#pragma once
/* Patterns of --include and --exclude. Threads: any. */
#include <stdbool.h>

/* '?' any character but '/', '*' any number of them, '**' any number of any characters (and
 * "**" + "/" also none), '[a-z]' '[!a-z]' sets, '\' makes the next character plain. Bytes are
 * compared; '?' and sets take a whole UTF-8 character. The whole text must match. */
bool glob_match(const char *pattern, const char *text);
/* As the options mean it: a pattern with a '/' is matched against the path below the folder that
 * was named, one without against the last part of it. */
bool glob_match_path(const char *pattern, const char *relative_path);
