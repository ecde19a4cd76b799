/* One epoll set holds everything: the listening socket, libmicrohttpd's own epoll set, a wake-up
 * for streams, and the sockets of suspended connections, which libmicrohttpd does not watch (only
 * their hang-up is of interest: the client left). libmicrohttpd frees connections while it runs, so
 * it runs only at the end of http_server_run, when no event of the batch is looked at any more. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum { EVENTS_PER_RUN = 256, MHD_ROUNDS = 16 };

static void log_mhd(void *context, const char *format, va_list args) {
    (void)context;
    char text[256];
    int n = vsnprintf(text, sizeof text, format, args);
    /* it tries TCP options on every socket and reports that Unix sockets have none */
    if (n > 0 && !strstr(text, "TCP_") && !strstr(text, "Failed to push")) {
        log_line(LOG_DEBUG, "http: %s", text);
    }
}

/* Targets are decoded by http/target.h, once. */
static size_t keep_escaped(void *context, struct MHD_Connection *mhd, char *text) {
    (void)context;
    (void)mhd;
    return strlen(text);
}

static Status watch(HttpServer *server, int fd, void *tag, Err *err) {
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        return err_set_errno(err, errno, "epoll_ctl");
    }
    return STATUS_OK;
}

static Status start_mhd(HttpServer *server, Err *err) {
    /* the pool holds the head twice over (fields are listed beside their text) and the reply's */
    size_t pool = 2 * server->limits.header_bytes + 1024;
    server->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, request_access_cb, server, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, conn_notify, server, MHD_OPTION_NOTIFY_COMPLETED,
        request_completed_cb, server, MHD_OPTION_URI_LOG_CALLBACK, request_begin_cb, server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool,
        MHD_OPTION_CONNECTION_LIMIT, 1000000u, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_END);
    if (!server->mhd) return err_set(err, STATUS_INTERNAL, "libmicrohttpd does not start");
    int fd = MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return watch(server, fd, &server->mhd, err);
}

static Status open_door(HttpServer *server, Door *door, int fd, bool is_tcp, Err *err) {
    TRY(watch(server, fd, door, err));
    *door = (Door){ .fd = fd, .open = true, .is_tcp = is_tcp };
    return STATUS_OK;
}

static Status start(HttpServer *server, int listen_fd, Err *err) {
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (server->epoll_fd < 0 || server->wake_fd < 0 || server->spare_fd < 0) {
        return err_set_errno(err, errno, "descriptors of the server");
    }
    if (getrandom(&server->id_seed, sizeof server->id_seed, GRND_NONBLOCK) < 0) {
        server->id_seed = (uint64_t)clock_us(); /* ids need to differ, not to be secret */
    }
    TRY(watch(server, server->wake_fd, &server->wake_fd, err));
    TRY(start_mhd(server, err));
    return open_door(server, &server->doors[0], listen_fd, false, err);
}

Status http_server_open(int listen_fd, const HttpLimits *limits, const HttpHandlers *handlers,
                        HttpServer **ret, Err *err) {
    HttpServer *server = mem_alloc(1, sizeof *server);
    if (!server) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    server->limits = *limits;
    server->handlers = *handlers;
    server->epoll_fd = server->wake_fd = server->spare_fd = -1;
    for (size_t i = 0; i < N_ELEMENTS(server->doors); i++) server->doors[i].fd = -1;
    server->tcp_peer = HTTP_PEER_NULL;
    pthread_mutex_init(&server->wake_lock, NULL);
    Status status = start(server, listen_fd, err);
    if (status != STATUS_OK) {
        server->doors[0].fd = -1;
        http_server_close(server);
        return status;
    }
    *ret = server;
    return STATUS_OK;
}

Status http_server_listen_tcp(HttpServer *server, int listen_fd, const HttpPeer *as, Err *err) {
    TRY(http_peer_copy(&server->tcp_peer, as, err));
    return open_door(server, &server->doors[1], listen_fd, true, err);
}

static void close_fd(int fd) {
    if (fd >= 0) close(fd);
}

