/* Terms are matched as the lexical index does, by word or by stem, at most one term of the question
 * at a place. A window slides over the places that match; its weight is that of the different terms
 * in it.
 * Source: Tao & Zhai 2007, "An exploration of proximity measures in information retrieval". */
#include "search/closeness.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <string.h>

enum {
    MAX_TERMS = STORE_QUESTION_TERMS,
    N_SLOTS = 1024,    /* a power of two, for three hashes a term */
    BEGINNING = 5,     /* characters */
    MAX_MATCHES = 4096 /* places in a passage that are looked at */
};

typedef struct Match {
    uint32_t place, term;
} Match;

struct ClosenessQuestion {
    TextTerms *terms;
    size_t n_terms;
    double weights[MAX_TERMS];
    double total;
    uint64_t hashes[N_SLOTS]; /* 0 = free */
    uint8_t slot_terms[N_SLOTS];

    /* of the passage that is being measured */
    Match matches[MAX_MATCHES];
    size_t n_matches;
    uint32_t place;
    size_t last_start;
    bool any;
};

static uint64_t hash_term(Slice text) {
    uint64_t h = hash_mix64(text, 0);
    return h ? h : 1;
}

/* Words that begin alike are one word here: inflections that the stemmer does not join, compounds
 * by their first part, languages without a stemmer. */
static uint64_t hash_beginning(Slice word) {
    size_t n = 0;
    for (size_t i = 0; i < BEGINNING && n < word.n; i++) {
        uint32_t c;
        size_t length = utf8_decode(slice_skip(word, n), &c);
        n += length ? length : 1;
    }
    uint64_t h = hash_mix64((Slice){ word.p, n }, 1);
    return h ? h : 1;
}

/* The term with this hash, or -1. */
static int find_term(const ClosenessQuestion *q, uint64_t hash) {
    for (size_t i = hash % N_SLOTS; q->hashes[i]; i = (i + 1) % N_SLOTS) {
        if (q->hashes[i] == hash) return q->slot_terms[i];
    }
    return -1;
}

static void name_term(ClosenessQuestion *q, uint64_t hash, size_t term) {
    size_t i = hash % N_SLOTS;
    while (q->hashes[i]) i = (i + 1) % N_SLOTS;
    q->hashes[i] = hash;
    q->slot_terms[i] = (uint8_t)term;
}

/* ---- the question ---- */

typedef struct Collecting {
    ClosenessQuestion *q;
    Arena arena;
    Slice names[MAX_TERMS]; /* as the lexical index has them: the stem where there is one */
    bool keep_stops, any;
    size_t last_start;
    int last_term; /* that the word at last_start is; -1 = none */
} Collecting;

static Status collect_stem(Collecting *c, const Term *term) {
    if (c->last_term < 0) return STATUS_OK;
    if (find_term(c->q, hash_term(term->text)) < 0) {
        char *name = arena_string(&c->arena, term->text);
        if (!name) return STATUS_NO_MEMORY;
        name_term(c->q, hash_term(term->text), (size_t)c->last_term);
        c->names[c->last_term] = (Slice){ name, term->text.n };
    }
    return STATUS_OK;
}

static Status collect(void *context, const Term *term) {
    Collecting *c = context;
    bool same_place = c->any && term->kind == TERM_STEM && term->start == c->last_start;
    if (same_place) return collect_stem(c, term);
    c->any = true;
    c->last_start = term->start;
    c->last_term = -1;
    uint64_t hash = hash_term(term->text);
    bool dropped = term->is_part || (term->is_stop && !c->keep_stops);
    if (dropped || c->q->n_terms == MAX_TERMS || find_term(c->q, hash) >= 0) return STATUS_OK;
    char *name = arena_string(&c->arena, term->text);
    if (!name) return STATUS_NO_MEMORY;
    c->last_term = (int)c->q->n_terms++;
    c->names[c->last_term] = (Slice){ name, term->text.n };
    name_term(c->q, hash, (size_t)c->last_term);
    if (term->kind == TERM_WORD && find_term(c->q, hash_beginning(term->text)) < 0) {
        name_term(c->q, hash_beginning(term->text), (size_t)c->last_term);
    }
    return STATUS_OK;
}

