/* Lines are gathered first, then interpreted: a line may be cut anywhere by the network, also
 * between CR and LF and inside the byte order mark. Fields other than event and data (id, retry)
 * are for clients that reconnect, and a question is never asked twice by itself. */
#include "client/sse.h"

void sse_init(Sse *sse, SseTake take, void *context) {
    *sse = (Sse){ .take = take, .context = context };
}

void sse_deinit(Sse *sse) {
    buf_deinit(&sse->line);
    buf_deinit(&sse->data);
    buf_deinit(&sse->name);
}

static Status sse_dispatch(Sse *sse, Err *err) {
    bool has_data = sse->has_data;
    sse->has_data = false;
    if (has_data) {
        TRY(buf_status(&sse->data, err));
        TRY(buf_status(&sse->name, err));
        /* Each data line added a newline: the last one is not part of the data. */
        size_t n = sse->data.n - 1;
        sse->data.p[n] = 0;
        const char *name = sse->name.n ? sse->name.p : "message";
        if (!sse->take(sse->context, name, sse->data.p, n)) sse->stopped = true;
    }
    buf_clear(&sse->data);
    buf_clear(&sse->name);
    return sse->stopped ? err_set(err, STATUS_CANCELLED, "stopped by the caller") : STATUS_OK;
}

static Status sse_line(Sse *sse, Err *err) {
    Slice line = buf_slice(&sse->line);
    if (!sse->past_mark) {
        sse->past_mark = true;
        if (slice_starts(line, SLICE("\xEF\xBB\xBF"))) line = slice_skip(line, 3);
    }
    if (line.n == 0) return sse_dispatch(sse, err);
    const char *colon = memchr(line.p, ':', line.n);
    Slice field = { line.p, colon ? (size_t)(colon - line.p) : line.n };
    Slice value = slice_skip(line, colon ? field.n + 1 : field.n);
    if (value.n && value.p[0] == ' ') value = slice_skip(value, 1);
    if (slice_equal(field, SLICE("data"))) {
        buf_append_slice(&sse->data, value);
        buf_append_byte(&sse->data, '\n');
        sse->has_data = true;
    } else if (slice_equal(field, SLICE("event"))) {
        buf_clear(&sse->name);
        buf_append_slice(&sse->name, value);
    }
    if (sse->data.n > SSE_MAX_EVENT_BYTES)
        return err_set(err, STATUS_TOO_LARGE, "an event of the stream is over %d bytes",
                       SSE_MAX_EVENT_BYTES);
    return STATUS_OK;
}

Status sse_feed(Sse *sse, const char *bytes, size_t n, Err *err) {
    if (sse->stopped) return err_set(err, STATUS_CANCELLED, "stopped by the caller");
    size_t at = 0;
    while (at < n) {
        if (sse->skip_lf) {
            sse->skip_lf = false;
            if (bytes[at] == '\n') {
                at++;
                continue;
            }
        }
        size_t end = at;
        while (end < n && bytes[end] != '\n' && bytes[end] != '\r') end++;
        buf_append(&sse->line, bytes + at, end - at);
        if (sse->line.n > SSE_MAX_EVENT_BYTES)
            return err_set(err, STATUS_TOO_LARGE, "a line of the stream is over %d bytes",
                           SSE_MAX_EVENT_BYTES);
        if (end == n) return buf_status(&sse->line, err);
        sse->skip_lf = bytes[end] == '\r';
        at = end + 1;
        TRY(buf_status(&sse->line, err));
        TRY(sse_line(sse, err));
        buf_clear(&sse->line);
    }
    return STATUS_OK;
}
