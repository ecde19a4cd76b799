/* The way of a job: job_new -> job_submit -> pool (daemon_pool_run) -> [writer] -> job_complete ->
 * loop (daemon_finish_jobs) -> reply -> job_free. Wake-ups of the loop coalesce, so it empties the
 * list of finished jobs each time. */
#include "daemon/completion.h"
#include "daemon/daemon_internal.h"

#include "base/clock.h"

#include <stdio.h>

Job *job_new(Daemon *daemon, HttpRequest *request, Status (*work)(Job *job, Err *err)) {
    Job *job = mem_alloc(1, sizeof *job);
    Err err = { 0 };
    if (!job || http_peer_copy(&job->peer, http_request_peer(request), &err) != STATUS_OK) {
        free(job);
        http_reply_error(request, 503, "no_memory", "out of memory", NULL);
        return NULL;
    }
    const Config *config = daemon->config;
    job->daemon = daemon;
    job->request = request;
    job->access = access_ref(daemon->access);
    job->answer_options = ANSWER_OPTIONS_DEFAULT;
    job->answer_options.min_confidence = config->min_confidence;
    job->answer_options.max_sentences = config->max_sentences;
    job->json_depth = (unsigned)config->json_depth;
    job->created_us = clock_us();
    job->reply.status = 200;
    job->work = work;
    /* the request may end before the job: take what the job looks at */
    job->arena = *http_request_arena(request);
    *http_request_arena(request) = ARENA_NULL;
    job->target = *http_request_target(request);
    job->body = *http_request_body(request);
    *http_request_body(request) = BUF_NULL;
    job->item.bytes = job->body.capacity;
    const char *type = http_request_header(request, "Content-Type");
    snprintf(job->content_type, sizeof job->content_type, "%s", type ? type : "");
    http_request_set_user(request, job);
    job->next = daemon->jobs;
    if (job->next) job->next->prev = job;
    daemon->jobs = job;
    daemon->n_jobs++;
    return job;
}

Job *job_free(Job *job) {
    if (!job) return NULL;
    Daemon *daemon = job->daemon;
    if (job->next) job->next->prev = job->prev;
    if (job->prev) {
        job->prev->next = job->next;
    } else {
        daemon->jobs = job->next;
    }
    daemon->n_jobs--;
    index_prepared_free(job->prepared);
    index_added_free(job->added);
    http_stream_unref(job->stream);
    completion_deinit(job->completion);
    access_unref(job->access);
    served_unref(job->served);
    http_peer_deinit(&job->peer);
    buf_deinit(&job->body);
    buf_deinit(&job->out);
    arena_deinit(&job->arena);
    free(job);
    return NULL;
}

void job_use_model(Job *job) {
    const Config *config = job->daemon->config;
    job->served = served_ref(job->daemon->served);
    if (!job->served || job->mode == ANSWER_EXTRACT) return;
    job->answer_options.generator = served_generator(job->served);
    job->answer_options.citations = served_citations(job->served);
    job->answer_options.strict = config->strict;
    job->answer_options.max_tokens =
        MIN(config->answer_tokens, engine_context(served_engine(job->served)) / 4);
    job->answer_options.owner = job->peer.uid;
    job->generates = true;
}

static WorkPool *choose_pool(const Job *job) {
    const Daemon *daemon = job->daemon;
    return job->is_change ? daemon->prepare : job->generates ? daemon->generate : daemon->pool;
}

static void drop(Job *job) {
    http_request_set_user(job->request, NULL);
    job_free(job);
}

bool job_submit(Job *job) {
    const Config *config = job->daemon->config;
    size_t queue = job->is_change ? config->prepare_queue : config->queue;
    if (work_pool_push(choose_pool(job), &job->item, queue, config->pending_bytes)) return true;
    HttpRequest *request = job->request;
    drop(job);
    http_reply_error(request, 503, "busy",
                     queue == config->queue ? "too many requests wait (limits.queue)"
                                            : "too many documents wait (limits.prepare_queue)",
                     NULL);
    return false;
}

void job_start(Job *job, Status status, bool streams, Err *err) {
    HttpRequest *request = job->request;
    if (status == STATUS_OK && streams) {
        /* a stream's 200 cannot be taken back: look before it is given */
        if (work_pool_n_waiting(choose_pool(job)) >= job->daemon->config->queue) {
            status = err_set(err, STATUS_BUSY, "too many requests wait (limits.queue)");
        } else if (!(job->stream = http_reply_stream(request))) {
            drop(job); /* and the request with it */
            return;
        }
    }
    if (status == STATUS_OK) {
        job_submit(job);
        return;
    }
    drop(job);
    err->status = status;
    http_reply_err(request, err);
}

