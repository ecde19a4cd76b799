#pragma once
/* What the files of this room share: the connection with its prepared statements, the encoding of
 * row ids, the table of passages in memory, decoded postings. Nothing of it leaves the room.
 * Threads: everything hangs on one Store, which has one owner at a time. */
#include "store/sql.h"
#include "store/store.h"

#include <sqlite3.h>

enum {
    STORE_SCHEMA = 2,                 /* the newest migration known: PRAGMA user_version */
    STORE_APPLICATION = 0x466F6E74,   /* "Font": PRAGMA application_id */
    STORE_PAGE_BYTES = 8192,          /* of a new database; measured against 4, 16 and 32 KiB */
    STORE_CHUNK_BYTES = 65536,        /* a document's bytes are stored in rows of this size */
    STORE_TF_MAX = 16,                /* columns of the table `lexical`: frequency 1..16 */
    STORE_REMOVED_GENERATIONS = 1000, /* how far back `removed` reaches */
};
#define STORE_ID_LIMIT ((int64_t)1 << 40) /* documents and passages ever made */

typedef struct StoreTable StoreTable;
typedef struct StorePostings StorePostings;

struct Store {
    sqlite3 *db;
    char *folder;
    int lock_fd; /* -1 = a reader */
    StoreMode mode;
    const StoreTokenizer *tokenizer;
    StoreTerms *terms;
    sqlite3_stmt *statements[STORE_N_SQL]; /* prepared when first used */
    size_t postings_bytes;
    size_t wal_frames; /* in the log after the last commit */
    size_t wal_moved;  /* wal_frames of the last checkpoint that moved them all */

    /* inside a change: what store_commit writes */
    bool in_change, changed;
    int64_t generation, next_document, next_passage;

    struct StoreFtsTake *take; /* who receives the postings of the running fonte_collect */
    StoreTable *table;         /* NULL until the first search */
    StorePostings *postings;   /* NULL until the first search */
    float *scores;             /* scratch of a search, one a slot */
    size_t scores_capacity;
};

/* ---- db.c: SQLite with Status ---- */
/* Status and message of a failed call; what names the action. Never OK. */
Status store_db_error(sqlite3 *db, int code, const char *what, Err *err);
/* The statement, prepared once, ready to bind. */
Status store_sql(Store *store, StoreSql sql, sqlite3_stmt **ret, Err *err) MUST_CHECK;
/* One step: OK with *ret_row, or the fault. */
Status store_step(Store *store, sqlite3_stmt *statement, bool *ret_row, Err *err) MUST_CHECK;
/* Step a statement that gives no rows, and reset it. */
Status store_run(Store *store, sqlite3_stmt *statement, Err *err) MUST_CHECK;
/* Run SQL without parameters. */
Status store_exec(Store *store, const char *sql, Err *err) MUST_CHECK;
/* Resets at the end of the scope: a statement left in a row would hold its snapshot for ever. */
static inline void store_reset_cleanup(sqlite3_stmt **statement) {
    if (*statement) sqlite3_reset(*statement);
}
#define AUTO_RESET CLEANUP(store_reset_cleanup)
/* Binding cannot fail but for want of memory, which the step then reports as a missing value would
 * not: so it is checked. Text and blobs are borrowed until the statement is reset. */
Status store_bind_text(Store *store, sqlite3_stmt *statement, int n, Slice text,
                       Err *err) MUST_CHECK;
Status store_bind_blob(Store *store, sqlite3_stmt *statement, int n, Slice bytes,
                       Err *err) MUST_CHECK;
Slice store_column(sqlite3_stmt *statement, int n); /* text or blob; a view until the next step */
/* A read snapshot over several statements; nothing to do where one is open. Ends by cleanup. */
typedef struct StoreSnapshot {
    Store *store; /* NULL = not ours to end */
} StoreSnapshot;
Status store_snapshot_begin(Store *store, StoreSnapshot *ret, Err *err) MUST_CHECK;
void store_snapshot_end(StoreSnapshot *snapshot);
#define AUTO_SNAPSHOT CLEANUP(store_snapshot_end)
Status store_meta_int(Store *store, const char *name, int64_t *ret, Err *err) MUST_CHECK;
Status store_meta_text(Store *store, const char *name, Arena *arena, char **ret,
                       Err *err) MUST_CHECK;
Status store_meta_set_int(Store *store, const char *name, int64_t value, Err *err) MUST_CHECK;
Status store_meta_set_text(Store *store, const char *name, Slice value, Err *err) MUST_CHECK;
Status store_damaged(Err *err, const char *format, ...) PRINTF_LIKE(2, 3);
/* INTERNAL unless a change is open (or, no_change, unless none is). */
Status store_need_change(const Store *store, Err *err) MUST_CHECK;
Status store_need_no_change(const Store *store, Err *err) MUST_CHECK;

/* ---- migrate.c ---- */
Status store_migrate(Store *store, Err *err) MUST_CHECK;
/* TOO_NEW, DAMAGED or OK; *ret_version is the schema's (0 = an empty file). */
Status store_schema_version(Store *store, int64_t *ret_version, Err *err) MUST_CHECK;

/* ---- content.c: bytes in chunks ---- */
Status store_content_write(Store *store, int64_t document, StorePart part, Slice bytes,
                           Err *err) MUST_CHECK;
/* [start, end) must lie inside the part; appended to ret. */
Status store_content_read(Store *store, int64_t document, StorePart part, size_t start, size_t end,
                          Buf *ret, Err *err) MUST_CHECK;
