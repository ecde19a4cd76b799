/* Allocations that fail: the n-th of SQLite's and of ours, for n = 0, 1, 2 ... until a whole
 * session (open, add, search, read, verify, close) passes; once only, and from then on for good.
 * Each failure is a status with a message, never a crash, and nothing that was committed is lost.
 */
#include "crash_workload.h"

#include <sqlite3.h>

static Err err;
static long until_failure = -1; /* allocations that still succeed; -1 = all do */
static bool for_good;
static unsigned n_failures;

static bool is_to_fail(void) {
    if (until_failure < 0) return false;
    if (until_failure > 0) {
        until_failure--;
        return false;
    }
    if (!for_good) until_failure = -1;
    n_failures++;
    return true;
}

/* Ours: the linker sends calls of calloc and realloc in this program here (-Wl,--wrap). */
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_calloc(size_t n, size_t size) {
    return is_to_fail() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n) {
    return is_to_fail() ? NULL : __real_realloc(p, n);
}

/* SQLite's. */
static sqlite3_mem_methods methods;
static void *lite_malloc(int n) {
    return is_to_fail() ? NULL : methods.xMalloc(n);
}
static void *lite_realloc(void *p, int n) {
    return is_to_fail() ? NULL : methods.xRealloc(p, n);
}

static Status take_vector(void *context, int64_t passage, Slice vector) {
    (void)passage;
    *(size_t *)context += vector.n;
    return STATUS_OK;
}

static Status read_all(Store *store, Arena *arena) {
    StoreScope scope = { .collection = "default", .filters = { .language = "" } };
    StoreHit *hits;
    size_t n, n_passages, bytes = 0;
    TRY(store_lexical(store, SLICE("w1 w2 w3 key1"), "", &scope, 10, arena, &hits, &n, &err));
    int64_t ids[10] = { 0 }, *there;
    for (size_t i = 0; i < n; i++) ids[i] = hits[i].passage;
    FontePassage *passages;
    TRY(store_passages(store, ids, n, arena, &passages, &there, &n_passages, &err));
    FonteDocument *list;
    TRY(store_list(store, "", "", 10, arena, &list, &n, &err));
    AUTO_BUF Buf text = BUF_NULL;
    if (n) TRY(store_read(store, list[0].id, STORE_TEXT, 0, SIZE_MAX, &text, &err));
    StoreCollection *collections;
    TRY(store_collections(store, arena, &collections, &n, &err));
    StoreUnembedded *u;
    TRY(store_unembedded(store, 1, 0, 10, arena, &u, &n, &err));
    TRY(store_vectors_each(store, 1, 0, take_vector, &bytes, &err));
    return store_verify(store, &err);
}

static Status session(uint32_t t, StoreMode mode) {
    Store *store;
    TRY(store_open(fixture_folder, mode, &fixture_options, &store, &err));
    AUTO_ARENA Arena arena = ARENA_NULL;
    Status status = mode == STORE_WRITE ? workload_run(store, t, &err) : STATUS_OK;
    if (status == STATUS_OK) status = read_all(store, &arena);
    store_close(store);
    return status;
}

/* What is there: at least `told`, at most one more; all of it checked where `whole`. */
static bool is_there(uint32_t told, bool whole, uint32_t *ret_length) {
    Store *store;
    if (store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err)) return false;
    Status status = workload_length(store, ret_length, &err);
    if (status == STATUS_OK && (*ret_length < told || *ret_length > told + 1)) {
        status = err_set(&err, STATUS_DAMAGED, "%u, then %u transactions", told, *ret_length);
    }
    if (status == STATUS_OK && whole) status = workload_check(store, *ret_length, &err);
    store_close(store);
    return status == STATUS_OK;
}

static bool sweep(StoreMode mode, bool good, uint32_t *length) {
    long n = 0;
    /* every allocation of the first two hundred, then ever fewer: they are the same loops again */
    for (;; n += 1 + n / 200) {
        until_failure = n;
        for_good = good;
        unsigned before = n_failures;
        memset(&err, 0, sizeof err);
        Status status = session(*length + 1, mode);
        until_failure = -1;
        if (status != STATUS_OK && (status != STATUS_NO_MEMORY || !err.text[0])) {
            fprintf(stderr, "allocation %ld: status %d: %s\n", n, status, err.text);
            return false;
        }
        uint32_t told = *length + (status == STATUS_OK && mode == STORE_WRITE);
        if (!is_there(*length, n % 32 == 0 || status == STATUS_OK, length) || *length < told) {
            fprintf(stderr, "allocation %ld: %s\n", n, err.text);
            return false;
        }
        if (n_failures == before) return true; /* none was left to fail */
    }
}

int main(void) {
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &methods) != SQLITE_OK) return 1;
    sqlite3_mem_methods failing = methods;
    failing.xMalloc = lite_malloc;
    failing.xRealloc = lite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK) return 1;
    if (!mkdtemp(fixture_folder)) return 1;
    uint32_t length = 0;
    bool ok = is_there(0, true, &length) && sweep(STORE_WRITE, false, &length) &&
              sweep(STORE_WRITE, true, &length) && sweep(STORE_READ, false, &length);
    printf("%u allocations failed, %u transactions\n", n_failures, length);
    if (ok) fixture_drop();
    return ok && n_failures > 500 ? 0 : 1;
}
