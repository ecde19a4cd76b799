/* A key that others can read or replace is no key, so its file's owner and mode are looked at
 * through the descriptor that is read. Its group may read it: root:fonte 0640, and systemd's
 * credentials, where the group's bits are the mask of an access list. */
#include "daemon/tcp.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = HTTP_KEY_MAX_BYTES + 64, MAX_GROUPS = 1024, BACKLOG = 4096 };

/* ---- the key ---- */

static Status check_owner(int fd, const char *path, Err *err) {
    struct stat info;
    if (fstat(fd, &info) < 0) return err_set_errno(err, errno, "tcp.key_file: %s", path);
    if (!S_ISREG(info.st_mode)) {
        return err_set_param(err, STATUS_INVALID, "tcp.key_file",
                             "tcp.key_file: %s: not a regular file", path);
    }
    if (info.st_uid != 0 && info.st_uid != geteuid()) {
        return err_set_param(err, STATUS_INVALID, "tcp.key_file",
                             "tcp.key_file: %s belongs to user %u, not to root or to fonted's own",
                             path, (unsigned)info.st_uid);
    }
    if (info.st_mode & (S_IRWXO | S_IWGRP)) {
        return err_set_param(err, STATUS_INVALID, "tcp.key_file",
                             "tcp.key_file: %s has mode %04o: others may read or change the key "
                             "(chmod 0600)",
                             path, (unsigned)info.st_mode & 07777);
    }
    return STATUS_OK;
}

static Status read_key(int fd, const char *path, HttpGuard *ret, Err *err) {
    TRY(check_owner(fd, path, err));
    char text[MAX_FILE_BYTES];
    ssize_t n = read(fd, text, sizeof text);
    if (n < 0) return err_set_errno(err, errno, "tcp.key_file: %s", path);
    Status status = http_guard_init(ret, (Slice){ text, (size_t)n }, err);
    explicit_bzero(text, sizeof text);
    return status == STATUS_OK ? STATUS_OK : err_prefix(err, status, "tcp.key_file: %s", path);
}

Status tcp_read_key(const Config *config, HttpGuard *ret, Err *err) {
    AUTO_BUF Buf path = BUF_NULL;
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (*config->tcp_key_file) {
        buf_append_string(&path, config->tcp_key_file);
    } else if (credentials && *credentials) {
        buf_printf(&path, "%s/api-key", credentials);
    } else {
        return err_set_param(err, STATUS_USAGE, "tcp.key_file",
                             "tcp.key_file: TCP needs a key (or the systemd credential api-key)");
    }
    TRY(buf_status(&path, err));
    int fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return err_set_errno(err, errno, "tcp.key_file: %s", path.p);
    Status status = read_key(fd, path.p, ret, err);
    close(fd);
    return status;
}

/* ---- the user ---- */

static bool is_number(const char *text) {
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
}

/* A number that no user has is one without groups. */
static Status find_user(const char *name, HttpPeer *ret, Err *err) {
    const struct passwd *user = is_number(name) ? getpwuid((uid_t)strtoul(name, NULL, 10)) : NULL;
    if (!user) user = getpwnam(name);
    HttpPeer found = HTTP_PEER_NULL;
    gid_t groups[MAX_GROUPS];
    if (user) {
        int n = MAX_GROUPS;
        found.uid = user->pw_uid;
        found.gid = user->pw_gid;
        if (getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0) {
            return err_set_param(err, STATUS_INVALID, "tcp.user",
                                 "tcp.user: %s is in more than %d groups", name, MAX_GROUPS);
        }
        found.groups = groups;
        found.n_groups = (size_t)n;
    } else if (is_number(name)) {
        found.uid = (uid_t)strtoul(name, NULL, 10);
    } else {
        return err_set_param(err, STATUS_INVALID, "tcp.user", "tcp.user: no such user: %s", name);
    }
    return http_peer_copy(ret, &found, err);
}

Status tcp_init(Tcp *tcp, const Config *config, Err *err) {
    if (!config->tcp_listen.family) return STATUS_OK;
    TRY(tcp_read_key(config, &tcp->guard, err));
    return find_user(config->tcp_user, &tcp->peer, err);
}

void tcp_deinit(Tcp *tcp) {
    http_peer_deinit(&tcp->peer);
    explicit_bzero(&tcp->guard, sizeof tcp->guard);
}

/* ---- the socket ---- */

typedef union Address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Address;

static socklen_t make_address(const ConfigLoopback *at, Address *ret) {
    *ret = (Address){ 0 };
    if (at->family == AF_INET6) {
        ret->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                         .sin6_port = htons(at->port),
                                         .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        return sizeof ret->v6;
    }
    ret->v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_port = htons(at->port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    return sizeof ret->v4;
}

/* sin_port and sin6_port stand at the same place. */
static void set_name(Tcp *tcp, int fd, const ConfigLoopback *at) {
    Address address = { 0 };
    socklen_t n = sizeof address;
    unsigned port = at->port;
    if (getsockname(fd, &address.any, &n) == 0) port = ntohs(address.v4.sin_port);
    snprintf(tcp->name, sizeof tcp->name, "%s:%u", at->family == AF_INET6 ? "[::1]" : "127.0.0.1",
             port);
}

static Status bind_at(int fd, const ConfigLoopback *at, Err *err) {
    Address address;
    socklen_t n = make_address(at, &address);
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, &address.any, n) < 0 || listen(fd, BACKLOG) < 0) {
        return err_set_errno(err, errno, "tcp.listen: port %u", (unsigned)at->port);
    }
    return STATUS_OK;
}

Status tcp_open(Tcp *tcp, const Config *config, HttpServer *server, Err *err) {
    const ConfigLoopback *at = &config->tcp_listen;
    if (!at->family) return STATUS_OK;
    int fd = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return err_set_errno(err, errno, "tcp.listen");
    Status status = bind_at(fd, at, err);
    if (status == STATUS_OK) {
        set_name(tcp, fd, at);
        status = http_server_listen_tcp(server, fd, &tcp->peer, err);
    }
    if (status != STATUS_OK) close(fd);
    return status;
}

bool tcp_check(const Tcp *tcp, HttpRequest *request) {
    Err err = { 0 };
    int status = http_guard_check(&tcp->guard, http_request_header(request, "Host"),
                                  http_request_header(request, "Origin"),
                                  http_request_header(request, "Authorization"), &err);
    if (!status) return true;
    AUTO_BUF Buf body = BUF_NULL;
    http_error_json(status == 401 ? "unauthorized" : "denied", err.text, err.param, &body);
    HttpReply reply = { .status = status, .authenticate = status == 401 ? "Bearer" : NULL };
    http_reply(request, &reply, &body);
    return false;
}
