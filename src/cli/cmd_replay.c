/* fonte replay: an answer that was given once, from its record, and whether it is the same. */
#include "cli/answer.h"
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

/* Where the two part, for people. */
static const char *explain(const char *difference) {
    if (strcmp(difference, "prompt") == 0) return "the model read another prompt";
    if (strcmp(difference, "written") == 0) return "the model wrote another text";
    return "the text is another";
}

static int show_outcome(Cli *cli, const cJSON *replay) {
    const char *made = json_text(replay, "made");
    if (json_bool(replay, "same")) {
        if (cli->json) return EXIT_OK;
        fputs("The same as on ", cli->out.file);
        term_text(&cli->out, made);
        fputs(".\n", cli->out.file);
        return EXIT_OK;
    }
    const char *arithmetic = json_text(replay, "arithmetic");
    if (*arithmetic) {
        cli_warn(cli, "it was computed with other numbers: %s, now %s",
                 json_text(replay, "recorded_arithmetic"), arithmetic);
    }
    cli_warn(cli, "not the same as on %s: %s (SHA-256 %s instead of %s)", made,
             explain(json_text(replay, "difference")), json_text(replay, "answer_sha256"),
             json_text(replay, "recorded_sha256"));
    return EXIT_FAILED;
}

static int replay(Cli *cli, const char *id, const char *question, bool no_stream) {
    Answer answer = ANSWER_NULL;
    FonteError error = { 0 };
    char *escaped = fonte_client_escape(id), *path = NULL;
    cJSON *body = cJSON_CreateObject();
    if (escaped && asprintf(&path, "/v1/answers/%s/replay", escaped) < 0) path = NULL;
    free(escaped);
    if (question && body) cJSON_AddStringToObject(body, "question", question);
    FonteStatus status = error.status = FONTE_NO_MEMORY;
    if (path && body)
        status = answer_ask(cli, path, body, no_stream, &answer, &error);
    else
        cJSON_Delete(body);
    free(path);
    int exit_status = EXIT_OK;
    if (status == FONTE_OK) {
        answer_show(cli, &answer, question ? question : "");
        exit_status = show_outcome(cli, json_get(answer.done, "replay"));
    }
    answer_deinit(&answer);
    return status == FONTE_OK ? exit_status : cli_fail(cli, &error);
}

int cmd_replay(Cli *cli, int argc, char **argv) {
    const char *question = NULL;
    bool no_stream = false;
    const Option table[] = {
        { 'q', "question", OPTION_TEXT, &question, "TEXT",
          "The question, where the daemon does not keep its text" },
        { 0, "no-stream", OPTION_FLAG, &no_stream, NULL, "Wait for the whole answer" },
    };
    Usage usage = {
        "replay",
        "ID",
        "Make an answer once more from its record (fonte ask --id prints the id): the same "
        "passages in\n"
        "the same versions, the same model, settings and seed. Says whether it came out the same; "
        "if\n"
        "not, the exit status is 1. Fails, saying why, where a document changed or is gone, or\n"
        "another model is served.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (first + 1 != argc) return cli_fail_usage(cli, "one id is expected");
    return replay(cli, argv[first], question, no_stream);
}
