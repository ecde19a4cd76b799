#pragma once
/* A file that is being received: PATH.part, and beside it PATH.part.from with what is needed to go
 * on: its URL, the entity tag and the size that the server gave, one a line.
 * Threads: one owner at a time; the part is locked, so that a second process is told. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"

enum { PARTIAL_TAG_BYTES = 256 };

typedef struct Partial {
    int fd;
    uint64_t n_bytes; /* received so far */
    uint64_t total;   /* as the server said; 0 = not known */
    char tag[PARTIAL_TAG_BYTES];
    Buf path, part, from;
} Partial;
#define PARTIAL_NULL ((Partial){ .fd = -1 })

/* Make or open it. What is there from another URL is dropped. CONFLICT where path exists, BUSY
 * where another process has it. */
Status partial_open(Partial *partial, const char *path, const char *url, Err *err) MUST_CHECK;
void partial_close(Partial *partial);

/* Begin anew with a file of that size and tag ("" = none). NO_SPACE where it does not fit. */
Status partial_restart(Partial *partial, const char *url, const char *tag, uint64_t total,
                       Err *err) MUST_CHECK;
/* DAMAGED beyond the total. */
Status partial_append(Partial *partial, Slice bytes, Err *err) MUST_CHECK;
/* Forget all bytes; the files stay. */
Status partial_drop(Partial *partial, Err *err) MUST_CHECK;

/* SHA-256 of what the disk holds. progress as in fonte/fetch.h. */
Status partial_hash(const Partial *partial, bool (*progress)(void *, uint64_t, uint64_t),
                    void *context, Hash *ret, Err *err) MUST_CHECK;
/* It is whole: onto the disk, then under its name. */
Status partial_publish(Partial *partial, Err *err) MUST_CHECK;
/* It is wrong: remove it. */
void partial_remove(Partial *partial);
