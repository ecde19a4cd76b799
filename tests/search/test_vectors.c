/* Vectors in memory: flat is exact, inverted lists are nearly so, and both obey their scope. */
#include "search/vectors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DIM = 64 };

/* Directions that repeat: vector i of family i % 100 is that family's direction and some noise. */
static void make_vector(int64_t id, float ret[DIM]) {
    uint64_t family = (uint64_t)(id % 100) * 2654435761u + 1, own = (uint64_t)id * 40503u + 7;
    double square = 0;
    for (size_t i = 0; i < DIM; i++) {
        family = family * 6364136223846793005u + 1442695040888963407u;
        own = own * 6364136223846793005u + 1442695040888963407u;
        double a = (double)(int32_t)(family >> 32) / 2147483648.0;
        double b = (double)(int32_t)(own >> 32) / 2147483648.0;
        ret[i] = (float)(a + 0.4 * b);
        square += (double)ret[i] * (double)ret[i];
    }
    for (size_t i = 0; i < DIM; i++) ret[i] = (float)((double)ret[i] / sqrt(square));
}

static float *make_vectors(const int64_t *ids, size_t n) {
    float *x = malloc(n * DIM * sizeof *x);
    for (size_t i = 0; i < n; i++) make_vector(ids[i], x + i * DIM);
    return x;
}

static int64_t *ids_from(int64_t first, size_t n) {
    int64_t *ids = malloc(n * sizeof *ids);
    for (size_t i = 0; i < n; i++) ids[i] = first + (int64_t)i;
    return ids;
}

static void add(Vectors *vectors, int64_t first, size_t n) {
    int64_t *ids = ids_from(first, n);
    float *x = make_vectors(ids, n);
    Err err = { 0 };
    cr_assert_eq(vectors_add(vectors, ids, x, n, &err), STATUS_OK, "%s", err.text);
    free(x);
    free(ids);
}

static void take_out(Vectors *vectors, int64_t first, size_t n) {
    int64_t *ids = ids_from(first, n);
    Err err = { 0 };
    cr_assert_eq(vectors_remove(vectors, ids, n, &err), STATUS_OK, "%s", err.text);
    free(ids);
}

static Vectors *new_flat(size_t n) {
    Vectors *vectors;
    Err err = { 0 };
    cr_assert_eq(vectors_new_flat(DIM, &vectors, &err), STATUS_OK, "%s", err.text);
    if (n) add(vectors, 1, n);
    return vectors;
}

static Vectors *new_ivf(size_t n) {
    int64_t *ids = ids_from(1, n);
    float *x = make_vectors(ids, n);
    Vectors *vectors;
    Err err = { 0 };
    cr_assert_eq(vectors_new_ivf(DIM, n, x, n, &vectors, &err), STATUS_OK, "%s", err.text);
    free(x);
    free(ids);
    add(vectors, 1, n);
    return vectors;
}

