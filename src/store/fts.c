/* The lexical index: the FTS5 table `lexical`, without content of its own (the text is stored once,
 * in `content`).
 *
 * BM25 needs to know how often a term stands in a passage, not where. So each term is indexed once
 * a passage, and the column that it is put in tells its frequency: f1 .. f16. With detail=column
 * an entry takes 3 to 4 bytes, and FTS5 hashes each term of a passage once. The tokenizer that FTS5
 * calls therefore only splits what terms.c has counted; the language's work (folding, stems,
 * elisions) is StoreTokenizer's. A question's terms are looked up one at a time, quoted: no text is
 * ever parsed as a query.
 *
 * xQueryPhrase is FTS5's fastest way through a list (no virtual machine in between): about a
 * third of the time of SELECT for the same rows. */
#include "store/store_internal.h"

#include <limits.h>

/* ---- the tokenizer that FTS5 sees ---- */

static int split_create(void *context, const char **arguments, int n, Fts5Tokenizer **ret) {
    (void)arguments, (void)n;
    *ret = context; /* it has no state: any pointer that is not NULL */
    return SQLITE_OK;
}

static void split_delete(Fts5Tokenizer *tokenizer) {
    (void)tokenizer;
}

static int split_tokenize(Fts5Tokenizer *tokenizer, void *context, int flags, const char *text,
                          int n, int (*take)(void *, int, const char *, int, int, int)) {
    (void)tokenizer, (void)flags;
    for (int start = 0; start < n;) {
        const char *end = memchr(text + start, STORE_TERM_END, (size_t)(n - start));
        int length = end ? (int)(end - (text + start)) : n - start;
        int code = take(context, 0, text + start, length, start, start + length);
        if (code != SQLITE_OK) return code;
        start += length + 1;
    }
    return SQLITE_OK;
}

/* ---- functions that hand out postings ---- */

static int take_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *context) {
    StoreFtsTake *take = context;
    Fts5PhraseIter iterator;
    int column = -1;
    int code = api->xPhraseFirstColumn(fts, 0, &iterator, &column);
    if (code != SQLITE_OK) return code;
    if (column < 0 || column >= STORE_TF_MAX) return SQLITE_CORRUPT_VTAB;
    take->status = take->take(take->context, api->xRowid(fts), (unsigned)column + 1);
    return take->status == STATUS_OK ? SQLITE_OK : SQLITE_ABORT;
}

/* fonte_collect(lexical): called on the first row of a term, gives all rows of it to the
 * StoreFtsTake that store_fts_each put into the connection's client data. */
static void collect(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context,
                    int n_values, sqlite3_value **values) {
    (void)n_values, (void)values;
    StoreFtsTake **take = api->xUserData(fts);
    if (!*take) {
        sqlite3_result_error(context, "fonte_collect is not for others", -1);
        return;
    }
    int code = api->xQueryPhrase(fts, 0, *take, take_row);
    if (code != SQLITE_OK) sqlite3_result_error_code(context, code);
}

/* fonte_tf(lexical): frequency of the term in this row. */
static void frequency(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context,
                      int n_values, sqlite3_value **values) {
    (void)n_values, (void)values;
    Fts5PhraseIter iterator;
    int column = -1;
    int code = api->xPhraseFirstColumn(fts, 0, &iterator, &column);
    if (code == SQLITE_OK && (column < 0 || column >= STORE_TF_MAX)) code = SQLITE_CORRUPT_VTAB;
    if (code != SQLITE_OK)
        sqlite3_result_error_code(context, code);
    else
        sqlite3_result_int(context, column + 1);
}

static Status fts_api(Store *store, fts5_api **ret, Err *err) {
    sqlite3_stmt *get = NULL;
    fts5_api *api = NULL;
    int code = sqlite3_prepare_v2(store->db, "SELECT fts5(?1)", -1, &get, NULL);
    if (code == SQLITE_OK) code = sqlite3_bind_pointer(get, 1, &api, "fts5_api_ptr", NULL);
    if (code == SQLITE_OK) code = sqlite3_step(get);
    Status status = code == SQLITE_ROW ? STATUS_OK : store_db_error(store->db, code, "FTS5", err);
    sqlite3_finalize(get);
    if (status != STATUS_OK) return status;
    if (!api) return err_set(err, STATUS_UNSUPPORTED, "index: this SQLite has no FTS5");
    *ret = api;
    return STATUS_OK;
}

Status store_fts_register(Store *store, Err *err) {
    fts5_api *api = NULL;
    TRY(fts_api(store, &api, err));
    fts5_tokenizer split = { split_create, split_delete, split_tokenize };
    int code = api->xCreateTokenizer(api, "fonte", store, &split, NULL);
    if (code == SQLITE_OK) {
        code = api->xCreateFunction(api, "fonte_collect", &store->take, collect, NULL);
    }
    if (code == SQLITE_OK) code = api->xCreateFunction(api, "fonte_tf", store, frequency, NULL);
    return code == SQLITE_OK ? STATUS_OK : store_db_error(store->db, code, "FTS5", err);
}

/* ---- changes ---- */

