#pragma once
/* What speaks for a sentence as the answer: numbers, each a share of the question's weight or a
 * simple fact, so that they mean the same for every question. sentence.c adds them up by weights
 * that script/calibrate fits.
 * Threads: one owner at a time. */
#include "answer/reading.h"

/* X(NAME): the order is that of weights.h. */
#define EVIDENCE_TABLE(X)                                                                          \
    X(SOFT)              /* the question's terms, each by the likest word of the sentence */       \
    X(OWN)               /* the terms that are there */                                            \
    X(EXACT)             /* the same, as the very word */                                          \
    X(RARE)              /* as SOFT, weighed by how few of the passages found have the term */     \
    X(PREVIOUS)          /* what the sentence before has more */                                   \
    X(NEXT)              /* the sentence behind */                                                 \
    X(BEFORE_PREVIOUS)   /* the one before the one before */                                       \
    X(TITLE)             /* title and headings */                                                  \
    X(PASSAGE)           /* all that passage and title have */                                     \
    X(PRONOUN_PREVIOUS)  /* PREVIOUS, where the sentence begins with a pronoun */                  \
    X(GRAMS)             /* share of the question's trigrams */                                    \
    X(TITLE_SHARE)       /* of the title's words, how many the question has */                     \
    X(TITLE_COVERS)      /* of the question, what the title has */                                 \
    X(NAMES)             /* names and numbers of the question that are there */                    \
    X(NAMES_MISSING)     /* that are not in the sentence */                                        \
    X(NAMES_NOWHERE)     /* that are not in the passage */                                         \
    X(NAMES_ELSEWHERE)   /* that are not in the passage, but in another that was found */          \
    X(MISSING_MOST)      /* the weightiest term that is missing in the sentence */                 \
    X(MISSING_RAREST)    /* the same, weighed as RARE */                                           \
    X(PASSAGE_MISSES)    /* the same, of the passage */                                            \
    X(MISSING_ELSEWHERE) /* what the passage lacks and another that was found has */               \
    X(WINDOW)            /* most that stands within twelve words */                                \
    X(ORDER)             /* longest run of the question's words in order, gaps allowed */          \
    X(WORD_PAIRS)        /* pairs of neighbours of the question that are neighbours there */       \
    X(SUBJECT)           /* what stands in the sentence's first third */                           \
    X(NEAR_KIND)         /* terms near to something of the kind asked for */                       \
    X(TIME)              /* when: a year or month that the question does not have */               \
    X(TIME_NUMBER)       /* when: a number */                                                      \
    X(NUMBER)            /* how many: a number */                                                  \
    X(PERCENT)           /* which percentage: one */                                               \
    X(PERSON)            /* who: how many capitals, ln(1 + n) */                                   \
    X(PERSON_PAIR)       /* who: two of them side by side */                                       \
    X(PLACE)             /* where: how many capitals, ln(1 + n) */                                 \
    X(CAUSE)             /* why: because */                                                        \
    X(OTHER)             /* anything else: how many words that the question lacks, ln(1 + n) */    \
    X(CONTRADICTS)       /* a number of the question is missing, and one of its length there */    \
    X(NEW_WORDS)         /* content words that the question lacks, ln(1 + n) */                    \
    X(LENGTH)            /* words, ln(1 + n) */                                                    \
    X(PLACE_IN_PASSAGE)  /* sentences before it, ln(1 + n) */                                      \
    X(LEXICAL)           /* the passage's BM25 against the best's */                               \
    X(LEXICAL_ABSOLUTE)  /* the same, by the question's weight */                                  \
    X(LEXICAL_AHEAD)     /* the same, over the mean of the passages found */                       \
    X(SCORE)             /* the passage's score */                                                 \
    X(SCORE_SHARE)       /* against the best's */                                                  \
    X(SCORE_AHEAD)       /* over the best of the others */                                         \
    X(SCORE_DEVIATIONS)  /* over the mean of the passages found, in standard deviations */         \
    X(VECTOR)            /* its cosine */                                                          \
    X(VECTOR_AHEAD)      /* over the mean */                                                       \
    X(TERMS)             /* how many terms the question has */

typedef enum EvidenceName {
#define EVIDENCE_ENUM(name) EVIDENCE_##name,
    EVIDENCE_TABLE(EVIDENCE_ENUM)
#undef EVIDENCE_ENUM
        N_EVIDENCE
} EvidenceName;

/* One passage, read. */
typedef struct PassageReading {
    const FontePassage *passage;
    Reading *sentences;
    size_t n_sentences;
    Reading title;  /* and headings */
    uint64_t terms; /* in any of them */
    float *best;    /* [n_terms] most of any of their soft */
    double title_share;
} PassageReading;

/* What a passage is compared with: those that were found beside it. */
typedef struct EvidenceField {
    const FontePassages *found;      /* all, more than are read; best first */
    double rare[QUESTION_MAX_TERMS]; /* weights by rareness in the passages read; sum 1 */
    uint64_t elsewhere;              /* terms that any of them has */
    double mean_score, deviation_score, mean_lexical, mean_vector;
    double most_lexical;
} EvidenceField;

void evidence_field_init(EvidenceField *field, const Question *question, const FontePassages *found,
                         const PassageReading *read, size_t n_read);
/* The evidence for the i-th sentence. */
void evidence_of(const Question *question, const EvidenceField *field,
                 const PassageReading *passage, size_t i, float ret[N_EVIDENCE]);
