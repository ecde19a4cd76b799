#pragma once
/* Log-probabilities as OpenAI's clients read them: in a chat an array of objects, in a completion
 * four arrays side by side. Tokens are added one by one and written with a choice or a chunk.
 * Threads: one owner at a time. */
#include "base/json.h"
#include "llm/sampler.h"
#include "llm/vocab.h"

typedef struct CompletionLogprobs {
    bool is_chat;
    size_t offset;                          /* characters of all tokens so far */
    Buf tokens, values, likeliest, offsets; /* members joined by commas; a chat has tokens alone */
} CompletionLogprobs;

void completion_logprobs_deinit(CompletionLogprobs *logprobs);
/* top: [n_top], likeliest first. */
Status completion_logprobs_add(CompletionLogprobs *logprobs, const Vocab *vocab,
                               const SamplerToken *token, const SamplerToken *top, size_t n_top,
                               Err *err) MUST_CHECK;
/* Forget the tokens: the next chunk has its own. */
void completion_logprobs_clear(CompletionLogprobs *logprobs);
/* The member "logprobs"; null where logprobs is NULL or has no token. */
void completion_logprobs_render(JsonWriter *w, const CompletionLogprobs *logprobs);
