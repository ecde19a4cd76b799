#pragma once
/* Vectors in memory, searched through FAISS: exact while they are few (IDMap2 over Flat), inverted
 * lists of 8-bit codes when they are many (IVF, SQ8). Cosine similarity of vectors of norm 1, by
 * inner product. Knows nothing of documents or files.
 * Threads: any. Searches run side by side; a change waits for those that run and then has the
 * object alone (a read-write lock inside, which prefers the writer).
 * Source: FAISS 1.7.3; Johnson et al. 2017, "Billion-scale similarity search with GPUs". */
#include "base/mem.h"
#include "base/status.h"
#include <stdio.h>

typedef struct Vectors Vectors;

/* Exact, empty. */
Status vectors_new_flat(size_t dim, Vectors **ret, Err *err) MUST_CHECK;
/* Inverted lists for about n_expected vectors, trained on sample (f32 [n_sample, dim], norm 1, at
 * least VECTORS_MIN_SAMPLE); empty. */
Status vectors_new_ivf(size_t dim, size_t n_expected, const float *sample, size_t n_sample,
                       Vectors **ret, Err *err) MUST_CHECK;
enum {
    VECTORS_MIN_SAMPLE = 256,
    VECTORS_SAMPLE_PER_LIST = 32, /* training vectors per list that are worth having */
};
/* How many lists n vectors get: 4 * sqrt(n), from 16 to 4,096. */
size_t vectors_lists_for(size_t n);
Vectors *vectors_free(Vectors *vectors);

typedef enum VectorsKind { VECTORS_FLAT = 1, VECTORS_IVF = 2 } VectorsKind;
VectorsKind vectors_kind(const Vectors *vectors);
size_t vectors_dim(const Vectors *vectors);
size_t vectors_lists(const Vectors *vectors); /* 0 for flat */
size_t vectors_count(Vectors *vectors);

/* x f32 [n, dim]; ids must be new. On failure some may be in: remove them all and try again. */
Status vectors_add(Vectors *vectors, const int64_t *ids, const float *x, size_t n,
                   Err *err) MUST_CHECK;
/* Ids that are not there are no error. */
Status vectors_remove(Vectors *vectors, const int64_t *ids, size_t n, Err *err) MUST_CHECK;

/* Which ids a search may find: bit id%8 of byte id/8. */
typedef struct VectorsScope {
    const uint8_t *bitmap; /* NULL = all */
    size_t n_bytes;
    size_t n_ids; /* bits set */
} VectorsScope;

typedef struct VectorsHit {
    int64_t id;
    float score; /* cosine */
} VectorsHit;

/* The k nearest in scope, best first; *ret_n <= k. Flat is exact; IVF looks at `probes` lists (0 =
 * one in 16, at least 16), more where the scope is small, all where it is very small. */
Status vectors_search(Vectors *vectors, const float *query, size_t k, size_t probes,
                      const VectorsScope *scope, VectorsHit *ret, size_t *ret_n,
                      Err *err) MUST_CHECK;

/* All ids, ascending, returned owned (free). */
Status vectors_ids(Vectors *vectors, int64_t **ret, size_t *ret_n, Err *err) MUST_CHECK;

/* FAISS's own serialisation. It crashes on damaged bytes: only what a hash has verified may be
 * read. DAMAGED where it is not what dim and kind say. */
Status vectors_write(Vectors *vectors, FILE *file, Err *err) MUST_CHECK;
Status vectors_read(FILE *file, size_t dim, VectorsKind kind, Vectors **ret, Err *err) MUST_CHECK;