HttpServer *http_server_close(HttpServer *server) {
    if (!server) return NULL;
    server->running = true;
    if (server->mhd) {
        /* libmicrohttpd must not be stopped while connections are suspended */
        for (Conn *conn = server->conns; conn; conn = conn->next) {
            if (conn->request && conn->request->stream) stream_kill(conn->request->stream);
            conn_doom(conn, 0, NULL, NULL);
        }
        MHD_run(server->mhd);
        MHD_stop_daemon(server->mhd);
    }
    stream_drain_wakes(server);
    for (size_t i = 0; i < N_ELEMENTS(server->doors); i++) close_fd(server->doors[i].fd);
    http_peer_deinit(&server->tcp_peer);
    close_fd(server->epoll_fd);
    close_fd(server->wake_fd);
    close_fd(server->spare_fd);
    pthread_mutex_destroy(&server->wake_lock);
    free(server->counts);
    free(server);
    return NULL;
}

int http_server_fd(const HttpServer *server) {
    return server->epoll_fd;
}

/* True where it stopped with work left. */
static bool run_mhd(HttpServer *server) {
    bool outer = server->running;
    server->running = true;
    bool more = true;
    for (int i = 0; i < MHD_ROUNDS && more; i++) {
        MHD_run(server->mhd);
        MHD_UNSIGNED_LONG_LONG timeout;
        more = MHD_get_timeout(server->mhd, &timeout) == MHD_YES && timeout == 0;
    }
    server->running = outer;
    return more;
}

void server_kick(HttpServer *server) {
    if (!server->running) {
        if (!run_mhd(server)) return;
    }
    uint64_t one = 1;
    ssize_t n = write(server->wake_fd, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

static bool is_door(const HttpServer *server, const void *tag) {
    return tag == &server->doors[0] || tag == &server->doors[1];
}

bool http_server_run(HttpServer *server) {
    struct epoll_event events[EVENTS_PER_RUN];
    int n = epoll_wait(server->epoll_fd, events, EVENTS_PER_RUN, 0);
    Door *knocked[N_ELEMENTS(server->doors)];
    size_t n_knocked = 0;
    server->running = true;
    for (int i = 0; i < n; i++) {
        void *tag = events[i].data.ptr;
        if (tag == &server->wake_fd) {
            uint64_t count;
            ssize_t got = read(server->wake_fd, &count, sizeof count);
            (void)got;
        } else if (is_door(server, tag)) {
            knocked[n_knocked++] = tag;
        } else if (tag != &server->mhd) {
            conn_lost(tag);
        }
    }
    stream_drain_wakes(server);
    for (size_t i = 0; i < n_knocked; i++) conn_accept_all(server, knocked[i]);
    server->running = false;
    return run_mhd(server) || n == EVENTS_PER_RUN;
}

/* It was shut where descriptors ran out. */
static void reopen(HttpServer *server, Door *door) {
    if (door->fd < 0 || door->open) return;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = door };
    door->open = epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, door->fd, &event) == 0;
}

static void close_door(HttpServer *server, Door *door) {
    if (door->fd < 0) return;
    epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, door->fd, NULL);
    close(door->fd);
    door->fd = -1;
}

void http_server_tick(HttpServer *server) {
    int64_t now = clock_us();
    server->running = true;
    for (size_t i = 0; i < N_ELEMENTS(server->doors); i++) reopen(server, &server->doors[i]);
    for (Conn *conn = server->conns, *next; conn; conn = next) {
        next = conn->next;
        conn_tick(conn, now);
    }
    server->running = false;
    server_kick(server);
}

void http_server_set_limits(HttpServer *server, const HttpLimits *limits) {
    size_t header_bytes = server->limits.header_bytes;
    server->limits = *limits;
    server->limits.header_bytes = header_bytes; /* libmicrohttpd's pools are made for it */
}

void http_server_drain(HttpServer *server) {
    if (server->draining) return;
    server->draining = true;
    for (size_t i = 0; i < N_ELEMENTS(server->doors); i++) close_door(server, &server->doors[i]);
    for (Conn *conn = server->conns; conn; conn = conn->next) {
        if (conn->state == CONN_IDLE) conn_doom(conn, 0, NULL, NULL);
    }
    server_kick(server);
}

size_t http_server_n_active(const HttpServer *server) {
    return server->n_active;
}

size_t http_server_n_connections(const HttpServer *server) {
    return server->n_conns;
}

size_t http_server_n_streams(const HttpServer *server) {
    return server->n_streams;
}
