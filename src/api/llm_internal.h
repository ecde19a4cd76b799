#pragma once
/* What llm.c and llm_batch.c share. */
#include <fonte/llm.h>

#include "api/api_internal.h"
#include "base/mem.h"
#include "llm/forward.h"
#include "llm/sampler.h"

struct FonteLlm {
    LlmModel *model;
    LlmContext *context;
    LlmSeq seq;    /* of fonte_llm_generate, _logits and _perplexity; no caller's */
    int32_t *held; /* [context]: what fonte_llm_generate put into seq, and perhaps one more */
    size_t n_held;
    size_t n_rows;           /* of logits that fonte_llm_row may give */
    struct FonteVocab vocab; /* view of the model's */
};

/* The sampler's options; bias: api_biases of the same sampling. */
SamplerOptions api_sampling(const FonteSampling *sampling, const SamplerBias *bias, bool logprobs,
                            size_t n_top);
/* Returned owned (free); NULL without memory. */
SamplerBias *api_biases(const FonteSampling *sampling);