static size_t search(Vectors *vectors, int64_t like, size_t k, const VectorsScope *scope,
                     VectorsHit *ret) {
    float query[DIM];
    make_vector(like, query);
    size_t n = SIZE_MAX;
    Err err = { 0 };
    cr_assert_eq(vectors_search(vectors, query, k, 0, scope, ret, &n, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_leq(n, k);
    for (size_t i = 1; i < n; i++) cr_assert_geq(ret[i - 1].score, ret[i].score);
    return n;
}

/* A scope that holds the multiples of `step` up to `last`. */
typedef struct Scope {
    VectorsScope scope;
    uint8_t bits[8192];
} Scope;

static const VectorsScope *every(Scope *s, size_t step, size_t last) {
    *s = (Scope){ .scope = { .n_bytes = last / 8 + 1 } };
    s->scope.bitmap = s->bits;
    for (size_t id = step; id <= last; id += step) {
        s->bits[id / 8] |= (uint8_t)(1u << (id % 8));
        s->scope.n_ids++;
    }
    return &s->scope;
}

/* ---- flat ---- */

Test(search_vectors, flat_finds_exactly_the_nearest) {
    enum { N = 1000, K = 20 };
    Vectors *vectors = new_flat(N);
    cr_assert_eq(vectors_kind(vectors), VECTORS_FLAT);
    cr_assert_eq(vectors_dim(vectors), DIM);
    cr_assert_eq(vectors_lists(vectors), 0);
    cr_assert_eq(vectors_count(vectors), N);
    for (int64_t like = 1; like <= 20; like++) {
        VectorsHit hits[K];
        cr_assert_eq(search(vectors, like, K, NULL, hits), K);
        cr_assert_eq(hits[0].id, like);
        cr_assert_float_eq(hits[0].score, 1.0f, 1e-5f);
        float query[DIM], x[DIM];
        make_vector(like, query);
        size_t n_better = 0;
        for (int64_t id = 1; id <= N; id++) {
            make_vector(id, x);
            float score = 0;
            for (size_t i = 0; i < DIM; i++) score += query[i] * x[i];
            n_better += score > hits[K - 1].score + 1e-5f;
        }
        cr_assert_lt(n_better, K, "none that is nearer is left out");
    }
    vectors_free(vectors);
}

Test(search_vectors, fewer_than_asked_for_are_all) {
    Vectors *vectors = new_flat(3);
    VectorsHit hits[10];
    cr_assert_eq(search(vectors, 2, 10, NULL, hits), 3);
    cr_assert_eq(search(vectors, 2, 0, NULL, hits), 0);
    vectors_free(vectors);
    vectors = new_flat(0);
    cr_assert_eq(search(vectors, 2, 10, NULL, hits), 0);
    cr_assert_eq(vectors_count(vectors), 0);
    vectors_free(vectors);
}

Test(search_vectors, a_zero_query_finds_nothing_near) {
    Vectors *vectors = new_flat(10);
    float query[DIM] = { 0 };
    VectorsHit hits[10];
    size_t n;
    cr_assert_eq(vectors_search(vectors, query, 10, 0, NULL, hits, &n, NULL), STATUS_OK);
    for (size_t i = 0; i < n; i++) cr_assert_eq(hits[i].score, 0.0f);
    vectors_free(vectors);
}

/* ---- inverted lists ---- */

Test(search_vectors, lists_grow_with_the_root_of_the_number) {
    cr_assert_eq(vectors_lists_for(0), 16);
    cr_assert_eq(vectors_lists_for(10000), 400);
    cr_assert_eq(vectors_lists_for(100000), 1264);
    cr_assert_eq(vectors_lists_for(SIZE_MAX / 1024), 4096);
}

Test(search_vectors, inverted_lists_find_nearly_what_flat_finds) {
    enum { N = 6000, K = 10 };
    Vectors *flat = new_flat(N), *ivf = new_ivf(N);
    cr_assert_eq(vectors_kind(ivf), VECTORS_IVF);
    cr_assert_eq(vectors_lists(ivf), vectors_lists_for(N));
    cr_assert_eq(vectors_count(ivf), N);
    size_t n_common = 0;
    for (int64_t like = 1; like <= 100; like++) {
        VectorsHit exact[K], near[K];
        cr_assert_eq(search(flat, like, K, NULL, exact), K);
        cr_assert_eq(search(ivf, like, K, NULL, near), K);
        cr_assert_eq(near[0].id, like);
        cr_assert_float_eq(near[0].score, 1.0f, 0.02f);
        for (size_t i = 0; i < K; i++) {
            for (size_t j = 0; j < K; j++) n_common += exact[i].id == near[j].id;
        }
    }
    cr_assert_geq(n_common, 900, "%zu of 1,000", n_common);
    vectors_free(flat);
    vectors_free(ivf);
}

Test(search_vectors, too_few_to_train_on_are_refused) {
    int64_t *ids = ids_from(1, VECTORS_MIN_SAMPLE);
    float *x = make_vectors(ids, VECTORS_MIN_SAMPLE);
    Vectors *vectors = NULL;
    Err err = { 0 };
    cr_assert_eq(vectors_new_ivf(DIM, 1000, x, VECTORS_MIN_SAMPLE - 1, &vectors, &err),
                 STATUS_INVALID);
    cr_assert_null(vectors);
    cr_assert_eq(vectors_new_ivf(DIM, 1000, x, VECTORS_MIN_SAMPLE, &vectors, &err), STATUS_OK, "%s",
                 err.text);
    vectors_free(vectors);
    free(x);
    free(ids);
}

/* ---- both ---- */

static Vectors *new_of(VectorsKind kind, size_t n) {
    return kind == VECTORS_FLAT ? new_flat(n) : new_ivf(n);
}
static const VectorsKind kinds[] = { VECTORS_FLAT, VECTORS_IVF };

Test(search_vectors, only_what_is_in_scope_is_found) {
    enum { N = 5000 };
    for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
        Vectors *vectors = new_of(kinds[kind], N);
        Scope scope;
        const size_t steps[] = { 1, 2, 7, 1000 };
        for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
            VectorsHit hits[100];
            size_t n = search(vectors, 77, 100, every(&scope, steps[i], N), hits);
            cr_assert_eq(n, MIN(100, N / steps[i]), "step %zu: %zu", steps[i], n);
            for (size_t j = 0; j < n; j++) cr_assert_eq((size_t)hits[j].id % steps[i], 0);
        }
        vectors_free(vectors);
    }
}

