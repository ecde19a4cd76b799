#pragma once
/* Who is at the other end of a Unix socket, as the kernel saw it when they connected: SO_PEERCRED
 * and SO_PEERGROUPS. No look-up in the user database, so nothing here blocks. Threads: any. */
#include "base/status.h"
#include <stdbool.h>
#include <sys/types.h>

typedef struct HttpPeer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    gid_t *groups; /* supplementary, owned */
    size_t n_groups;
} HttpPeer;
#define HTTP_PEER_NULL ((HttpPeer){ (uid_t)-1, (gid_t)-1, 0, NULL, 0 })

Status http_peer_init(HttpPeer *peer, int fd, Err *err) MUST_CHECK;
Status http_peer_copy(HttpPeer *peer, const HttpPeer *from, Err *err) MUST_CHECK;
void http_peer_deinit(HttpPeer *peer);
/* Primary or supplementary. */
bool http_peer_in_group(const HttpPeer *peer, gid_t gid);
