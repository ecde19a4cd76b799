/* The snapshot file: whole, it gives back what was written; with anything wrong, it is refused with
 * the path and the reason before FAISS sees a byte. */
#include "search/snapshot.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIM = 64, N = 300, N_MUTANTS = 1000, HEADER_BYTES = 112, TAIL_BYTES = 40 };

static char folder[] = "/tmp/fonte-test-snapshot-XXXXXX";
static char path[64];

static void make(void) {
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/vectors.fonte", folder);
}

static void drop(void) {
    unlink(path);
    rmdir(path);
    cr_assert_eq(rmdir(folder), 0, "nothing else is left in the folder");
}

TestSuite(search_snapshot, .init = make, .fini = drop);

static uint64_t state = 0x9E3779B97F4A7C15ULL;

static uint64_t random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static Vectors *new_vectors(VectorsKind kind) {
    float *x = malloc(N * DIM * sizeof *x);
    int64_t ids[N];
    for (size_t i = 0; i < N; i++) {
        double square = 0;
        for (size_t j = 0; j < DIM; j++) {
            x[i * DIM + j] = (float)(int32_t)random64();
            square += (double)x[i * DIM + j] * (double)x[i * DIM + j];
        }
        for (size_t j = 0; j < DIM; j++) x[i * DIM + j] /= (float)sqrt(square);
        ids[i] = (int64_t)(3 * i + 1);
    }
    Vectors *vectors;
    Err err = { 0 };
    Status status = kind == VECTORS_FLAT ? vectors_new_flat(DIM, &vectors, &err)
                                         : vectors_new_ivf(DIM, N, x, N, &vectors, &err);
    if (status == STATUS_OK) status = vectors_add(vectors, ids, x, N, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    free(x);
    return vectors;
}

static const SnapshotInfo info = {
    .embedder = "hash-1-64", .generation = 0x0102030405060708, .n_vectors = N, .max_id = 3 * N - 2
};

static void write_kind(VectorsKind kind) {
    Vectors *vectors = new_vectors(kind);
    Err err = { 0 };
    cr_assert_eq(snapshot_write(path, &info, vectors, &err), STATUS_OK, "%s", err.text);
    vectors_free(vectors);
}

/* Read it; on OK throw it away. */
static Status read_as(const char *embedder, size_t dim, Err *err) {
    SnapshotInfo got;
    Vectors *vectors;
    *err = (Err){ 0 };
    Status status = snapshot_read(path, embedder, dim, &got, &vectors, err);
    if (status == STATUS_OK) {
        vectors_free(vectors);
    } else {
        cr_assert(strstr(err->text, path), "the path is named: %s", err->text);
    }
    return status;
}

static void put_bytes(const Buf *bytes) {
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    if (bytes->n) cr_assert_eq(fwrite(bytes->p, 1, bytes->n, file), bytes->n);
    fclose(file);
}

static void get_bytes(Buf *ret) {
    buf_clear(ret);
    cr_assert_eq(file_read(path, 1 << 26, ret, NULL), STATUS_OK);
}

static uint64_t number_at(const Buf *bytes, size_t at, size_t width) {
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) value |= (uint64_t)(unsigned char)bytes->p[at + i] << 8 * i;
    return value;
}

static const VectorsKind kinds[] = { VECTORS_FLAT, VECTORS_IVF };

/* ---- whole ---- */

