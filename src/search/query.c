/* A search: both lists, added up, the best of them read and ranked anew by how closely their words
 * stand together, then only as many kept as are wanted. Filters act inside both lists, before
 * anything is ranked: the lexical one takes the scope, the vectors get it as a bitmap of ids.
 * Passages that repeat one that is ranked higher are folded into it.
 *
 * The score that passages carry is absolute: 0-1, the share of what a passage could have that has
 * every word of the question in one sentence and points the same way.
 *
 * All reads of a search are of one commit. The vectors in memory may be a moment ahead of it or
 * behind: ids that it does not have are left out when passages are read. Were the passages of a
 * later commit than the scope, one of another collection could come through, as a scope that holds
 * all there is has no bitmap. */
#include "search/index_internal.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "search/closeness.h"
#include "search/fuse.h"

#include <string.h>

enum {
    K_DEFAULT = 8,
    MIN_CANDIDATES = 100,       /* taken from each list */
    CANDIDATES_PER_PASSAGE = 4, /* or so many times k */
    MIN_RANKED = 24,            /* read and ranked anew */
    RANKED_PER_PASSAGE = 2,     /* or so many times k */
};

/* In BM25 points: what a cosine of 1 is worth, and each point of idf by where it stands. Measured:
 * see docs/quality.md. */
static const double VECTOR_WEIGHT = 4, SENTENCE_WEIGHT = 0.5, PARAGRAPH_WEIGHT = 0.5,
                    PASSAGE_WEIGHT = 0.5;
/* Where words are matched by parts of words, a cosine of parts of words says little that is new: it
 * only orders what has the same words, or none. */
static const double UNSPACED_VECTOR_WEIGHT = 1;
/* The most that BM25 gives for one point of idf: k1 + 1. */
static const double LEXICAL_MOST = 2.2;

FontePassages *index_passages_free(FontePassages *passages) {
    if (!passages) return NULL;
    Passages *own = (Passages *)passages;
    arena_deinit(&own->arena);
    free(own);
    return NULL;
}

/* One search on its way. */
typedef struct Search {
    Index *index;
    Store *reader;
    IndexScratch *scratch;
    const FonteQuery *query;
    Slice question;
    size_t k, n_candidates;
    char language[LANGUAGE_BYTES];
    StoreScope scope;
    bool (*cancelled)(void *context);
    void *context;
    Arena arena; /* dies with the search */

    StoreHit *lexical;
    size_t n_lexical;
    VectorsHit *vector;
    size_t n_vector;
    FusedHit *fused;
    size_t n_fused;
    ClosenessQuestion *closeness; /* owned; NULL = by vector alone */
    Passages *result;
} Search;

static Status check_cancelled(const Search *s, Err *err) {
    if (!s->cancelled || !s->cancelled(s->context)) return STATUS_OK;
    return err_set(err, STATUS_CANCELLED, "the search was cancelled");
}

static double ms_since(int64_t start_us) {
    return (double)(clock_us() - start_us) / 1000.0;
}

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "out of memory for a search");
}

/* ---- the question ---- */

static Status check_query(const FonteQuery *query, Search *s, Err *err) {
    size_t n = query->text ? strnlen(query->text, INDEX_QUESTION_MAX_BYTES + 1) : 0;
    if (n > INDEX_QUESTION_MAX_BYTES) {
        return err_set_param(err, STATUS_TOO_LARGE, "question",
                             "the question is longer than %d bytes", INDEX_QUESTION_MAX_BYTES);
    }
    s->question = slice_trim((Slice){ query->text, n });
    if (s->question.n == 0) {
        return err_set_param(err, STATUS_INVALID, "question", "the question is empty");
    }
    if (utf8_valid_length(s->question) != s->question.n) {
        return err_set_param(err, STATUS_INVALID, "question", "the question is not UTF-8");
    }
    if (query->k > INDEX_MAX_PASSAGES) {
        return err_set_param(err, STATUS_TOO_LARGE, "k", "more than %d passages are not given",
                             INDEX_MAX_PASSAGES);
    }
    s->query = query;
    s->k = query->k ? query->k : K_DEFAULT;
    s->n_candidates = MAX(MIN_CANDIDATES, s->k * CANDIDATES_PER_PASSAGE);
    s->scope.filters = query->filters;
    return index_check_collection(query->collection, &s->scope.collection, err);
}

