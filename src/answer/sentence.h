#pragma once
/* Candidate sentences: every sentence of the passages that were found, by how well it would answer,
 * and how likely it is that the best of them does.
 * Threads: one owner at a time. */
#include "answer/evidence.h"

typedef struct Sentence {
    size_t passage;    /* index into the passages */
    size_t start, end; /* bytes inside the passage's text */
    uint64_t terms;    /* of the question that it has */
    double score;      /* how well it answers; comparable within one question only */
    float evidence[N_EVIDENCE];
} Sentence;

/* X(NAME): what confidence sees beside the best sentence's evidence; the order is weights.h's. */
#define CONFIDENCE_TABLE(X)                                                                        \
    X(BEST)          /* its score */                                                               \
    X(SHARE)         /* of exp(score) over all sentences */                                        \
    X(PASSAGE_SHARE) /* the same, of its passage's sentences */                                    \
    X(BEHIND)        /* how far its passage's score is behind the best's */                        \
    X(CROSSED)       /* it is in another language than the question */                             \
    X(FORMS)         /* the question's language has many forms of a word */                        \
    X(UNSPACED)      /* it is matched by parts of words */
typedef enum ConfidenceName {
#define CONFIDENCE_ENUM(name) CONFIDENCE_##name,
    CONFIDENCE_TABLE(CONFIDENCE_ENUM)
#undef CONFIDENCE_ENUM
        N_CONFIDENCE
} ConfidenceName;

typedef struct Ranking {
    Sentence *sentences; /* best first; ties by passage, then place */
    size_t n;
    double confidence; /* 0-1: that the documents hold the answer; comparable across questions */
    float confidence_evidence[N_CONFIDENCE];
} Ranking;

/* All sentences of the first n_read passages; the others only say how much these stand out. Views
 * into the arena. */
Status sentence_rank(const Question *question, TextTerms *terms, const FontePassages *found,
                     size_t n_read, Arena *arena, Ranking *ret, Err *err) MUST_CHECK;
