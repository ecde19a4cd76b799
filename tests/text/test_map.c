#include "text/text_internal.h"

#include <criterion/criterion.h>

static void expect_span(const TextMap *map, size_t start, size_t end, size_t want_start,
                        size_t want_end) {
    size_t got_start, got_end;
    cr_assert(text_map_span(map, start, end, &got_start, &got_end), "%zu-%zu", start, end);
    cr_assert(got_start == want_start && got_end == want_end, "%zu-%zu: %zu-%zu", start, end,
              got_start, got_end);
}

Test(map, gives_the_smallest_span_that_holds_every_origin) {
    /* clean "abc", gap of 2, "èè" from 6 bytes each, "d" */
    TextRun runs[] = { { 0, 10, 3, 1, 1 }, { 5, 20, 2, 2, 6 }, { 9, 32, 1, 1, 1 } };
    TextMap map = { runs, 3 };
    expect_span(&map, 0, 3, 10, 13);
    expect_span(&map, 1, 2, 11, 12);
    expect_span(&map, 2, 7, 12, 26);
    expect_span(&map, 3, 6, 20, 26);
    expect_span(&map, 7, 9, 26, 32);
    expect_span(&map, 4, 100, 20, 33);
    size_t a = 7, b = 7;
    cr_assert_not(text_map_span(&map, 3, 5, &a, &b));
    cr_assert_not(text_map_span(&map, 10, 12, &a, &b));
    cr_assert_not(text_map_span(&map, 2, 2, &a, &b));
    cr_assert(a == 7 && b == 7, "outputs are untouched");
}

Test(map, joins_runs_that_continue_and_refuses_those_that_go_back) {
    MapBuilder map = MAP_BUILDER_NULL;
    map_builder_add(&map, (TextRun){ 0, 0, 3, 1, 1 });
    map_builder_add(&map, (TextRun){ 3, 3, 2, 1, 1 });
    cr_assert_eq(map.n_runs, 1);
    map_builder_add(&map, (TextRun){ 5, 2, 1, 1, 1 });
    map_builder_add(&map, (TextRun){ 4, 9, 1, 1, 1 });
    map_builder_add(&map, (TextRun){ 6, 9, 0, 1, 1 });
    cr_assert_eq(map.n_runs, 1);
    TextMap view = map_of(&map);
    cr_assert(text_map_is_identity(&view, 5));
    cr_assert_not(text_map_is_identity(&view, 6));
    map_builder_deinit(&map);
}

/* Composition by definition: a clean byte's origin is the origin of its middle bytes. */
Test(map, composes_as_looking_up_twice_does) {
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        MapBuilder maps[2] = { MAP_BUILDER_NULL, MAP_BUILDER_NULL }, both = MAP_BUILDER_NULL;
        size_t n_clean = 0;
        for (int m = 0; m < 2; m++) {
            size_t clean = 0, origin = 0;
            for (int i = 0; i < 12; i++) {
                unsigned r = seed = seed * 1103515245u + 12345u;
                /* the outer one has verbatim runs and single units, as readers make them */
                uint32_t cu = m == 0 && (r >> 8) % 2 ? 1 : 1 + (r >> 10) % 3;
                uint32_t ou = cu == 1 ? 1 : 1 + (r >> 13) % 6;
                TextRun run = { clean += (r >> 16) % 3, origin += (r >> 18) % 3, 1 + (r >> 20) % 5,
                                cu, ou };
                map_builder_add(&maps[m], run);
                clean += run.count * cu;
                origin += run.count * ou;
            }
            if (m == 0) n_clean = clean;
        }
        TextMap outer = map_of(&maps[0]), inner = map_of(&maps[1]);
        map_compose(outer, inner, &both);
        TextMap composed = map_of(&both);
        for (size_t i = 0; i < n_clean; i++) {
            size_t m0, m1, want0, want1, got0, got1;
            bool want = text_map_span(&outer, i, i + 1, &m0, &m1) &&
                        text_map_span(&inner, m0, m1, &want0, &want1);
            bool got = text_map_span(&composed, i, i + 1, &got0, &got1);
            if (!got) continue; /* a part of a unit whose other part was taken */
            cr_assert(want);
            cr_assert(got0 >= want0 && got1 <= want1, "round %d byte %zu", round, i);
        }
        for (int m = 0; m < 2; m++) map_builder_deinit(&maps[m]);
        map_builder_deinit(&both);
    }
}

Test(map, survives_the_store) {
    TextRun runs[] = { { 0, 3, 5, 1, 1 }, { 7, 900000, 2, 2, 6 }, { 11, 900012, 1, 3, 70000 } };
    TextMap map = { runs, 3 }, back;
    AUTO_BUF Buf bytes = BUF_NULL;
    AUTO_ARENA Arena arena = ARENA_NULL;
    text_map_encode(&map, &bytes);
    cr_assert_eq(text_map_decode(buf_slice(&bytes), &arena, &back, NULL), STATUS_OK);
    cr_assert_eq(back.n_runs, 3);
    cr_assert_eq(memcmp(back.runs, runs, sizeof runs), 0);
    for (size_t n = 0; n < bytes.n; n++) {
        Err err = { 0 };
        cr_assert_eq(text_map_decode((Slice){ bytes.p, n }, &arena, &back, &err), STATUS_DAMAGED);
    }
}

Test(map, refuses_stored_runs_that_overflow_or_are_empty) {
    static const Slice bad[] = {
        SLICE("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"),
        SLICE("\1\0\0\0\1\1"),
        SLICE("\1\0\0\1\0\1"),
        SLICE("\1\0\0\1\1\0"),
        SLICE("\1\0\0\1\1\1\1"),
        SLICE("\1\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\2\1"),
        SLICE("\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\0\2\1\1"),
        SLICE("\1\0\0\1\xFF\xFF\xFF\xFF\x7F\1"),
    };
    AUTO_ARENA Arena arena = ARENA_NULL;
    TextMap map;
    for (size_t i = 0; i < N_ELEMENTS(bad); i++)
        cr_assert_eq(text_map_decode(bad[i], &arena, &map, NULL), STATUS_DAMAGED, "case %zu", i);
}