Status store_content_delete(Store *store, int64_t document, Err *err) MUST_CHECK;

/* ---- fts.c: the table `lexical` ---- */
Status store_fts_register(Store *store, Err *err) MUST_CHECK;
Status store_fts_insert(Store *store, int64_t passage, Slice terms, Err *err) MUST_CHECK;
/* terms must be those that were inserted. */
Status store_fts_delete(Store *store, int64_t passage, Slice terms, Err *err) MUST_CHECK;
/* Every passage with this term and id > after, ascending. */
typedef struct StoreFtsTake {
    Status (*take)(void *context, int64_t passage, unsigned tf);
    void *context;
    Status status; /* of the last take */
} StoreFtsTake;
Status store_fts_each(Store *store, Slice term, int64_t after, StoreFtsTake *take,
                      Err *err) MUST_CHECK;
/* Index all passages anew, for another tokenizer. */
Status store_fts_rebuild(Store *store, Err *err) MUST_CHECK;

/* ---- terms.c: the bytes that store_terms_build makes ---- */
typedef struct StoreTermsGroup {
    unsigned tf; /* 1..STORE_TF_MAX, ascending */
    Slice terms; /* parted by STORE_TERM_END */
} StoreTermsGroup;
#define STORE_TERM_END '\x1f'
/* The header; then each group; END after the last. DAMAGED where the bytes are not of this form. */
Status store_terms_read(Slice *terms, uint64_t *ret_n_words, Err *err) MUST_CHECK;
Status store_terms_next(Slice *terms, StoreTermsGroup *ret, Err *err) MUST_CHECK;
/* Cut a term to its limit, the same in documents and questions. False for what cannot be a term. */
bool store_term_cut(Slice term, Slice *ret) MUST_CHECK;
/* The terms of a question: position groups, cut to the limits. Views into the arena. */
typedef struct StoreQueryTerm {
    Slice text;
    double weight;
} StoreQueryTerm;
Status store_terms_question(StoreTerms *terms, Slice question, const char *language, Arena *arena,
                            StoreQueryTerm **ret, size_t *ret_n, Err *err) MUST_CHECK;

/* ---- document.c: one document's row ---- */
typedef struct StoreRow {
    int64_t id, collection, first_passage, n_passages;
    size_t n_text, n_origin, n_map;
} StoreRow;
/* The row of a public id; document (may be NULL) filled in the arena. NOT_FOUND. */
Status store_row_by_public_id(Store *store, const char *id, Arena *arena, StoreRow *ret,
                              FonteDocument *ret_document, Err *err) MUST_CHECK;
/* From a statement that selects SQL_DOCUMENT_COLUMNS. */
Status store_row_read(sqlite3_stmt *statement, Arena *arena, StoreRow *ret,
                      FonteDocument *ret_document, Err *err) MUST_CHECK;

/* ---- passage.c ---- */
/* Start, end and heading (a view until the next step) from a row of SQL_PASSAGES_OF, checked
 * against the text's length. */
Status store_passage_read(sqlite3_stmt *statement, size_t n_text, StorePassage *ret,
                          Err *err) MUST_CHECK;

/* ---- vector.c ---- */
/* Write a vector; the caller counts. */
Status store_vector_insert(Store *store, int64_t embedder, int64_t passage, Slice vector,
                           Err *err) MUST_CHECK;
/* INVALID where there is no such embedder. */
Status store_vectors_count(Store *store, int64_t embedder, int64_t more, Err *err) MUST_CHECK;
/* Those of all embedders, counted. */
Status store_vectors_delete(Store *store, int64_t first_passage, int64_t end_passage,
                            Err *err) MUST_CHECK;

/* ---- table.c: all passages in memory ---- */
enum { STORE_SLOT_NONE = UINT32_MAX };
/* Bring the table up to this snapshot. Call inside one. */
Status store_table_refresh(Store *store, Err *err) MUST_CHECK;
void store_table_free(Store *store);
/* The slot of a passage, looked for from a slot on; STORE_SLOT_NONE. Cheap when it is near. */
uint32_t store_table_slot_from(const StoreTable *table, size_t from, int64_t passage);
int64_t store_table_last(const StoreTable *table); /* greatest id; 0 = empty */
/* Which slots a scope allows, with the statistics of those. A view until the next call. */
typedef struct StoreAllowed {
    const uint8_t *slots;    /* [n_slots] 1 = in scope and there */
    const uint32_t *n_words; /* [n_slots] */
    const int64_t *ids;      /* [n_slots] ascending */
    size_t n_slots, n_allowed;
    uint64_t total_words; /* of those allowed */
    bool all;             /* every passage there is */
} StoreAllowed;
Status store_table_allowed(Store *store, const StoreScope *scope, StoreAllowed *ret,
                           Err *err) MUST_CHECK;

/* ---- postings.c: decoded postings, kept while they fit ---- */
typedef struct StoreList {
    const uint32_t *items; /* slot * 32 + tf, ascending; slots of gone passages may be among them */
    size_t n;
} StoreList;
#define STORE_ITEM_SLOT(item) ((item) >> 5)
#define STORE_ITEM_TF(item) ((item)&31)
/* Of one term, up to date with the table. A view until the next call. */
Status store_postings_get(Store *store, Slice term, StoreList *ret, Err *err) MUST_CHECK;
void store_postings_free(Store *store);
