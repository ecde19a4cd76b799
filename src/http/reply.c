/* Replies. A large body is handed to libmicrohttpd in pieces by a callback, because each call is
 * progress of the client, which a whole buffer would hide from the stall deadline. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>

enum { PIECES_FROM_BYTES = 64 << 10 };

/* The kinds of error that OpenAI's clients know: whose fault it was. */
static const char *type_of(const char *code) {
    static const char *const ours[] = { "internal", "io",      "damaged", "no_memory",
                                        "no_space", "too_new", "busy",    "timeout" };
    if (strcmp(code, "unauthorized") == 0) return "authentication_error";
    if (strcmp(code, "denied") == 0) return "permission_error";
    for (size_t i = 0; i < N_ELEMENTS(ours); i++) {
        if (strcmp(code, ours[i]) == 0) return "server_error";
    }
    return "invalid_request_error";
}

void http_error_json(const char *code, const char *message, const char *param, Buf *ret) {
    JsonWriter w = JSON_WRITER(ret);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "error");
    json_string(&w, "type", type_of(code));
    json_string(&w, "code", code);
    json_string(&w, "message", message);
    if (param && *param) {
        json_string(&w, "param", param);
    } else {
        json_null(&w, "param");
    }
    json_end_object(&w);
    json_end_object(&w);
    buf_append_byte(ret, '\n');
}

/* A body on its way out; owned by its response. */
typedef struct Pieces {
    Buf body;
    HttpRequest *request; /* alive while the callback is called */
} Pieces;

static ssize_t read_pieces(void *context, uint64_t position, char *out, size_t max) {
    Pieces *pieces = context;
    Conn *conn = pieces->request->conn;
    if (position >= pieces->body.n) return MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = MIN(max, pieces->body.n - (size_t)position);
    memcpy(out, pieces->body.p + position, n);
    pieces->request->n_sent += n;
    conn->deadline_us = clock_us() + conn->server->limits.stall_us;
    return (ssize_t)n;
}

static void free_pieces(void *context) {
    Pieces *pieces = context;
    buf_deinit(&pieces->body);
    free(pieces);
}

static struct MHD_Response *make_response(HttpRequest *request, Buf *body) {
    if (!body || body->n == 0) {
        static char nothing[1];
        return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    }
    if (body->n < PIECES_FROM_BYTES) {
        struct MHD_Response *response =
            MHD_create_response_from_buffer_with_free_callback(body->n, body->p, free);
        if (response) {
            request->n_sent = body->n;
            *body = BUF_NULL;
        }
        return response;
    }
    Pieces *pieces = mem_alloc(1, sizeof *pieces);
    if (!pieces) return NULL;
    struct MHD_Response *response = MHD_create_response_from_callback(
        body->n, PIECES_FROM_BYTES / 2, read_pieces, pieces, free_pieces);
    if (!response) {
        free(pieces);
        return NULL;
    }
    *pieces = (Pieces){ *body, request };
    *body = BUF_NULL;
    return response;
}

static void add_headers(HttpRequest *request, struct MHD_Response *response,
                        const HttpReply *reply) {
    MHD_add_response_header(response, "X-Request-Id", request->id);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (reply->status != 204) {
        MHD_add_response_header(response, "Content-Type",
                                reply->content_type ? reply->content_type : "application/json");
    }
    if (reply->allow) MHD_add_response_header(response, "Allow", reply->allow);
    if (reply->disposition) {
        MHD_add_response_header(response, "Content-Disposition", reply->disposition);
    }
    if (reply->authenticate) {
        MHD_add_response_header(response, "WWW-Authenticate", reply->authenticate);
    }
    if (reply->retry_after_s) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u", reply->retry_after_s);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    if (request->conn->server->draining) {
        MHD_add_response_header(response, "Connection", "close");
    }
}

/* The response is set: let libmicrohttpd ask for it, where it is not asking just now. */
static void send_soon(HttpRequest *request) {
    Conn *conn = request->conn;
    if (!conn->suspended) return;
    conn_resume(conn);
    server_kick(conn->server);
}

void http_reply(HttpRequest *request, const HttpReply *reply, Buf *body) {
    if (request->response || request->state == REQUEST_QUEUED) return;
    struct MHD_Response *response = body && body->failed ? NULL : make_response(request, body);
    if (body) buf_deinit(body);
    if (!response) {
        /* no memory for the reply: cut the connection rather than let the client wait */
        conn_doom(request->conn, 503, "no_memory", "out of memory");
        return;
    }
    add_headers(request, response, reply);
    request->status = reply->status;
    request->response = response;
    send_soon(request);
}

void http_reply_error(HttpRequest *request, int status, const char *code, const char *message,
                      const char *param) {
    AUTO_BUF Buf body = BUF_NULL;
    http_error_json(code, message, param, &body);
    HttpReply reply = { .status = status, .retry_after_s = status == 503 || status == 429 ? 1 : 0 };
    http_reply(request, &reply, &body);
}

void http_reply_err(HttpRequest *request, const Err *err) {
    http_reply_error(request, fonte_status_http(err->status), fonte_status_code(err->status),
                     *err->text ? err->text : fonte_status_text(err->status), err->param);
}

HttpStream *http_reply_stream(HttpRequest *request) {
    HttpServer *server = request->conn->server;
    if (server->n_streams >= server->limits.n_streams) {
        http_reply_error(request, 503, "busy", "too many streams (limits.streams)", NULL);
        return NULL;
    }
    HttpStream *stream = stream_new(server, request);
    struct MHD_Response *response =
        stream ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, stream_read_cb,
                                                   stream, NULL)
               : NULL;
    if (!response) {
        http_stream_unref(stream);
        http_reply_error(request, 503, "no_memory", "out of memory", NULL);
        return NULL;
    }
    HttpReply reply = { .status = 200, .content_type = "text/event-stream" };
    add_headers(request, response, &reply);
    request->status = 200;
    request->response = response;
    request->stream = http_stream_ref(stream);
    server->n_streams++;
    send_soon(request);
    return stream;
}

enum MHD_Result reply_queue(HttpRequest *request) {
    Conn *conn = request->conn;
    if (!request->response || conn->state == CONN_DOOMED) return MHD_NO;
    enum MHD_Result queued =
        MHD_queue_response(conn->mhd, (unsigned)request->status, request->response);
    MHD_destroy_response(STEAL(request->response));
    request->state = REQUEST_QUEUED;
    conn->state = CONN_REPLY;
    conn->deadline_us = clock_us() + conn->server->limits.stall_us;
    return queued;
}
