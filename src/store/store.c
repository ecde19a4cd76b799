/* Opening, closing, committing.
 *
 * Durability: journal_mode=WAL with synchronous=FULL, so a commit returns after the log's fsync;
 * the folder is synced once the file is made. The log is moved into the database by
 * store_checkpoint, off the path of requests; a commit does it itself only when the log has grown
 * far beyond that.
 *
 * Hardening: the file is input. SQLITE_DBCONFIG_DEFENSIVE, TRUSTED_SCHEMA off, no extensions, cell
 * size checks, no mmap (a truncated file would be SIGBUS), no views or triggers of the file's. */
#include "store/store_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CACHE_BYTES_DEFAULT = 32 << 20,
    POSTINGS_BYTES_DEFAULT = 32 << 20,
    BUSY_TIMEOUT_MS_DEFAULT = 5000,
    CHECKPOINT_FRAMES = (4 << 20) / STORE_PAGE_BYTES, /* store_checkpoint leaves less alone */
    WAL_MAX_FRAMES = (256 << 20) / STORE_PAGE_BYTES,  /* above, a commit moves the log itself */
    WAL_KEEP_BYTES = 64 << 20, /* a longer log file is cut when it starts again */
};

static void close_cleanup(int *fd) {
    if (*fd >= 0) close(*fd);
}

static Status path_in(const Store *store, const char *name, Buf *ret, Err *err) {
    buf_printf(ret, "%s/%s", store->folder, name);
    return buf_status(ret, err);
}

/* An OFD lock: dies with the process, also by kill -9, and holds against a second Store of this
 * process. */
static Status lock_folder(Store *store, Err *err) {
    AUTO_BUF Buf path = BUF_NULL;
    TRY(path_in(store, "lock", &path, err));
    store->lock_fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock_fd < 0) return err_set_errno(err, errno, "%s", path.p);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(store->lock_fd, F_OFD_SETLK, &lock) == 0) return STATUS_OK;
    if (errno == EAGAIN || errno == EACCES) {
        return err_set(err, STATUS_CONFLICT, "%s: another process writes to this index",
                       store->folder);
    }
    return err_set_errno(err, errno, "%s", path.p);
}

/* The database file with mode 0600; its log gets the same. */
static Status make_file(const char *path, Err *err) {
    CLEANUP(close_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? err_set_errno(err, errno, "%s", path) : STATUS_OK;
}

/* Names of files that were made or removed are on disk: without it, the rollback journal of the
 * change to WAL could come back after a power cut and undo it. */
static Status sync_folder(const Store *store, Err *err) {
    CLEANUP(close_cleanup)
    int folder = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 && fsync(folder) == 0) return STATUS_OK;
    return err_set_errno(err, errno, "%s", store->folder);
}

