/* GET /v1/models[/NAME] and POST /v1/embeddings. */
#include "daemon/daemon_internal.h"
#include "daemon/fields.h"
#include "daemon/route.h"

#include <stdio.h>
#include <string.h>

enum { MAX_INPUTS = 2048 };

/* ---- models ---- */

typedef struct Models {
    const Job *job;
    JsonWriter *w;
    const char *wanted; /* NULL = all */
    bool found;
} Models;

static void render_model(Models *m, const char *name, int64_t created) {
    if (m->wanted && strcmp(m->wanted, name) != 0) return;
    m->found = true;
    json_begin_object(m->w, NULL);
    json_string(m->w, "id", name);
    json_string(m->w, "object", "model");
    json_int(m->w, "created", created);
    json_string(m->w, "owned_by", "fonte");
    json_end_object(m->w);
}

/* "fonte", "fonte:NAME" for each collection that the asker may read, the served model, the
 * embedder. */
static Status render_models(Models *m, Err *err) {
    Job *job = (Job *)m->job;
    StoreCollection *collections;
    size_t n;
    TRY(index_collections(job->daemon->index, &job->arena, &collections, &n, err));
    render_model(m, "fonte", 0);
    for (size_t i = 0; i < n; i++) {
        char name[80];
        if (!access_may(job->access, &job->peer, ACCESS_READ, collections[i].name)) continue;
        snprintf(name, sizeof name, "fonte:%s", collections[i].name);
        render_model(m, name, 0);
    }
    if (job->served) render_model(m, served_name(job->served), served_since(job->served));
    IndexStatus status;
    TRY(index_status(job->daemon->index, &status, err));
    render_model(m, status.embedder, 0);
    return STATUS_OK;
}

static Status models_work(Job *job, Err *err) {
    JsonWriter w = JSON_WRITER(&job->out);
    Models m = { .job = job, .w = &w };
    json_begin_object(&w, NULL);
    json_string(&w, "object", "list");
    json_begin_array(&w, "data");
    TRY(render_models(&m, err));
    json_end_array(&w);
    json_end_object(&w);
    return buf_status(&job->out, err);
}

static Status model_work(Job *job, Err *err) {
    JsonWriter w = JSON_WRITER(&job->out);
    Models m = { .job = job, .w = &w, .wanted = job->document };
    TRY(render_models(&m, err));
    if (m.found) return buf_status(&job->out, err);
    return err_set_param(err, STATUS_NOT_FOUND, "model", "there is no model of this name");
}

static void start_models(Daemon *daemon, HttpRequest *request, Status (*work)(Job *, Err *)) {
    Job *job = job_new(daemon, request, work);
    if (!job) return;
    job->served = served_ref(daemon->served);
    if (job->target.n_segments > 2) {
        job->document = arena_string(&job->arena, job->target.segments[2]);
    }
    job_submit(job);
}

void route_models(Daemon *daemon, HttpRequest *request) {
    start_models(daemon, request, models_work);
}

void route_model(Daemon *daemon, HttpRequest *request) {
    start_models(daemon, request, model_work);
}

/* ---- embeddings ---- */

static void append_base64(const float *x, size_t dim, Buf *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)x;
    for (size_t i = 0, n = dim * sizeof *x; i < n; i += 3) {
        uint32_t bits = (uint32_t)p[i] << 16;
        if (i + 1 < n) bits |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < n) bits |= p[i + 2];
        buf_append_byte(out, digits[bits >> 18]);
        buf_append_byte(out, digits[bits >> 12 & 63]);
        buf_append_byte(out, i + 1 < n ? digits[bits >> 6 & 63] : '=');
        buf_append_byte(out, i + 2 < n ? digits[bits & 63] : '=');
    }
}

static Status render_embedding(Job *job, JsonWriter *w, size_t i, Slice text, bool base64,
                               Err *err) {
    float *x;
    size_t dim;
    TRY(index_vector_of(job->daemon->index, text, NULL, true, &job->arena, &x, &dim, err));
    json_begin_object(w, NULL);
    json_string(w, "object", "embedding");
    json_uint(w, "index", i);
    if (base64) {
        AUTO_BUF Buf encoded = BUF_NULL;
        append_base64(x, dim, &encoded);
        TRY(buf_status(&encoded, err));
        json_slice(w, "embedding", buf_slice(&encoded));
    } else {
        json_begin_array(w, "embedding");
        for (size_t d = 0; d < dim; d++) json_number(w, NULL, (double)x[d]);
        json_end_array(w);
    }
    json_end_object(w);
    return STATUS_OK;
}

static Status check_inputs(const Json *input, Err *err) {
    bool many = input && input->type == JSON_ARRAY;
    if (!input || (!many && input->type != JSON_STRING) || (many && !input->child)) {
        return err_set_param(err, STATUS_INVALID, "input",
                             "input: a string or an array of strings is expected");
    }
    if (many && input->n > MAX_INPUTS) {
        return err_set_param(err, STATUS_TOO_LARGE, "input", "input: %zu texts, at most %d",
                             input->n, MAX_INPUTS);
    }
    for (const Json *s = many ? input->child : NULL; s; s = s->next) {
        if (s->type == JSON_STRING) continue;
        return err_set_param(err, STATUS_INVALID, "input", "input: all texts must be strings");
    }
    return STATUS_OK;
}

static Status render_embeddings(Job *job, const Json *input, const char *model, bool base64,
                                Err *err) {
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    json_string(&w, "object", "list");
    json_begin_array(&w, "data");
    bool many = input->type == JSON_ARRAY;
    size_t i = 0;
    for (const Json *s = many ? input->child : input; s; s = many ? s->next : NULL, i++) {
        TRY(render_embedding(job, &w, i, s->string, base64, err));
    }
    json_end_array(&w);
    json_string(&w, "model", model);
    json_begin_object(&w, "usage"); /* the embedder has no tokens */
    json_uint(&w, "prompt_tokens", 0);
    json_uint(&w, "total_tokens", 0);
    json_end_object(&w);
    json_end_object(&w);
    return buf_status(&job->out, err);
}

static Status embeddings_work(Job *job, Err *err) {
    static const char *const names[] = { "input", "model", "encoding_format", "user", NULL };
    const Json *object = NULL;
    TRY(json_read(buf_slice(&job->body), job->json_depth, &job->arena, &object, err));
    if (object->type != JSON_OBJECT) return err_set(err, STATUS_INVALID, "an object is expected");
    TRY(field_check_names(object, names, err));
    const char *model = NULL, *format = "float";
    TRY(field_string(object, "model", 256, &model, err));
    TRY(field_string(object, "encoding_format", 16, &format, err));
    const Json *input = json_get(object, "input");
    TRY(check_inputs(input, err));
    IndexStatus status;
    TRY(index_status(job->daemon->index, &status, err));
    if (!model || (strcmp(model, status.embedder) != 0 && strcmp(model, "fonte") != 0)) {
        return err_set_param(err, STATUS_NOT_FOUND, "model", "the embedder here is %s",
                             status.embedder);
    }
    bool base64 = strcmp(format, "base64") == 0;
    if (!base64 && strcmp(format, "float") != 0) {
        return err_set_param(err, STATUS_INVALID, "encoding_format", "float or base64 is expected");
    }
    return render_embeddings(job, input, status.embedder, base64, err);
}

void route_embeddings(Daemon *daemon, HttpRequest *request) {
    Job *job = job_new(daemon, request, embeddings_work);
    if (job) job_submit(job);
}
