/* docs/openapi.yaml describes the same table; tests/daemon/test_route.c compares them. */
#include "daemon/route.h"

#include "base/mem.h"

#include <stdio.h>
#include <strings.h>

#define DOCUMENT_PARAMS "title url date lang source name"

const Route route_table[] = {
    { HTTP_POST, "/v1/ask", ROUTE_JSON, false, "", route_ask },
    { HTTP_POST, "/v1/search", ROUTE_JSON, false, "", route_search },
    { HTTP_GET, "/v1/conversations/{id}", ROUTE_NO_BODY, false, "", route_conversation_get },
    { HTTP_DELETE, "/v1/conversations/{id}", ROUTE_NO_BODY, false, "", route_conversation_delete },
    { HTTP_GET, "/v1/answers/{id}", ROUTE_NO_BODY, false, "", route_answer_get },
    { HTTP_POST, "/v1/answers/{id}/replay", ROUTE_JSON, false, "", route_answer_replay },
    { HTTP_POST, "/v1/documents", ROUTE_DOCUMENT, false, "collection " DOCUMENT_PARAMS,
      route_documents_add },
    { HTTP_GET, "/v1/documents", ROUTE_NO_BODY, false, "collection after limit",
      route_documents_list },
    { HTTP_GET, "/v1/documents/{id}", ROUTE_NO_BODY, false, "", route_document_get },
    { HTTP_PUT, "/v1/documents/{id}", ROUTE_DOCUMENT, false, DOCUMENT_PARAMS, route_document_put },
    { HTTP_DELETE, "/v1/documents/{id}", ROUTE_NO_BODY, false, "", route_document_delete },
    { HTTP_GET, "/v1/documents/{id}/text", ROUTE_NO_BODY, false, "", route_document_text },
    { HTTP_GET, "/v1/documents/{id}/original", ROUTE_NO_BODY, false, "", route_document_original },
    { HTTP_POST, "/v1/chat/completions", ROUTE_JSON, false, "", route_chat_completions },
    { HTTP_POST, "/v1/completions", ROUTE_JSON, false, "", route_completions },
    { HTTP_POST, "/v1/embeddings", ROUTE_JSON, false, "", route_embeddings },
    { HTTP_GET, "/v1/models", ROUTE_NO_BODY, false, "", route_models },
    { HTTP_GET, "/v1/models/{name}", ROUTE_NO_BODY, false, "", route_model },
    { HTTP_PUT, "/v1/model", ROUTE_JSON, false, "", route_model_choose },
    { HTTP_GET, "/v1/collections", ROUTE_NO_BODY, false, "", route_collections },
    { HTTP_GET, "/v1/jobs", ROUTE_NO_BODY, true, "", route_jobs },
    { HTTP_GET, "/v1/jobs/{id}", ROUTE_NO_BODY, true, "", route_job },
    { HTTP_GET, "/v1/status", ROUTE_NO_BODY, true, "", route_status },
    { HTTP_GET, "/healthz", ROUTE_NO_BODY, false, "", route_health },
    { HTTP_GET, "/metrics", ROUTE_NO_BODY, true, "", route_metrics },
};
const size_t route_n = N_ELEMENTS(route_table);

static bool path_matches(const char *path, const HttpTarget *target) {
    Slice rest = slice_skip(slice_of(path), 1);
    for (size_t i = 0; i < target->n_segments; i++) {
        if (rest.n == 0) return false;
        const char *slash = memchr(rest.p, '/', rest.n);
        Slice want = { rest.p, slash ? (size_t)(slash - rest.p) : rest.n };
        if (want.p[0] != '{' && !slice_equal(want, target->segments[i])) return false;
        rest = slice_skip(rest, want.n + 1);
    }
    return rest.n == 0;
}

static void allow_method(char allow[64], HttpMethod method) {
    size_t n = strlen(allow);
    snprintf(allow + n, 64 - n, "%s%s%s", n ? ", " : "", http_method_name(method),
             method == HTTP_GET ? ", HEAD" : "");
}

const Route *route_find(HttpMethod method, const HttpTarget *target, char ret_allow[64]) {
    HttpMethod wanted = method == HTTP_HEAD ? HTTP_GET : method;
    ret_allow[0] = '\0';
    for (size_t i = 0; i < route_n; i++) {
        if (!path_matches(route_table[i].path, target)) continue;
        if (route_table[i].method == wanted) return &route_table[i];
        allow_method(ret_allow, route_table[i].method);
    }
    return NULL;
}

bool route_has_param(const Route *route, const char *name) {
    Slice rest = slice_of(route->params);
    while (rest.n) {
        const char *space = memchr(rest.p, ' ', rest.n);
        Slice known = { rest.p, space ? (size_t)(space - rest.p) : rest.n };
        if (slice_equal(known, slice_of(name))) return true;
        rest = slice_skip(rest, known.n + 1);
    }
    return false;
}

bool route_type_is(const char *content_type, const char *type) {
    Slice s = slice_of(content_type);
    const char *semicolon = s.n ? memchr(s.p, ';', s.n) : NULL;
    if (semicolon) s.n = (size_t)(semicolon - s.p);
    s = slice_trim(s);
    return s.n == strlen(type) && strncasecmp(s.p ? s.p : "", type, s.n) == 0;
}

bool route_takes_document_type(const char *content_type) {
    static const char *const types[] = {
        "text/plain",
        "text/markdown",
        "text/x-markdown",
        "text/html",
        "application/xhtml+xml",
        "application/json",
        "application/jsonl",
        "application/x-jsonl",
        "application/x-ndjson",
        "application/ndjson",
        "application/rss+xml",
        "application/atom+xml",
        "application/xml",
        "text/xml",
        "application/octet-stream",
    };
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        if (route_type_is(content_type, types[i])) return true;
    }
    return false;
}
