/* The client against a socket on which a thread plays one recorded answer after the other. */
#include <fonte/client.h>

#include "base/buf.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Played {
    const char *const *answers; /* one for each connection; NULL ends */
    int listener;
    Buf requests;
    pthread_t thread;
    bool joined;
    char folder[32], path[48];
} Played;

/* Read until the header and as much body as it says are there. */
static void read_request(int fd, Buf *requests) {
    char bytes[8192];
    size_t n = 0, want = SIZE_MAX;
    while (n < want && n < sizeof bytes - 1) {
        ssize_t r = read(fd, bytes + n, sizeof bytes - 1 - n);
        if (r <= 0) break;
        n += (size_t)r;
        bytes[n] = 0;
        char *end = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
        if (end)
            want = (size_t)(end + 4 - bytes) +
                   (length && length < end ? strtoul(length + 16, 0, 10) : 0);
    }
    buf_append(requests, bytes, n);
    buf_append_byte(requests, '\n');
}

static void *play(void *context) {
    Played *played = context;
    for (const char *const *answer = played->answers; *answer; answer++) {
        int fd = accept(played->listener, NULL, NULL);
        if (fd < 0) break;
        read_request(fd, &played->requests);
        for (size_t n = strlen(*answer), at = 0; at < n;) {
            ssize_t w = send(fd, *answer + at, n - at, MSG_NOSIGNAL);
            if (w <= 0) break;
            at += (size_t)w;
        }
        close(fd);
    }
    return NULL;
}

static void begin(Played *played, const char *const *answers) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    *played = (Played){ .answers = answers, .requests = BUF_NULL };
    strcpy(played->folder, "/tmp/fonte-client-XXXXXX");
    cr_assert(mkdtemp(played->folder));
    snprintf(played->path, sizeof played->path, "%s/s", played->folder);
    strcpy(address.sun_path, played->path);
    played->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(played->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(played->listener, 8), 0);
    cr_assert_eq(pthread_create(&played->thread, NULL, play, played), 0);
}

static void wait_played(Played *played) {
    if (!played->joined) pthread_join(played->thread, NULL);
    played->joined = true;
}

static void end(Played *played) {
    shutdown(played->listener, SHUT_RDWR);
    wait_played(played);
    close(played->listener);
    unlink(played->path);
    rmdir(played->folder);
    buf_deinit(&played->requests);
}

static FonteStatus send_one(Played *played, const FonteRequest *request, FonteResponse *response,
                            FonteError *error) {
    FonteClient *client = NULL;
    cr_assert_eq(fonte_client_open(played->path, &client, error), FONTE_OK);
    cr_assert_str_eq(fonte_client_socket(client), played->path);
    FonteStatus status = fonte_client_send(client, request, response, error);
    fonte_client_close(client);
    return status;
}

static const FonteRequest get = { .method = "GET", .path = "/v1/status" };

Test(client_client, answer_comes_with_its_headers) {
    const char *const answers[] = {
        "HTTP/1.1 503 Busy\r\nContent-Length: 3\r\nX-Request-Id: abc\r\n"
        "retry-after: 2\r\n\r\nxyz",
        NULL
    };
    Played played;
    FonteResponse response = { 0 };
    FonteError error = { 0 };
    begin(&played, answers);
    cr_assert_eq(send_one(&played, &get, &response, &error), FONTE_OK);
    cr_assert_eq(response.status, 503);
    cr_assert_str_eq(response.body, "xyz");
    cr_assert_eq(response.n_body, 3);
    cr_assert_str_eq(response.request_id, "abc");
    cr_assert_float_eq(response.retry_after_s, 2, 0);
    cr_assert_eq(fonte_response_error(&response, &error), FONTE_BUSY);
    fonte_response_deinit(&response);
    cr_assert_null(response.body);
    end(&played);
}

