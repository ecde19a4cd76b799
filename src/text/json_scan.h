#pragma once
/* A scanner for one JSON object at a time that knows where everything stands: cJSON decodes strings
 * without saying from which bytes. Strict (RFC 8259) but for lone surrogates, which become U+FFFD.
 * Threads: any. */
#include "text/text_internal.h"

typedef struct JsonScan {
    Slice s;
    size_t at;
    unsigned max_depth;
    const char *error; /* NULL, or what is wrong at `at` */
} JsonScan;

/* The object at scan->at (after white space): call take for each of its own members, value being
 * the raw text of the value (a string with its quotes). false: scan->error says what is wrong. */
bool json_scan_object(JsonScan *scan, void (*take)(void *context, Slice key, Slice value),
                      void *context);
/* A string with its quotes, which json_scan_object has checked: its UTF-8 appended to ret, and runs
 * from there to offsets in whole (raw lies in it); map may be NULL. */
void json_scan_string(Slice whole, Slice raw, Buf *ret, MapBuilder *map);
