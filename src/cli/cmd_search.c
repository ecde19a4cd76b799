/* fonte search: ranked passages, nothing answered. */
#include "cli/commands.h"
#include "cli/show.h"

#include <stdlib.h>
#include <string.h>

static int search(Cli *cli, const QueryOptions *query, const char *text) {
    FonteError error = { 0 };
    FonteResponse response;
    FonteStatus status =
        cli_post_json(cli, "/v1/search", query_body(query, "query", text), &response, &error);
    if (status != FONTE_OK) return cli_fail(cli, &error);
    if (cli->json) {
        cli_print_json(cli, response.body, response.n_body);
    } else {
        cJSON *json = cJSON_ParseWithLength(response.body, response.n_body);
        const cJSON *passages = json_get(json, "passages");
        Highlight *highlight = highlight_new(text);
        if (cJSON_GetArraySize(passages) == 0)
            fputs("Nothing found.\n", cli->out.file);
        else
            show_passages(&cli->out, passages, SIZE_MAX, highlight);
        highlight_free(highlight);
        cJSON_Delete(json);
    }
    fonte_response_deinit(&response);
    return EXIT_OK;
}

int cmd_search(Cli *cli, int argc, char **argv) {
    QueryOptions query = { 0 };
    Option table[N_QUERY_OPTIONS];
    query_options(&query, "hybrid|lexical|vector", table);
    Usage usage = {
        "search",
        "WORDS | -",
        "Find the passages that bear on some words, best first. With - the words are read from\n"
        "standard input.",
        table,
        N_QUERY_OPTIONS,
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (first >= argc) return cli_fail_usage(cli, "which words?");
    char *text = query_text(argc - first, argv + first);
    status = text && *text ? search(cli, &query, text) : cli_fail_usage(cli, "the words are empty");
    free(text);
    return status;
}
