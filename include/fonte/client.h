#pragma once
/* Talk to fonted over its Unix socket: one HTTP request at a time per client, bodies as bytes,
 * server-sent events as they come. Nothing here goes to the network.
 * Threads: a client has one owner at a time; open as many as are needed. */
#include <fonte/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FonteClient FonteClient;

/* socket_path NULL: $FONTE_SOCKET, else $XDG_RUNTIME_DIR/fonte.sock where that is a socket, else
 * /run/fonte/fonte.sock. Does not connect yet. */
FONTE_API FonteStatus fonte_client_open(const char *socket_path, FonteClient **ret,
                                        FonteError *error);
FONTE_API FonteClient *fonte_client_close(FonteClient *client);
FONTE_API const char *fonte_client_socket(const FonteClient *client);

typedef struct FonteRequest {
    const char *method;       /* "GET", "POST", "PUT", "DELETE" */
    const char *path;         /* "/v1/ask?x=y", already percent-encoded (fonte_client_escape) */
    const char *content_type; /* NULL = none */
    const void *body;         /* borrowed for the call; NULL = none */
    size_t n_body;
    double timeout_s; /* 0 = none */
} FonteRequest;

typedef struct FonteResponse {
    int status; /* HTTP */
    char *body; /* NUL-terminated; owned (fonte_response_deinit) */
    size_t n_body;
    char request_id[64];
    double retry_after_s; /* of a 429 or 503; 0 = not said */
} FonteResponse;

/* FONTE_OK where a response came, whatever its HTTP status; FONTE_UNREACHABLE where none did (no
 * socket, nobody listening, connection broken: the text says which), FONTE_TIMEOUT. */
FONTE_API FonteStatus fonte_client_send(FonteClient *client, const FonteRequest *request,
                                        FonteResponse *ret, FonteError *error);
FONTE_API void fonte_response_deinit(FonteResponse *response);

/* The same with a text/event-stream answer: event() is called for each event as it comes; a return
 * of false ends the request. Where the answer is no stream, ret holds it as above. */
FONTE_API FonteStatus fonte_client_stream(FonteClient *client, const FonteRequest *request,
                                          bool (*event)(void *context, const char *name,
                                                        const char *data, size_t n_data),
                                          void *context, FonteResponse *ret, FonteError *error);

/* The status that an error response stands for, with its message and param in error. */
FONTE_API FonteStatus fonte_response_error(const FonteResponse *response, FonteError *error);
/* text percent-encoded for a path segment or query value; returned owned (free), NULL without
 * memory. */
FONTE_API char *fonte_client_escape(const char *text);

#ifdef __cplusplus
}
#endif
