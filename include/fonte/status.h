#pragma once
/* What a call of Fonte's can answer, and the text that goes with it.
 * One table makes the enum, the names, the messages, the HTTP status and the exit status of
 * `fonte`. Threads: any. */
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FONTE_API __attribute__((visibility("default")))
#else
#define FONTE_API
#endif

/* X(NAME, number, "code in JSON", "message", HTTP status, exit status of `fonte`)
 * 0 is success. Positive: an answer that the direct caller must handle. Negative: a fault that is
 * forwarded unchanged to the boundary of the request or of start-up, which reports it once. */
#define FONTE_STATUS_TABLE(X)                                                                      \
    X(OK, 0, "ok", "ok", 200, 0)                                                                   \
    X(NOT_FOUND, 1, "not_found", "not found", 404, 4)                                              \
    X(UNCHANGED, 2, "unchanged", "nothing to do", 200, 0)                                          \
    X(BUSY, 3, "busy", "too many requests at once", 503, 5)                                        \
    X(END, 4, "end", "no more", 200, 0)                                                            \
    X(CANCELLED, 5, "cancelled", "cancelled", 499, 1)                                              \
    X(INVALID, -1, "invalid", "invalid input", 400, 1)                                             \
    X(USAGE, -2, "usage", "wrong usage", 400, 2)                                                   \
    X(TOO_LARGE, -3, "too_large", "over a limit", 413, 5)                                          \
    X(UNSUPPORTED, -4, "unsupported", "not supported", 415, 1)                                     \
    X(DENIED, -5, "denied", "not allowed", 403, 5)                                                 \
    X(TIMEOUT, -6, "timeout", "out of time", 504, 5)                                               \
    X(DAMAGED, -7, "damaged", "damaged file", 500, 1)                                              \
    X(TOO_NEW, -8, "too_new", "made by a newer version of this program", 500, 1)                   \
    X(NO_MEMORY, -9, "no_memory", "out of memory", 503, 1)                                         \
    X(NO_SPACE, -10, "no_space", "no space left on the disk", 507, 1)                              \
    X(IO, -11, "io", "input or output failed", 500, 1)                                             \
    X(UNREACHABLE, -12, "unreachable", "cannot reach the daemon", 502, 3)                          \
    X(CONFLICT, -13, "conflict", "in conflict with what is there", 409, 1)                         \
    X(INTERNAL, -14, "internal", "internal error", 500, 1)

typedef enum FonteStatus {
#define FONTE_STATUS_ENUM(name, number, code, text, http, exit) FONTE_##name = number,
    FONTE_STATUS_TABLE(FONTE_STATUS_ENUM)
#undef FONTE_STATUS_ENUM
} FonteStatus;

/* Filled by a failing call with what was wrong and where (file, byte offset, field). The caller's
 * storage; start with `FonteError error = {0}`. Untouched on success. */
typedef struct FonteError {
    FonteStatus status;
    char param[64]; /* the field, option or key that was wrong; "" where none */
    char text[448]; /* one sentence for people, NUL-terminated UTF-8, no newline */
} FonteError;

/* "not_found", "invalid", ...: the code that JSON errors carry. Never NULL. */
FONTE_API const char *fonte_status_code(FonteStatus status);
/* The message of the table. Never NULL. */
FONTE_API const char *fonte_status_text(FonteStatus status);
/* The HTTP status that the daemon answers with. */
FONTE_API int fonte_status_http(FonteStatus status);
/* The exit status that `fonte` ends with. */
FONTE_API int fonte_status_exit(FonteStatus status);

#ifdef __cplusplus
}
#endif
