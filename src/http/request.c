/* A request's life inside libmicrohttpd's callbacks: request line (begin), head (checked, handlers'
 * head), body, handlers' body, suspended until the reply, completed.
 *
 * libmicrohttpd cuts the head into C strings where it stands, so a NUL that the client sent inside
 * a field looks like its end. check_layout walks the head's bytes from string to string and refuses
 * what is not accounted for; tests/http/test_server.c holds it to that. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdio.h>
#include <unistd.h>

void request_new_id(HttpServer *server, char ret[20]) {
    uint64_t n = server->id_next++;
    uint64_t id = hash_mix64((Slice){ (const char *)&n, sizeof n }, server->id_seed);
    snprintf(ret, 20, "%016llx", (unsigned long long)id);
}

void *request_begin_cb(void *context, const char *uri, struct MHD_Connection *mhd) {
    HttpServer *server = context;
    Conn *conn = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    request_free(conn->request);
    conn->request = NULL;
    HttpRequest *request = mem_alloc(1, sizeof *request);
    if (!request) return NULL;
    request->conn = conn;
    request->label = "-";
    request->raw_target = uri;
    request->begun_us = clock_us();
    size_t n = strlen(uri);
    request->target_text = (Slice){ arena_string(&request->arena, (Slice){ uri, n }), n };
    if (!request->target_text.p) return request_free(request);
    request_new_id(server, request->id);
    conn->request = request;
    if (conn->state == CONN_IDLE) {
        conn->state = CONN_HEAD;
        conn->deadline_us = request->begun_us + server->limits.header_us;
    }
    return request;
}

HttpRequest *request_free(HttpRequest *request) {
    if (!request) return NULL;
    if (request->response) MHD_destroy_response(request->response);
    if (request->stream) {
        request->stream->request = NULL;
        stream_kill(request->stream);
        http_stream_unref(request->stream);
    }
    buf_deinit(&request->body);
    arena_deinit(&request->arena);
    free(request);
    return NULL;
}

typedef struct FieldList {
    HttpField fields[HTTP_MAX_FIELDS + 1];
    size_t n;
} FieldList;

static enum MHD_Result collect_field(void *context, enum MHD_ValueKind kind, const char *name,
                                     size_t n_name, const char *value, size_t n_value) {
    (void)kind;
    FieldList *list = context;
    if (list->n > HTTP_MAX_FIELDS) return MHD_NO;
    list->fields[list->n++] = (HttpField){ { name, n_name }, { value ? value : "", n_value } };
    return MHD_YES;
}

/* Over one line's end: CR LF or LF, which stand as NUL NUL or NUL. */
static const char *skip_line_end(const char *p, const char *end) {
    if (p < end && *p == '\0') p++;
    if (p < end && *p == '\0') p++;
    return p;
}

/* The bytes [method, method + n_head) hold exactly method, target, version and fields, with nothing
 * between them but the delimiters. */
static bool check_layout(const HttpRequest *request, const char *method, const char *version,
                         const FieldList *list, size_t n_head) {
    const char *end = method + n_head;
    const char *at = request->raw_target + request->target_text.n + 1;
    if (request->raw_target != method + strlen(method) + 1 || version != at) return false;
    at = skip_line_end(at + strlen(version), end);
    for (size_t i = 0; i < list->n; i++) {
        Slice name = list->fields[i].name, value = list->fields[i].value;
        if (name.p != at) return false;
        at += name.n + 1;
        while (at < end && at < value.p && (*at == ' ' || *at == '\t')) at++;
        if (value.n && value.p != at) return false;
        if (!value.n) {
            while (at < end && (*at == ' ' || *at == '\t')) at++;
        }
        at = skip_line_end(at + value.n, end);
    }
    return skip_line_end(at, end) == end;
}

static HttpMethod parse_method(const char *name) {
    for (HttpMethod method = HTTP_GET; method <= HTTP_DELETE; method++) {
        if (strcmp(name, http_method_name(method)) == 0) return method;
    }
    return HTTP_OTHER;
}

