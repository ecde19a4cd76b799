/* store_bench [n_passages] [bytes of a vector] [passages a document] [verify]: how fast the store
 * takes text whose terms are counted already, and answers questions of 8 words, over words by
 * Zipf's law (vocabulary 100,000). A tool for whoever changes src/store; `fonte bench` measures the
 * whole. */
#include "base/clock.h"
#include "store/store.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { VOCABULARY = 100000, WORDS = 180, BATCH_BYTES = 8 << 20, QUESTIONS = 400 };

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Rank 1 .. VOCABULARY with probability about 1/rank. */
static size_t zipf(void) {
    double u = (double)(next_random() >> 11) / (double)(1ull << 53);
    return (size_t)exp(u * log((double)VOCABULARY));
}

static void append_word(Buf *text, size_t rank) {
    static const char *const ends[] = { "", "e", "s", "ing", "ed", "ment", "o", "i" };
    uint64_t x = rank * 0x9E3779B97F4A7C15u >> 13;
    for (size_t n = rank < 60 ? 2 : 4 + x % 4; n; n--, x /= 23) {
        buf_append_byte(text, (char)('a' + x % 23));
    }
    buf_append_string(text, ends[rank % 8]);
}

static void *no_state(void) {
    return mem_alloc(1, 1);
}

static Status each(void *instance, Slice text, const char *language, bool is_query,
                   Status (*take)(void *context, Slice term, size_t start, size_t end,
                                  bool colocated),
                   void *context) {
    (void)instance, (void)language;
    for (size_t i = 0; i < text.n;) {
        size_t start = i;
        while (i < text.n && text.p[i] != ' ') i++;
        Slice word = { text.p + start, i - start };
        i++;
        if (!word.n || (is_query && word.n < 4)) continue; /* the commonest words are short */
        TRY(take(context, word, start, start + word.n, false));
        if (word.n > 6)
            TRY(take(context, (Slice){ word.p, word.n - 2 }, start, start + word.n, true));
    }
    return STATUS_OK;
}

static const StoreTokenizer tokenizer = { no_state, free, each, "bench-1" };

static void check(Status status, const Err *err) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

typedef struct Prepared {
    Buf text, terms;
    size_t start[65], terms_start[65];
} Prepared;

static void prepare(Prepared *p, StoreTerms *terms, size_t n_passages, Err *err) {
    buf_clear(&p->text);
    buf_clear(&p->terms);
    for (size_t i = 0; i < n_passages; i++) {
        p->start[i] = p->text.n;
        p->terms_start[i] = p->terms.n;
        for (int w = 0; w < WORDS; w++) {
            append_word(&p->text, zipf());
            buf_append_byte(&p->text, ' ');
        }
        check(store_terms_build(terms, SLICE("some title"), SLICE_NULL,
                                slice_skip(buf_slice(&p->text), p->start[i]), "en", &p->terms, err),
              err);
    }
    p->start[n_passages] = p->text.n;
    p->terms_start[n_passages] = p->terms.n;
}

