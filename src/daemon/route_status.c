/* What the daemon says of itself. Health is answered on the loop, so that it tells whether the loop
 * turns; the rest reads the writer's copy of the index's counts, which never waits for the disk. */
#include "daemon/daemon_internal.h"
#include "daemon/render.h"
#include "daemon/route.h"

#include "base/clock.h"

#include <unistd.h>

void route_health(Daemon *daemon, HttpRequest *request) {
    AUTO_BUF Buf body = BUF_NULL;
    buf_append_string(&body,
                      daemon->stopping ? "{\"status\":\"stopping\"}" : "{\"status\":\"ok\"}");
    HttpReply reply = { .status = daemon->stopping ? 503 : 200,
                        .retry_after_s = daemon->stopping ? 1 : 0 };
    http_reply(request, &reply, &body);
}

static void gauges(Daemon *daemon, MetricsGauges *ret) {
    *ret = (MetricsGauges){
        .n_connections = http_server_n_connections(daemon->server),
        .n_active = http_server_n_active(daemon->server),
        .n_streams = http_server_n_streams(daemon->server),
        .n_waiting = work_pool_n_waiting(daemon->pool),
        .n_prepare_waiting = work_pool_n_waiting(daemon->prepare),
        .n_jobs = daemon->n_jobs,
        .uptime_s = (double)(clock_us() - daemon->started_us) / 1e6,
    };
    writer_status(daemon->writer, &ret->writer);
    if (daemon->served) engine_stats(served_engine(daemon->served), &ret->engine);
}

void route_metrics(Daemon *daemon, HttpRequest *request) {
    MetricsGauges g;
    gauges(daemon, &g);
    AUTO_BUF Buf body = BUF_NULL;
    metrics_render(&daemon->metrics, &g, &body);
    HttpReply reply = { .status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8" };
    http_reply(request, &reply, &body);
}

static void render_index(JsonWriter *w, const IndexStatus *index) {
    json_begin_object(w, "index");
    json_uint(w, "documents", index->counts.n_documents);
    json_uint(w, "passages", index->counts.n_passages);
    json_uint(w, "vectors", index->n_vectors);
    json_uint(w, "bytes", index->counts.n_file_bytes);
    json_int(w, "generation", index->counts.generation);
    json_string(w, "embedder", index->embedder);
    json_string(w, "vector_kind", index->vector_kind);
    if (index->embedder_building[0]) {
        json_string(w, "embedder_building", index->embedder_building);
        json_fixed(w, "building_ratio", index->building_ratio, 4);
    }
    json_end_object(w);
}

static void render_model(JsonWriter *w, Served *served) {
    if (!served) return;
    EngineStats s;
    engine_stats(served_engine(served), &s);
    json_begin_object(w, "model");
    json_string(w, "name", served_name(served));
    json_string(w, "licence", served_licence(served));
    json_string(w, "template", template_name(served_template(served)));
    json_uint(w, "weights_bytes", llm_model_bytes(served_model(served)));
    json_uint(w, "cache_bytes", s.kv_bytes);
    json_uint(w, "context", engine_context(served_engine(served)));
    json_uint(w, "active", s.n_active);
    json_uint(w, "queue", s.n_waiting);
    json_uint(w, "requests", s.n_jobs);
    json_uint(w, "cancelled", s.n_cancelled);
    json_uint(w, "rejected", s.n_rejected);
    json_uint(w, "prompt_tokens", s.n_prompt);
    json_uint(w, "cached_tokens", s.n_cached);
    json_uint(w, "cached_prompts", s.n_kept);
    json_uint(w, "written_tokens", s.n_tokens);
    json_uint(w, "guessed_tokens", s.n_drafted);
    json_uint(w, "guessed_right", s.n_accepted);
    json_end_object(w);
}

void route_status(Daemon *daemon, HttpRequest *request) {
    MetricsGauges g;
    gauges(daemon, &g);
    AUTO_BUF Buf body = BUF_NULL;
    JsonWriter w = JSON_WRITER(&body);
    json_begin_object(&w, NULL);
    json_string(&w, "state", daemon->stopping ? "stopping" : "ready");
    json_string(&w, "version", FONTE_VERSION_TEXT);
    json_uint(&w, "pid", (uint64_t)getpid());
    json_fixed(&w, "uptime_s", g.uptime_s, 3);
    render_index(&w, &g.writer.index);
    render_model(&w, daemon->served);
    json_begin_object(&w, "server");
    json_uint(&w, "peers_30_days", daemon_n_peers(daemon));
    json_uint(&w, "connections", g.n_connections);
    json_uint(&w, "requests", g.n_active);
    json_uint(&w, "streams", g.n_streams);
    json_uint(&w, "queue", g.n_waiting);
    json_uint(&w, "prepare_queue", g.n_prepare_waiting);
    json_uint(&w, "commit_queue", g.writer.n_waiting);
    json_uint(&w, "commits", g.writer.n_commits);
    json_uint(&w, "rejected", daemon->metrics.n_rejected);
    json_end_object(&w);
    json_begin_array(&w, "jobs");
    for (size_t i = 0; i < RENDER_N_JOBS; i++) render_job(&w, NULL, i, &g.writer);
    json_end_array(&w);
    json_end_object(&w);
    http_reply(request, &(HttpReply){ .status = 200 }, &body);
}

void route_jobs(Daemon *daemon, HttpRequest *request) {
    WriterStatus status;
    writer_status(daemon->writer, &status);
    AUTO_BUF Buf body = BUF_NULL;
    JsonWriter w = JSON_WRITER(&body);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "jobs");
    for (size_t i = 0; i < RENDER_N_JOBS; i++) render_job(&w, NULL, i, &status);
    json_end_array(&w);
    json_end_object(&w);
    http_reply(request, &(HttpReply){ .status = 200 }, &body);
}

void route_job(Daemon *daemon, HttpRequest *request) {
    Slice id = http_request_target(request)->segments[2];
    WriterStatus status;
    writer_status(daemon->writer, &status);
    for (size_t i = 0; i < RENDER_N_JOBS; i++) {
        if (!slice_equal(slice_of(render_job_id(i)), id)) continue;
        AUTO_BUF Buf body = BUF_NULL;
        JsonWriter w = JSON_WRITER(&body);
        render_job(&w, NULL, i, &status);
        http_reply(request, &(HttpReply){ .status = 200 }, &body);
        return;
    }
    http_reply_error(request, 404, "not_found", "no such job", "id");
}

/* Only the collections that the asker may read. */
static Status collections_work(Job *job, Err *err) {
    StoreCollection *collections;
    size_t n;
    TRY(index_collections(job->daemon->index, &job->arena, &collections, &n, err));
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "collections");
    for (size_t i = 0; i < n; i++) {
        const StoreCollection *c = &collections[i];
        if (!access_may(job->access, &job->peer, ACCESS_READ, c->name)) continue;
        json_begin_object(&w, NULL);
        json_string(&w, "name", c->name);
        json_uint(&w, "documents", c->n_documents);
        json_uint(&w, "passages", c->n_passages);
        json_bool(&w, "writable", access_may(job->access, &job->peer, ACCESS_WRITE, c->name));
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    return buf_status(&job->out, err);
}

void route_collections(Daemon *daemon, HttpRequest *request) {
    Job *job = job_new(daemon, request, collections_work);
    if (job) job_submit(job);
}
