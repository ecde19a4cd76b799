/* libcurl over the Unix socket. The URL's host is only a word for the Host header: the connection
 * goes to the socket and nowhere else (no proxy, no redirect, no scheme but http), whatever the
 * environment says. One easy handle is kept for a client's life, so that requests share the
 * connection; curl opens a fresh one by itself where the daemon closed an idle one. */
#include <fonte/client.h>

#include "base/buf.h"
#include "client/curl_init.h"
#include "client/sse.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Largest body that is taken into memory: an original document can be as large as the daemon lets
 * documents be. */
#define CLIENT_MAX_BODY_BYTES ((size_t)1 << 30)
enum { CLIENT_CONNECT_TIMEOUT_MS = 10000 };

struct FonteClient {
    CURL *curl;
    char *socket;
    char curl_text[CURL_ERROR_SIZE];
};

/* What one request gathers while it runs. */
typedef struct Exchange {
    FonteClient *client;
    Buf body;
    char request_id[64];
    double retry_after_s;
    bool is_stream; /* the answer's type is text/event-stream */
    bool wants_stream;
    Sse sse;
    Status status; /* why a callback stopped the request */
    Err *err;
} Exchange;

/* Where the daemon listens: the environment's word, the user's own daemon, the system's. */
static char *socket_default(void) {
    const char *given = getenv("FONTE_SOCKET");
    if (given && *given) return strdup(given);
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime) {
        char *path;
        struct stat st;
        if (asprintf(&path, "%s/fonte.sock", runtime) < 0) return NULL;
        if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode)) return path;
        free(path);
    }
    return strdup("/run/fonte/fonte.sock");
}

FonteStatus fonte_client_open(const char *socket_path, FonteClient **ret, FonteError *error) {
    TRY(client_init_curl(error));
    FonteClient *client = mem_alloc(1, sizeof *client);
    if (!client) return err_set(error, STATUS_NO_MEMORY, "no memory for a client");
    client->socket = socket_path ? strdup(socket_path) : socket_default();
    client->curl = curl_easy_init();
    if (!client->socket || !client->curl) {
        fonte_client_close(client);
        return err_set(error, STATUS_NO_MEMORY, "no memory for a client");
    }
    size_t n = strlen(client->socket), max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    Status status = STATUS_OK;
    if (n == 0)
        status = err_set_param(error, STATUS_INVALID, "socket", "the socket's path is empty");
    else if (n > max)
        status = err_set_param(error, STATUS_INVALID, "socket",
                               "the socket's path has %zu bytes; the system takes %zu: %s", n, max,
                               client->socket);
    if (status != STATUS_OK) {
        fonte_client_close(client);
        return status;
    }
    *ret = client;
    return STATUS_OK;
}

FonteClient *fonte_client_close(FonteClient *client) {
    if (!client) return NULL;
    if (client->curl) curl_easy_cleanup(client->curl);
    free(client->socket);
    free(client);
    return NULL;
}

const char *fonte_client_socket(const FonteClient *client) {
    return client->socket;
}

/* --- what comes back --- */

