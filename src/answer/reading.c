/* One pass over the terms. A word is the question's term where its word or stem is; else it is
 * compared with each by likeness, which finds forms that a stemmer does not bring together
 * ("unione", "unito") at less than full worth. */
#include "answer/reading.h"

#include "base/hash.h"

typedef struct Pass {
    const Question *question;
    Slice text;
    Arena *arena;
    Reading *reading;
    bool same_language;
    ReadingGrams grams;
    uint64_t seen[QUESTION_MAX_GRAMS / 64]; /* which of the question's trigrams */
    bool last_is_stop;
} Pass;

static const float MUCH_ALIKE = 0.5F; /* counts as a place where the term stands */

uint64_t reading_hash(Slice word) {
    return hash_mix64(word, 0x72656164);
}

/* ---- likeness ---- */

static size_t common_beginning(Slice a, Slice b) {
    size_t n = MIN(a.n, b.n), same = 0;
    while (same < n && a.p[same] == b.p[same]) same++;
    return same;
}

static bool is_ascii(Slice s) {
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] >= 0x80) return false;
    }
    return true;
}

enum { MAX_LIKE_BYTES = 62 };

/* Trigrams of "^word$" that both have, twice, over all: Dice. Words are short, so pairs are tried.
 */
static float dice(Slice a, Slice b) {
    char x[MAX_LIKE_BYTES + 2], y[MAX_LIKE_BYTES + 2];
    size_t nx = a.n + 2, ny = b.n + 2, common = 0;
    x[0] = y[0] = '^';
    memcpy(x + 1, a.p, a.n);
    memcpy(y + 1, b.p, b.n);
    x[nx - 1] = y[ny - 1] = '$';
    uint64_t taken = 0;
    for (size_t i = 0; i + 3 <= nx; i++) {
        for (size_t j = 0; j + 3 <= ny; j++) {
            if (taken >> j & 1 || memcmp(x + i, y + j, 3) != 0) continue;
            taken |= (uint64_t)1 << j;
            common++;
            break;
        }
    }
    return 2.0F * (float)common / (float)(nx - 2 + ny - 2);
}

float reading_likeness(Slice a, Slice b) {
    if (a.n < 4 || b.n < 4 || a.p[0] != b.p[0]) return 0;
    if (a.n > MAX_LIKE_BYTES || b.n > MAX_LIKE_BYTES) return 0;
    if (kind_has_digit(a) || kind_has_digit(b)) return 0;
    float beginning = (float)common_beginning(a, b) / (float)MAX(a.n, b.n);
    /* bytes of other scripts share their first halves: trigrams of bytes would say nothing */
    float like = is_ascii(a) && is_ascii(b) ? MAX(dice(a, b), beginning) : beginning;
    return like < 0.4F ? 0 : (like - 0.3F) / 0.7F;
}

/* ---- trigrams ---- */

static void push_gram(ReadingGrams *g, unsigned char c, void (*take)(void *context, uint32_t gram),
                      void *context) {
    if (g->last[0]) {
        take(context, (uint32_t)g->last[0] << 16 | (uint32_t)g->last[1] << 8 | c);
    }
    g->last[0] = g->last[1];
    g->last[1] = c;
}

void reading_grams(ReadingGrams *g, Slice word, void (*take)(void *context, uint32_t gram),
                   void *context) {
    if (!g->last[1]) g->last[1] = ' ';
    for (size_t i = 0; i < word.n; i++) push_gram(g, (unsigned char)word.p[i], take, context);
    push_gram(g, ' ', take, context);
}

static void see_gram(void *context, uint32_t gram) {
    Pass *p = context;
    const Question *q = p->question;
    for (size_t i = 0; i < q->n_grams; i++) {
        if (q->grams[i] == gram) p->seen[i / 64] |= (uint64_t)1 << (i % 64);
    }
}

/* ---- words ---- */

/* Two words of different languages that begin alike: names, numbers and most learned words do. */
static bool is_cognate(Slice a, Slice b) {
    size_t same = common_beginning(a, b);
    return same >= 5 && same * 10 >= MAX(a.n, b.n) * 6;
}

static bool term_is(const Pass *p, const QuestionTerm *q, const Term *term) {
    if (term->kind == TERM_STEM) {
        return p->same_language && slice_equal(slice_of(q->stem), term->text);
    }
    if (slice_equal(slice_of(q->word), term->text)) return true;
    if (p->same_language) return slice_equal(slice_of(q->stem), term->text);
    return !kind_has_digit(term->text) && is_cognate(slice_of(q->word), term->text);
}

