#pragma once
/* Compute threads: a job is cut into parts, threads claim parts until none is left, the caller
 * returns when all parts are done. No queue, no allocation after pool_new.
 * Which thread runs which part is chance; so that results are not, a part must write only what is
 * its own and compute it from nothing that another part writes.
 * Threads: one caller at a time (asserted); parts must not call pool_run on the same pool. */
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct Pool Pool;

enum { POOL_MAX_THREADS = 256, POOL_MAX_PARTS = (1 << 24) - 1 };

typedef struct PoolOptions {
    unsigned n_threads; /* with the caller's; 0 = processors this process may use */
    bool pin;           /* bind thread i to the i-th processor that this process may use; the
                           caller's own thread is bound at its first pool_run */
    unsigned spin_us;   /* how long an idle thread watches before it sleeps; 0 = 50 */
} PoolOptions;

/* part is in [0, n_parts), thread in [0, pool_n_threads): the index of the thread's own scratch. */
typedef void PoolFunction(void *context, size_t part, unsigned thread);

/* Returned owned (pool_free). USAGE: more threads than POOL_MAX_THREADS. NO_MEMORY. IO: the system
 * gave no thread (the text says which). */
Status pool_new(const PoolOptions *options, Pool **ret, Err *err) MUST_CHECK;
/* Ends and joins the threads. NULL is fine. Returns NULL. */
Pool *pool_free(Pool *pool);

unsigned pool_n_threads(const Pool *pool);
/* Run function for every part; everything the parts wrote is visible on return. n_parts <=
 * POOL_MAX_PARTS (asserted); 0 returns at once. Cost: no system call while the threads are awake.
 */
void pool_run(Pool *pool, size_t n_parts, PoolFunction *function, void *context);
/* Processors that this process may use (sched_getaffinity), at least 1. */
unsigned pool_n_processors(void);
