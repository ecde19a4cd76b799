#pragma once
/* Reading values that a request gives: JSON objects and single strings, each wrong one named.
 * Threads: any. */
#include "base/json.h"

/* A member of an object that is a string; *ret stays where it is missing or null. INVALID where it
 * is something else, holds NUL or control characters, or is longer than max_bytes (TOO_LARGE). */
Status field_string(const Json *object, const char *name, size_t max_bytes, const char **ret,
                    Err *err) MUST_CHECK;
Status field_bool(const Json *object, const char *name, bool *ret, Err *err) MUST_CHECK;
/* A whole number within min and max. */
Status field_count(const Json *object, const char *name, size_t min, size_t max, size_t *ret,
                   Err *err) MUST_CHECK;
/* A number within min and max. */
Status field_number(const Json *object, const char *name, double min, double max, double *ret,
                    Err *err) MUST_CHECK;
/* INVALID naming the first member that is not among the names (NULL-terminated). */
Status field_check_names(const Json *object, const char *const *names, Err *err) MUST_CHECK;

/* Line of text for people or machines: no control characters but tab, at most max_bytes. */
Status value_check_text(const char *name, Slice value, size_t max_bytes, Err *err) MUST_CHECK;
/* 1-64 of [a-z0-9_-]. */
Status value_check_collection(const char *value, Err *err) MUST_CHECK;
/* ISO 8601: YYYY, YYYY-MM, YYYY-MM-DD, optionally Thh:mm[:ss[.f]] and Z or an offset. `whole`: not
 * just the beginning of one. */
Status value_check_date(const char *name, const char *value, bool whole, Err *err) MUST_CHECK;
/* A whole number in decimal digits. */
Status value_parse_count(const char *name, const char *value, size_t min, size_t max, size_t *ret,
                         Err *err) MUST_CHECK;