Test(search_vectors, the_best_in_a_scope_is_found_however_far_it_is) {
    enum { N = 5000 };
    for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
        Vectors *vectors = new_of(kinds[kind], N);
        for (int64_t id = 3; id <= N; id += 499) {
            Scope scope = { .scope = { .n_bytes = N / 8 + 1, .n_ids = 1 } };
            scope.scope.bitmap = scope.bits;
            scope.bits[id / 8] = (uint8_t)(1u << (id % 8));
            VectorsHit hits[10];
            cr_assert_eq(search(vectors, id + 50, 10, &scope.scope, hits), 1);
            cr_assert_eq(hits[0].id, id);
        }
        vectors_free(vectors);
    }
}

Test(search_vectors, an_empty_scope_finds_nothing_and_ids_past_the_bitmap_are_out) {
    for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
        Vectors *vectors = new_of(kinds[kind], 600);
        Scope scope;
        VectorsHit hits[10];
        cr_assert_eq(search(vectors, 5, 10, every(&scope, 1, 0), hits), 0);
        cr_assert_eq(search(vectors, 599, 10, every(&scope, 1, 7), hits), 7);
        for (size_t i = 0; i < 7; i++) cr_assert_leq(hits[i].id, 7);
        vectors_free(vectors);
    }
}

Test(search_vectors, what_is_removed_is_gone_and_the_rest_stays) {
    for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
        Vectors *vectors = new_of(kinds[kind], 1000);
        take_out(vectors, 101, 300);
        take_out(vectors, 350, 100);          /* half of them are gone already */
        take_out(vectors, 1000000000000, 10); /* never were there */
        take_out(vectors, 1, 0);
        cr_assert_eq(vectors_count(vectors), 651);
        for (int64_t like = 1; like <= 1000; like += 13) {
            VectorsHit hits[5];
            cr_assert_eq(search(vectors, like, 5, NULL, hits), 5);
            bool is_gone = like > 100 && like < 450;
            cr_assert_eq(hits[0].id == like, !is_gone, "id %d", (int)like);
            for (size_t i = 0; i < 5; i++) cr_assert(hits[i].id <= 100 || hits[i].id >= 450);
        }
        int64_t *ids;
        size_t n;
        cr_assert_eq(vectors_ids(vectors, &ids, &n, NULL), STATUS_OK);
        cr_assert_eq(n, 651);
        for (size_t i = 0; i < n; i++) cr_assert_eq(ids[i], (int64_t)(i < 100 ? i + 1 : i + 350));
        free(ids);
        take_out(vectors, 1, 1000);
        cr_assert_eq(vectors_count(vectors), 0);
        VectorsHit hit;
        cr_assert_eq(search(vectors, 1, 1, NULL, &hit), 0);
        add(vectors, 2000, 10);
        cr_assert_eq(search(vectors, 2005, 1, NULL, &hit), 1);
        cr_assert_eq(hit.id, 2005);
        vectors_free(vectors);
    }
}

