/* A claim is a list of things to find: numbers, each as one canonical text ("1.500", "1,500" and
 * "1500" are the same, "1,5" and "1.5" too), names (capitals inside the sentence), months, and
 * content words by stem. The first three must all be found; of the words, a share. Across two
 * languages most words cannot be found at all, so names and numbers carry the claim there. A word
 * that one side denies and the other does not is no support but its opposite. */
#include "answer/support.h"

#include "answer/kind.h"
#include "answer/reading.h"
#include "text/passage.h"

#include <ctype.h>
#include <stdlib.h>

/* Shares of the content words that must be found, in the passage's language and across two. Chosen
 * so that sentences reworded by a third pass and those about something else do not (tests). */
static const double ENOUGH = 0.6, ENOUGH_CROSSED = 0.25;
static const float ALIKE = 0.6F;        /* two forms of a word */
static const double CONTRIBUTES = 0.34; /* of what the best passage has: else it is not cited */

typedef enum ThingKind { THING_WORD, THING_NAME, THING_MONTH, THING_NUMBER } ThingKind;
typedef struct Thing {
    ThingKind kind;
    bool denied;       /* the first content word behind "not", "never", "without" */
    char *word, *stem; /* folded; of a number its canonical text */
} Thing;

typedef struct Things {
    Thing *things;
    size_t n, capacity;
} Things;

typedef struct Stretch { /* a sentence of a passage */
    size_t start, end;
    Things things;
} Stretch;

typedef struct Source {
    size_t passage;
    const char *language;
    Stretch *stretches;
    size_t n;
    Things title;
} Source;

struct Support {
    Arena arena;
    TextTerms *terms;
    char language[8];
    Source *sources;
    size_t n;
};

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "out of memory for checking an answer");
}

/* ---- things of a text ---- */

static Status add_thing(Arena *arena, Things *list, ThingKind kind, Slice word, bool denied) {
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        Thing *grown = arena_alloc(arena, capacity, sizeof *grown);
        if (!grown) return STATUS_NO_MEMORY;
        if (list->n) memcpy(grown, list->things, list->n * sizeof *grown);
        list->things = grown;
        list->capacity = capacity;
    }
    char *own = arena_string(arena, word);
    if (!own) return STATUS_NO_MEMORY;
    list->things[list->n++] = (Thing){ kind, denied, own, own };
    return STATUS_OK;
}

static size_t count_digits(Slice s) {
    size_t n = 0;
    while (n < s.n && isdigit((unsigned char)s.p[n])) n++;
    return n;
}

/* The number at the start of s: its bytes, its canonical text in ret. */
static size_t read_number(Slice s, Buf *ret) {
    size_t n = count_digits(s), first = 0;
    while (first + 1 < n && s.p[first] == '0') first++;
    buf_append_slice(ret, (Slice){ s.p + first, n - first });
    while (n + 1 < s.n && strchr(".,'", s.p[n]) && s.p[n]) {
        size_t more = count_digits(slice_skip(s, n + 1));
        if (!more || (s.p[n] == '\'' && more != 3)) break;
        if (more != 3) buf_append_byte(ret, '.');
        buf_append_slice(ret, (Slice){ s.p + n + 1, more });
        n += 1 + more;
        if (more != 3) break; /* behind the decimals a number is over */
    }
    return n;
}

static Status add_numbers(Arena *arena, Slice text, Things *list) {
    while (text.n) {
        if (!isdigit((unsigned char)text.p[0])) {
            text = slice_skip(text, 1);
            continue;
        }
        AUTO_BUF Buf number = BUF_NULL;
        size_t n = read_number(text, &number);
        TRY(buf_status(&number, NULL));
        TRY(add_thing(arena, list, THING_NUMBER, buf_slice(&number), false));
        text = slice_skip(text, n);
    }
    return STATUS_OK;
}

typedef struct Collecting {
    Arena *arena;
    Slice text;
    const char *language;
    Things *list;
    size_t n_words;
    bool skipped; /* the last word was left out, and so its stem is */
    bool denies;  /* a denial waits for the word that it denies */
} Collecting;

/* "not only" denies nothing. */
static bool is_only(Slice word) {
    return slice_equal(word, SLICE("only")) || slice_equal(word, SLICE("solo")) ||
           slice_equal(word, SLICE("soltanto")) || slice_equal(word, SLICE("just"));
}

static Status take_term(void *context, const Term *term) {
    Collecting *c = context;
    if (term->is_part) return STATUS_OK;
    if (term->kind == TERM_STEM) {
        if (c->skipped || !c->list->n) return STATUS_OK;
        char *stem = arena_string(c->arena, term->text);
        if (!stem) return STATUS_NO_MEMORY;
        c->list->things[c->list->n - 1].stem = stem;
        return STATUS_OK;
    }
    bool first = c->n_words++ == 0;
    bool is_negation = kind_is_negation(c->language, term->text);
    Slice digits = slice_of(kind_digits(c->language, term->text));
    c->denies = (c->denies || is_negation) && !is_only(term->text);
    /* numbers in digits are read on their own */
    c->skipped = is_negation || digits.n || term->is_stop || kind_has_digit(term->text);
    if (digits.n) return add_thing(c->arena, c->list, THING_NUMBER, digits, false);
    if (c->skipped) return STATUS_OK;
    Slice written = { c->text.p + term->start, term->end - term->start };
    ThingKind kind = kind_is_time(term->text)             ? THING_MONTH
                     : !first && kind_is_capital(written) ? THING_NAME
                                                          : THING_WORD;
    bool denied = c->denies;
    c->denies = false;
    return add_thing(c->arena, c->list, kind, term->text, denied);
}

