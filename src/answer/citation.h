#pragma once
/* Markers: "[2]" in an answer names the second passage of its prompt. While a model writes, no
 * other number can come out; what was written is read back as numbers and plain text. Threads: a
 * table is read-only once made; a state has one owner at a time. */
#include "answer/generator.h"
#include "base/arena.h"
#include "base/buf.h"

/* Which pieces of a vocabulary matter to markers: made once for each model. */
typedef struct CitationTable CitationTable;
/* NO_MEMORY. */
Status citation_table_new(const Vocab *vocab, CitationTable **ret, Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
CitationTable *citation_table_free(CitationTable *table);

enum { CITATION_MAX_NUMBER = 9999 };
/* Where a text stands: outside of brackets, behind "[", or behind "[12". */
typedef struct CitationState {
    const CitationTable *table; /* borrowed */
    size_t n_passages;          /* at most CITATION_MAX_NUMBER */
    size_t value;               /* of the digits so far; 0 = none */
    bool is_open;               /* behind "[" */
} CitationState;

static inline void citation_state_init(CitationState *state, const CitationTable *table,
                                       size_t n_passages) {
    *state =
        (CitationState){ table, n_passages < CITATION_MAX_NUMBER ? n_passages : CITATION_MAX_NUMBER,
                         0, false };
}
/* Take away every token that would begin or end a marker of a passage that does not exist, and
 * inside a marker whatever is not a part of one, the end of the text included. Costs the few pieces
 * that hold brackets or digits; inside a marker one pass over the mask. */
void citation_allow(const CitationState *state, SamplerMask *mask);
void citation_accept(CitationState *state, int32_t id);
/* The two as a generator wants them; state is borrowed until the stream is closed. */
GeneratorConstraint citation_constraint(CitationState *state);

typedef struct CitationMarks {
    size_t *numbers; /* distinct, in order; arena */
    size_t n;
    size_t n_wrong; /* markers of passages that do not exist: left out, and out of the text */
} CitationMarks;
/* Append text without its markers (and the space before them) to ret_text, and read them. */
Status citation_parse(Slice text, size_t n_passages, Arena *arena, Buf *ret_text,
                      CitationMarks *ret, Err *err) MUST_CHECK;
