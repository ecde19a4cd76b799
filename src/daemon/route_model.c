/* PUT /v1/model: another model, without a restart. The file is opened on a pool's thread, then
 * remembered, then put in the old one's place on the loop; requests that are under way end on the
 * old one. While it lasts a SIGHUP waits (`reloading`), so the configuration that is read here
 * stays. */
#include "daemon/chosen.h"
#include "daemon/daemon_internal.h"
#include "daemon/fields.h"
#include "daemon/route.h"

#include <string.h>

/* False, with 409, where the command line names the model: it wins over all files. */
static bool is_free(const DaemonOptions *options, HttpRequest *request) {
    for (size_t i = 0; i < options->n_overrides; i++) {
        if (strncmp(options->overrides[i], "generator.model=", 16) != 0) continue;
        http_reply_error(request, 409, "conflict", "fonted's command line sets generator.model",
                         "model");
        return false;
    }
    return true;
}

/* {"model": PATH or null, "name", "template"}; *ret_default: null. */
static Status parse(Job *job, Chosen *ret, bool *ret_default, Err *err) {
    static const char *const names[] = { "model", "name", "template", NULL };
    const Json *object = NULL;
    TRY(json_read(buf_slice(&job->body), job->json_depth, &job->arena, &object, err));
    if (object->type != JSON_OBJECT) return err_set(err, STATUS_INVALID, "an object is expected");
    TRY(field_check_names(object, names, err));
    const Json *model = json_get(object, "model");
    if (!model)
        return err_set_param(err, STATUS_INVALID, "model", "model: a path or null is expected");
    *ret = (Chosen){ "", "", "" };
    *ret_default = model->type == JSON_NULL;
    TRY(field_string(object, "model", 4000, &ret->model, err));
    TRY(field_string(object, "name", 100, &ret->name, err));
    TRY(field_string(object, "template", 20, &ret->template_name, err));
    return *ret_default ? STATUS_OK : chosen_check(ret, err);
}

/* What the configuration says without a choice, copied into the job. */
static Status read_default(Job *job, Chosen *ret, Err *err) {
    Config *plain = NULL;
    const Daemon *daemon = job->daemon;
    TRY(daemon_read_config(daemon->options, NULL, &plain, err));
    *ret = (Chosen){ arena_string(&job->arena, slice_of(plain->model)),
                     arena_string(&job->arena, slice_of(plain->model_name)),
                     arena_string(&job->arena, slice_of(plain->template_name)) };
    config_free(plain);
    bool ok = ret->model && ret->name && ret->template_name;
    return ok ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

static void render(Job *job) {
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    if (job->served) {
        json_begin_object(&w, "model");
        json_string(&w, "name", served_name(job->served));
        json_string(&w, "file", job->chosen.model);
        json_string(&w, "licence", served_licence(job->served));
        json_end_object(&w);
    } else {
        json_null(&w, "model");
    }
    json_end_object(&w);
}

static Status model_work(Job *job, Err *err) {
    bool is_default = false;
    TRY(parse(job, &job->chosen, &is_default, err));
    if (is_default) TRY(read_default(job, &job->chosen, err));
    Config config = *job->daemon->config; /* shallow, to be read only */
    config.model = job->chosen.model;
    config.model_name = job->chosen.name;
    config.template_name = job->chosen.template_name;
    TRY(served_open(&config, &job->served, err));
    render(job);
    TRY(buf_status(&job->out, err));
    return is_default ? chosen_remove(config.state, err)
                      : chosen_write(config.state, &job->chosen, err);
}

/* The old one goes with the job. */
static void swap(Job *job) {
    Daemon *daemon = job->daemon;
    Config *config = daemon->config;
    const char *model = arena_string(&config->arena, slice_of(job->chosen.model));
    const char *name = arena_string(&config->arena, slice_of(job->chosen.name));
    const char *kind = arena_string(&config->arena, slice_of(job->chosen.template_name));
    if (model && name && kind) {
        config->model = model;
        config->model_name = name;
        config->template_name = kind;
    }
    Served *old = daemon->served;
    daemon->served = job->served;
    job->served = old;
    log_line(LOG_NOTICE, "model: %s, chosen by uid %u",
             daemon->served ? served_name(daemon->served) : "none", (unsigned)job->peer.uid);
}

static void settle(Job *job) {
    if (job->err.status == STATUS_OK) swap(job);
    daemon_reload_unlock(job->daemon);
}

void route_model_choose(Daemon *daemon, HttpRequest *request) {
    if (!access_may_choose(daemon->access, http_request_peer(request))) {
        http_reply_error(request, 403, "denied", "only for those in [access] model", NULL);
        return;
    }
    if (!is_free(daemon->options, request)) return;
    if (!daemon_reload_lock(daemon)) {
        http_reply_error(request, 503, "busy", "the configuration is being read, or another model",
                         NULL);
        return;
    }
    Job *job = job_new(daemon, request, model_work);
    if (job) job->settle = settle;
    if (!job || !job_submit(job)) daemon_reload_unlock(daemon);
}
