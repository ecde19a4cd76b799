/* The terms of a passage, each once, grouped by frequency: the form in which the lexical index
 * takes them (fts.c has the reason). Counting is a small hash table over a byte buffer, both kept
 * from passage to passage.
 *
 * Bytes: varint n_words, then for each frequency that occurs, ascending:
 *     varint tf (1..16), varint n_bytes, n_bytes of terms, each ended by 0x1F but the last.
 * n_words is the length that BM25 divides by: words (colocated terms are not counted again) of the
 * text, plus STORE_TITLE_WEIGHT times those of title and heading. */
#include "store/store_internal.h"

#include "base/utf8.h"

/* A question's exact word beside its stem: it prefers "elections" to "elected" among passages that
 * the stem finds, without outweighing a second word of the question. Recall@1 on SQuAD-it and the
 * German XQuAD: 73.1 and 90.0 at 0, 74.2 and 90.0 at 0.2, 74.3 and 88.8 at 0.6. */
#define STORE_EXACT_WEIGHT 0.2

typedef struct Entry {
    uint32_t hash, offset, n, tf;
} Entry;

struct StoreTerms {
    const StoreTokenizer *tokenizer;
    void *instance;
    Buf bytes; /* the terms, one after another */
    Entry *entries;
    size_t n_entries, entries_capacity;
    uint32_t *table;                   /* index of the entry + 1; 0 = free */
    size_t table_size, table_capacity; /* power of two, at least twice n_entries */
    uint64_t n_words;
    uint32_t weight; /* of the terms being counted */
};

StoreTerms *store_terms_new(const StoreTokenizer *tokenizer) {
    StoreTerms *terms = mem_alloc(1, sizeof *terms);
    if (!terms) return NULL;
    terms->tokenizer = tokenizer;
    terms->instance = tokenizer->new_instance();
    if (!terms->instance) return store_terms_free(terms);
    return terms;
}

StoreTerms *store_terms_free(StoreTerms *terms) {
    if (!terms) return NULL;
    if (terms->instance) terms->tokenizer->free_instance(terms->instance);
    buf_deinit(&terms->bytes);
    free(terms->entries);
    free(terms->table);
    free(terms);
    return NULL;
}

/* The same cut for documents and questions. False for what cannot be a term. */
bool store_term_cut(Slice term, Slice *ret) {
    if (term.n > STORE_TERM_MAX_BYTES) term.n = utf8_floor(term, STORE_TERM_MAX_BYTES);
    if (!term.n) return false;
    for (size_t i = 0; i < term.n; i++) {
        if ((unsigned char)term.p[i] < 0x20) return false; /* would be taken for a separator */
    }
    *ret = term;
    return true;
}

static bool table_make_room(StoreTerms *terms) {
    if (terms->table_size && (terms->n_entries + 1) * 2 <= terms->table_size) return true;
    size_t size = terms->table_size ? terms->table_size * 2 : 1024;
    if (!mem_grow((void **)&terms->table, &terms->table_capacity, size, sizeof *terms->table)) {
        return false;
    }
    terms->table_size = size;
    memset(terms->table, 0, size * sizeof *terms->table);
    for (size_t i = 0; i < terms->n_entries; i++) {
        size_t slot = terms->entries[i].hash & (size - 1);
        while (terms->table[slot]) slot = (slot + 1) & (size - 1);
        terms->table[slot] = (uint32_t)(i + 1);
    }
    return true;
}

static Status term_count(void *context, Slice term, size_t start, size_t end, bool colocated) {
    StoreTerms *terms = context;
    (void)start, (void)end;
    if (!colocated) terms->n_words += terms->weight;
    if (!store_term_cut(term, &term)) return STATUS_OK;
    if (!table_make_room(terms)) return STATUS_NO_MEMORY;
    uint32_t hash = (uint32_t)hash_mix64(term, 0);
    size_t mask = terms->table_size - 1, slot = hash & mask;
    for (; terms->table[slot]; slot = (slot + 1) & mask) {
        Entry *e = &terms->entries[terms->table[slot] - 1];
        if (e->hash == hash && e->n == term.n &&
            memcmp(terms->bytes.p + e->offset, term.p, term.n) == 0) {
            e->tf = MIN(e->tf + terms->weight, (uint32_t)STORE_TF_MAX);
            return STATUS_OK;
        }
    }
    if (terms->bytes.n > UINT32_MAX - STORE_TERM_MAX_BYTES) return STATUS_TOO_LARGE;
    if (!mem_grow((void **)&terms->entries, &terms->entries_capacity, terms->n_entries + 1,
                  sizeof *terms->entries)) {
        return STATUS_NO_MEMORY;
    }
    terms->entries[terms->n_entries++] = (Entry){ hash, (uint32_t)terms->bytes.n, (uint32_t)term.n,
                                                  MIN(terms->weight, (uint32_t)STORE_TF_MAX) };
    terms->table[slot] = (uint32_t)terms->n_entries;
    buf_append_slice(&terms->bytes, term);
    return terms->bytes.failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static void terms_clear(StoreTerms *terms) {
    buf_clear(&terms->bytes);
    terms->n_entries = 0;
    terms->n_words = 0;
    if (terms->table) memset(terms->table, 0, terms->table_size * sizeof *terms->table);
}

static void terms_write(const StoreTerms *terms, Buf *ret) {
    size_t n_bytes[STORE_TF_MAX + 1] = { 0 };
    for (size_t i = 0; i < terms->n_entries; i++) {
        n_bytes[terms->entries[i].tf] += terms->entries[i].n + 1;
    }
    buf_append_varint(ret, terms->n_words);
    for (uint32_t tf = 1; tf <= STORE_TF_MAX; tf++) {
        if (!n_bytes[tf]) continue;
        buf_append_varint(ret, tf);
        buf_append_varint(ret, n_bytes[tf] - 1);
        bool first = true;
        for (size_t i = 0; i < terms->n_entries; i++) {
            const Entry *e = &terms->entries[i];
            if (e->tf != tf) continue;
            if (!first) buf_append_byte(ret, STORE_TERM_END);
            first = false;
            buf_append(ret, terms->bytes.p + e->offset, e->n);
        }
    }
}

static Status count_all(StoreTerms *terms, Slice title, Slice heading, Slice text,
                        const char *language) {
    const struct {
        Slice text;
        uint32_t weight;
    } parts[] = { { title, STORE_TITLE_WEIGHT }, { heading, STORE_TITLE_WEIGHT }, { text, 1 } };
    for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
        terms->weight = parts[i].weight;
        if (!parts[i].text.n) continue;
        TRY(terms->tokenizer->each(terms->instance, parts[i].text, language, false, term_count,
                                   terms));
    }
    return STATUS_OK;
}

