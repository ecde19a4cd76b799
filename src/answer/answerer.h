#pragma once
/* How answers are written: one implementation a file. extractive.c quotes; a language model's comes
 * behind the same interface.
 * Threads: generate() may run on several threads at once. */
#include "answer/answer.h"

/* What an answer was written from, for its record; in the answer's arena. */
typedef struct AnswerTrace {
    int32_t *prompt;
    size_t n_prompt;
    size_t *used; /* [n_used] indices into the passages */
    size_t n_used;
} AnswerTrace;

typedef struct AnswerJob {
    Index *index;
    const FonteQuery *query;
    const FontePassages *passages; /* best first; at least one */
    const FontePassages *found;    /* the same and those behind them: what they stand out from */
    const AnswerOptions *options;
    const AnswerEvents *events; /* never NULL; its members may be */
    AnswerMode mode;
    AnswerTrace *trace;
} AnswerJob;

typedef struct Answerer {
    const char *name;
    /* Fill text, abstained, reason, confidence, citations of `ret` with views into the arena, and
     * report tokens and citations as they come. */
    Status (*generate)(const AnswerJob *job, Arena *arena, FonteAnswer *ret, Err *err);
} Answerer;

extern const Answerer answerer_extractive;
extern const Answerer answerer_generate; /* needs options->generator and ->citations */
