/* SQLite behind Status. Foreign codes stop here: what the database says of itself is DAMAGED, what
 * the disk says NO_SPACE or IO, a lock that does not come free TIMEOUT. Our statements are
 * constant, so one that does not compile or breaks a constraint tells of a schema that is not ours:
 * DAMAGED as well. */
#include "store/store_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const sql_texts[STORE_N_SQL] = {
#define STORE_SQL_TEXT(name, text) [SQL_##name] = text,
    STORE_SQL_TABLE(STORE_SQL_TEXT)
#undef STORE_SQL_TEXT
};

static Status status_of_io(sqlite3 *db, int extended) {
    if (extended == SQLITE_IOERR_NOMEM) return STATUS_NO_MEMORY;
    if (extended == SQLITE_IOERR_CORRUPTFS) return STATUS_DAMAGED;
    int e = db ? sqlite3_system_errno(db) : 0;
    if (e == ENOSPC || e == EDQUOT || e == EFBIG) return STATUS_NO_SPACE;
    /* A log or database that ends in the middle of a page was cut off. */
    if (extended == SQLITE_IOERR_SHORT_READ) return STATUS_DAMAGED;
    return STATUS_IO;
}

static Status status_of_sqlite(sqlite3 *db, int code, int extended) {
    switch (code & 0xff) {
    case SQLITE_NOMEM: return STATUS_NO_MEMORY;
    case SQLITE_FULL: return STATUS_NO_SPACE;
    case SQLITE_IOERR: return status_of_io(db, extended);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return STATUS_TIMEOUT;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return STATUS_DENIED;
    case SQLITE_CANTOPEN: return STATUS_IO;
    case SQLITE_TOOBIG: return STATUS_TOO_LARGE;
    case SQLITE_INTERRUPT: return STATUS_CANCELLED;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_INTERNAL: return STATUS_INTERNAL;
    default: return STATUS_DAMAGED; /* CORRUPT, NOTADB, ERROR, CONSTRAINT, SCHEMA, MISMATCH */
    }
}

Status store_db_error(sqlite3 *db, int code, const char *what, Err *err) {
    int extended = db ? sqlite3_extended_errcode(db) : code;
    if ((extended & 0xff) != (code & 0xff)) extended = code;
    Status status = status_of_sqlite(db, code, extended);
    const char *text = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    int e = db ? sqlite3_system_errno(db) : 0;
    bool of_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN ||
                     (code & 0xff) == SQLITE_FULL;
    if (of_system && e) {
        return err_set(err, status, "index: %s: %s (SQLite %d): %s", what, text, extended,
                       strerror(e));
    }
    return err_set(err, status, "index: %s: %s (SQLite %d)", what, text, extended);
}

Status store_damaged(Err *err, const char *format, ...) {
    if (!err) return STATUS_DAMAGED;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(err, STATUS_DAMAGED, "index: %s", text);
}

Status store_sql(Store *store, StoreSql sql, sqlite3_stmt **ret, Err *err) {
    sqlite3_stmt **kept = &store->statements[sql];
    if (!*kept) {
        int code = sqlite3_prepare_v3(store->db, sql_texts[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                      kept, NULL);
        if (code != SQLITE_OK) return store_db_error(store->db, code, "prepare", err);
    }
    sqlite3_reset(*kept);
    *ret = *kept;
    return STATUS_OK;
}

Status store_step(Store *store, sqlite3_stmt *statement, bool *ret_row, Err *err) {
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return store_db_error(store->db, code, "statement", err);
    }
    *ret_row = code == SQLITE_ROW;
    return STATUS_OK;
}

Status store_run(Store *store, sqlite3_stmt *statement, Err *err) {
    bool row = false;
    Status status = store_step(store, statement, &row, err);
    sqlite3_reset(statement);
    return status;
}

Status store_exec(Store *store, const char *sql, Err *err) {
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? STATUS_OK : store_db_error(store->db, code, "statement", err);
}

