#pragma once
/* A request's work off the loop: made on the loop thread, run on a pool's (and, for changes, on the
 * writer's), finished on the loop. The request may end first: then `request` is NULL and
 * `cancelled` tells the threads to stop where nothing is being committed yet. Threads: `request`
 * and the links belong to the loop; the rest to whoever runs the job. */
#include "answer/answer.h"
#include "daemon/access.h"
#include "daemon/chosen.h"
#include "daemon/records.h"
#include "daemon/served.h"
#include "daemon/work.h"
#include "http/server.h"
#include <stdatomic.h>

typedef struct Daemon Daemon;
typedef struct Job Job;

enum { JOB_CALM, JOB_CLIENT_GONE, JOB_OUT_OF_TIME, JOB_STOPPING };

struct Job {
    WorkItem item;
    Job *prev, *next; /* all jobs there are */
    Daemon *daemon;
    HttpRequest *request;
    HttpStream *stream; /* owned reference; NULL = a plain reply */
    atomic_int cancelled;

    /* who asks, under which rules */
    Access *access;
    HttpPeer peer;
    AnswerOptions answer_options;
    int64_t created_us, begun_us;
    unsigned json_depth;

    /* what is asked: views into arena and body */
    Arena arena;
    Buf body;
    char content_type[128];
    HttpTarget target;
    const char *document; /* id; NULL = none */
    const char *collection;
    FonteQuery query;
    AnswerMode mode;
    const char *conversation; /* id; NULL = the question stands for itself */
    bool begins;              /* a conversation */
    const char *asked;        /* the question before it was read after another */
    const char *record_of;    /* id of an answer's record */
    size_t limit;
    StorePart part;
    struct Completion *completion; /* OpenAI's; in the arena */
    Served *served;                /* owned reference; NULL = none needed */
    size_t daemon_answer_tokens;   /* [generator] answer_tokens */
    Chosen chosen;                 /* of PUT /v1/model */
    bool generates;                /* runs on the pool that waits for the engine */

    /* on a pool's thread; OK with `committed` unset hands a change to the writer */
    Status (*work)(Job *job, Err *err);
    /* on the loop, before the reply, where work was OK; may be NULL */
    void (*finish)(Job *job);
    /* on the loop, always, before the reply and where nobody waits for it; may be NULL */
    void (*settle)(Job *job);
    bool is_change;
    IndexPrepared *prepared; /* of a change; NULL = document is removed */

    /* what came out */
    Err err;
    FonteAddedList *added;
    char record_id[RECORD_ID_BYTES]; /* of the answer; "" = it has none */
    IndexStatus index_status;
    HttpReply reply;
    Buf out;
    char disposition[96];
};

/* The request's job, or NULL with an error replied. */
Job *job_new(Daemon *daemon, HttpRequest *request, Status (*work)(Job *job, Err *err));
Job *job_free(Job *job);
/* Take a reference to the served model, and let it write the job's answer unless the mode is
 * extract. */
void job_use_model(Job *job);
/* To a pool; where its queue is full: false, 503 is replied and the job is gone. Changes go to the
 * pool that prepares, what waits for the engine to the pool that generates. */
bool job_submit(Job *job);
/* What a route ends with once it has read the request: OK submits the job, whose events are
 * streamed where `streams`; any other status is replied as err says, and the job is gone. */
void job_start(Job *job, Status status, bool streams, Err *err);
/* Any thread: the job is over, job->err says how. */
void job_complete(Job *job);
bool job_is_cancelled(const Job *job);
/* The answer_/index_ functions' `cancelled`; true also when the client of a stream is gone. */
bool job_cancelled_cb(void *job);
/* CANCELLED or TIMEOUT with a text that says why. */
Status job_cancelled_status(const Job *job, Err *err);
/* Milliseconds that it waited for a thread. */
double job_queue_ms(const Job *job);
/* DENIED, naming the collection. */
Status job_check_access(const Job *job, AccessRight right, const char *collection, Err *err);
/* The metadata of job->document, NOT_FOUND also where the asker may not read its collection. */
Status job_find_document(Job *job, FonteDocument *ret, Err *err);
