#pragma once
/* What the files of an Index share: index.c (open, close, status, documents), load.c (vectors from
 * snapshot or SQLite), ingest.c (prepare), commit.c (commit, remove), query.c (search), maintain.c
 * (background work).
 *
 * Threading model. Lock order: maintain_lock, write_lock, live_lock, pool locks.
 *   maintain_lock   one step of background work at a time
 *   write_lock      `writer`: one change at a time. Whoever changes
 *                   documents holds it from begin until vectors in memory have followed.
 *   live_lock       `live`: searches hold it for reading while they use embedder and vectors;
 *                   swapping them takes it for writing. Adding to and removing from `live.vectors`
 *                   needs it for reading only: Vectors has its own lock.
 *   pool locks      free lists of read connections and scratch, held for a few instructions.
 * `live` is only ever swapped under write_lock too, so who holds write_lock may read it freely. */
#include "search/embedder.h"
#include "search/index.h"
#include "search/vectors.h"
#include "text/language.h"
#include "text/terms.h"

#include <pthread.h>
#include <stdatomic.h>

/* An embedder with its row in the store; shared, as preparing a long document must not keep the
 * lock that a switch to another embedder needs. */
typedef struct IndexEmbedder {
    Embedder *embedder; /* owned */
    int64_t row;
    atomic_int n_refs;
} IndexEmbedder;

/* What serves searches by vector. */
typedef struct IndexLive {
    IndexEmbedder *embedder; /* one reference */
    Vectors *vectors;        /* owned */
} IndexLive;

/* What one thread needs beside a connection. */
typedef struct IndexScratch {
    struct IndexScratch *next;
    void *embedder; /* scratch of the embedder of this name; NULL until first used */
    char embedder_name[EMBEDDER_NAME_BYTES];
    void (*free_embedder)(void *scratch);
    StoreTerms *terms;
    TextTerms *words; /* for closeness_* */
} IndexScratch;

struct Index {
    char *folder, *snapshot_path, *wanted_embedder;
    IndexOptions options; /* embedder: see wanted_embedder */

    pthread_mutex_t maintain_lock;
    pthread_mutex_t write_lock;
    Store *writer;                  /* NULL when read-only */
    _Atomic int64_t last_commit_us; /* no snapshot while changes come one after another */

    pthread_rwlock_t live_lock;
    IndexLive live;

    /* Background embedding: of the next embedder, or of passages that have no vector yet. */
    IndexEmbedder *building; /* maintain_lock; one reference; NULL = nothing to do */
    int64_t building_after;  /* maintain_lock; passages up to here are done */
    _Atomic uint64_t n_built, n_to_build;
    char building_name[EMBEDDER_NAME_BYTES]; /* live_lock; "" = no other will serve */

    _Atomic uint64_t n_changes;        /* that vectors in memory have followed */
    _Atomic uint64_t snapshot_changes; /* n_changes when the snapshot was taken */
    atomic_bool vectors_stale;         /* memory fell behind (for want of it): compare again */
    atomic_bool checkpoint_due, drop_due;

    pthread_mutex_t pool_lock;
    pthread_cond_t pool_free;
    Store **readers; /* [options.n_readers], the first n_free are free */
    size_t n_free;
    IndexScratch *scratches; /* free ones */
};

/* ---- pools (index.c) ---- */
Store *index_reader_take(Index *index); /* waits until one is free */
void index_reader_give(Index *index, Store *reader);
IndexScratch *index_scratch_take(Index *index, Err *err); /* NULL, err filled: no memory */
void index_scratch_give(Index *index, IndexScratch *scratch);
/* The scratch's own for this embedder (made anew where it was for another one). */
Status index_scratch_embedder(IndexScratch *scratch, const Embedder *embedder, void **ret,
                              Err *err) MUST_CHECK;
void index_scratches_free(Index *index);

/* As index_origin_span, on a connection that the caller has; arena: scratch. */
Status index_origin_of(Store *reader, const char *id, size_t start, size_t end, Arena *arena,
                       size_t *ret_start, size_t *ret_end, Err *err) MUST_CHECK;

/* ---- passages (query.c, answers.c) ---- */
/* What a FontePassages is inside: it owns all that it points to. */
typedef struct Passages {
    FontePassages list; /* first: what the caller holds */
    Arena arena;
} Passages;

/* ---- embedders (index.c) ---- */
/* Consumes embedder on success; one reference, returned owned. */
Status index_embedder_new(Embedder *embedder, int64_t row, IndexEmbedder **ret,
                          Err *err) MUST_CHECK;
IndexEmbedder *index_embedder_unref(IndexEmbedder *embedder);
IndexEmbedder *index_embedder_live(Index *index); /* a reference of the caller's own */

/* ---- vectors (load.c) ---- */
/* From the snapshot, brought up to date, or anew; into index->live.vectors. At open only. */
Status index_load_vectors(Index *index, Store *store,
                          void (*progress)(void *context, const char *stage, double ratio),
                          void *context, Err *err) MUST_CHECK;
/* All vectors of an embedder, exact or IVF as their number asks for. */
Status index_build_vectors(Store *store, int64_t row, size_t dim, bool ivf,
                           void (*progress)(void *context, const char *stage, double ratio),
                           void *context, Vectors **ret, Err *err) MUST_CHECK;
/* Make vectors hold exactly the ids that the store has: what differs is added or removed. */
Status index_reconcile_vectors(Store *store, int64_t row, Vectors *vectors, size_t *ret_n_changes,
                               Err *err) MUST_CHECK;
Status index_verify_vectors(Store *store, int64_t row, Vectors *vectors, Err *err) MUST_CHECK;
Status index_write_snapshot(Index *index, Err *err) MUST_CHECK; /* write_lock held */
/* Should they be in inverted lists, or in more of them? Even before it is quiet? */
bool index_wants_ivf(const Index *index, Vectors *vectors);
bool index_presses_ivf(const Index *index, Vectors *vectors);

/* ---- documents read and embedded (prepare.c) ---- */
typedef struct PreparedDocument {
    StoreDocument document; /* views into the IndexPrepared; passages' vectors filled */
    char language[LANGUAGE_BYTES];
} PreparedDocument;

struct IndexPrepared {
    Arena arena;
    TextDocs docs;
    PreparedDocument *documents;
    size_t n_documents;
    int64_t embedder_row;  /* that made the vectors */
    const char *container; /* documents are parts of this URL; NULL = they are not */
    size_t n_parts;        /* documents that have a number in it instead of a URL of their own */
    size_t n_bytes;
};

/* Embed and pack: int8 [dim]. */
Status index_embed(IndexScratch *scratch, const Embedder *embedder, const EmbedText *text,
                   int8_t *ret, Err *err) MUST_CHECK;
/* All passages, with this embedder. */
Status index_prepared_embed(IndexPrepared *prepared, IndexScratch *scratch,
                            const IndexEmbedder *embedder, Err *err) MUST_CHECK;
/* "URL#3": the key of the third document of a container. A view into the arena; NULL = no memory.
 */
const char *index_part_key(Arena *arena, const char *container, size_t number);
/* The collection as it is meant, or INVALID. */
Status index_check_collection(const char *collection, const char **ret, Err *err) MUST_CHECK;
