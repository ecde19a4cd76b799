#pragma once
/* The objects that OpenAI's clients read: completions and chat completions, whole and in chunks.
 * Threads: any. Source: OpenAI's API reference, as its Python client parses it. */
#include "daemon/completion.h"
#include "daemon/completion_logprobs.h"
#include <fonte/types.h>

/* What all objects of one answer share. */
typedef struct CompletionHead {
    bool is_chat;
    const char *id; /* "chatcmpl-..." */
    const char *model;
    int64_t created; /* seconds since 1970 */
} CompletionHead;

typedef struct CompletionChoice {
    size_t index;
    Slice text;
    const char *finish;                 /* "stop", "length"; NULL = goes on */
    const CompletionLogprobs *logprobs; /* NULL = not asked for */
    const FonteAnswer *answer;          /* whose citations are the annotations; NULL = none */
} CompletionChoice;

typedef struct CompletionUsage {
    size_t n_prompt, n_cached, n_written;
} CompletionUsage;

/* "object", "id", "created", "model": inside an object that is open. */
void completion_render_head(JsonWriter *w, const CompletionHead *head, bool chunk);
void completion_render_choice(JsonWriter *w, const CompletionHead *head,
                              const CompletionChoice *choice);
/* One choice of a chunk. is_first: with the role. */
void completion_render_delta(JsonWriter *w, const CompletionHead *head,
                             const CompletionChoice *choice, bool is_first);
void completion_render_usage(JsonWriter *w, const CompletionUsage *usage);
