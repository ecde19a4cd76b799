#include "cli/answer.h"

#include "cli/show.h"

#include <string.h>

/* One on its way. */
typedef struct Stream {
    Cli *cli;
    Answer *answer;
    FonteStatus failed; /* an error in mid-stream */
    FonteError error;
} Stream;

static void on_error(Stream *stream, const char *data, size_t n) {
    FonteResponse response = { .status = 500, .body = (char *)data, .n_body = n };
    stream->failed = fonte_response_error(&response, &stream->error);
}

static bool on_event(void *context, const char *name, const char *data, size_t n) {
    Stream *stream = context;
    Answer *answer = stream->answer;
    if (strcmp(name, "error") == 0) {
        on_error(stream, data, n);
        return false;
    }
    cJSON *json = cJSON_ParseWithLength(data, n);
    if (strcmp(name, "token") == 0) {
        const char *text = json_text(json, "text");
        term_text(&stream->cli->out, text);
        fflush(stream->cli->out.file);
        answer->has_text = answer->has_text || *text;
    } else if (strcmp(name, "citation") == 0 && cJSON_IsObject(json)) {
        cJSON_AddItemToArray(answer->cited, json);
        json = NULL;
    } else if (strcmp(name, "done") == 0 && cJSON_IsObject(json)) {
        cJSON_Delete(answer->done);
        answer->done = json;
        json = NULL;
    }
    cJSON_Delete(json);
    return true;
}

/* The stream's own error, else the response's; also a daemon that does not stream answers. */
static FonteStatus take_response(Stream *stream, const FonteResponse *response, FonteError *error) {
    Answer *answer = stream->answer;
    if (stream->failed != FONTE_OK) {
        *error = stream->error;
        return stream->failed;
    }
    FonteStatus status = fonte_response_error(response, error);
    if (status != FONTE_OK || answer->done) return status;
    answer->done = cJSON_ParseWithLength(response->body, response->n_body);
    if (answer->done) return FONTE_OK;
    *error = (FonteError){ .status = FONTE_UNREACHABLE };
    snprintf(error->text, sizeof error->text, "the answer broke off");
    return FONTE_UNREACHABLE;
}

static FonteStatus ask_streaming(Cli *cli, const char *path, const char *body, Answer *answer,
                                 FonteError *error) {
    Stream stream = { .cli = cli, .answer = answer };
    FonteResponse response = { 0 };
    FonteRequest request = { .method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .body = body,
                             .n_body = strlen(body) };
    FonteStatus status = cli_client(cli, error);
    if (status == FONTE_OK) {
        status = fonte_client_stream(cli->client, &request, on_event, &stream, &response, error);
    }
    if (status == FONTE_OK || stream.failed != FONTE_OK) {
        status = take_response(&stream, &response, error);
    }
    if (status != FONTE_OK && answer->has_text) fputc('\n', cli->out.file);
    fonte_response_deinit(&response);
    return status;
}

static FonteStatus no_memory(FonteError *error) {
    *error = (FonteError){ .status = FONTE_NO_MEMORY };
    return FONTE_NO_MEMORY;
}

static FonteStatus start_stream(Cli *cli, const char *path, cJSON *body, Answer *answer,
                                FonteError *error) {
    if (body) cJSON_AddBoolToObject(body, "stream", true);
    char *text = body ? cJSON_PrintUnformatted(body) : NULL;
    cJSON_Delete(body);
    answer->cited = cJSON_CreateArray();
    FonteStatus status =
        text && answer->cited ? ask_streaming(cli, path, text, answer, error) : no_memory(error);
    cJSON_free(text);
    return status;
}

FonteStatus answer_ask(Cli *cli, const char *path, cJSON *body, bool waits, Answer *answer,
                       FonteError *error) {
    FonteResponse response;
    if (cli->out.is_terminal && !cli->json && !waits) {
        return start_stream(cli, path, body, answer, error);
    }
    FonteStatus status = cli_post_json(cli, path, body, &response, error);
    if (status != FONTE_OK) return status;
    if (cli->json) cli_print_json(cli, response.body, response.n_body);
    answer->done = cJSON_ParseWithLength(response.body, response.n_body);
    fonte_response_deinit(&response);
    if (answer->done) return FONTE_OK;
    *error = (FonteError){ .status = FONTE_INTERNAL };
    snprintf(error->text, sizeof error->text, "the daemon's answer is not JSON");
    return FONTE_INTERNAL;
}

void answer_show(Cli *cli, const Answer *answer, const char *question) {
    Term *term = &cli->out;
    if (cli->json) return;
    if (json_bool(answer->done, "abstained")) {
        Highlight *highlight = highlight_new(question);
        if (answer->has_text) fputc('\n', term->file);
        show_abstention(term, answer->done, highlight);
        highlight_free(highlight);
        return;
    }
    if (!answer->has_text) term_text(term, json_text(answer->done, "answer"));
    fputc('\n', term->file);
    const cJSON *citations = json_get(answer->done, "citations");
    show_citations(term, cJSON_GetArraySize(citations) ? citations : answer->cited);
}

void answer_deinit(Answer *answer) {
    cJSON_Delete(answer->done);
    cJSON_Delete(answer->cited);
    *answer = ANSWER_NULL;
}