Test(client_client, request_has_method_path_type_and_exact_body) {
    const char *const answers[] = { "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
                                    "HTTP/1.1 204 Gone\r\n\r\n", NULL };
    Played played;
    FonteResponse response = { 0 };
    FonteError error = { 0 };
    FonteRequest post = { .method = "POST",
                          .path = "/v1/documents?name=..%2Fa",
                          .content_type = "text/x",
                          .body = "a\0b",
                          .n_body = 3 };
    FonteRequest del = { .method = "DELETE", .path = "/v1/documents/../x" };
    begin(&played, answers);
    cr_assert_eq(send_one(&played, &post, &response, &error), FONTE_OK);
    fonte_response_deinit(&response);
    cr_assert_eq(send_one(&played, &del, &response, &error), FONTE_OK);
    fonte_response_deinit(&response);
    wait_played(&played);
    const char *text = played.requests.p;
    cr_assert_eq(strncmp(text, "POST /v1/documents?name=..%2Fa HTTP/1.1\r\n", 41), 0, "%s", text);
    cr_assert(strstr(text, "\r\nContent-Type: text/x\r\n"));
    cr_assert(strstr(text, "\r\nContent-Length: 3\r\n"));
    cr_assert_null(strstr(text, "Expect"));
    cr_assert(memmem(text, played.requests.n, "a\0b\nDELETE /v1/documents/../x HTTP/1.1\r\n", 40));
    end(&played);
}

Test(client_client, broken_connection_is_unreachable_and_says_so) {
    const char *const answers[] = { "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", NULL };
    Played played;
    FonteResponse response = { .status = 7 };
    begin(&played, answers);
    for (int i = 0; i < 2; i++) {
        FonteError error = { 0 };
        cr_assert_eq(send_one(&played, &get, &response, &error), FONTE_UNREACHABLE);
        cr_assert_str_eq(error.param, "");
        cr_assert(strstr(error.text, played.path));
        cr_assert_eq(response.status, 7);
    }
    end(&played);
}

Test(client_client, missing_socket_file_and_deaf_socket_are_told_apart) {
    const char *const answers[] = { NULL };
    Played played;
    FonteResponse response;
    FonteError error = { 0 };
    FonteClient *client = NULL;
    begin(&played, answers);
    wait_played(&played);
    close(played.listener);
    cr_assert_eq(send_one(&played, &get, &response, &error), FONTE_UNREACHABLE);
    cr_assert(strstr(error.text, "nobody listens"), "%s", error.text);
    unlink(played.path);
    cr_assert_eq(send_one(&played, &get, &response, &error), FONTE_UNREACHABLE);
    cr_assert(strstr(error.text, "there is no socket"), "%s", error.text);
    rmdir(played.folder);
    cr_assert_eq(fonte_client_open("/dev/null", &client, &error), FONTE_OK);
    cr_assert_eq(fonte_client_send(client, &get, &response, &error), FONTE_UNREACHABLE);
    cr_assert(strstr(error.text, "not a socket"), "%s", error.text);
    fonte_client_close(client);
}

Test(client_client, time_runs_out) {
    Played played;
    const char *const answers[] = { NULL };
    FonteResponse response;
    FonteError error = { 0 };
    begin(&played, answers);
    wait_played(&played); /* the socket listens, nobody accepts */
    FonteRequest request = { .method = "GET", .path = "/", .timeout_s = 0.1 };
    cr_assert_eq(send_one(&played, &request, &response, &error), FONTE_TIMEOUT);
    end(&played);
}

static bool count(void *context, const char *name, const char *data, size_t n) {
    int *left = context;
    cr_assert_str_eq(name, "message");
    cr_assert_eq(n, 1);
    cr_assert(data[0] >= 'a');
    return --*left > 0;
}

