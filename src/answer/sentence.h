#pragma once
/* Candidate sentences: every sentence of the passages that were found, with what it has of the
 * question and how well it would answer.
 * Threads: one owner at a time. */
#include "answer/question.h"

typedef struct Sentence {
    size_t passage;    /* index into the passages */
    size_t start, end; /* bytes inside the passage's text */
    Match match;
    uint64_t context; /* terms of the passage, its title and headings that the sentence lacks */
    double score;     /* how well it answers; comparable within one question only */
    double
        confidence; /* 0-1: how much of the question it stands for; comparable across questions */
} Sentence;

/* All sentences, best first; ties by passage, then place. Views into the arena. */
Status sentence_rank(const Question *question, TextTerms *terms, const FontePassages *passages,
                     Arena *arena, Sentence **ret, size_t *ret_n, Err *err) MUST_CHECK;