static bool header_value(const char *line, size_t n, const char *name, char *ret, size_t n_ret) {
    size_t n_name = strlen(name);
    if (n <= n_name || line[n_name] != ':' || strncasecmp(line, name, n_name) != 0) return false;
    Slice value = slice_trim((Slice){ line + n_name + 1, n - n_name - 1 });
    size_t kept = MIN(value.n, n_ret - 1);
    memcpy(ret, value.p, kept);
    ret[kept] = 0;
    return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *context) {
    Exchange *exchange = context;
    char value[64];
    n *= size;
    if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) { /* a new answer (after 100 Continue) */
        exchange->is_stream = false;
    } else if (header_value(line, n, "Content-Type", value, sizeof value)) {
        exchange->is_stream = strncasecmp(value, "text/event-stream", 17) == 0;
    } else if (header_value(line, n, "Retry-After", value, sizeof value)) {
        /* Seconds; the other form of the header, a date, is not what a local daemon says. */
        char *end;
        double seconds = strtod(value, &end);
        if (end != value && *end == 0 && seconds >= 0 && seconds < 1e6)
            exchange->retry_after_s = seconds;
    } else if (header_value(line, n, "X-Request-Id", value, sizeof value)) {
        memcpy(exchange->request_id, value, sizeof value);
    }
    return n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *context) {
    Exchange *exchange = context;
    n *= size;
    if (exchange->wants_stream && exchange->is_stream) {
        exchange->status = sse_feed(&exchange->sse, bytes, n, exchange->err);
        return exchange->status == STATUS_OK ? n : 0;
    }
    if (exchange->body.n + n > CLIENT_MAX_BODY_BYTES) {
        exchange->status = err_set(exchange->err, STATUS_TOO_LARGE,
                                   "the daemon's answer is over %zu bytes", CLIENT_MAX_BODY_BYTES);
        return 0;
    }
    buf_append(&exchange->body, bytes, n);
    return exchange->body.failed ? 0 : n;
}

/* --- what goes out --- */

static Status unreachable(const FonteClient *client, CURLcode code, Err *err) {
    const char *socket = client->socket;
    struct stat st;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
        if (stat(socket, &st) != 0) {
            int errno_value = errno;
            if (errno_value == ENOENT)
                return err_set_param(err, STATUS_UNREACHABLE, "socket",
                                     "no daemon: there is no socket %s", socket);
            return err_set_param(err, STATUS_UNREACHABLE, "socket",
                                 "cannot reach the socket %s: %s", socket, strerror(errno_value));
        }
        if (!S_ISSOCK(st.st_mode))
            return err_set_param(err, STATUS_UNREACHABLE, "socket", "%s is not a socket", socket);
        long errno_value = 0;
        curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &errno_value);
        if (errno_value == EACCES)
            return err_set_param(err, STATUS_UNREACHABLE, "socket",
                                 "you may not use the socket %s: permission denied", socket);
        return err_set_param(err, STATUS_UNREACHABLE, "socket",
                             "no daemon: nobody listens on the socket %s", socket);
    }
    return err_set(err, STATUS_UNREACHABLE, "the connection to %s broke: %s", socket,
                   client->curl_text[0] ? client->curl_text : curl_easy_strerror(code));
}

static Status exchange_status(Exchange *exchange, CURLcode code, double timeout_s) {
    if (exchange->status != STATUS_OK) return exchange->status;
    TRY(buf_status(&exchange->body, exchange->err));
    switch (code) {
    case CURLE_OK: return STATUS_OK;
    case CURLE_OUT_OF_MEMORY: return err_set(exchange->err, STATUS_NO_MEMORY, "out of memory");
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(exchange->err, STATUS_TIMEOUT, "no answer from %s within %g seconds",
                       exchange->client->socket,
                       timeout_s > 0 ? timeout_s : CLIENT_CONNECT_TIMEOUT_MS / 1000.0);
    default: return unreachable(exchange->client, code, exchange->err);
    }
}

/* Append a line to *list; false where memory ran out (or an earlier line was lost). */
static bool add_header(struct curl_slist **list, const char *line) {
    struct curl_slist *longer = line ? curl_slist_append(*list, line) : NULL;
    if (longer) *list = longer;
    return longer != NULL;
}

static struct curl_slist *request_headers(const FonteRequest *request, bool wants_stream) {
    AUTO_BUF Buf type = BUF_NULL;
    struct curl_slist *list = NULL;
    /* A type without a value takes curl's own (x-www-form-urlencoded) away. */
    buf_printf(&type, "Content-Type:%s%s", request->content_type ? " " : "",
               request->content_type ? request->content_type : "");
    /* No "Expect: 100-continue": it would cost a round trip per document. */
    bool ok = !type.failed && add_header(&list, "Expect:") && add_header(&list, type.p);
    if (ok && wants_stream) ok = add_header(&list, "Accept: text/event-stream, application/json");
    if (ok) return list;
    curl_slist_free_all(list);
    return NULL;
}

