/* One easy handle, attempt after attempt, each asking for what is still missing (RFC 9110, section
 * 14: Range with If-Range, so that a file which changed comes whole again). Nothing that a server
 * says is believed: the part must be the one that was asked for, of a file of the same size, and
 * the digest is taken of what the disk holds in the end. A part without a strong entity tag is gone
 * on with only where a SHA-256 will tell whether it was right to. */
#include <fonte/fetch.h>

#include "base/clock.h"
#include "client/curl_init.h"
#include "client/partial.h"

#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

enum {
    CONNECT_TIMEOUT_MS = 30000,
    MAX_REDIRECTS = 10,
    FIRST_WAIT_MS = 500,
    MAX_WAIT_MS = 30000,
    DEFAULT_PATIENCE_S = 60,
};

/* What a server says before the bytes. */
typedef struct Head {
    char tag[PARTIAL_TAG_BYTES];
    bool has_range, encoded;
    uint64_t from, total; /* of Content-Range; total 0 = "*" */
    unsigned retry_after_s;
} Head;

typedef struct Fetch {
    const char *url;
    const FonteFetchOptions *options;
    Partial partial;
    CURL *curl;
    char curl_text[CURL_ERROR_SIZE];
    Head head;
    bool whole_only; /* its ranges are not to be had */
    bool is_wrong;   /* what is there is of no use */
    bool begun;      /* bytes of this attempt's file have come */
    int64_t came_us; /* when the last byte came, or the attempt began */
    Status status;   /* why a callback stopped the attempt */
    Err *err;
} Fetch;

/* ---- what comes ---- */

static bool value_of(Slice line, const char *name, Slice *ret) {
    size_t n = strlen(name);
    if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n) != 0) return false;
    *ret = slice_trim(slice_skip(line, n + 1));
    return true;
}

/* Digits only; false also where they are too many. */
static bool take_number(Slice *s, uint64_t *ret) {
    uint64_t value = 0;
    size_t n = 0;
    for (; n < s->n && isdigit((unsigned char)s->p[n]); n++) {
        if (n == 18) return false;
        value = value * 10 + (uint64_t)(s->p[n] - '0');
    }
    *s = slice_skip(*s, n);
    *ret = value;
    return n > 0;
}

static bool take(Slice *s, const char *text) {
    if (!slice_starts(*s, slice_of(text))) return false;
    *s = slice_skip(*s, strlen(text));
    return true;
}

/* "bytes 5-9/10" or "bytes * /10" (without the space). */
static void parse_range(Slice value, Head *head) {
    uint64_t from = 0, to = 0, total = 0;
    if (!take(&value, "bytes ")) return;
    bool none = take(&value, "*");
    if (!none && !(take_number(&value, &from) && take(&value, "-") && take_number(&value, &to))) {
        return;
    }
    if (!take(&value, "/") || (!take_number(&value, &total) && !take(&value, "*")) || value.n)
        return;
    head->has_range = true;
    head->from = from;
    head->total = total;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *context) {
    Fetch *f = context;
    Slice line = { bytes, size * n }, value;
    uint64_t seconds = 0;
    f->came_us = clock_us();
    if (slice_starts(line, SLICE("HTTP/"))) f->head = (Head){ 0 }; /* after a redirect */
    if (value_of(line, "ETag", &value) && value.n < sizeof f->head.tag) {
        snprintf(f->head.tag, sizeof f->head.tag, "%.*s", (int)value.n, value.p);
    } else if (value_of(line, "Content-Range", &value)) {
        parse_range(value, &f->head);
    } else if (value_of(line, "Content-Encoding", &value)) {
        f->head.encoded = value.n && strncasecmp(value.p, "identity", 8) != 0;
    } else if (value_of(line, "Retry-After", &value) && take_number(&value, &seconds)) {
        f->head.retry_after_s = (unsigned)MIN(seconds, (uint64_t)MAX_WAIT_MS / 1000);
    }
    return line.n;
}

static Status refuse_size(Fetch *f, uint64_t total) {
    return err_set(f->err, STATUS_DAMAGED, "the file there has %" PRIu64 " bytes, not %" PRIu64,
                   total, f->options->n_bytes);
}

/* The rest: is it the part that was asked for? A server that sends another is asked for the whole
 * file from then on; what is there may be right, so it stays until that comes. */
static Status begin_rest(Fetch *f) {
    const Head *head = &f->head;
    if (head->has_range && head->from == f->partial.n_bytes && head->total == f->partial.total &&
        f->partial.total) {
        return STATUS_OK;
    }
    f->whole_only = true;
    return err_set(f->err, STATUS_BUSY,
                   "the server sends another part of the file than was asked for");
}

