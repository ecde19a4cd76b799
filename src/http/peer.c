/* SO_PEERGROUPS (Linux 4.13) says ERANGE and the size wanted where the buffer is too small. */
#include "http/peer.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

Status http_peer_init(HttpPeer *peer, int fd, Err *err) {
    struct ucred credentials;
    socklen_t n = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) < 0) {
        return err_set_errno(err, errno, "SO_PEERCRED");
    }
    HttpPeer found = { credentials.uid, credentials.gid, credentials.pid, NULL, 0 };
    gid_t few[32];
    n = sizeof few;
    gid_t *groups = few;
    AUTO_FREE gid_t *many = NULL;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &n) < 0) {
        if (errno != ERANGE) n = 0; /* an old kernel: the primary group must do */
        groups = many = mem_alloc(n, 1);
        if (!many) return err_set(err, STATUS_NO_MEMORY, "out of memory");
        if (n && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &n) < 0) {
            return err_set_errno(err, errno, "SO_PEERGROUPS");
        }
    }
    found.groups = groups;
    found.n_groups = n / sizeof *groups;
    return http_peer_copy(peer, &found, err);
}

Status http_peer_copy(HttpPeer *peer, const HttpPeer *from, Err *err) {
    gid_t *groups = mem_alloc(from->n_groups, sizeof *groups);
    if (!groups) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    if (from->n_groups) memcpy(groups, from->groups, from->n_groups * sizeof *groups);
    *peer = *from;
    peer->groups = groups;
    return STATUS_OK;
}

void http_peer_deinit(HttpPeer *peer) {
    free(peer->groups);
    *peer = HTTP_PEER_NULL;
}

bool http_peer_in_group(const HttpPeer *peer, gid_t gid) {
    if (peer->gid == gid) return true;
    for (size_t i = 0; i < peer->n_groups; i++) {
        if (peer->groups[i] == gid) return true;
    }
    return false;
}
