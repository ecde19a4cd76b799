#pragma once
/* Checked sizes, allocation that reports, cleanup by scope, ownership that moves visibly.
 * Threads: any. */
#include "base/status.h"
#include <stdbool.h>
#include <stdlib.h>

/* *ret = a * b (or a + b); false and untouched where it does not fit. */
static inline bool mem_mul(size_t a, size_t b, size_t *ret) {
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *ret = r;
    return true;
}
static inline bool mem_add(size_t a, size_t b, size_t *ret) {
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *ret = r;
    return true;
}

/* n * size zeroed bytes, returned owned (free); NULL where that does not fit or is not to be had.
 * n == 0 gives a pointer that may be freed. */
void *mem_alloc(size_t n, size_t size) MUST_CHECK;
/* Grow the array at *array (elements of `size` bytes) to hold at least n; doubles, so that
 * appending is linear. False, with everything as it was, where there is no memory. */
bool mem_grow(void **array, size_t *capacity, size_t n, size_t size) MUST_CHECK;
/* A NUL-terminated copy of n bytes, returned owned (free). NULL where there is no memory. */
char *mem_copy_string(const void *bytes, size_t n) MUST_CHECK;

#define CLEANUP(function) __attribute__((cleanup(function)))
/* Yields p and leaves NULL behind: the one way to give an owned pointer away. */
#define STEAL(p)                                                                                   \
    (__extension__({                                                                               \
        __typeof__(p) stolen_ = (p);                                                               \
        (p) = NULL;                                                                                \
        stolen_;                                                                                   \
    }))

/* `CLEANUP(mem_free_cleanup) char *s` frees s at the end of its scope. */
static inline void mem_free_cleanup(void *pointer_to_pointer) {
    free(*(void **)pointer_to_pointer);
}
#define AUTO_FREE CLEANUP(mem_free_cleanup)

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
