#pragma once
/* Figures for GET /metrics in Prometheus' text format 0.0.4. Threads: the loop thread. */
#include "base/buf.h"
#include "daemon/writer.h"
#include "http/server.h"

enum { METRICS_MAX_ROUTES = 32, METRICS_MAX_STATUSES = 32, METRICS_N_BUCKETS = 12 };

typedef struct MetricsRoute {
    const char *label;
    HttpMethod method;
    int statuses[METRICS_MAX_STATUSES];
    uint64_t counts[METRICS_MAX_STATUSES];
    size_t n_statuses;
    uint64_t buckets[METRICS_N_BUCKETS]; /* not cumulative */
    uint64_t n;
    double sum_s;
} MetricsRoute;

typedef struct Metrics {
    MetricsRoute routes[METRICS_MAX_ROUTES];
    size_t n_routes;
    uint64_t n_rejected; /* 503 of any kind */
    uint64_t n_bytes;
} Metrics;

typedef struct MetricsGauges {
    size_t n_connections, n_active, n_streams, n_waiting, n_prepare_waiting, n_jobs;
    double uptime_s;
    WriterStatus writer;
    EngineStats engine; /* all zero without a model */
} MetricsGauges;

void metrics_count(Metrics *metrics, const HttpDone *done);
void metrics_render(const Metrics *metrics, const MetricsGauges *gauges, Buf *ret);
