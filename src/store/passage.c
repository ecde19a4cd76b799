/* Reading passages by id: each is a slice of its document's text. */
#include "store/store_internal.h"

Status store_passage_read(sqlite3_stmt *statement, size_t n_text, StorePassage *ret, Err *err) {
    int64_t start = sqlite3_column_int64(statement, 1), end = sqlite3_column_int64(statement, 2);
    if (start < 0 || end < start || (uint64_t)end > n_text) {
        return store_damaged(err, "a passage from %lld to %lld of a text of %zu bytes",
                             (long long)start, (long long)end, n_text);
    }
    *ret = (StorePassage){ .start = (size_t)start,
                           .end = (size_t)end,
                           .heading = store_column(statement, 3) };
    return STATUS_OK;
}

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "index: out of memory");
}

/* The document of a passage, DAMAGED where it is missing. */
static Status owner(Store *store, int64_t passage, int64_t document, Arena *arena, StoreRow *ret,
                    FonteDocument *ret_document, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool found = false;
    TRY(store_sql(store, SQL_DOCUMENT_BY_ID, &get, err));
    sqlite3_bind_int64(get, 1, document);
    TRY(store_step(store, get, &found, err));
    if (!found) {
        return store_damaged(err, "passage %lld: its document %lld is missing", (long long)passage,
                             (long long)document);
    }
    return store_row_read(get, arena, ret, ret_document, err);
}

static Status slice_text(Store *store, const StoreRow *row, const StorePassage *passage,
                         Arena *arena, char **ret, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    TRY(store_content_read(store, row->id, STORE_TEXT, passage->start, passage->end, &text, err));
    *ret = arena_string(arena, buf_slice(&text));
    return *ret ? STATUS_OK : no_memory(err);
}

/* *ret_found false where the passage is gone. */
static Status read_one(Store *store, int64_t id, Arena *arena, FontePassage *ret, bool *ret_found,
                       Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    TRY(store_sql(store, SQL_PASSAGE_GET, &get, err));
    sqlite3_bind_int64(get, 1, id);
    bool found = false;
    TRY(store_step(store, get, &found, err));
    *ret_found = found;
    if (!found) return STATUS_OK;
    StoreRow row;
    FonteDocument document;
    TRY(owner(store, id, sqlite3_column_int64(get, 0), arena, &row, &document, err));
    StorePassage passage = { 0 };
    TRY(store_passage_read(get, row.n_text, &passage, err));
    char *heading = arena_string(arena, passage.heading), *text;
    if (!heading) return no_memory(err);
    TRY(slice_text(store, &row, &passage, arena, &text, err));
    *ret = (FontePassage){
        .document = document.id,
        .version = document.version,
        .title = document.title,
        .url = document.url,
        .date = document.date,
        .language = document.language,
        .source = document.source,
        .heading = heading,
        .text = text,
        .start = passage.start,
        .end = passage.end,
        .origin_start = FONTE_NO_OFFSET,
        .origin_end = FONTE_NO_OFFSET,
    };
    return STATUS_OK;
}

Status store_passages(Store *store, const int64_t *ids, size_t n, Arena *arena, FontePassage **ret,
                      int64_t **ret_ids, size_t *ret_n, Err *err) {
    FontePassage *passages = arena_alloc(arena, n, sizeof *passages);
    int64_t *there = arena_alloc(arena, n, sizeof *there);
    if (!passages || !there) return no_memory(err);
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    size_t n_there = 0;
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        TRY(read_one(store, ids[i], arena, &passages[n_there], &found, err));
        if (found) there[n_there++] = ids[i];
    }
    *ret = passages;
    *ret_ids = there;
    *ret_n = n_there;
    return STATUS_OK;
}

/* One row of SQL_UNEMBEDDED. */
static Status unembedded_one(Store *store, sqlite3_stmt *s, Arena *arena, StoreUnembedded *ret,
                             Err *err) {
    int64_t id = sqlite3_column_int64(s, 0);
    StoreRow row;
    FonteDocument document;
    TRY(owner(store, id, sqlite3_column_int64(s, 4), arena, &row, &document, err));
    StorePassage passage = { 0 };
    TRY(store_passage_read(s, row.n_text, &passage, err));
    char *heading = arena_string(arena, passage.heading), *text;
    if (!heading) return no_memory(err);
    TRY(slice_text(store, &row, &passage, arena, &text, err));
    *ret = (StoreUnembedded){ .passage = id,
                              .text = { text, passage.end - passage.start },
                              .title = slice_of(document.title),
                              .heading = { heading, passage.heading.n },
                              .language = document.language };
    return STATUS_OK;
}

Status store_unembedded(Store *store, int64_t embedder, int64_t after, size_t limit, Arena *arena,
                        StoreUnembedded **ret, size_t *ret_n, Err *err) {
    limit = MIN(limit, (size_t)10000); /* a bound on the array below; the caller asks again */
    StoreUnembedded *found = arena_alloc(arena, limit, sizeof *found);
    if (!found) return no_memory(err);
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    AUTO_RESET sqlite3_stmt *select = NULL;
    TRY(store_sql(store, SQL_UNEMBEDDED, &select, err));
    sqlite3_bind_int64(select, 1, after);
    sqlite3_bind_int64(select, 2, embedder * STORE_ID_LIMIT);
    sqlite3_bind_int64(select, 3, (int64_t)limit);
    size_t n = 0;
    while (n < limit) {
        bool row = false;
        TRY(store_step(store, select, &row, err));
        if (!row) break;
        TRY(unembedded_one(store, select, arena, &found[n], err));
        n++;
    }
    *ret = found;
    *ret_n = n;
    return STATUS_OK;
}

Status store_passage_at(Store *store, const char *document, size_t start, int64_t *ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool found = false;
    TRY(store_sql(store, SQL_PASSAGE_AT, &get, err));
    TRY(store_bind_text(store, get, 1, slice_of(document), err));
    sqlite3_bind_int64(get, 2, (int64_t)start);
    TRY(store_step(store, get, &found, err));
    if (!found) {
        return err_set(err, STATUS_NOT_FOUND, "document %.40s has no passage at byte %zu", document,
                       start);
    }
    *ret = sqlite3_column_int64(get, 0);
    return STATUS_OK;
}