Status store_bind_text(Store *store, sqlite3_stmt *statement, int n, Slice text, Err *err) {
    int code =
        sqlite3_bind_text64(statement, n, text.n ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
    return code == SQLITE_OK ? STATUS_OK : store_db_error(store->db, code, "bind", err);
}

Status store_bind_blob(Store *store, sqlite3_stmt *statement, int n, Slice bytes, Err *err) {
    int code = sqlite3_bind_blob64(statement, n, bytes.n ? bytes.p : "", bytes.n, SQLITE_STATIC);
    return code == SQLITE_OK ? STATUS_OK : store_db_error(store->db, code, "bind", err);
}

Slice store_column(sqlite3_stmt *statement, int n) {
    const void *p = sqlite3_column_blob(statement, n); /* text as it is: no conversion */
    int n_bytes = sqlite3_column_bytes(statement, n);
    return p && n_bytes > 0 ? (Slice){ p, (size_t)n_bytes } : SLICE_NULL;
}

Status store_snapshot_begin(Store *store, StoreSnapshot *ret, Err *err) {
    if (!sqlite3_get_autocommit(store->db)) {
        ret->store = NULL;
        return STATUS_OK;
    }
    sqlite3_stmt *begin = NULL;
    TRY(store_sql(store, SQL_BEGIN_READ, &begin, err));
    TRY(store_run(store, begin, err));
    ret->store = store;
    return STATUS_OK;
}

void store_snapshot_end(StoreSnapshot *snapshot) {
    Store *store = snapshot->store;
    if (!store || sqlite3_get_autocommit(store->db)) return;
    sqlite3_stmt *end = NULL;
    /* Nothing was written: a commit that fails leaves nothing but the snapshot, and the rollback
     * below ends that. */
    if (store_sql(store, SQL_COMMIT, &end, NULL) == STATUS_OK &&
        store_run(store, end, NULL) == STATUS_OK) {
        return;
    }
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

/* The row of meta, to be read and reset by the caller. */
static Status meta_row(Store *store, const char *name, int type, sqlite3_stmt **ret, Err *err) {
    sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_META_GET, &get, err));
    TRY(store_bind_text(store, get, 1, slice_of(name), err));
    TRY(store_step(store, get, &row, err));
    if (!row || sqlite3_column_type(get, 0) != type) {
        sqlite3_reset(get);
        return store_damaged(err, "meta: %s is missing or of a wrong type", name);
    }
    *ret = get;
    return STATUS_OK;
}

Status store_meta_int(Store *store, const char *name, int64_t *ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    TRY(meta_row(store, name, SQLITE_INTEGER, &get, err));
    int64_t value = sqlite3_column_int64(get, 0);
    if (value < 0) return store_damaged(err, "meta: %s is negative", name);
    *ret = value;
    return STATUS_OK;
}

Status store_meta_text(Store *store, const char *name, Arena *arena, char **ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    TRY(meta_row(store, name, SQLITE_TEXT, &get, err));
    char *text = arena_string(arena, store_column(get, 0));
    if (!text) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    *ret = text;
    return STATUS_OK;
}

Status store_meta_set_int(Store *store, const char *name, int64_t value, Err *err) {
    sqlite3_stmt *set = NULL;
    TRY(store_sql(store, SQL_META_SET, &set, err));
    TRY(store_bind_text(store, set, 1, slice_of(name), err));
    sqlite3_bind_int64(set, 2, value);
    return store_run(store, set, err);
}

Status store_meta_set_text(Store *store, const char *name, Slice value, Err *err) {
    sqlite3_stmt *set = NULL;
    TRY(store_sql(store, SQL_META_SET, &set, err));
    TRY(store_bind_text(store, set, 1, slice_of(name), err));
    TRY(store_bind_text(store, set, 2, value, err));
    return store_run(store, set, err);
}

Status store_need_change(const Store *store, Err *err) {
    if (store->in_change) return STATUS_OK;
    return err_set(err, STATUS_INTERNAL, "index: a change outside store_begin and store_commit");
}

Status store_need_no_change(const Store *store, Err *err) {
    if (!store->in_change) return STATUS_OK;
    return err_set(err, STATUS_INTERNAL, "index: a search between store_begin and store_commit");
}
