/* GET and DELETE /v1/conversations/ID. */
#include "daemon/daemon_internal.h"
#include "daemon/render.h"
#include "daemon/route.h"

static Status get_work(Job *job, Err *err) {
    ConversationTurn *turns;
    size_t n;
    TRY(conversation_turns(job->daemon->conversations, job->conversation, job->peer.uid,
                           &job->arena, &turns, &n, err));
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    json_string(&w, "id", job->conversation);
    json_begin_array(&w, "turns");
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w, NULL);
        json_string(&w, "question", turns[i].question);
        json_string(&w, "read_as", turns[i].read_as);
        json_string(&w, "language", turns[i].language);
        render_time(&w, "asked", turns[i].asked_unix_s);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    return buf_status(&job->out, err);
}

static Status forget_work(Job *job, Err *err) {
    return conversation_forget(job->daemon->conversations, job->conversation, job->peer.uid, err);
}

static void forget_finish(Job *job) {
    job->reply.status = 204;
}

static void start(Daemon *daemon, HttpRequest *request, Status (*work)(Job *, Err *),
                  void (*finish)(Job *)) {
    Job *job = job_new(daemon, request, work);
    if (!job) return;
    Err err = { 0 };
    job->finish = finish;
    job->conversation = arena_string(&job->arena, job->target.segments[2]);
    job_start(job, job->conversation ? STATUS_OK : err_set(&err, STATUS_NO_MEMORY, "out of memory"),
              false, &err);
}

void route_conversation_get(Daemon *daemon, HttpRequest *request) {
    start(daemon, request, get_work, NULL);
}

void route_conversation_delete(Daemon *daemon, HttpRequest *request) {
    start(daemon, request, forget_work, forget_finish);
}