static bool refuse(HttpRequest *request, int status, const Err *err) {
    const char *code = status == 404                                     ? "not_found"
                       : status == 414 || status == 431                  ? "too_large"
                       : status == 501 || status == 505 || status == 415 ? "unsupported"
                                                                         : "invalid";
    http_reply_error(request, status, code, err->text, err->param);
    return false;
}

static bool check_head(HttpRequest *request, const char *method, const char *version) {
    const HttpLimits *limits = &request->conn->server->limits;
    struct MHD_Connection *mhd = request->conn->mhd;
    size_t n_head =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
    Err err = { 0 };
    if (request->target_text.n > limits->uri_bytes) {
        err_set(&err, STATUS_TOO_LARGE, "the target is longer than %zu bytes (limits.uri_size)",
                limits->uri_bytes);
        return refuse(request, 414, &err);
    }
    if (n_head > limits->header_bytes) {
        err_set(&err, STATUS_TOO_LARGE, "the head is longer than %zu bytes (limits.header_size)",
                limits->header_bytes);
        return refuse(request, 431, &err);
    }
    FieldList list;
    list.n = 0;
    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, collect_field, &list);
    HttpHead head = { slice_of(method), slice_of(version), list.fields, list.n };
    int status = http_check_head(&head, &request->framing, &err);
    if (status) return refuse(request, status, &err);
    if (!check_layout(request, method, version, &list, n_head)) {
        err_set(&err, STATUS_INVALID, "NUL, a folded field or stray white space in the head");
        return refuse(request, 400, &err);
    }
    Status parsed =
        http_target_parse(request->target_text, &request->arena, &request->target, &err);
    if (parsed != STATUS_OK) return refuse(request, fonte_status_http(parsed), &err);
    return true;
}

/* Room for n more bytes of bodies; refused where there is none. */
static bool reserve(HttpRequest *request, size_t n) {
    HttpServer *server = request->conn->server;
    if (n > server->limits.pending_bytes || server->n_pending > server->limits.pending_bytes - n) {
        return false;
    }
    server->n_pending += n;
    request->n_pending += n;
    return true;
}

static enum MHD_Result begin(HttpRequest *request, const char *method, const char *version) {
    HttpServer *server = request->conn->server;
    request->begun = true;
    server->n_active++;
    request->method = parse_method(method);
    if (!check_head(request, method, version)) return reply_queue(request);
    server->handlers.head(server->handlers.context, request);
    if (request->response) return reply_queue(request);
    if (request->framing.length > request->max_body_bytes ||
        (request->framing.chunked && request->max_body_bytes == 0)) {
        Err err = { 0 };
        err_set(&err, STATUS_TOO_LARGE,
                request->max_body_bytes ? "the body is longer than %zu bytes"
                                        : "no body is expected",
                request->max_body_bytes);
        int status = request->max_body_bytes ? 413 : 400;
        http_reply_error(request, status, status == 413 ? "too_large" : "invalid", err.text, NULL);
        return reply_queue(request);
    }
    if (!reserve(request, (size_t)request->framing.length)) {
        http_reply_error(request, 503, "busy", "too many bytes wait (limits.pending_size)", NULL);
        return reply_queue(request);
    }
    request->state = REQUEST_BODY;
    request->conn->state = CONN_BODY;
    request->conn->deadline_us = clock_us() + server->limits.body_us;
    return MHD_YES;
}

static enum MHD_Result take_body(HttpRequest *request, const char *bytes, size_t *n) {
    if (request->conn->state == CONN_DOOMED) return MHD_NO;
    size_t total = request->body.n + *n;
    if (total > request->max_body_bytes) {
        conn_doom(request->conn, 413, "too_large", "the body is longer than the limit");
        return MHD_NO;
    }
    if (total > request->n_pending && !reserve(request, total - request->n_pending)) {
        conn_doom(request->conn, 503, "busy", "too many bytes wait (limits.pending_size)");
        return MHD_NO;
    }
    buf_append(&request->body, bytes, *n);
    if (request->body.failed) {
        conn_doom(request->conn, 503, "no_memory", "out of memory");
        return MHD_NO;
    }
    *n = 0;
    return MHD_YES;
}

