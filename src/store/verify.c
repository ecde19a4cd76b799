/* Everything that is written twice is compared: pages (integrity_check), FTS5's structure,
 * counters, spans inside texts, texts hashing to their versions, and the lexical index against
 * terms made anew from the texts. For the last, both sides are summed as hashes of (term, passage,
 * frequency), which needs no memory and no order. */
#include "store/store_internal.h"

/* integrity_check tells of pages that it could not read as it does of damage. */
static Status integrity_status(Slice text, Err *err) {
    AUTO_FREE char *copy = mem_copy_string(text.p, text.n);
    if (!copy || strstr(copy, "error code=7")) {
        return err_set(err, STATUS_NO_MEMORY, "index: integrity_check: out of memory");
    }
    bool io = strstr(copy, "error code=10") || strstr(copy, "error code=266");
    return err_set(err, io ? STATUS_IO : STATUS_DAMAGED, "index: integrity_check: %s", copy);
}

static Status integrity(Store *store, Err *err) {
    sqlite3_stmt *check = NULL;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA main.integrity_check(1)", -1, &check, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(check);
    Status status;
    if (code != SQLITE_ROW) {
        status = store_db_error(store->db, code, "integrity_check", err);
    } else if (slice_equal(store_column(check, 0), SLICE("ok"))) {
        status = STATUS_OK;
    } else {
        status = integrity_status(store_column(check, 0), err);
    }
    sqlite3_finalize(check);
    return status;
}

static uint64_t posting_hash(Slice term, int64_t passage, unsigned tf) {
    return hash_mix64(term, (uint64_t)passage * 64 + tf);
}

static Status sum_rows(Store *store, sqlite3_stmt *select, uint64_t *ret, Err *err) {
    uint64_t sum = 0;
    for (;;) {
        bool row = false;
        TRY(store_step(store, select, &row, err));
        if (!row) break;
        Slice column = store_column(select, 2); /* "f1" .. "f16" */
        unsigned tf = column.n > 1 ? (unsigned)(column.p[1] - '0') : 0;
        if (column.n == 3) tf = tf * 10 + (unsigned)(column.p[2] - '0');
        if (tf < 1 || tf > STORE_TF_MAX) return store_damaged(err, "lexical index: a column");
        sum += posting_hash(store_column(select, 0), sqlite3_column_int64(select, 1), tf);
    }
    *ret = sum;
    return STATUS_OK;
}

