#pragma once
/* Server-sent events (WHATWG HTML, 9.2) from a worker to a client that may read slowly: a bounded
 * buffer between the thread that asks and the loop. A worker that runs ahead of the client waits,
 * and gives up when the client stalls too long.
 * Threads: http_stream_* from any thread; each holder has a reference of its own. */
#include "base/buf.h"

typedef struct HttpStream HttpStream;

HttpStream *http_stream_ref(HttpStream *stream);
HttpStream *http_stream_unref(HttpStream *stream);
/* One event: name (NULL = none, which clients take as "message") and data (each line of data gets
 * its own field). Waits while the buffer is full; CANCELLED where the client is gone, TIMEOUT where
 * it read nothing for the stall time. */
Status http_stream_send(HttpStream *stream, const char *event, Slice data, Err *err) MUST_CHECK;
/* No more events: the response ends when all was read. */
void http_stream_end(HttpStream *stream);
/* The client is gone or was given up. */
bool http_stream_is_dead(HttpStream *stream);
/* The text of one event: for tests and for http_stream_send. */
void http_stream_frame(const char *event, Slice data, Buf *ret);
