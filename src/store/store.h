#pragma once
/* The truth on disk: one SQLite database with documents, passages, their lexical index (FTS5) and
 * their vectors. Every change is one transaction; what was committed survives kill -9 and power
 * loss (WAL, synchronous=FULL). Knows nothing of languages or embedding: the tokenizer is handed
 * in. Threads: a Store is one connection and has one owner at a time; open one that writes and as
 * many that read as there are threads. Readers see the last commit. Source: index/schema.sql,
 * index/FORMAT.md; https://www.sqlite.org/fts5.html (custom tokenizers). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/slice.h"
#include <fonte/types.h>

typedef struct Store Store;

enum { STORE_ID_BYTES = 27 }; /* a document's public id and its NUL */

/* How the lexical index sees text. Called by FTS5 on the thread that owns the Store; `instance` is
 * one connection's own (made by new_instance when it opens, so that it needs no lock). each() calls
 * take for every term in order; colocated terms (stem of the same word) say so. */
typedef struct StoreTokenizer {
    void *(*new_instance)(void);
    void (*free_instance)(void *instance);
    Status (*each)(void *instance, Slice text, const char *language, bool is_query,
                   Status (*take)(void *context, Slice term, size_t start, size_t end,
                                  bool colocated),
                   void *context);
    /* "fonte-3": part of the schema; opening for writing with another id rebuilds the lexical index
     * (reading with another id is CONFLICT). Change it with everything that changes terms, versions
     * of stemmers and dictionaries too: deleting a passage gives FTS5 its terms a second time. */
    const char *id;
    /* Whether terms of this language are overlapping parts of its text (n-grams) instead of words;
     * NULL = never. */
    bool (*has_parts)(const char *language);
} StoreTokenizer;

typedef enum StoreMode { STORE_READ, STORE_WRITE } StoreMode;

typedef struct StoreOptions {
    const StoreTokenizer *tokenizer; /* static; borrowed for ever */
    size_t cache_bytes;              /* SQLite's page cache (0 = 32 MiB) */
    size_t postings_bytes;           /* decoded postings kept for searches (0 = 32 MiB) */
    int busy_timeout_ms;             /* wait for another process's lock (0 = 5,000) */
    bool synchronous_normal;         /* only for the test that shows that it loses documents */
} StoreOptions;

/* Open folder/fonte.db; STORE_WRITE creates it, applies the migrations in one transaction and takes
 * the writer's lock of the folder (CONFLICT where another process has it). TOO_NEW for a schema
 * that this program does not know; DAMAGED where the file is no database or fails its checks. */
Status store_open(const char *folder, StoreMode mode, const StoreOptions *options, Store **ret,
                  Err *err) MUST_CHECK;
Store *store_close(Store *store);

/* ---- terms of a passage, made on any thread ---- */
/* Counting terms is the dearer half of adding text, so it need not happen on the thread that
 * writes: whoever prepares a document builds each passage's terms and hands the bytes to store_put.
 * One StoreTerms per thread. NULL where there is no memory. */
typedef struct StoreTerms StoreTerms;
StoreTerms *store_terms_new(const StoreTokenizer *tokenizer) MUST_CHECK;
StoreTerms *store_terms_free(StoreTerms *terms);
/* Append the terms of one passage, as index/FORMAT.md has them, to ret: each once, with how often
 * it stands in text plus STORE_TITLE_WEIGHT times how often it stands in title and heading. */
Status store_terms_build(StoreTerms *terms, Slice title, Slice heading, Slice text,
                         const char *language, Buf *ret, Err *err) MUST_CHECK;
enum {
    STORE_TITLE_WEIGHT = 2,     /* a word of the title or heading counts as so many of the text */
    STORE_TERM_MAX_BYTES = 128, /* longer terms are cut, in documents as in questions */
    STORE_QUESTION_TERMS = 128, /* different terms of a question that are looked at: the first */
};

/* ---- changes (STORE_WRITE; between begin and commit) ---- */
Status store_begin(Store *store, Err *err) MUST_CHECK;
Status store_commit(Store *store, Err *err) MUST_CHECK; /* durable on return */
void store_rollback(Store *store);                      /* also after a failure */

typedef struct StorePassage {
    size_t start, end; /* bytes of the clean text */
    Slice heading;
    Slice vector; /* the embedder's bytes; may be empty while it is to be embedded later */
    Slice terms;  /* from store_terms_build; empty = store_put makes them itself */
} StorePassage;

