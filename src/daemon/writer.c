/* Threading: the lock guards the queue and the status; the index is called without it. The group is
 * whatever waits when the thread comes round, so that it grows with the load by itself. Background
 * work runs in short steps between groups and pauses for a while when the index says that nothing
 * is left. */
#include "daemon/writer.h"

#include "base/clock.h"
#include "daemon/thread.h"

#include <time.h>

enum { MAX_GROUP = 256, REST_US = 30000000 };

struct Writer {
    Index *index;
    Records *records;
    pthread_mutex_t lock;
    pthread_cond_t news, room;
    WorkItem *first, **last; /* the items of jobs */
    size_t max_bytes;
    bool stopping;
    WriterStatus status;
    pthread_t thread;
};

static size_t job_bytes(const Job *job) {
    return job->prepared ? index_prepared_bytes(job->prepared) : 0;
}

/* An input that fails must not take its neighbours with it: then each goes alone. */
static void commit(Writer *writer, Job **jobs, size_t n) {
    IndexPrepared *prepared[MAX_GROUP] = { NULL };
    FonteAddedList *added[MAX_GROUP] = { NULL };
    for (size_t i = 0; i < n; i++) prepared[i] = jobs[i]->prepared;
    Err err = { 0 };
    Status status = index_commit(writer->index, prepared, n, added, &err);
    if (status != STATUS_OK && n > 1) {
        for (size_t i = 0; i < n; i++) commit(writer, &jobs[i], 1);
        return;
    }
    pthread_mutex_lock(&writer->lock);
    if (status == STATUS_OK) {
        writer->status.n_commits++;
        writer->status.n_committed += n;
    }
    pthread_mutex_unlock(&writer->lock);
    for (size_t i = 0; i < n; i++) {
        jobs[i]->added = added[i];
        jobs[i]->err = err;
        jobs[i]->err.status = status;
        job_complete(jobs[i]);
    }
}

static void remove_document(Writer *writer, Job *job) {
    job->err.status = index_remove(writer->index, job->document, &job->err);
    job_complete(job);
}

/* Up to MAX_GROUP changes; removals keep their place among the additions. */
static void run_group(Writer *writer, WorkItem *list) {
    Job *group[MAX_GROUP];
    size_t n = 0;
    while (list) {
        Job *job = (Job *)list; /* item is its first field */
        list = list->next;
        if (job_is_cancelled(job)) {
            job->err.status = job_cancelled_status(job, &job->err);
            job_complete(job);
            continue;
        }
        if (job->prepared) group[n++] = job;
        if (n && (!job->prepared || n == MAX_GROUP)) {
            commit(writer, group, n);
            n = 0;
        }
        if (!job->prepared) remove_document(writer, job);
    }
    if (n) commit(writer, group, n);
}

static WorkItem *take_group_locked(Writer *writer) {
    WorkItem *list = writer->first;
    writer->first = NULL;
    writer->last = &writer->first;
    writer->status.n_waiting = writer->status.n_waiting_bytes = 0;
    pthread_cond_broadcast(&writer->room);
    return list;
}

static void refresh_status(Writer *writer) {
    IndexStatus status;
    if (index_status(writer->index, &status, NULL) != STATUS_OK) return;
    pthread_mutex_lock(&writer->lock);
    writer->status.index = status;
    pthread_mutex_unlock(&writer->lock);
}

/* One step; true where more may follow at once. */
static bool maintain(Writer *writer) {
    Err err = { 0 };
    Status status = index_maintain(writer->index, &err);
    pthread_mutex_lock(&writer->lock);
    writer->status.maintaining = status == STATUS_OK;
    if (status == STATUS_UNCHANGED) {
        writer->status.maintained_us = clock_us();
    } else if (status != STATUS_OK) {
        writer->status.n_failures++;
        writer->status.failure = err;
    }
    pthread_mutex_unlock(&writer->lock);
    if (status != STATUS_OK && status != STATUS_UNCHANGED) {
        log_line(LOG_ERROR, "background work failed: %s", err.text);
    }
    if (status != STATUS_OK) refresh_status(writer);
    return status == STATUS_OK;
}