Test(search_snapshot, gives_back_what_was_written) {
    for (size_t k = 0; k < N_ELEMENTS(kinds); k++) {
        Vectors *vectors = new_vectors(kinds[k]), *again = NULL;
        SnapshotInfo got;
        Err err = { 0 };
        cr_assert_eq(snapshot_write(path, &info, vectors, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(snapshot_read(path, "hash-1-64", DIM, &got, &again, &err), STATUS_OK, "%s",
                     err.text);
        cr_assert_str_eq(got.embedder, info.embedder);
        cr_assert_eq(got.generation, info.generation);
        cr_assert_eq(got.n_vectors, N);
        cr_assert_eq(got.max_id, info.max_id);
        cr_assert_eq(vectors_kind(again), kinds[k]);
        int64_t *a, *b;
        size_t n_a, n_b;
        cr_assert_eq(vectors_ids(vectors, &a, &n_a, NULL), STATUS_OK);
        cr_assert_eq(vectors_ids(again, &b, &n_b, NULL), STATUS_OK);
        cr_assert_eq(n_a, n_b);
        cr_assert_arr_eq(a, b, n_a * sizeof *a);
        free(a);
        free(b);
        vectors_free(vectors);
        vectors_free(again);
    }
}

Test(search_snapshot, an_empty_one_is_whole_too) {
    Vectors *vectors, *again;
    SnapshotInfo none = { .embedder = "hash-1-64" }, got;
    cr_assert_eq(vectors_new_flat(DIM, &vectors, NULL), STATUS_OK);
    cr_assert_eq(snapshot_write(path, &none, vectors, NULL), STATUS_OK);
    cr_assert_eq(snapshot_read(path, "hash-1-64", DIM, &got, &again, NULL), STATUS_OK);
    cr_assert_eq(vectors_count(again), 0);
    vectors_free(vectors);
    vectors_free(again);
}

/* index/FORMAT.md's table. */
Test(search_snapshot, is_as_the_format_says) {
    for (size_t k = 0; k < N_ELEMENTS(kinds); k++) {
        write_kind(kinds[k]);
        AUTO_BUF Buf bytes = BUF_NULL;
        get_bytes(&bytes);
        cr_assert_arr_eq(bytes.p, "FONTEVEC", 8);
        cr_assert_eq(number_at(&bytes, 8, 4), 1);
        cr_assert_eq(number_at(&bytes, 12, 4), k + 1);
        cr_assert_eq(number_at(&bytes, 16, 4), DIM);
        cr_assert_eq(number_at(&bytes, 20, 4), 0);
        cr_assert_eq(number_at(&bytes, 24, 8), info.generation);
        cr_assert_eq(number_at(&bytes, 32, 8), N);
        cr_assert_eq(number_at(&bytes, 40, 8), 3 * N - 2);
        char name[64] = "hash-1-64";
        cr_assert_arr_eq(bytes.p + 48, name, 64);
        cr_assert_arr_eq(bytes.p + HEADER_BYTES, k == 0 ? "IxM2" : "IwSq", 4);
        cr_assert_eq(number_at(&bytes, bytes.n - TAIL_BYTES, 8), bytes.n);
        Hash hash;
        Slice all = { bytes.p, bytes.n - HASH_BYTES };
        cr_assert_eq(hash_sha256(&all, 1, &hash, NULL), STATUS_OK);
        cr_assert_arr_eq(bytes.p + all.n, hash.bytes, HASH_BYTES);
        struct stat st;
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0600);
    }
}

Test(search_snapshot, of_another_embedder_is_a_conflict_and_none_is_not_found) {
    Err err;
    cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_NOT_FOUND);
    write_kind(VECTORS_FLAT);
    cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_OK);
    cr_assert_eq(read_as("hash-2-64", DIM, &err), STATUS_CONFLICT);
    cr_assert(strstr(err.text, "hash-1-64"), "%s", err.text);
    cr_assert_eq(read_as("hash-1-6", DIM, &err), STATUS_CONFLICT);
    cr_assert_eq(read_as("hash-1-64", DIM + 32, &err), STATUS_CONFLICT);
}

/* ---- damaged ---- */

Test(search_snapshot, something_else_in_its_place_is_damage) {
    Err err;
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_DAMAGED);
    rmdir(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_DAMAGED,
                 "and it does not wait for a pipe");
    unlink(path);
    const char *texts[] = { "", "x", "FONTEVEC", "SQLite format 3" };
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        AUTO_BUF Buf bytes = BUF_NULL;
        buf_append(&bytes, texts[i], strlen(texts[i]));
        put_bytes(&bytes);
        cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_DAMAGED);
    }
    AUTO_BUF Buf zeros = BUF_NULL;
    for (size_t i = 0; i < 100000; i++) buf_append_byte(&zeros, '\0');
    put_bytes(&zeros);
    cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_DAMAGED);
}

/* One change of the kinds that disks, copies and crashes make. */
static void mutate(Buf *b) {
    size_t n = b->n, at = random64() % 4 ? random64() % n : random64() % MIN(n, 400);
    size_t length = 1 + random64() % MIN(n - at, 4096);
    switch (random64() % 7) {
    case 0: b->n = at; break;                                     /* cut off */
    case 1: memset(b->p + at, 0, length); break;                  /* a hole */
    case 2: memmove(b->p + at, b->p, MIN(length, n - at)); break; /* a block in another's place */
    case 3: b->p[at] = (char)(b->p[at] + 1 + random64() % 255); break;
    case 4: /* longer */
        for (size_t i = 0; i < length; i++) buf_append_byte(b, (char)random64());
        break;
    case 5: /* bytes missing in the middle */
        memmove(b->p + at, b->p + at + length, n - at - length);
        b->n -= length;
        break;
    default: b->p[at] = (char)(b->p[at] ^ (1 << random64() % 8)); break;
    }
}