/* The question's term that this is: sets its bits, and those of the last word. */
static bool find_term(Pass *p, const Term *term) {
    const Question *q = p->question;
    Reading *r = p->reading;
    Word *word = &r->words[r->n_words - 1];
    for (size_t i = 0; i < q->n_terms; i++) {
        if (!term_is(p, &q->terms[i], term)) continue;
        r->terms |= (uint64_t)1 << i;
        if (slice_equal(slice_of(q->terms[i].word), term->text)) r->exact |= (uint64_t)1 << i;
        r->soft[i] = 1;
        word->term = (signed char)i;
        word->in_question = true;
        return true;
    }
    return false;
}

static void find_like(Pass *p, const Term *term) {
    const Question *q = p->question;
    Reading *r = p->reading;
    float most = 0;
    for (size_t i = 0; i < q->n_terms; i++) {
        if (q->terms[i].is_gram) continue;
        float like = reading_likeness(slice_of(q->terms[i].word), term->text);
        if (like > r->soft[i]) r->soft[i] = like;
        if (like > most && like >= MUCH_ALIKE) {
            r->words[r->n_words - 1].term = (signed char)i;
            most = like;
        }
    }
}

static bool question_has_word(const Question *q, uint64_t hash) {
    for (size_t i = 0; i < q->n_words; i++) {
        if (q->words[i] == hash) return true;
    }
    return false;
}

static Word *add_word(Pass *p) {
    Reading *r = p->reading;
    if (r->n_words == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 64;
        Word *grown = arena_alloc(p->arena, capacity, sizeof *grown);
        if (!grown) return NULL;
        if (r->n_words) memcpy(grown, r->words, r->n_words * sizeof *grown);
        r->words = grown;
        r->capacity = capacity;
    }
    return &r->words[r->n_words++];
}

static unsigned char count_digits(Slice s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return 0;
    }
    return (unsigned char)MIN(s.n, 255U);
}

static Status take_term(void *context, const Term *term) {
    Pass *p = context;
    if (term->is_part) return STATUS_OK;
    if (term->kind == TERM_STEM) {
        if (!p->last_is_stop) find_term(p, term);
        return STATUS_OK;
    }
    Word *word = add_word(p);
    if (!word) return STATUS_NO_MEMORY;
    *word = (Word){
        .hash = reading_hash(term->text),
        .term = -1,
        .n_digits = count_digits(term->text),
        .is_stop = term->is_stop,
        .is_capital = kind_is_capital((Slice){ p->text.p + term->start, term->end - term->start }),
        .is_time = kind_is_time(term->text),
        .is_number = kind_is_number(term->text),
        .is_cause = kind_is_cause(term->text),
        .is_pronoun = kind_is_pronoun(term->text),
    };
    word->in_question = question_has_word(p->question, word->hash);
    p->reading->has_percent |= kind_is_percent(term->text);
    p->last_is_stop = term->is_stop;
    if (term->is_stop) return STATUS_OK;
    reading_grams(&p->grams, term->text, see_gram, p);
    if (!find_term(p, term) && term->kind == TERM_WORD) find_like(p, term);
    return STATUS_OK;
}

static double seen_share(const Pass *p) {
    size_t n = 0;
    for (size_t i = 0; i < N_ELEMENTS(p->seen); i++) n += (size_t)__builtin_popcountll(p->seen[i]);
    return p->question->n_grams ? (double)n / (double)p->question->n_grams : 0;
}

Status reading_of(const Question *q, TextTerms *terms, Slice text, const char *language,
                  Arena *arena, Reading *ret, Err *err) {
    Reading reading = { .soft = arena_alloc(arena, q->n_terms + 1, sizeof(float)) };
    if (!reading.soft) return err_set(err, STATUS_NO_MEMORY, "out of memory for a sentence");
    Pass p = { .question = q, .text = text, .arena = arena, .reading = &reading };
    p.same_language = strcmp(q->language, language) == 0 || !q->language[0] || !language[0];
    Status status =
        text_terms_each(terms, text, language, TERM_WORD | TERM_STEM | TERM_GRAM, take_term, &p);
    if (status != STATUS_OK) return err_set(err, status, "a passage could not be analysed");
    reading.has_percent |= text.n && memchr(text.p, '%', text.n);
    reading.grams = seen_share(&p);
    *ret = reading;
    return STATUS_OK;
}
