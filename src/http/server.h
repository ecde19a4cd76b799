#pragma once
/* HTTP/1.1 on a listening Unix socket, and on one of TCP where asked: connections, strict heads,
 * bodies with limits, replies, streams, deadlines. Knows nothing of routes or of the event loop:
 * the loop watches one descriptor and calls http_server_run when it is readable and
 * http_server_tick some times a second. Threads: the loop thread only, except http/stream.h.
 * Source: RFC 9110, RFC 9112; libmicrohttpd 0.9.75. */
#include "base/arena.h"
#include "base/buf.h"
#include "http/guard.h"
#include "http/peer.h"
#include "http/stream.h"
#include "http/target.h"

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;

typedef enum HttpMethod {
    HTTP_OTHER,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
} HttpMethod;

typedef struct HttpLimits {
    size_t n_connections;         /* open at once, all peers */
    size_t n_connections_per_uid; /* of one user */
    size_t header_bytes;          /* request line and fields (fixed when the server opens) */
    size_t uri_bytes;             /* target of the request line */
    size_t pending_bytes;         /* bodies being received or waiting, all requests */
    size_t n_streams;             /* event streams open at once */
    size_t stream_bytes;          /* unread events of one stream */
    int64_t header_us;            /* from connecting or the request line to the end of the head */
    int64_t body_us;              /* for the whole body */
    int64_t idle_us;              /* kept alive between requests */
    int64_t request_us;           /* from the whole body to the reply; a stream: to its end */
    int64_t stall_us;             /* a client that reads nothing of its reply */
    int64_t heartbeat_us;         /* comment in a stream that has nothing to say */
} HttpLimits;

typedef enum HttpGone { HTTP_GONE_CLIENT, HTTP_GONE_TIME } HttpGone;

/* What happened to one request, for log lines and figures. */
typedef struct HttpDone {
    const char *id;    /* X-Request-Id */
    const char *label; /* route pattern as set by http_request_set_label; "-" */
    HttpMethod method;
    uid_t uid;
    bool tcp;   /* over TCP, so that uid is that of all who have the key */
    int status; /* 499: the client left before the reply */
    int64_t duration_us;
    uint64_t n_bytes; /* of the reply's body that were handed out */
} HttpDone;

typedef struct HttpHandlers {
    void *context;
    /* The head is there and well formed: reply (refuse) or allow the body. */
    void (*head)(void *context, HttpRequest *request);
    /* The body is there: reply or open a stream, now or later. */
    void (*body)(void *context, HttpRequest *request);
    /* Nobody waits for the reply any more (CLIENT: forget the request; TIME: a reply or the end of
     * the stream is still wanted, the server answers 504 itself where no stream is open). */
    void (*gone)(void *context, HttpRequest *request, HttpGone why);
    /* The request is over; also called for those that were refused here. */
    void (*done)(void *context, const HttpDone *done);
} HttpHandlers;

/* listen_fd: non-blocking, consumed on success. */
Status http_server_open(int listen_fd, const HttpLimits *limits, const HttpHandlers *handlers,
                        HttpServer **ret, Err *err) MUST_CHECK;
/* Serve a TCP socket too. The kernel does not say who is at its other end: to the handlers they are
 * all `as`, and it is theirs to ask for a key before anything else (http_request_is_tcp).
 * listen_fd: non-blocking, consumed on success. */
Status http_server_listen_tcp(HttpServer *server, int listen_fd, const HttpPeer *as,
                              Err *err) MUST_CHECK;
/* Cuts what is still open. All streams must have lost their workers. */
HttpServer *http_server_close(HttpServer *server);
int http_server_fd(const HttpServer *server);
/* Handle what is ready. True where more is ready already: call again soon. */
bool http_server_run(HttpServer *server);
/* Deadlines and heartbeats; some times a second. */
void http_server_tick(HttpServer *server);
void http_server_set_limits(HttpServer *server, const HttpLimits *limits);
/* Accept no more; connections close after the reply that is under way, idle ones at once. */
void http_server_drain(HttpServer *server);
/* A request that has begun is not over yet (half-open heads do not count). */
size_t http_server_n_active(const HttpServer *server);
size_t http_server_n_connections(const HttpServer *server);
size_t http_server_n_streams(const HttpServer *server);

/* ---- a request: views live until done ---- */
HttpMethod http_request_method(const HttpRequest *request);
const char *http_method_name(HttpMethod method);
const HttpTarget *http_request_target(const HttpRequest *request);
/* NULL where there is none. */
const char *http_request_header(HttpRequest *request, const char *name);
const HttpPeer *http_request_peer(const HttpRequest *request);
bool http_request_is_tcp(const HttpRequest *request);
const char *http_request_id(const HttpRequest *request);
Arena *http_request_arena(HttpRequest *request);
/* The body; the handler may take it away (STEAL the Buf's fields). */
Buf *http_request_body(HttpRequest *request);
bool http_request_has_body(const HttpRequest *request);
void http_request_set_label(HttpRequest *request, const char *label); /* static string */
void http_request_set_user(HttpRequest *request, void *user);
void *http_request_user(const HttpRequest *request);

/* In head(): take a body up to max_bytes, 413 above. */
void http_request_allow_body(HttpRequest *request, size_t max_bytes);

typedef struct HttpReply {
    int status;
    const char *content_type; /* NULL = application/json */
    const char *allow;        /* Allow of a 405; NULL = none */
    const char *disposition;  /* Content-Disposition; NULL = none */
    const char *authenticate; /* WWW-Authenticate of a 401; NULL = none */
    unsigned retry_after_s;   /* 0 = none */
} HttpReply;
/* Once per request. body is taken over (emptied); NULL = none. */
void http_reply(HttpRequest *request, const HttpReply *reply, Buf *body);
/* {"error":{"type","code","message","param"}} */
void http_reply_error(HttpRequest *request, int status, const char *code, const char *message,
                      const char *param);
void http_reply_err(HttpRequest *request, const Err *err);
/* 200 and text/event-stream. NULL, with a 503 replied, where there are too many. Returned owned
 * (unref); the request holds one of its own. */
HttpStream *http_reply_stream(HttpRequest *request) MUST_CHECK;
/* The JSON of an error object, for bodies and for "error" events. */
void http_error_json(const char *code, const char *message, const char *param, Buf *ret);
