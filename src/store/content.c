/* A document's bytes (clean text, original, offset map) in rows of 64 KiB: a slice of a large
 * document costs one short row, not a walk along megabytes of overflow pages. Row id:
 * document * 2^22 + part * 2^20 + chunk, so that all of a document are one range. */
#include "store/store_internal.h"

enum { PART_BITS = 20, DOCUMENT_BITS = 22 };
#define PART_MAX_BYTES (((size_t)1 << PART_BITS) * STORE_CHUNK_BYTES)

static int64_t content_id(int64_t document, StorePart part, size_t chunk) {
    return (document << DOCUMENT_BITS) | ((int64_t)part << PART_BITS) | (int64_t)chunk;
}

Status store_content_write(Store *store, int64_t document, StorePart part, Slice bytes, Err *err) {
    if (bytes.n > PART_MAX_BYTES) {
        return err_set(err, STATUS_TOO_LARGE, "a document of %zu bytes", bytes.n);
    }
    for (size_t chunk = 0; bytes.n; chunk++) {
        sqlite3_stmt *add = NULL;
        TRY(store_sql(store, SQL_CONTENT_ADD, &add, err));
        sqlite3_bind_int64(add, 1, content_id(document, part, chunk));
        TRY(store_bind_blob(store, add, 2,
                            (Slice){ bytes.p, MIN(bytes.n, (size_t)STORE_CHUNK_BYTES) }, err));
        TRY(store_run(store, add, err));
        bytes = slice_skip(bytes, STORE_CHUNK_BYTES);
    }
    return STATUS_OK;
}

/* n bytes from `from` on of one chunk. */
static Status chunk_read(Store *store, int64_t id, size_t from, size_t n, Buf *ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_CONTENT_SLICE, &get, err));
    sqlite3_bind_int64(get, 1, id);
    sqlite3_bind_int64(get, 2, (int64_t)from + 1);
    sqlite3_bind_int64(get, 3, (int64_t)n);
    TRY(store_step(store, get, &row, err));
    Slice bytes = row ? store_column(get, 0) : SLICE_NULL;
    if (bytes.n != n) {
        return store_damaged(err, "content %lld: %zu bytes from %zu are missing", (long long)id,
                             n - MIN(bytes.n, n), from);
    }
    buf_append_slice(ret, bytes);
    return buf_status(ret, err);
}

Status store_content_read(Store *store, int64_t document, StorePart part, size_t start, size_t end,
                          Buf *ret, Err *err) {
    while (start < end) {
        size_t chunk = start / STORE_CHUNK_BYTES, from = start % STORE_CHUNK_BYTES;
        size_t n = MIN(STORE_CHUNK_BYTES - from, end - start);
        TRY(chunk_read(store, content_id(document, part, chunk), from, n, ret, err));
        start += n;
    }
    return STATUS_OK;
}

Status store_content_delete(Store *store, int64_t document, Err *err) {
    sqlite3_stmt *delete = NULL;
    TRY(store_sql(store, SQL_CONTENT_DELETE, &delete, err));
    sqlite3_bind_int64(delete, 1, document << DOCUMENT_BITS);
    sqlite3_bind_int64(delete, 2, (document + 1) << DOCUMENT_BITS);
    return store_run(store, delete, err);
}
