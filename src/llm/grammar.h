#pragma once
/* JSON that is right by construction: while a model writes, every token is forbidden after which
 * the text could no longer become a document of a JSON Schema, and once the document is whole
 * nothing but the end of the text may come. Whatever the weights, the text parses and conforms
 * unless it is cut by a limit on tokens.
 *
 * A schema's subset is understood, and what is not is refused by its path, never ignored: type (one
 * or several), properties, required, additionalProperties, items, minItems, maxItems, minLength,
 * maxLength, enum, const, anyOf, $ref within the schema, $defs, nullable. Titles, descriptions,
 * defaults and examples are passed over. Of all that conforms a plain part is written: the
 * properties that the schema names, in its order, and others only where it names none; numbers of
 * at most GRAMMAR_MAX_DIGITS digits on either side of the point; a space, or a line break and some
 * indentation, between tokens. Only names that the schema leaves free may come twice in an object.
 *
 * Threads: Grammar and GrammarTable are read-only once made: any. GrammarState: one owner at a
 * time. Source: RFC 8259 (JSON); JSON Schema 2020-12; Willard and Louf, arXiv:2307.09702 (masks
 * from automata); a thread of the automaton is one of R. Thompson's, CACM 11(6), 1968. */
#include "base/json.h"
#include "llm/sampler.h"
#include "llm/vocab.h"

typedef struct Grammar Grammar;
typedef struct GrammarTable GrammarTable;
typedef struct GrammarState GrammarState;

enum {
    GRAMMAR_MAX_DEPTH = 32,    /* values within values */
    GRAMMAR_MAX_NODES = 2048,  /* schemas within a schema */
    GRAMMAR_MAX_ITEMS = 4096,  /* properties, values of enums and alternatives together */
    GRAMMAR_MAX_COUNT = 65535, /* minLength, minItems; larger maxima count as none */
    GRAMMAR_MAX_DIGITS = 15,   /* so that every whole number is exact in a double */
    GRAMMAR_MAX_INDENT = 16,   /* spaces after a line break */
    GRAMMAR_MAX_LITERAL = 4096 /* bytes of a property's name or an enum's value, as JSON */
};

/* The documents of a schema; NULL = all JSON objects. The schema is borrowed during the call.
 * name: what errors call the schema. Errors: INVALID naming the path of the keyword that is wrong
 * or not supported
 * ("schema.properties.age.pattern"), TOO_LARGE beyond the limits above; NO_MEMORY. */
Status grammar_new(const Json *schema, const char *name, Grammar **ret, Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
Grammar *grammar_free(Grammar *grammar);
/* Whether the text is one that a model could be made to write. */
bool grammar_matches(const Grammar *grammar, Slice text);

/* A vocabulary's pieces in the order of their bytes. The vocabulary is borrowed during the call.
 * NO_MEMORY. */
Status grammar_table_new(const Vocab *vocab, GrammarTable **ret, Err *err) MUST_CHECK;
GrammarTable *grammar_table_free(GrammarTable *table);

/* A text that begins. Both are borrowed until the state is freed. end: a token that ends the text
 * besides those of the vocabulary, or VOCAB_NO_ID. UNSUPPORTED where the vocabulary cannot spell
 * every text or has no token that ends one; NO_MEMORY. */
Status grammar_state_new(const Grammar *grammar, const GrammarTable *table, int32_t end,
                         GrammarState **ret, Err *err) MUST_CHECK;
GrammarState *grammar_state_free(GrammarState *state);
/* Forbid what may not come next. mask: all ones before. No allocation. 10 to 60 us with 32,000
 * pieces, twice to four times that with 128,000. */
void grammar_allow(GrammarState *state, SamplerMask *mask);
void grammar_accept(GrammarState *state, int32_t id);
/* Whether the text so far is a whole document. */
bool grammar_is_complete(const GrammarState *state);