static void put(Store *store, const Prepared *p, size_t n_passages, size_t n_vector,
                int64_t embedder, size_t number, Err *err) {
    static char vector[8192];
    StorePassage passages[64];
    for (size_t i = 0; i < n_passages; i++) {
        for (size_t j = 0; j < n_vector; j += 8) {
            uint64_t r = next_random();
            memcpy(vector + j, &r, 8);
        }
        passages[i] = (StorePassage){
            .start = p->start[i],
            .end = p->start[i + 1],
            .vector = { vector, n_vector },
            .terms = { p->terms.p + p->terms_start[i], p->terms_start[i + 1] - p->terms_start[i] },
        };
    }
    char key[32];
    snprintf(key, sizeof key, "doc-%zu", number);
    StoreDocument d = { .collection = SLICE("default"),
                        .key = slice_of(key),
                        .title = SLICE("some title"),
                        .language = SLICE("en"),
                        .text = buf_slice(&p->text),
                        .passages = passages,
                        .n_passages = n_passages,
                        .embedder = embedder };
    check(hash_sha256(&d.text, 1, &d.version, err), err);
    StorePut ret;
    check(store_put(store, &d, &ret, NULL, err), err);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void ask(Store *store, const char *what, Err *err) {
    static double ms[QUESTIONS];
    StoreScope scope = { .collection = "default" };
    for (size_t i = 0; i < QUESTIONS; i++) {
        AUTO_ARENA Arena arena = ARENA_NULL;
        AUTO_BUF Buf question = BUF_NULL;
        for (int w = 0; w < 8; w++) {
            append_word(&question, zipf());
            buf_append_byte(&question, ' ');
        }
        StoreHit *hits;
        size_t n;
        int64_t start = clock_us();
        check(store_lexical(store, buf_slice(&question), "en", &scope, 100, &arena, &hits, &n, err),
              err);
        ms[i] = (double)(clock_us() - start) / 1000;
    }
    double first = ms[0];
    qsort(ms, QUESTIONS, sizeof *ms, compare);
    printf("lexical (%s): first %.2f ms, p50 %.2f, p90 %.2f, p99 %.2f, max %.2f\n", what, first,
           ms[QUESTIONS / 2], ms[QUESTIONS * 9 / 10], ms[QUESTIONS * 99 / 100], ms[QUESTIONS - 1]);
}

int main(int argc, char **argv) {
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t n_vector = argc > 2 ? MIN(strtoul(argv[2], NULL, 10), (size_t)8192) : 384;
    size_t each_doc = argc > 3 ? MIN(MAX(strtoul(argv[3], NULL, 10), (size_t)1), (size_t)64) : 10;
    char folder[] = "/tmp/fonte-store-bench-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    Err err = { 0 };
    Store *store;
    StoreOptions options = { .tokenizer = &tokenizer };
    check(store_open(folder, STORE_WRITE, &options, &store, &err), &err);
    StoreTerms *terms = store_terms_new(&tokenizer);
    Prepared p = { .text = BUF_NULL, .terms = BUF_NULL };
    int64_t put_us = 0, commit_us = 0, move_us = 0, prepare_us = 0, embedder = 0;
    size_t bytes = 0, pending = 0, term_bytes = 0;
    check(store_begin(store, &err), &err);
    if (n_vector) check(store_embedder(store, "bench", n_vector, &embedder, &err), &err);
    for (size_t i = 0; i < n; i += each_doc) {
        int64_t t0 = clock_us();
        prepare(&p, terms, each_doc, &err);
        int64_t t1 = clock_us();
        put(store, &p, each_doc, n_vector, embedder, i, &err);
        int64_t t2 = clock_us();
        bytes += p.text.n, pending += p.text.n, term_bytes += p.terms.n;
        prepare_us += t1 - t0;
        put_us += t2 - t1;
        if (pending < BATCH_BYTES && i + each_doc < n) continue;
        pending = 0;
        check(store_commit(store, &err), &err);
        int64_t t3 = clock_us();
        check(store_checkpoint(store, &err), &err);
        move_us += clock_us() - t3;
        commit_us += t3 - t2;
        check(store_begin(store, &err), &err);
    }
    store_rollback(store);
    StoreCounts counts;
    check(store_counts(store, &counts, &err), &err);
    double s = (double)(put_us + commit_us + move_us) / 1e6;
    printf("%zu passages, %.1f MB of text, %.1f MB of terms, %.1f MB on disk\n", counts.n_passages,
           (double)bytes / 1e6, (double)term_bytes / 1e6, (double)counts.n_file_bytes / 1e6);
    printf("write: %.1f MB/s (put %.2f s, commit %.2f, checkpoint %.2f; prepare %.2f beside)\n",
           (double)bytes / 1e6 / s, (double)put_us / 1e6, (double)commit_us / 1e6,
           (double)move_us / 1e6, (double)prepare_us / 1e6);
    Store *reader;
    int64_t t = clock_us();
    check(store_open(folder, STORE_READ, &options, &reader, &err), &err);
    printf("open: %.1f ms\n", (double)(clock_us() - t) / 1000);
    ask(reader, "first time", &err);
    ask(reader, "again", &err);
    store_close(reader);
    t = clock_us();
    if (argc > 4) check(store_verify(store, &err), &err);
    printf("verify: %.1f ms\n", (double)(clock_us() - t) / 1000);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("memory: %.1f MB at most\n", (double)usage.ru_maxrss / 1024);
    store_terms_free(terms);
    buf_deinit(&p.text);
    buf_deinit(&p.terms);
    t = clock_us();
    store_close(store);
    printf("close: %.1f ms\n", (double)(clock_us() - t) / 1000);
    char command[128];
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    return system(command) != 0;
}
