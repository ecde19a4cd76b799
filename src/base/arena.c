/* Blocks of 16 KiB or of the one large thing that was asked for, in a list that is freed at once.
 */
#include "base/arena.h"

#include <stdalign.h>

typedef struct ArenaBlock {
    struct ArenaBlock *next;
    size_t used, capacity; /* bytes behind this header */
    alignas(max_align_t) char bytes[];
} ArenaBlock;

enum { ARENA_BLOCK_BYTES = 16 * 1024 };

void arena_deinit(Arena *arena) {
    for (ArenaBlock *b = arena->block; b;) {
        ArenaBlock *next = b->next;
        free(b);
        b = next;
    }
    *arena = ARENA_NULL;
}

void *arena_alloc(Arena *arena, size_t n, size_t size) {
    size_t bytes;
    if (!mem_mul(n, size, &bytes) || !mem_add(bytes, alignof(max_align_t) - 1, &bytes)) return NULL;
    bytes &= ~(alignof(max_align_t) - 1);
    ArenaBlock *b = arena->block;
    if (!b || b->capacity - b->used < bytes) {
        size_t capacity = MAX(bytes, (size_t)ARENA_BLOCK_BYTES), total;
        if (!mem_add(capacity, sizeof(ArenaBlock), &total)) return NULL;
        b = calloc(1, total);
        if (!b) return NULL;
        b->capacity = capacity;
        b->next = arena->block;
        arena->block = b;
    }
    void *p = b->bytes + b->used;
    b->used += bytes;
    arena->total_bytes += bytes;
    return p;
}

char *arena_string(Arena *arena, Slice s) {
    char *copy = arena_alloc(arena, s.n + 1, 1);
    if (copy && s.n) memcpy(copy, s.p, s.n);
    return copy;
}
