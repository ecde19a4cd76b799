/* fonte ask: the answer sentence by sentence as it comes where someone watches, whole elsewhere. */
#include "cli/commands.h"
#include "cli/show.h"

#include <stdlib.h>
#include <string.h>

typedef struct Ask {
    Cli *cli;
    cJSON *done;  /* the whole answer; NULL until it came */
    cJSON *cited; /* citations that came one by one */
    bool has_text, is_interactive;
    FonteStatus failed; /* an error in mid-stream */
    FonteError error;
} Ask;

static void on_error(Ask *ask, const char *data, size_t n) {
    FonteResponse response = { .status = 500, .body = (char *)data, .n_body = n };
    ask->failed = fonte_response_error(&response, &ask->error);
}

static bool on_event(void *context, const char *name, const char *data, size_t n) {
    Ask *ask = context;
    if (strcmp(name, "error") == 0) {
        on_error(ask, data, n);
        return false;
    }
    cJSON *json = cJSON_ParseWithLength(data, n);
    if (strcmp(name, "token") == 0) {
        const char *text = json_text(json, "text");
        term_text(&ask->cli->out, text);
        fflush(ask->cli->out.file);
        ask->has_text = ask->has_text || *text;
    } else if (strcmp(name, "citation") == 0 && cJSON_IsObject(json)) {
        cJSON_AddItemToArray(ask->cited, json);
        json = NULL;
    } else if (strcmp(name, "done") == 0 && cJSON_IsObject(json)) {
        cJSON_Delete(ask->done);
        ask->done = json;
        json = NULL;
    }
    cJSON_Delete(json);
    return true;
}

/* What it was read with, where that is more than was asked, and how to go on. */
static void show_conversation(const Ask *ask, const cJSON *answer, const char *question) {
    Term *term = &ask->cli->out;
    const char *id = json_text(answer, "conversation"), *read_as = json_text(answer, "read_as");
    if (!*id) return;
    if (strcmp(read_as, question) != 0) {
        fputs("read as: ", term->file);
        term_text(term, read_as);
        fputc('\n', term->file);
    }
    if (!ask->is_interactive) fprintf(term->file, "conversation: %s\n", id);
}

static void show_answer(Ask *ask, const cJSON *answer, const char *question) {
    Term *term = &ask->cli->out;
    if (json_bool(answer, "abstained")) {
        Highlight *highlight = highlight_new(question);
        if (ask->has_text) fputc('\n', term->file);
        show_abstention(term, answer, highlight);
        highlight_free(highlight);
    } else {
        if (!ask->has_text) term_text(term, json_text(answer, "answer"));
        fputc('\n', term->file);
        const cJSON *citations = json_get(answer, "citations");
        show_citations(term, cJSON_GetArraySize(citations) ? citations : ask->cited);
    }
    show_conversation(ask, answer, question);
}

static FonteStatus ask_streaming(Ask *ask, cJSON *body, FonteError *error) {
    char *text = body ? cJSON_PrintUnformatted(body) : NULL;
    FonteResponse response = { 0 };
    ask->cited = cJSON_CreateArray();
    FonteStatus status = cli_client(ask->cli, error);
    if (!text || !ask->cited) {
        *error = (FonteError){ .status = FONTE_NO_MEMORY };
        status = FONTE_NO_MEMORY;
    }
    if (status == FONTE_OK) {
        FonteRequest request = {
            .method = "POST",
            .path = "/v1/ask",
            .content_type = "application/json",
            .body = text,
            .n_body = strlen(text),
        };
        status = fonte_client_stream(ask->cli->client, &request, on_event, ask, &response, error);
    }
    if (ask->failed != FONTE_OK) {
        *error = ask->error;
        status = ask->failed;
    } else if (status == FONTE_OK) {
        status = fonte_response_error(&response, error);
        if (status == FONTE_OK && !ask->done) { /* also a daemon that does not stream */
            ask->done = cJSON_ParseWithLength(response.body, response.n_body);
            if (!ask->done) {
                status = error->status = FONTE_UNREACHABLE;
                snprintf(error->text, sizeof error->text, "the answer broke off");
            }
        }
    }
    if (status != FONTE_OK && ask->has_text) fputc('\n', ask->cli->out.file);
    fonte_response_deinit(&response);
    cJSON_free(text);
    return status;
}

