/* $STATE_DIRECTORY and $RUNTIME_DIRECTORY may list several folders: the first counts. */
#include "daemon/paths.h"

#include "base/buf.h"

#include <stdlib.h>
#include <unistd.h>

static Slice first_of(const char *variable) {
    Slice list = slice_of(getenv(variable));
    const char *colon = list.n ? memchr(list.p, ':', list.n) : NULL;
    return colon ? (Slice){ list.p, (size_t)(colon - list.p) } : list;
}

static Status join(Arena *arena, Slice folder, const char *name, const char **ret, Err *err) {
    AUTO_BUF Buf path = BUF_NULL;
    buf_append_slice(&path, folder);
    buf_append_string(&path, name);
    TRY(buf_status(&path, err));
    *ret = arena_string(arena, buf_slice(&path));
    return *ret ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

Status paths_state(const char *given, Arena *arena, const char **ret, Err *err) {
    if (*given) return join(arena, slice_of(given), "", ret, err);
    Slice folder = first_of("STATE_DIRECTORY");
    if (folder.n) return join(arena, folder, "", ret, err);
    if (geteuid() == 0) return join(arena, SLICE("/var/lib/fonte"), "", ret, err);
    folder = slice_of(getenv("XDG_DATA_HOME"));
    if (folder.n) return join(arena, folder, "/fonte", ret, err);
    folder = slice_of(getenv("HOME"));
    if (folder.n) return join(arena, folder, "/.local/share/fonte", ret, err);
    return err_set_param(err, STATUS_USAGE, "state", "where is the index? Give --state DIR");
}

Status paths_socket(const char *given, Arena *arena, const char **ret, Err *err) {
    if (*given) return join(arena, slice_of(given), "", ret, err);
    Slice folder = first_of("RUNTIME_DIRECTORY");
    if (folder.n) return join(arena, folder, "/fonte.sock", ret, err);
    if (geteuid() == 0) return join(arena, SLICE("/run/fonte"), "/fonte.sock", ret, err);
    folder = slice_of(getenv("XDG_RUNTIME_DIR"));
    if (folder.n) return join(arena, folder, "/fonte.sock", ret, err);
    return err_set_param(err, STATUS_USAGE, "socket", "where is the socket? Give --socket PATH");
}
