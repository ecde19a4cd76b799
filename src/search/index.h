#pragma once
/* The index: documents in, passages out. Ties readers, store, embedder and vectors together; the
 * one place where a change goes to all of them. SQLite is the truth, the vector snapshot can always
 * be rebuilt from it. Threads: any. Changes are serialised by a lock inside (one writer); searches
 * run side by side, each on a read connection of its own from a pool. */
#include "store/store.h"
#include "text/reader.h"

typedef struct Index Index;

/* Limits; over them is TOO_LARGE or INVALID, with the field as the error's param. What a document
 * says of itself is cut to them instead. */
enum {
    INDEX_COLLECTION_MAX_BYTES = 64,
    INDEX_TITLE_MAX_BYTES = 1024,
    INDEX_URL_MAX_BYTES = 4096,
    INDEX_SOURCE_MAX_BYTES = 256,
    INDEX_NAME_MAX_BYTES = 4096,
    INDEX_QUESTION_MAX_BYTES = 16384,
    INDEX_MAX_PASSAGES = 1000, /* k */
    INDEX_PASSAGE_WORDS_MIN = 8,
    INDEX_PASSAGE_WORDS_MAX = 2000,
};

typedef struct IndexOptions {
    const char *embedder;     /* NULL = default ("hash-...") */
    size_t max_passage_words; /* default 200 */
    TextLimits text_limits;
    size_t flat_max_vectors; /* above this many, IVF with SQ8 (default 20,000) */
    size_t n_readers;        /* read connections kept (default 4) */
    bool read_only;          /* searches only; takes no lock on the folder */
} IndexOptions;
#define INDEX_OPTIONS_DEFAULT ((IndexOptions){ NULL, 200, TEXT_LIMITS_DEFAULT, 20000, 4, false })

/* Open or create the index in a folder: migrations, then vectors from the snapshot or, where that
 * is missing, damaged or old, from SQLite. progress (may be NULL) is called with 0-1. */
Status index_open(const char *folder, const IndexOptions *options,
                  void (*progress)(void *context, const char *stage, double ratio), void *context,
                  Index **ret, Err *err) MUST_CHECK;
/* Writes the snapshot where it is old, and closes. */
Index *index_close(Index *index);

/* What makes two inputs versions of one document: the id that is given, else the URL (given, or the
 * document's own), else nothing but its bytes. An input that holds records (JSON Lines, feeds)
 * gives each the key of its own URL; those without one are numbered parts of the input's URL
 * ("file.jsonl#3" is the third of them): adding the file again replaces what changed, and parts
 * that it no longer has are removed. Documents with a URL of their own stay when a feed drops them.
 * One input: a file's bytes and what is known beside them. All but bytes may be empty. What is
 * given here wins over what the document says of itself. */
typedef struct IndexInput {
    Slice bytes;
    const char *collection; /* NULL = default; 1-64 of [a-z0-9_-] */
    const char *name;       /* file name: its ending helps to choose the reader */
    const char *mime;       /* Content-Type */
    const char *title, *url, *date, *language, *source;
    const char *id; /* replace this document (PUT); NULL = by url or hash */
} IndexInput;

/* Adding is in two steps, so that reading and embedding run on many threads and one thread commits
 * several inputs in one transaction (one fsync). index_prepare needs no lock. */
typedef struct IndexPrepared IndexPrepared;
Status index_prepare(Index *index, const IndexInput *input, IndexPrepared **ret,
                     Err *err) MUST_CHECK;
IndexPrepared *index_prepared_free(IndexPrepared *prepared);
size_t index_prepared_bytes(const IndexPrepared *prepared); /* memory held, for limits */
/* Commit n inputs in one transaction; on OK all are durable and searchable, and ret_added[i]
 * (arrays returned owned: fonte_added_free) says what each did. On failure nothing was changed. */
Status index_commit(Index *index, IndexPrepared *const *prepared, size_t n,
                    FonteAddedList **ret_added, Err *err) MUST_CHECK;