/* Sleeps until there is work: at the latest for the next round of background work. */
static void wait_locked(Writer *writer, int64_t rest_until_us) {
    while (!writer->first && !writer->stopping) {
        int64_t until_us = MIN(rest_until_us, records_due_us(writer->records));
        if (clock_us() >= until_us) return;
        struct timespec until = { until_us / 1000000, until_us % 1000000 * 1000 };
        pthread_cond_timedwait(&writer->news, &writer->lock, &until);
    }
}

static void *thread_main(void *context) {
    Writer *writer = context;
    pthread_setname_np(pthread_self(), "fonte-writer");
    int64_t rest_until_us = 0; /* no background work before */
    for (;;) {
        pthread_mutex_lock(&writer->lock);
        wait_locked(writer, rest_until_us);
        WorkItem *list = take_group_locked(writer);
        bool stopping = writer->stopping;
        pthread_mutex_unlock(&writer->lock);
        if (stopping || clock_us() >= records_due_us(writer->records)) {
            records_commit(writer->records, writer->index);
        }
        if (list) {
            run_group(writer, list);
            if (index_is_pressed(writer->index)) maintain(writer);
            rest_until_us = 0;
        } else if (stopping) {
            return NULL;
        } else if (clock_us() >= rest_until_us) {
            rest_until_us = maintain(writer) ? 0 : clock_us() + REST_US;
        }
    }
}

Status writer_new(Index *index, Records *records, size_t max_bytes, Writer **ret, Err *err) {
    Writer *writer = mem_alloc(1, sizeof *writer);
    if (!writer) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    writer->index = index;
    writer->records = records;
    writer->max_bytes = max_bytes;
    writer->last = &writer->first;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->news, &attributes);
    pthread_cond_init(&writer->room, NULL);
    pthread_condattr_destroy(&attributes);
    Status status = index_status(index, &writer->status.index, err);
    int error = status == STATUS_OK ? thread_start(&writer->thread, thread_main, writer) : 0;
    if (error) status = err_set_errno(err, error, "the writer's thread");
    if (status != STATUS_OK) {
        free(writer);
        return status;
    }
    *ret = writer;
    return STATUS_OK;
}

void writer_push(Writer *writer, Job *job) {
    size_t bytes = job_bytes(job);
    pthread_mutex_lock(&writer->lock);
    while (writer->first && writer->status.n_waiting_bytes + bytes > writer->max_bytes) {
        pthread_cond_wait(&writer->room, &writer->lock);
    }
    job->item.next = NULL;
    *writer->last = &job->item;
    writer->last = &job->item.next;
    writer->status.n_waiting++;
    writer->status.n_waiting_bytes += bytes;
    pthread_cond_signal(&writer->news);
    pthread_mutex_unlock(&writer->lock);
}

void writer_wake(Writer *writer) {
    pthread_mutex_lock(&writer->lock);
    pthread_cond_signal(&writer->news);
    pthread_mutex_unlock(&writer->lock);
}

void writer_set_max_bytes(Writer *writer, size_t max_bytes) {
    pthread_mutex_lock(&writer->lock);
    writer->max_bytes = max_bytes;
    pthread_cond_broadcast(&writer->room);
    pthread_mutex_unlock(&writer->lock);
}

void writer_status(Writer *writer, WriterStatus *ret) {
    pthread_mutex_lock(&writer->lock);
    *ret = writer->status;
    pthread_mutex_unlock(&writer->lock);
}

Writer *writer_free(Writer *writer) {
    if (!writer) return NULL;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->news);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pthread_mutex_destroy(&writer->lock);
    pthread_cond_destroy(&writer->news);
    pthread_cond_destroy(&writer->room);
    free(writer);
    return NULL;
}
