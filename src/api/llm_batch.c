/* The public side of sequences, batches and samplers. The sequence that llm.c writes into is one of
 * the context's as well: callers can neither see nor free it. */
#include "api/llm_internal.h"

/* ---- sequences ---- */

static Status check_seq(const FonteLlm *llm, FonteLlmSeq seq, Err *err) {
    if (seq != llm->seq) return STATUS_OK;
    return err_set(err, STATUS_INVALID, "there is no sequence %u", seq);
}

FonteStatus fonte_llm_seq_new(FonteLlm *llm, FonteLlmSeq *ret, FonteError *error) {
    NEED(llm, error);
    NEED(ret, error);
    return llm_seq_new(llm->context, ret, error);
}

void fonte_llm_seq_free(FonteLlm *llm, FonteLlmSeq seq) {
    if (llm && seq != llm->seq) llm_seq_free(llm->context, seq);
}

size_t fonte_llm_seq_length(const FonteLlm *llm, FonteLlmSeq seq) {
    return llm && seq != llm->seq ? llm_seq_length(llm->context, seq) : 0;
}

FonteStatus fonte_llm_seq_fork(FonteLlm *llm, FonteLlmSeq seq, size_t n, FonteLlmSeq *ret,
                               FonteError *error) {
    NEED(llm, error);
    NEED(ret, error);
    TRY(check_seq(llm, seq, error));
    return llm_seq_fork(llm->context, seq, n, ret, error);
}

FonteStatus fonte_llm_seq_truncate(FonteLlm *llm, FonteLlmSeq seq, size_t n, FonteError *error) {
    NEED(llm, error);
    TRY(check_seq(llm, seq, error));
    return llm_seq_truncate(llm->context, seq, n, error);
}

FonteStatus fonte_llm_eval(FonteLlm *llm, const FonteLlmInput *inputs, size_t n,
                           FonteError *error) {
    NEED(llm, error);
    if (n) NEED(inputs, error);
    AUTO_FREE LlmToken *tokens = mem_alloc(n, sizeof *tokens);
    if (!tokens) return err_set(error, STATUS_NO_MEMORY, "no memory for a batch of %zu tokens", n);
    for (size_t i = 0; i < n; i++) {
        TRY(check_seq(llm, inputs[i].seq, error));
        tokens[i] = (LlmToken){ .id = inputs[i].id,
                                .seq = inputs[i].seq,
                                .want_logits = inputs[i].want_logits,
                                .is_written = inputs[i].is_written };
    }
    llm->n_rows = 0;
    TRY(llm_eval(llm->context, tokens, n, error));
    llm->n_rows = llm_n_logits(llm->context);
    return STATUS_OK;
}

float *fonte_llm_row(FonteLlm *llm, size_t i) {
    return llm && i < llm->n_rows ? llm_logits(llm->context, i) : NULL;
}

/* ---- choosing ---- */

struct FonteSampler {
    Sampler *sampler;
    size_t n_vocab;
    FonteLogprob top[FONTE_MAX_TOP];
};
_Static_assert((int)FONTE_MAX_TOP == (int)SAMPLER_MAX_TOP, "top fits");

SamplerOptions api_sampling(const FonteSampling *s, const SamplerBias *bias, bool logprobs,
                            size_t n_top) {
    return (SamplerOptions){ .temperature = s->temperature,
                             .top_k = s->top_k,
                             .top_p = s->top_p,
                             .min_p = s->min_p,
                             .repetition_penalty = s->repetition_penalty,
                             .frequency_penalty = s->frequency_penalty,
                             .presence_penalty = s->presence_penalty,
                             .bias = bias,
                             .n_bias = s->n_bias,
                             .seed = s->seed,
                             .logprobs = logprobs,
                             .n_top = n_top };
}

SamplerBias *api_biases(const FonteSampling *s) {
    SamplerBias *bias = mem_alloc(s->n_bias, sizeof *bias);
    for (size_t i = 0; bias && i < s->n_bias; i++)
        bias[i] = (SamplerBias){ s->bias[i].id, s->bias[i].bias };
    return bias;
}

FonteStatus fonte_sampler_new(size_t n_vocab, const FonteSampling *sampling, bool logprobs,
                              size_t n_top, FonteSampler **ret, FonteError *error) {
    NEED(sampling, error);
    NEED(ret, error);
    if (sampling->n_bias) NEED(sampling->bias, error);
    if (n_vocab == 0 || n_vocab > INT32_MAX)
        return err_set_param(error, STATUS_USAGE, "n_vocab", "a vocabulary of %zu", n_vocab);
    AUTO_FREE SamplerBias *bias = api_biases(sampling);
    FonteSampler *s = mem_alloc(1, sizeof *s);
    Status status = STATUS_NO_MEMORY;
    if (bias && s) {
        SamplerOptions options = api_sampling(sampling, bias, logprobs, n_top);
        status = sampler_new(n_vocab, &options, &s->sampler, error);
    } else {
        err_set(error, status, "no memory to choose tokens with");
    }
    if (status != STATUS_OK) {
        free(s);
        return status;
    }
    s->n_vocab = n_vocab;
    *ret = s;
    return STATUS_OK;
}

FonteSampler *fonte_sampler_free(FonteSampler *s) {
    if (s) sampler_free(s->sampler);
    free(s);
    return NULL;
}

FonteStatus fonte_sampler_read(FonteSampler *s, const int32_t *ids, size_t n, FonteError *error) {
    NEED(s, error);
    if (n) NEED(ids, error);
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= 0 && (size_t)ids[i] < s->n_vocab) continue;
        return err_set(error, STATUS_INVALID, "token %zu: id %d is not in 0 to %zu", i, ids[i],
                       s->n_vocab - 1);
    }
    sampler_read(s->sampler, ids, n);
    return STATUS_OK;
}

FonteStatus fonte_sampler_next(FonteSampler *s, float *logits, const uint64_t *allowed,
                               FonteLogprob *ret, const FonteLogprob **ret_top, size_t *ret_n_top,
                               FonteError *error) {
    NEED(s, error);
    NEED(logits, error);
    NEED(ret, error);
    SamplerMask mask = { (uint64_t *)(uintptr_t)allowed, s->n_vocab };
    SamplerToken token;
    TRY(sampler_next(s->sampler, logits, allowed ? &mask : NULL, &token, error));
    *ret = (FonteLogprob){ token.id, token.logprob };
    size_t n_top;
    const SamplerToken *top = sampler_top(s->sampler, &n_top);
    for (size_t i = 0; i < n_top; i++) s->top[i] = (FonteLogprob){ top[i].id, top[i].logprob };
    if (ret_top) *ret_top = s->top;
    if (ret_n_top) *ret_n_top = n_top;
    return STATUS_OK;
}