/* prepare + commit of one. */
Status index_add(Index *index, const IndexInput *input, FonteAddedList **ret, Err *err) MUST_CHECK;
Status index_remove(Index *index, const char *id, Err *err) MUST_CHECK;
FonteAddedList *index_added_free(FonteAddedList *added);

/* Hybrid search. Returned owned (index_passages_free). INVALID for an empty question or a
 * collection name that is none; an unknown collection finds nothing. cancelled (may be NULL) is
 * polled. */
Status index_search(Index *index, const FonteQuery *query, bool (*cancelled)(void *context),
                    void *context, FontePassages **ret, Err *err) MUST_CHECK;
/* The passages that a search found once, by document, version, start and end, with the scores that
 * stand in them; everything else is read again. Returned owned. CONFLICT, naming the document,
 * where one is gone or has another version. */
Status index_passages_again(Index *index, const FontePassage *wanted, size_t n,
                            const char *language, FontePassages **ret, Err *err) MUST_CHECK;
FontePassages *index_passages_free(FontePassages *passages);

/* In how many passages each term stands (as the lexical index has it: folded word or stem), and how
 * many passages there are. For weighing; a term that is nowhere has 0. */
Status index_frequencies(Index *index, const Slice *terms, size_t n, uint64_t *ret_df,
                         uint64_t *ret_n_passages, Err *err) MUST_CHECK;

/* The vector of a text by the embedder that serves: *ret_dim numbers in the arena, norm 1 (all zero
 * where the text holds nothing). */
Status index_vector_of(Index *index, Slice text, const char *language, bool is_query, Arena *arena,
                       float **ret, size_t *ret_dim, Err *err) MUST_CHECK;

/* Documents: as the store has them, on a read connection of the pool. */
Status index_document(Index *index, const char *id, Arena *arena, FonteDocument *ret,
                      Err *err) MUST_CHECK;
Status index_read(Index *index, const char *id, StorePart part, size_t start, size_t end, Buf *ret,
                  Err *err) MUST_CHECK;
Status index_list(Index *index, const char *collection, const char *after, size_t limit,
                  Arena *arena, FonteDocument **ret, size_t *ret_n, Err *err) MUST_CHECK;
Status index_collections(Index *index, Arena *arena, StoreCollection **ret, size_t *ret_n,
                         Err *err) MUST_CHECK;
/* Original bytes for clean bytes [start, end): FONTE_NO_OFFSET both where there are none. */
Status index_origin_span(Index *index, const char *id, size_t start, size_t end, size_t *ret_start,
                         size_t *ret_end, Err *err) MUST_CHECK;

/* Records of answers (store/store.h): put n in one transaction and forget what is too much or too
 * old. */
Status index_answers_put(Index *index, const StoreAnswer *answers, size_t n, size_t n_most,
                         int64_t oldest_unix_s, Err *err) MUST_CHECK;
Status index_answer(Index *index, const char *id, Arena *arena, StoreAnswer *ret,
                    Err *err) MUST_CHECK;

typedef struct IndexStatus {
    StoreCounts counts;
    char embedder[64];          /* that serves */
    char embedder_building[64]; /* "" = none */
    double building_ratio;      /* 0-1 */
    const char *vector_kind;    /* "flat" or "ivf-sq8" */
    size_t n_vectors;           /* in memory */
} IndexStatus;
Status index_status(Index *index, IndexStatus *ret, Err *err) MUST_CHECK;
/* Store, lexical index and vectors agree, on disk and in memory. DAMAGED with the first difference.
 */
Status index_verify(Index *index, Err *err) MUST_CHECK;
/* One step of background work (re-embedding, checkpoint, training IVF, snapshot), some 50 ms long.
 * UNCHANGED = nothing left to do. */
Status index_maintain(Index *index, Err *err) MUST_CHECK;
/* Is work due that must not wait until nothing is added any more, because the vectors grow out of
 * the form that they have? Then a step of index_maintain belongs between two commits. */
bool index_is_pressed(Index *index);