static Status sum_entries(Store *store, uint64_t *ret, Err *err) {
    TRY(store_exec(store,
                   "CREATE VIRTUAL TABLE IF NOT EXISTS temp.lexical_entries USING "
                   "fts5vocab(main, lexical, instance)",
                   err));
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(store->db, "SELECT term, doc, col FROM temp.lexical_entries", -1,
                                  &select, NULL);
    Status status = code == SQLITE_OK ? sum_rows(store, select, ret, err)
                                      : store_db_error(store->db, code, "lexical index", err);
    sqlite3_finalize(select);
    Status dropped =
        store_exec(store, "DROP TABLE temp.lexical_entries", status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? dropped : status;
}

/* Sum over what FTS5 has. Its list of entries is a table that only this connection sees; one that
 * reads may make it only outside query_only. */
static Status sum_indexed(Store *store, uint64_t *ret, Err *err) {
    if (store->mode == STORE_WRITE) return sum_entries(store, ret, err);
    TRY(store_exec(store, "PRAGMA query_only = OFF", err));
    Status status = sum_entries(store, ret, err);
    Status closed = store_exec(store, "PRAGMA query_only = ON", status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? closed : status;
}

typedef struct Sums {
    uint64_t entries; /* posting_hash of all terms of all passages */
    size_t n_documents, n_passages, n_chunks;
    int64_t last_document, last_passage;
} Sums;

static Status sum_terms(int64_t passage, Slice terms, int64_t n_words_stored, Sums *sums,
                        Err *err) {
    uint64_t n_words = 0;
    TRY(store_terms_read(&terms, &n_words, err));
    if ((int64_t)n_words != n_words_stored) {
        return store_damaged(err, "passage %lld: %lld words, its text has %llu", (long long)passage,
                             (long long)n_words_stored, (unsigned long long)n_words);
    }
    for (;;) {
        StoreTermsGroup group;
        Status status = store_terms_next(&terms, &group, err);
        if (status == STATUS_END) return STATUS_OK;
        TRY(status);
        while (group.terms.n) {
            const char *end = memchr(group.terms.p, STORE_TERM_END, group.terms.n);
            size_t n = end ? (size_t)(end - group.terms.p) : group.terms.n;
            sums->entries += posting_hash((Slice){ group.terms.p, n }, passage, group.tf);
            group.terms = slice_skip(group.terms, n + 1);
        }
    }
}

static Status check_passages(Store *store, const StoreRow *row, const FonteDocument *document,
                             Slice text, Buf *terms, Sums *sums, Err *err) {
    AUTO_RESET sqlite3_stmt *passages = NULL;
    TRY(store_sql(store, SQL_PASSAGES_OF, &passages, err));
    sqlite3_bind_int64(passages, 1, row->first_passage);
    sqlite3_bind_int64(passages, 2, row->first_passage + row->n_passages);
    int64_t n = 0;
    for (;; n++) {
        bool found = false;
        TRY(store_step(store, passages, &found, err));
        if (!found) break;
        int64_t id = sqlite3_column_int64(passages, 0);
        if (sqlite3_column_int64(passages, 5) != row->id) {
            return store_damaged(err, "passage %lld belongs to document %lld, not %lld",
                                 (long long)id, (long long)sqlite3_column_int64(passages, 5),
                                 (long long)row->id);
        }
        StorePassage passage = { 0 };
        TRY(store_passage_read(passages, row->n_text, &passage, err));
        buf_clear(terms);
        TRY(store_terms_build(store->terms, slice_of(document->title), passage.heading,
                              (Slice){ text.p + passage.start, passage.end - passage.start },
                              document->language, terms, err));
        TRY(sum_terms(id, buf_slice(terms), sqlite3_column_int64(passages, 4), sums, err));
        sums->last_passage = MAX(sums->last_passage, id);
    }
    if (n == row->n_passages) return STATUS_OK;
    return store_damaged(err, "document %s: %lld of %lld passages", document->id, (long long)n,
                         (long long)row->n_passages);
}

static Status check_version(Store *store, const StoreRow *row, const FonteDocument *document,
                            Slice text, Err *err) {
    AUTO_BUF Buf origin = BUF_NULL;
    if (row->n_origin) {
        TRY(store_content_read(store, row->id, STORE_ORIGIN, 0, row->n_origin, &origin, err));
    }
    Slice bytes = row->n_origin ? buf_slice(&origin) : text;
    Hash hash;
    char hex[HASH_HEX_BYTES];
    TRY(hash_sha256(&bytes, 1, &hash, err));
    hash_hex(&hash, hex);
    if (strcmp(hex, document->version) == 0) return STATUS_OK;
    return store_damaged(err, "document %s: its bytes do not hash to its version", document->id);
}

static size_t n_chunks(size_t n) {
    return (n + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
}

static Status check_document(Store *store, const StoreRow *row, const FonteDocument *document,
                             Buf *text, Buf *terms, Sums *sums, Err *err) {
    buf_clear(text);
    TRY(store_content_read(store, row->id, STORE_TEXT, 0, row->n_text, text, err));
    TRY(check_version(store, row, document, buf_slice(text), err));
    TRY(check_passages(store, row, document, buf_slice(text), terms, sums, err));
    buf_clear(terms);
    TRY(store_content_read(store, row->id, STORE_MAP, 0, row->n_map, terms, err));
    sums->n_documents++;
    sums->n_passages += (size_t)row->n_passages;
    sums->n_chunks += n_chunks(row->n_text) + n_chunks(row->n_origin) + n_chunks(row->n_map);
    sums->last_document = MAX(sums->last_document, row->id);
    return STATUS_OK;
}

static Status check_documents(Store *store, Sums *sums, Err *err) {
    AUTO_RESET sqlite3_stmt *documents = NULL;
    AUTO_BUF Buf text = BUF_NULL, terms = BUF_NULL;
    TRY(store_sql(store, SQL_DOCUMENTS_ALL, &documents, err));
    for (;;) {
        bool found = false;
        TRY(store_step(store, documents, &found, err));
        if (!found) return STATUS_OK;
        AUTO_ARENA Arena arena = ARENA_NULL;
        StoreRow row;
        FonteDocument document;
        TRY(store_row_read(documents, &arena, &row, &document, err));
        TRY(check_document(store, &row, &document, &text, &terms, sums, err));
    }
}

static Status expect_count(Store *store, StoreSql sql, size_t expected, const char *what,
                           Err *err) {
    AUTO_RESET sqlite3_stmt *count = NULL;
    bool row = false;
    TRY(store_sql(store, sql, &count, err));
    TRY(store_step(store, count, &row, err));
    int64_t n = row ? sqlite3_column_int64(count, 0) : -1;
    if (n >= 0 && (uint64_t)n == expected) return STATUS_OK;
    return store_damaged(err, "%lld %s, expected %zu", (long long)n, what, expected);
}

/* The counter of the embedder, and that each of its vectors has a passage. */
static Status check_vectors_of(Store *store, int64_t embedder, int64_t expected, Err *err) {
    AUTO_RESET sqlite3_stmt *ids = NULL;
    TRY(store_sql(store, SQL_VECTOR_IDS, &ids, err));
    sqlite3_bind_int64(ids, 1, embedder * STORE_ID_LIMIT);
    sqlite3_bind_int64(ids, 2, (embedder + 1) * STORE_ID_LIMIT);
    int64_t n = 0;
    for (;; n++) {
        bool found = false, exists = false;
        TRY(store_step(store, ids, &found, err));
        if (!found) break;
        int64_t passage = sqlite3_column_int64(ids, 0) - embedder * STORE_ID_LIMIT;
        AUTO_RESET sqlite3_stmt *get = NULL;
        TRY(store_sql(store, SQL_PASSAGE_GET, &get, err));
        sqlite3_bind_int64(get, 1, passage);
        TRY(store_step(store, get, &exists, err));
        if (!exists) {
            return store_damaged(err, "a vector of passage %lld, which is not there",
                                 (long long)passage);
        }
    }
    if (n == expected) return STATUS_OK;
    return store_damaged(err, "embedder %lld: %lld vectors, expected %lld", (long long)embedder,
                         (long long)n, (long long)expected);
}

static Status check_vectors(Store *store, Err *err) {
    AUTO_RESET sqlite3_stmt *embedders = NULL;
    TRY(store_sql(store, SQL_EMBEDDER_IDS, &embedders, err));
    size_t total = 0;
    for (;;) {
        bool row = false;
        TRY(store_step(store, embedders, &row, err));
        if (!row) break;
        int64_t id = sqlite3_column_int64(embedders, 0), n = sqlite3_column_int64(embedders, 1);
        if (id < 1 || id >= STORE_ID_LIMIT >> 18 || n < 0) {
            return store_damaged(err, "embedder %lld: numbers out of range", (long long)id);
        }
        TRY(check_vectors_of(store, id, n, err));
        total += (size_t)n;
    }
    return expect_count(store, SQL_COUNT_VECTORS, total, "vectors", err);
}

static Status check_counters(Store *store, const Sums *sums, Err *err) {
    TRY(expect_count(store, SQL_COUNT_PASSAGES, sums->n_passages, "passages", err));
    TRY(expect_count(store, SQL_COUNT_LEXICAL, sums->n_passages, "rows of the lexical index", err));
    TRY(expect_count(store, SQL_COUNT_DOCUMENTS, sums->n_documents, "documents", err));
    TRY(expect_count(store, SQL_COUNT_CONTENT, sums->n_chunks, "rows of content", err));
    StoreCounts counts;
    TRY(store_counts(store, &counts, err));
    if (counts.n_documents != sums->n_documents || counts.n_passages != sums->n_passages) {
        return store_damaged(err,
                             "collections count %zu documents and %zu passages, there are %zu "
                             "and %zu",
                             counts.n_documents, counts.n_passages, sums->n_documents,
                             sums->n_passages);
    }
    int64_t next_document, next_passage;
    TRY(store_meta_int(store, "next_document", &next_document, err));
    TRY(store_meta_int(store, "next_passage", &next_passage, err));
    if (next_document > sums->last_document && next_passage > sums->last_passage) return STATUS_OK;
    return store_damaged(err, "meta: the next id is one that is taken");
}

Status store_verify(Store *store, Err *err) {
    TRY(store_need_no_change(store, err));
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    TRY(integrity(store, err));
    if (store->mode == STORE_WRITE) { /* FTS5 takes its check as a write */
        sqlite3_stmt *check = NULL;
        TRY(store_sql(store, SQL_FTS_CHECK, &check, err));
        TRY(store_run(store, check, err));
    }
    Sums sums = { 0 };
    uint64_t indexed = 0;
    TRY(check_documents(store, &sums, err));
    TRY(check_counters(store, &sums, err));
    TRY(check_vectors(store, err));
    TRY(sum_indexed(store, &indexed, err));
    if (indexed == sums.entries) return STATUS_OK;
    return store_damaged(err, "the lexical index is not that of the texts");
}
