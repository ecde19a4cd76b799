#pragma once
/* Computing with a model: writing text, logits, many sequences in one batch, choosing tokens,
 * measuring how well a text is foreseen.
 * A FonteLlm is an open GGUF file with threads and room for sequences. Files and words without
 * computing are in fonte/model.h.
 * Threads: one owner at a time; several FonteLlm may be open at once, also of one file.
 * Strings are borrowed for the call unless said. error may be NULL everywhere.
 * Source: arXiv:2302.13971, 2307.09288 (Llama). */
#include <fonte/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FonteLlm FonteLlm;

typedef struct FonteLlmOptions {
    unsigned n_threads;  /* 0 = processors of this process */
    const char *kernels; /* sets that may be used: "ref,avx2"; NULL = all */
    const char *kv;      /* how keys and values are kept: "f32" (the most exact, also for NULL),
                            "f16", "q8_0" */
    size_t context;      /* tokens of a sequence; 0 = the model's, at most 4,096 */
    size_t n_sequences;  /* that fonte_llm_seq_new can give at once; 0 = none */
} FonteLlmOptions;

/* Returned owned (fonte_llm_close). options may be NULL. Errors: those of opening the file, naming
 * key or tensor and byte; UNSUPPORTED for another architecture, a kernel set that this machine
 * lacks; USAGE for options; NO_MEMORY. */
FONTE_API FonteStatus fonte_llm_open(const char *path, const FonteLlmOptions *options,
                                     FonteLlm **ret, FonteError *error);
/* NULL is fine; returns NULL. */
FONTE_API FonteLlm *fonte_llm_close(FonteLlm *llm);
/* The model's words: view, dies with llm. */
FONTE_API const FonteVocab *fonte_llm_vocab(const FonteLlm *llm);
/* Rows of logits. */
FONTE_API size_t fonte_llm_n_vocab(const FonteLlm *llm);
FONTE_API size_t fonte_llm_context(const FonteLlm *llm);
/* Name of the kernel set in use: "avx512". View, static. */
FONTE_API const char *fonte_llm_kernels(const FonteLlm *llm);

/* ---- logits -----------------------------------------------------------------------------------
 */

/* Called with the logits of a position, in order: f32 [n_vocab], view during the call. False stops
 * with FONTE_CANCELLED. */
typedef bool (*FonteLlmLogits)(void *context, size_t position, const float *logits);
/* The logits of every position of ids. TOO_LARGE, with the numbers, where they exceed the context;
 * INVALID for an id that the model does not have. */
FONTE_API FonteStatus fonte_llm_logits(FonteLlm *llm, const int32_t *ids, size_t n,
                                       FonteLlmLogits take, void *context, FonteError *error);

/* ---- writing text -----------------------------------------------------------------------------
 */

typedef struct FonteLogitBias {
    int32_t id;
    float bias; /* -100 to 100, added to the logit */
} FonteLogitBias;

/* How tokens are chosen. Bias and penalties change the logits first; then, above temperature 0,
 * top-k, min-p and top-p cut what may be drawn, in this order. The same seed gives the same text.
 */
typedef struct FonteSampling {
    float temperature;                         /* 0 = always the likeliest */
    size_t top_k;                              /* 0 = all */
    float top_p;                               /* 1 = all */
    float min_p;                               /* 0 = all */
    float repetition_penalty;                  /* 1 = none */
    float frequency_penalty, presence_penalty; /* 0 = none */
    const FonteLogitBias *bias;                /* [n_bias], 1,024 at most */
    size_t n_bias;
    uint64_t seed;
} FonteSampling;
#define FONTE_SAMPLING_GREEDY ((FonteSampling){ 0, 0, 1, 0, 1, 0, 0, NULL, 0, 0 })

/* The natural logarithm of a token's probability in the model's own distribution: softmax of the
 * logits as they came. */
typedef struct FonteLogprob {
    int32_t id;
    float logprob; /* NAN where it was not asked for */
} FonteLogprob;
enum { FONTE_MAX_TOP = 20 };