/* The language that is said, else guessed. */
static Status find_language(Search *s, Err *err) {
    const char *given = s->query->language;
    if (!given || !given[0]) {
        language_guess(s->question, "", s->language);
        return STATUS_OK;
    }
    language_parse(slice_of(given), s->language);
    if (s->language[0]) return STATUS_OK;
    return err_set_param(err, STATUS_INVALID, "language", "\"%.32s\" is no language", given);
}

/* ---- the two lists ---- */

static Status search_lexical(Search *s, Err *err) {
    int64_t start = clock_us();
    TRY(store_lexical(s->reader, s->question, s->language, &s->scope, s->n_candidates, &s->arena,
                      &s->lexical, &s->n_lexical, err));
    s->result->list.times.lexical_ms = ms_since(start);
    return STATUS_OK;
}

static Status scope_bitmap(Search *s, VectorsScope *ret, Err *err) {
    StoreIds ids = { 0 };
    Status status = store_scope_ids(s->reader, &s->scope, &ids, err);
    if (status == STATUS_UNCHANGED)
        status = STATUS_OK; /* all: no bitmap */
    else if (status == STATUS_OK) {
        size_t n_bytes = ids.n ? (size_t)(ids.ids[ids.n - 1] / 8 + 1) : 1;
        uint8_t *bitmap = arena_alloc(&s->arena, n_bytes, 1);
        if (!bitmap) status = no_memory(err);
        for (size_t i = 0; bitmap && i < ids.n; i++) {
            bitmap[ids.ids[i] / 8] |= (uint8_t)(1u << (ids.ids[i] % 8));
        }
        *ret = (VectorsScope){ bitmap, n_bytes, ids.n };
    }
    free(ids.ids);
    return status;
}

static Status embed_question(Search *s, const Embedder *embedder, float *x, Err *err) {
    int64_t start = clock_us();
    void *own;
    Status status = index_scratch_embedder(s->scratch, embedder, &own, err);
    EmbedText text = { .text = s->question, .language = s->language, .is_query = true };
    if (status == STATUS_OK) status = embedder->embed(embedder, own, &text, x, err);
    s->result->list.times.embed_ms = ms_since(start);
    return status;
}

static Status search_live_locked(Search *s, const VectorsScope *scope, Err *err) {
    const IndexLive *live = &s->index->live;
    float *x = arena_alloc(&s->arena, live->embedder->embedder->dim, sizeof *x);
    if (!x) return no_memory(err);
    TRY(embed_question(s, live->embedder->embedder, x, err));
    return vectors_search(live->vectors, x, s->n_candidates, 0, scope, s->vector, &s->n_vector,
                          err);
}

static Status search_vector(Search *s, Err *err) {
    int64_t start = clock_us();
    VectorsScope scope = { 0 };
    TRY(scope_bitmap(s, &scope, err));
    s->vector = arena_alloc(&s->arena, s->n_candidates, sizeof *s->vector);
    if (!s->vector) return no_memory(err);
    pthread_rwlock_rdlock(&s->index->live_lock);
    Status status = search_live_locked(s, &scope, err);
    pthread_rwlock_unlock(&s->index->live_lock);
    FonteStageTimes *times = &s->result->list.times;
    times->vector_ms = MAX(0, ms_since(start) - times->embed_ms);
    /* What points away from the question has nothing to do with it. */
    while (status == STATUS_OK && s->n_vector && s->vector[s->n_vector - 1].score <= 0) {
        s->n_vector--;
    }
    return status;
}

/* BM25 points that a cosine of 1 is worth. */
static double vector_weight(const Search *s) {
    if (s->query->mode == FONTE_VECTOR) return 1;
    return language_is_unspaced(s->language) ? UNSPACED_VECTOR_WEIGHT : VECTOR_WEIGHT;
}

static Status fuse(Search *s, Err *err) {
    int64_t start = clock_us();
    s->fused = arena_alloc(&s->arena, s->n_lexical + s->n_vector, sizeof *s->fused);
    if (!s->fused) return no_memory(err);
    s->n_fused =
        fuse_lists(s->lexical, s->n_lexical, s->vector, s->n_vector, vector_weight(s), s->fused);
    s->result->list.times.fuse_ms = ms_since(start);
    return STATUS_OK;
}

/* ---- passages ---- */

typedef struct Ranked {
    FontePassage passage;
    size_t place; /* in the fused list, for ties */
} Ranked;

