/* Scoring. A sentence answers well when it holds the question's rare words (idf-weighted coverage),
 * holds them next to each other, stands in a passage and under a title that hold the others, stands
 * high in the search's ranking, and has the kind of thing that was asked for (a date for "when")
 * beyond what the question itself says. All parts are shares of the question's weight, so that the
 * constants mean the same for every question. They were fitted on squad-it and xquad-en
 * (development part); docs/quality.md has the figures with and without each part.
 *
 * Confidence is another matter: it must be comparable between questions, so it looks only at
 * coverage, and counts a name or number of the question that is nowhere in the passage against it.
 */
#include "answer/sentence.h"

#include "text/language.h"
#include "text/passage.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_SENTENCES = 4096 };

static const double CONTEXT_SHARE =
    0.25; /* a term of the passage counts so much of one in the sentence */
static const double PAIR_SHARE = 0.4;      /* two terms side by side */
static const double KIND_BONUS = 0.12;     /* the kind of thing asked for is there */
static const double RANK_SHARE = 0.2;      /* the passage's place in the search */
static const double LANGUAGE_BONUS = 0.05; /* the question's own language */
static const double SHORT_WORDS = 4;       /* shorter ones are headings and fragments */

/* Fitted on squad-it, xquad-en (with and without the gold passage) and corpora/tech-policy. Across
 * two languages fewer words can be found at all, which LOGIT_CROSSED makes up for. */
static const double LOGIT_OWN = 6.0, LOGIT_CONTEXT = 4.3, LOGIT_VECTOR = 4.1, LOGIT_NAMES = -1.1;
static const double LOGIT_CROSSED = 1.15, LOGIT_BIAS = -4.55;

/* Languages with many forms of a word, and those that are matched by parts of words, find less of a
 * question even where the answer is. Chosen so that about a tenth of the answerable questions of
 * each xquad set is declined at the default. */
static double language_logit(const char *language) {
    if (!strcmp(language, "en") || !strcmp(language, "it") || !*language) return 0;
    return language_is_unspaced(language) ? 1.6 : 0.7;
}

static bool has_kind(const Question *q, const Match *m) {
    switch (q->kind) {
    case ANSWER_TIME: return m->has_time;
    case ANSWER_NUMBER: return m->has_number;
    case ANSWER_NAME: return m->has_name;
    case ANSWER_ANY: return false;
    }
    return false;
}

static double missing_names(const Question *q, uint64_t found) {
    double missing = 0;
    for (size_t i = 0; i < q->n_terms; i++) {
        if (q->terms[i].is_name && !(found >> i & 1)) missing += q->terms[i].weight;
    }
    return q->weight > 0 ? missing / q->weight : 0;
}

static void score_sentence(const Question *q, const FontePassages *passages, Sentence *s) {
    const FontePassage *p = &passages->passages[s->passage];
    if (q->weight <= 0) return;
    double own = question_weight(q, s->match.terms) / q->weight;
    double context = question_weight(q, s->context) / q->weight;
    double pairs = question_weight(q, s->match.pairs) / q->weight;
    double top = passages->passages[0].score;
    double rank = top > 0 ? p->score / top : 0;
    bool same_language = strcmp(q->language, p->language) == 0;
    s->score = own + CONTEXT_SHARE * context + PAIR_SHARE * pairs + RANK_SHARE * rank;
    if (has_kind(q, &s->match)) s->score += KIND_BONUS;
    if (same_language) s->score += LANGUAGE_BONUS;
    if ((double)s->match.n_words < SHORT_WORDS) s->score *= 0.5;
    double z = LOGIT_OWN * own + LOGIT_CONTEXT * context + LOGIT_VECTOR * p->vector_score +
               LOGIT_NAMES * missing_names(q, s->match.terms | s->context) + LOGIT_BIAS +
               language_logit(q->language);
    if (!same_language) z += LOGIT_CROSSED;
    s->confidence = 1 / (1 + exp(-z));
}

static int compare_sentences(const void *a, const void *b) {
    const Sentence *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->passage != y->passage) return x->passage < y->passage ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Whether a sentence is only the title or a heading, which passages begin with: it says what the
 * text is about, and is no answer. */
static bool is_heading(const FontePassage *p, Slice sentence) {
    if (slice_equal(sentence, slice_of(p->title))) return true;
    Slice path = slice_of(p->heading);
    while (path.n) {
        const char *part_end = memmem(path.p, path.n, " > ", 3);
        Slice part = { path.p, part_end ? (size_t)(part_end - path.p) : path.n };
        if (slice_equal(sentence, part)) return true;
        path = slice_skip(path, part.n + 3);
    }
    return false;
}

static Status add_passage(const Question *q, TextTerms *terms, const FontePassages *passages,
                          size_t nth, Arena *arena, Sentence *out, size_t *n, Err *err) {
    const FontePassage *p = &passages->passages[nth];
    Slice text = { p->text, p->end - p->start };
    TextSpan *spans;
    size_t n_spans;
    TRY(text_sentences(text, p->language, arena, &spans, &n_spans, err));
    Match title, heading;
    TRY(question_match(q, terms, slice_of(p->title), p->language, &title));
    TRY(question_match(q, terms, slice_of(p->heading), p->language, &heading));
    uint64_t around = title.terms | heading.terms;
    size_t first = *n;
    for (size_t i = 0; i < n_spans && *n < MAX_SENTENCES; i++) {
        Slice own = { text.p + spans[i].start, spans[i].end - spans[i].start };
        if (is_heading(p, own)) continue;
        Sentence *s = &out[*n];
        *s = (Sentence){ .passage = nth, .start = spans[i].start, .end = spans[i].end };
        TRY(question_match(q, terms, own, p->language, &s->match));
        around |= s->match.terms;
        (*n)++;
    }
    for (size_t i = first; i < *n; i++) {
        out[i].context = around & ~out[i].match.terms;
        score_sentence(q, passages, &out[i]);
    }
    return STATUS_OK;
}

Status sentence_rank(const Question *q, TextTerms *terms, const FontePassages *passages,
                     Arena *arena, Sentence **ret, size_t *ret_n, Err *err) {
    Sentence *out = arena_alloc(arena, MAX_SENTENCES, sizeof *out);
    if (!out) return err_set(err, STATUS_NO_MEMORY, "out of memory for sentences");
    size_t n = 0;
    for (size_t i = 0; i < passages->n_passages; i++) {
        TRY(add_passage(q, terms, passages, i, arena, out, &n, err));
    }
    qsort(out, n, sizeof *out, compare_sentences);
    *ret = out;
    *ret_n = n;
    return STATUS_OK;
}
