#include "store_fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>

static Err err;

static void setup(void) {
    cr_assert(mkdtemp(fixture_folder));
}

TestSuite(store, .init = setup, .fini = fixture_drop);

static Status open_as(StoreMode mode, Store **ret) {
    return store_open(fixture_folder, mode, &fixture_options, ret, &err);
}

static void shell(const char *format, ...) {
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void add(const char *text) {
    Store *store;
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_OK, "%s", err.text);
    FixtureDocument f = { .key = "k", .text = text };
    StorePut put;
    cr_assert_eq(fixture_add(store, &f, &put, &err), STATUS_OK);
    store = store_close(store);
}

Test(store, makes_a_private_folder_and_files) {
    char folder[64];
    snprintf(folder, sizeof folder, "%s/a/b", fixture_folder);
    Store *store;
    cr_assert_eq(store_open(folder, STORE_WRITE, &fixture_options, &store, &err), STATUS_OK, "%s",
                 err.text);
    struct stat st;
    cr_assert_eq(stat(folder, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700);
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        cr_assert_eq(fstatat(dirfd(dir), e->d_name, &st, 0), 0);
        cr_assert_eq(st.st_mode & 0777, 0600, "%s", e->d_name);
    }
    closedir(dir);
    store = store_close(store);
}

Test(store, keeps_what_was_committed_and_nothing_else) {
    add("one two");
    Store *store;
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_OK);
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    FixtureDocument f = { .key = "l", .text = "three" };
    StorePut put;
    cr_assert_eq(fixture_put(store, &f, 0, "", &put, NULL, &err), STATUS_OK);
    store = store_close(store);
    cr_assert_eq(open_as(STORE_READ, &store), STATUS_OK, "%s", err.text);
    StoreCounts counts;
    cr_assert_eq(store_counts(store, &counts, &err), STATUS_OK);
    cr_assert_eq(counts.n_documents, 1);
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_begin(store, &err), STATUS_INTERNAL);
    store = store_close(store);
}

Test(store, one_writer_at_a_time_in_this_process_and_others) {
    Store *store, *second;
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_OK);
    cr_assert_eq(open_as(STORE_WRITE, &second), STATUS_CONFLICT);
    cr_assert(strstr(err.text, "another process"));
    pid_t pid = fork();
    if (!pid) _exit(open_as(STORE_WRITE, &second) == STATUS_CONFLICT ? 7 : 1);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(WEXITSTATUS(status), 7);
    cr_assert_eq(open_as(STORE_READ, &second), STATUS_OK);
    second = store_close(second);
    store = store_close(store);
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_OK);
    store = store_close(store);
}

Test(store, reading_needs_an_index) {
    Store *store;
    cr_assert_eq(open_as(STORE_READ, &store), STATUS_NOT_FOUND);
    cr_assert(strstr(err.text, "fonte.db"));
}

Test(store, refuses_a_newer_schema_and_names_both_numbers) {
    add("one");
    shell("sqlite3 %s/fonte.db 'PRAGMA user_version = 77'", fixture_folder);
    Store *store;
    for (StoreMode mode = STORE_READ; mode <= STORE_WRITE; mode++) {
        cr_assert_eq(open_as(mode, &store), STATUS_TOO_NEW);
        cr_assert(strstr(err.text, "77") && strstr(err.text, "knows 2"), "%s", err.text);
    }
}

Test(store, refuses_databases_of_others) {
    Store *store;
    shell("sqlite3 %s/fonte.db 'CREATE TABLE t (x)'", fixture_folder);
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_DAMAGED);
    shell("echo 'this is no database, it is only text that was put there' > %s/fonte.db",
          fixture_folder);
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_DAMAGED);
    cr_assert_eq(open_as(STORE_READ, &store), STATUS_DAMAGED);
    shell("rm %s/fonte.db; mkdir %s/fonte.db", fixture_folder, fixture_folder);
    cr_assert_lt(open_as(STORE_WRITE, &store), 0);
}