Status store_terms_build(StoreTerms *terms, Slice title, Slice heading, Slice text,
                         const char *language, Buf *ret, Err *err) {
    terms_clear(terms);
    Status status = count_all(terms, title, heading, text, language ? language : "");
    if (status != STATUS_OK) {
        return err_set(err, status < 0 ? status : STATUS_INTERNAL, "terms of a passage: %s",
                       fonte_status_text(status));
    }
    terms_write(terms, ret);
    return buf_status(ret, err);
}

Status store_terms_read(Slice *terms, uint64_t *ret_n_words, Err *err) {
    uint64_t n;
    if (!slice_take_varint(terms, &n) || n > INT32_MAX) {
        return err_set(err, STATUS_DAMAGED, "terms of a passage: no length");
    }
    *ret_n_words = n;
    return STATUS_OK;
}

Status store_terms_next(Slice *terms, StoreTermsGroup *ret, Err *err) {
    if (!terms->n) return STATUS_END;
    uint64_t tf, n;
    if (!slice_take_varint(terms, &tf) || !slice_take_varint(terms, &n) || tf < 1 ||
        tf > STORE_TF_MAX || n < 1 || n > terms->n) {
        return err_set(err, STATUS_DAMAGED,
                       "terms of a passage: not as store_terms_build wrote it");
    }
    *ret = (StoreTermsGroup){ (unsigned)tf, { terms->p, (size_t)n } };
    *terms = slice_skip(*terms, (size_t)n);
    return STATUS_OK;
}

/* ---- questions ---- */

typedef struct Question {
    Arena *arena;
    StoreQueryTerm *terms; /* [STORE_QUESTION_TERMS] */
    size_t n;
    Slice group[16]; /* terms of the word being read */
    size_t n_group;
} Question;

static void question_add(Question *q, Slice text, double weight) {
    for (size_t i = 0; i < q->n; i++) {
        if (!slice_equal(q->terms[i].text, text)) continue;
        q->terms[i].weight += weight;
        return;
    }
    if (q->n < STORE_QUESTION_TERMS) q->terms[q->n++] = (StoreQueryTerm){ text, weight };
}

static void question_end_group(Question *q) {
    for (size_t i = 0; i < q->n_group; i++) {
        question_add(q, q->group[i], i + 1 == q->n_group ? 1 : STORE_EXACT_WEIGHT);
    }
    q->n_group = 0;
}

static Status question_take(void *context, Slice term, size_t start, size_t end, bool colocated) {
    Question *q = context;
    (void)start, (void)end;
    if (!colocated) question_end_group(q);
    if (q->n == STORE_QUESTION_TERMS) return STATUS_END;
    if (!store_term_cut(term, &term) || q->n_group == N_ELEMENTS(q->group)) return STATUS_OK;
    char *copy = arena_string(q->arena, term);
    if (!copy) return STATUS_NO_MEMORY;
    q->group[q->n_group++] = (Slice){ copy, term.n };
    return STATUS_OK;
}

Status store_terms_question(StoreTerms *terms, Slice question, const char *language, Arena *arena,
                            StoreQueryTerm **ret, size_t *ret_n, Err *err) {
    Question q = { .arena = arena,
                   .terms = arena_alloc(arena, STORE_QUESTION_TERMS, sizeof(StoreQueryTerm)) };
    if (!q.terms) return err_set(err, STATUS_NO_MEMORY, "terms of the question: out of memory");
    Status status = terms->tokenizer->each(terms->instance, question, language ? language : "",
                                           true, question_take, &q);
    if (status != STATUS_OK && status != STATUS_END) {
        return err_set(err, status < 0 ? status : STATUS_INTERNAL, "terms of the question: %s",
                       fonte_status_text(status));
    }
    question_end_group(&q);
    *ret = q.terms;
    *ret_n = q.n;
    return STATUS_OK;
}
