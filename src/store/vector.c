/* Embedders and their vectors. Row id of a vector: embedder * 2^40 + passage, so that those of one
 * embedder are one range, in order of passage. */
#include "store/store_internal.h"

#define EMBEDDER_LIMIT ((int64_t)1 << 22)

static Status check_embedder(int64_t embedder, Err *err) {
    if (embedder > 0 && embedder < EMBEDDER_LIMIT) return STATUS_OK;
    return err_set(err, STATUS_INVALID, "no embedder has row %lld", (long long)embedder);
}

static int64_t vector_id(int64_t embedder, int64_t passage) {
    return embedder * STORE_ID_LIMIT + passage;
}

Status store_vector_insert(Store *store, int64_t embedder, int64_t passage, Slice vector,
                           Err *err) {
    TRY(check_embedder(embedder, err));
    sqlite3_stmt *add = NULL;
    TRY(store_sql(store, SQL_VECTOR_ADD, &add, err));
    sqlite3_bind_int64(add, 1, vector_id(embedder, passage));
    TRY(store_bind_blob(store, add, 2, vector, err));
    return store_run(store, add, err);
}

Status store_vectors_count(Store *store, int64_t embedder, int64_t more, Err *err) {
    sqlite3_stmt *count = NULL;
    TRY(store_sql(store, SQL_EMBEDDER_COUNT, &count, err));
    sqlite3_bind_int64(count, 1, embedder);
    sqlite3_bind_int64(count, 2, more);
    TRY(store_run(store, count, err));
    if (sqlite3_changes(store->db) == 1) return STATUS_OK;
    return err_set(err, STATUS_INVALID, "no embedder has row %lld", (long long)embedder);
}

Status store_vectors_delete(Store *store, int64_t first_passage, int64_t end_passage, Err *err) {
    AUTO_RESET sqlite3_stmt *embedders = NULL;
    TRY(store_sql(store, SQL_EMBEDDER_IDS, &embedders, err));
    for (;;) {
        bool row = false;
        TRY(store_step(store, embedders, &row, err));
        if (!row) return STATUS_OK;
        int64_t embedder = sqlite3_column_int64(embedders, 0);
        TRY(check_embedder(embedder, err));
        sqlite3_stmt *delete = NULL;
        TRY(store_sql(store, SQL_VECTOR_DELETE, &delete, err));
        sqlite3_bind_int64(delete, 1, vector_id(embedder, first_passage));
        sqlite3_bind_int64(delete, 2, vector_id(embedder, end_passage));
        TRY(store_run(store, delete, err));
        int n = sqlite3_changes(store->db);
        if (n) TRY(store_vectors_count(store, embedder, -n, err));
    }
}

Status store_embedder(Store *store, const char *name, size_t dim, int64_t *ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_EMBEDDER_BY_NAME, &get, err));
    TRY(store_bind_text(store, get, 1, slice_of(name), err));
    TRY(store_step(store, get, &row, err));
    if (row) {
        if (sqlite3_column_int64(get, 1) != (int64_t)dim) {
            return err_set(err, STATUS_CONFLICT, "embedder %.40s has dimension %lld here, not %zu",
                           name, (long long)sqlite3_column_int64(get, 1), dim);
        }
        *ret = sqlite3_column_int64(get, 0);
        return check_embedder(*ret, err);
    }
    if (!store->in_change) return err_set(err, STATUS_NOT_FOUND, "no embedder %.40s", name);
    if (!*name || strlen(name) > 63) {
        return err_set(err, STATUS_INVALID, "an embedder's name has 1 to 63 bytes");
    }
    sqlite3_stmt *add = NULL;
    TRY(store_sql(store, SQL_EMBEDDER_ADD, &add, err));
    TRY(store_bind_text(store, add, 1, slice_of(name), err));
    sqlite3_bind_int64(add, 2, (int64_t)dim);
    TRY(store_run(store, add, err));
    *ret = sqlite3_last_insert_rowid(store->db);
    return STATUS_OK;
}

Status store_embedder_current(Store *store, int64_t *ret, char ret_name[64], Err *err) {
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    int64_t current;
    TRY(store_meta_int(store, "embedder", &current, err));
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    if (current) {
        TRY(store_sql(store, SQL_EMBEDDER_BY_ID, &get, err));
        sqlite3_bind_int64(get, 1, current);
        TRY(store_step(store, get, &row, err));
    }
    Slice name = row ? store_column(get, 0) : SLICE_NULL;
    if (current && (!row || name.n > 63)) {
        return store_damaged(err, "the current embedder %lld is missing", (long long)current);
    }
    *ret = current;
    memset(ret_name, 0, 64);
    if (name.n) memcpy(ret_name, name.p, name.n);
    return STATUS_OK;
}

