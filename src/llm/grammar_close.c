/* After a schema has been read: choices lead straight to what is written, and every node knows how
 * many levels its least nested document needs, found as the least fixed point. */
#include "llm/grammar_internal.h"

#include "base/mem.h"

/* ---- choices ---- */

typedef struct Flattening {
    const Grammar *g;
    bool *seen;      /* [n_nodes] */
    uint16_t *found; /* [n_nodes] */
    size_t n_found;
    uint16_t *stack; /* [n_nodes] */
} Flattening;

/* Every node behind the choice that is none itself, once. */
static void collect(Flattening *f, uint16_t node) {
    size_t n = 0;
    memset(f->seen, 0, f->g->n_nodes * sizeof *f->seen);
    f->n_found = 0;
    f->stack[n++] = node;
    f->seen[node] = true;
    while (n) {
        const GrammarNode *at = &f->g->nodes[f->stack[--n]];
        for (uint32_t i = 0; i < at->n; i++) {
            uint16_t next = f->g->items[at->first + i].node;
            if (f->seen[next]) continue;
            f->seen[next] = true;
            *(f->g->nodes[next].kind == NODE_CHOICE ? &f->stack[n++] : &f->found[f->n_found++]) =
                next;
        }
    }
}

/* All are collected from the choices as they were written: the lists are put in place afterwards.
 */
static Status flatten(Grammar *g, Flattening *f, const char *name, Err *err) {
    size_t n_nodes = g->n_nodes;
    for (size_t i = 0; i < n_nodes; i++) {
        if (g->nodes[i].kind != NODE_CHOICE) continue;
        collect(f, (uint16_t)i);
        if (!f->n_found) {
            return err_set_param(err, STATUS_INVALID, "response_format",
                                 "%s: a $ref leads to nothing but itself", name);
        }
        uint32_t first;
        TRY(grammar_add_items(g, f->n_found, &first, err));
        for (size_t k = 0; k < f->n_found; k++) g->items[first + k].node = f->found[k];
        g->nodes[i].first = first;
        g->nodes[i].n = (uint32_t)f->n_found;
    }
    return STATUS_OK;
}

/* ---- levels ---- */

static uint16_t deepest_required(const Grammar *g, const GrammarNode *node) {
    uint16_t most = 0;
    for (uint32_t i = 0; i < node->n; i++) {
        const GrammarItem *item = &g->items[node->first + i];
        if (item->required) most = MAX(most, g->nodes[item->node].levels);
    }
    return most;
}

static uint16_t least_alternative(const Grammar *g, const GrammarNode *node) {
    uint16_t least = GRAMMAR_NO_LEVELS;
    for (uint32_t i = 0; i < node->n; i++) {
        least = MIN(least, g->nodes[g->items[node->first + i].node].levels);
    }
    return least;
}

static uint16_t levels(const Grammar *g, const GrammarNode *node) {
    unsigned n = 1;
    switch (node->kind) {
    case NODE_ROOT: return g->nodes[node->child].levels;
    case NODE_CHOICE: return least_alternative(g, node);
    case NODE_OBJECT: n += deepest_required(g, node); break;
    case NODE_ARRAY: n += node->min ? g->nodes[node->child].levels : 0; break;
    default: break;
    }
    return (uint16_t)MIN(n, (unsigned)GRAMMAR_NO_LEVELS);
}

static Status measure(Grammar *g, const char *name, Err *err) {
    bool changed = true;
    for (size_t i = 0; i < g->n_nodes; i++) g->nodes[i].levels = GRAMMAR_NO_LEVELS;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < g->n_nodes; i++) {
            uint16_t now = levels(g, &g->nodes[i]);
            changed |= now != g->nodes[i].levels;
            g->nodes[i].levels = now;
        }
    }
    if (g->nodes[NODE_AT_ROOT].levels < GRAMMAR_NO_LEVELS) return STATUS_OK;
    return err_set_param(err, STATUS_INVALID, "response_format",
                         "%s: no document that is nested at most %d deep fits", name,
                         GRAMMAR_MAX_DEPTH);
}

Status grammar_close(Grammar *g, const char *name, Err *err) {
    AUTO_FREE bool *seen = mem_alloc(g->n_nodes, sizeof *seen);
    AUTO_FREE uint16_t *found = mem_alloc(g->n_nodes, sizeof *found);
    AUTO_FREE uint16_t *stack = mem_alloc(g->n_nodes, sizeof *stack);
    if (!seen || !found || !stack) {
        return err_set(err, STATUS_NO_MEMORY, "no memory for a grammar");
    }
    Flattening f = { g, seen, found, 0, stack };
    TRY(flatten(g, &f, name, err));
    return measure(g, name, err);
}
