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

static void read_part(void *context, size_t part, unsigned thread) {
    Work *work = context;
    const uint64_t *p = work->buffer + part * (PART_BYTES / sizeof *p);
    uint64_t sums[16] = { 0 };
    for (size_t i = 0; i < PART_BYTES / sizeof *p; i += N_ELEMENTS(sums)) {
        for (size_t k = 0; k < N_ELEMENTS(sums); k++) sums[k] ^= p[i + k];
    }
    for (size_t k = 0; k < N_ELEMENTS(sums); k++) work->sums[thread] ^= sums[k];
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
        double s = seconds_of(pool, BUFFER_BYTES / PART_BYTES, read_part, work);
        ret->bytes_per_s = MAX(ret->bytes_per_s, (double)BUFFER_BYTES / s);
        memset(work->ops, 0, sizeof work->ops);
        s = seconds_of(pool, n_threads * PARTS_PER_THREAD, compute_part, work);
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
