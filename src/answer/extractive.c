/* The extractive answerer: the default, which needs no model. The best sentence comes first, as the
 * answer; others follow only where they bring words of the question that the answer lacks, in the
 * order in which they stand. Each is quoted byte for byte, and before a quote is given the stored
 * document is read again at its span: what does not equal is not said. */
#include "answer/answerer.h"
#include "answer/quote.h"
#include "answer/sentence.h"

#include <stdlib.h>

static const double NEW_SHARE =
    0.12; /* of the question's weight that a further sentence must add */
/* How far behind the best sentence's score it may be, in units of the fitted logit: e^-1 as likely;
 * right behind a chosen one ("It was built by ...") e^-3. */
static const double NEAR_BEHIND = 1, NEXT_BEHIND = 3;
enum { MAX_QUOTES = 16 };

static void terms_free_cleanup(TextTerms **terms) {
    text_terms_free(*terms);
}

static void question_cleanup(Question *question) {
    question_deinit(question);
}

/* ---- choosing ---- */

static int compare_places(const void *a, const void *b) {
    const Sentence *const *x = a, *const *y = b;
    if ((*x)->passage != (*y)->passage) return (*x)->passage < (*y)->passage ? -1 : 1;
    return (*x)->start < (*y)->start ? -1 : (*x)->start > (*y)->start;
}

/* Behind one that was chosen, with nothing between them but white space. */
static bool is_next(const FontePassages *passages, const Sentence *s, const Sentence *const *chosen,
                    size_t n_chosen) {
    const char *text = passages->passages[s->passage].text;
    for (size_t i = 0; i < n_chosen; i++) {
        const Sentence *c = chosen[i];
        if (c->passage != s->passage || c->end > s->start) continue;
        if (!slice_trim((Slice){ text + c->end, s->start - c->end }).n) return true;
    }
    return false;
}

static size_t choose(const Question *q, const FontePassages *passages, const Ranking *ranking,
                     size_t max, const Sentence *chosen[MAX_QUOTES]) {
    size_t n_chosen = 0;
    uint64_t covered = 0;
    if (max > MAX_QUOTES) max = MAX_QUOTES;
    for (size_t i = 0; i < ranking->n && n_chosen < max; i++) {
        const Sentence *s = &ranking->sentences[i];
        double added = question_weight(q, s->terms & ~covered);
        double behind = ranking->sentences[0].score - s->score;
        double near = is_next(passages, s, chosen, n_chosen) ? NEXT_BEHIND : NEAR_BEHIND;
        bool adds = added >= NEW_SHARE * q->weight && behind <= near;
        if (n_chosen && !adds) continue;
        chosen[n_chosen++] = s;
        covered |= s->terms;
    }
    if (n_chosen > 2) qsort(chosen + 1, n_chosen - 1, sizeof *chosen, compare_places);
    return n_chosen;
}

/* ---- quoting ---- */

/* A quote may run over lines; in the answer it is one. */
static void append_flowing(Buf *text, Slice quote) {
    bool space = false;
    for (size_t i = 0; i < quote.n; i++) {
        if (quote.p[i] == '\n' || quote.p[i] == '\t' || quote.p[i] == ' ') {
            space = true;
            continue;
        }
        if (space) buf_append_byte(text, ' ');
        space = false;
        buf_append_byte(text, quote.p[i]);
    }
}

static Status say(const AnswerJob *job, FonteCitation *c, Buf *text, Err *err) {
    size_t before = text->n;
    if (text->n) buf_append_byte(text, ' ');
    append_flowing(text, slice_of(c->quote));
    buf_printf(text, " [%zu]", c->n);
    TRY(buf_status(text, err));
    if (job->events->token) {
        TRY(job->events->token(job->events->context, slice_skip(buf_slice(text), before)));
    }
    return job->events->citation ? job->events->citation(job->events->context, c) : STATUS_OK;
}

static Status compose(const AnswerJob *job, const Sentence *const *chosen, size_t n_chosen,
                      Arena *arena, FonteAnswer *ret, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    FonteCitation *citations = arena_alloc(arena, MAX_QUOTES, sizeof *citations);
    if (!citations) return err_set(err, STATUS_NO_MEMORY, "out of memory for citations");
    size_t n = 0;
    for (size_t i = 0; i < n_chosen; i++) {
        bool there;
        TRY(quote_cite(job->index, job->passages, chosen[i]->passage, chosen[i]->start,
                       chosen[i]->end, arena, &citations[n], &there, err));
        if (!there) continue;
        citations[n].n = n + 1;
        TRY(say(job, &citations[n], &text, err));
        n++;
    }
    ret->text = arena_string(arena, buf_slice(&text));
    if (!ret->text) return err_set(err, STATUS_NO_MEMORY, "out of memory for the answer");
    ret->citations = citations;
    ret->n_citations = n;
    return STATUS_OK;
}

static void abstain(FonteAnswer *ret, const char *reason) {
    ret->abstained = true;
    ret->reason = reason;
    ret->text = "";
}

static Status extract(const AnswerJob *job, Arena *arena, FonteAnswer *ret, Err *err) {
    CLEANUP(terms_free_cleanup) TextTerms *terms = text_terms_new();
    if (!terms) return err_set(err, STATUS_NO_MEMORY, "out of memory for terms");
    CLEANUP(question_cleanup) Question question = { 0 };
    TRY(answerer_question(job, terms, &question, err));
    Ranking ranking;
    TRY(sentence_rank(&question, terms, job->found, job->passages->n_passages, arena, &ranking,
                      err));
    ret->confidence = ranking.confidence;
    if (!ranking.n || ret->confidence < job->options->min_confidence) {
        abstain(ret, "weak_support");
        return STATUS_OK;
    }
    const Sentence *chosen[MAX_QUOTES];
    size_t max = job->options->max_sentences;
    size_t n_chosen = choose(&question, job->passages, &ranking, max, chosen);
    TRY(compose(job, chosen, n_chosen, arena, ret, err));
    /* every quoted document changed while the question was answered */
    if (!ret->n_citations) abstain(ret, "documents_changed");
    return STATUS_OK;
}

const Answerer answerer_extractive = { .name = "extractive", .generate = extract };
