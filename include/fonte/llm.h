#pragma once
/* Computing with a model: logits, writing text, measuring how well a text is foreseen.
 * A FonteLlm is an open GGUF file with threads and room for one sequence at a time; the daemon
 * serves many. Files and words without computing are in fonte/model.h.
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
    const char
        *kv; /* how keys and values are kept: "f32", "f16", "q8_0"; NULL = "f32", the most exact */
    size_t context; /* tokens; 0 = the model's, at most 4,096 */
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

/* Called with the logits of a position, in order: f32 [n_vocab], view during the call. False stops
 * with FONTE_CANCELLED. */
typedef bool (*FonteLlmLogits)(void *context, size_t position, const float *logits);
/* The logits of every position of ids. TOO_LARGE, with the numbers, where they exceed the context;
 * INVALID for an id that the model does not have. */
FONTE_API FonteStatus fonte_llm_logits(FonteLlm *llm, const int32_t *ids, size_t n,
                                       FonteLlmLogits take, void *context, FonteError *error);

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
    const FonteLogitBias *bias;
    size_t n_bias;
    uint64_t seed;
} FonteSampling;
#define FONTE_SAMPLING_GREEDY ((FonteSampling){ 0, 0, 1, 0, 1, 0, 0, NULL, 0, 0 })

typedef struct FonteLlmToken {
    int32_t id;
    const char *text; /* what may be shown now, whole characters of UTF-8, [n_text]; view */
    size_t n_text;
    float logprob; /* natural logarithm, in the model's own distribution */
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
    bool logprobs;     /* costs a little */
    bool (*token)(void *context, const FonteLlmToken *token); /* false stops; may be NULL */
    void *context;
} FonteGenerate;

typedef enum FonteLlmEnd {
    FONTE_LLM_CUT,     /* stopped by the callback, or failed */
    FONTE_LLM_ENDED,   /* the model ended the text */
    FONTE_LLM_STOPPED, /* a stop string */
    FONTE_LLM_FULL,    /* n_tokens */
} FonteLlmEnd;

typedef struct FonteLlmGenerated {
    size_t n_prompt, n_tokens;
    FonteLlmEnd end;
    double read_s, write_s; /* seconds */
} FonteLlmGenerated;

/* ret may be NULL, and is filled on failure too. CANCELLED where the callback stopped it. */
FONTE_API FonteStatus fonte_llm_generate(FonteLlm *llm, const FonteGenerate *generate,
                                         FonteLlmGenerated *ret, FonteError *error);

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

typedef struct FonteLlmPerplexity {
    size_t n_tokens;   /* whose probability counted */
    double perplexity; /* exp of the mean negative log-probability */
    double nll;        /* that mean, natural logarithm */
    double error;      /* standard error of nll */
} FonteLlmPerplexity;
/* How well ids are foreseen, in windows as long as the context that begin with the token that
 * begins a text (where the model has one); of the first window all counts, of those after it
 * the second half, so that its tokens have half a context before them. progress: tokens done and
 * all; false stops; may be NULL. */
FONTE_API FonteStatus fonte_llm_perplexity(FonteLlm *llm, const int32_t *ids, size_t n,
                                           FonteModelProgress progress, void *context,
                                           FonteLlmPerplexity *ret, FonteError *error);

#ifdef __cplusplus
}
#endif
