/* One row per route, found by walking: there are some twenty. Label values are our own constants,
 * so that nothing needs escaping. */
#include "daemon/metrics.h"

static const double bounds_s[METRICS_N_BUCKETS] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                    0.05,   0.1,   0.5,    1,     5,    30 };

static MetricsRoute *route_of(Metrics *metrics, const HttpDone *done) {
    for (size_t i = 0; i < metrics->n_routes; i++) {
        MetricsRoute *route = &metrics->routes[i];
        if (route->method == done->method && strcmp(route->label, done->label) == 0) return route;
    }
    /* the last row takes what exceeds the table */
    if (metrics->n_routes == METRICS_MAX_ROUTES) return &metrics->routes[METRICS_MAX_ROUTES - 1];
    MetricsRoute *route = &metrics->routes[metrics->n_routes++];
    route->label = done->label;
    route->method = done->method;
    return route;
}

static void count_status(MetricsRoute *route, int status) {
    size_t i = 0;
    while (i < route->n_statuses && route->statuses[i] != status) i++;
    if (i == METRICS_MAX_STATUSES) return;
    if (i == route->n_statuses) route->statuses[route->n_statuses++] = status;
    route->counts[i]++;
}

void metrics_count(Metrics *metrics, const HttpDone *done) {
    MetricsRoute *route = route_of(metrics, done);
    count_status(route, done->status);
    double seconds = (double)done->duration_us / 1e6;
    for (size_t i = 0; i < METRICS_N_BUCKETS; i++) {
        if (seconds <= bounds_s[i]) {
            route->buckets[i]++;
            break;
        }
    }
    route->n++;
    route->sum_s += seconds;
    metrics->n_bytes += done->n_bytes;
    if (done->status == 503) metrics->n_rejected++;
}

static void head(Buf *out, const char *name, const char *type, const char *help) {
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(Buf *out, const char *name, const char *type, const char *help, double value) {
    head(out, name, type, help);
    buf_printf(out, "%s %.17g\n", name, value);
}

static void render_requests(const Metrics *metrics, Buf *out) {
    head(out, "fonte_requests_total", "counter", "Requests by route and status.");
    for (size_t i = 0; i < metrics->n_routes; i++) {
        const MetricsRoute *r = &metrics->routes[i];
        for (size_t j = 0; j < r->n_statuses; j++) {
            buf_printf(out, "fonte_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %llu\n",
                       http_method_name(r->method), r->label, r->statuses[j],
                       (unsigned long long)r->counts[j]);
        }
    }
    head(out, "fonte_request_duration_seconds", "histogram", "From the request line to the end.");
    for (size_t i = 0; i < metrics->n_routes; i++) {
        const MetricsRoute *r = &metrics->routes[i];
        uint64_t n = 0;
        for (size_t j = 0; j < METRICS_N_BUCKETS; j++) {
            n += r->buckets[j];
            buf_printf(
                out,
                "fonte_request_duration_seconds_bucket{method=\"%s\",route=\"%s\",le=\"%g\"} "
                "%llu\n",
                http_method_name(r->method), r->label, bounds_s[j], (unsigned long long)n);
        }
        const char *method = http_method_name(r->method);
        buf_printf(out,
                   "fonte_request_duration_seconds_bucket{method=\"%s\",route=\"%s\",le=\"+Inf\"} "
                   "%llu\n"
                   "fonte_request_duration_seconds_sum{method=\"%s\",route=\"%s\"} %.6f\n"
                   "fonte_request_duration_seconds_count{method=\"%s\",route=\"%s\"} %llu\n",
                   method, r->label, (unsigned long long)r->n, method, r->label, r->sum_s, method,
                   r->label, (unsigned long long)r->n);
    }
}

void metrics_render(const Metrics *metrics, const MetricsGauges *g, Buf *ret) {
    render_requests(metrics, ret);
    single(ret, "fonte_rejected_total", "counter", "Requests and connections refused with 503.",
           (double)metrics->n_rejected);
    single(ret, "fonte_sent_bytes_total", "counter", "Bytes of reply bodies.",
           (double)metrics->n_bytes);
    single(ret, "fonte_connections", "gauge", "Open connections.", (double)g->n_connections);
    single(ret, "fonte_requests_active", "gauge", "Requests begun and not over.",
           (double)g->n_active);
    single(ret, "fonte_streams", "gauge", "Open event streams.", (double)g->n_streams);
    single(ret, "fonte_queue", "gauge", "Requests that wait for a thread.", (double)g->n_waiting);
    single(ret, "fonte_prepare_queue", "gauge", "Added documents that wait for a thread.",
           (double)g->n_prepare_waiting);
    single(ret, "fonte_commit_queue", "gauge", "Prepared inputs that wait for the writer.",
           (double)g->writer.n_waiting);
    single(ret, "fonte_commit_queue_bytes", "gauge", "Their memory.",
           (double)g->writer.n_waiting_bytes);
    single(ret, "fonte_commits_total", "counter", "Transactions committed.",
           (double)g->writer.n_commits);
    single(ret, "fonte_committed_inputs_total", "counter", "Inputs in those transactions.",
           (double)g->writer.n_committed);
    single(ret, "fonte_background_failures_total", "counter",
           "Steps of background work that failed.", (double)g->writer.n_failures);
    single(ret, "fonte_documents", "gauge", "Documents.",
           (double)g->writer.index.counts.n_documents);
    single(ret, "fonte_passages", "gauge", "Passages.", (double)g->writer.index.counts.n_passages);
    single(ret, "fonte_vectors", "gauge", "Vectors in memory.", (double)g->writer.index.n_vectors);
    single(ret, "fonte_index_bytes", "gauge", "Database and write-ahead log.",
           (double)g->writer.index.counts.n_file_bytes);
    single(ret, "fonte_engine_active", "gauge", "Prompts that are read or answered.",
           (double)g->engine.n_active);
    single(ret, "fonte_engine_queue", "gauge", "Requests that wait for the engine.",
           (double)g->engine.n_waiting);
    single(ret, "fonte_engine_prompt_tokens_total", "counter", "Tokens of prompts.",
           (double)g->engine.n_prompt);
    single(ret, "fonte_engine_cached_tokens_total", "counter",
           "Of these, tokens that the prefix cache had.", (double)g->engine.n_cached);
    single(ret, "fonte_engine_written_tokens_total", "counter", "Tokens written.",
           (double)g->engine.n_tokens);
    single(ret, "fonte_uptime_seconds", "gauge", "Since the daemon was ready.", g->uptime_s);
}