static int by_score(const void *a, const void *b) {
    const Ranked *x = a, *y = b;
    if (x->passage.score != y->passage.score) return x->passage.score < y->passage.score ? 1 : -1;
    return (x->place > y->place) - (x->place < y->place);
}

static Status rank_passage(Search *s, const FusedHit *hit, FontePassage *p, Err *err) {
    p->lexical_score = hit->lexical_score;
    p->vector_score = hit->vector_score;
    p->lexical_rank = hit->lexical_rank;
    p->vector_rank = hit->vector_rank;
    p->n_folded = 0;
    p->score = hit->score;
    if (!s->closeness) return STATUS_OK;
    double total = closeness_question_total(s->closeness);
    double most = total * LEXICAL_MOST + (s->query->mode == FONTE_HYBRID ? vector_weight(s) : 0);
    if (!language_is_unspaced(s->language)) {
        Closeness c;
        TRY(closeness_measure(s->closeness, slice_of(p->text), p->language, &c, err));
        p->score += SENTENCE_WEIGHT * c.sentence + PARAGRAPH_WEIGHT * c.paragraph +
                    PASSAGE_WEIGHT * c.passage;
        most += total * (SENTENCE_WEIGHT + PARAGRAPH_WEIGHT + PASSAGE_WEIGHT);
    }
    p->score = most > 0 ? MIN(1.0, p->score / most) : 0;
    return STATUS_OK;
}

/* Read n fused hits and rank them. */
static Status read_ranked(Search *s, size_t from, size_t n, Ranked **ret, size_t *ret_n, Err *err) {
    int64_t *ids = arena_alloc(&s->arena, n, sizeof *ids);
    Ranked *ranked = arena_alloc(&s->arena, n, sizeof *ranked);
    if (!ids || !ranked) return no_memory(err);
    for (size_t i = 0; i < n; i++) ids[i] = s->fused[from + i].passage;
    FontePassage *passages;
    int64_t *found;
    size_t n_found, n_ranked = 0;
    TRY(store_passages(s->reader, ids, n, &s->result->arena, &passages, &found, &n_found, err));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n_found; j++) {
            if (found[j] != ids[i]) continue;
            TRY(rank_passage(s, &s->fused[from + i], &passages[j], err));
            ranked[n_ranked++] = (Ranked){ passages[j], from + i };
            break;
        }
    }
    qsort(ranked, n_ranked, sizeof *ranked, by_score);
    *ret = ranked;
    *ret_n = n_ranked;
    return STATUS_OK;
}

/* Fold text into one of the passages kept so far; false where it repeats none of them. */
static bool fold_into_kept(Search *s, const FuseSketch *sketches, const FuseSketch *sketch) {
    for (size_t i = 0; i < s->result->list.n_passages; i++) {
        if (fuse_is_near_duplicate(&sketches[i], sketch)) {
            s->result->list.passages[i].n_folded++;
            return true;
        }
    }
    return false;
}

static Status keep_passage(Search *s, FuseSketch *sketches, const FontePassage *passage, Err *err) {
    FontePassages *list = &s->result->list;
    FuseSketch sketch;
    TRY(fuse_sketch_init(slice_of(passage->text), &sketch, err));
    if (fold_into_kept(s, sketches, &sketch)) {
        fuse_sketch_deinit(&sketch);
        return STATUS_OK;
    }
    /* What was ranked in a later lot is not above what was kept before. */
    double limit = list->n_passages ? list->passages[list->n_passages - 1].score : passage->score;
    sketches[list->n_passages] = sketch;
    list->passages[list->n_passages] = *passage;
    list->passages[list->n_passages++].score = MIN(passage->score, limit);
    return STATUS_OK;
}

static Status read_some(Search *s, size_t from, size_t n, FuseSketch *sketches, Err *err) {
    Ranked *ranked = NULL;
    size_t n_ranked = 0;
    TRY(read_ranked(s, from, n, &ranked, &n_ranked, err));
    for (size_t i = 0; i < n_ranked && s->result->list.n_passages < s->k; i++) {
        TRY(keep_passage(s, sketches, &ranked[i].passage, err));
    }
    return STATUS_OK;
}

static Status read_origins(Search *s, Err *err) {
    for (size_t i = 0; i < s->result->list.n_passages; i++) {
        FontePassage *p = &s->result->list.passages[i];
        TRY(index_origin_of(s->reader, p->document, p->start, p->end, &s->arena, &p->origin_start,
                            &p->origin_end, err));
    }
    return STATUS_OK;
}