static Status begin_whole(Fetch *f) {
    curl_off_t length = -1;
    curl_easy_getinfo(f->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (f->head.encoded || length < 0) {
        return err_set(f->err, STATUS_UNSUPPORTED,
                       f->head.encoded ? "the server sends the file encoded"
                                       : "the server does not say how long the file is");
    }
    uint64_t total = (uint64_t)length;
    if (f->options->n_bytes && total != f->options->n_bytes) return refuse_size(f, total);
    return partial_restart(&f->partial, f->url, f->head.tag, total, f->err);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *context) {
    Fetch *f = context;
    long http = 0;
    f->came_us = clock_us();
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &http);
    if (http != 200 && http != 206) return size * n; /* the words of an error page */
    if (!f->begun) {
        f->begun = true;
        f->status = http == 206 ? begin_rest(f) : begin_whole(f);
    }
    if (f->status == STATUS_OK) {
        f->status = partial_append(&f->partial, (Slice){ bytes, size * n }, f->err);
    }
    return f->status == STATUS_OK ? size * n : 0;
}

static bool report(const Fetch *f) {
    const FonteFetchOptions *o = f->options;
    return !o->progress || o->progress(o->context, f->partial.n_bytes, f->partial.total);
}

static double patience(const Fetch *f) {
    return f->options->patience_s > 0 ? f->options->patience_s : DEFAULT_PATIENCE_S;
}

/* Some times a second, also while nothing comes. (libcurl's own limit of speed looks at a mean of
 * seconds before, and takes 15 s to see that one has passed.) */
static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    Fetch *f = context;
    if (!report(f)) {
        f->status = err_set(f->err, STATUS_CANCELLED, "cancelled");
    } else if ((double)(clock_us() - f->came_us) > patience(f) * 1e6) {
        f->status = err_set(f->err, STATUS_BUSY, "nothing came for %g s", patience(f));
    }
    return f->status != STATUS_OK;
}

/* ---- one attempt ---- */

static bool is_strong(const char *tag) {
    return tag[0] == '"';
}

/* Ask for what is missing. *ret_fields: owned by the caller. */
static Status ask_for_rest(Fetch *f, struct curl_slist **ret_fields) {
    char range[32], field[PARTIAL_TAG_BYTES + 16];
    curl_easy_setopt(f->curl, CURLOPT_RANGE, NULL);
    bool can = is_strong(f->partial.tag) || f->options->sha256;
    if (!can) TRY(partial_drop(&f->partial, f->err));
    if (!f->partial.n_bytes || f->whole_only) return STATUS_OK;
    snprintf(range, sizeof range, "%" PRIu64 "-", f->partial.n_bytes);
    curl_easy_setopt(f->curl, CURLOPT_RANGE, range); /* copied */
    if (!is_strong(f->partial.tag)) return STATUS_OK;
    snprintf(field, sizeof field, "If-Range: %s", f->partial.tag);
    *ret_fields = curl_slist_append(NULL, field);
    return *ret_fields ? STATUS_OK : err_set(f->err, STATUS_NO_MEMORY, "out of memory");
}

/* BUSY: another attempt may do better. */
static Status judge_curl(Fetch *f, CURLcode code) {
    const char *text = *f->curl_text ? f->curl_text : curl_easy_strerror(code);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return err_set(f->err, STATUS_BUSY, "%.300s", text);
    case CURLE_OUT_OF_MEMORY: return err_set(f->err, STATUS_NO_MEMORY, "out of memory");
    case CURLE_URL_MALFORMAT: return err_set(f->err, STATUS_USAGE, "%.300s", text);
    default: return err_set(f->err, STATUS_UNREACHABLE, "%.300s", text);
    }
}

/* The part and the file there do not fit together: begin anew, unless there is nothing to drop. */
static Status judge_no_such_range(Fetch *f) {
    if (f->head.has_range && f->head.total == f->partial.n_bytes && f->partial.n_bytes) {
        f->partial.total = f->partial.n_bytes;
        return STATUS_OK;
    }
    TRY(partial_drop(&f->partial, f->err));
    return err_set(f->err, STATUS_BUSY, "the server has no such part of the file (HTTP 416)");
}

static Status judge_http(Fetch *f, long http) {
    switch (http) {
    case 200:
    case 206: break;
    case 416: return judge_no_such_range(f);
    case 401:
    case 403: return err_set(f->err, STATUS_DENIED, "the server refuses (HTTP %ld)", http);
    case 404:
    case 410: return err_set(f->err, STATUS_NOT_FOUND, "there is no such file (HTTP %ld)", http);
    case 408:
    case 425:
    case 429: return err_set(f->err, STATUS_BUSY, "the server is busy (HTTP %ld)", http);
    default:
        return err_set(f->err, http >= 500 ? STATUS_BUSY : STATUS_UNREACHABLE,
                       "the server answers with HTTP %ld", http);
    }
    if (!f->begun) return err_set(f->err, STATUS_DAMAGED, "the file there is empty");
    if (f->partial.n_bytes == f->partial.total) return STATUS_OK;
    return err_set(f->err, STATUS_BUSY, "the connection ended early");
}