static Status fts_write(Store *store, StoreSql sql, int64_t passage, Slice terms, Err *err) {
    sqlite3_stmt *write = NULL;
    TRY(store_sql(store, sql, &write, err));
    for (int i = 1; i <= STORE_TF_MAX; i++) sqlite3_bind_null(write, i + 1);
    sqlite3_bind_int64(write, 1, passage);
    uint64_t n_words = 0;
    TRY(store_terms_read(&terms, &n_words, err));
    for (;;) {
        StoreTermsGroup group;
        Status status = store_terms_next(&terms, &group, err);
        if (status == STATUS_END) break;
        TRY(status);
        TRY(store_bind_text(store, write, (int)group.tf + 1, group.terms, err));
    }
    return store_run(store, write, err);
}

Status store_fts_insert(Store *store, int64_t passage, Slice terms, Err *err) {
    return fts_write(store, SQL_FTS_ADD, passage, terms, err);
}

Status store_fts_delete(Store *store, int64_t passage, Slice terms, Err *err) {
    return fts_write(store, SQL_FTS_DELETE, passage, terms, err);
}

/* ---- reading ---- */

/* "term" with its quotes doubled, as FTS5 reads a string. */
static Status quote(Slice term, Buf *ret, Err *err) {
    buf_append_byte(ret, '"');
    for (size_t i = 0; i < term.n; i++) {
        if (term.p[i] == '"') buf_append_byte(ret, '"');
        buf_append_byte(ret, term.p[i]);
    }
    buf_append_byte(ret, '"');
    return buf_status(ret, err);
}

static Status each_all(Store *store, Slice query, StoreFtsTake *take, Err *err) {
    AUTO_RESET sqlite3_stmt *select = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_FTS_ALL, &select, err));
    TRY(store_bind_text(store, select, 1, query, err));
    store->take = take;
    Status status = store_step(store, select, &row, err);
    store->take = NULL;
    if (take->status != STATUS_OK) {
        return err_set(err, take->status, "index: postings: %s", fonte_status_text(take->status));
    }
    return status;
}

static Status each_after(Store *store, Slice query, int64_t after, StoreFtsTake *take, Err *err) {
    AUTO_RESET sqlite3_stmt *select = NULL;
    TRY(store_sql(store, SQL_FTS_AFTER, &select, err));
    TRY(store_bind_text(store, select, 1, query, err));
    sqlite3_bind_int64(select, 2, after);
    for (;;) {
        bool row = false;
        TRY(store_step(store, select, &row, err));
        if (!row) return STATUS_OK;
        Status status = take->take(take->context, sqlite3_column_int64(select, 0),
                                   (unsigned)sqlite3_column_int(select, 1));
        if (status != STATUS_OK) {
            return err_set(err, status, "index: postings: %s", fonte_status_text(status));
        }
    }
}

Status store_fts_each(Store *store, Slice term, int64_t after, StoreFtsTake *take, Err *err) {
    AUTO_BUF Buf query = BUF_NULL;
    TRY(quote(term, &query, err));
    take->status = STATUS_OK;
    return after > 0 ? each_after(store, buf_slice(&query), after, take, err)
                     : each_all(store, buf_slice(&query), take, err);
}

/* ---- another tokenizer ---- */

static Status rebuild_passages(Store *store, const StoreRow *row, const FonteDocument *document,
                               Slice text, Buf *terms, Err *err) {
    AUTO_RESET sqlite3_stmt *passages = NULL;
    TRY(store_sql(store, SQL_PASSAGES_OF, &passages, err));
    sqlite3_bind_int64(passages, 1, row->first_passage);
    sqlite3_bind_int64(passages, 2, row->first_passage + row->n_passages);
    for (;;) {
        bool found = false;
        TRY(store_step(store, passages, &found, err));
        if (!found) return STATUS_OK;
        StorePassage passage = { 0 };
        TRY(store_passage_read(passages, text.n, &passage, err));
        buf_clear(terms);
        TRY(store_terms_build(store->terms, slice_of(document->title), passage.heading,
                              (Slice){ text.p + passage.start, passage.end - passage.start },
                              document->language, terms, err));
        int64_t id = sqlite3_column_int64(passages, 0);
        TRY(store_fts_insert(store, id, buf_slice(terms), err));
        Slice rest = buf_slice(terms);
        uint64_t n_words;
        TRY(store_terms_read(&rest, &n_words, err));
        sqlite3_stmt *set = NULL;
        TRY(store_sql(store, SQL_PASSAGE_SET_WORDS, &set, err));
        sqlite3_bind_int64(set, 1, id);
        sqlite3_bind_int64(set, 2, (int64_t)n_words);
        TRY(store_run(store, set, err));
    }
}

Status store_fts_rebuild(Store *store, Err *err) {
    sqlite3_stmt *clear = NULL;
    TRY(store_sql(store, SQL_FTS_CLEAR, &clear, err));
    TRY(store_run(store, clear, err));
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
        buf_clear(&text);
        TRY(store_content_read(store, row.id, STORE_TEXT, 0, row.n_text, &text, err));
        TRY(rebuild_passages(store, &row, &document, buf_slice(&text), &terms, err));
    }
}
