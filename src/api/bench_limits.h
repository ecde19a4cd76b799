#pragma once
/* What this machine could do at most, measured: reading memory and multiplying, on all threads at
 * once. Threads: one call at a time. */
#include "kernels/kernels.h"

typedef struct BenchLimits {
    double bytes_per_s; /* reading memory in order */
    double ops_per_s;   /* of the arithmetic, on registers */
} BenchLimits;

/* n_threads: 0 = processors of this process. Takes about a second and 512 MiB, which are given
 * back. Errors: NO_MEMORY; those of pool_new. */
Status bench_limits_measure(const KernelTable *kernels, KernelsArithmetic arithmetic,
                            unsigned n_threads, BenchLimits *ret, Err *err) MUST_CHECK;
