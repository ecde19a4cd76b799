/* BM25 over the decoded postings of the question's terms, one term after another, into one score a
 * passage; then the best k.
 *
 *     score(q, d) = sum over t of  w(t) * idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |d| /
 * avg)) idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))
 *
 * N, df and avg are those of the passages in scope. w is how often the question has the term
 * (terms.c weighs the exact form beside a stem). Where terms are overlapping parts of text, a
 * common phrase of twenty letters would count as eighteen words and outweigh a rare name of six:
 * idf is squared, as it is in the vector space model, whose questions and documents both carry it
 * (Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval").
 * docs/quality.md has what that was measured to do. Source: Robertson and Zaragoza, The
 * Probabilistic Relevance Framework: BM25 and Beyond (2009), equation 3.15; idf as Lucene has it,
 * which is never negative. Title and heading are weighted as BM25F does, by counting their words
 * STORE_TITLE_WEIGHT times. */
#include "store/store_internal.h"

#include <math.h>

#define BM25_K1 1.2F
#define BM25_B 0.75F

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "index: out of memory for a search");
}

static size_t count_allowed(const StoreList *list, const StoreAllowed *allowed) {
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) n += allowed->slots[STORE_ITEM_SLOT(list->items[i])];
    return n;
}

static double idf_of(size_t df, const StoreAllowed *allowed) {
    return log(1.0 + ((double)allowed->n_allowed - (double)df + 0.5) / ((double)df + 0.5));
}

static double weight_of(size_t df, const StoreAllowed *allowed, bool is_part) {
    double idf = idf_of(df, allowed);
    return is_part ? idf * idf : idf;
}

static void add_scores(const StoreList *list, const StoreAllowed *allowed, double weight,
                       bool is_part, float *scores) {
    size_t df = count_allowed(list, allowed);
    if (!df) return;
    double n = (double)allowed->n_allowed;
    weight *= weight_of(df, allowed, is_part);
    float average = (float)MAX((double)allowed->total_words / n, 1.0);
    float factor = (float)weight * (BM25_K1 + 1.0F);
    float base = BM25_K1 * (1.0F - BM25_B), slope = BM25_K1 * BM25_B / average;
    for (size_t i = 0; i < list->n; i++) {
        uint32_t slot = STORE_ITEM_SLOT(list->items[i]);
        if (!allowed->slots[slot]) continue;
        float tf = (float)STORE_ITEM_TF(list->items[i]);
        scores[slot] += factor * tf / (tf + base + slope * (float)allowed->n_words[slot]);
    }
}

/* ---- the best k: a heap with the worst of them on top ---- */

static bool is_worse(StoreHit a, StoreHit b) {
    return a.score != b.score ? a.score < b.score : a.passage > b.passage;
}

static void sift_down(StoreHit *heap, size_t n, size_t i) {
    for (;;) {
        size_t worst = i, left = 2 * i + 1;
        if (left < n && is_worse(heap[left], heap[worst])) worst = left;
        if (left + 1 < n && is_worse(heap[left + 1], heap[worst])) worst = left + 1;
        if (worst == i) return;
        StoreHit h = heap[i];
        heap[i] = heap[worst];
        heap[worst] = h;
        i = worst;
    }
}

static void heap_push(StoreHit *heap, size_t *n, StoreHit hit) {
    size_t i = (*n)++;
    while (i && is_worse(hit, heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = hit;
}

/* Best first: the worst goes to the end again and again. */
static void heap_sort(StoreHit *heap, size_t n) {
    while (n > 1) {
        StoreHit worst = heap[0];
        heap[0] = heap[--n];
        heap[n] = worst;
        sift_down(heap, n, 0);
    }
}

static Status best(const StoreAllowed *allowed, const float *scores, size_t k, Arena *arena,
                   StoreHit **ret, size_t *ret_n, Err *err) {
    k = MIN(k, allowed->n_allowed);
    StoreHit *heap = arena_alloc(arena, k, sizeof *heap);
    if (!heap) return no_memory(err);
    size_t n = 0;
    for (size_t i = 0; k && i < allowed->n_slots; i++) {
        if (scores[i] <= 0) continue;
        StoreHit hit = { allowed->ids[i], (double)scores[i] };
        if (n < k) {
            heap_push(heap, &n, hit);
        } else if (is_worse(heap[0], hit)) {
            heap[0] = hit;
            sift_down(heap, n, 0);
        }
    }
    heap_sort(heap, n);
    *ret = heap;
    *ret_n = n;
    return STATUS_OK;
}

static bool has_parts(const Store *store, const char *language) {
    return store->tokenizer->has_parts && store->tokenizer->has_parts(language);
}

Status store_lexical(Store *store, Slice question, const char *language, const StoreScope *scope,
                     size_t k, Arena *arena, StoreHit **ret, size_t *ret_n, Err *err) {
    AUTO_ARENA Arena scratch = ARENA_NULL;
    StoreQueryTerm *terms;
    size_t n_terms;
    TRY(store_terms_question(store->terms, question, language, &scratch, &terms, &n_terms, err));
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    TRY(store_table_refresh(store, err));
    StoreAllowed allowed;
    TRY(store_table_allowed(store, scope, &allowed, err));
    if (!mem_grow((void **)&store->scores, &store->scores_capacity, allowed.n_slots,
                  sizeof *store->scores)) {
        return no_memory(err);
    }
    if (allowed.n_slots) memset(store->scores, 0, allowed.n_slots * sizeof *store->scores);
    bool parts = has_parts(store, language);
    for (size_t i = 0; allowed.n_allowed && i < n_terms; i++) {
        StoreList list;
        TRY(store_postings_get(store, terms[i].text, &list, err));
        add_scores(&list, &allowed, terms[i].weight, parts, store->scores);
    }
    return best(&allowed, store->scores, k, arena, ret, ret_n, err);
}

/* ret_df or ret_weights */
static Status weigh_terms(Store *store, const Slice *terms, size_t n, bool are_parts,
                          const StoreScope *scope, uint64_t *ret_df, double *ret_weights,
                          Err *err) {
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    TRY(store_table_refresh(store, err));
    StoreAllowed allowed;
    TRY(store_table_allowed(store, scope, &allowed, err));
    for (size_t i = 0; i < n; i++) {
        Slice term;
        size_t df = 0;
        if (store_term_cut(terms[i], &term)) {
            StoreList list;
            TRY(store_postings_get(store, term, &list, err));
            df = count_allowed(&list, &allowed);
        }
        if (ret_df) ret_df[i] = df;
        if (ret_weights) ret_weights[i] = weight_of(df, &allowed, are_parts);
    }
    return STATUS_OK;
}

Status store_frequencies(Store *store, const Slice *terms, size_t n, uint64_t *ret_df, Err *err) {
    return weigh_terms(store, terms, n, false, &(StoreScope){ .collection = NULL }, ret_df, NULL,
                       err);
}

Status store_weights(Store *store, const Slice *terms, size_t n, const char *language,
                     const StoreScope *scope, double *ret_weights, Err *err) {
    return weigh_terms(store, terms, n, has_parts(store, language), scope, NULL, ret_weights, err);
}