static Status collect(TextTerms *terms, Slice text, const char *language, Arena *arena, Things *ret,
                      Err *err) {
    Collecting c = { .arena = arena, .text = text, .language = language, .list = ret };
    Status status =
        text_terms_each(terms, text, language, TERM_WORD | TERM_STEM | TERM_GRAM, take_term, &c);
    if (status == STATUS_OK) status = add_numbers(arena, text, ret);
    return status == STATUS_OK ? status : err_set(err, status, "a sentence could not be checked");
}

/* ---- the passages ---- */

static Status read_source(Support *s, const FontePassage *p, Source *ret, Err *err) {
    Slice text = { p->text, p->end - p->start };
    TextSpan *spans;
    size_t n;
    TRY(text_sentences(text, p->language, &s->arena, &spans, &n, err));
    ret->language = p->language;
    ret->stretches = arena_alloc(&s->arena, n + 1, sizeof *ret->stretches);
    if (!ret->stretches) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        Stretch *stretch = &ret->stretches[ret->n++];
        *stretch = (Stretch){ .start = spans[i].start, .end = spans[i].end };
        Slice own = { text.p + spans[i].start, spans[i].end - spans[i].start };
        TRY(collect(s->terms, own, p->language, &s->arena, &stretch->things, err));
    }
    TRY(collect(s->terms, slice_of(p->title), p->language, &s->arena, &ret->title, err));
    return collect(s->terms, slice_of(p->date), p->language, &s->arena, &ret->title, err);
}

static Status read_sources(Support *s, const FontePassages *passages, const size_t *used, size_t n,
                           Err *err) {
    s->sources = arena_alloc(&s->arena, n + 1, sizeof *s->sources);
    if (!s->sources) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        s->sources[i] = (Source){ .passage = used[i] };
        TRY(read_source(s, &passages->passages[used[i]], &s->sources[i], err));
        s->n++;
    }
    return STATUS_OK;
}

Support *support_free(Support *support) {
    if (!support) return NULL;
    arena_deinit(&support->arena);
    free(support);
    return NULL;
}

Status support_new(TextTerms *terms, const FontePassages *passages, const size_t *used,
                   size_t n_used, const char *language, Support **ret, Err *err) {
    Support *s = mem_alloc(1, sizeof *s);
    if (!s) return no_memory(err);
    s->terms = terms;
    strncpy(s->language, language, sizeof s->language - 1);
    Status status = read_sources(s, passages, used, n_used, err);
    if (status == STATUS_OK)
        *ret = s;
    else
        support_free(s);
    return status;
}

/* ---- finding ---- */

static bool is_thing(const Thing *wanted, const Thing *there) {
    if (wanted->kind == THING_NUMBER || there->kind == THING_NUMBER) {
        return wanted->kind == there->kind && strcmp(wanted->word, there->word) == 0;
    }
    if (strcmp(wanted->word, there->word) == 0 || strcmp(wanted->stem, there->stem) == 0) {
        return true;
    }
    if (wanted->kind == THING_MONTH) return false;
    return reading_likeness(slice_of(wanted->word), slice_of(there->word)) >= ALIKE;
}

static bool list_has(const Things *list, const Thing *wanted) {
    for (size_t i = 0; i < list->n; i++) {
        if (is_thing(wanted, &list->things[i])) return true;
    }
    return false;
}

static bool source_has(const Source *source, const Thing *wanted) {
    for (size_t i = 0; i < source->n; i++) {
        if (list_has(&source->stretches[i].things, wanted)) return true;
    }
    return list_has(&source->title, wanted);
}

static size_t count_found(const Things *claim, const Things *list) {
    size_t n = 0;
    for (size_t i = 0; i < claim->n; i++) {
        bool has = list_has(list, &claim->things[i]);
        n += has ? (claim->things[i].kind == THING_WORD ? 1 : 2) : 0;
    }
    return n;
}

static size_t best_stretch(const Source *source, const Things *claim, size_t *ret_found) {
    size_t best = 0, most = 0;
    for (size_t i = 0; i < source->n; i++) {
        size_t found = count_found(claim, &source->stretches[i].things);
        if (found <= most) continue;
        most = found;
        best = i;
    }
    *ret_found = most;
    return best;
}

typedef struct Tally {
    size_t n_words, n_found; /* content words, names and months */
    size_t n_exact;          /* names, months, numbers found */
    const char *missing;     /* the first that must be there and is not */
    const char *lacking;     /* the first word that is not there */
} Tally;

static bool any_has(const Source *const *sources, size_t n, const Thing *thing) {
    for (size_t i = 0; i < n; i++) {
        if (source_has(sources[i], thing)) return true;
    }
    return false;
}

