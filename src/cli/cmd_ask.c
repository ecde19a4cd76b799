/* fonte ask: one question, or a conversation line by line. */
#include "cli/answer.h"
#include "cli/commands.h"
#include "cli/show.h"

#include <stdlib.h>
#include <string.h>

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
    bool no_stream, is_interactive, shows_id;
} AskOptions;

/* What it was read with, where that is more than was asked; how to go on; how to see it again. */
static void show_ids(Term *term, const cJSON *answer, const char *question,
                     const AskOptions *options) {
    const char *conversation = json_text(answer, "conversation"), *id = json_text(answer, "id");
    const char *read_as = json_text(answer, "read_as");
    if (*conversation && strcmp(read_as, question) != 0) {
        fputs("read as: ", term->file);
        term_text(term, read_as);
        fputc('\n', term->file);
    }
    if (*conversation && !options->is_interactive) {
        fprintf(term->file, "conversation: %s\n", conversation);
    }
    if (options->shows_id) fprintf(term->file, "id: %s\n", *id ? id : "(no record is kept)");
}

/* id: where the conversation's goes, of n bytes; may be NULL. */
static int ask_question(Cli *cli, const AskOptions *options, const char *question, char *id,
                        size_t n) {
    Answer answer = ANSWER_NULL;
    FonteError error = { 0 };
    cJSON *body = query_body(&options->query, "question", question);
    add_conversation(body, options->conversation);
    FonteStatus status = answer_ask(cli, "/v1/ask", body, options->no_stream, &answer, &error);
    if (status == FONTE_OK) {
        answer_show(cli, &answer, question);
        if (!cli->json) show_ids(&cli->out, answer.done, question, options);
        if (id) snprintf(id, n, "%s", json_text(answer.done, "conversation"));
    }
    answer_deinit(&answer);
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
    Option table[N_QUERY_OPTIONS + 4];
    query_options(&ask.query, "auto|extract|generate", table);
    table[N_QUERY_OPTIONS] =
        (Option){ 0, "no-stream", OPTION_FLAG, &ask.no_stream, NULL, "Wait for the whole answer" };
    table[N_QUERY_OPTIONS + 1] = (Option){ 0,           "conversation",
                                           OPTION_TEXT, &ask.conversation,
                                           "new|ID",    "Begin a conversation, or go on with one" };
    table[N_QUERY_OPTIONS + 2] = (Option){ 'i',         "interactive",
                                           OPTION_FLAG, &ask.is_interactive,
                                           NULL,        "Ask line by line, in one conversation" };
    table[N_QUERY_OPTIONS + 3] = (Option){ 0,           "id",
                                           OPTION_FLAG, &ask.shows_id,
                                           NULL,        "Print the answer's id, for fonte replay" };
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