static Status fill_question(ClosenessQuestion *q, Collecting *c, Slice question,
                            const char *language, Store *store, const StoreScope *scope, Err *err) {
    const unsigned kinds = TERM_WORD | TERM_STEM | TERM_GRAM;
    Status status = text_terms_each(q->terms, question, language, kinds, collect, c);
    if (status == STATUS_OK && q->n_terms == 0) {
        c->keep_stops = true;
        status = text_terms_each(q->terms, question, language, kinds, collect, c);
    }
    if (status != STATUS_OK) return err_set(err, status, "out of memory for a question");
    TRY(store_weights(store, c->names, q->n_terms, language, scope, q->weights, err));
    for (size_t i = 0; i < q->n_terms; i++) q->total += q->weights[i];
    return STATUS_OK;
}

Status closeness_question_new(TextTerms *terms, Slice question, const char *language, Store *store,
                              const StoreScope *scope, ClosenessQuestion **ret, Err *err) {
    ClosenessQuestion *q = mem_alloc(1, sizeof *q);
    if (!q) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    q->terms = terms;
    Collecting c = { .q = q };
    Status status = fill_question(q, &c, question, language, store, scope, err);
    arena_deinit(&c.arena);
    if (status != STATUS_OK) {
        closeness_question_free(q);
        return status;
    }
    *ret = q;
    return STATUS_OK;
}

ClosenessQuestion *closeness_question_free(ClosenessQuestion *question) {
    free(question);
    return NULL;
}

double closeness_question_total(const ClosenessQuestion *question) {
    return question->total;
}

/* ---- passages ---- */

static Status take_place(void *context, const Term *term) {
    ClosenessQuestion *q = context;
    bool same_place = q->any && term->kind == TERM_STEM && term->start == q->last_start;
    if (!same_place) q->place++;
    q->any = true;
    q->last_start = term->start;
    int found = find_term(q, hash_term(term->text));
    if (found < 0 && term->kind == TERM_WORD) found = find_term(q, hash_beginning(term->text));
    if (found < 0 || q->n_matches == MAX_MATCHES) return STATUS_OK;
    q->matches[q->n_matches++] = (Match){ q->place, (uint32_t)found };
    return STATUS_OK;
}

/* The heaviest set of different terms within `width` places. */
static double best_window(const ClosenessQuestion *q, uint32_t width) {
    uint16_t counts[MAX_TERMS] = { 0 };
    double weight = 0, best = 0;
    size_t first = 0;
    for (size_t i = 0; i < q->n_matches; i++) {
        uint32_t term = q->matches[i].term;
        if (counts[term]++ == 0) weight += q->weights[term];
        while (q->matches[i].place - q->matches[first].place >= width) {
            uint32_t out = q->matches[first++].term;
            if (--counts[out] == 0) weight -= q->weights[out];
        }
        best = MAX(best, weight);
    }
    return best;
}

Status closeness_measure(ClosenessQuestion *q, Slice passage, const char *language, Closeness *ret,
                         Err *err) {
    q->n_matches = 0;
    q->place = 0;
    q->any = false;
    Status status = text_terms_each(q->terms, passage, language, TERM_WORD | TERM_STEM | TERM_GRAM,
                                    take_place, q);
    if (status != STATUS_OK) return err_set(err, status, "terms of a passage");
    *ret = (Closeness){ .sentence = best_window(q, CLOSENESS_SENTENCE),
                        .paragraph = best_window(q, CLOSENESS_PARAGRAPH),
                        .passage = best_window(q, UINT32_MAX) };
    return STATUS_OK;
}
