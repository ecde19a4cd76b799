#pragma once
/* How answers are written: one implementation a file. extractive.c quotes; a language model's comes
 * behind the same interface.
 * Threads: generate() may run on several threads at once. */
#include "answer/answer.h"

/* What an answer was written from, for its record; in the answer's arena. */
typedef struct AnswerTrace {
    bool is_weighed; /* counts are there: of the first time that the question was weighed, or of
                        the record that is answered again */
    QuestionCounts counts;
    size_t n_prompt; /* tokens; 0 = no model was asked */
    char prompt_hash[HASH_HEX_BYTES], written_hash[HASH_HEX_BYTES];
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

/* The job's question, weighed as the trace says, or anew. Freed with question_deinit. */
Status answerer_question(const AnswerJob *job, TextTerms *terms, Question *ret,
                         Err *err) MUST_CHECK;

extern const Answerer answerer_extractive;
extern const Answerer answerer_generate; /* needs options->generator and ->citations */
