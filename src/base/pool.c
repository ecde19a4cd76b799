/* Threading model.
 * `claim` holds the job's number (upper 40 bits) and the next unclaimed part (lower 24). The
 * caller writes the job's fields, then publishes a new number with part 0. A thread reads `claim`,
 * then the fields, and takes a part by compare-exchange of what it read with one more: success
 * proves that the job was still the same, so the fields that it read belong to it. A failed
 * exchange throws them away. In between the caller closes the job, lest a thread pair the old
 * number with a new field. All fields are atomics, so that reading them while the caller writes the
 * next job is no race.
 *
 * The caller waits for parts, not for threads: `done` counts finished parts, and every claimed part
 * is counted once. A thread that sleeps, or that a busy neighbour pushed from its processor before
 * it claimed anything, delays nobody. That is why there is no barrier of threads here: those fell
 * to a tenth of their speed beside one busy process.
 *
 * Idle threads spin for spin_us, then sleep on `wake` (futex). `n_asleep` saves the caller the
 * system call when nobody sleeps: a thread counts itself before it looks at `claim` for the last
 * time, the caller publishes before it reads the count; both orders are sequentially consistent, so
 * one of them sees the other. The caller waits for the last parts in the same way, on `done`. */
#include "base/pool.h"

#include "base/clock.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PART_BITS = 24 };
#define PART_MASK ((UINT64_C(1) << PART_BITS) - 1)

typedef struct PoolThread {
    Pool *pool;
    unsigned index;
    pthread_t id;
} PoolThread;

struct Pool {
    _Alignas(64) _Atomic uint64_t claim;
    _Alignas(64) _Atomic uint32_t done; /* parts finished of the running job */
    _Alignas(64) _Atomic uint32_t wake; /* counts jobs, for the futex */
    _Atomic uint32_t n_asleep;          /* threads that may sleep on `wake` */
    _Atomic bool caller_asleep;         /* the caller may sleep on `done` */
    _Atomic bool stop;
    _Alignas(64) _Atomic(PoolFunction *) function;
    _Atomic(void *) context;
    _Atomic uint32_t n_parts;
    unsigned n_threads, n_started, spin_us;
    bool pin, caller_pinned, running;
    cpu_set_t processors;
    PoolThread *threads; /* [n_threads], the caller's own is unused */
};

static void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

unsigned pool_n_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (unsigned)n;
}

static void pin_to(const Pool *pool, unsigned index) {
    unsigned n = (unsigned)CPU_COUNT(&pool->processors), wanted = index % MAX(n, 1U);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &pool->processors) || wanted-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        /* A hint: where the system forbids it, the thread runs where it is put. */
        (void)pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        return;
    }
}

/* Claim and run parts until the job has none left. */
static void run_parts(Pool *pool, unsigned thread) {
    uint64_t claim = atomic_load_explicit(&pool->claim, memory_order_acquire);
    for (;;) {
        PoolFunction *function = atomic_load_explicit(&pool->function, memory_order_acquire);
        void *context = atomic_load_explicit(&pool->context, memory_order_acquire);
        uint32_t n_parts = atomic_load_explicit(&pool->n_parts, memory_order_acquire);
        uint32_t part = (uint32_t)(claim & PART_MASK);
        if (part >= n_parts) return;
        if (!atomic_compare_exchange_weak_explicit(&pool->claim, &claim, claim + 1,
                                                   memory_order_acq_rel, memory_order_acquire)) {
            continue;
        }
        claim++;
        function(context, part, thread);
        uint32_t done = atomic_fetch_add(&pool->done, 1) + 1;
        if (done == n_parts && atomic_load(&pool->caller_asleep)) futex_wake(&pool->done, 1);
        claim = atomic_load_explicit(&pool->claim, memory_order_acquire);
    }
}

static bool spin_until_wake(Pool *pool, uint32_t seen) {
    int64_t end_us = clock_us() + pool->spin_us;
    do {
        for (unsigned i = 0; i < 64; i++) {
            if (atomic_load_explicit(&pool->wake, memory_order_acquire) != seen) return true;
            cpu_relax();
        }
    } while (clock_us() < end_us);
    return false;
}

static void *thread_main(void *argument) {
    PoolThread *self = argument;
    Pool *pool = self->pool;
    if (pool->pin) pin_to(pool, self->index);
    uint32_t seen = 0;
    for (;;) {
        if (!spin_until_wake(pool, seen)) {
            atomic_fetch_add(&pool->n_asleep, 1);
            while (atomic_load(&pool->wake) == seen) futex_wait(&pool->wake, seen);
            atomic_fetch_sub(&pool->n_asleep, 1);
        }
        seen = atomic_load(&pool->wake);
        if (atomic_load(&pool->stop)) return NULL;
        run_parts(pool, self->index);
    }
}

