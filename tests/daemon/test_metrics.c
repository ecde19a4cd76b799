#include "daemon/metrics.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(daemon_metrics, counts_by_route_and_status_and_sums_buckets) {
    Metrics metrics = { 0 };
    HttpDone done = { .id = "1", .label = "/a", .method = HTTP_GET, .status = 200, .n_bytes = 7 };
    done.duration_us = 700;
    metrics_count(&metrics, &done);
    done.duration_us = 60000000;
    metrics_count(&metrics, &done);
    done.status = 503;
    done.duration_us = 100;
    metrics_count(&metrics, &done);
    AUTO_BUF Buf out = BUF_NULL;
    MetricsGauges gauges = { .n_streams = 3 };
    metrics_render(&metrics, &gauges, &out);
    static const char *const lines[] = {
        "fonte_requests_total{method=\"GET\",route=\"/a\",status=\"200\"} 2\n",
        "fonte_requests_total{method=\"GET\",route=\"/a\",status=\"503\"} 1\n",
        "fonte_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"0.0005\"} 1\n",
        "fonte_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"0.001\"} 2\n",
        "fonte_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"30\"} 2\n",
        "fonte_request_duration_seconds_bucket{method=\"GET\",route=\"/a\",le=\"+Inf\"} 3\n",
        "fonte_request_duration_seconds_count{method=\"GET\",route=\"/a\"} 3\n",
        "fonte_rejected_total 1\n",
        "fonte_sent_bytes_total 21\n",
        "fonte_streams 3\n",
    };
    for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
        cr_assert_not_null(strstr(out.p, lines[i]), "%s", lines[i]);
    }
}

Test(daemon_metrics, a_full_table_keeps_counting) {
    static char labels[METRICS_MAX_ROUTES + 5][8];
    Metrics metrics = { 0 };
    for (int i = 0; i < METRICS_MAX_ROUTES + 5; i++) {
        snprintf(labels[i], sizeof labels[i], "/%d", i);
        HttpDone done = { .label = labels[i], .status = 200 + i };
        metrics_count(&metrics, &done);
    }
    cr_assert_eq(metrics.n_routes, METRICS_MAX_ROUTES);
    cr_assert_eq(metrics.routes[METRICS_MAX_ROUTES - 1].n, 6);
}
