/* What an error answer says, and text for paths and queries. */
#include <fonte/client.h>

#include "base/buf.h"

#include <cjson/cJSON.h>

void fonte_response_deinit(FonteResponse *response) {
    free(response->body);
    *response = (FonteResponse){ 0 };
}

/* By the code in the body; by the HTTP status where there is none that we know. */
static Status status_of(const char *code, int http) {
    if (code) {
#define STATUS_MATCH(name, number, text_code, text, http_status, exit)                             \
    if (number != 0 && strcmp(code, text_code) == 0) return FONTE_##name;
        FONTE_STATUS_TABLE(STATUS_MATCH)
#undef STATUS_MATCH
    }
    switch (http) {
    case 401:
    case 403: return STATUS_DENIED;
    case 404: return STATUS_NOT_FOUND;
    case 408:
    case 504: return STATUS_TIMEOUT;
    case 409: return STATUS_CONFLICT;
    case 413:
    case 414:
    case 431: return STATUS_TOO_LARGE;
    case 415: return STATUS_UNSUPPORTED;
    case 429:
    case 503: return STATUS_BUSY;
    case 507: return STATUS_NO_SPACE;
    }
    return http >= 400 && http < 500 ? STATUS_INVALID : STATUS_INTERNAL;
}

FonteStatus fonte_response_error(const FonteResponse *response, FonteError *error) {
    if (response->status >= 200 && response->status < 300) return STATUS_OK;
    cJSON *json = response->body ? cJSON_ParseWithLength(response->body, response->n_body) : NULL;
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(json, "error");
    const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "code"));
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "message"));
    const char *param = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "param"));
    Status status = status_of(code, response->status);
    if (message && *message)
        err_set_param(error, status, param ? param : "", "%s", message);
    else
        err_set(error, status, "the daemon answered %d and did not say why", response->status);
    cJSON_Delete(json);
    return status;
}

char *fonte_client_escape(const char *text) {
    /* RFC 3986: what is unreserved stays. */
    static const char digits[] = "0123456789ABCDEF";
    size_t n = strlen(text), size;
    if (!mem_mul(n, 3, &size) || !mem_add(size, 1, &size)) return NULL;
    char *escaped = malloc(size), *out = escaped;
    if (!escaped) return NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            *out++ = (char)c;
        } else {
            *out++ = '%';
            *out++ = digits[c >> 4];
            *out++ = digits[c & 15];
        }
    }
    *out = 0;
    return escaped;
}
