/* Reading documents: metadata, bytes, lists. What comes from the database is checked before it is
 * used as a size. */
#include "store/store_internal.h"

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "index: out of memory");
}

static bool column_size(sqlite3_stmt *statement, int n, size_t *ret) {
    int64_t value = sqlite3_column_int64(statement, n);
    if (value < 0 || value >= STORE_ID_LIMIT) return false;
    *ret = (size_t)value;
    return true;
}

static bool row_numbers(sqlite3_stmt *s, StoreRow *row) {
    row->id = sqlite3_column_int64(s, 0);
    row->first_passage = sqlite3_column_int64(s, 13);
    row->n_passages = sqlite3_column_int64(s, 14);
    row->collection = sqlite3_column_int64(s, 16);
    return row->id > 0 && row->id < STORE_ID_LIMIT && row->first_passage > 0 &&
           row->first_passage < STORE_ID_LIMIT && row->n_passages >= 0 &&
           row->n_passages < STORE_ID_LIMIT && column_size(s, 10, &row->n_text) &&
           column_size(s, 11, &row->n_origin) && column_size(s, 12, &row->n_map);
}

static Status row_strings(sqlite3_stmt *s, Arena *arena, FonteDocument *document, Err *err) {
    const struct {
        int column;
        const char **to;
    } strings[] = { { 1, &document->id },     { 3, &document->collection },
                    { 4, &document->title },  { 5, &document->url },
                    { 6, &document->date },   { 7, &document->language },
                    { 8, &document->source }, { 9, &document->format } };
    for (size_t i = 0; i < N_ELEMENTS(strings); i++) {
        *strings[i].to = arena_string(arena, store_column(s, strings[i].column));
        if (!*strings[i].to) return no_memory(err);
    }
    Slice version = store_column(s, 2);
    if (version.n != HASH_BYTES) return store_damaged(err, "document %s: version", document->id);
    Hash hash;
    memcpy(hash.bytes, version.p, HASH_BYTES);
    char *hex = arena_alloc(arena, HASH_HEX_BYTES, 1);
    if (!hex) return no_memory(err);
    hash_hex(&hash, hex);
    document->version = hex;
    return STATUS_OK;
}

Status store_row_read(sqlite3_stmt *statement, Arena *arena, StoreRow *ret,
                      FonteDocument *ret_document, Err *err) {
    StoreRow row;
    if (!row_numbers(statement, &row)) {
        return store_damaged(err, "document %lld: numbers out of range",
                             (long long)sqlite3_column_int64(statement, 0));
    }
    if (ret_document) {
        FonteDocument document = { 0 };
        TRY(row_strings(statement, arena, &document, err));
        document.n_text_bytes = row.n_text;
        document.n_origin_bytes = row.n_origin ? row.n_origin : row.n_text;
        document.n_passages = (size_t)row.n_passages;
        document.added_unix_s = sqlite3_column_int64(statement, 15);
        *ret_document = document;
    }
    *ret = row;
    return STATUS_OK;
}

Status store_row_by_public_id(Store *store, const char *id, Arena *arena, StoreRow *ret,
                              FonteDocument *ret_document, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_DOCUMENT_BY_PUBLIC_ID, &get, err));
    TRY(store_bind_text(store, get, 1, slice_of(id), err));
    TRY(store_step(store, get, &row, err));
    if (!row) return err_set(err, STATUS_NOT_FOUND, "no document with id %.40s", id);
    return store_row_read(get, arena, ret, ret_document, err);
}

Status store_document(Store *store, const char *id, Arena *arena, FonteDocument *ret, Err *err) {
    StoreRow row;
    return store_row_by_public_id(store, id, arena, &row, ret, err);
}

Status store_read(Store *store, const char *id, StorePart part, size_t start, size_t end, Buf *ret,
                  Err *err) {
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    StoreRow row;
    TRY(store_row_by_public_id(store, id, NULL, &row, NULL, err));
    if (part == STORE_ORIGIN && row.n_origin == 0) part = STORE_TEXT;
    size_t n = part == STORE_TEXT ? row.n_text : part == STORE_ORIGIN ? row.n_origin : row.n_map;
    size_t before = ret->n;
    Status status = store_content_read(store, row.id, part, start, MIN(end, n), ret, err);
    if (status != STATUS_OK && ret->n > before) ret->n = before;
    return status;
}

Status store_list(Store *store, const char *collection, const char *after, size_t limit,
                  Arena *arena, FonteDocument **ret, size_t *ret_n, Err *err) {
    AUTO_RESET sqlite3_stmt *list = NULL;
    TRY(store_sql(store, SQL_DOCUMENTS, &list, err));
    TRY(store_bind_text(store, list, 1, slice_of(after), err));
    TRY(store_bind_text(store, list, 2, slice_of(collection), err));
    sqlite3_bind_int64(list, 3, (int64_t)MIN(limit, (size_t)INT32_MAX));
    AUTO_FREE FonteDocument *documents = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        bool found = false;
        TRY(store_step(store, list, &found, err));
        if (!found) break;
        if (!mem_grow((void **)&documents, &capacity, n + 1, sizeof *documents)) {
            return no_memory(err);
        }
        StoreRow row;
        TRY(store_row_read(list, arena, &row, &documents[n], err));
        n++;
    }
    FonteDocument *copy = arena_alloc(arena, n, sizeof *copy);
    if (!copy) return no_memory(err);
    if (n) memcpy(copy, documents, n * sizeof *copy);
    *ret = copy;
    *ret_n = n;
    return STATUS_OK;
}

Status store_collections(Store *store, Arena *arena, StoreCollection **ret, size_t *ret_n,
                         Err *err) {
    AUTO_RESET sqlite3_stmt *list = NULL;
    TRY(store_sql(store, SQL_COLLECTIONS, &list, err));
    AUTO_FREE StoreCollection *collections = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        bool found = false;
        TRY(store_step(store, list, &found, err));
        if (!found) break;
        if (!mem_grow((void **)&collections, &capacity, n + 1, sizeof *collections)) {
            return no_memory(err);
        }
        StoreCollection *c = &collections[n];
        c->name = arena_string(arena, store_column(list, 0));
        if (!c->name) return no_memory(err);
        if (!column_size(list, 1, &c->n_documents) || !column_size(list, 2, &c->n_passages)) {
            return store_damaged(err, "collection %s: counts out of range", c->name);
        }
        n++;
    }
    StoreCollection *copy = arena_alloc(arena, n, sizeof *copy);
    if (!copy) return no_memory(err);
    if (n) memcpy(copy, collections, n * sizeof *copy);
    *ret = copy;
    *ret_n = n;
    return STATUS_OK;
}
