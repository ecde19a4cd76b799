#pragma once
/* A workload that can be checked after any crash: transaction t does what its number says, so the
 * database must be exactly the state after some t. Every transaction changes something, so the
 * store's generation counts them. */
#include "../store/store_fixture.h"

enum { WORKLOAD_KEYS = 24 };

/* Number of the transaction that made the document of each key; 0 = there is none. */
typedef struct WorkloadState {
    uint32_t by[WORKLOAD_KEYS];
} WorkloadState;

static inline uint64_t workload_mix(uint64_t x) {
    x ^= x >> 31;
    x *= 0x7FB5D329728EA185u;
    x ^= x >> 27;
    x *= 0x81DADEF4BC2DD44Du;
    return x ^ x >> 33;
}

/* A few hundred bytes to 20 KiB, in paragraphs. */
static inline void workload_text(unsigned key, uint32_t by, Buf *ret) {
    uint64_t x = workload_mix(key * 1000003u + by);
    size_t words = 40 + (x % 7 == 0 ? x % 2900 : x % 200);
    buf_printf(ret, "key%u by%u ", key, by);
    for (size_t i = 0; i < words; i++) {
        x = workload_mix(x + i);
        buf_printf(ret, "w%u%s", (unsigned)(x % 900), i % 60 == 59 ? "\n\n" : " ");
    }
}

/* The changes of transaction t: at most 4. by == 0 deletes. */
typedef struct WorkloadChange {
    unsigned key;
    uint32_t by;
} WorkloadChange;
static inline size_t workload_changes(uint32_t t, WorkloadChange changes[4]) {
    uint64_t x = workload_mix(t * 2654435761u);
    size_t n = 1 + x % 4;
    for (size_t i = 0; i < n; i++) {
        x = workload_mix(x + i);
        changes[i] = (WorkloadChange){ (unsigned)(x % WORKLOAD_KEYS), t };
        if (i && x % 5 == 0) changes[i].by = 0;
    }
    return n;
}

static inline void workload_advance(WorkloadState *state, uint32_t t) {
    WorkloadChange changes[4];
    size_t n = workload_changes(t, changes);
    for (size_t i = 0; i < n; i++) state->by[changes[i].key] = changes[i].by;
}

static inline Status workload_apply(Store *store, const WorkloadChange *change, int64_t embedder,
                                    Err *err) {
    char key[16], title[48], vector[16];
    StorePut put;
    AUTO_BUF Buf text = BUF_NULL;
    snprintf(key, sizeof key, "k%u", change->key);
    snprintf(title, sizeof title, "%u %u", change->key, change->by);
    snprintf(vector, sizeof vector, "v%07u", change->by);
    if (change->by) {
        workload_text(change->key, change->by, &text);
        TRY(buf_status(&text, err));
        FixtureDocument f = { .key = key, .title = title, .text = text.p };
        Status put_status = fixture_put(store, &f, embedder, vector, &put, NULL, err);
        return put_status == STATUS_UNCHANGED ? STATUS_OK : put_status; /* twice in one t */
    }
    /* deletes by id: a document of this key has the id that putting it gives */
    Status status = STATUS_OK;
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument *list;
    size_t n;
    TRY(store_list(store, "default", "", WORKLOAD_KEYS, &arena, &list, &n, err));
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        if (strtoul(list[i].title, NULL, 10) == change->key) {
            status = store_delete(store, list[i].id, NULL, err);
        }
    }
    return status;
}

/* Transaction t, committed. On failure it is rolled back. */
static inline Status workload_run(Store *store, uint32_t t, Err *err) {
    WorkloadChange changes[4];
    size_t n = workload_changes(t, changes);
    TRY(store_begin(store, err));
    int64_t embedder = 0;
    Status status = store_embedder(store, "e", 2, &embedder, err);
    if (status == STATUS_OK) status = store_embedder_set_current(store, embedder, err);
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = workload_apply(store, &changes[i], embedder, err);
    }
    if (status == STATUS_OK) return store_commit(store, err);
    store_rollback(store);
    return status;
}

/* The generation of an index in which nothing was done: what the first opening made of it. */
enum { WORKLOAD_FIRST_GENERATION = 1 };

/* How many transactions the store holds: generations that followed the first opening's. */
static inline Status workload_length(Store *store, uint32_t *ret, Err *err) {
    StoreCounts counts;
    TRY(store_counts(store, &counts, err));
    *ret = counts.generation < WORKLOAD_FIRST_GENERATION
               ? 0
               : (uint32_t)(counts.generation - WORKLOAD_FIRST_GENERATION);
    return STATUS_OK;
}

/* OK where the store is whole and holds exactly the state after t transactions. */
static inline Status workload_check(Store *store, uint32_t t, Err *err) {
    WorkloadState want = { { 0 } }, have = { { 0 } };
    for (uint32_t i = 1; i <= t; i++) workload_advance(&want, i);
    TRY(store_verify(store, err));
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument *list;
    size_t n;
    TRY(store_list(store, "", "", WORKLOAD_KEYS * 2, &arena, &list, &n, err));
    for (size_t i = 0; i < n; i++) {
        unsigned key, by;
        if (sscanf(list[i].title, "%u %u", &key, &by) != 2 || key >= WORKLOAD_KEYS) {
            return err_set(err, STATUS_DAMAGED, "a document that nobody added: %s", list[i].title);
        }
        AUTO_BUF Buf text = BUF_NULL, stored = BUF_NULL;
        workload_text(key, by, &text);
        TRY(store_read(store, list[i].id, STORE_TEXT, 0, SIZE_MAX, &stored, err));
        if (!slice_equal(buf_slice(&text), buf_slice(&stored))) {
            return err_set(err, STATUS_DAMAGED, "key %u by %u: another text", key, by);
        }
        have.by[key] = by;
    }
    for (unsigned key = 0; key < WORKLOAD_KEYS; key++) {
        if (have.by[key] == want.by[key]) continue;
        return err_set(err, STATUS_DAMAGED, "after %u transactions key %u is by %u, not %u", t, key,
                       have.by[key], want.by[key]);
    }
    StoreCounts counts;
    TRY(store_counts(store, &counts, err));
    if (counts.n_lexical == counts.n_passages && counts.n_vectors == counts.n_passages) {
        return STATUS_OK;
    }
    return err_set(err, STATUS_DAMAGED, "%zu passages, %zu lexical, %zu vectors", counts.n_passages,
                   counts.n_lexical, counts.n_vectors);
}
