#pragma once
/* Server-sent events out of a byte stream, in pieces of any size.
 * Threads: one owner at a time.
 * Source: HTML Living Standard, 9.2.6 "Interpreting an event stream". */
#include "base/buf.h"

/* The largest event taken: a name and all of its data. An answer with its passages is some 100 KB.
 */
enum { SSE_MAX_EVENT_BYTES = 64 << 20 };

typedef bool (*SseTake)(void *context, const char *name, const char *data, size_t n_data);

typedef struct Sse {
    SseTake take; /* false ends the parse */
    void *context;
    Buf line, data, name;
    bool skip_lf;   /* the last line ended in CR: a LF that follows belongs to it */
    bool has_data;  /* a data field came, be it empty */
    bool past_mark; /* the byte order mark was looked for */
    bool stopped;   /* take said false */
} Sse;

void sse_init(Sse *sse, SseTake take, void *context);
void sse_deinit(Sse *sse);
/* Feed the next bytes. CANCELLED where take said false (now or earlier), TOO_LARGE, NO_MEMORY. What
 * is left at the end of the stream is no event and is dropped, as the standard says. */
Status sse_feed(Sse *sse, const char *bytes, size_t n, Err *err) MUST_CHECK;