typedef struct StoreDocument {
    Slice id; /* replace this document, which keeps its collection and key (NOT_FOUND where there is
               * none); empty = the document of this collection and key */
    Slice collection;
    Slice key;    /* what makes it the same document in a new version: URL or path; "" = its hash */
    Hash version; /* SHA-256 of origin, or of text where origin is empty */
    Slice title, url, date, language, source, format;
    Slice text;
    Slice origin; /* n == 0: equal to text */
    Slice map;    /* encoded offset map; n == 0: identity */
    const StorePassage *passages;
    size_t n_passages;
    int64_t embedder; /* row of the embedder that made the vectors; 0 = none */
} StoreDocument;

/* A list of passage ids, ascending. Owned by whoever declared it (ids: free). */
typedef struct StoreIds {
    int64_t *ids;
    size_t n, capacity;
} StoreIds;

typedef struct StorePut {
    char id[STORE_ID_BYTES];
    bool replaced;
    int64_t first_passage; /* the new passages have ids first_passage .. +n_passages-1 */
} StorePut;

/* Insert, or replace the version that has the same collection and key. UNCHANGED (ret->id filled)
 * where that version is there already with the same metadata, or where key is "" and any document
 * of the collection has these bytes. removed: ids of passages that went away are appended. */
Status store_put(Store *store, const StoreDocument *document, StorePut *ret, StoreIds *removed,
                 Err *err) MUST_CHECK;
/* NOT_FOUND where there is none. */
Status store_delete(Store *store, const char *id, StoreIds *removed, Err *err) MUST_CHECK;

/* ---- reads that belong together ---- */
/* What is read until store_read_end is of one commit: what a search found is still there when it is
 * read, and what came meanwhile, in whatever collection, is not. Short: the log cannot be moved
 * into the database meanwhile. Not within another, nor between begin and commit. */
Status store_read_begin(Store *store, Err *err) MUST_CHECK;
void store_read_end(Store *store);

/* ---- documents ---- */
/* The id that a document of this collection and key (not "") has or would have. Touches no file. */
Status store_document_id(Slice collection, Slice key, char ret[STORE_ID_BYTES],
                         Err *err) MUST_CHECK;
/* Metadata, a view into the arena. NOT_FOUND. */
Status store_document(Store *store, const char *id, Arena *arena, FonteDocument *ret,
                      Err *err) MUST_CHECK;
typedef enum StorePart { STORE_TEXT, STORE_ORIGIN, STORE_MAP } StorePart;
/* The bytes [start, end) of a part (end past it = to its end), appended. NOT_FOUND. */
Status store_read(Store *store, const char *id, StorePart part, size_t start, size_t end, Buf *ret,
                  Err *err) MUST_CHECK;
/* Up to limit documents of the collection ("" = all) in order of id behind `after` ("" = from the
 * start). */
Status store_list(Store *store, const char *collection, const char *after, size_t limit,
                  Arena *arena, FonteDocument **ret, size_t *ret_n, Err *err) MUST_CHECK;
typedef struct StoreCollection {
    const char *name;
    size_t n_documents, n_passages;
} StoreCollection;
Status store_collections(Store *store, Arena *arena, StoreCollection **ret, size_t *ret_n,
                         Err *err) MUST_CHECK;

/* ---- passages ---- */
/* Everything of the passages with these ids except scores, ranks and text origin; ids that are gone
 * are left out (*ret_n may be smaller; ret_ids says which are there). Text is read by slices. */
Status store_passages(Store *store, const int64_t *ids, size_t n, Arena *arena, FontePassage **ret,
                      int64_t **ret_ids, size_t *ret_n, Err *err) MUST_CHECK;

/* The id of the passage that begins at this byte of a document's text. NOT_FOUND. */
Status store_passage_at(Store *store, const char *document, size_t start, int64_t *ret,
                        Err *err) MUST_CHECK;

/* What a search may look at. The Store keeps a table of all passages in memory per connection only
 * where that pays; filters never come after ranking. */
typedef struct StoreScope {
    const char *collection;
    FonteFilters filters;
} StoreScope;

typedef struct StoreHit {
    int64_t passage;
    double score; /* BM25, higher is better */
} StoreHit;

/* Best k passages for the question by BM25 over its terms (OR; the tokenizer drops what carries no
 * meaning; of colocated terms the last, the stem, is the term and the others are a small bonus).
 * Text is data: it is never parsed as an FTS5 query. Ties go to the smaller id. Statistics are
 * those of the scope, so that no score tells of another collection. Not between begin and commit.
 */
Status store_lexical(Store *store, Slice question, const char *language, const StoreScope *scope,
                     size_t k, Arena *arena, StoreHit **ret, size_t *ret_n, Err *err) MUST_CHECK;
