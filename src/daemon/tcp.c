/* A page in a browser can reach loopback ports, and with a name that is made to resolve to
 * 127.0.0.1 (DNS rebinding) it looks like its own site: so Host and Origin must name the loopback,
 * and the key must be in a header that such a page cannot set without asking first. */
#include "daemon/tcp.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIN_KEY = 16, MAX_KEY = 512, BACKLOG = 512 };

/* ---- the address ---- */

typedef union Address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Address;

static bool parse_port(const char *text, in_port_t *ret) {
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || port > 65535) return false;
    *ret = htons((in_port_t)port);
    return true;
}

static bool is_loopback(const Address *a) {
    return a->any.sa_family == AF_INET ? ntohl(a->v4.sin_addr.s_addr) >> 24 == 127
                                       : IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* "127.0.0.1:8631", "[::1]:8631". */
static Status parse_address(const char *text, Address *ret, Err *err) {
    char host[64];
    *ret = (Address){ 0 };
    const char *colon = strrchr(text, ':');
    bool is_v6 = text[0] == '[' && colon && colon[-1] == ']';
    size_t n = colon ? (size_t)(colon - text) - (is_v6 ? 2 : 0) : 0;
    bool good = n > 0 && n < sizeof host;
    if (good) {
        memcpy(host, text + is_v6, n);
        host[n] = '\0';
        ret->any.sa_family = is_v6 ? AF_INET6 : AF_INET;
        good = is_v6 ? inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1 &&
                           parse_port(colon + 1, &ret->v6.sin6_port)
                     : inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1 &&
                           parse_port(colon + 1, &ret->v4.sin_port);
    }
    if (!good) {
        return err_set_param(err, STATUS_INVALID, "tcp.listen",
                             "tcp.listen: 127.0.0.1:PORT or [::1]:PORT is expected, not %.80s",
                             text);
    }
    if (is_loopback(ret)) return STATUS_OK;
    return err_set_param(err, STATUS_INVALID, "tcp.listen",
                         "tcp.listen: %.80s is no loopback address, and nothing here is encrypted: "
                         "for others put a proxy with TLS before it",
                         text);
}

static Status listen_at(const char *text, const Address *address, Tcp *tcp, Err *err) {
    socklen_t n = address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return err_set_errno(err, errno, "tcp.listen: socket");
    int yes = 1;
    Address bound = *address;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, &address->any, n) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, &bound.any, &n) < 0) {
        int error = errno;
        close(fd);
        return err_set_errno(err, error, "tcp.listen: %.80s", text);
    }
    in_port_t port = address->any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port;
    snprintf(tcp->address, sizeof tcp->address, "%.*s:%u", (int)(strrchr(text, ':') - text), text,
             (unsigned)ntohs(port));
    tcp->fd = fd;
    return STATUS_OK;
}

/* ---- the key ---- */

/* tcp.key_file, else the credential "api-key" that systemd hands over. */
static Status key_path(const Config *config, Buf *ret, Err *err) {
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (*config->tcp_key_file) {
        buf_append_string(ret, config->tcp_key_file);
    } else if (credentials) {
        buf_printf(ret, "%s/api-key", credentials);
    } else {
        return err_set_param(err, STATUS_INVALID, "tcp.key_file",
                             "tcp.key_file: TCP needs a key (or the systemd credential api-key)");
    }
    return buf_status(ret, err);
}

static Status check_private(const char *path, Err *err) {
    struct stat info;
    if (stat(path, &info) < 0) return err_set_errno(err, errno, "tcp.key_file: %s", path);
    if (!(info.st_mode & 077)) return STATUS_OK;
    return err_set_param(err, STATUS_INVALID, "tcp.key_file",
                         "tcp.key_file: %s has mode %04o: others must not read it (chmod 600)",
                         path, (unsigned)info.st_mode & 07777);
}

static Status read_key(const Config *config, uint8_t ret[HASH_BYTES], Err *err) {
    AUTO_BUF Buf path = BUF_NULL, text = BUF_NULL;
    Hash hash;
    TRY(key_path(config, &path, err));
    TRY(check_private(path.p, err));
    Status status = file_read(path.p, 2 * MAX_KEY, &text, err);
    if (status != STATUS_OK) return err_prefix(err, status, "tcp.key_file");
    Slice key = slice_trim(buf_slice(&text));
    bool good = key.n >= MIN_KEY && key.n <= MAX_KEY;
    for (size_t i = 0; good && i < key.n; i++) good = isgraph((unsigned char)key.p[i]) != 0;
    if (!good) {
        return err_set_param(err, STATUS_INVALID, "tcp.key_file",
                             "tcp.key_file: %s: one line of %d to %d printable characters is "
                             "expected (openssl rand -hex 32)",
                             path.p, MIN_KEY, MAX_KEY);
    }
    TRY(hash_sha256(&key, 1, &hash, err));
    memcpy(ret, hash.bytes, HASH_BYTES);
    return STATUS_OK;
}

