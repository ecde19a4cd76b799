#pragma once
/* Strings once each, as numbers: languages, sources, dates of all documents.
 * Threads: one owner at a time. */
#include "base/mem.h"
#include "base/slice.h"

enum { STORE_NAME_NONE = UINT32_MAX };

typedef struct StoreNames {
    Slice *names; /* owned bytes */
    size_t n, capacity;
    uint32_t *table; /* index + 1; 0 = free */
    size_t table_size;
} StoreNames;

void store_names_deinit(StoreNames *names);
/* The number of the string, made where it is new; fold: equal whatever the case. False where there
 * is no memory. */
bool store_names_add(StoreNames *names, Slice name, bool fold, uint32_t *ret) MUST_CHECK;
/* STORE_NAME_NONE where it is not among them, or where there is no memory to fold it. */
uint32_t store_names_find(const StoreNames *names, Slice name, bool fold);
Slice store_names_get(const StoreNames *names, uint32_t number);
/* Simple case folding of the scripts that have case and are common in names of sources: Latin,
 * Greek, Cyrillic, Armenian. Other characters stay as they are. */
uint32_t store_fold_char(uint32_t c);
