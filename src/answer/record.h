#pragma once
/* What an answer was made of: enough to say later why it came out so, and to write it again. Made
 * for each answer whose options have a taker; whether and how long it is kept is the taker's.
 * Threads: the asking thread. */
#include "answer/generator.h"
#include "base/hash.h"
#include "base/json.h"
#include <fonte/types.h>

typedef struct RecordPassage {
    const char *document, *version;
    size_t start, end; /* bytes of the clean text */
} RecordPassage;

typedef struct AnswerRecord {
    char question_hash[HASH_HEX_BYTES]; /* SHA-256 of the question's text */
    const RecordPassage *passages;      /* in the prompt's order: [1], [2], ...; of a quoted answer
                                           those that were found, best first */
    size_t n_passages;
    const int32_t *prompt; /* [n_prompt] tokens; NULL where it was quoted */
    size_t n_prompt;
    char prompt_hash[HASH_HEX_BYTES]; /* SHA-256 of them as little-endian 32-bit integers; "" */
    const char *generator;            /* name of the model; "" where it was quoted */
    const char *model_hash;
    double min_confidence;
    size_t max_sentences, max_tokens;
    bool strict;
    float temperature;
    uint64_t seed;
    const FonteAnswer *answer; /* complete */
} AnswerRecord;

/* As a JSON object under key (NULL in an array or at the top). with_text: the answer's text and the
 * prompt's tokens too, without which it holds nothing that anybody wrote. */
void record_write(const AnswerRecord *record, bool with_text, JsonWriter *w, const char *key);
/* SHA-256 of tokens, as above. */
Status record_hash_tokens(const int32_t *ids, size_t n, char ret[HASH_HEX_BYTES],
                          Err *err) MUST_CHECK;
