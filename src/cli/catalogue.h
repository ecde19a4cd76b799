#pragma once
/* Models that `fonte model pull` knows by name. docs/models.md shows the same table.
 * Threads: any. */
#include <stddef.h>
#include <stdint.h>

typedef struct CatalogueEntry {
    const char *name; /* "llama-2-7b-chat"; what people type */
    const char *file; /* its file's name */
    const char *url;
    uint64_t n_bytes;   /* 0 where it is not certain */
    const char *sha256; /* NULL where it is not certain */
    const char *about;
} CatalogueEntry;

extern const CatalogueEntry catalogue[];
extern const size_t catalogue_n;

/* By name, or by the file's name with or without .gguf; NULL where there is none. */
const CatalogueEntry *catalogue_find(const char *name);
