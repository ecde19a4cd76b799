/* A question becomes at most 64 distinct content terms, so that what a sentence has of them is one
 * machine word: sums, unions and differences of coverage are bit operations.
 *
 * The weight of a term is its idf over the passages of the index (Robertson and Sparck Jones, in
 * the form of BM25), times what is known of words that questions use about their answers: few
 * passages that name a king say "name", and a passage that says "name" is not the better for it.
 */
#include "answer/question.h"

#include "answer/light.h"
#include "answer/reading.h"

#include <math.h>

typedef struct Analysis {
    Question *question;
    Slice before; /* the word before, folded: question words may be two */
    bool is_stop; /* the last word was a function word, or one that was met already */
    bool full;
    ReadingGrams grams;
} Analysis;

static bool has_word(const Question *q, Slice word) {
    for (size_t i = 0; i < q->n_terms; i++) {
        if (slice_equal(slice_of(q->terms[i].word), word)) return true;
    }
    return false;
}

static void add_gram(void *context, uint32_t gram) {
    Question *q = context;
    for (size_t i = 0; i < q->n_grams; i++) {
        if (q->grams[i] == gram) return;
    }
    if (q->n_grams < QUESTION_MAX_GRAMS) q->grams[q->n_grams++] = gram;
}

static void note_word(Analysis *a, Slice word, bool is_stop) {
    Question *q = a->question;
    if (q->kind == ANSWER_ANY) q->kind = kind_of_question(q->language, a->before, word);
    q->asks_percent |= kind_is_percent(word);
    a->before = word;
    if (q->n_words < QUESTION_MAX_WORDS) q->words[q->n_words] = reading_hash(word);
    q->n_words++;
    if (!is_stop) reading_grams(&a->grams, word, add_gram, q);
}

static Status take_term(void *context, const Term *term) {
    Analysis *a = context;
    Question *q = a->question;
    if (term->is_part) return STATUS_OK;
    if (term->kind == TERM_STEM) {
        if (a->is_stop || a->full || !q->n_terms) return STATUS_OK;
        char *stem = arena_string(&q->arena, term->text);
        if (!stem) return STATUS_NO_MEMORY;
        q->terms[q->n_terms - 1].stem = stem;
        return STATUS_OK;
    }
    char *word = arena_string(&q->arena, term->text);
    if (!word) return STATUS_NO_MEMORY;
    bool first = q->n_words == 0;
    note_word(a, slice_of(word), term->is_stop);
    a->is_stop = term->is_stop || has_word(q, term->text);
    if (a->is_stop) return STATUS_OK;
    a->full = q->n_terms == QUESTION_MAX_TERMS;
    if (a->full) return STATUS_OK;
    Slice written = { q->text.p + term->start, term->end - term->start };
    q->terms[q->n_terms++] = (QuestionTerm){
        .word = word,
        .stem = word,
        .is_name = kind_has_digit(term->text) || (!first && kind_is_capital(written)),
        .is_gram = term->kind == TERM_GRAM,
    };
    return STATUS_OK;
}

static Status count_terms(Question *q, Index *index, Err *err) {
    Slice stems[QUESTION_MAX_TERMS];
    for (size_t i = 0; i < q->n_terms; i++) stems[i] = slice_of(q->terms[i].stem);
    q->counts.n = q->n_terms;
    return index_frequencies(index, stems, q->n_terms, q->counts.df, &q->counts.n_passages, err);
}

static void weigh_terms(Question *q) {
    for (size_t i = 0; i < q->n_terms; i++) {
        double n = (double)q->counts.n_passages, d = MIN((double)q->counts.df[i], n);
        double idf = log1p((n - d + 0.5) / (d + 0.5));
        q->terms[i].weight = idf * light_share(q->language, slice_of(q->terms[i].stem));
        q->weight += q->terms[i].weight;
    }
}

static Status analyse(Question *q, TextTerms *terms, Slice text, const char *language, Err *err) {
    *q = (Question){ .arena = ARENA_NULL, .text = text };
    strncpy(q->language, language, sizeof q->language - 1);
    Analysis a = { .question = q };
    Status status =
        text_terms_each(terms, text, language, TERM_WORD | TERM_STEM | TERM_GRAM, take_term, &a);
    if (status == STATUS_OK && q->n_words == 0) {
        status = err_set_param(err, STATUS_INVALID, "question", "the question holds no word");
    } else if (status != STATUS_OK) {
        err_set(err, status, "the question could not be analysed");
    }
    q->n_words = MIN(q->n_words, (size_t)QUESTION_MAX_WORDS);
    return status;
}

static Status weigh(Question *q, Status status) {
    if (status == STATUS_OK)
        weigh_terms(q);
    else
        question_deinit(q);
    return status;
}

Status question_init(Question *q, Index *index, TextTerms *terms, Slice text, const char *language,
                     Err *err) {
    Status status = analyse(q, terms, text, language, err);
    if (status == STATUS_OK) status = count_terms(q, index, err);
    return weigh(q, status);
}

Status question_init_again(Question *q, const QuestionCounts *counts, TextTerms *terms, Slice text,
                           const char *language, Err *err) {
    Status status = analyse(q, terms, text, language, err);
    if (status == STATUS_OK && q->n_terms != counts->n) {
        status = err_set(err, STATUS_CONFLICT, "the question has %zu terms, and had %zu once",
                         q->n_terms, counts->n);
    }
    q->counts = *counts;
    return weigh(q, status);
}

void question_deinit(Question *q) {
    arena_deinit(&q->arena);
    q->n_terms = 0;
}

double question_weight(const Question *q, uint64_t mask) {
    double sum = 0;
    for (size_t i = 0; i < q->n_terms; i++) {
        if (mask >> i & 1) sum += q->terms[i].weight;
    }
    return sum;
}