bool job_is_cancelled(const Job *job) {
    return atomic_load(&job->cancelled) != JOB_CALM;
}

bool job_cancelled_cb(void *context) {
    const Job *job = context;
    return job_is_cancelled(job) || (job->stream && http_stream_is_dead(job->stream));
}

Status job_cancelled_status(const Job *job, Err *err) {
    switch (atomic_load(&job->cancelled)) {
    case JOB_OUT_OF_TIME:
        return err_set(err, STATUS_TIMEOUT, "the request took too long (limits.request_time)");
    case JOB_STOPPING: return err_set(err, STATUS_BUSY, "the daemon is stopping");
    default: return err_set(err, STATUS_CANCELLED, "the client is gone");
    }
}

double job_queue_ms(const Job *job) {
    return (double)(job->begun_us - job->created_us) / 1000;
}

Status job_check_access(const Job *job, AccessRight right, const char *collection, Err *err) {
    if (access_may(job->access, &job->peer, right, collection)) return STATUS_OK;
    return err_set_param(err, STATUS_DENIED, "collection", "no right to %s the collection '%s'",
                         right == ACCESS_READ ? "read" : "change", collection);
}

Status job_find_document(Job *job, FonteDocument *ret, Err *err) {
    FonteDocument document;
    Status status = index_document(job->daemon->index, job->document, &job->arena, &document, err);
    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK &&
         !access_may(job->access, &job->peer, ACCESS_READ, document.collection))) {
        return err_set_param(err, STATUS_NOT_FOUND, "id", "no such document");
    }
    if (status == STATUS_OK) *ret = document;
    return status;
}

void job_complete(Job *job) {
    Daemon *daemon = job->daemon;
    job->item.next = NULL;
    pthread_mutex_lock(&daemon->done_lock);
    *daemon->done_last = &job->item;
    daemon->done_last = &job->item.next;
    pthread_mutex_unlock(&daemon->done_lock);
    uv_async_send(&daemon->done_async);
}

/* A stream has its 200 already: what goes wrong is its last event. */
static void send_error_event(Job *job) {
    AUTO_BUF Buf json = BUF_NULL;
    http_error_json(fonte_status_code(job->err.status),
                    *job->err.text ? job->err.text : fonte_status_text(job->err.status),
                    job->err.param, &json);
    Slice data = slice_trim(buf_slice(&json));
    Status status = http_stream_send(job->stream, "error", data, NULL);
    (void)status; /* nobody is left to tell */
}

void daemon_pool_run(WorkItem *item) {
    Job *job = (Job *)item; /* item is its first field */
    job->begun_us = clock_us();
    Err err = { 0 };
    Status status = job_is_cancelled(job) ? job_cancelled_status(job, &err) : job->work(job, &err);
    if (status == STATUS_CANCELLED && job_is_cancelled(job)) {
        status = job_cancelled_status(job, &err);
    }
    job->err = err;
    job->err.status = status;
    if (status != STATUS_OK && job->stream) send_error_event(job);
    if (status == STATUS_OK && job->is_change) {
        buf_deinit(&job->body); /* prepared holds what it needs */
        writer_push(job->daemon->writer, job);
    } else {
        job_complete(job);
    }
}

static void finish(Job *job) {
    if (job->settle) job->settle(job);
    if (job->request) {
        if (job->err.status == STATUS_OK && job->finish) job->finish(job);
        HttpRequest *request = STEAL(job->request);
        http_request_set_user(request, NULL);
        if (job->stream) {
            http_stream_end(job->stream);
        } else if (job->err.status == STATUS_OK) {
            if (job->disposition[0]) job->reply.disposition = job->disposition;
            http_reply(request, &job->reply, &job->out);
        } else {
            http_reply_err(request, &job->err);
        }
    } else if (job->stream) {
        http_stream_end(job->stream);
    }
    job_free(job);
}

void daemon_finish_jobs(Daemon *daemon) {
    pthread_mutex_lock(&daemon->done_lock);
    WorkItem *list = STEAL(daemon->done);
    daemon->done_last = &daemon->done;
    pthread_mutex_unlock(&daemon->done_lock);
    while (list) {
        Job *job = (Job *)list;
        list = list->next;
        finish(job);
    }
}
