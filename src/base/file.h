#pragma once
/* Whole files: read with a limit, replaced atomically.
 * Threads: any. */
#include "base/buf.h"
#include <stdio.h>

/* Append the file's bytes to ret. NOT_FOUND, DENIED, IO; TOO_LARGE above max_bytes; INVALID where
 * it is not a regular file. */
Status file_read(const char *path, size_t max_bytes, Buf *ret, Err *err) MUST_CHECK;
/* Replace path by the pieces: written beside it, fsync, rename, fsync of the folder. */
Status file_replace(const char *path, const Slice *pieces, size_t n_pieces, Err *err) MUST_CHECK;
/* The same with whatever write() writes to the file. */
Status file_replace_by(const char *path, Status (*write)(void *context, FILE *file, Err *err),
                       void *context, Err *err) MUST_CHECK;
/* Give a file that was written beside it its name: fsync of fd, rename, fsync of the folder. What
 * has that name is replaced. */
Status file_publish(int fd, const char *beside, const char *path, Err *err) MUST_CHECK;
/* Remove it for good: unlink, fsync of the folder. NOT_FOUND. */
Status file_remove(const char *path, Err *err) MUST_CHECK;
/* mkdir -p with the mode (of those that are new). */
Status file_make_dirs(const char *path, unsigned mode, Err *err) MUST_CHECK;
