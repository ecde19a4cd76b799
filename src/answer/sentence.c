/* Scoring: a weighted sum of the evidence. The weights are fitted by script/calibrate as a
 * conditional logit (the right sentence against the others of its question), confidence as a
 * logistic regression (questions with their passage in the index against the same without it), on
 * the development data; docs/quality.md has the figures, measured on articles that the fit did not
 * see. */
#include "answer/sentence.h"

#include "answer/weights.h"
#include "text/language.h"
#include "text/passage.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_SENTENCES = 4096 };

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "out of memory for sentences");
}

/* ---- reading ---- */

typedef struct Place {
    size_t passage, start, end;
} Place;

typedef struct Reader {
    const Question *q;
    TextTerms *terms;
    const FontePassages *found;
    Arena *arena;
    PassageReading *passages; /* [n_read] */
    Place *places;            /* [n], passage by passage */
    size_t n;
} Reader;

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

static void add_to_passage(const Question *q, PassageReading *p, const Reading *r) {
    p->terms |= r->terms;
    for (size_t i = 0; i < q->n_terms; i++) p->best[i] = MAX(p->best[i], r->soft[i]);
}

/* Title and headings are read as one text. */
static Status read_title(Reader *reader, PassageReading *p, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    buf_printf(&text, "%s\n%s", p->passage->title, p->passage->heading);
    TRY(buf_status(&text, err));
    TRY(reading_of(reader->q, reader->terms, buf_slice(&text), p->passage->language, reader->arena,
                   &p->title, err));
    size_t known = 0, content = 0;
    for (size_t i = 0; i < p->title.n_words; i++) {
        content += !p->title.words[i].is_stop;
        known += !p->title.words[i].is_stop && p->title.words[i].in_question;
    }
    p->title_share = content ? (double)known / (double)content : 0;
    add_to_passage(reader->q, p, &p->title);
    return STATUS_OK;
}

static Status read_passage(Reader *reader, size_t nth, Err *err) {
    const FontePassage *passage = &reader->found->passages[nth];
    PassageReading *p = &reader->passages[nth];
    Slice text = { passage->text, passage->end - passage->start };
    TextSpan *spans;
    size_t n_spans;
    TRY(text_sentences(text, passage->language, reader->arena, &spans, &n_spans, err));
    *p = (PassageReading){ .passage = passage };
    p->best = arena_alloc(reader->arena, reader->q->n_terms + 1, sizeof *p->best);
    p->sentences = arena_alloc(reader->arena, n_spans + 1, sizeof *p->sentences);
    if (!p->best || !p->sentences) return no_memory(err);
    TRY(read_title(reader, p, err));
    for (size_t i = 0; i < n_spans && reader->n < MAX_SENTENCES; i++) {
        Slice own = { text.p + spans[i].start, spans[i].end - spans[i].start };
        if (is_heading(passage, own)) continue;
        Reading *r = &p->sentences[p->n_sentences++];
        TRY(reading_of(reader->q, reader->terms, own, passage->language, reader->arena, r, err));
        add_to_passage(reader->q, p, r);
        reader->places[reader->n++] = (Place){ nth, spans[i].start, spans[i].end };
    }
    return STATUS_OK;
}

/* ---- scoring ---- */

static double weigh(const double *weights, const float *evidence, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += weights[i] * (double)evidence[i];
    return sum;
}

static int compare_sentences(const void *a, const void *b) {
    const Sentence *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->passage != y->passage) return x->passage < y->passage ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

static Status score_all(const Reader *reader, size_t n_read, Ranking *ret, Err *err) {
    EvidenceField field;
    evidence_field_init(&field, reader->q, reader->found, reader->passages, n_read);
    ret->sentences = arena_alloc(reader->arena, reader->n + 1, sizeof *ret->sentences);
    if (!ret->sentences) return no_memory(err);
    size_t nth = 0;
    for (size_t i = 0; i < reader->n; i++, nth++) {
        const Place *place = &reader->places[i];
        if (i && place->passage != reader->places[i - 1].passage) nth = 0;
        const PassageReading *p = &reader->passages[place->passage];
        Sentence *s = &ret->sentences[i];
        s->passage = place->passage, s->start = place->start, s->end = place->end;
        s->terms = p->sentences[nth].terms;
        evidence_of(reader->q, &field, p, nth, s->evidence);
        s->score = weigh(sentence_weights, s->evidence, N_EVIDENCE);
    }
    ret->n = reader->n;
    qsort(ret->sentences, ret->n, sizeof *ret->sentences, compare_sentences);
    return STATUS_OK;
}

static void judge(const Question *q, const FontePassages *found, Ranking *ret) {
    if (!ret->n) return;
    const Sentence *best = &ret->sentences[0];
    const FontePassage *p = &found->passages[best->passage];
    double all = 0, own = 0;
    for (size_t i = 0; i < ret->n; i++) {
        double e = exp(ret->sentences[i].score - best->score);
        all += e;
        if (ret->sentences[i].passage == best->passage) own += e;
    }
    float *c = ret->confidence_evidence;
    c[CONFIDENCE_BEST] = (float)best->score;
    c[CONFIDENCE_SHARE] = (float)(1 / all);
    c[CONFIDENCE_PASSAGE_SHARE] = (float)(own / all);
    c[CONFIDENCE_BEHIND] = (float)(found->passages[0].score - p->score);
    c[CONFIDENCE_CROSSED] = strcmp(q->language, p->language) != 0;
    bool simple = !strcmp(q->language, "en") || !strcmp(q->language, "it") || !*q->language;
    c[CONFIDENCE_UNSPACED] = language_is_unspaced(q->language);
    c[CONFIDENCE_FORMS] = !simple && !language_is_unspaced(q->language);
    double z = weigh(confidence_evidence_weights, best->evidence, N_EVIDENCE) +
               weigh(confidence_weights, c, N_CONFIDENCE) + confidence_bias;
    ret->confidence = 1 / (1 + exp(-z));
}

Status sentence_rank(const Question *q, TextTerms *terms, const FontePassages *found, size_t n_read,
                     Arena *arena, Ranking *ret, Err *err) {
    Reader reader = { .q = q, .terms = terms, .found = found, .arena = arena };
    n_read = MIN(n_read, found->n_passages);
    reader.passages = arena_alloc(arena, n_read + 1, sizeof *reader.passages);
    reader.places = arena_alloc(arena, MAX_SENTENCES, sizeof *reader.places);
    if (!reader.passages || !reader.places) return no_memory(err);
    for (size_t i = 0; i < n_read; i++) TRY(read_passage(&reader, i, err));
    Ranking ranking = { 0 };
    TRY(score_all(&reader, n_read, &ranking, err));
    judge(q, found, &ranking);
    *ret = ranking;
    return STATUS_OK;
}
