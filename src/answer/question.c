/* A question becomes at most 64 distinct content terms, so that what a sentence has of them is one
 * machine word: sums, unions and differences of coverage are bit operations.
 *
 * The weight of a term is its idf over the passages of the index (Robertson and Sparck Jones, in
 * the form of BM25). The kind of answer comes from the question word alone, by a short table per
 * language: more would guess. */
#include "answer/question.h"

#include "base/utf8.h"

#include <ctype.h>
#include <math.h>

/* ---- the kind of answer ---- */

typedef struct AskWord {
    const char *language;
    const char *words; /* folded, as the terms give them */
    AnswerKind kind;
} AskWord;

static const AskWord ask_words[] = {
    { "en", "when", ANSWER_TIME },
    { "en", "how many", ANSWER_NUMBER },
    { "en", "how much", ANSWER_NUMBER },
    { "en", "how long", ANSWER_NUMBER },
    { "en", "how old", ANSWER_NUMBER },
    { "en", "how far", ANSWER_NUMBER },
    { "en", "what year", ANSWER_TIME },
    { "en", "which year", ANSWER_TIME },
    { "en", "what date", ANSWER_TIME },
    { "en", "which date", ANSWER_TIME },
    { "en", "what day", ANSWER_TIME },
    { "en", "what percentage", ANSWER_NUMBER },
    { "en", "what century", ANSWER_TIME },
    { "en", "what number", ANSWER_NUMBER },
    { "en", "who", ANSWER_NAME },
    { "en", "whom", ANSWER_NAME },
    { "en", "whose", ANSWER_NAME },
    { "en", "where", ANSWER_NAME },
    { "it", "quando", ANSWER_TIME },
    { "it", "che anno", ANSWER_TIME },
    { "it", "quale anno", ANSWER_TIME },
    { "it", "che data", ANSWER_TIME },
    { "it", "quale data", ANSWER_TIME },
    { "it", "che secolo", ANSWER_TIME },
    { "it", "quale secolo", ANSWER_TIME },
    { "it", "quanto", ANSWER_NUMBER },
    { "it", "quanta", ANSWER_NUMBER },
    { "it", "quanti", ANSWER_NUMBER },
    { "it", "quante", ANSWER_NUMBER },
    { "it", "quale percentuale", ANSWER_NUMBER },
    { "it", "che percentuale", ANSWER_NUMBER },
    { "it", "chi", ANSWER_NAME },
    { "it", "dove", ANSWER_NAME },
    { "es", "cuando", ANSWER_TIME },
    { "es", "cuantos", ANSWER_NUMBER },
    { "es", "cuantas", ANSWER_NUMBER },
    { "es", "cuanto", ANSWER_NUMBER },
    { "es", "quien", ANSWER_NAME },
    { "es", "donde", ANSWER_NAME },
    { "de", "wann", ANSWER_TIME },
    { "de", "wie viele", ANSWER_NUMBER },
    { "de", "wie viel", ANSWER_NUMBER },
    { "de", "wer", ANSWER_NAME },
    { "de", "wo", ANSWER_NAME },
    { "fr", "quand", ANSWER_TIME },
    { "fr", "combien", ANSWER_NUMBER },
    { "fr", "qui", ANSWER_NAME },
    { "fr", "ou", ANSWER_NAME },
};

/* Months, in the languages of the table above: a date without digits is rare, a month is a sign. */
static const char *const months[] = {
    "january",   "february",   "march",    "april",     "june",      "july",      "august",
    "september", "october",    "november", "december",  "gennaio",   "febbraio",  "marzo",
    "aprile",    "maggio",     "giugno",   "luglio",    "agosto",    "settembre", "ottobre",
    "novembre",  "dicembre",   "enero",    "febrero",   "abril",     "mayo",      "junio",
    "julio",     "septiembre", "octubre",  "noviembre", "diciembre", "januar",    "februar",
    "marz",      "juni",       "juli",     "oktober",   "dezember",  "janvier",   "fevrier",
    "mars",      "avril",      "juin",     "juillet",   "aout",      "septembre", "octobre",
    "decembre",
};

static const char *const number_words[] = {
    "two",     "three",    "four",    "five",     "six",    "seven",   "eight",    "nine",
    "ten",     "eleven",   "twelve",  "dozen",    "half",   "hundred", "thousand", "million",
    "billion", "due",      "tre",     "quattro",  "cinque", "sei",     "sette",    "otto",
    "nove",    "dieci",    "undici",  "dodici",   "meta",   "cento",   "mille",    "mila",
    "milioni", "miliardi", "milione", "miliardo",
};

