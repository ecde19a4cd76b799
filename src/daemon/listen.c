/* A socket of our own is bound at a temporary name, given its mode and group, made to listen and
 * renamed into place: clients see the old socket or one that is ready, never one with open doors.
 * Source: sd_listen_fds(3) for the protocol of LISTEN_FDS. */
#include "daemon/listen.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, BACKLOG = 4096 };

static Status set_flags(int fd, Err *err) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return err_set_errno(err, errno, "flags of the listening socket");
    }
    return STATUS_OK;
}

static Status check_inherited(int fd, Err *err) {
    int type = 0, accepts = 0;
    socklen_t n = sizeof type;
    struct sockaddr_un address;
    socklen_t n_address = sizeof address;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n_address) < 0) {
        return err_set_errno(err, errno, "LISTEN_FDS: descriptor %d is no socket", fd);
    }
    n = sizeof accepts;
    if (type != SOCK_STREAM || address.sun_family != AF_UNIX ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &n) < 0 || !accepts) {
        return err_set(err, STATUS_INVALID,
                       "LISTEN_FDS: descriptor %d is no listening Unix stream socket", fd);
    }
    return STATUS_OK;
}

/* END where there is none. */
static Status take_inherited(Listener *ret, Err *err) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    bool ours = pid && count && strtol(pid, NULL, 10) == getpid();
    long n = ours ? strtol(count, NULL, 10) : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (n <= 0) return STATUS_END;
    if (n > 1)
        return err_set(err, STATUS_INVALID, "LISTEN_FDS: one socket is expected, not %ld", n);
    TRY(check_inherited(FIRST_FD, err));
    TRY(set_flags(FIRST_FD, err));
    Listener listener = { .fd = FIRST_FD };
    struct sockaddr_un address = { 0 };
    socklen_t n_address = sizeof address;
    if (getsockname(FIRST_FD, (struct sockaddr *)&address, &n_address) == 0 &&
        address.sun_path[0]) {
        snprintf(listener.path, sizeof listener.path, "%s", address.sun_path);
    }
    *ret = listener;
    return STATUS_OK;
}

static Status check_place(const struct sockaddr_un *address, Err *err) {
    struct stat info;
    if (lstat(address->sun_path, &info) < 0) {
        return errno == ENOENT ? STATUS_OK : err_set_errno(err, errno, "%s", address->sun_path);
    }
    if (!S_ISSOCK(info.st_mode)) {
        return err_set(err, STATUS_CONFLICT, "%s exists and is no socket: left alone",
                       address->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return err_set_errno(err, errno, "socket");
    int connected = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int error = errno;
    close(fd);
    if (connected < 0 && (error == ECONNREFUSED || error == ENOENT)) return STATUS_OK;
    return err_set(err, STATUS_CONFLICT, "%s: another process listens there", address->sun_path);
}

static Status find_group(const char *name, gid_t *ret, Err *err) {
    *ret = (gid_t)-1;
    if (!*name) return STATUS_OK;
    const struct group *group = getgrnam(name);
    if (!group) {
        return err_set_param(err, STATUS_INVALID, "socket_group",
                             "server.socket_group: no group %s", name);
    }
    *ret = group->gr_gid;
    return STATUS_OK;
}

static Status bind_at(int fd, const char *path, unsigned mode, gid_t gid, Listener *ret, Err *err) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    /* room for the path was checked; its folder part is the same, the name is shorter or equal */
    const char *slash = strrchr(path, '/');
    int n_folder = slash ? (int)(slash - path) + 1 : 0;
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%.*s.fonte%d", n_folder, path,
                     (int)getpid());
    if (n < 0 || (size_t)n >= sizeof address.sun_path) {
        return err_set(err, STATUS_INVALID, "%s: the path of the socket is too long", path);
    }
    unlink(address.sun_path);
    mode_t before = umask(0777);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    int error = errno;
    umask(before);
    if (bound < 0) return err_set_errno(err, error, "bind %s", path);
    struct stat info;
    if ((gid != (gid_t)-1 && chown(address.sun_path, (uid_t)-1, gid) < 0) ||
        chmod(address.sun_path, mode) < 0 || listen(fd, BACKLOG) < 0 ||
        stat(address.sun_path, &info) < 0 || rename(address.sun_path, path) < 0) {
        error = errno;
        unlink(address.sun_path);
        return err_set_errno(err, error, "%s", path);
    }
    *ret = (Listener){ .fd = fd, .made = true, .device = info.st_dev, .inode = info.st_ino };
    snprintf(ret->path, sizeof ret->path, "%s", path);
    return STATUS_OK;
}

Status listen_open(const char *path, unsigned mode, const char *group, Listener *ret, Err *err) {
    Status status = take_inherited(ret, err);
    if (status != STATUS_END) return status;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        return err_set_param(err, STATUS_INVALID, "socket",
                             "%s: the path of a Unix socket has at most %zu bytes", path,
                             sizeof address.sun_path - 1);
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    gid_t gid;
    TRY(find_group(group, &gid, err));
    TRY(check_place(&address, err));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return err_set_errno(err, errno, "socket");
    status = bind_at(fd, path, mode, gid, ret, err);
    if (status != STATUS_OK) close(fd);
    return status;
}

void listen_remove(const Listener *listener) {
    struct stat info;
    if (listener->made && lstat(listener->path, &info) == 0 && info.st_ino == listener->inode &&
        info.st_dev == listener->device) {
        unlink(listener->path);
    }
}
