/* fonte model use: have the daemon answer with another model. The daemon opens the file, so the
 * path is one that it can read; names are looked up here. */
#include "cli/model.h"
#include "cli/modeldir.h"

#include <stdlib.h>
#include <string.h>

typedef struct Choice {
    const char *template_name, *name;
    bool is_default;
} Choice;

static cJSON *make_body(const Choice *choice, const char *path) {
    cJSON *body = cJSON_CreateObject();
    if (path)
        cJSON_AddStringToObject(body, "model", path);
    else
        cJSON_AddNullToObject(body, "model");
    if (choice->template_name) cJSON_AddStringToObject(body, "template", choice->template_name);
    if (choice->name) cJSON_AddStringToObject(body, "name", choice->name);
    return body;
}

static int show(Cli *cli, const FonteResponse *response) {
    if (cli->json) {
        cli_print_json(cli, response->body, response->n_body);
        return EXIT_OK;
    }
    cJSON *json = cJSON_ParseWithLength(response->body, response->n_body);
    const cJSON *model = json_get(json, "model");
    if (cJSON_IsObject(model)) {
        const char *licence = json_text(model, "licence");
        term_styled(&cli->out, STYLE_BOLD, json_text(model, "name"));
        fputs(" answers from now on", cli->out.file);
        if (*licence) fputs("; its licence: ", cli->out.file);
        term_line(&cli->out, licence);
        fputc('\n', cli->out.file);
    } else {
        fputs("Answers are quoted sentences from now on: no model is configured.\n", cli->out.file);
    }
    cJSON_Delete(json);
    return EXIT_OK;
}

static int choose(Cli *cli, const Choice *choice, const char *path) {
    FonteError error = { 0 };
    FonteResponse response;
    char *text = NULL;
    cJSON *body = make_body(choice, path);
    if (body) text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    if (!text) {
        error.status = FONTE_NO_MEMORY;
        return cli_fail(cli, &error);
    }
    FonteRequest request = { .method = "PUT",
                             .path = "/v1/model",
                             .content_type = "application/json",
                             .body = text,
                             .n_body = strlen(text) };
    FonteStatus status = cli_send(cli, &request, &response, &error);
    cJSON_free(text);
    if (status != FONTE_OK) return cli_fail(cli, &error);
    int exit_status = show(cli, &response);
    fonte_response_deinit(&response);
    return exit_status;
}

int model_use(Cli *cli, int argc, char **argv) {
    Choice choice = { 0 };
    const Option table[] = {
        { 0, "default", OPTION_FLAG, &choice.is_default, NULL,
          "Go back to what the daemon's configuration says" },
        { 't', "template", OPTION_CHOICE, &choice.template_name,
          "llama2|llama3|mistral|zephyr|chatml",
          "Chat template, where the file does not name a known one" },
        { 'n', "name", OPTION_TEXT, &choice.name, "NAME",
          "What it is called (default: its file's name)" },
    };
    Usage usage = {
        "model use",
        "NAME|PATH",
        "Have the daemon answer with another model: one that was fetched by NAME, or the file at\n"
        "PATH, which the daemon has to be able to read. What is being answered ends on the old "
        "one.\n"
        "The choice holds until another one; [access] model says who may choose.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    FonteError error = { 0 };
    char *path = NULL;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != (choice.is_default ? 0 : 1))
        return cli_fail_usage(cli, "one NAME or PATH, or --default");
    if (choice.is_default && (choice.template_name || choice.name))
        return cli_fail_usage(cli, "--default takes no other option");
    if (!choice.is_default && modeldir_find(argv[first], &path, &error) != FONTE_OK)
        return cli_fail(cli, &error);
    status = choose(cli, &choice, path);
    free(path);
    return status;
}