static bool is_in(const char *const *list, size_t n, Slice word) {
    for (size_t i = 0; i < n; i++) {
        if (slice_equal(slice_of(list[i]), word)) return true;
    }
    return false;
}

static bool has_digit(Slice s) {
    for (size_t i = 0; i < s.n; i++) {
        if (isdigit((unsigned char)s.p[i])) return true;
    }
    return false;
}

/* 1000-2100 in four digits: the commonest form of a date's year. */
static bool is_year(Slice s) {
    if (s.n != 4 || !isdigit((unsigned char)s.p[2]) || !isdigit((unsigned char)s.p[3]))
        return false;
    return (s.p[0] == '1' && isdigit((unsigned char)s.p[1])) ||
           (s.p[0] == '2' && (s.p[1] == '0' || s.p[1] == '1'));
}

static bool is_capital(Slice s) {
    if (!s.n) return false;
    unsigned char c = (unsigned char)s.p[0];
    if (c < 0x80) return isupper(c);
    /* the capitals of Latin-1, Greek and Cyrillic */
    return (c == 0xC3 && s.n > 1 && (unsigned char)s.p[1] < 0x9F) ||
           (c == 0xCE && s.n > 1 && (unsigned char)s.p[1] < 0xB0) ||
           (c == 0xD0 && s.n > 1 && (unsigned char)s.p[1] < 0xB0);
}

/* ---- analysis ---- */

typedef struct Analysis {
    Question *question;
    Slice two[2]; /* the last two words, folded copies: question words may be two */
    size_t n_words;
    bool is_stop; /* the last word was a function word */
    bool full;
} Analysis;

static void see_ask_word(Analysis *a) {
    if (a->question->kind != ANSWER_ANY) return;
    for (size_t i = 0; i < N_ELEMENTS(ask_words); i++) {
        const AskWord *w = &ask_words[i];
        if (strcmp(w->language, a->question->language) != 0) continue;
        Slice words = slice_of(w->words);
        const char *space = strchr(w->words, ' ');
        bool hit = space ? slice_equal(a->two[0], (Slice){ words.p, (size_t)(space - words.p) }) &&
                               slice_equal(a->two[1], slice_of(space + 1))
                         : slice_equal(a->two[1], words);
        if (hit) a->question->kind = w->kind;
    }
}

static const QuestionTerm *find_word(const Question *q, Slice word) {
    for (size_t i = 0; i < q->n_terms; i++) {
        if (slice_equal(slice_of(q->terms[i].word), word)) return &q->terms[i];
    }
    return NULL;
}

static Status take_question_term(void *context, const Term *term) {
    Analysis *a = context;
    Question *q = a->question;
    if (term->kind == TERM_STEM) {
        if (a->is_stop || a->full || !q->n_terms) return STATUS_OK;
        char *stem = arena_string(&q->arena, term->text);
        if (!stem) return STATUS_NO_MEMORY;
        q->terms[q->n_terms - 1].stem = stem;
        return STATUS_OK;
    }
    char *word = arena_string(&q->arena, term->text);
    if (!word) return STATUS_NO_MEMORY;
    a->two[0] = a->two[1];
    a->two[1] = slice_of(word);
    see_ask_word(a);
    bool first = a->n_words++ == 0;
    a->is_stop = term->is_stop || find_word(q, term->text);
    if (a->is_stop) return STATUS_OK;
    a->full = q->n_terms == QUESTION_MAX_TERMS;
    if (a->full) return STATUS_OK;
    Slice written = { q->text.p + term->start, term->end - term->start };
    q->terms[q->n_terms++] = (QuestionTerm){
        .word = word,
        .stem = word,
        .is_name = has_digit(term->text) || (!first && is_capital(written)),
    };
    return STATUS_OK;
}

static Status weigh_terms(Question *q, Index *index, Err *err) {
    Slice stems[QUESTION_MAX_TERMS];
    uint64_t df[QUESTION_MAX_TERMS], n_passages;
    for (size_t i = 0; i < q->n_terms; i++) stems[i] = slice_of(q->terms[i].stem);
    TRY(index_frequencies(index, stems, q->n_terms, df, &n_passages, err));
    for (size_t i = 0; i < q->n_terms; i++) {
        double n = (double)n_passages, d = MIN((double)df[i], n);
        q->terms[i].weight = log1p((n - d + 0.5) / (d + 0.5));
        q->weight += q->terms[i].weight;
    }
    return STATUS_OK;
}