static Status configure(Store *store, Err *err) {
    const struct {
        int option, value;
    } options[] = { { SQLITE_DBCONFIG_DEFENSIVE, 1 },
                    { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
                    { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
                    { SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
                    { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
                    { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
                    { SQLITE_DBCONFIG_DQS_DML, 0 },
                    { SQLITE_DBCONFIG_DQS_DDL, 0 } };
    for (size_t i = 0; i < N_ELEMENTS(options); i++) {
        int code = sqlite3_db_config(store->db, options[i].option, options[i].value, NULL);
        if (code != SQLITE_OK) return store_db_error(store->db, code, "configure", err);
    }
    return STATUS_OK;
}

static Status set_pragmas(Store *store, const StoreOptions *options, Err *err) {
    size_t cache = options->cache_bytes ? options->cache_bytes : CACHE_BYTES_DEFAULT;
    char sql[512];
    snprintf(sql, sizeof sql,
             "PRAGMA page_size = %d; PRAGMA cache_size = -%zu; PRAGMA mmap_size = 0;"
             "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; PRAGMA secure_delete = FAST;"
             "PRAGMA journal_size_limit = %d; PRAGMA synchronous = %s; PRAGMA query_only = %s",
             STORE_PAGE_BYTES, MAX(cache / 1024, (size_t)64), WAL_KEEP_BYTES,
             options->synchronous_normal ? "NORMAL" : "FULL",
             store->mode == STORE_READ ? "ON" : "OFF");
    return store_exec(store, sql, err);
}

/* The log's length is noted; only one that has grown far beyond what store_checkpoint lets stand is
 * moved here, on the committing thread. A failure is not the commit's: that is durable already. */
static int after_commit(void *context, sqlite3 *db, const char *name, int n_frames) {
    Store *store = context;
    store->wal_frames = (size_t)n_frames;
    if (n_frames < WAL_MAX_FRAMES) return SQLITE_OK;
    int in_log, moved;
    if (sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved) ==
            SQLITE_OK &&
        in_log == moved) {
        store->wal_moved = store->wal_frames;
    }
    return SQLITE_OK;
}

static Status open_database(Store *store, const StoreOptions *options, Err *err) {
    AUTO_BUF Buf path = BUF_NULL;
    TRY(path_in(store, "fonte.db", &path, err));
    if (store->mode == STORE_WRITE) {
        TRY(make_file(path.p, err));
    } else if (access(path.p, F_OK) != 0) {
        return err_set_errno(err, errno, "%s", path.p);
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(path.p, &store->db, flags, NULL);
    if (code != SQLITE_OK) return store_db_error(store->db, code, "open", err);
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, options->busy_timeout_ms ? options->busy_timeout_ms
                                                             : BUSY_TIMEOUT_MS_DEFAULT);
    TRY(configure(store, err));
    TRY(set_pragmas(store, options, err));
    return store_fts_register(store, err);
}

static Status open_to_write(Store *store, Err *err) {
    TRY(store_exec(store, "PRAGMA journal_mode = WAL", err));
    sqlite3_wal_hook(store->db, after_commit, store);
    TRY(store_migrate(store, err));
    return sync_folder(store, err);
}

static Status open_to_read(Store *store, Err *err) {
    int64_t version;
    TRY(store_schema_version(store, &version, err));
    if (version != STORE_SCHEMA) {
        return err_set(err, STATUS_CONFLICT,
                       "%s: schema %lld, this program reads %d: open it for writing once",
                       store->folder, (long long)version, STORE_SCHEMA);
    }
    AUTO_ARENA Arena arena = ARENA_NULL;
    char *tokenizer;
    TRY(store_meta_text(store, "tokenizer", &arena, &tokenizer, err));
    if (strcmp(tokenizer, store->tokenizer->id) == 0) return STATUS_OK;
    return err_set(err, STATUS_CONFLICT,
                   "%s: its lexical index is of tokenizer %.40s, not %.40s: open it for writing "
                   "once",
                   store->folder, tokenizer, store->tokenizer->id);
}

/* Every statement compiles: a table or column that is missing is found now, not in a request. */
static Status prepare_all(Store *store, Err *err) {
    for (int i = 0; i < STORE_N_SQL; i++) {
        sqlite3_stmt *statement = NULL;
        TRY(store_sql(store, (StoreSql)i, &statement, err));
    }
    return STATUS_OK;
}

static Status open_all(Store *store, const StoreOptions *options, Err *err) {
    if (store->mode == STORE_WRITE) {
        TRY(file_make_dirs(store->folder, 0700, err));
        TRY(lock_folder(store, err));
    }
    TRY(open_database(store, options, err));
    TRY(store->mode == STORE_WRITE ? open_to_write(store, err) : open_to_read(store, err));
    return prepare_all(store, err);
}

Status store_open(const char *folder, StoreMode mode, const StoreOptions *options, Store **ret,
                  Err *err) {
    Store *store = mem_alloc(1, sizeof *store);
    if (!store) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", folder);
    store->lock_fd = -1;
    store->mode = mode;
    store->tokenizer = options->tokenizer;
    store->postings_bytes =
        options->postings_bytes ? options->postings_bytes : POSTINGS_BYTES_DEFAULT;
    store->folder = mem_copy_string(folder, strlen(folder));
    store->terms = store_terms_new(options->tokenizer);
    Status status = store->folder && store->terms
                        ? open_all(store, options, err)
                        : err_set(err, STATUS_NO_MEMORY, "%s: out of memory", folder);
    if (status != STATUS_OK) {
        store_close(store);
        return status;
    }
    *ret = store;
    return STATUS_OK;
}

Store *store_close(Store *store) {
    if (!store) return NULL;
    store_rollback(store);
    for (int i = 0; i < STORE_N_SQL; i++) sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db); /* the last one moves the log into the database */
    store_terms_free(store->terms);
    store_postings_free(store);
    store_table_free(store);
    close_cleanup(&store->lock_fd);
    free(store->scores);
    free(store->folder);
    free(store);
    return NULL;
}

/* ---- reads ---- */

Status store_read_begin(Store *store, Err *err) {
    TRY(store_need_no_change(store, err));
    StoreSnapshot snapshot;
    TRY(store_snapshot_begin(store, &snapshot, err));
    if (snapshot.store) return STATUS_OK;
    return err_set(err, STATUS_INTERNAL, "index: reads that belong together within others");
}

void store_read_end(Store *store) {
    store_snapshot_end(&(StoreSnapshot){ store });
}

/* ---- changes ---- */

static Status begin_numbers(Store *store, Err *err) {
    TRY(store_meta_int(store, "generation", &store->generation, err));
    TRY(store_meta_int(store, "next_document", &store->next_document, err));
    TRY(store_meta_int(store, "next_passage", &store->next_passage, err));
    if (store->next_document < 1 || store->next_passage < 1) {
        return store_damaged(err, "meta: ids start at 1");
    }
    return STATUS_OK;
}

Status store_begin(Store *store, Err *err) {
    if (store->mode != STORE_WRITE) {
        return err_set(err, STATUS_INTERNAL, "index: a change on a connection that reads");
    }
    TRY(store_need_no_change(store, err));
    sqlite3_stmt *begin = NULL;
    TRY(store_sql(store, SQL_BEGIN_WRITE, &begin, err));
    TRY(store_run(store, begin, err));
    store->in_change = true;
    store->changed = false;
    Status status = begin_numbers(store, err);
    if (status != STATUS_OK) store_rollback(store);
    return status;
}

static Status commit_numbers(Store *store, Err *err) {
    if (!store->changed) return STATUS_OK;
    TRY(store_meta_set_int(store, "generation", store->generation + 1, err));
    TRY(store_meta_set_int(store, "next_document", store->next_document, err));
    TRY(store_meta_set_int(store, "next_passage", store->next_passage, err));
    sqlite3_stmt *trim = NULL;
    TRY(store_sql(store, SQL_REMOVED_TRIM, &trim, err));
    sqlite3_bind_int64(trim, 1, store->generation + 1 - STORE_REMOVED_GENERATIONS);
    return store_run(store, trim, err);
}

Status store_commit(Store *store, Err *err) {
    TRY(store_need_change(store, err));
    /* A statement that failed for want of memory or room may have ended the transaction: what
     * follows would be committed alone. */
    Status status = STATUS_OK;
    if (sqlite3_get_autocommit(store->db)) {
        status = err_set(err, STATUS_IO, "index: the change was undone by an earlier failure");
    }
    if (status == STATUS_OK) status = commit_numbers(store, err);
    sqlite3_stmt *commit = NULL;
    if (status == STATUS_OK) status = store_sql(store, SQL_COMMIT, &commit, err);
    if (status == STATUS_OK) status = store_run(store, commit, err);
    if (status == STATUS_OK)
        store->in_change = false;
    else
        store_rollback(store);
    return status;
}

void store_rollback(Store *store) {
    if (!store->in_change) return;
    store->in_change = false;
    for (int i = 0; i < STORE_N_SQL; i++) sqlite3_reset(store->statements[i]);
    if (!sqlite3_get_autocommit(store->db)) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* ---- state ---- */

Status store_checkpoint(Store *store, Err *err) {
    if (store->wal_frames < CHECKPOINT_FRAMES || store->wal_frames == store->wal_moved) {
        return STATUS_OK;
    }
    int in_log = 0, moved = 0;
    int code =
        sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
    if (code == SQLITE_BUSY) return STATUS_OK; /* another connection does it */
    if (code != SQLITE_OK) return store_db_error(store->db, code, "checkpoint", err);
    if (in_log == moved) store->wal_moved = store->wal_frames;
    return STATUS_OK;
}

static size_t file_bytes(const Store *store, const char *name) {
    AUTO_BUF Buf path = BUF_NULL;
    struct stat st;
    if (path_in(store, name, &path, NULL) != STATUS_OK || stat(path.p, &st) != 0) return 0;
    return (size_t)st.st_size;
}

static Status count_two(Store *store, StoreSql sql, size_t *ret_a, size_t *ret_b, Err *err) {
    AUTO_RESET sqlite3_stmt *count = NULL;
    bool row = false;
    TRY(store_sql(store, sql, &count, err));
    TRY(store_step(store, count, &row, err));
    *ret_a = row ? (size_t)sqlite3_column_int64(count, 0) : 0;
    if (ret_b) *ret_b = row ? (size_t)sqlite3_column_int64(count, 1) : 0;
    return STATUS_OK;
}

static Status count_vectors(Store *store, size_t *ret, Err *err) {
    int64_t current;
    TRY(store_meta_int(store, "embedder", &current, err));
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_EMBEDDER_BY_ID, &get, err));
    sqlite3_bind_int64(get, 1, current);
    TRY(store_step(store, get, &row, err));
    *ret = row ? (size_t)sqlite3_column_int64(get, 1) : 0;
    return STATUS_OK;
}

Status store_counts(Store *store, StoreCounts *ret, Err *err) {
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    StoreCounts counts = { 0 };
    TRY(store_meta_int(store, "generation", &counts.generation, err));
    TRY(count_two(store, SQL_COUNT_COLLECTIONS, &counts.n_documents, &counts.n_passages, err));
    TRY(count_two(store, SQL_COUNT_LEXICAL, &counts.n_lexical, NULL, err));
    TRY(count_vectors(store, &counts.n_vectors, err));
    counts.n_file_bytes = file_bytes(store, "fonte.db") + file_bytes(store, "fonte.db-wal");
    *ret = counts;
    return STATUS_OK;
}