static Status attempt(Fetch *f) {
    struct curl_slist *fields = NULL;
    f->head = (Head){ 0 };
    f->begun = false;
    f->came_us = clock_us();
    f->status = STATUS_OK;
    f->curl_text[0] = '\0';
    TRY(ask_for_rest(f, &fields));
    curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, fields);
    CURLcode code = curl_easy_perform(f->curl);
    curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(fields);
    if (f->status != STATUS_OK) return f->status;
    if (code != CURLE_OK) return judge_curl(f, code);
    long http = 0;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &http);
    return judge_http(f, http);
}

/* ---- all of them ---- */

static Status wait_ms(const Fetch *f, unsigned ms) {
    for (unsigned waited = 0; waited < ms; waited += 50) {
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
        if (!report(f)) return err_set(f->err, STATUS_CANCELLED, "cancelled");
    }
    return STATUS_OK;
}

static Status receive(Fetch *f, unsigned *ret_retries) {
    unsigned n_in_vain = 0, n = 0;
    while (f->partial.total == 0 || f->partial.n_bytes < f->partial.total) {
        uint64_t before = f->partial.n_bytes;
        Status status = attempt(f);
        if (status == STATUS_OK) continue;
        if (status != STATUS_BUSY) return status;
        n_in_vain = f->partial.n_bytes > before ? 0 : n_in_vain + 1;
        if (n_in_vain > f->options->n_retries) {
            /* said as a fault: nobody above is to try again */
            if (f->err) f->err->status = STATUS_UNREACHABLE;
            return STATUS_UNREACHABLE;
        }
        unsigned ms = (unsigned)MIN(FIRST_WAIT_MS << MIN(n_in_vain, 6u), MAX_WAIT_MS);
        TRY(wait_ms(f, MAX(ms, f->head.retry_after_s * 1000)));
        *ret_retries = ++n;
    }
    return STATUS_OK;
}

static Status verify(Fetch *f, FonteFetched *ret) {
    const FonteFetchOptions *o = f->options;
    Hash hash;
    Status status = partial_hash(&f->partial, o->progress, o->context, &hash, f->err);
    if (status != STATUS_OK) return status;
    hash_hex(&hash, ret->sha256);
    ret->n_bytes = f->partial.n_bytes;
    if (o->sha256 && strcasecmp(o->sha256, ret->sha256) != 0) {
        status = err_set(f->err, STATUS_DAMAGED, "SHA-256 is %s, not %s: removed", ret->sha256,
                         o->sha256);
    } else if (o->n_bytes && o->n_bytes != ret->n_bytes) {
        status = refuse_size(f, ret->n_bytes);
    } else if (o->check) {
        status = o->check(o->context, f->partial.part.p, f->err);
    }
    f->is_wrong = status != STATUS_OK;
    return status;
}

static Status set_up(Fetch *f) {
    f->curl = curl_easy_init();
    if (!f->curl) return err_set(f->err, STATUS_NO_MEMORY, "out of memory");
    bool tls = strncasecmp(f->url, "https:", 6) == 0;
    CURL *c = f->curl;
    curl_easy_setopt(c, CURLOPT_URL, f->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "fonte/" FONTE_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, f->curl_text);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    return STATUS_OK;
}

static Status check_arguments(const char *url, const FonteFetchOptions *o, Err *err) {
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        return err_set_param(err, STATUS_USAGE, "url",
                             "only http:// and https:// can be fetched, not %.80s", url);
    }
    for (const char *p = url; *p; p++) {
        if (*p <= ' ' || *p == 0x7F) {
            return err_set_param(err, STATUS_USAGE, "url",
                                 "white space or a control byte in the URL");
        }
    }
    size_t n = o->sha256 ? strspn(o->sha256, "0123456789abcdefABCDEF") : 64;
    if (n == 64 && (!o->sha256 || !o->sha256[64])) return STATUS_OK;
    return err_set_param(err, STATUS_USAGE, "sha256", "a SHA-256 has 64 hexadecimal digits");
}

static Status fetch(Fetch *f, const char *path, FonteFetched *ret) {
    TRY(partial_open(&f->partial, path, f->url, f->err));
    ret->n_kept = f->partial.n_bytes;
    TRY(set_up(f));
    Status status = receive(f, &ret->n_retries);
    if (status == STATUS_OK) status = verify(f, ret);
    if (status == STATUS_OK) return partial_publish(&f->partial, f->err);
    if (f->is_wrong || f->partial.n_bytes == 0) partial_remove(&f->partial);
    return status;
}

FonteStatus fonte_fetch(const char *url, const char *path, const FonteFetchOptions *options,
                        FonteFetched *ret, FonteError *error) {
    Err own = { 0 };
    Fetch f = {
        .url = url, .options = options, .partial = PARTIAL_NULL, .err = error ? error : &own
    };
    FonteFetched fetched = { 0 };
    TRY(check_arguments(url, options, f.err));
    TRY(client_init_curl(f.err));
    Status status = fetch(&f, path, &fetched);
    if (f.curl) curl_easy_cleanup(f.curl);
    partial_close(&f.partial);
    if (status == STATUS_OK) *ret = fetched;
    return status;
}
