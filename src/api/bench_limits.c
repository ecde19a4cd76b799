/* The best of several runs: a limit is what nothing exceeded. */
#include "api/bench_limits.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include <string.h>
#include <sys/mman.h>

static const size_t BUFFER_BYTES = (size_t)512 << 20, PART_BYTES = (size_t)1 << 20;
enum { RUNS = 5, ARITHMETIC_ROUNDS = 200000, PARTS_PER_THREAD = 16 };

typedef struct Work {
    const KernelTable *kernels;
    KernelsPeak *peak;
    uint64_t *buffer;
    uint64_t sums[POOL_MAX_THREADS]; /* so that no compiler leaves the reading out */
    double ops[POOL_MAX_THREADS];
} Work;

/* In order, as a whole (n_streams 1) or its parts side by side, each with software's prefetching
 * a little ahead. Which of them reads more depends on the processor. */
static inline void read_streams(Work *work, size_t part, unsigned thread, size_t n_streams) {
    const uint64_t *p = work->buffer + part * (PART_BYTES / sizeof *p);
    size_t n = PART_BYTES / sizeof *p / n_streams;
    uint64_t sums[16] = { 0 };
    for (size_t i = 0; i < n; i += N_ELEMENTS(sums)) {
        for (size_t stream = 0; stream < n_streams; stream++) {
            const uint64_t *at = p + stream * n + i;
            if (n_streams > 1) {
                const char *ahead = (const char *)at + KERNELS_STREAM_AHEAD;
                for (size_t k = 0; k < sizeof sums; k += 64) __builtin_prefetch(ahead + k);
            }
            for (size_t k = 0; k < N_ELEMENTS(sums); k++) sums[k] ^= at[k];
        }
    }
    for (size_t k = 0; k < N_ELEMENTS(sums); k++) work->sums[thread] ^= sums[k];
}
static void read_whole(void *context, size_t part, unsigned thread) {
    read_streams(context, part, thread, 1);
}
static void read_halves(void *context, size_t part, unsigned thread) {
    read_streams(context, part, thread, 2);
}

static void compute_part(void *context, size_t part, unsigned thread) {
    Work *work = context;
    (void)part;
    work->ops[thread] += work->peak(ARITHMETIC_ROUNDS / PARTS_PER_THREAD);
}

static double seconds_of(Pool *pool, size_t n_parts, PoolFunction *function, Work *work) {
    int64_t begin = clock_ns();
    pool_run(pool, n_parts, function, work);
    return (double)(clock_ns() - begin) * 1e-9;
}

static void measure(Pool *pool, Work *work, BenchLimits *ret) {
    size_t n_threads = pool_n_threads(pool);
    for (int i = 0; i < RUNS; i++) {
        double whole = seconds_of(pool, BUFFER_BYTES / PART_BYTES, read_whole, work);
        double halves = seconds_of(pool, BUFFER_BYTES / PART_BYTES, read_halves, work);
        ret->bytes_per_s = MAX(ret->bytes_per_s, (double)BUFFER_BYTES / MIN(whole, halves));
        memset(work->ops, 0, sizeof work->ops);
        double s = seconds_of(pool, n_threads * PARTS_PER_THREAD, compute_part, work);
        double ops = 0;
        for (size_t k = 0; k < n_threads; k++) ops += work->ops[k];
        ret->ops_per_s = MAX(ret->ops_per_s, ops / s);
    }
}

Status bench_limits_measure(const KernelTable *kernels, KernelsArithmetic arithmetic,
                            unsigned n_threads, BenchLimits *ret, Err *err) {
    PoolOptions options = { .n_threads = n_threads };
    Pool *pool = NULL;
    TRY(pool_new(&options, &pool, err));
    AUTO_FREE Work *work = mem_alloc(1, sizeof *work);
    void *buffer =
        mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!work || buffer == MAP_FAILED) {
        pool_free(pool);
        return err_set(err, STATUS_NO_MEMORY, "no memory to measure it with");
    }
    (void)madvise(buffer, BUFFER_BYTES, MADV_HUGEPAGE);
    memset(buffer, 1, BUFFER_BYTES);
    work->kernels = kernels;
    work->buffer = buffer;
    work->peak = kernels->peak[arithmetic];
    BenchLimits limits = { 0 };
    measure(pool, work, &limits);
    (void)munmap(buffer, BUFFER_BYTES);
    pool_free(pool);
    *ret = limits;
    return STATUS_OK;
}
