#pragma once
/* Memory with one lifetime: many small allocations, freed together (a request, a parsed file).
 * Threads: one owner at a time. */
#include "base/mem.h"
#include "base/slice.h"

typedef struct Arena {
    struct ArenaBlock *block; /* newest first */
    size_t total_bytes;       /* handed out so far */
} Arena;

#define ARENA_NULL ((Arena){ NULL, 0 })
#define AUTO_ARENA CLEANUP(arena_deinit)

void arena_deinit(Arena *arena);
/* n * size zeroed bytes, aligned for any type; a view that dies with the arena. NULL where there
 * is no memory. */
void *arena_alloc(Arena *arena, size_t n, size_t size) MUST_CHECK;
/* A NUL-terminated copy; a view that dies with the arena. NULL where there is no memory. */
char *arena_string(Arena *arena, Slice s) MUST_CHECK;
