#pragma once
/* What the files of this room share: connections, requests, streams as they are inside.
 * Threads: the loop thread, except HttpStream's locked fields. */
#include "http/check.h"
#include "http/server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

typedef enum ConnState {
    CONN_HEAD,   /* waiting for a request's head */
    CONN_BODY,   /* receiving its body */
    CONN_WORK,   /* the handler has it; suspended */
    CONN_REPLY,  /* the reply is being sent */
    CONN_IDLE,   /* kept alive, nothing received */
    CONN_DOOMED, /* shut down, libmicrohttpd has yet to notice */
} ConnState;

typedef struct Conn Conn;
struct Conn {
    Conn *prev, *next;
    HttpServer *server;
    struct MHD_Connection *mhd;
    HttpRequest *request; /* owned; NULL between requests */
    HttpPeer peer;
    ConnState state;
    int64_t deadline_us;
    int fd; /* libmicrohttpd's */
    bool suspended, over_tcp;
};

typedef enum RequestState { REQUEST_NEW, REQUEST_BODY, REQUEST_WORK, REQUEST_QUEUED } RequestState;

struct HttpRequest {
    Conn *conn;
    RequestState state;
    HttpMethod method;
    HttpTarget target;
    HttpFraming framing;
    const char *raw_target; /* in libmicrohttpd's buffer, while the head is checked */
    Slice target_text;      /* the same, copied */
    const char *label;
    void *user;
    Arena arena;
    Buf body;
    size_t max_body_bytes;
    size_t n_pending; /* counted in the server's */
    struct MHD_Response *response;
    HttpStream *stream;
    int status;
    int64_t begun_us, limit_us;
    uint64_t n_sent;
    bool begun; /* the handlers know of it */
    bool gone;  /* ... and were told that nobody waits */
    char id[20];
};

struct HttpStream {
    atomic_uint n_refs;
    pthread_mutex_t lock;
    pthread_cond_t room;
    /* under the lock */
    Buf data;
    size_t read_at;
    bool ended, dead, queued;
    /* fixed */
    size_t max_bytes;
    int64_t stall_us;
    HttpServer *server;
    /* loop thread */
    HttpRequest *request;  /* NULL once it is over */
    int64_t last_us;       /* when something was sent */
    HttpStream *wake_next; /* under the server's wake lock */
};

typedef struct PeerCount {
    uid_t uid;
    size_t n;
} PeerCount;

/* A listening socket. */
typedef struct Door {
    int fd; /* -1 = none */
    bool open, is_tcp;
} Door;

struct HttpServer {
    HttpLimits limits;
    HttpHandlers handlers;
    struct MHD_Daemon *mhd;
    Door doors[2];     /* the Unix socket, TCP */
    HttpPeer tcp_peer; /* whom connections by TCP are taken for */
    int epoll_fd, wake_fd, spare_fd;
    bool running, draining;
    Conn *conns;
    Conn *accepting; /* between accept and libmicrohttpd's notice of it */
    PeerCount *counts;
    size_t n_counts, counts_capacity;
    size_t n_conns, n_active, n_streams, n_pending;
    uint64_t id_seed, id_next;
    pthread_mutex_t wake_lock;
    HttpStream *wake_list;
};

/* connection.c */
void conn_accept_all(HttpServer *server, Door *door);
void conn_notify(void *context, struct MHD_Connection *mhd, void **socket_context,
                 enum MHD_ConnectionNotificationCode code);
void conn_suspend(Conn *conn);
void conn_resume(Conn *conn);
/* Answer directly (status 0 = say nothing) and shut the socket. */
void conn_doom(Conn *conn, int status, const char *code, const char *message);
void conn_tick(Conn *conn, int64_t now);
/* The peer closed while the connection was suspended. */
void conn_lost(Conn *conn);

/* request.c */
void *request_begin_cb(void *context, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_access_cb(void *context, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *n_upload, void **request);
void request_completed_cb(void *context, struct MHD_Connection *mhd, void **request,
                          enum MHD_RequestTerminationCode code);
HttpRequest *request_free(HttpRequest *request);
void request_new_id(HttpServer *server, char ret[20]);

/* reply.c */
enum MHD_Result reply_queue(HttpRequest *request);

/* stream.c */
HttpStream *stream_new(HttpServer *server, HttpRequest *request);
ssize_t stream_read_cb(void *stream, uint64_t position, char *out, size_t max);
/* Nobody will read it. */
void stream_kill(HttpStream *stream);
/* Resume what has news (after the wake descriptor was readable). */
void stream_drain_wakes(HttpServer *server);
void stream_tick(HttpStream *stream, int64_t now);

/* server.c */
void server_kick(HttpServer *server); /* let libmicrohttpd act on what was resumed or shut */
