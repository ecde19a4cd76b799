#pragma once
/* What the files of this room share. Threads: the loop thread, except what says otherwise. */
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
    Metrics metrics;
    int64_t started_us;

    uv_loop_t loop;
    uv_poll_t poll;
    uv_async_t done_async;
    uv_timer_t tick, watchdog, again;
    uv_signal_t on_term, on_int, on_hup;
    uv_work_t reload;
    bool reloading, reload_again, stopping, cancelled;
    int64_t stop_us;   /* when stopping began */
    int64_t status_us; /* when the manager was last told the counts */

    Job *jobs; /* all there are */
    size_t n_jobs;

    pthread_mutex_t done_lock;
    WorkItem *done, **done_last; /* any thread */
};

/* handle.c */
void daemon_handlers(Daemon *daemon, HttpHandlers *ret);
void daemon_http_limits(const Config *config, HttpLimits *ret);
/* loop.c: init makes the loop that finished jobs wake, open what else it watches */
Status daemon_loop_init(Daemon *daemon, Err *err);
Status daemon_loop_open(Daemon *daemon, Err *err);
void daemon_loop_run(Daemon *daemon);
void daemon_loop_close(Daemon *daemon);
/* route_ask.c: the job's question, read after the one before (empty = none), whose language is
 * `hint` ("" = not known). NO_MEMORY. */
Status ask_read_question(Job *job, Slice before, const char *hint, Err *err) MUST_CHECK;
/* daemon.c */
void daemon_conversation_limits(const Config *config, ConversationLimits *ret);
/* job.c */
void daemon_finish_jobs(Daemon *daemon);
void daemon_pool_run(WorkItem *item);
