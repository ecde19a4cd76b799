#pragma once
/* Who may talk on a loopback TCP socket, where no kernel says who is at the other end: programs
 * that address this machine by a loopback name (so no page that a browser was led here from, by
 * whatever DNS says) and show the key. Works on plain text, so that it is tested without a server.
 * Threads: any; a filled guard is not changed.
 * Source: RFC 6750 (bearer tokens), RFC 6454 (Origin), RFC 9110 section 7.2 (Host). */
#include "base/slice.h"
#include "base/status.h"

enum { HTTP_KEY_MIN_BYTES = 16, HTTP_KEY_MAX_BYTES = 512 };

typedef struct HttpGuard {
    char key[HTTP_KEY_MAX_BYTES];
    size_t n_key; /* bytes */
} HttpGuard;

/* White space round the key is dropped. INVALID where its length is not within the limits above or
 * a byte of it is no printable ASCII. */
Status http_guard_init(HttpGuard *guard, Slice key, Err *err) MUST_CHECK;
/* Fields of one request, NULL where it has none. 0: let in; else 403 or 401, err says why. */
int http_guard_check(const HttpGuard *guard, const char *host, const char *origin,
                     const char *authorization, Err *err) MUST_CHECK;
