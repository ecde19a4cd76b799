/* Every number is computed from readings alone; the text is not seen again. Where a term is missing
 * from the sentence it is looked for in the sentence before, behind, the one before that, and the
 * title, in this order, and counts once: "It was opened in 1932." answers what the sentence before
 * named. Source: the features of Rajpurkar et al. 2016 (SQuAD), section 5, without its parser. */
#include "answer/evidence.h"

#include <math.h>

enum { WINDOW_WORDS = 12, FIELD_PASSAGES = 20, MAX_ORDER_WORDS = 512 };

typedef struct Looking {
    const Question *q;
    const EvidenceField *field;
    const PassageReading *passage;
    const Reading *r;
    size_t nth;
    float *out;
} Looking;

static double share(const Question *q, size_t term) {
    return q->weight > 0 ? q->terms[term].weight / q->weight : 0;
}

/* ---- terms ---- */

/* What of the terms in `left` (0-1 each) a reading has; taken off. */
static double take_from(const Looking *l, float *left, const Reading *from) {
    double sum = 0;
    for (size_t i = 0; from && i < l->q->n_terms; i++) {
        float taken = MIN(left[i], MAX(0.0F, from->soft[i] - (1 - left[i])));
        sum += share(l->q, i) * (double)taken;
        left[i] -= taken;
    }
    return sum;
}

static const Reading *neighbour(const Looking *l, long offset) {
    long at = (long)l->nth + offset;
    bool inside = at >= 0 && at < (long)l->passage->n_sentences;
    return inside ? &l->passage->sentences[at] : NULL;
}

static bool begins_with_pronoun(const Reading *r) {
    return (r->n_words > 0 && r->words[0].is_pronoun) || (r->n_words > 1 && r->words[1].is_pronoun);
}

static void look_around(const Looking *l) {
    float left[QUESTION_MAX_TERMS];
    for (size_t i = 0; i < l->q->n_terms; i++) left[i] = 1 - l->r->soft[i];
    double previous = take_from(l, left, neighbour(l, -1));
    l->out[EVIDENCE_PREVIOUS] = (float)previous;
    l->out[EVIDENCE_NEXT] = (float)take_from(l, left, neighbour(l, 1));
    l->out[EVIDENCE_BEFORE_PREVIOUS] = (float)take_from(l, left, neighbour(l, -2));
    l->out[EVIDENCE_TITLE] = (float)take_from(l, left, &l->passage->title);
    l->out[EVIDENCE_PRONOUN_PREVIOUS] = begins_with_pronoun(l->r) ? (float)previous : 0;
}

static void look_at_terms(const Looking *l) {
    const Question *q = l->q;
    float *out = l->out;
    for (size_t i = 0; i < q->n_terms; i++) {
        double w = share(q, i), rare = l->field->rare[i];
        double soft = (double)l->r->soft[i], best = (double)l->passage->best[i];
        bool elsewhere = l->field->elsewhere >> i & 1;
        out[EVIDENCE_SOFT] += (float)(w * soft);
        out[EVIDENCE_OWN] += l->r->terms >> i & 1 ? (float)w : 0;
        out[EVIDENCE_EXACT] += l->r->exact >> i & 1 ? (float)w : 0;
        out[EVIDENCE_RARE] += (float)(rare * soft);
        out[EVIDENCE_PASSAGE] += (float)(w * best);
        out[EVIDENCE_TITLE_COVERS] += l->passage->title.terms >> i & 1 ? (float)w : 0;
        out[EVIDENCE_MISSING_MOST] = MAX(out[EVIDENCE_MISSING_MOST], (float)(w * (1 - soft)));
        out[EVIDENCE_MISSING_RAREST] =
            MAX(out[EVIDENCE_MISSING_RAREST], (float)(rare * (1 - soft)));
        out[EVIDENCE_PASSAGE_MISSES] =
            MAX(out[EVIDENCE_PASSAGE_MISSES], (float)(rare * (1 - best)));
        if (elsewhere) out[EVIDENCE_MISSING_ELSEWHERE] += (float)(w * (1 - best));
        if (!q->terms[i].is_name) continue;
        out[EVIDENCE_NAMES] += (float)(w * soft);
        out[EVIDENCE_NAMES_MISSING] += (float)(w * (1 - soft));
        out[EVIDENCE_NAMES_NOWHERE] += (float)(w * (1 - best));
        if (elsewhere) out[EVIDENCE_NAMES_ELSEWHERE] += (float)(w * (1 - best));
    }
    out[EVIDENCE_GRAMS] = (float)l->r->grams;
    out[EVIDENCE_TITLE_SHARE] = (float)l->passage->title_share;
    out[EVIDENCE_TERMS] = (float)q->n_terms;
}

/* ---- places ---- */

