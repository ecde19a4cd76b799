#pragma once
/* The inside of a grammar: nodes, and the automaton that runs over them.
 * A thread is a stack of frames, one for each value that is open; threads differ only where anyOf
 * leaves it open which alternative is being written. Every thread that lives can be brought to an
 * end: values are begun only where the levels that are left suffice for the least nested of their
 * documents. So threads may also be dropped without harm where there are too many. */
#include "base/arena.h"
#include "llm/grammar.h"

typedef enum NodeKind {
    NODE_ROOT,   /* child: the document */
    NODE_CHOICE, /* items: its alternatives; never in a frame */
    NODE_OBJECT, /* items: its properties */
    NODE_MAP,    /* object of any names; child: its values */
    NODE_ARRAY,  /* child: its elements */
    NODE_STRING,
    NODE_NUMBER,
    NODE_INTEGER,
    NODE_ONE_OF, /* items: the texts there are */
} NodeKind;

enum {
    NODE_AT_ROOT,
    NODE_ANY,
    NODE_ANY_OBJECT,
    NODE_ANY_ARRAY,
    NODE_ANY_STRING,
    NODE_ANY_NUMBER,
    NODE_ANY_BOOLEAN,
    NODE_NULL,
    NODE_N_FIXED
};

typedef struct GrammarNode {
    NodeKind kind;
    uint16_t min, max;   /* characters of a string, elements of an array; GRAMMAR_MAX_COUNT = any */
    uint16_t child;      /* node */
    uint16_t n_required; /* of an object: items up to its last required property */
    uint16_t levels;     /* that its least nested document needs, its own included */
    uint32_t first, n;   /* items */
} GrammarNode;

typedef struct GrammarItem {
    Slice text;    /* a property: "\"name\":"; one of a NODE_ONE_OF: the value; view */
    uint16_t node; /* a property's value, an alternative */
    bool required;
} GrammarItem;

struct Grammar {
    Arena arena; /* texts */
    GrammarNode *nodes;
    size_t n_nodes, nodes_capacity;
    GrammarItem *items;
    size_t n_items, items_capacity;
};

enum { GRAMMAR_NO_LEVELS = GRAMMAR_MAX_DEPTH + 1 }; /* of a node without a document that fits */

/* Flatten choices to what is no choice itself and find the levels. INVALID where nothing fits. */
Status grammar_close(Grammar *g, const char *name, Err *err) MUST_CHECK;
Status grammar_add_items(Grammar *g, size_t n, uint32_t *ret_first, Err *err) MUST_CHECK;

/* ---- the automaton ---- */

typedef struct GrammarFrame {
    uint16_t node;
    uint16_t count; /* characters; digits; elements; the property or candidate that is meant */
    uint16_t at;    /* bytes of a name or text so far; what is left of an escape or character */
    uint8_t state;
    uint8_t space; /* white space since the last token */
} GrammarFrame;

enum { GRAMMAR_MAX_THREADS = 16, GRAMMAR_MAX_FRAMES = GRAMMAR_MAX_DEPTH + 1 };

typedef struct GrammarThread {
    size_t depth;
    GrammarFrame frames[GRAMMAR_MAX_FRAMES];
} GrammarThread;

typedef struct GrammarThreads {
    size_t n;
    GrammarThread threads[GRAMMAR_MAX_THREADS];
} GrammarThreads;

void grammar_begin(GrammarThreads *ret);
/* What the threads become after one more byte; none where it may not come. */
void grammar_step(const Grammar *g, const GrammarThreads *threads, unsigned char byte,
                  GrammarThreads *ret);
bool grammar_can_end(const Grammar *g, const GrammarThreads *threads);
/* Whether the thread is between two characters of a string; *ret_room: how many more it may have
 * (SIZE_MAX = any number). */
bool grammar_in_text(const Grammar *g, const GrammarThread *thread, size_t *ret_room);
