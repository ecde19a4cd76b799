/* Embedders by name, and vectors as the store keeps them. */
#include "search/embedder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static Embedder *by_name(const char *name) {
    Embedder *embedder = NULL;
    Err err = { 0 };
    Status status = embedder_by_name(name, &embedder, &err);
    cr_assert_eq(status, STATUS_OK, "%s: %s", name, err.text);
    return embedder;
}

Test(search_embedder, the_default_needs_no_name) {
    const char *names[] = { NULL, "", EMBEDDER_DEFAULT };
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        Embedder *embedder = by_name(names[i]);
        cr_assert_str_eq(embedder->name, "hash-1-256");
        cr_assert_eq(embedder->dim, 256);
        embedder->free(embedder);
    }
}

Test(search_embedder, a_name_tells_algorithm_version_and_dimension) {
    const struct {
        const char *name;
        size_t dim;
    } rows[] = { { "hash-1-64", 64 }, { "hash-1-96", 96 }, { "hash-1-2048", 2048 } };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        Embedder *embedder = by_name(rows[i].name);
        cr_assert_str_eq(embedder->name, rows[i].name);
        cr_assert_eq(embedder->dim, rows[i].dim);
        embedder->free(embedder);
    }
}

/* One embedder must not have two names: vectors are compared by name. */
Test(search_embedder, other_names_are_refused) {
    const struct {
        const char *name;
        Status status;
    } rows[] = {
        { "hash-1", STATUS_UNSUPPORTED },      { "hash-1-", STATUS_UNSUPPORTED },
        { "hash-2-256", STATUS_UNSUPPORTED },  { "hash-1-0256", STATUS_UNSUPPORTED },
        { "hash-1-+256", STATUS_UNSUPPORTED }, { "hash-1- 256", STATUS_UNSUPPORTED },
        { "hash-1-256 ", STATUS_UNSUPPORTED }, { "hash-1-256.gguf", STATUS_UNSUPPORTED },
        { "hash-1--256", STATUS_UNSUPPORTED }, { "hash-1-99999999999", STATUS_UNSUPPORTED },
        { "minilm", STATUS_UNSUPPORTED },      { "hash-1-0", STATUS_INVALID },
        { "hash-1-32", STATUS_INVALID },       { "hash-1-100", STATUS_INVALID },
        { "hash-1-2080", STATUS_INVALID },     { "hash-1-99999", STATUS_INVALID },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        Embedder *embedder = NULL;
        Err err = { 0 };
        Status status = embedder_by_name(rows[i].name, &embedder, &err);
        cr_assert_eq(status, rows[i].status, "%s: %d", rows[i].name, status);
        cr_assert_str_eq(err.param, "embedder");
        cr_assert_null(embedder);
    }
}

/* ---- packing ---- */

Test(search_embedder, the_largest_component_becomes_127) {
    const float vector[] = { 0.5f, -1.0f, 0.25f, 0.0f, 0.00393f, -0.00393f };
    int8_t packed[N_ELEMENTS(vector)];
    embedder_pack(vector, N_ELEMENTS(vector), packed);
    const int8_t expected[] = { 64, -127, 32, 0, 0, 0 };
    cr_assert_arr_eq(packed, expected, sizeof expected);
}

Test(search_embedder, halves_are_rounded_away_from_zero) {
    const float vector[] = { 127.0f, 1.5f, -1.5f, 2.5f, -2.5f, 0.5f, -0.5f };
    int8_t packed[N_ELEMENTS(vector)];
    embedder_pack(vector, N_ELEMENTS(vector), packed);
    const int8_t expected[] = { 127, 2, -2, 3, -3, 1, -1 };
    cr_assert_arr_eq(packed, expected, sizeof expected);
}

Test(search_embedder, nothing_stays_nothing) {
    float vector[64] = { 0 }, back[64];
    int8_t packed[64];
    embedder_pack(vector, 64, packed);
    embedder_unpack(packed, 64, back);
    for (size_t i = 0; i < 64; i++) {
        cr_assert_eq(packed[i], 0);
        cr_assert_eq(back[i], 0.0f);
    }
}

Test(search_embedder, unpacked_has_norm_1_and_nearly_the_direction) {
    enum { DIM = 256 };
    for (uint32_t seed = 1; seed <= 200; seed++) {
        float vector[DIM], back[DIM];
        int8_t packed[DIM];
        uint32_t x = seed;
        for (size_t i = 0; i < DIM; i++) {
            x = x * 1664525u + 1013904223u;
            vector[i] = (float)(int32_t)x / 2147483648.0f;
        }
        embedder_pack(vector, DIM, packed);
        embedder_unpack(packed, DIM, back);
        double dot = 0, a = 0, b = 0;
        for (size_t i = 0; i < DIM; i++) {
            dot += (double)vector[i] * (double)back[i];
            a += (double)vector[i] * (double)vector[i];
            b += (double)back[i] * (double)back[i];
        }
        cr_assert_float_eq(sqrt(b), 1.0, 1e-6);
        cr_assert_geq(dot / sqrt(a * b), 0.9999);
    }
}