static CURLcode set_up(Exchange *exchange, const FonteRequest *request, const char *url,
                       struct curl_slist *headers) {
    CURL *curl = exchange->client->curl;
    long timeout_ms = request->timeout_s > 0 ? (long)(MIN(request->timeout_s, 1e6) * 1000) : 0;
    CURLcode r = CURLE_OK;
    curl_easy_reset(curl);
#define SET(option, value)                                                                         \
    if (r == CURLE_OK) r = curl_easy_setopt(curl, option, value)
    SET(CURLOPT_UNIX_SOCKET_PATH, exchange->client->socket);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "libfonte/" FONTE_VERSION);
    SET(CURLOPT_ERRORBUFFER, exchange->client->curl_text);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_TIMEOUT_MS);
    SET(CURLOPT_TIMEOUT_MS, MAX(timeout_ms, request->timeout_s > 0 ? 1L : 0L));
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, exchange);
    if (request->body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->n_body);
        SET(CURLOPT_POSTFIELDS, request->body);
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    } else if (strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        SET(CURLOPT_POSTFIELDS, "");
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    }
#undef SET
    return r;
}

static Status perform(Exchange *exchange, const FonteRequest *request, FonteResponse *ret) {
    FonteClient *client = exchange->client;
    if (!request->method || !request->path || request->path[0] != '/')
        return err_set_param(exchange->err, STATUS_INVALID, "path",
                             "a request needs a method and a path that begins with '/'");
    AUTO_FREE char *url = NULL;
    if (asprintf(&url, "http://localhost%s", request->path) < 0) {
        url = NULL;
        return err_set(exchange->err, STATUS_NO_MEMORY, "out of memory");
    }
    struct curl_slist *headers = request_headers(request, exchange->wants_stream);
    if (!headers) return err_set(exchange->err, STATUS_NO_MEMORY, "out of memory");
    client->curl_text[0] = 0;
    CURLcode code = set_up(exchange, request, url, headers);
    Status status;
    if (code != CURLE_OK) {
        status = code == CURLE_OUT_OF_MEMORY
                     ? err_set(exchange->err, STATUS_NO_MEMORY, "out of memory")
                     : err_set(exchange->err, STATUS_INVALID, "request %s: %s", request->path,
                               curl_easy_strerror(code));
    } else {
        code = curl_easy_perform(client->curl);
        status = exchange_status(exchange, code, request->timeout_s);
    }
    curl_slist_free_all(headers);
    if (status != STATUS_OK) return status;
    long http = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &http);
    FonteResponse response = { .status = (int)http, .retry_after_s = exchange->retry_after_s };
    memcpy(response.request_id, exchange->request_id, sizeof response.request_id);
    response.body = buf_steal(&exchange->body, &response.n_body);
    if (!response.body) return err_set(exchange->err, STATUS_NO_MEMORY, "out of memory");
    *ret = response;
    return STATUS_OK;
}

FonteStatus fonte_client_send(FonteClient *client, const FonteRequest *request, FonteResponse *ret,
                              FonteError *error) {
    Exchange exchange = { .client = client, .body = BUF_NULL, .err = error };
    Status status = perform(&exchange, request, ret);
    buf_deinit(&exchange.body);
    return status;
}

FonteStatus fonte_client_stream(FonteClient *client, const FonteRequest *request,
                                bool (*event)(void *context, const char *name, const char *data,
                                              size_t n_data),
                                void *context, FonteResponse *ret, FonteError *error) {
    Exchange exchange = { .client = client, .body = BUF_NULL, .wants_stream = true, .err = error };
    sse_init(&exchange.sse, event, context);
    Status status = perform(&exchange, request, ret);
    sse_deinit(&exchange.sse);
    buf_deinit(&exchange.body);
    return status;
}
