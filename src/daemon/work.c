/* Threading: one lock guards the queue; the threads sleep on one condition. Items leave in the
 * order in which they came. */
#include "daemon/work.h"

#include "base/log.h"
#include "base/mem.h"
#include "daemon/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct WorkPool {
    pthread_mutex_t lock;
    pthread_cond_t news;
    WorkItem *first, **last;
    size_t n_items, n_bytes;
    bool stopping;
    void (*run)(WorkItem *item);
    int niceness;
    char name[16];
    pthread_t *threads;
    size_t n_threads;
};

static WorkItem *take(WorkPool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping) pthread_cond_wait(&pool->news, &pool->lock);
    WorkItem *item = pool->first;
    if (item) {
        pool->first = item->next;
        if (!pool->first) pool->last = &pool->first;
        pool->n_items--;
        pool->n_bytes -= item->bytes;
        item->next = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    return item;
}

static void *thread_main(void *context) {
    WorkPool *pool = context;
    pthread_setname_np(pthread_self(), pool->name);
    if (pool->niceness) setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), pool->niceness);
    for (WorkItem *item; (item = take(pool));) pool->run(item);
    return NULL;
}

Status work_pool_new(const char *name, size_t n_threads, int niceness, void (*run)(WorkItem *item),
                     WorkPool **ret, Err *err) {
    WorkPool *pool = mem_alloc(1, sizeof *pool);
    if (!pool) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->news, NULL);
    pool->last = &pool->first;
    pool->run = run;
    pool->niceness = niceness;
    snprintf(pool->name, sizeof pool->name, "%s", name);
    pool->threads = mem_alloc(n_threads, sizeof *pool->threads);
    if (!pool->threads) {
        work_pool_free(pool);
        return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    int error = 0;
    for (size_t i = 0; i < n_threads && !error; i++) {
        error = thread_start(&pool->threads[i], thread_main, pool);
        if (!error) pool->n_threads++;
    }
    if (error) {
        work_pool_free(pool);
        return err_set_errno(err, error, "threads of %s", name);
    }
    *ret = pool;
    return STATUS_OK;
}

bool work_pool_push(WorkPool *pool, WorkItem *item, size_t max_items, size_t max_bytes) {
    pthread_mutex_lock(&pool->lock);
    bool fits = pool->n_items < max_items && pool->n_bytes <= max_bytes &&
                item->bytes <= max_bytes - pool->n_bytes;
    if (fits) {
        item->next = NULL;
        *pool->last = item;
        pool->last = &item->next;
        pool->n_items++;
        pool->n_bytes += item->bytes;
        pthread_cond_signal(&pool->news);
    }
    pthread_mutex_unlock(&pool->lock);
    return fits;
}

size_t work_pool_n_waiting(WorkPool *pool) {
    pthread_mutex_lock(&pool->lock);
    size_t n = pool->n_items;
    pthread_mutex_unlock(&pool->lock);
    return n;
}

WorkPool *work_pool_free(WorkPool *pool) {
    if (!pool) return NULL;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->news);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_threads; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->news);
    free(pool->threads);
    free(pool);
    return NULL;
}
