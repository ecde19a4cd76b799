#pragma once
/* Threads that take work from one bounded queue. Threads: any, except new and free (their owner).
 */
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct WorkItem WorkItem;
struct WorkItem { /* the first field of what is queued */
    WorkItem *next;
    size_t bytes; /* that it holds while it waits */
};

typedef struct WorkPool WorkPool;

/* run: called on a thread of the pool for every item that was pushed, also after work_pool_stop.
 * niceness: added to the threads' own (0 = none). */
Status work_pool_new(const char *name, size_t n_threads, int niceness, void (*run)(WorkItem *item),
                     WorkPool **ret, Err *err) MUST_CHECK;
/* False, with nothing done, where max_items wait already or their bytes would exceed max_bytes. */
bool work_pool_push(WorkPool *pool, WorkItem *item, size_t max_items, size_t max_bytes) MUST_CHECK;
size_t work_pool_n_waiting(WorkPool *pool);
/* Runs what waits, then ends the threads and frees. */
WorkPool *work_pool_free(WorkPool *pool);