/* crossed: in another language, in which months have other names. */
static Tally tally(const Things *claim, const Source *const *sources, size_t n, bool crossed) {
    Tally t = { 0 };
    for (size_t i = 0; i < claim->n; i++) {
        const Thing *thing = &claim->things[i];
        bool found = any_has(sources, n, thing);
        bool must = thing->kind == THING_NUMBER || thing->kind == THING_NAME ||
                    (thing->kind == THING_MONTH && !crossed);
        if (must && !found && !t.missing) t.missing = thing->word;
        if (!found && !t.lacking) t.lacking = thing->word;
        t.n_exact += must && found;
        t.n_words += thing->kind != THING_NUMBER;
        t.n_found += thing->kind != THING_NUMBER && found;
    }
    return t;
}

static bool all_crossed(const Support *s, const Source *const *sources, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!s->language[0] || strcmp(sources[i]->language, s->language) == 0) return false;
    }
    return n > 0;
}

/* Is a word there only as what the claim says of it denied, or only denied where the claim is not?
 */
static bool is_opposed(const Thing *wanted, const Things *list) {
    bool there = false;
    for (size_t i = 0; i < list->n; i++) {
        if (!is_thing(wanted, &list->things[i])) continue;
        if (list->things[i].denied == wanted->denied) return false;
        there = true;
    }
    return there;
}

/* The first word of the claim on which the sentence that is most like it says the opposite. */
static const char *contradicts(const Things *claim, const Source *const *sources, size_t n) {
    const Things *nearest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t found, best = best_stretch(sources[i], claim, &found);
        if (found <= most) continue;
        most = found;
        nearest = &sources[i]->stretches[best].things;
    }
    for (size_t i = 0; nearest && i < claim->n; i++) {
        const Thing *thing = &claim->things[i];
        if (thing->kind != THING_NUMBER && is_opposed(thing, nearest)) return thing->word;
    }
    return NULL;
}

/* Whether these passages together hold the claim. */
static bool holds(const Support *s, const Things *claim, const Source *const *sources, size_t n,
                  SupportResult *result) {
    if (!n || !claim->n) return false;
    bool crossed = all_crossed(s, sources, n);
    Tally t = tally(claim, sources, n, crossed);
    result->share = t.n_words ? (double)t.n_found / (double)t.n_words : 1;
    bool enough = result->share >= (crossed ? ENOUGH_CROSSED : ENOUGH);
    if (!t.missing) t.missing = contradicts(claim, sources, n);
    result->missing = t.missing ? t.missing : !enough && t.lacking ? t.lacking : "";
    return !t.missing && enough && t.n_found + t.n_exact > 0;
}

static void quote_from(const Things *claim, const Source *const *sources, size_t n,
                       SupportResult *result) {
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t found;
        best_stretch(sources[i], claim, &found);
        most = MAX(most, found);
    }
    for (size_t i = 0; i < n; i++) {
        size_t found, best = best_stretch(sources[i], claim, &found);
        if (!found || (double)found < CONTRIBUTES * (double)most) continue;
        const Stretch *stretch = &sources[i]->stretches[best];
        result->quotes[result->n_quotes++] =
            (SupportQuote){ sources[i]->passage, stretch->start, stretch->end };
    }
}

/* Another passage that holds it alone: the one with the largest share. */
static const Source *find_other(const Support *s, const Things *claim, SupportResult *result) {
    const Source *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < s->n; i++) {
        const Source *source = &s->sources[i];
        SupportResult trial = { 0 };
        size_t found;
        if (!holds(s, claim, &source, 1, &trial)) continue;
        best_stretch(source, claim, &found);
        if (found <= most) continue;
        most = found;
        best = source;
        result->share = trial.share;
    }
    return best;
}

Status support_check(Support *s, Slice sentence, const size_t *numbers, size_t n, Arena *arena,
                     SupportResult *ret, Err *err) {
    Things claim = { 0 };
    SupportResult result = { .verdict = SUPPORT_NONE, .missing = "" };
    TRY(collect(s->terms, sentence, s->language, arena, &claim, err));
    result.quotes = arena_alloc(arena, n + 1, sizeof *result.quotes);
    const Source **cited = arena_alloc(arena, n + 1, sizeof(Source *));
    if (!result.quotes || !cited) return no_memory(err);
    size_t n_cited = 0;
    for (size_t i = 0; i < n; i++) {
        if (numbers[i] >= 1 && numbers[i] <= s->n) cited[n_cited++] = &s->sources[numbers[i] - 1];
    }
    if (holds(s, &claim, cited, n_cited, &result)) {
        result.verdict = SUPPORT_HOLDS;
    } else if ((cited[0] = find_other(s, &claim, &result))) {
        result.verdict = SUPPORT_REPAIRED;
        n_cited = 1;
    }
    if (result.verdict != SUPPORT_NONE) {
        result.missing = "";
        quote_from(&claim, cited, n_cited, &result);
    }
    if (!result.n_quotes) result.verdict = SUPPORT_NONE;
    *ret = result;
    return STATUS_OK;
}
