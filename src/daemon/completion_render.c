/* One function per shape. Annotations are url_citation, the one kind that clients know, with where
 * the quote stands in the document beside it. */
#include "daemon/completion_render.h"

#include <stdio.h>
#include <string.h>

void completion_render_head(JsonWriter *w, const CompletionHead *head, bool chunk) {
    const char *chat = chunk ? "chat.completion.chunk" : "chat.completion";
    json_string(w, "id", head->id);
    json_string(w, "object", head->is_chat ? chat : "text_completion");
    json_int(w, "created", head->created);
    json_string(w, "model", head->model);
}

/* Where the citation's marker stands in the answer, in characters. */
static void find_marker(const char *text, size_t n, size_t *ret_start, size_t *ret_end) {
    char marker[24];
    size_t length = (size_t)snprintf(marker, sizeof marker, "[%zu]", n);
    const char *at = strstr(text, marker);
    size_t before = 0;
    for (const char *p = text; at && p < at; p++) before += ((unsigned char)*p & 0xC0) != 0x80;
    *ret_start = before;
    *ret_end = at ? before + length : before;
}

static void render_annotations(JsonWriter *w, const FonteAnswer *answer) {
    json_begin_array(w, "annotations");
    for (size_t i = 0; answer && i < answer->n_citations; i++) {
        const FonteCitation *c = &answer->citations[i];
        size_t start, end;
        find_marker(answer->text, c->n, &start, &end);
        json_begin_object(w, NULL);
        json_string(w, "type", "url_citation");
        json_begin_object(w, "url_citation");
        json_uint(w, "start_index", start);
        json_uint(w, "end_index", end);
        json_string(w, "title", c->title);
        json_string(w, "url", c->url);
        json_string(w, "document", c->document);
        json_string(w, "version", c->version);
        json_uint(w, "start", c->start);
        json_uint(w, "end", c->end);
        json_string(w, "quote", c->quote);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void render_finish(JsonWriter *w, const char *finish) {
    if (finish) {
        json_string(w, "finish_reason", finish);
    } else {
        json_null(w, "finish_reason");
    }
}

void completion_render_choice(JsonWriter *w, const CompletionHead *head,
                              const CompletionChoice *choice) {
    json_begin_object(w, NULL);
    json_uint(w, "index", choice->index);
    if (head->is_chat) {
        json_begin_object(w, "message");
        json_string(w, "role", "assistant");
        json_slice(w, "content", choice->text);
        json_null(w, "refusal");
        render_annotations(w, choice->answer);
        json_end_object(w);
    } else {
        json_slice(w, "text", choice->text);
    }
    completion_logprobs_render(w, choice->logprobs);
    render_finish(w, choice->finish);
    json_end_object(w);
}

void completion_render_delta(JsonWriter *w, const CompletionHead *head,
                             const CompletionChoice *choice, bool is_first) {
    json_begin_object(w, NULL);
    json_uint(w, "index", choice->index);
    if (head->is_chat) {
        json_begin_object(w, "delta");
        if (is_first) json_string(w, "role", "assistant");
        if (is_first || choice->text.n) json_slice(w, "content", choice->text);
        if (choice->answer) render_annotations(w, choice->answer);
        json_end_object(w);
    } else {
        json_slice(w, "text", choice->text);
    }
    completion_logprobs_render(w, choice->logprobs);
    render_finish(w, choice->finish);
    json_end_object(w);
}

void completion_render_usage(JsonWriter *w, const CompletionUsage *usage) {
    json_begin_object(w, "usage");
    json_uint(w, "prompt_tokens", usage->n_prompt);
    json_uint(w, "completion_tokens", usage->n_written);
    json_uint(w, "total_tokens", usage->n_prompt + usage->n_written);
    json_begin_object(w, "prompt_tokens_details");
    json_uint(w, "cached_tokens", usage->n_cached);
    json_end_object(w);
    json_end_object(w);
}