Status question_init(Question *q, Index *index, TextTerms *terms, Slice text, const char *language,
                     Err *err) {
    *q = (Question){ .arena = ARENA_NULL, .text = text };
    strncpy(q->language, language, sizeof q->language - 1);
    Analysis a = { .question = q };
    Status status = text_terms_each(terms, text, language, TERM_WORD | TERM_STEM | TERM_GRAM,
                                    take_question_term, &a);
    if (status == STATUS_OK && a.n_words == 0) {
        status = err_set_param(err, STATUS_INVALID, "question", "the question holds no word");
    } else if (status != STATUS_OK) {
        err_set(err, status, "the question could not be analysed");
    }
    if (status == STATUS_OK) status = weigh_terms(q, index, err);
    if (status != STATUS_OK) question_deinit(q);
    return status;
}

void question_deinit(Question *q) {
    arena_deinit(&q->arena);
    q->n_terms = 0;
}

/* ---- matching ---- */

typedef struct Matching {
    const Question *question;
    Slice text;
    bool same_language;
    size_t last_term; /* index of the last term met, and the word at which it was */
    size_t last_word;
    Match match;
} Matching;

/* Two words of different languages that begin alike: names, numbers and most learned words do. */
static bool is_cognate(Slice a, Slice b) {
    size_t n = MIN(a.n, b.n), same = 0;
    while (same < n && a.p[same] == b.p[same]) same++;
    return same >= 5 && same * 10 >= MAX(a.n, b.n) * 6;
}

static bool term_matches(const Matching *m, const QuestionTerm *q, const Term *term) {
    if (term->kind == TERM_STEM) {
        return m->same_language && slice_equal(slice_of(q->stem), term->text);
    }
    if (slice_equal(slice_of(q->word), term->text)) return true;
    if (m->same_language) return slice_equal(slice_of(q->stem), term->text);
    return !has_digit(term->text) && is_cognate(slice_of(q->word), term->text);
}

static void note_kinds(Matching *m, const Term *term) {
    Slice written = { m->text.p + term->start, term->end - term->start };
    bool is_first = m->match.n_words == 1;
    if (has_digit(term->text) || is_in(number_words, N_ELEMENTS(number_words), term->text)) {
        m->match.has_number = true;
    }
    if (is_year(term->text) || is_in(months, N_ELEMENTS(months), term->text)) {
        m->match.has_time = true;
    }
    if (!is_first && is_capital(written)) m->match.has_name = true;
}

static Status take_text_term(void *context, const Term *term) {
    Matching *m = context;
    if (term->kind != TERM_STEM) m->match.n_words++;
    if (term->is_stop) return STATUS_OK;
    for (size_t i = 0; i < m->question->n_terms; i++) {
        if (!term_matches(m, &m->question->terms[i], term)) continue;
        uint64_t bit = (uint64_t)1 << i;
        if (i > 0 && (m->match.terms >> (i - 1) & 1) && m->last_term == i - 1 &&
            m->match.n_words - m->last_word <= 2) {
            m->match.pairs |= bit >> 1;
        }
        m->match.terms |= bit;
        if (slice_equal(slice_of(m->question->terms[i].word), term->text)) m->match.words |= bit;
        m->last_term = i;
        m->last_word = m->match.n_words;
        return STATUS_OK;
    }
    if (term->kind != TERM_STEM) note_kinds(m, term);
    return STATUS_OK;
}

Status question_match(const Question *q, TextTerms *terms, Slice text, const char *language,
                      Match *ret) {
    Matching m = { .question = q, .text = text };
    m.same_language = strcmp(q->language, language) == 0 || !q->language[0] || !language[0];
    TRY(text_terms_each(terms, text, language, TERM_WORD | TERM_STEM | TERM_GRAM, take_text_term,
                        &m));
    *ret = m.match;
    return STATUS_OK;
}

double question_weight(const Question *q, uint64_t mask) {
    double sum = 0;
    for (size_t i = 0; i < q->n_terms; i++) {
        if (mask >> i & 1) sum += q->terms[i].weight;
    }
    return sum;
}
