#pragma once
/* Where things are when nobody says: file-hierarchy(7) for root, the XDG base directories for
 * people, systemd's variables over both. Threads: start-up only. */
#include "base/arena.h"

/* Views into the arena. USAGE, naming the setting, where no variable says where. */
Status paths_state(const char *given, Arena *arena, const char **ret, Err *err) MUST_CHECK;
Status paths_socket(const char *given, Arena *arena, const char **ret, Err *err) MUST_CHECK;