static FonteStatus ask_at_once(Ask *ask, cJSON *body, FonteError *error) {
    FonteResponse response;
    FonteStatus status = cli_post_json(ask->cli, "/v1/ask", body, &response, error);
    if (status != FONTE_OK) return status;
    if (ask->cli->json)
        cli_print_json(ask->cli, response.body, response.n_body);
    else if (!(ask->done = cJSON_ParseWithLength(response.body, response.n_body))) {
        status = error->status = FONTE_INTERNAL;
        snprintf(error->text, sizeof error->text, "the daemon's answer is not JSON");
    }
    fonte_response_deinit(&response);
    return status;
}

/* "new" begins a conversation, anything else goes on with the one of that id. */
static void add_conversation(cJSON *body, const char *conversation) {
    if (!body || !conversation) return;
    if (strcmp(conversation, "new") == 0)
        cJSON_AddBoolToObject(body, "conversation", true);
    else
        cJSON_AddStringToObject(body, "conversation", conversation);
}

typedef struct AskOptions {
    QueryOptions query;
    const char *conversation; /* NULL = none */
    bool no_stream, is_interactive;
} AskOptions;

/* id: where the conversation's goes, of n bytes; may be NULL. */
static int ask_question(Cli *cli, const AskOptions *options, const char *question, char *id,
                        size_t n) {
    Ask ask = { .cli = cli, .is_interactive = options->is_interactive };
    FonteError error = { 0 };
    FonteStatus status;
    cJSON *body = query_body(&options->query, "question", question);
    add_conversation(body, options->conversation);
    if (cli->out.is_terminal && !cli->json && !options->no_stream) {
        if (body) cJSON_AddBoolToObject(body, "stream", true);
        status = ask_streaming(&ask, body, &error);
        cJSON_Delete(body);
    } else {
        status = ask_at_once(&ask, body, &error);
    }
    if (status == FONTE_OK && ask.done) {
        show_answer(&ask, ask.done, question);
        if (id) snprintf(id, n, "%s", json_text(ask.done, "conversation"));
    }
    cJSON_Delete(ask.done);
    cJSON_Delete(ask.cited);
    return status == FONTE_OK ? EXIT_OK : cli_fail(cli, &error);
}

/* A line is a question; all of them are one conversation. Ends with the input, or at the first
 * that fails where nobody watches. */
static int ask_lines(Cli *cli, AskOptions *options) {
    char id[64] = "", *line = NULL;
    size_t capacity = 0;
    int status = EXIT_OK;
    if (!options->conversation) options->conversation = "new";
    for (;;) {
        if (cli->out.is_terminal) fputs("> ", cli->out.file);
        fflush(cli->out.file);
        ssize_t n = getline(&line, &capacity, stdin);
        if (n < 0) break;
        while (n && strchr(" \t\r\n", line[n - 1])) line[--n] = 0;
        if (!n) continue;
        status = ask_question(cli, options, line, id, sizeof id);
        if (status != EXIT_OK && !cli->out.is_terminal) break;
        if (*id) options->conversation = id;
    }
    if (cli->out.is_terminal) fputc('\n', cli->out.file);
    free(line);
    return status;
}

int cmd_ask(Cli *cli, int argc, char **argv) {
    AskOptions ask = { 0 };
    Option table[N_QUERY_OPTIONS + 3];
    query_options(&ask.query, "auto|extract|generate", table);
    table[N_QUERY_OPTIONS] =
        (Option){ 0, "no-stream", OPTION_FLAG, &ask.no_stream, NULL, "Wait for the whole answer" };
    table[N_QUERY_OPTIONS + 1] = (Option){ 0,           "conversation",
                                           OPTION_TEXT, &ask.conversation,
                                           "new|ID",    "Begin a conversation, or go on with one" };
    table[N_QUERY_OPTIONS + 2] = (Option){ 'i',         "interactive",
                                           OPTION_FLAG, &ask.is_interactive,
                                           NULL,        "Ask line by line, in one conversation" };
    Usage usage = {
        "ask",
        "QUESTION | - | -i",
        "Ask a question; the answer quotes the documents and names its sources. Where they do not\n"
        "hold the answer it says so and shows the nearest passages (exit status 0 too). With - "
        "the\n"
        "question is read from standard input. In a conversation a question may lean on the one\n"
        "before (\"And when did it enter into force?\").",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (ask.is_interactive && cli->json) return cli_fail_usage(cli, "-i is not for --json");
    if (ask.is_interactive && first >= argc) return ask_lines(cli, &ask);
    if (ask.is_interactive) return cli_fail_usage(cli, "with -i the questions are read, not given");
    if (first >= argc) return cli_fail_usage(cli, "what is the question?");
    char *question = query_text(argc - first, argv + first);
    if (question && *question)
        status = ask_question(cli, &ask, question, NULL, 0);
    else
        status = cli_fail_usage(cli, "the question is empty");
    free(question);
    return status;
}