Status pool_new(const PoolOptions *options, Pool **ret, Err *err) {
    PoolOptions o = options ? *options : (PoolOptions){ 0 };
    if (o.n_threads == 0) o.n_threads = MIN(pool_n_processors(), (unsigned)POOL_MAX_THREADS);
    if (o.n_threads > POOL_MAX_THREADS) {
        return err_set_param(err, STATUS_USAGE, "threads", "%u threads, at most %d", o.n_threads,
                             POOL_MAX_THREADS);
    }
    Pool *pool = aligned_alloc(64, sizeof *pool);
    if (!pool) return err_set(err, STATUS_NO_MEMORY, "no memory for a thread pool");
    *pool = (Pool){ .n_threads = o.n_threads, .pin = o.pin, .spin_us = o.spin_us ? o.spin_us : 50 };
    pool->threads = mem_alloc(o.n_threads, sizeof *pool->threads);
    if (!pool->threads) {
        free(pool);
        return err_set(err, STATUS_NO_MEMORY, "no memory for %u threads", o.n_threads);
    }
    if (sched_getaffinity(0, sizeof pool->processors, &pool->processors) != 0) pool->pin = false;
    pool->n_started = 1;
    for (unsigned i = 1; i < o.n_threads; i++) {
        pool->threads[i] = (PoolThread){ .pool = pool, .index = i };
        int error = pthread_create(&pool->threads[i].id, NULL, thread_main, &pool->threads[i]);
        if (error != 0) {
            pool_free(pool);
            return err_set_errno(err, error, "cannot start compute thread %u of %u", i,
                                 o.n_threads);
        }
        pool->n_started++;
    }
    *ret = pool;
    return STATUS_OK;
}

static void publish_wake(Pool *pool) {
    atomic_fetch_add(&pool->wake, 1);
    if (atomic_load(&pool->n_asleep) > 0) futex_wake(&pool->wake, POOL_MAX_THREADS);
}

Pool *pool_free(Pool *pool) {
    if (!pool) return NULL;
    atomic_store(&pool->stop, true);
    publish_wake(pool);
    for (unsigned i = 1; i < pool->n_started; i++) (void)pthread_join(pool->threads[i].id, NULL);
    free(pool->threads);
    free(pool);
    return NULL;
}

unsigned pool_n_threads(const Pool *pool) {
    return pool->n_threads;
}

static void wait_done(Pool *pool, uint32_t n_parts) {
    int64_t end_us = 0;
    for (unsigned i = 0; atomic_load_explicit(&pool->done, memory_order_acquire) != n_parts; i++) {
        cpu_relax();
        if (i % 64 != 63) continue;
        int64_t now_us = clock_us();
        if (end_us == 0) end_us = now_us + pool->spin_us;
        if (now_us < end_us) continue;
        atomic_store(&pool->caller_asleep, true);
        uint32_t done;
        while ((done = atomic_load(&pool->done)) != n_parts) futex_wait(&pool->done, done);
        atomic_store(&pool->caller_asleep, false);
    }
}

void pool_run(Pool *pool, size_t n_parts, PoolFunction *function, void *context) {
    assert(n_parts <= POOL_MAX_PARTS && !pool->running);
    if (n_parts == 0) return;
    if (pool->n_started == 1 || n_parts == 1) {
        for (size_t part = 0; part < n_parts; part++) function(context, part, 0);
        return;
    }
    pool->running = true;
    if (pool->pin && !pool->caller_pinned) {
        pin_to(pool, 0);
        pool->caller_pinned = true;
    }
    /* Close the job (no part is below n_parts) before its fields change: a thread that read the
     * old `claim` and a new field must fail to exchange, which the release of each field orders. */
    uint64_t old = atomic_load_explicit(&pool->claim, memory_order_relaxed);
    uint64_t next = ((old >> PART_BITS) + 1) << PART_BITS;
    atomic_store_explicit(&pool->claim, next | PART_MASK, memory_order_relaxed);
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->function, function, memory_order_release);
    atomic_store_explicit(&pool->context, context, memory_order_release);
    atomic_store_explicit(&pool->n_parts, (uint32_t)n_parts, memory_order_release);
    atomic_store_explicit(&pool->claim, next, memory_order_release);
    publish_wake(pool);
    run_parts(pool, 0);
    wait_done(pool, (uint32_t)n_parts);
    pool->running = false;
}