static Status read_passages(Search *s, Err *err) {
    int64_t start = clock_us();
    s->result->list.passages =
        arena_alloc(&s->result->arena, s->k, sizeof *s->result->list.passages);
    FuseSketch *sketches = arena_alloc(&s->arena, s->k, sizeof *sketches);
    if (!s->result->list.passages || !sketches) return no_memory(err);
    Status status = STATUS_OK;
    size_t n = MAX(MIN_RANKED, s->k * RANKED_PER_PASSAGE);
    for (size_t from = 0; from < s->n_fused && s->result->list.n_passages < s->k; from += n) {
        status = check_cancelled(s, err);
        if (status != STATUS_OK) break;
        status = read_some(s, from, MIN(n, s->n_fused - from), sketches, err);
        if (status != STATUS_OK) break;
    }
    for (size_t i = 0; i < s->result->list.n_passages; i++) fuse_sketch_deinit(&sketches[i]);
    if (status == STATUS_OK) status = read_origins(s, err);
    s->result->list.times.read_ms = ms_since(start);
    return status;
}

/* ---- the interface ---- */

static Status embed_locked(Index *index, const EmbedText *text, Arena *arena, float **ret,
                           size_t *ret_dim, Err *err) {
    const Embedder *embedder = index->live.embedder->embedder;
    IndexScratch *scratch = index_scratch_take(index, err);
    void *own = NULL;
    float *x = arena_alloc(arena, embedder->dim, sizeof *x);
    Status status =
        scratch && x ? index_scratch_embedder(scratch, embedder, &own, err) : no_memory(err);
    if (status == STATUS_OK) status = embedder->embed(embedder, own, text, x, err);
    index_scratch_give(index, scratch);
    if (status != STATUS_OK) return status;
    *ret = x;
    *ret_dim = embedder->dim;
    return STATUS_OK;
}

Status index_vector_of(Index *index, Slice text, const char *language, bool is_query, Arena *arena,
                       float **ret, size_t *ret_dim, Err *err) {
    char guessed[LANGUAGE_BYTES];
    if (!language || !*language) {
        language_guess(text, "", guessed);
        language = guessed;
    }
    EmbedText t = { .text = text, .language = language, .is_query = is_query };
    pthread_rwlock_rdlock(&index->live_lock);
    Status status = embed_locked(index, &t, arena, ret, ret_dim, err);
    pthread_rwlock_unlock(&index->live_lock);
    return status;
}

static Status search(Search *s, Err *err) {
    int64_t start = clock_us();
    TRY(find_language(s, err));
    if (s->query->mode != FONTE_VECTOR) TRY(search_lexical(s, err));
    TRY(check_cancelled(s, err));
    if (s->query->mode != FONTE_LEXICAL) TRY(search_vector(s, err));
    TRY(check_cancelled(s, err));
    TRY(fuse(s, err));
    if (s->query->mode != FONTE_VECTOR) {
        TRY(closeness_question_new(s->scratch->words, s->question, s->language, s->reader,
                                   &s->scope, &s->closeness, err));
    }
    TRY(read_passages(s, err));
    s->result->list.language = arena_string(&s->result->arena, slice_of(s->language));
    if (!s->result->list.language) return no_memory(err);
    s->result->list.times.total_ms = ms_since(start);
    return STATUS_OK;
}

Status index_search(Index *index, const FonteQuery *query, bool (*cancelled)(void *context),
                    void *context, FontePassages **ret, Err *err) {
    Search s = { .index = index, .cancelled = cancelled, .context = context };
    TRY(check_query(query, &s, err));
    s.result = mem_alloc(1, sizeof *s.result);
    if (!s.result) return no_memory(err);
    s.scratch = index_scratch_take(index, err);
    s.reader = index_reader_take(index);
    Status status = s.scratch ? store_read_begin(s.reader, err) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        status = search(&s, err);
        store_read_end(s.reader);
    }
    index_reader_give(index, s.reader);
    index_scratch_give(index, s.scratch);
    closeness_question_free(s.closeness);
    arena_deinit(&s.arena);
    if (status != STATUS_OK) {
        index_passages_free(&s.result->list);
        return status;
    }
    *ret = &s.result->list;
    return STATUS_OK;
}
