#pragma once
/* Time. Threads: any. Errors: none. */
#include <stdint.h>

/* Microseconds that only go forward (CLOCK_MONOTONIC). */
int64_t clock_us(void);
/* The same in nanoseconds, for measuring. */
int64_t clock_ns(void);
/* Seconds since 1970 UTC. */
int64_t clock_unix_s(void);
