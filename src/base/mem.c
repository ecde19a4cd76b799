/* Allocation for all rooms: sizes are checked, failure is reported and never fatal. */
#include "base/mem.h"

#include <string.h>

void *mem_alloc(size_t n, size_t size) {
    size_t bytes;
    if (!mem_mul(n, size, &bytes)) return NULL;
    return calloc(1, bytes ? bytes : 1);
}

bool mem_grow(void **array, size_t *capacity, size_t n, size_t size) {
    if (n <= *capacity) return true;
    size_t wanted = *capacity ? *capacity : 16;
    while (wanted < n) {
        if (!mem_mul(wanted, 2, &wanted)) return false;
    }
    size_t bytes;
    if (!mem_mul(wanted, size, &bytes)) return false;
    void *grown = realloc(*array, bytes);
    if (!grown) return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

char *mem_copy_string(const void *bytes, size_t n) {
    char *copy = mem_alloc(n + 1, 1);
    if (copy && n) memcpy(copy, bytes, n);
    return copy;
}
