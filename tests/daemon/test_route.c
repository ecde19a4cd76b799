#include "daemon/route.h"

#include "base/file.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const Route *find(HttpMethod method, const char *path, char allow[64]) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    HttpTarget target;
    cr_assert_eq(http_target_parse(slice_of(path), &arena, &target, NULL), STATUS_OK);
    return route_find(method, &target, allow);
}

Test(daemon_route, finds_paths_with_ids) {
    char allow[64];
    cr_assert_str_eq(find(HTTP_GET, "/v1/documents", allow)->path, "/v1/documents");
    cr_assert_str_eq(find(HTTP_GET, "/v1/documents/abc", allow)->path, "/v1/documents/{id}");
    cr_assert_str_eq(find(HTTP_HEAD, "/v1/documents/abc/text", allow)->path,
                     "/v1/documents/{id}/text");
    cr_assert_null(find(HTTP_GET, "/", allow));
    cr_assert_null(find(HTTP_GET, "/v1", allow));
    cr_assert_null(find(HTTP_GET, "/v1/documents/abc/text/x", allow));
    cr_assert_str_eq(allow, "");
}

Test(daemon_route, says_what_is_allowed) {
    char allow[64];
    cr_assert_null(find(HTTP_POST, "/v1/documents/abc", allow));
    cr_assert_str_eq(allow, "GET, HEAD, PUT, DELETE");
    cr_assert_null(find(HTTP_OTHER, "/v1/ask", allow));
    cr_assert_str_eq(allow, "POST");
}

Test(daemon_route, compares_media_types_without_parameters) {
    cr_assert(route_type_is("Application/JSON; charset=utf-8", "application/json"));
    cr_assert_not(route_type_is("application/jsonl", "application/json"));
    cr_assert_not(route_type_is("", "application/json"));
    cr_assert(route_takes_document_type("text/html; charset=ISO-8859-1"));
    cr_assert_not(route_takes_document_type("application/pdf"));
}

Test(daemon_route, openapi_has_every_route_and_parameter) {
    AUTO_BUF Buf path = BUF_NULL, text = BUF_NULL;
    buf_printf(&path, "%s/openapi.yaml", getenv("FONTE_DOCS"));
    cr_assert_eq(file_read(path.p, 1 << 20, &text, NULL), STATUS_OK);
    for (size_t i = 0; i < route_n; i++) {
        const Route *route = &route_table[i];
        char line[96];
        snprintf(line, sizeof line, "\n  %s:\n", route->path);
        const char *from = strstr(text.p, line);
        cr_assert_not_null(from, "openapi.yaml does not have %s", route->path);
        from += strlen(line);
        const char *next = strstr(from, "\n  /");
        size_t n = next ? (size_t)(next - from) : strlen(from);
        AUTO_FREE char *block = mem_copy_string(from, n);
        char method[16];
        snprintf(method, sizeof method, "    %s:\n", http_method_name(route->method));
        for (char *p = method; *p; p++) *p = (char)tolower(*p);
        cr_assert_not_null(strstr(block, method), "openapi.yaml: %s has no %s", route->path,
                           method);
        char params[128];
        snprintf(params, sizeof params, "%s", route->params);
        for (char *save, *p = strtok_r(params, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
            snprintf(line, sizeof line, "name: %s,", p);
            cr_assert_not_null(strstr(text.p, line), "openapi.yaml has no parameter %s", p);
        }
    }
}
