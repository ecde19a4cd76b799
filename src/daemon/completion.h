#pragma once
/* The requests of OpenAI's clients, read: chat/completions and completions. Fields that ask for
 * what this server does not do are refused by name, never ignored.
 * Threads: any. Source: OpenAI's API reference (chat, completions), as its Python client sends it.
 */
#include "base/json.h"
#include "llm/grammar.h"
#include "llm/output.h"
#include "llm/sampler.h"
#include "llm/template.h"

enum { COMPLETION_MAX_MESSAGES = 256, COMPLETION_MAX_CHOICES = 16 };

typedef struct Completion {
    bool is_chat;
    const char *model;
    ChatMessage *messages; /* chat; views into the JSON's arena */
    size_t n_messages;
    Slice prompt; /* completions */
    SamplerOptions sampling;
    Slice stops[OUTPUT_MAX_STOPS];
    size_t n_stops;
    size_t n_choices;
    size_t n_tokens;  /* 0 = not said */
    Grammar *grammar; /* owned; NULL = any text */
    bool stream, include_usage;
} Completion;

/* Views into the arena; free with completion_deinit, also after a failure. seed: used where the
 * request has none. INVALID, UNSUPPORTED and TOO_LARGE naming the field. */
Status completion_parse(const Json *object, bool is_chat, size_t max_tokens, uint64_t seed,
                        Arena *arena, Completion *ret, Err *err) MUST_CHECK;
/* NULL is fine. */
void completion_deinit(Completion *completion);
