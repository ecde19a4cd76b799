#pragma once
/* What writes text for a prompt, token by token: a language model, or a script in tests. It knows
 * nothing of passages or citations; those who ask decide which tokens may come.
 * Threads: open() may be called on several threads at once; a stream has one owner at a time. */
#include "llm/sampler.h"
#include "llm/template.h"

/* Called by the generator, perhaps on a thread of its own, between open() and close(). */
typedef struct GeneratorConstraint {
    /* Take away what may not come next: all bits of mask are 1 before. */
    void (*allow)(void *context, SamplerMask *mask);
    /* This token was chosen. */
    void (*accept)(void *context, int32_t id);
    void *context; /* borrowed until the stream is closed */
} GeneratorConstraint;

typedef struct GeneratorJob {
    const int32_t *prompt; /* [n_prompt], borrowed during open() */
    size_t n_prompt;
    size_t max_tokens; /* of the answer */
    SamplerOptions sampling;
    const GeneratorConstraint *constraint; /* copied; NULL = none */
    uint64_t owner;                        /* who asks: owners take turns */
    uint64_t space;      /* prompts share work only with those of the same space */
    int64_t deadline_us; /* clock_us; 0 = none */
} GeneratorJob;

typedef struct GeneratorUsage {
    size_t n_prompt, n_cached; /* tokens read; of these not computed again */
    size_t n_tokens;           /* written */
} GeneratorUsage;

typedef struct GeneratorStream GeneratorStream;

typedef struct Generator {
    const char *name;       /* of the model */
    const char *model_hash; /* SHA-256 of the model's file, hexadecimal; "" = not known. Only handed
                               on to records: it may be written behind this pointer meanwhile */
    const char *arithmetic; /* what else decides how its numbers are rounded: "kv f16, vnni 3" */
    const Vocab *vocab;
    TemplateKind template;
    size_t context_tokens; /* of prompt and answer together */
    void *context;         /* the implementation's */

    /* BUSY where too many wait. *ret is owned (close). */
    Status (*open)(const struct Generator *self, const GeneratorJob *job, GeneratorStream **ret,
                   Err *err);
    /* The next token. END after the last (the text ended, or max_tokens are there); BUSY where none
     * came within wait_us (0 = for ever), so that the caller can look whether it is still wanted;
     * TIMEOUT, CANCELLED, faults. */
    Status (*next)(GeneratorStream *stream, int64_t wait_us, int32_t *ret_id, Err *err);
    void (*usage)(GeneratorStream *stream, GeneratorUsage *ret);
    /* Ends it where it has not ended. NULL is fine. */
    void (*close)(GeneratorStream *stream);
} Generator;