static void check_mutants(VectorsKind kind) {
    write_kind(kind);
    AUTO_BUF Buf whole = BUF_NULL;
    get_bytes(&whole);
    size_t n_damaged = 0;
    for (size_t i = 0; i < N_MUTANTS; i++) {
        AUTO_BUF Buf mutant = BUF_NULL;
        buf_append(&mutant, whole.p, whole.n);
        mutate(&mutant);
        bool same = slice_equal(buf_slice(&mutant), buf_slice(&whole));
        put_bytes(&mutant);
        Err err;
        Status status = read_as("hash-1-64", DIM, &err);
        cr_assert_eq(status, same ? STATUS_OK : STATUS_DAMAGED, "mutant %zu: %d %s", i, status,
                     err.text);
        n_damaged += !same;
    }
    cr_assert_gt(n_damaged, N_MUTANTS * 9 / 10);
}

Test(search_snapshot, a_thousand_damaged_flat_ones_are_refused, .timeout = 120) {
    check_mutants(VECTORS_FLAT);
}

Test(search_snapshot, a_thousand_damaged_lists_are_refused, .timeout = 120) {
    check_mutants(VECTORS_IVF);
}

Test(search_snapshot, cut_off_anywhere_it_is_refused, .timeout = 120) {
    write_kind(VECTORS_IVF);
    AUTO_BUF Buf bytes = BUF_NULL;
    get_bytes(&bytes);
    size_t whole = bytes.n;
    for (size_t n = 0; n < whole; n += n < 300 || n + 300 > whole ? 1 : 211) {
        bytes.n = n;
        put_bytes(&bytes);
        Err err;
        cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_DAMAGED, "%zu bytes", n);
    }
}

/* A hash that fits does not make a header right: another version's program wrote it. */
Test(search_snapshot, a_header_that_is_not_this_version_s_is_refused) {
    const struct {
        size_t at;
        char byte;
        const char *why;
    } rows[] = {
        { 0, 'G', "not a snapshot" }, { 8, 2, "not a snapshot of this version" },
        { 12, 0, "unknown kind" },    { 12, 3, "unknown kind" },
        { 32, 1, "not as many" },     { 12, 2, "not the vectors that the header tells of" },
    };
    write_kind(VECTORS_FLAT);
    AUTO_BUF Buf whole = BUF_NULL;
    get_bytes(&whole);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        AUTO_BUF Buf bytes = BUF_NULL;
        buf_append(&bytes, whole.p, whole.n);
        bytes.p[rows[i].at] = rows[i].byte;
        Hash hash;
        Slice all = { bytes.p, bytes.n - HASH_BYTES };
        cr_assert_eq(hash_sha256(&all, 1, &hash, NULL), STATUS_OK);
        memcpy(bytes.p + all.n, hash.bytes, HASH_BYTES);
        put_bytes(&bytes);
        Err err;
        cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_DAMAGED, "row %zu", i);
        cr_assert(strstr(err.text, rows[i].why), "row %zu: %s", i, err.text);
    }
}

/* ---- writing that fails ---- */

Test(search_snapshot, without_room_the_old_one_stays) {
    write_kind(VECTORS_FLAT);
    AUTO_BUF Buf before = BUF_NULL, after = BUF_NULL;
    get_bytes(&before);
    Vectors *vectors = new_vectors(VECTORS_IVF);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    const rlim_t rooms[] = { 0, 50, 112, 4096, 20000 };
    for (size_t i = 0; i < N_ELEMENTS(rooms); i++) {
        small.rlim_cur = rooms[i];
        setrlimit(RLIMIT_FSIZE, &small);
        Err err = { 0 };
        Status status = snapshot_write(path, &info, vectors, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        cr_assert_lt(status, 0, "room for %d bytes", (int)rooms[i]);
        cr_assert(strstr(err.text, path), "%s", err.text);
        get_bytes(&after);
        cr_assert(slice_equal(buf_slice(&before), buf_slice(&after)));
    }
    vectors_free(vectors);
    Err err;
    cr_assert_eq(read_as("hash-1-64", DIM, &err), STATUS_OK);
}