static double weight_within(const Looking *l, size_t from, size_t to) {
    uint64_t have = 0;
    for (size_t i = from; i < to && i < l->r->n_words; i++) {
        if (l->r->words[i].term >= 0) have |= (uint64_t)1 << l->r->words[i].term;
    }
    return l->q->weight > 0 ? question_weight(l->q, have) / l->q->weight : 0;
}

static double best_window(const Looking *l) {
    double best = 0;
    for (size_t i = 0; i < l->r->n_words; i++) {
        if (l->r->words[i].term < 0) continue;
        best = MAX(best, weight_within(l, i, i + WINDOW_WORDS));
    }
    return best;
}

/* Longest common subsequence of words, against the question's length. */
static double order_share(const Looking *l) {
    unsigned short row[MAX_ORDER_WORDS + 1] = { 0 };
    size_t n = MIN(l->r->n_words, (size_t)MAX_ORDER_WORDS);
    for (size_t i = 0; i < l->q->n_words; i++) {
        unsigned short diagonal = 0;
        for (size_t j = 0; j < n; j++) {
            unsigned short above = row[j + 1];
            if (l->q->words[i] == l->r->words[j].hash)
                row[j + 1] = (unsigned short)(diagonal + 1);
            else
                row[j + 1] = MAX(row[j + 1], row[j]);
            diagonal = above;
        }
    }
    return l->q->n_words ? (double)row[n] / (double)l->q->n_words : 0;
}

static double pair_share(const Looking *l) {
    size_t common = 0;
    for (size_t i = 0; i + 1 < l->q->n_words; i++) {
        for (size_t j = 0; j + 1 < l->r->n_words; j++) {
            if (l->q->words[i] != l->r->words[j].hash) continue;
            if (l->q->words[i + 1] != l->r->words[j + 1].hash) continue;
            common++;
            break;
        }
    }
    return l->q->n_words > 1 ? (double)common / (double)(l->q->n_words - 1) : 0;
}

static bool is_asked_kind(const Looking *l, size_t i) {
    const Word *w = &l->r->words[i];
    if (w->in_question) return false;
    switch (l->q->kind) {
    case ANSWER_TIME: return w->is_time || w->n_digits;
    case ANSWER_NUMBER: return w->is_number;
    case ANSWER_PERSON:
    case ANSWER_PLACE: return i > 0 && w->is_capital && !w->is_stop;
    case ANSWER_CAUSE:
    case ANSWER_ANY: return false;
    }
    return false;
}

/* Weight of the terms round the word at `at`, less the further away: the nearest place of each. */
static double weight_around(const Looking *l, size_t at) {
    double near[QUESTION_MAX_TERMS] = { 0 }, sum = 0;
    for (size_t i = 0; i < l->r->n_words; i++) {
        int term = l->r->words[i].term;
        if (term < 0) continue;
        size_t distance = i > at ? i - at : at - i;
        double worth = 1 / (1 + 0.15 * (distance > 2 ? (double)(distance - 2) : 0));
        near[term] = MAX(near[term], worth);
    }
    for (size_t i = 0; i < l->q->n_terms; i++) sum += share(l->q, i) * near[i];
    return sum;
}

static double near_kind(const Looking *l) {
    double best = 0;
    for (size_t i = 0; i < l->r->n_words; i++) {
        if (is_asked_kind(l, i)) best = MAX(best, weight_around(l, i));
    }
    return best;
}

/* A number of the question is missing, and another as long as it stands there: another year. */
static bool contradicts(const Looking *l) {
    for (size_t i = 0; i < l->q->n_terms; i++) {
        const char *word = l->q->terms[i].word;
        if (!kind_has_digit(slice_of(word)) || l->r->terms >> i & 1) continue;
        for (size_t j = 0; j < l->r->n_words; j++) {
            if (l->r->words[j].n_digits == strlen(word)) return true;
        }
    }
    return false;
}

/* ---- kinds ---- */

typedef struct Counts {
    size_t new_words, capitals, pairs, times, numbers, digits, causes;
} Counts;

static Counts count_kinds(const Reading *r) {
    Counts c = { 0 };
    bool last_capital = false;
    for (size_t i = 0; i < r->n_words; i++) {
        const Word *w = &r->words[i];
        bool capital = i > 0 && w->is_capital && !w->in_question && !w->is_stop;
        c.pairs += capital && last_capital;
        last_capital = capital;
        if (w->in_question) continue;
        c.new_words += !w->is_stop;
        c.capitals += capital;
        c.times += w->is_time;
        c.digits += w->n_digits > 0;
        c.numbers += w->is_number;
        c.causes += w->is_cause;
    }
    return c;
}

