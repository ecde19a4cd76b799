#pragma once
/* The vectors' snapshot: what spares a start from building the inverted lists anew. It is a cache
 * of SQLite's vectors: whatever is wrong with it, it is thrown away.
 *
 * File, little-endian (index/FORMAT.md has it too, and what FAISS writes):
 *      0   8  "FONTEVEC"
 *      8   4  version, 1
 *     12   4  kind: 1 flat, 2 IVF with SQ8
 *     16   4  dimension
 *     20   4  0
 *     24   8  generation of the database that it was taken at
 *     32   8  number of vectors
 *     40   8  largest passage id, 0 = none
 *     48  64  embedder's name, NUL-padded
 *    112   -  FAISS's serialisation
 *   n-40   8  n, the length of the file
 *   n-32  32  SHA-256 of all bytes before
 *
 * Threads: any; one writer at a time per path. */
#include "search/vectors.h"

enum { SNAPSHOT_NAME_BYTES = 64 };

typedef struct SnapshotInfo {
    char embedder[SNAPSHOT_NAME_BYTES];
    uint64_t generation;
    uint64_t n_vectors;
    int64_t max_id;
} SnapshotInfo;

/* Replace path. NO_SPACE and IO leave the old file as it was. */
Status snapshot_write(const char *path, const SnapshotInfo *info, Vectors *vectors,
                      Err *err) MUST_CHECK;
/* NOT_FOUND; DAMAGED for anything that was not written by snapshot_write, all of it checked by the
 * hash before FAISS sees a byte; CONFLICT where it is of another embedder or dimension. */
Status snapshot_read(const char *path, const char *embedder, size_t dim, SnapshotInfo *ret_info,
                     Vectors **ret, Err *err) MUST_CHECK;
