#pragma once
/* A whole file mapped read-only and private. What a file's bytes mean is not known here.
 * Threads: one owner opens and closes, any thread reads. */
#include "base/slice.h"
#include "base/status.h"
#include <stdint.h>

typedef struct GgufMap {
    const uint8_t *p; /* NULL where the file is empty */
    size_t n;         /* bytes */
    int fd;           /* kept, so that check looks at the file that is mapped */
    int64_t mtime_s, mtime_ns;
} GgufMap;

#define GGUF_MAP_NULL ((GgufMap){ .fd = -1 })

/* INVALID where it is not a regular file; NOT_FOUND, DENIED, IO. */
Status gguf_map_open(const char *path, GgufMap *ret, Err *err) MUST_CHECK;
void gguf_map_close(GgufMap *map);
/* DAMAGED where the file has another size or modification time than it had; touching bytes that
 * were cut off is SIGBUS. */
Status gguf_map_check_unchanged(const GgufMap *map, const char *path, Err *err) MUST_CHECK;
