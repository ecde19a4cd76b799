/* A stem stands at the same place as its word. Questions lose their function words, unless nothing
 * would be left ("Who is who?"). Whoever changes what terms a text has changes the id too. */
#include "search/terms_tokenizer.h"

#include "text/language.h"
#include "text/terms.h"

typedef struct Taking {
    Status (*take)(void *context, Slice term, size_t start, size_t end, bool colocated);
    void *context;
    bool is_query, drop_stops;
    size_t n_kept;
    size_t start; /* of the last word: what has the same start is colocated */
    bool any;
} Taking;

static Status take_term(void *context, const Term *term) {
    Taking *t = context;
    if (t->is_query && term->is_part) return STATUS_OK;
    if (t->drop_stops && term->is_stop) return STATUS_OK;
    bool colocated = t->any && term->kind == TERM_STEM && term->start == t->start;
    t->any = true;
    t->start = term->start;
    t->n_kept++;
    return t->take(t->context, term->text, term->start, term->end, colocated);
}

static void *new_instance(void) {
    return text_terms_new();
}

static void free_instance(void *instance) {
    text_terms_free(instance);
}

static Status each(void *instance, Slice text, const char *language, bool is_query,
                   Status (*take)(void *context, Slice term, size_t start, size_t end,
                                  bool colocated),
                   void *context) {
    const unsigned kinds = TERM_WORD | TERM_STEM | TERM_GRAM;
    Taking t = { take, context, is_query, is_query, 0, 0, false };
    TRY(text_terms_each(instance, text, language, kinds, take_term, &t));
    if (t.n_kept || !is_query) return STATUS_OK;
    t.drop_stops = false;
    return text_terms_each(instance, text, language, kinds, take_term, &t);
}

const StoreTokenizer *terms_tokenizer(void) {
    static const StoreTokenizer tokenizer = { new_instance, free_instance, each, "fonte-3",
                                              language_is_unspaced };
    return &tokenizer;
}
