/* What the HTTP server asks of the daemon: is this request wanted, do the work, forget it. Checks
 * that need no body are done when the head is there, so that a refused body is never received. */
#include "daemon/daemon_internal.h"
#include "daemon/route.h"

#include <stdio.h>

/* False where it was answered already. */
static bool check_params(const Route *route, HttpRequest *request) {
    const HttpTarget *target = http_request_target(request);
    for (size_t i = 0; i < target->n_params; i++) {
        if (route_has_param(route, target->params[i].name)) continue;
        http_reply_error(request, 400, "usage", "no such query parameter", target->params[i].name);
        return false;
    }
    return true;
}

static bool check_type(const Route *route, HttpRequest *request) {
    const char *type = http_request_header(request, "Content-Type");
    bool ok = route->body == ROUTE_NO_BODY ||
              (type && (route->body == ROUTE_JSON ? route_type_is(type, "application/json")
                                                  : route_takes_document_type(type)));
    if (ok) return true;
    char message[160];
    snprintf(message, sizeof message, "%s: this route takes %s",
             type ? "this Content-Type is not supported" : "no Content-Type",
             route->body == ROUTE_JSON ? "application/json"
                                       : "text, Markdown, HTML, JSON, JSON Lines, RSS and Atom");
    http_reply_error(request, 415, "unsupported", message, "Content-Type");
    return false;
}

static void on_head(void *context, HttpRequest *request) {
    Daemon *daemon = context;
    char allow[64];
    if (http_request_is_tcp(request) && !tcp_check(&daemon->tcp, request)) return;
    const Route *route =
        route_find(http_request_method(request), http_request_target(request), allow);
    if (!route && !*allow) {
        http_reply_error(request, 404, "not_found", "no such path", NULL);
        return;
    }
    if (!route) {
        AUTO_BUF Buf body = BUF_NULL;
        http_error_json("usage", "this path does not have this method", NULL, &body);
        http_reply(request, &(HttpReply){ .status = 405, .allow = allow }, &body);
        return;
    }
    http_request_set_label(request, route->path);
    if (!check_params(route, request) || !check_type(route, request)) return;
    if (route->admin && !access_is_admin(daemon->access, http_request_peer(request))) {
        http_reply_error(request, 403, "denied", "only for those in [access] admin", NULL);
        return;
    }
    if (route->body == ROUTE_JSON) http_request_allow_body(request, daemon->config->json_bytes);
    if (route->body == ROUTE_DOCUMENT) http_request_allow_body(request, daemon->config->body_bytes);
}

static void on_body(void *context, HttpRequest *request) {
    char allow[64];
    const Route *route =
        route_find(http_request_method(request), http_request_target(request), allow);
    route->handle(context, request); /* on_head found it */
}

static void on_gone(void *context, HttpRequest *request, HttpGone why) {
    (void)context;
    Job *job = http_request_user(request);
    if (!job) return;
    int calm = JOB_CALM;
    atomic_compare_exchange_strong(&job->cancelled, &calm,
                                   why == HTTP_GONE_TIME ? JOB_OUT_OF_TIME : JOB_CLIENT_GONE);
    job->request = NULL;
    http_request_set_user(request, NULL);
}

static void on_done(void *context, const HttpDone *done) {
    Daemon *daemon = context;
    metrics_count(&daemon->metrics, done);
    daemon_count_peer(daemon, done);
    log_line(done->status >= 500 && done->status != 503 ? LOG_WARNING : LOG_INFO,
             "request id=%s uid=%u%s method=%s route=%s status=%d ms=%.2f bytes=%llu", done->id,
             (unsigned)done->uid, done->tcp ? " via=tcp" : "", http_method_name(done->method),
             done->label, done->status, (double)done->duration_us / 1000,
             (unsigned long long)done->n_bytes);
}

void daemon_handlers(Daemon *daemon, HttpHandlers *ret) {
    *ret = (HttpHandlers){
        .context = daemon, .head = on_head, .body = on_body, .gone = on_gone, .done = on_done
    };
}

void daemon_http_limits(const Config *config, HttpLimits *ret) {
    *ret = (HttpLimits){
        .n_connections = config->n_connections,
        .n_connections_per_uid = config->n_connections_per_uid,
        .header_bytes = config->header_bytes,
        .uri_bytes = config->uri_bytes,
        .pending_bytes = config->pending_bytes,
        .n_streams = config->n_streams,
        .stream_bytes = config->stream_bytes,
        .header_us = config->header_us,
        .body_us = config->body_us,
        .idle_us = config->idle_us,
        .request_us = config->request_us,
        .stall_us = config->stall_us,
        .heartbeat_us = config->heartbeat_us,
    };
}
