#pragma once
/* The one thread that changes the index: it commits what has been prepared in groups (one fsync for
 * many), removes documents, puts records of answers there, and does the index's background work
 * when nothing waits. Threads: push from any; the rest from its owner. */
#include "daemon/job.h"

typedef struct Writer Writer;

typedef struct WriterStatus {
    uint64_t n_commits, n_committed; /* transactions; inputs in them */
    size_t n_waiting, n_waiting_bytes;
    bool maintaining;      /* background work is under way */
    int64_t maintained_us; /* when it last came to its end (clock_us); 0 = never */
    uint64_t n_failures;   /* of background work */
    Err failure;           /* the last of them */
    IndexStatus index;     /* after the last change */
} WriterStatus;

/* records: borrowed until it is freed. */
Status writer_new(Index *index, Records *records, size_t max_bytes, Writer **ret,
                  Err *err) MUST_CHECK;
/* Waits while more than max_bytes wait: the threads that prepare are the brake. */
void writer_push(Writer *writer, Job *job);
/* A record was added. */
void writer_wake(Writer *writer);
void writer_set_max_bytes(Writer *writer, size_t max_bytes);
void writer_status(Writer *writer, WriterStatus *ret);
/* Finishes what waits (jobs that are cancelled are dropped). */
Writer *writer_free(Writer *writer);
