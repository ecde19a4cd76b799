/* Records of answers: rows that nothing else refers to. They do not count as changes of the
 * documents: meta.generation stays. */
#include "store/store_internal.h"

Status store_answer_put(Store *store, const StoreAnswer *answer, Err *err) {
    TRY(store_need_change(store, err));
    sqlite3_stmt *put = NULL;
    TRY(store_sql(store, SQL_ANSWER_ADD, &put, err));
    TRY(store_bind_text(store, put, 1, slice_of(answer->id), err));
    sqlite3_bind_int64(put, 2, answer->uid);
    TRY(store_bind_text(store, put, 3, slice_of(answer->collection), err));
    sqlite3_bind_int64(put, 4, answer->made_unix_s);
    TRY(store_bind_text(store, put, 5, answer->record, err));
    return store_run(store, put, err);
}

static Status trim(Store *store, StoreSql sql, int64_t limit, Err *err) {
    sqlite3_stmt *remove = NULL;
    TRY(store_sql(store, sql, &remove, err));
    sqlite3_bind_int64(remove, 1, limit);
    return store_run(store, remove, err);
}

Status store_answers_trim(Store *store, size_t n_most, int64_t oldest_unix_s, Err *err) {
    TRY(store_need_change(store, err));
    TRY(trim(store, SQL_ANSWERS_TRIM_COUNT, (int64_t)MIN(n_most, (size_t)INT32_MAX), err));
    return trim(store, SQL_ANSWERS_TRIM_TIME, oldest_unix_s, err);
}

Status store_answer_copy(const StoreAnswer *from, Arena *arena, StoreAnswer *ret, Err *err) {
    StoreAnswer answer = *from;
    answer.id = arena_string(arena, slice_of(from->id));
    answer.collection = arena_string(arena, slice_of(from->collection));
    answer.record.p = arena_string(arena, from->record);
    if (!answer.id || !answer.collection || !answer.record.p) {
        return err_set(err, STATUS_NO_MEMORY, "out of memory for a record");
    }
    *ret = answer;
    return STATUS_OK;
}

Status store_answer(Store *store, const char *id, Arena *arena, StoreAnswer *ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool found = false;
    TRY(store_sql(store, SQL_ANSWER, &get, err));
    TRY(store_bind_text(store, get, 1, slice_of(id), err));
    TRY(store_step(store, get, &found, err));
    if (!found) return err_set(err, STATUS_NOT_FOUND, "no answer with id %.40s", id);
    StoreAnswer row = { .id = id,
                        .uid = sqlite3_column_int64(get, 0),
                        .collection = (const char *)sqlite3_column_text(get, 1),
                        .made_unix_s = sqlite3_column_int64(get, 2),
                        .record = store_column(get, 3) };
    return store_answer_copy(&row, arena, ret, err);
}
