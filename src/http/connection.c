/* A connection's life: accepted here (so that limits are answered, not left to time out in the
 * backlog), handed to libmicrohttpd, watched by deadlines of our own because its timeout restarts
 * with every byte. A deadline ends a connection with shutdown(2): libmicrohttpd sees the hang-up
 * and frees it. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTS_PER_RUN = 128 };

/* A whole small reply with one send(2), for sockets that libmicrohttpd does not have or is not
 * writing to. What does not fit is lost: the client did not read anyway. */
static void send_error(HttpServer *server, int fd, int status, const char *code,
                       const char *message) {
    char id[20];
    request_new_id(server, id);
    AUTO_BUF Buf json = BUF_NULL;
    http_error_json(code, message, NULL, &json);
    AUTO_BUF Buf out = BUF_NULL;
    buf_printf(&out,
               "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
               "Connection: close\r\nX-Request-Id: %s\r\n%s\r\n",
               status, MHD_get_reason_phrase_for((unsigned)status), json.n, id,
               status == 503 ? "Retry-After: 1\r\n" : "");
    buf_append(&out, json.p, json.n);
    if (out.failed || json.failed) return;
    ssize_t n = send(fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)n;
}

static void report(HttpServer *server, uid_t uid, int status) {
    HttpDone done = { .id = "-", .label = "-", .uid = uid, .status = status };
    server->handlers.done(server->handlers.context, &done);
}

static PeerCount *count_of(HttpServer *server, uid_t uid) {
    PeerCount *empty = NULL;
    for (size_t i = 0; i < server->n_counts; i++) {
        if (server->counts[i].uid == uid) return &server->counts[i];
        if (server->counts[i].n == 0) empty = &server->counts[i];
    }
    if (!empty) {
        if (!mem_grow((void **)&server->counts, &server->counts_capacity, server->n_counts + 1,
                      sizeof *server->counts)) {
            return NULL;
        }
        empty = &server->counts[server->n_counts++];
    }
    *empty = (PeerCount){ uid, 0 };
    return empty;
}

static Conn *conn_free(Conn *conn) {
    if (conn->next) conn->next->prev = conn->prev;
    if (conn->prev) {
        conn->prev->next = conn->next;
    } else if (conn->server->conns == conn) {
        conn->server->conns = conn->next;
    }
    request_free(conn->request);
    http_peer_deinit(&conn->peer);
    free(conn);
    return NULL;
}

/* Takes fd. */
static void conn_add(HttpServer *server, const Door *door, int fd, HttpPeer *peer) {
    Conn *conn = mem_alloc(1, sizeof *conn);
    if (!conn) {
        http_peer_deinit(peer);
        close(fd);
        return;
    }
    *conn = (Conn){
        .server = server, .fd = fd, .peer = *peer, .state = CONN_HEAD, .over_tcp = door->is_tcp
    };
    conn->deadline_us = clock_us() + server->limits.header_us;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    server->accepting = conn;
    /* closes fd where it fails; conn_notify takes conn where it works */
    MHD_add_connection(server->mhd, fd, (struct sockaddr *)&address, sizeof address);
    if (server->accepting) {
        server->accepting = NULL;
        conn_free(conn);
    }
}

static void refuse(HttpServer *server, int fd, HttpPeer *peer, const char *message) {
    send_error(server, fd, 503, "busy", message);
    report(server, peer->uid, 503);
    http_peer_deinit(peer);
    close(fd);
}

static Status find_peer(HttpServer *server, const Door *door, int fd, HttpPeer *ret, Err *err) {
    if (!door->is_tcp) return http_peer_init(ret, fd, err);
    int yes = 1; /* replies and events go out when they are written */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return http_peer_copy(ret, &server->tcp_peer, err);
}

static void admit(HttpServer *server, const Door *door, int fd) {
    HttpPeer peer = HTTP_PEER_NULL;
    Err err = { 0 };
    if (find_peer(server, door, fd, &peer, &err) != STATUS_OK) {
        log_line(LOG_WARNING, "http: a connection without identity: %s", err.text);
        close(fd);
        return;
    }
    const PeerCount *count = count_of(server, peer.uid);
    if (!count || server->n_conns >= server->limits.n_connections) {
        refuse(server, fd, &peer, "too many connections (limits.connections)");
    } else if (count->n >= server->limits.n_connections_per_uid) {
        refuse(server, fd, &peer, "too many connections of this user (limits.connections_per_uid)");
    } else {
        conn_add(server, door, fd, &peer);
    }
}

/* Out of descriptors: with the spare one the client is told at least; without, accepting pauses
 * until the next tick, because the listening socket stays readable. */