static void look_for_kind(const Looking *l) {
    Counts c = count_kinds(l->r);
    float *out = l->out;
    float capitals = log1pf((float)c.capitals);
    switch (l->q->kind) {
    case ANSWER_TIME:
        out[EVIDENCE_TIME] = c.times > 0;
        out[EVIDENCE_TIME_NUMBER] = c.digits > 0;
        break;
    case ANSWER_NUMBER: out[EVIDENCE_NUMBER] = c.numbers > 0; break;
    case ANSWER_PERSON:
        out[EVIDENCE_PERSON] = capitals;
        out[EVIDENCE_PERSON_PAIR] = c.pairs > 0;
        break;
    case ANSWER_PLACE: out[EVIDENCE_PLACE] = capitals; break;
    case ANSWER_CAUSE: out[EVIDENCE_CAUSE] = c.causes > 0; break;
    case ANSWER_ANY: out[EVIDENCE_OTHER] = log1pf((float)c.new_words); break;
    }
    out[EVIDENCE_PERCENT] = l->q->asks_percent && l->r->has_percent;
    out[EVIDENCE_NEW_WORDS] = log1pf((float)c.new_words);
    out[EVIDENCE_LENGTH] = log1pf((float)l->r->n_words);
}

/* ---- the passage ---- */

static void look_at_passage(const Looking *l) {
    const EvidenceField *f = l->field;
    const FontePassage *p = l->passage->passage;
    const FontePassages *found = f->found;
    float *out = l->out;
    double best = found->passages[0].score;
    double rival = p == found->passages && found->n_passages > 1 ? found->passages[1].score : best;
    if (p == found->passages && found->n_passages == 1) rival = 0;
    double weight = l->q->weight > 0 ? l->q->weight : 1;
    out[EVIDENCE_LEXICAL] = f->most_lexical > 0 ? (float)(p->lexical_score / f->most_lexical) : 0;
    out[EVIDENCE_LEXICAL_ABSOLUTE] = (float)(p->lexical_score / weight);
    out[EVIDENCE_LEXICAL_AHEAD] = (float)((p->lexical_score - f->mean_lexical) / weight);
    out[EVIDENCE_SCORE] = (float)p->score;
    out[EVIDENCE_SCORE_SHARE] = best > 0 ? (float)(p->score / best) : 0;
    out[EVIDENCE_SCORE_AHEAD] = (float)(p->score - rival);
    out[EVIDENCE_SCORE_DEVIATIONS] =
        (float)((p->score - f->mean_score) / (f->deviation_score + 0.01));
    out[EVIDENCE_VECTOR] = (float)p->vector_score;
    out[EVIDENCE_VECTOR_AHEAD] = (float)(p->vector_score - f->mean_vector);
}

static void weigh_rare(EvidenceField *f, const Question *q, const PassageReading *read,
                       size_t n_read) {
    double total = 0;
    for (size_t i = 0; i < q->n_terms; i++) {
        double have = 0, n = (double)n_read;
        for (size_t j = 0; j < n_read; j++) have += (double)(read[j].terms >> i & 1);
        f->rare[i] = have > 0 ? log1p((n - have + 0.5) / (have + 0.5)) : 0;
        if (have > 0) f->elsewhere |= (uint64_t)1 << i;
        total += f->rare[i];
    }
    for (size_t i = 0; i < q->n_terms; i++) f->rare[i] = total > 0 ? f->rare[i] / total : 0;
}

void evidence_field_init(EvidenceField *f, const Question *q, const FontePassages *found,
                         const PassageReading *read, size_t n_read) {
    *f = (EvidenceField){ .found = found };
    weigh_rare(f, q, read, n_read);
    size_t n = MIN(found->n_passages, (size_t)FIELD_PASSAGES);
    double square = 0, count = n ? (double)n : 1;
    for (size_t i = 0; i < n; i++) {
        const FontePassage *p = &found->passages[i];
        f->mean_score += p->score / count;
        square += p->score * p->score / count;
        f->mean_lexical += p->lexical_score / count;
        f->mean_vector += p->vector_score / count;
        f->most_lexical = MAX(f->most_lexical, p->lexical_score);
    }
    f->deviation_score = sqrt(MAX(0, square - f->mean_score * f->mean_score));
}

void evidence_of(const Question *q, const EvidenceField *field, const PassageReading *passage,
                 size_t i, float ret[N_EVIDENCE]) {
    memset(ret, 0, N_EVIDENCE * sizeof *ret);
    Looking l = { q, field, passage, &passage->sentences[i], i, ret };
    look_at_terms(&l);
    look_around(&l);
    ret[EVIDENCE_WINDOW] = (float)best_window(&l);
    ret[EVIDENCE_ORDER] = (float)order_share(&l);
    ret[EVIDENCE_WORD_PAIRS] = (float)pair_share(&l);
    ret[EVIDENCE_SUBJECT] = (float)weight_within(&l, 0, MAX((size_t)3, l.r->n_words / 3));
    ret[EVIDENCE_NEAR_KIND] = (float)near_kind(&l);
    ret[EVIDENCE_CONTRADICTS] = contradicts(&l);
    ret[EVIDENCE_PLACE_IN_PASSAGE] = log1pf((float)i);
    look_for_kind(&l);
    look_at_passage(&l);
}