/* Passage ids go up to 2^40: they must not be cut to 32 bits anywhere. */
Test(search_vectors, large_ids_stay_whole) {
    int64_t first = ((int64_t)1 << 40) - 300;
    for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
        Vectors *vectors = new_of(kinds[kind], 300);
        add(vectors, first, 300);
        VectorsHit hit;
        cr_assert_eq(search(vectors, first + 7, 1, NULL, &hit), 1);
        cr_assert_eq(hit.id, first + 7);
        take_out(vectors, first + 7, 1);
        cr_assert_eq(search(vectors, first + 7, 1, NULL, &hit), 1);
        cr_assert_neq(hit.id, first + 7);
        vectors_free(vectors);
    }
}

/* ---- files ---- */

static FILE *written(Vectors *vectors) {
    FILE *file = tmpfile();
    cr_assert(file);
    Err err = { 0 };
    cr_assert_eq(vectors_write(vectors, file, &err), STATUS_OK, "%s", err.text);
    rewind(file);
    return file;
}

Test(search_vectors, are_the_same_after_they_were_written_and_read) {
    for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
        Vectors *vectors = new_of(kinds[kind], 800), *again = NULL;
        take_out(vectors, 100, 100);
        FILE *file = written(vectors);
        Err err = { 0 };
        cr_assert_eq(vectors_read(file, DIM, kinds[kind], &again, &err), STATUS_OK, "%s", err.text);
        fclose(file);
        cr_assert_eq(vectors_kind(again), kinds[kind]);
        cr_assert_eq(vectors_lists(again), vectors_lists(vectors));
        cr_assert_eq(vectors_count(again), 700);
        for (int64_t like = 1; like <= 800; like += 31) {
            VectorsHit a[5], b[5];
            cr_assert_eq(search(vectors, like, 5, NULL, a), search(again, like, 5, NULL, b));
            for (size_t i = 0; i < 5; i++) {
                cr_assert_eq(a[i].id, b[i].id);
                cr_assert_eq(a[i].score, b[i].score);
            }
        }
        add(again, 5000, 5); /* and can be changed */
        take_out(again, 1, 5);
        cr_assert_eq(vectors_count(again), 700);
        vectors_free(vectors);
        vectors_free(again);
    }
}

Test(search_vectors, another_kind_or_dimension_is_damage) {
    for (size_t kind = 0; kind < N_ELEMENTS(kinds); kind++) {
        Vectors *vectors = new_of(kinds[kind], 300), *again = NULL;
        FILE *file = written(vectors);
        Err err = { 0 };
        cr_assert_eq(vectors_read(file, DIM, kinds[1 - kind], &again, &err), STATUS_DAMAGED);
        rewind(file);
        cr_assert_eq(vectors_read(file, DIM + 32, kinds[kind], &again, &err), STATUS_DAMAGED);
        cr_assert_null(again);
        fclose(file);
        vectors_free(vectors);
    }
}

Test(search_vectors, a_full_disk_is_an_error) {
    FILE *full = fopen("/dev/full", "wb");
    if (!full) cr_skip("no /dev/full");
    setbuf(full, NULL);
    Vectors *vectors = new_flat(100);
    Err err = { 0 };
    cr_assert_lt(vectors_write(vectors, full, &err), 0);
    cr_assert(strstr(err.text, "FAISS: write"), "%s", err.text);
    fclose(full);
    vectors_free(vectors);
}
