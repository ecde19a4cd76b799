#pragma once
/* Writing one text: a prompt is read into a sequence, then token after token is chosen and computed
 * until the text ends. For many texts at once there is src/engine.
 * A token step allocates nothing. Threads: those of the context. */
#include "llm/forward.h"
#include "llm/output.h"
#include "llm/sampler.h"

typedef struct GenerateToken {
    int32_t id;
    Slice text;              /* what may be shown now, not always this token's; view */
    float logprob;           /* NAN where it was not asked for */
    const SamplerToken *top; /* [n_top], view */
    size_t n_top;
} GenerateToken;

typedef struct GenerateOptions {
    SamplerOptions sampling;
    OutputOptions output; /* max_tokens 0: until the text ends; that the context is full before is
                             an error */
    /* Called for each token; false stops: CANCELLED. May be NULL. */
    bool (*token)(void *user, const GenerateToken *token);
    /* Called while the prompt is read, in tokens; false stops. May be NULL. */
    bool (*reading)(void *user, size_t n_read, size_t n_prompt);
    void *user;
} GenerateOptions;

typedef struct Generated {
    size_t n_read;   /* tokens of the prompt that were computed now */
    size_t n_tokens; /* chosen, the one that ends the text included */
    OutputEnd end;   /* OUTPUT_GOES_ON where it was cancelled or failed */
    int64_t read_us, write_us;
} Generated;

/* Go on from prompt[n_prompt], of which the sequence holds the first llm_seq_length tokens already
 * (fewer than n_prompt).
 * *ret is filled whatever is returned. The sequence then holds the prompt, as far as it was read,
 * and what was chosen but for the last token.
 * Errors: those of sampler_new, output_new, llm_eval and sampler_next; INVALID where there is
 * nothing to read; TOO_LARGE, with the numbers, where prompt and max_tokens do not fit the context,
 * and where it is full before the text ended; CANCELLED. */
Status generate(LlmContext *context, LlmSeq seq, const int32_t *prompt, size_t n_prompt,
                const GenerateOptions *options, Generated *ret, Err *err) MUST_CHECK;
