/* The schema is the sum of index/migrations/NNNN_*.sql, which the build turns into
 * store_migrations[]. All that a database lacks are applied in one transaction, so that it has
 * either the schema it had or the newest. PRAGMA user_version counts them; application_id tells our
 * databases from others. */
#include "store/migrations.h"
#include "store/store_internal.h"

#include <stdio.h>

static Status pragma_int(Store *store, const char *sql, int64_t *ret, Err *err) {
    sqlite3_stmt *get = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &get, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(get);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(get, 0) : 0;
    Status status =
        code == SQLITE_ROW ? STATUS_OK : store_db_error(store->db, code, "read the schema", err);
    sqlite3_finalize(get);
    if (status == STATUS_OK) *ret = value;
    return status;
}

Status store_schema_version(Store *store, int64_t *ret_version, Err *err) {
    int64_t application, version, tables;
    TRY(pragma_int(store, "PRAGMA application_id", &application, err));
    TRY(pragma_int(store, "PRAGMA user_version", &version, err));
    TRY(pragma_int(store, "SELECT count(*) FROM sqlite_schema", &tables, err));
    if (application == 0 && version == 0 && tables == 0) {
        *ret_version = 0;
        return STATUS_OK;
    }
    if (application != STORE_APPLICATION || version < 1) {
        return store_damaged(err, "%s/fonte.db is not a database of Fonte", store->folder);
    }
    if (version > STORE_SCHEMA) {
        return err_set(err, STATUS_TOO_NEW,
                       "index: %s/fonte.db has schema %lld, this program knows %d: use a newer one",
                       store->folder, (long long)version, STORE_SCHEMA);
    }
    *ret_version = version;
    return STATUS_OK;
}

static Status apply(Store *store, int64_t version, Err *err) {
    for (int64_t v = version; v < STORE_SCHEMA; v++) {
        Status status = store_exec(store, store_migrations[v].sql, err);
        if (status != STATUS_OK) {
            return err_prefix(err, status, "migration %s", store_migrations[v].name);
        }
    }
    char set[96];
    snprintf(set, sizeof set, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             STORE_APPLICATION, STORE_SCHEMA);
    return store_exec(store, set, err);
}

/* The lexical index belongs to one tokenizer: another one's terms would never be found, and could
 * not be deleted. */
static Status match_tokenizer(Store *store, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    char *id;
    TRY(store_meta_text(store, "tokenizer", &arena, &id, err));
    if (strcmp(id, store->tokenizer->id) == 0) return STATUS_OK;
    TRY(store_fts_rebuild(store, err));
    TRY(store_meta_set_text(store, "tokenizer", slice_of(store->tokenizer->id), err));
    int64_t generation;
    TRY(store_meta_int(store, "generation", &generation, err));
    return store_meta_set_int(store, "generation", generation + 1, err);
}

Status store_migrate(Store *store, Err *err) {
    TRY(store_exec(store, "BEGIN IMMEDIATE", err));
    int64_t version;
    Status status = store_schema_version(store, &version, err);
    if (status == STATUS_OK && version < STORE_SCHEMA) status = apply(store, version, err);
    if (status == STATUS_OK) status = match_tokenizer(store, err);
    if (status == STATUS_OK) status = store_exec(store, "COMMIT", err);
    if (status != STATUS_OK && !sqlite3_get_autocommit(store->db)) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}
