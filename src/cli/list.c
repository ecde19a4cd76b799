#include "cli/list.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 500 };

FonteStatus list_documents(Cli *cli, const char *collection, size_t limit,
                           bool (*take)(void *context, const cJSON *document), void *context,
                           FonteError *error) {
    char *after = NULL;
    FonteStatus status = FONTE_OK;
    for (size_t n = 0; status == FONTE_OK;) {
        char count[24];
        snprintf(count, sizeof count, "%zu", limit && limit - n < PAGE ? limit - n : (size_t)PAGE);
        const char *pairs[] = { "collection", collection, "limit", count, "after", after, NULL };
        char *path = cli_path("/v1/documents", pairs);
        cJSON *json = NULL;
        status = FONTE_NO_MEMORY;
        if (path)
            status =
                cli_send_json(cli, &(FonteRequest){ .method = "GET", .path = path }, &json, error);
        else
            *error = (FonteError){ .status = status };
        free(path);
        if (status != FONTE_OK) break;
        const cJSON *document;
        bool more = true;
        cJSON_ArrayForEach(document, json_get(json, "documents")) {
            n++;
            more = take(context, document);
            if (!more || n == limit) break;
        }
        free(after);
        after = NULL;
        const char *next = json_text(json, "next");
        bool end = !more || n == limit || !*next;
        if (!end) after = strdup(next);
        cJSON_Delete(json);
        if (end || !after) break;
    }
    free(after);
    return status;
}
