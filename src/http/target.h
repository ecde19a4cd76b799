#pragma once
/* The target of a request line (RFC 9112, 3.2.1 origin form): path segments and query parameters,
 * percent-decoded once and strictly. What could be read in two ways is refused.
 * Threads: any. */
#include "base/arena.h"
#include "base/buf.h"

enum { HTTP_MAX_SEGMENTS = 8, HTTP_MAX_PARAMS = 32 };

typedef struct HttpParam {
    const char *name;
    Slice value; /* decoded, valid UTF-8 without NUL, NUL-terminated */
} HttpParam;

typedef struct HttpTarget {
    Slice segments[HTTP_MAX_SEGMENTS]; /* of the path, decoded, NUL-terminated; "/" has none */
    size_t n_segments;
    HttpParam params[HTTP_MAX_PARAMS];
    size_t n_params;
} HttpTarget;

/* Views into the arena. INVALID (bad characters, bad percent-encoding, "." and "..", an encoded
 * slash, a parameter twice, not UTF-8); NOT_FOUND for a path with more segments than any route. */
Status http_target_parse(Slice raw, Arena *arena, HttpTarget *ret, Err *err) MUST_CHECK;
/* NULL where it was not given. */
const char *http_target_param(const HttpTarget *target, const char *name);
