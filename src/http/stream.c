/* Threading: the worker appends under the stream's lock and, when it did, puts the stream on the
 * server's wake list (its own lock, never held together with a stream's) and writes the wake
 * descriptor; the loop takes the list and resumes the connections. The loop reads under the lock
 * from libmicrohttpd's callback and suspends the connection when there is nothing. Lost wake-ups
 * cannot happen: the reader looks again under the lock in the same call that suspends, on the same
 * thread that resumes. */
#include "http/http_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

HttpStream *stream_new(HttpServer *server, HttpRequest *request) {
    HttpStream *stream = mem_alloc(1, sizeof *stream);
    if (!stream) return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->room, &attributes);
    pthread_condattr_destroy(&attributes);
    atomic_init(&stream->n_refs, 1);
    stream->max_bytes = server->limits.stream_bytes;
    stream->stall_us = server->limits.stall_us;
    stream->server = server;
    stream->request = request;
    stream->last_us = clock_us();
    return stream;
}

HttpStream *http_stream_ref(HttpStream *stream) {
    atomic_fetch_add(&stream->n_refs, 1);
    return stream;
}

HttpStream *http_stream_unref(HttpStream *stream) {
    if (!stream || atomic_fetch_sub(&stream->n_refs, 1) > 1) return NULL;
    buf_deinit(&stream->data);
    pthread_cond_destroy(&stream->room);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
    return NULL;
}

/* Any thread; not under the stream's lock. */
static void wake(HttpStream *stream) {
    HttpServer *server = stream->server;
    pthread_mutex_lock(&server->wake_lock);
    bool first = !stream->queued;
    if (first) {
        stream->queued = true;
        stream->wake_next = server->wake_list;
        server->wake_list = http_stream_ref(stream);
    }
    pthread_mutex_unlock(&server->wake_lock);
    if (!first) return;
    uint64_t one = 1;
    ssize_t n = write(server->wake_fd, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

void stream_drain_wakes(HttpServer *server) {
    pthread_mutex_lock(&server->wake_lock);
    HttpStream *list = STEAL(server->wake_list);
    for (HttpStream *stream = list; stream; stream = stream->wake_next) stream->queued = false;
    /* the links may be reused as soon as the lock is gone: take what is needed under it */
    while (list) {
        HttpStream *next = list->wake_next;
        if (list->request) conn_resume(list->request->conn);
        http_stream_unref(list);
        list = next;
    }
    pthread_mutex_unlock(&server->wake_lock);
}

void http_stream_frame(const char *event, Slice data, Buf *ret) {
    if (event) buf_printf(ret, "event: %s\n", event);
    do {
        const char *end = data.n ? memchr(data.p, '\n', data.n) : NULL;
        Slice line = { data.p, end ? (size_t)(end - data.p) : data.n };
        data = slice_skip(data, line.n + (end ? 1 : 0));
        buf_append_string(ret, "data: ");
        buf_append_slice(ret, line);
        buf_append_byte(ret, '\n');
    } while (data.n);
    buf_append_byte(ret, '\n');
}

static size_t unread(const HttpStream *stream) {
    return stream->data.n - stream->read_at;
}

/* Until n more bytes fit, or nothing is unread (one event may be larger than the buffer). */
static Status wait_for_room_locked(HttpStream *stream, size_t n, Err *err) {
    size_t before = unread(stream);
    int64_t deadline = clock_us() + stream->stall_us;
    while (!stream->dead && unread(stream) && unread(stream) + n > stream->max_bytes) {
        struct timespec until = { deadline / 1000000, deadline % 1000000 * 1000 };
        int error = pthread_cond_timedwait(&stream->room, &stream->lock, &until);
        if (unread(stream) < before) {
            before = unread(stream);
            deadline = clock_us() + stream->stall_us;
        } else if (error == ETIMEDOUT) {
            return err_set(err, STATUS_TIMEOUT, "the client does not read its stream");
        }
    }
    if (stream->dead) return err_set(err, STATUS_CANCELLED, "the client is gone");
    return STATUS_OK;
}

static Status append_locked(HttpStream *stream, Slice bytes, Err *err) {
    if (stream->read_at == stream->data.n) {
        buf_clear(&stream->data);
        stream->read_at = 0;
    } else if (stream->read_at > stream->max_bytes) {
        memmove(stream->data.p, stream->data.p + stream->read_at, unread(stream));
        stream->data.n -= stream->read_at;
        stream->read_at = 0;
    }
    buf_append_slice(&stream->data, bytes);
    return buf_status(&stream->data, err);
}

Status http_stream_send(HttpStream *stream, const char *event, Slice data, Err *err) {
    AUTO_BUF Buf frame = BUF_NULL;
    http_stream_frame(event, data, &frame);
    TRY(buf_status(&frame, err));
    pthread_mutex_lock(&stream->lock);
    Status status = wait_for_room_locked(stream, frame.n, err);
    if (status == STATUS_OK) status = append_locked(stream, buf_slice(&frame), err);
    if (status == STATUS_TIMEOUT) stream->dead = true;
    pthread_mutex_unlock(&stream->lock);
    wake(stream);
    return status;
}

void http_stream_end(HttpStream *stream) {
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    pthread_mutex_unlock(&stream->lock);
    wake(stream);
}

bool http_stream_is_dead(HttpStream *stream) {
    pthread_mutex_lock(&stream->lock);
    bool dead = stream->dead;
    pthread_mutex_unlock(&stream->lock);
    return dead;
}

void stream_kill(HttpStream *stream) {
    pthread_mutex_lock(&stream->lock);
    stream->dead = true;
    pthread_cond_broadcast(&stream->room);
    pthread_mutex_unlock(&stream->lock);
}

ssize_t stream_read_cb(void *context, uint64_t position, char *out, size_t max) {
    (void)position;
    HttpStream *stream = context;
    HttpRequest *request = stream->request;
    Conn *conn = request->conn;
    pthread_mutex_lock(&stream->lock);
    size_t n = MIN(max, unread(stream));
    bool ended = stream->ended, dead = stream->dead;
    if (n && !dead) {
        memcpy(out, stream->data.p + stream->read_at, n);
        stream->read_at += n;
        pthread_cond_broadcast(&stream->room);
    }
    pthread_mutex_unlock(&stream->lock);
    if (dead) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n) {
        request->n_sent += n;
        stream->last_us = clock_us();
        conn->deadline_us = stream->last_us + conn->server->limits.stall_us;
        return (ssize_t)n;
    }
    if (ended) return MHD_CONTENT_READER_END_OF_STREAM;
    conn_suspend(conn);
    return 0;
}

void stream_tick(HttpStream *stream, int64_t now) {
    if (now - stream->last_us < stream->server->limits.heartbeat_us) return;
    stream->last_us = now;
    pthread_mutex_lock(&stream->lock);
    Status status = stream->dead || stream->ended
                        ? STATUS_END
                        : append_locked(stream, SLICE(": still here\n\n"), NULL);
    pthread_mutex_unlock(&stream->lock);
    if (status == STATUS_OK) conn_resume(stream->request->conn);
}
