/* One thread that writes, four that read, each with a Store of its own, for FONTE_STRESS_SECONDS
 * (default 2). Readers only ever see committed states: every passage that a search finds is there
 * whole or is gone, and a list of documents has each key at most once. */
#include "../system/crash_workload.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 4 };

static atomic_bool stop, failed;
static atomic_uint n_searches;

static void fail(const char *what, const Err *err) {
    fprintf(stderr, "%s: %s\n", what, err->text);
    atomic_store(&failed, true);
    atomic_store(&stop, true);
}

static bool check_passages(Store *store, const StoreHit *hits, size_t n, Arena *arena, Err *err) {
    int64_t ids[20], *there;
    FontePassage *passages;
    for (size_t i = 0; i < n; i++) ids[i] = hits[i].passage;
    size_t n_there;
    if (store_passages(store, ids, n, arena, &passages, &there, &n_there, err)) return false;
    for (size_t i = 0; i < n_there; i++) {
        unsigned key, by;
        AUTO_BUF Buf text = BUF_NULL;
        if (sscanf(passages[i].title, "%u %u", &key, &by) != 2) return false;
        workload_text(key, by, &text);
        size_t length = passages[i].end - passages[i].start;
        if (strlen(passages[i].text) != length ||
            memcmp(text.p + passages[i].start, passages[i].text, length) != 0) {
            return err_set(err, STATUS_DAMAGED, "another text") == STATUS_OK;
        }
    }
    return true;
}

static bool read_once(Store *store, unsigned number, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    char question[64];
    snprintf(question, sizeof question, "w%u w%u w%u key%u", number % 900, number * 7 % 900,
             number * 13 % 900, number % WORKLOAD_KEYS);
    StoreScope scope = { .collection = number % 3 ? "default" : "" };
    StoreHit *hits;
    size_t n;
    if (store_lexical(store, slice_of(question), "", &scope, 20, &arena, &hits, &n, err)) {
        return false;
    }
    if (!check_passages(store, hits, n, &arena, err)) return false;
    FonteDocument *list;
    if (store_list(store, "", "", 100, &arena, &list, &n, err)) return false;
    if (n > WORKLOAD_KEYS) return false;
    StoreCounts counts;
    if (store_counts(store, &counts, err)) return false;
    if (counts.n_lexical == counts.n_passages) return true;
    return err_set(err, STATUS_DAMAGED, "%zu passages, %zu lexical", counts.n_passages,
                   counts.n_lexical) == STATUS_OK;
}

static void *reader_work(void *argument) {
    unsigned number = *(const unsigned *)argument;
    Err err = { 0 };
    Store *store;
    if (store_open(fixture_folder, STORE_READ, &fixture_options, &store, &err) != STATUS_OK) {
        fail("open", &err);
        return NULL;
    }
    while (!atomic_load(&stop)) {
        if (!read_once(store, number++, &err)) {
            fail("reader", &err);
            break;
        }
        atomic_fetch_add(&n_searches, 1);
    }
    store_close(store);
    return NULL;
}

int main(void) {
    const char *setting = getenv("FONTE_STRESS_SECONDS");
    int64_t seconds = setting && *setting ? strtol(setting, NULL, 10) : 2;
    if (!mkdtemp(fixture_folder)) return 1;
    Err err = { 0 };
    Store *store;
    if (store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    pthread_t threads[READERS];
    unsigned numbers[READERS] = { 1, 1000, 2000, 3000 };
    for (int i = 0; i < READERS; i++) {
        if (pthread_create(&threads[i], NULL, reader_work, &numbers[i]) != 0) return 1;
    }
    int64_t end = clock_us() + seconds * 1000000;
    uint32_t t = 0;
    while (!atomic_load(&stop) && clock_us() < end) {
        if (workload_run(store, ++t, &err) != STATUS_OK) fail("writer", &err);
        if (t % 8 == 0 && store_checkpoint(store, &err) != STATUS_OK) fail("checkpoint", &err);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    if (!atomic_load(&failed) && workload_check(store, t, &err) != STATUS_OK) fail("end", &err);
    store_close(store);
    fixture_drop();
    printf("%u transactions, %u searches\n", t, atomic_load(&n_searches));
    return atomic_load(&failed) || !t || !atomic_load(&n_searches);
}
