#pragma once
/* What an answer was made of: enough to say later why it came out so, and to write it again. All
 * that an answerer reads from outside stands in it, by reference or as a number, so that a record
 * and the question's text give the same answer whatever else was added to the index since.
 * Threads: the asking thread. */
#include "answer/generator.h"
#include "answer/question.h"
#include "base/hash.h"
#include "base/json.h"
#include <fonte/types.h>

typedef enum AnswerMode { ANSWER_AUTO, ANSWER_EXTRACT, ANSWER_GENERATE } AnswerMode;

typedef struct AnswerRecord {
    /* what was asked */
    char question_hash[HASH_HEX_BYTES]; /* SHA-256 of its text as it was read */
    const char *language;               /* of the question, as given or guessed */
    AnswerMode mode;

    /* what was found; of each passage document, version, start, end and the three scores count */
    const FontePassage *passages; /* [n_passages], best first */
    size_t n_passages;
    size_t n_given; /* of them were for the answer; the others are what they stand out from */
    QuestionCounts counts; /* what the question's words weigh */

    /* what a model read; n_prompt 0 = none was asked */
    const size_t *used;                /* [n_used] index of the passage that is [1], [2], ... */
    size_t n_used, n_prompt;           /* passages, tokens */
    char prompt_hash[HASH_HEX_BYTES];  /* SHA-256 of the tokens as little-endian 32-bit integers */
    char written_hash[HASH_HEX_BYTES]; /* the same of what it wrote, before anything was checked */
    const char *model, *model_hash;    /* name, and SHA-256 of its file ("" = not known) */
    const char *arithmetic;            /* as the generator says */

    /* settings */
    double min_confidence;
    size_t max_sentences, max_tokens, context_tokens;
    bool strict;
    float temperature;
    uint64_t seed;

    /* what came out */
    char answer_hash[HASH_HEX_BYTES]; /* SHA-256 of its text */
    const char *generator;            /* name of the model that wrote it; "" where it was quoted */
    bool abstained;
    const char *reason;
    double confidence;
    size_t n_citations, n_sentences, n_repaired, n_unsupported, n_left_out, n_answer_tokens,
        n_cached_tokens;

    const char *answer_text; /* NULL in a record that was read back */
} AnswerRecord;

/* Its members, inside an object that is open. Holds no text of the question, of documents or of the
 * answer. */
void record_write(const AnswerRecord *record, JsonWriter *w);
/* What record_write wrote: the object as it was read from text. Views into the arena. DAMAGED
 * naming what is missing or wrong. */
Status record_read(const Json *object, Slice text, Arena *arena, AnswerRecord *ret,
                   Err *err) MUST_CHECK;

/* SHA-256 of a text, or of tokens that were appended to bytes. */
Status record_hash(Slice bytes, char ret[HASH_HEX_BYTES], Err *err) MUST_CHECK;
void record_append_token(Buf *bytes, int32_t id);
