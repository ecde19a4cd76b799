/* Everything that an index does, at once, for FONTE_STRESS_SECONDS (default 3): two threads add and
 * replace documents, one removes them, three search in all modes, one asks for documents and
 * status, one does the work in the background. Each round opens the index with the other embedder,
 * so that a change of embedder and the training of inverted lists run under all of it.
 *
 * What is found is checked byte for byte: a passage is the whole text of a version of its document
 * that was there at some time. After each round store, lexical index and vectors must agree. */
#include "search/index.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 3, ADDERS = 2, SEARCHERS = 3, KEYS = 700, LOT = 4 };

static char folder[] = "/tmp/fonte-stress-index-XXXXXX";
static Index *shared;
static atomic_bool stop, failed;
static atomic_uint n_added, n_removed, n_searches, n_found, n_steps;

static void fail(const char *what, const Err *err) {
    fprintf(stderr, "%s: %s\n", what, err->text);
    atomic_store(&failed, true);
    atomic_store(&stop, true);
}

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* The one text of a key in a version: it names both, so a passage can be checked by itself. */
static void make_text(unsigned key, unsigned version, char ret[512]) {
    size_t n = (size_t)sprintf(ret, "Document %u in version %u tells of", key, version);
    uint32_t state = key * 2654435761u + version;
    for (int i = 0; i < 25; i++) {
        n += (size_t)sprintf(ret + n, " word%u", next_random(&state) % 3000);
    }
    sprintf(ret + n, ".");
}

/* ---- who changes ---- */

static bool prepare(unsigned key, unsigned version, IndexPrepared **ret, Err *err) {
    char text[512], url[32];
    make_text(key, version, text);
    snprintf(url, sizeof url, "key-%u", key);
    IndexInput input = { .bytes = slice_of(text),
                         .url = url,
                         .language = "en",
                         .collection = key % 5 ? "default" : "fifth" };
    return index_prepare(shared, &input, ret, err) == STATUS_OK;
}

static bool add_lot(uint32_t *random, unsigned *version, Err *err) {
    IndexPrepared *prepared[LOT] = { NULL };
    FonteAddedList *added[LOT] = { NULL };
    bool ok = true;
    for (int i = 0; ok && i < LOT; i++) {
        ok = prepare(next_random(random) % KEYS, ++*version, &prepared[i], err);
    }
    ok = ok && index_commit(shared, prepared, LOT, added, err) == STATUS_OK;
    for (int i = 0; i < LOT; i++) {
        index_prepared_free(prepared[i]);
        index_added_free(added[i]);
    }
    if (ok) atomic_fetch_add(&n_added, LOT);
    return ok;
}

static void *adder_work(void *argument) {
    uint32_t random = *(const unsigned *)argument;
    unsigned version = random * 1000000;
    Err err = { 0 };
    while (!atomic_load(&stop)) {
        if (!add_lot(&random, &version, &err)) fail("add", &err);
    }
    return NULL;
}

static bool remove_one(unsigned key, Err *err) {
    char url[32], id[STORE_ID_BYTES];
    snprintf(url, sizeof url, "key-%u", key);
    if (store_document_id(slice_of(key % 5 ? "default" : "fifth"), slice_of(url), id, err)) {
        return false;
    }
    Status status = index_remove(shared, id, err);
    if (status == STATUS_OK) atomic_fetch_add(&n_removed, 1);
    return status == STATUS_OK || status == STATUS_NOT_FOUND;
}

static void *remover_work(void *argument) {
    uint32_t random = *(const unsigned *)argument;
    Err err = { 0 };
    while (!atomic_load(&stop)) {
        if (!remove_one(next_random(&random) % KEYS, &err)) fail("remove", &err);
    }
    return NULL;
}

static void *maintainer_work(void *argument) {
    (void)argument;
    Err err = { 0 };
    while (!atomic_load(&stop)) {
        Status status = index_maintain(shared, &err);
        if (status == STATUS_OK) {
            atomic_fetch_add(&n_steps, 1);
        } else if (status != STATUS_UNCHANGED) {
            fail("maintain", &err);
        }
    }
    return NULL;
}

/* ---- who asks ---- */

static bool check_passage(const FontePassage *p, bool fifth, Err *err) {
    unsigned key, version;
    char text[512], url[32];
    if (sscanf(p->text, "Document %u in version %u ", &key, &version) != 2) {
        return err_set(err, STATUS_DAMAGED, "a text that nobody added") == STATUS_OK;
    }
    make_text(key, version, text);
    snprintf(url, sizeof url, "key-%u", key);
    bool right = strcmp(text, p->text) == 0 && strcmp(url, p->url) == 0 && p->start == 0 &&
                 p->end == strlen(text) && (key % 5 == 0) == fifth;
    if (right) return true;
    return err_set(err, STATUS_DAMAGED, "not the text of key %u", key) == STATUS_OK;
}