Test(client_client, events_come_and_can_be_ended) {
    const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\ndata: b\n\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: a\n\ndata: "
        "b\n\n",
        "HTTP/1.1 404 No\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\ndata: a\n\n",
        NULL
    };
    static const FonteStatus expected[] = { FONTE_OK, FONTE_CANCELLED, FONTE_OK };
    static const int events[] = { 2, 1, 0 };
    Played played;
    begin(&played, answers);
    for (int i = 0; i < 3; i++) {
        FonteClient *client;
        FonteResponse response = { 0 };
        FonteError error = { 0 };
        int left = i == 1 ? 1 : 10, before = left;
        cr_assert_eq(fonte_client_open(played.path, &client, &error), FONTE_OK);
        FonteStatus status = fonte_client_stream(client, &get, count, &left, &response, &error);
        cr_assert_eq(status, expected[i], "%s", error.text);
        cr_assert_eq(before - left, events[i]);
        if (i == 2) cr_assert_eq(fonte_response_error(&response, &error), FONTE_NOT_FOUND);
        fonte_response_deinit(&response);
        fonte_client_close(client);
    }
    end(&played);
}

Test(client_client, error_is_that_of_the_body_else_of_the_status) {
    FonteError error = { 0 };
    FonteResponse response = {
        .status = 400,
        .body = "{\"error\":{\"code\":\"denied\",\"message\":\"no\",\"param\":\"p\"}}"
    };
    response.n_body = strlen(response.body);
    cr_assert_eq(fonte_response_error(&response, &error), FONTE_DENIED);
    cr_assert_str_eq(error.text, "no");
    cr_assert_str_eq(error.param, "p");
    static const struct {
        int http;
        FonteStatus status;
    } table[] = { { 200, FONTE_OK },       { 401, FONTE_DENIED },    { 404, FONTE_NOT_FOUND },
                  { 408, FONTE_TIMEOUT },  { 413, FONTE_TOO_LARGE }, { 415, FONTE_UNSUPPORTED },
                  { 429, FONTE_BUSY },     { 431, FONTE_TOO_LARGE }, { 422, FONTE_INVALID },
                  { 500, FONTE_INTERNAL }, { 507, FONTE_NO_SPACE },  { 0, FONTE_INTERNAL } };
    for (size_t i = 0; i < N_ELEMENTS(table); i++) {
        static const char *const bodies[] = { "", "{\"error\":{\"code\":7}}", "[", "\xff" };
        for (size_t b = 0; b < N_ELEMENTS(bodies); b++) {
            FonteResponse odd = { table[i].http, (char *)bodies[b], strlen(bodies[b]), "", 0 };
            cr_assert_eq(fonte_response_error(&odd, &error), table[i].status, "%d", table[i].http);
        }
    }
}

Test(client_client, default_socket_follows_the_environment) {
    FonteClient *client;
    FonteError error = { 0 };
    unsetenv("FONTE_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
    cr_assert_eq(fonte_client_open(NULL, &client, &error), FONTE_OK);
    cr_assert_str_eq(fonte_client_socket(client), "/run/fonte/fonte.sock");
    fonte_client_close(client);
    setenv("FONTE_SOCKET", "/x", 1);
    cr_assert_eq(fonte_client_open(NULL, &client, &error), FONTE_OK);
    cr_assert_str_eq(fonte_client_socket(client), "/x");
    fonte_client_close(client);
}

Test(client_client, path_that_no_socket_can_have_is_refused) {
    FonteClient *client = NULL;
    FonteError error = { 0 };
    char path[200] = "";
    cr_assert_eq(fonte_client_open(path, &client, &error), FONTE_INVALID);
    memset(path, 'x', 199);
    cr_assert_eq(fonte_client_open(path, &client, &error), FONTE_INVALID);
    cr_assert_null(client);
}

Test(client_client, escape_leaves_only_unreserved_characters) {
    char *escaped = fonte_client_escape("aZ09-._~ /?&=%+\xC3\xA8");
    cr_assert_str_eq(escaped, "aZ09-._~%20%2F%3F%26%3D%25%2B%C3%A8");
    free(escaped);
    escaped = fonte_client_escape("");
    cr_assert_str_eq(escaped, "");
    free(escaped);
}
