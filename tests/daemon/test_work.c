#include "daemon/work.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_int n_run;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void run(WorkItem *item) {
    (void)item;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    atomic_fetch_add(&n_run, 1);
}

Test(daemon_work, runs_everything_before_it_ends) {
    WorkPool *pool = NULL;
    WorkItem items[100] = { 0 };
    cr_assert_eq(work_pool_new("test", 3, 1, run, &pool, NULL), STATUS_OK);
    for (int i = 0; i < 100; i++) cr_assert(work_pool_push(pool, &items[i], 1000, 1000));
    work_pool_free(pool);
    cr_assert_eq(atomic_load(&n_run), 100);
}

Test(daemon_work, is_bounded_by_count_and_bytes) {
    WorkPool *pool = NULL;
    WorkItem items[8] = { { NULL, 10 }, { NULL, 10 }, { NULL, 10 }, { NULL, 95 } };
    pthread_mutex_lock(&gate);
    cr_assert_eq(work_pool_new("test", 1, 0, run, &pool, NULL), STATUS_OK);
    cr_assert(work_pool_push(pool, &items[0], 2, 100));
    while (work_pool_n_waiting(pool)) { /* until the thread has it */
    }
    cr_assert(work_pool_push(pool, &items[1], 2, 100));
    cr_assert_not(work_pool_push(pool, &items[3], 2, 100), "too many bytes");
    cr_assert(work_pool_push(pool, &items[2], 2, 100));
    cr_assert_not(work_pool_push(pool, &items[4], 2, 100), "too many items");
    pthread_mutex_unlock(&gate);
    work_pool_free(pool);
    cr_assert_eq(atomic_load(&n_run), 3);
}
