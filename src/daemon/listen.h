#pragma once
/* The listening socket: handed over by the service manager (LISTEN_FDS) or made at a path.
 * Threads: start-up only. */
#include "base/status.h"
#include <stdbool.h>
#include <sys/types.h>

typedef struct Listener {
    int fd;         /* non-blocking, close-on-exec */
    char path[108]; /* "" where it was handed over without a path */
    bool made;      /* by us: removed at the end */
    dev_t device;   /* of what we made, so that nobody else's is removed */
    ino_t inode;
} Listener;

/* A socket of the manager's wins over path. A path where a daemon answers is CONFLICT; a socket
 * that nobody answers at is replaced; anything else there is CONFLICT and left alone. */
Status listen_open(const char *path, unsigned mode, const char *group, Listener *ret,
                   Err *err) MUST_CHECK;
/* Remove the path, where it is still what listen_open made. The fd is the caller's. */
void listen_remove(const Listener *listener);
