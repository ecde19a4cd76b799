/* Every token's event carries the token's logarithmic probability too, so that the tokens that came
 * can be counted whatever their text (a part of a character has none) and held against the number
 * that the daemon says it has written. */
#include "cli/bench_stream.h"

#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/workspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reading {
    BenchStream *stream;
    double due_s;
    bool has_usage, has_end;
    FonteError *error; /* of an event that tells one */
} Reading;

static void add_message(cJSON *messages, const char *role, const char *text) {
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "role", role);
    cJSON_AddStringToObject(message, "content", text);
    cJSON_AddItemToArray(messages, message);
}

char *bench_stream_body(const char *model, const char *system, const char *user, size_t n_tokens) {
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "model", model);
    cJSON *messages = cJSON_AddArrayToObject(body, "messages");
    add_message(messages, "system", system);
    add_message(messages, "user", user);
    cJSON_AddNumberToObject(body, "max_tokens", (double)n_tokens);
    cJSON_AddNumberToObject(body, "temperature", 0);
    cJSON_AddBoolToObject(body, "logprobs", true);
    cJSON_AddBoolToObject(body, "stream", true);
    cJSON *options = cJSON_AddObjectToObject(body, "stream_options");
    cJSON_AddBoolToObject(options, "include_usage", true);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return text;
}

static void take_tokens(Reading *r, size_t n) {
    BenchStream *s = r->stream;
    double now = bench_now_s();
    if (s->n_tokens == 0) {
        s->first_ms = (now - r->due_s) * 1e3;
    } else if (s->n_gaps < s->max_gaps) {
        s->gaps_ms[s->n_gaps++] = (now - s->last_s) * 1e3;
    }
    s->last_s = now;
    s->n_tokens += n;
}

static bool take_event(void *context, const char *name, const char *data, size_t n_data) {
    Reading *r = context;
    (void)name;
    r->stream->n_events++;
    if (n_data == 6 && memcmp(data, "[DONE]", 6) == 0) {
        r->has_end = true;
        return true;
    }
    cJSON *chunk = cJSON_ParseWithLength(data, n_data);
    const cJSON *choice = cJSON_GetArrayItem(json_get(chunk, "choices"), 0);
    int n = cJSON_GetArraySize(json_get(json_get(choice, "logprobs"), "content"));
    if (n > 0) take_tokens(r, (size_t)n);
    const cJSON *failure = json_get(chunk, "error"), *usage = json_get(chunk, "usage");
    if (failure) {
        *r->error = (FonteError){ .status = FONTE_INVALID };
        snprintf(r->error->text, sizeof r->error->text, "%s", json_text(failure, "message"));
    }
    if (cJSON_IsObject(usage)) {
        r->has_usage = true;
        r->stream->n_prompt = (size_t)json_number(usage, "prompt_tokens");
        r->stream->n_written = (size_t)json_number(usage, "completion_tokens");
        r->stream->n_cached =
            (size_t)json_number(json_get(usage, "prompt_tokens_details"), "cached_tokens");
    }
    cJSON_Delete(chunk);
    return !failure && !workspace_interrupted();
}

FonteStatus bench_stream_run(FonteClient *client, const char *body, double due_s, BenchStream *ret,
                             FonteError *error) {
    FonteError told = { 0 };
    Reading reading = { .stream = ret, .due_s = due_s, .error = &told };
    FonteRequest request = { .method = "POST",
                             .path = "/v1/chat/completions",
                             .content_type = "application/json",
                             .body = body,
                             .n_body = strlen(body) };
    FonteResponse response = { 0 };
    FonteStatus status =
        fonte_client_stream(client, &request, take_event, &reading, &response, error);
    if (workspace_interrupted()) status = error->status = FONTE_CANCELLED;
    if (told.status) *error = told, status = told.status;
    if (!status && response.status != 200) status = fonte_response_error(&response, error);
    fonte_response_deinit(&response);
    if (status) return status;
    size_t wanted = ret->n_written, got = ret->n_tokens;
    ret->n_lost =
        (wanted > got ? wanted - got : got - wanted) + !reading.has_usage + !reading.has_end;
    return FONTE_OK;
}
