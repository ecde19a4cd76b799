/* Vectors at a start: from the snapshot where it is whole and of this database, else anew; either
 * way those of the passages that SQLite has. */
#include "search_fixture.h"

#include "base/buf.h"
#include "base/file.h"
#include "search/index_internal.h"
#include "search/terms_tokenizer.h"

#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(search_load, .init = make_folder, .fini = remove_folder);

enum { N = 60 };

/* ---- whether a start read the snapshot or built the vectors anew ---- */

static void note_stage(void *context, const char *stage, double ratio) {
    (void)ratio;
    if (strcmp(stage, "vectors") == 0) *(bool *)context = true;
}

static Index *open_noting(bool *ret_built) {
    Index *index = NULL;
    Err err = { 0 };
    *ret_built = false;
    Status status = index_open(folder, NULL, note_stage, ret_built, &index, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return index;
}

static void check_start(bool expect_built, size_t n_vectors) {
    bool built;
    Index *index = open_noting(&built);
    cr_assert_eq(built, expect_built);
    cr_assert_eq(status_of(index).n_vectors, n_vectors);
    verify(index);
    check_numbered(index, 0, n_vectors, 7);
    index_close(index);
}

static void make_index(void) {
    Index *index = open_index();
    add_many(index, N);
    index_close(index);
}

/* ---- files kept and put back, as a backup does ---- */

static void keep_file(const char *name, Buf *ret) {
    cr_assert_eq(file_read(path_of(name), 1 << 28, ret, NULL), STATUS_OK);
}

static void put_back(const char *name, const Buf *bytes) {
    FILE *file = fopen(path_of(name), "wb");
    cr_assert(file);
    if (bytes->n) cr_assert_eq(fwrite(bytes->p, 1, bytes->n, file), bytes->n);
    fclose(file);
}

/* What kill -9 does to an index that somebody changes: nothing is closed. */
static void change_and_die(void (*change)(Index *index)) {
    pid_t child = fork();
    if (child == 0) {
        Index *index = NULL;
        if (index_open(folder, NULL, NULL, NULL, &index, NULL) != STATUS_OK) _exit(1);
        change(index);
        _exit(0);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

/* ---- a whole snapshot ---- */

Test(search_load, a_whole_snapshot_is_read) {
    make_index();
    check_start(false, N);
    check_start(false, N);
}

static void change_much(Index *index) {
    char id[STORE_ID_BYTES];
    add_numbered(index, N, 40);
    add(index, WHALES, "many-5", id);
    cr_assert_eq(index_remove(index, id, NULL), STATUS_OK);
    char text[256];
    numbered_text(5, text);
    add(index, text, "many-5", NULL); /* under a new passage id */
}

Test(search_load, an_older_one_is_brought_up_to_date) {
    make_index();
    change_and_die(change_much);
    check_start(false, N + 40);
    check_start(false, N + 40);
}

/* ---- a missing or damaged one ---- */

Test(search_load, a_missing_one_is_built_anew_and_written_again) {
    make_index();
    cr_assert_eq(unlink(path_of("vectors.fonte")), 0);
    check_start(true, N);
    check_start(false, N);
}

Test(search_load, a_damaged_one_is_built_anew_and_written_again, .timeout = 120) {
    make_index();
    AUTO_BUF Buf whole = BUF_NULL;
    keep_file("vectors.fonte", &whole);
    for (size_t i = 0; i < 40; i++) {
        AUTO_BUF Buf damaged = BUF_NULL;
        buf_append(&damaged, whole.p, whole.n);
        size_t at = i < 20 ? i * 8 : whole.n * (i - 20) / 20;
        if (i % 3 == 0) {
            damaged.n = at;
        } else {
            damaged.p[at] ^= 0x40;
        }
        put_back("vectors.fonte", &damaged);
        check_start(true, N);
        check_start(false, N);
    }
}

Test(search_load, a_folder_in_its_place_is_no_reason_to_refuse) {
    make_index();
    cr_assert_eq(unlink(path_of("vectors.fonte")), 0);
    cr_assert_eq(mkdir(path_of("vectors.fonte"), 0700), 0);
    check_start(true, N);
    cr_assert_eq(rmdir(path_of("vectors.fonte")), 0);
}

/* ---- one of something else ---- */

Test(search_load, one_of_another_embedder_is_built_anew) {
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.embedder = "hash-1-128";
    Index *index = open_with(&options);
    add_many(index, N);
    index_close(index);
    AUTO_BUF Buf other = BUF_NULL;
    keep_file("vectors.fonte", &other);
    options.embedder = "hash-1-256";
    index = open_with(&options);
    settle(index);
    index_close(index);
    put_back("vectors.fonte", &other);
    check_start(true, N);
}

/* The ids of passages that the backup does not have are given a second time. With the snapshot of
 * the history that was undone, the new passages would be found by the vectors of the lost ones. */
static void add_to_the_restored(Index *index) {
    add_numbered(index, N, 30);
}

Test(search_load, one_of_a_later_generation_is_not_believed_now_or_later) {
    make_index();
    AUTO_BUF Buf backup = BUF_NULL;
    keep_file("fonte.db", &backup);
    Index *index = open_index();
    for (size_t i = 0; i < 3; i++) add_numbered(index, 500 + 30 * i, 30);
    index_close(index);
    put_back("fonte.db", &backup);
    unlink(path_of("fonte.db-wal"));
    unlink(path_of("fonte.db-shm"));
    change_and_die(add_to_the_restored);
    check_start(true, N + 30);
}

/* The same where it is the database that was deleted. */
static void add_from_the_start(Index *index) {
    for (size_t i = 0; i < 6; i++) add_numbered(index, 10 * i, 10);
}

Test(search_load, one_that_a_deleted_database_left_is_not_believed) {
    Index *index = open_index();
    for (size_t i = 0; i < 4; i++) add_numbered(index, 500 + 30 * i, 30);
    index_close(index);
    unlink(path_of("fonte.db"));
    unlink(path_of("fonte.db-wal"));
    unlink(path_of("fonte.db-shm"));
    change_and_die(add_from_the_start);
    check_start(true, N);
}

Test(search_load, a_reader_leaves_the_file_alone) {
    make_index();
    AUTO_BUF Buf damaged = BUF_NULL, after = BUF_NULL;
    keep_file("vectors.fonte", &damaged);
    damaged.p[300] ^= 1;
    put_back("vectors.fonte", &damaged);
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.read_only = true;
    Index *index = open_with(&options);
    verify(index);
    check_numbered(index, 0, N, 7);
    index_close(index);
    keep_file("vectors.fonte", &after);
    cr_assert(slice_equal(buf_slice(&damaged), buf_slice(&after)));
}

/* ---- building ---- */

/* An index that was moved to an embedder which has embedded nothing yet. */
Test(search_load, lists_without_anything_to_train_on_are_exact_and_empty) {
    make_index();
    StoreOptions options = { .tokenizer = terms_tokenizer() };
    Store *store;
    Err err = { 0 };
    cr_assert_eq(store_open(folder, STORE_WRITE, &options, &store, &err), STATUS_OK, "%s",
                 err.text);
    int64_t row;
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_embedder(store, "hash-1-64", 64, &row, &err), STATUS_OK);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    Vectors *vectors;
    cr_assert_eq(index_build_vectors(store, row, 64, true, NULL, NULL, &vectors, &err), STATUS_OK,
                 "%s", err.text);
    cr_assert_eq(vectors_kind(vectors), VECTORS_FLAT);
    cr_assert_eq(vectors_count(vectors), 0);
    vectors_free(vectors);
    store_close(store);
}

/* A vector of another length in the database is damage, not a crash. */
Test(search_load, a_vector_of_the_wrong_length_is_damage) {
    make_index();
    StoreOptions options = { .tokenizer = terms_tokenizer() };
    Store *store;
    Err err = { 0 };
    cr_assert_eq(store_open(folder, STORE_READ, &options, &store, &err), STATUS_OK, "%s", err.text);
    int64_t row;
    char name[64];
    cr_assert_eq(store_embedder_current(store, &row, name, &err), STATUS_OK);
    for (int ivf = 0; ivf < 2; ivf++) {
        Vectors *vectors = NULL;
        cr_assert_eq(index_build_vectors(store, row, 128, ivf, NULL, NULL, &vectors, &err),
                     STATUS_DAMAGED);
        cr_assert(strstr(err.text, "vector of passage 1 has 256 bytes, not 128"), "%s", err.text);
        cr_assert_null(vectors);
    }
    store_close(store);
}

/* Which passage it is must reach whoever asked. */
Test(search_load, a_difference_is_named_by_its_passage) {
    Index *index = open_index();
    add_many(index, N);
    const int64_t ids[] = { 17 };
    Err err = { 0 };
    cr_assert_eq(vectors_remove(index->live.vectors, ids, 1, &err), STATUS_OK);
    cr_assert_eq(index_verify(index, &err), STATUS_DAMAGED);
    cr_assert_str_eq(err.text, "vector of passage 17 is in the store, but not in memory");
    index->vectors_stale = true; /* as a commit marks it that could not follow */
    settle(index);
    verify(index);
    check_numbered(index, 0, N, 1);
    const int64_t more[] = { 5000 };
    float x[256] = { 1 };
    cr_assert_eq(vectors_add(index->live.vectors, more, x, 1, &err), STATUS_OK);
    cr_assert_eq(index_verify(index, &err), STATUS_DAMAGED);
    cr_assert_str_eq(err.text, "vector of passage 5000 is in memory, but not in the store");
    index_close(index);
    check_start(false, N);
}
