#pragma once
/* Status and error text for all rooms: the public table of fonte/status.h under short names.
 * 0 ok; positive = an answer that the direct caller must handle (documented per function);
 * negative = a fault, forwarded unchanged to the boundary, which reports it once.
 * Threads: any. */
#include <fonte/status.h>
#include <stdarg.h>
#include <stdint.h>

typedef FonteStatus Status;
typedef FonteError Err;

#define STATUS_OK FONTE_OK
#define STATUS_NOT_FOUND FONTE_NOT_FOUND
#define STATUS_UNCHANGED FONTE_UNCHANGED
#define STATUS_BUSY FONTE_BUSY
#define STATUS_END FONTE_END
#define STATUS_CANCELLED FONTE_CANCELLED
#define STATUS_INVALID FONTE_INVALID
#define STATUS_USAGE FONTE_USAGE
#define STATUS_TOO_LARGE FONTE_TOO_LARGE
#define STATUS_UNSUPPORTED FONTE_UNSUPPORTED
#define STATUS_DENIED FONTE_DENIED
#define STATUS_TIMEOUT FONTE_TIMEOUT
#define STATUS_DAMAGED FONTE_DAMAGED
#define STATUS_TOO_NEW FONTE_TOO_NEW
#define STATUS_NO_MEMORY FONTE_NO_MEMORY
#define STATUS_NO_SPACE FONTE_NO_SPACE
#define STATUS_IO FONTE_IO
#define STATUS_UNREACHABLE FONTE_UNREACHABLE
#define STATUS_CONFLICT FONTE_CONFLICT
#define STATUS_INTERNAL FONTE_INTERNAL

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(nth, first) __attribute__((format(printf, nth, first)))

/* Fill err (may be NULL) and return the status, so that a failure is one line:
 *     return err_set(err, STATUS_INVALID, "%s: byte %zu: bad magic", path, offset); */
Status err_set(Err *err, Status status, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same, naming the field, option or key that was wrong. */
Status err_set_param(Err *err, Status status, const char *param, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* The same from errno: ENOSPC, EDQUOT -> NO_SPACE; ENOMEM -> NO_MEMORY; ENOENT -> NOT_FOUND;
 * EACCES, EPERM -> DENIED; else IO. The message ends with strerror's text. */
Status err_set_errno(Err *err, int errno_value, const char *format, ...) PRINTF_LIKE(3, 4);
/* Put "context: " before the text that is already there (err may be NULL). Returns err's status. */
Status err_prefix(Err *err, Status status, const char *format, ...) PRINTF_LIKE(3, 4);

/* Forward any status but OK at once. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        Status try_status_ = (call);                                                               \
        if (try_status_ != STATUS_OK) return try_status_;                                          \
    } while (0)
