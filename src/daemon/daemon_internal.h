#pragma once
/* What the files of this room share. Threads: the loop thread, except what says otherwise. */
#include "daemon/audience.h"
#include "daemon/conversation.h"
#include "daemon/daemon.h"
#include "daemon/job.h"
#include "daemon/listen.h"
#include "daemon/metrics.h"
#include "daemon/tcp.h"
#include "daemon/writer.h"

#include <pthread.h>
#include <uv.h>

struct Daemon {
    const DaemonOptions *options;
    Config *config;
    Access *access;
    Index *index;
    Listener listener;
    Tcp tcp;
    HttpServer *server;
    WorkPool *pool;     /* searches, answers, reads */
    WorkPool *prepare;  /* new documents, up to the writer */
    WorkPool *generate; /* what waits for the engine */
    Served *served;     /* NULL = no model */
    Writer *writer;
    Conversations *conversations;
    Records *records; /* of answers */
    Metrics metrics;
    Audience audience;
    int64_t started_us;

    uv_loop_t loop;
    uv_poll_t poll;
    uv_async_t done_async;
    uv_timer_t tick, watchdog, again;
    uv_signal_t on_term, on_int, on_hup;
    uv_work_t reload, save;
    bool reloading, reload_again, stopping, cancelled, saving;
    int64_t stop_us;   /* when stopping began */
    int64_t status_us; /* when the manager was last told the counts */
    int64_t saved_us;  /* when the audience was last written */

    Job *jobs; /* all there are */
    size_t n_jobs;

    pthread_mutex_t done_lock;
    WorkItem *done, **done_last; /* any thread */
};

/* daemon.c: files, conf.d and command line; with the model that was chosen in that state folder
 * (NULL = without). Any thread. */
Status daemon_read_config(const DaemonOptions *options, const char *state, Config **ret,
                          Err *err) MUST_CHECK;
/* handle.c */
void daemon_handlers(Daemon *daemon, HttpHandlers *ret);
void daemon_http_limits(const Config *config, HttpLimits *ret);
/* loop.c: init makes the loop that finished jobs wake, open what else it watches */
Status daemon_loop_init(Daemon *daemon, Err *err);
Status daemon_loop_open(Daemon *daemon, Err *err);
void daemon_loop_run(Daemon *daemon);
void daemon_loop_close(Daemon *daemon);
/* Keep configuration and model as they are: a reload waits meanwhile. False where one is under way
 * or the daemon stops. */
bool daemon_reload_lock(Daemon *daemon) MUST_CHECK;
void daemon_reload_unlock(Daemon *daemon);
/* route_ask.c: the job's question, read after the one before (empty = none), whose language is
 * `hint` ("" = not known). NO_MEMORY. */
Status ask_read_question(Job *job, Slice before, const char *hint, Err *err) MUST_CHECK;
/* route_ask.c: what an answer is told by where the job is streamed, its end (`out` as the event
 * done), and whether the client wants it so. */
void ask_events(Job *job, AnswerEvents *ret);
Status ask_finish(Job *job, Err *err) MUST_CHECK;
bool ask_wants_events(HttpRequest *request);
/* route_answers.c: the job's answer gets a record (record_id), where the settings want it. What
 * stands before its id in a completion's. */
void answers_record(Job *job);
#define ANSWERS_COMPLETION_PREFIX "chatcmpl-"
/* daemon.c */
void daemon_conversation_limits(const Config *config, ConversationLimits *ret);
void daemon_records_limits(const Config *config, RecordsLimits *ret);
/* keep.c: who was served, kept over restarts */
void daemon_load_audience(Daemon *daemon);
void daemon_count_peer(Daemon *daemon, const HttpDone *done);
size_t daemon_n_peers(const Daemon *daemon);
/* Now and then, off the loop; and once at the end, on it. */
void daemon_tick_audience(Daemon *daemon, int64_t now_us);
void daemon_save_audience(Daemon *daemon);
/* job.c */
void daemon_finish_jobs(Daemon *daemon);
void daemon_pool_run(WorkItem *item);
