#pragma once
/* Bring a file here over http or https, whole or not at all. What was received of it before is kept
 * beside it and gone on with; the file appears under its name when its length, its SHA-256 (where
 * one is given) and the caller's own check are right, and its bytes are on the disk.
 * This is all of libfonte that goes to the network, and only when it is called. Threads: any; two
 * calls for one path at once: the second is BUSY. */
#include <fonte/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FonteFetchOptions {
    const char *sha256; /* 64 hexadecimal digits; NULL = not known */
    uint64_t n_bytes;   /* what the file's size has to be; 0 = what the server says */
    unsigned n_retries; /* attempts in a row that bring nothing, after the first */
    double patience_s;  /* an attempt that receives nothing for so long is given up; 0 = 60 */
    /* Called some times a second; false: FONTE_CANCELLED, what is there is kept. total 0 = not
     * known yet. May be NULL. */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    /* The whole file, before it gets its name; anything but OK removes it. May be NULL. */
    FonteStatus (*check)(void *context, const char *path, FonteError *error);
    void *context;
} FonteFetchOptions;

typedef struct FonteFetched {
    uint64_t n_bytes;   /* of the file */
    uint64_t n_kept;    /* of these were there before the call */
    unsigned n_retries; /* attempts after the first */
    char sha256[65];    /* of the file, lower case */
} FonteFetched;

/* url http(s)://...; redirects go to http(s) only, from https to https only; certificates are
 * checked. While it is incomplete, path has ".part" and ".part.from" beside it.
 * CONFLICT where path is there already, whatever it holds; USAGE for a URL or digest that is none;
 * DAMAGED where size, digest or check are not right (the part is removed); UNREACHABLE
 * (the part is kept); NOT_FOUND, DENIED as the server says; UNSUPPORTED where it does not say how
 * long the file is or sends it encoded; BUSY, CANCELLED, NO_SPACE, IO, NO_MEMORY. */
FONTE_API FonteStatus fonte_fetch(const char *url, const char *path,
                                  const FonteFetchOptions *options, FonteFetched *ret,
                                  FonteError *error);

#ifdef __cplusplus
}
#endif