static void shed(HttpServer *server, Door *door) {
    log_line(LOG_WARNING, "http: out of file descriptors, a connection is refused");
    if (server->spare_fd >= 0) close(server->spare_fd);
    int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        send_error(server, fd, 503, "busy", "out of file descriptors");
        report(server, (uid_t)-1, 503);
        close(fd);
    }
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct epoll_event event = { .events = 0, .data.ptr = door };
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, door->fd, &event) == 0) {
        door->open = false;
    }
}

void conn_accept_all(HttpServer *server, Door *door) {
    for (int i = 0; i < ACCEPTS_PER_RUN && door->fd >= 0; i++) {
        int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(server, door, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            shed(server, door);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

void conn_notify(void *context, struct MHD_Connection *mhd, void **socket_context,
                 enum MHD_ConnectionNotificationCode code) {
    HttpServer *server = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        Conn *conn = STEAL(server->accepting);
        conn->mhd = mhd;
        conn->next = server->conns;
        if (conn->next) conn->next->prev = conn;
        server->conns = conn;
        server->n_conns++;
        PeerCount *count = count_of(server, conn->peer.uid);
        if (count) count->n++;
        *socket_context = conn;
        return;
    }
    Conn *conn = *socket_context;
    PeerCount *count = count_of(server, conn->peer.uid);
    if (count && count->n) count->n--;
    server->n_conns--;
    *socket_context = NULL;
    conn_free(conn);
}

void conn_suspend(Conn *conn) {
    if (conn->suspended) return;
    MHD_suspend_connection(conn->mhd);
    conn->suspended = true;
    struct epoll_event event = { .events = 0, .data.ptr = conn }; /* hang-up is always told */
    if (epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) < 0) {
        log_line(LOG_DEBUG, "http: a waiting client is not watched: errno %d", errno);
    }
}

void conn_resume(Conn *conn) {
    if (!conn->suspended) return;
    conn->suspended = false;
    epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
    MHD_resume_connection(conn->mhd);
}

void conn_doom(Conn *conn, int status, const char *code, const char *message) {
    if (conn->state == CONN_DOOMED) return;
    if (status) {
        send_error(conn->server, conn->fd, status, code, message);
        if (conn->request && conn->request->begun) {
            conn->request->status = status;
        } else {
            report(conn->server, conn->peer.uid, status);
        }
    }
    conn->state = CONN_DOOMED;
    shutdown(conn->fd, SHUT_RDWR);
    conn_resume(conn);
}

void conn_lost(Conn *conn) {
    HttpRequest *request = conn->request;
    if (request && !request->gone) {
        request->gone = true;
        conn->server->handlers.gone(conn->server->handlers.context, request, HTTP_GONE_CLIENT);
    }
    if (request && request->stream) stream_kill(request->stream);
    conn->state = CONN_DOOMED;
    conn_resume(conn);
}

static void tick_work(Conn *conn, int64_t now) {
    HttpRequest *request = conn->request;
    if (now < request->limit_us || request->response) return;
    request->gone = true;
    conn->server->handlers.gone(conn->server->handlers.context, request, HTTP_GONE_TIME);
    http_reply_error(request, 504, "timeout", "the request took too long (limits.request_time)",
                     NULL);
}

static void tick_stream(Conn *conn, int64_t now) {
    HttpRequest *request = conn->request;
    HttpStream *stream = request->stream;
    pthread_mutex_lock(&stream->lock);
    bool unread = stream->data.n > stream->read_at, ended = stream->ended;
    pthread_mutex_unlock(&stream->lock);
    if (!conn->suspended && now >= conn->deadline_us) {
        stream_kill(stream);
        conn_doom(conn, 0, NULL, NULL);
    } else if (!ended && !request->gone && now >= request->limit_us) {
        request->gone = true;
        conn->server->handlers.gone(conn->server->handlers.context, request, HTTP_GONE_TIME);
    } else if (!unread && !ended) {
        stream_tick(stream, now);
    }
}

void conn_tick(Conn *conn, int64_t now) {
    switch (conn->state) {
    case CONN_HEAD:
        if (now >= conn->deadline_us) {
            conn_doom(conn, 408, "timeout", "no whole head in time (limits.header_time)");
        }
        break;
    case CONN_BODY:
        if (now >= conn->deadline_us) {
            conn_doom(conn, 408, "timeout", "no whole body in time (limits.body_time)");
        }
        break;
    case CONN_WORK: tick_work(conn, now); break;
    case CONN_REPLY:
        if (conn->request && conn->request->stream) {
            tick_stream(conn, now);
        } else if (now >= conn->deadline_us) {
            conn_doom(conn, 0, NULL, NULL);
        }
        break;
    case CONN_IDLE:
        if (now >= conn->deadline_us) conn_doom(conn, 0, NULL, NULL);
        break;
    case CONN_DOOMED: break;
    }
}