/* In a time that does not depend on where they differ. */
static bool is_key(const Tcp *tcp, Slice given) {
    Hash hash;
    if (hash_sha256(&given, 1, &hash, NULL) != STATUS_OK) return false;
    volatile uint8_t differs = 0;
    for (size_t i = 0; i < HASH_BYTES; i++) differs |= (uint8_t)(hash.bytes[i] ^ tcp->key[i]);
    return differs == 0;
}

/* ---- the user ---- */

static Status find_user(const char *name, HttpPeer *ret, Err *err) {
    enum { MOST_GROUPS = 256 };
    struct passwd entry, *found = NULL;
    char space[16384];
    gid_t groups[MOST_GROUPS];
    int n = MOST_GROUPS;
    getpwnam_r(name, &entry, space, sizeof space, &found);
    if (!found || getgrouplist(name, entry.pw_gid, groups, &n) < 0) {
        return err_set_param(err, STATUS_INVALID, "tcp.user", "tcp.user: no such user: %s", name);
    }
    HttpPeer peer = { entry.pw_uid, entry.pw_gid, 0, groups, (size_t)n };
    return http_peer_copy(ret, &peer, err);
}

/* ---- */

static Status prepare(const Config *config, Address *address, Tcp *tcp, Err *err) {
    TRY(parse_address(config->tcp_listen, address, err));
    TRY(read_key(config, tcp->key, err));
    return find_user(config->tcp_user, &tcp->peer, err);
}

Status tcp_check_config(const Config *config, Err *err) {
    Tcp tcp = { .fd = -1, .peer = HTTP_PEER_NULL };
    Address address;
    Status status = *config->tcp_listen ? prepare(config, &address, &tcp, err) : STATUS_OK;
    tcp_deinit(&tcp);
    return status;
}

Status tcp_open(const Config *config, Tcp *ret, Err *err) {
    Tcp tcp = { .fd = -1, .peer = HTTP_PEER_NULL };
    Address address;
    Status status = STATUS_OK;
    if (*config->tcp_listen) {
        status = prepare(config, &address, &tcp, err);
        if (status == STATUS_OK) status = listen_at(config->tcp_listen, &address, &tcp, err);
    }
    if (status == STATUS_OK)
        *ret = tcp;
    else
        tcp_deinit(&tcp);
    return status;
}

void tcp_deinit(Tcp *tcp) {
    http_peer_deinit(&tcp->peer);
    tcp->fd = -1;
}

/* ---- requests ---- */

/* "localhost", "127.0.0.1" or "[::1]", with any port. */
static bool is_loopback_name(Slice host) {
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        size_t n = strlen(names[i]);
        if (host.n < n || strncasecmp(host.p, names[i], n) != 0) continue;
        Slice port = slice_skip(host, n);
        if (!port.n) return true;
        bool digits = port.p[0] == ':' && port.n > 1 && port.n <= 6;
        for (size_t k = 1; digits && k < port.n; k++) digits = isdigit((unsigned char)port.p[k]);
        return digits;
    }
    return false;
}

static bool is_own_origin(Slice origin) {
    static const Slice schemes[] = { { "http://", 7 }, { "https://", 8 } };
    for (size_t i = 0; i < N_ELEMENTS(schemes); i++) {
        if (slice_starts(origin, schemes[i])) {
            return is_loopback_name(slice_skip(origin, schemes[i].n));
        }
    }
    return false;
}

static bool refuse(HttpRequest *request, int status, const char *code, const char *message,
                   const char *param) {
    AUTO_BUF Buf body = BUF_NULL;
    http_error_json(code, message, param, &body);
    HttpReply reply = { .status = status, .authenticate = status == 401 ? "Bearer" : NULL };
    http_reply(request, &reply, &body);
    return false;
}

bool tcp_check(const Tcp *tcp, HttpRequest *request) {
    static const Slice scheme = SLICE("Bearer ");
    const char *host = http_request_header(request, "Host");
    const char *origin = http_request_header(request, "Origin");
    Slice key = slice_of(http_request_header(request, "Authorization"));
    if (!host || !is_loopback_name(slice_of(host))) {
        return refuse(request, 403, "denied", "Host must name this machine's loopback", "Host");
    }
    if (origin && !is_own_origin(slice_of(origin))) {
        return refuse(request, 403, "denied", "no pages of other sites", "Origin");
    }
    if (key.n < scheme.n || strncasecmp(key.p, scheme.p, scheme.n) != 0) {
        return refuse(request, 401, "unauthorized",
                      "over TCP a key is needed: Authorization: Bearer KEY", "Authorization");
    }
    if (is_key(tcp, slice_trim(slice_skip(key, scheme.n)))) return true;
    return refuse(request, 401, "unauthorized", "this is not the key", "Authorization");
}