Test(store, refuses_a_schema_with_a_table_missing) {
    add("one");
    shell("sqlite3 %s/fonte.db 'DROP TABLE vector'", fixture_folder);
    Store *store;
    cr_assert_eq(open_as(STORE_READ, &store), STATUS_DAMAGED);
    cr_assert(strstr(err.text, "vector"), "%s", err.text);
}

Test(store, another_tokenizer_rebuilds_the_lexical_index) {
    add("alpha betas");
    StoreTokenizer other = fixture_tokenizer;
    other.id = "test-2";
    StoreOptions options = { .tokenizer = &other };
    Store *store;
    cr_assert_eq(store_open(fixture_folder, STORE_READ, &options, &store, &err), STATUS_CONFLICT);
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &options, &store, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreScope scope = { .collection = "default" };
    StoreHit *hits;
    size_t n;
    cr_assert_eq(store_lexical(store, SLICE("beta"), "", &scope, 5, &arena, &hits, &n, &err),
                 STATUS_OK);
    cr_assert_eq(n, 1);
    store = store_close(store);
}

Test(store, schema_sql_is_the_sum_of_the_migrations) {
    add("one");
    shell("sqlite3 %s/fonte.db .schema | sed 's/IF NOT EXISTS //; /^CREATE TABLE .lexical_/d' | "
          "tr -d '\\n ' > %s/have",
          fixture_folder, fixture_folder);
    shell("sed -E 's/--.*//; /^(INSERT|PRAGMA)/d' %s/../index/schema.sql | tr -d '\\n ' > %s/want",
          getenv("FONTE_TESTS"), fixture_folder);
    shell("sed -i -E 's/\\/\\*[^*]*\\*\\///g' %s/have %s/want", fixture_folder, fixture_folder);
    shell("cmp %s/have %s/want", fixture_folder, fixture_folder);
}

/* As an earlier release left it. */
Test(store, brings_a_version_1_database_up_to_date) {
    add("one two");
    shell("sqlite3 %s/fonte.db 'DROP TABLE answer; PRAGMA user_version = 1'", fixture_folder);
    Store *store;
    cr_assert_eq(open_as(STORE_READ, &store), STATUS_CONFLICT);
    cr_assert(strstr(err.text, "schema 1"), "%s", err.text);
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_OK, "%s", err.text);
    StoreCounts counts;
    cr_assert_eq(store_counts(store, &counts, &err), STATUS_OK);
    cr_assert_eq(counts.n_documents, 1);
    cr_assert_eq(store_verify(store, &err), STATUS_OK, "%s", err.text);
    StoreAnswer answer = { .id = "a", .collection = "c", .record = SLICE("{}") };
    cr_assert_eq(store_begin(store, &err), STATUS_OK);
    cr_assert_eq(store_answer_put(store, &answer, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_commit(store, &err), STATUS_OK);
    store = store_close(store);
    shell("test $(sqlite3 %s/fonte.db 'PRAGMA user_version') = 2", fixture_folder);
}

Test(store, counts_and_moves_the_log) {
    Store *store;
    cr_assert_eq(open_as(STORE_WRITE, &store), STATUS_OK);
    for (int i = 0; i < 8; i++) {
        AUTO_FREE char *text = mem_alloc(1 << 20, 1);
        memset(text, 'a' + i, (1 << 20) - 1);
        FixtureDocument f = { .key = text + (1 << 20) - 8, .text = text };
        StorePut put;
        cr_assert_eq(fixture_add(store, &f, &put, &err), STATUS_OK, "%s", err.text);
    }
    char path[64];
    struct stat before, after;
    snprintf(path, sizeof path, "%s/fonte.db", fixture_folder);
    cr_assert_eq(stat(path, &before), 0);
    cr_assert_eq(store_checkpoint(store, &err), STATUS_OK);
    cr_assert_eq(stat(path, &after), 0);
    cr_assert_gt(after.st_size, before.st_size + (7 << 20));
    StoreCounts counts;
    cr_assert_eq(store_counts(store, &counts, &err), STATUS_OK);
    cr_assert_eq(counts.n_documents, 8);
    cr_assert_eq(counts.generation, 9); /* 8, and the tokenizer's first */
    cr_assert_gt(counts.n_file_bytes, 8u << 20);
    store = store_close(store);
}