Status store_embedder_set_current(Store *store, int64_t embedder, Err *err) {
    TRY(store_need_change(store, err));
    TRY(check_embedder(embedder, err));
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_EMBEDDER_BY_ID, &get, err));
    sqlite3_bind_int64(get, 1, embedder);
    TRY(store_step(store, get, &row, err));
    if (!row) {
        return err_set(err, STATUS_INVALID, "no embedder has row %lld", (long long)embedder);
    }
    return store_meta_set_int(store, "embedder", embedder, err);
}

static Status has_row(Store *store, StoreSql sql, int64_t id, bool *ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    TRY(store_sql(store, sql, &get, err));
    sqlite3_bind_int64(get, 1, id);
    return store_step(store, get, ret, err);
}

Status store_vector_put(Store *store, int64_t embedder, int64_t passage, Slice vector, Err *err) {
    TRY(store_need_change(store, err));
    TRY(check_embedder(embedder, err));
    if (passage < 1 || passage >= STORE_ID_LIMIT) return STATUS_OK;
    bool exists = false, had = false;
    TRY(has_row(store, SQL_PASSAGE_GET, passage, &exists, err));
    if (!exists) return STATUS_OK;
    TRY(has_row(store, SQL_VECTOR_HAS, vector_id(embedder, passage), &had, err));
    if (!had) TRY(store_vectors_count(store, embedder, 1, err));
    return store_vector_insert(store, embedder, passage, vector, err);
}

/* Delete up to limit vectors of one embedder, and its row when none is left. */
static Status drop_some(Store *store, int64_t embedder, size_t limit, Err *err) {
    sqlite3_stmt *delete = NULL;
    TRY(store_sql(store, SQL_VECTOR_DELETE_SOME, &delete, err));
    sqlite3_bind_int64(delete, 1, vector_id(embedder, 0));
    sqlite3_bind_int64(delete, 2, vector_id(embedder + 1, 0));
    sqlite3_bind_int64(delete, 3, (int64_t)MIN(limit, (size_t)INT32_MAX));
    TRY(store_run(store, delete, err));
    int n = sqlite3_changes(store->db);
    if (n) return store_vectors_count(store, embedder, -n, err);
    sqlite3_stmt *drop = NULL;
    TRY(store_sql(store, SQL_EMBEDDER_DELETE, &drop, err));
    sqlite3_bind_int64(drop, 1, embedder);
    return store_run(store, drop, err);
}

Status store_vectors_drop_others(Store *store, int64_t embedder, size_t limit, Err *err) {
    TRY(store_need_change(store, err));
    int64_t other = 0;
    {
        AUTO_RESET sqlite3_stmt *embedders = NULL;
        TRY(store_sql(store, SQL_EMBEDDER_IDS, &embedders, err));
        for (bool row = true; row && !other;) {
            TRY(store_step(store, embedders, &row, err));
            if (row && sqlite3_column_int64(embedders, 0) != embedder) {
                other = sqlite3_column_int64(embedders, 0);
            }
        }
    }
    if (!other) return STATUS_UNCHANGED;
    TRY(check_embedder(other, err));
    return drop_some(store, other, MAX(limit, (size_t)1), err);
}

Status store_vectors_each(Store *store, int64_t embedder, int64_t after,
                          Status (*take)(void *context, int64_t passage, Slice vector),
                          void *context, Err *err) {
    TRY(check_embedder(embedder, err));
    AUTO_RESET sqlite3_stmt *select = NULL;
    TRY(store_sql(store, SQL_VECTORS, &select, err));
    after = MIN(MAX(after, (int64_t)0), STORE_ID_LIMIT - 1);
    sqlite3_bind_int64(select, 1, vector_id(embedder, after));
    sqlite3_bind_int64(select, 2, vector_id(embedder + 1, 0));
    for (;;) {
        bool row = false;
        TRY(store_step(store, select, &row, err));
        if (!row) return STATUS_OK;
        TRY(take(context, sqlite3_column_int64(select, 0) - vector_id(embedder, 0),
                 store_column(select, 1)));
    }
}
