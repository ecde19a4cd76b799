#pragma once
/* From logits to the next token. The logits are changed in this order: bias, penalties, mask; then,
 * above temperature 0, divided by the temperature, made probabilities, and cut by top-k, min-p,
 * top-p in this order before one is drawn.
 * Draws come from a counter (seed and how many were drawn before), so that the same seed gives the
 * same text whatever else is computed beside it.
 * All memory is taken at sampler_new. Threads: one owner at a time.
 * Source: Keskar et al., arXiv:1909.05858, section 4.1 (repetition penalty); Holtzman et al.,
 * arXiv:1904.09751 (top-p); Nguyen et al., arXiv:2407.01082 (min-p); OpenAI's API reference
 * (frequency and presence penalties, logit bias); Steele et al., SplitMix (OOPSLA 2014). */
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Sampler Sampler;

typedef struct SamplerBias {
    int32_t id;
    float bias; /* added to the logit, -100 to 100 */
} SamplerBias;

typedef struct SamplerOptions {
    float temperature;        /* 0-100; 0 = always the largest logit (the lowest id of equals) */
    size_t top_k;             /* the k most likely only; 0 = all */
    float top_p;              /* the fewest most likely that together have p; 1 = all */
    float min_p;              /* those with at least p times the best's probability; 0 = all */
    float repetition_penalty; /* 0.1-10: logits of what stands in prompt or text, divided where
                                 positive, else multiplied; 1 = none */
    float frequency_penalty;  /* -2 to 2: taken off per time that a token was written; 0 = none */
    float presence_penalty;   /* -2 to 2: taken off once of each token that was written; 0 = none */
    const SamplerBias *bias;  /* [n_bias], copied */
    size_t n_bias;
    uint64_t seed;
    bool logprobs;    /* give the log-probability of each token in the model's own distribution */
    size_t n_top;     /* and of so many of the likeliest; SAMPLER_MAX_TOP at most */
    bool constrained; /* sampler_mask will be used */
} SamplerOptions;
#define SAMPLER_OPTIONS_DEFAULT                                                                    \
    ((SamplerOptions){ .top_p = 1, .repetition_penalty = 1, .bias = NULL })
enum { SAMPLER_MAX_TOP = 20, SAMPLER_MAX_BIAS = 1024 };

typedef struct SamplerToken {
    int32_t id;
    float logprob; /* natural logarithm; NAN where it was not asked for */
} SamplerToken;

/* A bit an id: 1 = may come. */
typedef struct SamplerMask {
    uint64_t *bits;
    size_t n_ids;
} SamplerMask;

/* Errors: USAGE naming the option that is out of its range or no number, INVALID for a bias of an
 * id that the model does not have; NO_MEMORY. */
Status sampler_check(size_t n_vocab, const SamplerOptions *options, Err *err) MUST_CHECK;
Status sampler_new(size_t n_vocab, const SamplerOptions *options, Sampler **ret,
                   Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
Sampler *sampler_free(Sampler *sampler);

/* What the text goes on from, for the repetition penalty. The ids are the model's (asserted). */
void sampler_read(Sampler *sampler, const int32_t *ids, size_t n);
/* The next token. logits f32 [n_vocab] are overwritten; mask may be NULL. The token counts as
 * written. Errors: DAMAGED for a logit that is NaN; INVALID where nothing is allowed or all of it
 * is minus infinity. */
Status sampler_next(Sampler *sampler, float *logits, const SamplerMask *mask, SamplerToken *ret,
                    Err *err) MUST_CHECK;
/* The likeliest tokens of the last step, likeliest first: view; *ret_n = n_top or the vocabulary.
 */
const SamplerToken *sampler_top(const Sampler *sampler, size_t *ret_n);

/* The sampler's own mask, set to all ones. Needs options.constrained (asserted). */
SamplerMask *sampler_mask(Sampler *sampler);
static inline void sampler_mask_forbid(SamplerMask *mask, int32_t id) {
    mask->bits[(size_t)id / 64] &= ~((uint64_t)1 << ((size_t)id % 64));
}
static inline void sampler_mask_allow(SamplerMask *mask, int32_t id) {
    mask->bits[(size_t)id / 64] |= (uint64_t)1 << ((size_t)id % 64);
}
static inline bool sampler_mask_has(const SamplerMask *mask, int32_t id) {
    return mask->bits[(size_t)id / 64] >> ((size_t)id % 64) & 1;
}
void sampler_mask_forbid_all(SamplerMask *mask);