typedef struct FonteLlmToken {
    int32_t id;
    const char *text; /* what may be shown now, whole characters of UTF-8, [n_text]; view */
    size_t n_text;
    float logprob;
    const FonteLogprob *top; /* [n_top], the likeliest first; view */
    size_t n_top;
} FonteLlmToken;

typedef struct FonteGenerate {
    const int32_t *prompt; /* [n_prompt], at least one */
    size_t n_prompt;
    size_t n_tokens; /* at most; 0 = until the model ends the text (context full: TOO_LARGE) */
    FonteSampling sampling;
    const char *const *stops; /* [n_stops]: the text ends before the first that is complete */
    size_t n_stops;
    bool ignore_end;   /* go on after a token that ends the text */
    bool is_continued; /* the text goes on after a prompt that is text: its first space is kept */
    bool logprobs;     /* tell that of each token; costs a little */
    size_t n_top;      /* and of so many of the likeliest, FONTE_MAX_TOP at most */
    /* Called for each token and while the prompt is read; false stops. Both may be NULL. */
    bool (*token)(void *context, const FonteLlmToken *token);
    bool (*reading)(void *context, size_t n_read, size_t n_prompt);
    void *context;
} FonteGenerate;

typedef enum FonteLlmEnd {
    FONTE_LLM_CUT,     /* stopped by the callback, or failed */
    FONTE_LLM_ENDED,   /* the model ended the text */
    FONTE_LLM_STOPPED, /* a stop string */
    FONTE_LLM_FULL,    /* n_tokens */
} FonteLlmEnd;

typedef struct FonteLlmGenerated {
    size_t n_prompt, n_reused; /* tokens of the prompt; of these not computed again */
    size_t n_tokens;           /* written, the one that ends the text included */
    FonteLlmEnd end;
    double read_s, write_s; /* seconds */
} FonteLlmGenerated;

/* Tokens that the prompt begins with and that the last call read or wrote are not computed again,
 * so that a conversation can be handed over as a whole each time; the text is the same. (What it
 * wrote is, with kernels "amx", which read and write in different arithmetics.) ret may be
 * NULL, and is filled on failure too. CANCELLED where a callback stopped it; USAGE naming the
 * option that is out of its range; TOO_LARGE, with the numbers, where prompt and n_tokens do not
 * fit the context; DAMAGED where the model gives no numbers. A token step allocates nothing. */
FONTE_API FonteStatus fonte_llm_generate(FonteLlm *llm, const FonteGenerate *generate,
                                         FonteLlmGenerated *ret, FonteError *error);

/* ---- conversations ----------------------------------------------------------------------------
 */

typedef struct FonteMessage {
    const char *role; /* "system" (the first only), "user", "assistant" */
    const char *text;
} FonteMessage;
/* The prompt of a conversation in a chat template known by name ("llama2", "llama3", "mistral",
 * "zephyr", "chatml"; NULL = the one that the file names, UNSUPPORTED where that is not known).
 * What is written in a message is text, whatever it spells. ret_ids: returned owned (free).
 * ret_end (may be NULL): the token that ends the answer, -1 where the template has none. */
FONTE_API FonteStatus fonte_llm_chat(const FonteLlm *llm, const char *template_name,
                                     const FonteMessage *messages, size_t n, int32_t **ret_ids,
                                     size_t *ret_n, int32_t *ret_end, FonteError *error);

/* ---- many sequences in one batch --------------------------------------------------------------
 * The same token after the same tokens has the same logits, bit for bit, whatever else is in the
 * batch and however it is cut. */

typedef uint32_t FonteLlmSeq;

/* An empty sequence. BUSY where all n_sequences are in use. */
FONTE_API FonteStatus fonte_llm_seq_new(FonteLlm *llm, FonteLlmSeq *ret, FonteError *error);
FONTE_API void fonte_llm_seq_free(FonteLlm *llm, FonteLlmSeq seq);
/* Tokens; 0 where there is no such sequence. */
FONTE_API size_t fonte_llm_seq_length(const FonteLlm *llm, FonteLlmSeq seq);
/* A new sequence that begins with the first n tokens of another; nothing is copied until one of
 * them goes on. INVALID where n is above its length; BUSY. */