static enum MHD_Result end_body(HttpRequest *request) {
    HttpServer *server = request->conn->server;
    if (request->conn->state == CONN_DOOMED) return MHD_NO;
    request->state = REQUEST_WORK;
    request->conn->state = CONN_WORK;
    request->limit_us = clock_us() + server->limits.request_us;
    server->handlers.body(server->handlers.context, request);
    if (request->response) return reply_queue(request);
    conn_suspend(request->conn);
    return MHD_YES;
}

enum MHD_Result request_access_cb(void *context, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *n_upload, void **user) {
    (void)context;
    (void)mhd;
    (void)url;
    HttpRequest *request = *user;
    if (!request) return MHD_NO;
    switch (request->state) {
    case REQUEST_NEW: return begin(request, method, version);
    case REQUEST_BODY: return *n_upload ? take_body(request, upload, n_upload) : end_body(request);
    case REQUEST_WORK: return request->response ? reply_queue(request) : MHD_NO;
    case REQUEST_QUEUED: break;
    }
    return MHD_YES;
}

void request_completed_cb(void *context, struct MHD_Connection *mhd, void **user,
                          enum MHD_RequestTerminationCode code) {
    (void)mhd;
    HttpServer *server = context;
    HttpRequest *request = *user;
    if (!request) return;
    *user = NULL;
    Conn *conn = request->conn;
    bool waited = request->state == REQUEST_WORK && !request->response;
    if (request->stream) {
        pthread_mutex_lock(&request->stream->lock);
        waited = waited || !request->stream->ended;
        pthread_mutex_unlock(&request->stream->lock);
        server->n_streams--;
    }
    if (waited && !request->gone) {
        request->gone = true;
        server->handlers.gone(server->handlers.context, request, HTTP_GONE_CLIENT);
    }
    if (request->begun) {
        server->n_active--;
        server->n_pending -= request->n_pending;
        bool whole = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
        HttpDone done = {
            .id = request->id,
            .label = request->label,
            .method = request->method,
            .uid = conn->peer.uid,
            .tcp = conn->over_tcp,
            .status = request->status && (whole || request->status >= 400) ? request->status : 499,
            .duration_us = clock_us() - request->begun_us,
            .n_bytes = request->n_sent,
        };
        server->handlers.done(server->handlers.context, &done);
    }
    if (conn->request == request) conn->request = NULL;
    request_free(request);
    if (conn->state == CONN_DOOMED) return;
    conn->state = CONN_IDLE;
    conn->deadline_us = clock_us() + server->limits.idle_us;
    if (server->draining) conn_doom(conn, 0, NULL, NULL);
}

const char *http_method_name(HttpMethod method) {
    static const char *const names[] = { "OTHER", "GET", "HEAD", "POST", "PUT", "DELETE" };
    return names[method];
}

HttpMethod http_request_method(const HttpRequest *request) {
    return request->method;
}
const HttpTarget *http_request_target(const HttpRequest *request) {
    return &request->target;
}
const char *http_request_header(HttpRequest *request, const char *name) {
    return MHD_lookup_connection_value(request->conn->mhd, MHD_HEADER_KIND, name);
}
const HttpPeer *http_request_peer(const HttpRequest *request) {
    return &request->conn->peer;
}
bool http_request_is_tcp(const HttpRequest *request) {
    return request->conn->over_tcp;
}

const char *http_request_id(const HttpRequest *request) {
    return request->id;
}
Arena *http_request_arena(HttpRequest *request) {
    return &request->arena;
}
Buf *http_request_body(HttpRequest *request) {
    return &request->body;
}
bool http_request_has_body(const HttpRequest *request) {
    return request->framing.chunked || request->framing.length > 0;
}
void http_request_set_label(HttpRequest *request, const char *label) {
    request->label = label;
}
void http_request_set_user(HttpRequest *request, void *user) {
    request->user = user;
}
void *http_request_user(const HttpRequest *request) {
    return request->user;
}
void http_request_allow_body(HttpRequest *request, size_t max_bytes) {
    request->max_body_bytes = max_bytes;
}
