/* A thousand damaged databases: bytes, pages and ends of a small one changed at random. Whatever
 * the store does with them, it does with a status: no crash, no hang, and no passage whose bytes
 * are not within its text. All mutants run in one child process a hundred, so that a crash names
 * its seed. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/wait.h>

enum { MUTANTS = 1000, PER_CHILD = 50, PAGE = 8192 };

static Err err;
static uint64_t seed;

static size_t random_below(size_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return n ? (size_t)(seed >> 11) % n : 0;
}

static void fill(Store *store) {
    int64_t embedder = 0;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_embedder(store, "e", 2, &embedder, &err), STATUS_OK);
    cr_assert_eq(store_embedder_set_current(store, embedder, &err), STATUS_OK);
    for (int i = 0; i < 25; i++) {
        AUTO_BUF Buf text = BUF_NULL;
        for (int w = 0; w < 200; w++) {
            buf_printf(&text, "w%d%s", (w * (i + 3)) % 97, w % 50 == 49 ? "\n\n" : " ");
        }
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        FixtureDocument f = { .key = key, .title = "some title", .text = text.p, .date = "2023" };
        StorePut put;
        cr_assert_eq(fixture_put(store, &f, embedder, "12345678", &put, NULL, &err), STATUS_OK);
        if (i % 10 == 9) {
            cr_assert_eq(store_commit(store, &err), STATUS_OK);
            cr_assert_eq(store_begin(store, &err), STATUS_OK);
        }
    }
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
}

static void mutate(Buf *file) {
    size_t kind = random_below(5);
    if (kind == 0) { /* cut, anywhere or at a page */
        file->n = random_below(file->n);
        if (random_below(2)) file->n -= file->n % PAGE;
        return;
    }
    if (kind == 1) { /* a page is another page, or empty */
        size_t from = random_below(file->n / PAGE) * PAGE, to = random_below(file->n / PAGE) * PAGE;
        if (random_below(3))
            memmove(file->p + to, file->p + from, PAGE);
        else
            memset(file->p + to, 0, PAGE);
        return;
    }
    size_t near = random_below(2) ? random_below(file->n / PAGE) * PAGE : 0; /* heads of pages */
    for (size_t n = 1 + random_below(kind == 2 ? 1 : 24); n; n--) {
        size_t at = near ? near + random_below(64) : random_below(file->n);
        if (kind == 3)
            file->p[at] = (char)(file->p[at] ^ (1 << random_below(8)));
        else
            file->p[at] = (char)random_below(256);
    }
}

static Status take_vector(void *context, int64_t passage, Slice vector) {
    (void)context, (void)passage, (void)vector;
    return STATUS_OK;
}

/* Everything that reads, then what changes. Only answers of a damaged file may come. */
static void use(const char *folder, StoreMode mode) {
    Store *store;
    Status status = store_open(folder, mode, &fixture_options, &store, &err);
    if (status != STATUS_OK) return;
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreScope scope = { .collection = "default", .filters = { .date_from = "2020" } };
    StoreHit *hits;
    size_t n = 0;
    status =
        store_lexical(store, SLICE("w1 w5 w96 title"), "", &scope, 50, &arena, &hits, &n, &err);
    for (size_t i = 0; status == STATUS_OK && i < n; i++) {
        FontePassage *p;
        int64_t *there;
        size_t one;
        if (store_passages(store, &hits[i].passage, 1, &arena, &p, &there, &one, &err)) continue;
        if (one) cr_assert_eq(strnlen(p->text, p->end - p->start + 1) <= p->end - p->start, true);
    }
    FonteDocument *list;
    if (store_list(store, "", "", 100, &arena, &list, &n, &err) == STATUS_OK) {
        for (size_t i = 0; i < n; i++) {
            AUTO_BUF Buf text = BUF_NULL;
            (void)!store_read(store, list[i].id, STORE_TEXT, 0, SIZE_MAX, &text, &err);
        }
    }
    StoreUnembedded *u;
    StoreCounts counts;
    (void)!store_unembedded(store, 1, 0, 100, &arena, &u, &n, &err);
    (void)!store_vectors_each(store, 1, 0, take_vector, NULL, &err);
    (void)!store_counts(store, &counts, &err);
    (void)!store_verify(store, &err);
    if (mode == STORE_WRITE && store_begin(store, &err) == STATUS_OK) {
        FixtureDocument f = { .key = "k3", .text = "another text" };
        StorePut put;
        StoreIds removed = { 0 };
        status = fixture_put(store, &f, 1, "12345678", &put, &removed, &err);
        if (status == STATUS_OK) status = store_delete(store, put.id, &removed, &err);
        if (status == STATUS_OK) (void)!store_commit(store, &err);
        store_rollback(store);
        free(removed.ids);
    }
    store_close(store);
}

static void write_mutant(const char *folder, const Buf *original, uint64_t number) {
    seed = (number + 1) * 0x9E3779B97F4A7C15u;
    AUTO_BUF Buf file = BUF_NULL;
    buf_append_slice(&file, buf_slice(original));
    mutate(&file);
    char path[96];
    snprintf(path, sizeof path, "%s/fonte.db", folder);
    FILE *out = fopen(path, "wb");
    if (file.n) fwrite(file.p, 1, file.n, out);
    fclose(out);
    snprintf(path, sizeof path, "%s/fonte.db-wal", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/fonte.db-shm", folder);
    unlink(path);
}

static void run_child(const Buf *original, uint64_t first) {
    for (uint64_t i = first; i < first + PER_CHILD; i++) {
        alarm(20); /* a hang is a failure */
        write_mutant(fixture_folder, original, i);
        use(fixture_folder, STORE_READ);
        use(fixture_folder, STORE_WRITE);
    }
}

Test(damage, a_thousand_mutants_are_answered_with_a_status, .timeout = 280) {
    cr_assert(mkdtemp(fixture_folder));
    Store *store;
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err),
                 STATUS_OK);
    fill(store);
    store_close(store);
    char path[96];
    snprintf(path, sizeof path, "%s/fonte.db", fixture_folder);
    AUTO_BUF Buf original = BUF_NULL;
    FILE *in = fopen(path, "rb");
    char chunk[PAGE];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, in));) buf_append(&original, chunk, n);
    fclose(in);
    for (uint64_t first = 0; first < MUTANTS; first += PER_CHILD) {
        pid_t pid = fork();
        if (!pid) {
            run_child(&original, first);
            exit(0); /* leaks are looked for */
        }
        int status;
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "mutants from %llu: status %#x, last message: %s", (unsigned long long)first,
                  status, err.text);
    }
    fixture_drop();
}
