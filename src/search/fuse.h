#pragma once
/* Two ranked lists become one.
 * Threads: any. Errors: none. */
#include "search/vectors.h"
#include "store/store.h"

typedef struct FusedHit {
    int64_t passage;
    double score; /* lexical_score + vector weight * vector_score */
    double lexical_score, vector_score;
    size_t lexical_rank, vector_rank; /* 1 = best; 0 = not in that list */
} FusedHit;

/* The union of both lists, best first (ties: the smaller id), into ret (room for n_lexical +
 * n_vector); returns how many. vector_weight: BM25 points that a cosine of 1 is worth. */
size_t fuse_lists(const StoreHit *lexical, size_t n_lexical, const VectorsHit *vector,
                  size_t n_vector, double vector_weight, FusedHit *ret);

/* A passage's text as a set, to find near-duplicates: hashes of its word pairs, folded to lower
 * case, ascending, each once. */
typedef struct FuseSketch {
    uint32_t *pairs; /* owned (fuse_sketch_deinit) */
    size_t n;
} FuseSketch;
Status fuse_sketch_init(Slice text, FuseSketch *ret, Err *err) MUST_CHECK;
void fuse_sketch_deinit(FuseSketch *sketch);
/* At least four fifths of the pairs of both together are in both. */
bool fuse_is_near_duplicate(const FuseSketch *a, const FuseSketch *b);
