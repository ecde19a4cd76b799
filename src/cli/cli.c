#include "cli/cli.h"

#include "cli/clean.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_global_options(Cli *cli, Option ret[CLI_N_GLOBAL]) {
    const Option options[CLI_N_GLOBAL] = {
        { 0, "socket", OPTION_TEXT, &cli->socket, "PATH", "The daemon's socket (or FONTE_SOCKET)" },
        { 0, "json", OPTION_FLAG, &cli->json, NULL, "Print one JSON object" },
        { 0, "color", OPTION_CHOICE, &cli->color, "auto|always|never", "Colours (default: auto)" },
        { 'V', "version", OPTION_FLAG, &cli->version, NULL, "Show the version and end" },
    };
    memcpy(ret, options, sizeof options);
}

/* In one piece: others may write to the same terminal. */
static void print_line(Cli *cli, const char *format, va_list args) {
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) text = NULL;
    char *line = text ? clean_string(text, strlen(text), true) : NULL;
    fprintf(cli->err.file, "fonte: %s\n", line ? line : "out of memory");
    free(line);
    free(text);
}

void cli_warn(Cli *cli, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line(cli, format, args);
    va_end(args);
}

int cli_fail(Cli *cli, const FonteError *error) {
    const char *text = error->text[0] ? error->text : fonte_status_text(error->status);
    /* The field's name helps where the message does not have it already. */
    if (error->param[0] && !strstr(text, error->param) && error->status != FONTE_UNREACHABLE)
        cli_warn(cli, "%s: %s", error->param, text);
    else
        cli_warn(cli, "%s", text);
    return fonte_status_exit(error->status);
}

int cli_fail_usage(Cli *cli, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_warn(cli, "%s%s%s (see fonte %s%s--help)", cli->command ? cli->command : "",
             cli->command ? ": " : "", text, cli->command ? cli->command : "",
             cli->command ? " " : "");
    return EXIT_USAGE;
}

bool cli_parse(Cli *cli, const Usage *usage, int argc, char **argv, int *ret_first, int *ret_exit) {
    Option global[CLI_N_GLOBAL];
    char text[256] = "";
    cli_global_options(cli, global);
    cli->command = usage->command;
    OptionsResult result =
        options_parse(usage, global, CLI_N_GLOBAL, argc, argv, ret_first, text, sizeof text);
    /* --color may have come with this line. */
    term_init(&cli->out, stdout, cli->color);
    term_init(&cli->err, stderr, cli->color);
    if (result == OPTIONS_HELP) {
        options_help(stdout, usage, global, CLI_N_GLOBAL);
        *ret_exit = EXIT_OK;
        return false;
    }
    if (result == OPTIONS_WRONG) {
        *ret_exit = cli_fail_usage(cli, "%s", text);
        return false;
    }
    if (cli->version) {
        puts("fonte " FONTE_VERSION);
        *ret_exit = EXIT_OK;
        return false;
    }
    return true;
}

int cli_finish(Cli *cli, int exit_status) {
    bool failed = fflush(stdout) != 0;
    failed = ferror(stdout) || failed;
    if (failed && exit_status == EXIT_OK) {
        cli_warn(cli, "cannot write to standard output");
        exit_status = EXIT_FAILED;
    }
    cli->client = fonte_client_close(cli->client);
    return exit_status;
}

FonteStatus cli_client(Cli *cli, FonteError *error) {
    return cli->client ? FONTE_OK : fonte_client_open(cli->socket, &cli->client, error);
}

FonteStatus cli_send(Cli *cli, const FonteRequest *request, FonteResponse *ret, FonteError *error) {
    FonteResponse response;
    FonteStatus status = cli_client(cli, error);
    if (status == FONTE_OK) status = fonte_client_send(cli->client, request, &response, error);
    if (status != FONTE_OK) return status;
    status = fonte_response_error(&response, error);
    if (status == FONTE_OK)
        *ret = response;
    else
        fonte_response_deinit(&response);
    return status;
}

static FonteStatus not_understood(FonteError *error) {
    error->status = FONTE_INTERNAL;
    error->param[0] = 0;
    snprintf(error->text, sizeof error->text,
             "the daemon's answer is not the JSON of this version");
    return FONTE_INTERNAL;
}

FonteStatus cli_send_json(Cli *cli, const FonteRequest *request, cJSON **ret, FonteError *error) {
    FonteResponse response;
    FonteStatus status = cli_send(cli, request, &response, error);
    if (status != FONTE_OK) return status;
    cJSON *json = cJSON_ParseWithLength(response.body, response.n_body);
    fonte_response_deinit(&response);
    if (!json) return not_understood(error);
    *ret = json;
    return FONTE_OK;
}

FonteStatus cli_post_json(Cli *cli, const char *path, cJSON *body, FonteResponse *ret,
                          FonteError *error) {
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    if (!text) {
        *error = (FonteError){ .status = FONTE_NO_MEMORY };
        return FONTE_NO_MEMORY;
    }
    FonteRequest request = {
        .method = "POST",
        .path = path,
        .content_type = "application/json",
        .body = text,
        .n_body = strlen(text),
    };
    FonteStatus status = cli_send(cli, &request, ret, error);
    cJSON_free(text);
    return status;
}

void cli_print_json(Cli *cli, const char *json, size_t n) {
    term_raw(&cli->out, json, n);
    if (n == 0 || json[n - 1] != '\n') fputc('\n', cli->out.file);
}

void cli_print_object(Cli *cli, const cJSON *object) {
    char *text = cJSON_PrintUnformatted(object);
    if (text) cli_print_json(cli, text, strlen(text));
    cJSON_free(text);
}

const cJSON *json_get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *json_text(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(json_get(object, key));
    return text ? text : "";
}

double json_number(const cJSON *object, const char *key) {
    const cJSON *item = json_get(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

bool json_bool(const cJSON *object, const char *key) {
    return cJSON_IsTrue(json_get(object, key));
}

char *cli_path(const char *path, const char *const *pairs) {
    char *text = NULL;
    size_t n;
    FILE *file = open_memstream(&text, &n);
    if (!file) return NULL;
    fputs(path, file);
    char mark = '?';
    bool failed = false;
    for (; pairs && pairs[0]; pairs += 2) {
        if (!pairs[1] || !*pairs[1]) continue;
        char *escaped = fonte_client_escape(pairs[1]);
        failed = failed || !escaped;
        fprintf(file, "%c%s=%s", mark, pairs[0], escaped ? escaped : "");
        free(escaped);
        mark = '&';
    }
    if (fclose(file) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

char *cli_document_path(const char *id, const char *part) {
    char *escaped = fonte_client_escape(id), *path = NULL;
    if (escaped && asprintf(&path, "/v1/documents/%s%s", escaped, part) < 0) path = NULL;
    free(escaped);
    return path;
}

bool cli_confirm(Cli *cli, const char *question) {
    char answer[16];
    if (!isatty(STDIN_FILENO) || !cli->err.is_terminal) return false;
    term_line(&cli->err, question);
    fputs(" [y/N] ", cli->err.file);
    fflush(cli->err.file);
    if (!fgets(answer, sizeof answer, stdin)) return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}
