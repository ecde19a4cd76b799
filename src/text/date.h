#pragma once
/* Dates as documents and people write them, to ISO 8601.
 * Threads: any. */
#include "base/slice.h"

enum { DATE_BYTES = 24 }; /* room for "YYYY-MM-DDThh:mm:ssZ" and its NUL */

/* ISO 8601 from ISO itself, RFC 822, "18 July 2023", "18 luglio 2023", "July 18, 2023", 2023/07/18.
 * False, with ret untouched, where it is not certainly a date. */
bool date_parse(Slice s, char ret[DATE_BYTES]);