static bool search_once(uint32_t *random, Err *err) {
    char question[96];
    unsigned about = next_random(random);
    snprintf(question, sizeof question, "document %u word%u word%u word%u", about % KEYS,
             about % 3000, about * 7 % 3000, about * 13 % 3000);
    bool fifth = about % 3 == 0;
    FonteQuery query = { .text = question,
                         .k = 5,
                         .mode = (FonteSearchMode)(about / 3 % 3),
                         .collection = fifth ? "fifth" : NULL };
    FontePassages *found;
    if (index_search(shared, &query, NULL, NULL, &found, err) != STATUS_OK) return false;
    bool right = true;
    for (size_t i = 0; right && i < found->n_passages; i++) {
        right = check_passage(&found->passages[i], fifth, err);
    }
    atomic_fetch_add(&n_found, (unsigned)found->n_passages);
    atomic_fetch_add(&n_searches, 1);
    index_passages_free(found);
    return right;
}

static void *searcher_work(void *argument) {
    uint32_t random = *(const unsigned *)argument;
    Err err = { 0 };
    while (!atomic_load(&stop)) {
        if (!search_once(&random, &err)) fail("search", &err);
    }
    return NULL;
}

static bool look_once(unsigned number, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteDocument *list;
    size_t n;
    IndexStatus status;
    uint64_t df, n_passages;
    Slice term = slice_of("word7");
    if (index_list(shared, "", "", 100, &arena, &list, &n, err)) return false;
    if (index_status(shared, &status, err)) return false;
    if (index_frequencies(shared, &term, 1, &df, &n_passages, err)) return false;
    if (number % 50 == 0 && index_verify(shared, err)) return false;
    bool agree = status.counts.n_passages == status.counts.n_lexical &&
                 status.counts.n_documents <= KEYS && n_passages <= KEYS && df <= n_passages;
    return agree || err_set(err, STATUS_DAMAGED, "counts disagree") == STATUS_OK;
}

static void *looker_work(void *argument) {
    unsigned number = *(const unsigned *)argument;
    Err err = { 0 };
    while (!atomic_load(&stop)) {
        if (!look_once(number++, &err)) fail("look", &err);
    }
    return NULL;
}

/* ---- rounds ---- */

static bool run_threads(int64_t run_us) {
    static void *(*const works[])(void *) = { adder_work,    adder_work,     remover_work,
                                              searcher_work, searcher_work,  searcher_work,
                                              looker_work,   maintainer_work };
    enum { N_THREADS = N_ELEMENTS(works) };
    static unsigned numbers[N_THREADS];
    pthread_t threads[N_THREADS];
    atomic_store(&stop, false);
    for (unsigned i = 0; i < N_THREADS; i++) {
        numbers[i] = numbers[i] * 3 + i + 1;
        if (pthread_create(&threads[i], NULL, works[i], &numbers[i]) != 0) return false;
    }
    int64_t end = clock_us() + run_us;
    while (!atomic_load(&stop) && clock_us() < end) usleep(10000);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < N_THREADS; i++) pthread_join(threads[i], NULL);
    return !atomic_load(&failed);
}

static bool run_round(unsigned round, int64_t run_us, Err *err) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.embedder = round % 2 ? "hash-1-96" : "hash-1-64";
    options.flat_max_vectors = 300;
    if (index_open(folder, &options, NULL, NULL, &shared, err) != STATUS_OK) return false;
    bool ok = run_threads(run_us);
    ok = ok && index_verify(shared, err) == STATUS_OK;
    Status status = STATUS_OK;
    while (ok && status == STATUS_OK && atomic_load(&n_steps) < 1u << 20) {
        status = index_maintain(shared, err);
        atomic_fetch_add(&n_steps, 1);
    }
    ok = ok && status == STATUS_UNCHANGED && index_verify(shared, err) == STATUS_OK;
    IndexStatus now;
    ok = ok && index_status(shared, &now, err) == STATUS_OK;
    if (ok && strcmp(now.embedder, options.embedder) != 0) {
        ok = err_set(err, STATUS_INTERNAL, "%s still serves", now.embedder) == STATUS_OK;
    }
    index_close(shared);
    return ok;
}

int main(void) {
    const char *setting = getenv("FONTE_STRESS_SECONDS");
    int64_t seconds = setting && *setting ? strtol(setting, NULL, 10) : 3;
    if (!mkdtemp(folder)) return 1;
    Err err = { 0 };
    bool ok = true;
    for (unsigned round = 0; ok && round < ROUNDS; round++) {
        ok = run_round(round, seconds * 1000000 / ROUNDS, &err);
    }
    if (!ok) fprintf(stderr, "failed: %s\n", err.text);
    char command[96];
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", folder);
    printf("%u added, %u removed, %u searches found %u passages, %u steps of maintenance\n",
           n_added, n_removed, n_searches, n_found, n_steps);
    return !ok || !n_added || !n_removed || !n_found || !n_steps;
}