FONTE_API FonteStatus fonte_llm_seq_fork(FonteLlm *llm, FonteLlmSeq seq, size_t n, FonteLlmSeq *ret,
                                         FonteError *error);
/* Forget the tokens from n on. INVALID where n is above its length. */
FONTE_API FonteStatus fonte_llm_seq_truncate(FonteLlm *llm, FonteLlmSeq seq, size_t n,
                                             FonteError *error);

typedef struct FonteLlmInput {
    int32_t id;
    FonteLlmSeq seq;
    bool want_logits; /* of the token that follows this one */
    bool is_written; /* the token was chosen from the logits before it, or may be (a guess), or is a
                        prompt's last: such tokens and the others of prompts may be computed in
                        different arithmetics. In a batch they come first. */
} FonteLlmInput;
enum { FONTE_LLM_MAX_ROWS = 64 };

/* Append tokens to their sequences and compute them, all in one batch. At most FONTE_LLM_MAX_ROWS,
 * or n_sequences where that is more, may want logits. On failure nothing has changed: INVALID (an
 * id, a sequence that there is not), TOO_LARGE with the numbers (context, logits). */
FONTE_API FonteStatus fonte_llm_eval(FonteLlm *llm, const FonteLlmInput *inputs, size_t n,
                                     FonteError *error);
/* Logits of the i-th input of the last fonte_llm_eval that wanted them: f32 [n_vocab], a view until
 * the next call that computes; the caller may change them. NULL where there are none. */
FONTE_API float *fonte_llm_row(FonteLlm *llm, size_t i);

/* ---- choosing tokens --------------------------------------------------------------------------
 */

/* One for each text: it counts the tokens for penalties, and draws. Threads: one owner at a time.
 */
typedef struct FonteSampler FonteSampler;

/* logprobs, n_top as in FonteGenerate. Returned owned (fonte_sampler_free). USAGE naming the option
 * that is out of its range. */
FONTE_API FonteStatus fonte_sampler_new(size_t n_vocab, const FonteSampling *sampling,
                                        bool logprobs, size_t n_top, FonteSampler **ret,
                                        FonteError *error);
/* NULL is fine; returns NULL. */
FONTE_API FonteSampler *fonte_sampler_free(FonteSampler *sampler);
/* Tokens that the text goes on from, for the repetition penalty. INVALID for ids that there are
 * not. */
FONTE_API FonteStatus fonte_sampler_read(FonteSampler *sampler, const int32_t *ids, size_t n,
                                         FonteError *error);
/* The next token of the text. logits: f32 [n_vocab], overwritten. allowed: bit i % 64 of word
 * i / 64 = token i may come; NULL = all. ret_top (may be NULL): the likeliest, a view until the
 * next call. DAMAGED for logits that are no numbers; INVALID where no token is left. */
FONTE_API FonteStatus fonte_sampler_next(FonteSampler *sampler, float *logits,
                                         const uint64_t *allowed, FonteLogprob *ret,
                                         const FonteLogprob **ret_top, size_t *ret_n_top,
                                         FonteError *error);

/* ---- measuring --------------------------------------------------------------------------------
 */

typedef struct FonteLlmPerplexity {
    size_t n_tokens;   /* whose probability counted */
    double perplexity; /* exp of the mean negative log-probability */
    double nll;        /* that mean, natural logarithm */
    double error;      /* standard error of nll */
} FonteLlmPerplexity;
/* How well ids are foreseen, each once, in windows as long as the context that begin with the token
 * that begins a text (where the model's file asks for it). A window begins in the middle of the one
 * before, so that what it counts has half a context before it; in the first all counts. progress:
 * tokens done and all; false stops; may be NULL. */
FONTE_API FonteStatus fonte_llm_perplexity(FonteLlm *llm, const int32_t *ids, size_t n,
                                           FonteModelProgress progress, void *context,
                                           FonteLlmPerplexity *ret, FonteError *error);

#ifdef __cplusplus
}
#endif