/* In how many passages each term stands, as the lexical index has it. Not between begin and commit.
 */
Status store_frequencies(Store *store, const Slice *terms, size_t n, uint64_t *ret_df,
                         Err *err) MUST_CHECK;
/* What store_lexical weighs each term by: idf = ln(1 + (N - df + 0.5) / (df + 0.5)) over the
 * passages in scope, for parts of words its square. Not between begin and commit. */
Status store_weights(Store *store, const Slice *terms, size_t n, const char *language,
                     const StoreScope *scope, double *ret_weights, Err *err) MUST_CHECK;
/* The ids of the passages in scope, ascending, appended: for filtering vectors. STATUS_UNCHANGED,
 * with nothing appended, where the scope holds every passage there is. */
Status store_scope_ids(Store *store, const StoreScope *scope, StoreIds *ret, Err *err) MUST_CHECK;

/* ---- vectors ---- */
/* The row of an embedder by name, made (STORE_WRITE, in a transaction) where it is new. */
Status store_embedder(Store *store, const char *name, size_t dim, int64_t *ret,
                      Err *err) MUST_CHECK;
/* The embedder whose vectors serve searches: 0 = none yet. */
Status store_embedder_current(Store *store, int64_t *ret, char ret_name[64], Err *err) MUST_CHECK;
Status store_embedder_set_current(Store *store, int64_t embedder, Err *err) MUST_CHECK;
/* Up to limit passages behind `after` that have no vector of this embedder: ids and texts with
 * language, to be embedded in the background. */
typedef struct StoreUnembedded {
    int64_t passage;
    Slice text, title, heading;
    const char *language;
} StoreUnembedded;
Status store_unembedded(Store *store, int64_t embedder, int64_t after, size_t limit, Arena *arena,
                        StoreUnembedded **ret, size_t *ret_n, Err *err) MUST_CHECK;
/* Add a vector to a passage that still exists (else OK, nothing done). In a transaction. */
Status store_vector_put(Store *store, int64_t embedder, int64_t passage, Slice vector,
                        Err *err) MUST_CHECK;
/* Drop all vectors of other embedders, in steps of at most limit rows: UNCHANGED = none left. */
Status store_vectors_drop_others(Store *store, int64_t embedder, size_t limit, Err *err) MUST_CHECK;
/* Call take for the vector of every passage with id > after, ascending. Stops early where take
 * returns other than OK, and returns that (with what take wrote to an err of its own). */
Status store_vectors_each(Store *store, int64_t embedder, int64_t after,
                          Status (*take)(void *context, int64_t passage, Slice vector),
                          void *context, Err *err) MUST_CHECK;

/* ---- answers ---- */
/* What an answer was made of, kept for a time (index/FORMAT.md). What the record says is its
 * maker's. */
typedef struct StoreAnswer {
    const char *id; /* public: lower-case letters and digits */
    int64_t uid;    /* who asked */
    const char *collection;
    int64_t made_unix_s;
    Slice record; /* JSON */
} StoreAnswer;
/* In a transaction. */
Status store_answer_put(Store *store, const StoreAnswer *answer, Err *err) MUST_CHECK;
/* Forget all but the last n_most, and those made before. In a transaction. */
Status store_answers_trim(Store *store, size_t n_most, int64_t oldest_unix_s, Err *err) MUST_CHECK;
/* A copy whose views are into the arena. Threads: any. */
Status store_answer_copy(const StoreAnswer *from, Arena *arena, StoreAnswer *ret,
                         Err *err) MUST_CHECK;
/* Views into the arena. NOT_FOUND. */
Status store_answer(Store *store, const char *id, Arena *arena, StoreAnswer *ret,
                    Err *err) MUST_CHECK;

/* ---- state ---- */
typedef struct StoreCounts {
    size_t n_documents, n_passages, n_lexical, n_vectors; /* vectors of the current embedder */
    int64_t generation;  /* grows with every commit that changed a document */
    size_t n_file_bytes; /* database and write-ahead log */
} StoreCounts;
Status store_counts(Store *store, StoreCounts *ret, Err *err) MUST_CHECK;
/* integrity_check, FTS5's own, and passages = lexical rows = vectors, spans inside texts, texts
 * hashing to their versions. DAMAGED with the first thing wrong. */
Status store_verify(Store *store, Err *err) MUST_CHECK;
/* Move the log into the database when it has grown (after commits, off the request's path). */
Status store_checkpoint(Store *store, Err *err) MUST_CHECK;
