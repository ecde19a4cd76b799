/* The two ways of merging against the definition, written down as it reads. */
#include "llm/merge.h"

#include <criterion/criterion.h>
#include <string.h>

static uint64_t state;
static uint32_t random_below(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

/* Best rank, leftmost of equals, until none is left. */
static size_t merge_by_definition(const MergeTable *table, uint32_t *s, size_t n) {
    for (;;) {
        size_t best = n;
        uint32_t best_rank = UINT32_MAX, merged = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t rule = merge_table_find(table, s[i], s[i + 1]);
            if (rule == MERGE_NONE || table->rules[rule].rank >= best_rank) continue;
            best = i, best_rank = table->rules[rule].rank, merged = table->rules[rule].merged;
        }
        if (best == n) return n;
        s[best] = merged;
        memmove(s + best + 1, s + best + 2, (n - best - 2) * sizeof *s);
        n--;
    }
}

/* Rules between 4 first symbols and what they become; ranks in any order and with equals, also a
 * better rank for a pair that only a worse one makes. */
static void random_table(MergeTable *table, uint32_t n_rules, uint32_t n_ranks) {
    cr_assert_eq(merge_table_init(table, n_rules, state, NULL), STATUS_OK);
    for (uint32_t i = 0; i < n_rules; i++)
        merge_table_add(table, random_below(4 + i), random_below(4 + i), random_below(n_ranks),
                        4 + i);
}

Test(merge, long_and_short_words_are_merged_by_the_definition) {
    static uint32_t want[600], got[600];
    Merger merger = MERGER_NULL;
    for (state = 1; state < 400;) {
        uint64_t seed = state;
        MergeTable table = { 0 };
        uint32_t n_rules = 1 + random_below(40);
        random_table(&table, n_rules, 1 + random_below(12));
        for (size_t n = 0; n < 600; n = n < 70 ? n + 1 : n + 97) {
            for (size_t i = 0; i < n; i++) want[i] = got[i] = random_below(random_below(2) ? 2 : 4);
            size_t n_want = merge_by_definition(&table, want, n), n_got = 0;
            cr_assert_eq(merger_run(&merger, &table, got, n, &n_got, NULL), STATUS_OK);
            cr_assert_eq(n_got, n_want, "seed %zu, %zu symbols", (size_t)seed, n);
            cr_assert_eq(memcmp(got, want, n_got * sizeof *got), 0, "seed %zu", (size_t)seed);
        }
        merge_table_deinit(&table);
        state = seed + 1;
    }
    merger_deinit(&merger);
}

Test(merge, the_first_rule_of_a_pair_counts) {
    MergeTable table = { 0 };
    cr_assert_eq(merge_table_init(&table, 2, 7, NULL), STATUS_OK);
    merge_table_add(&table, 1, 2, 5, 9);
    merge_table_add(&table, 1, 2, 0, 8);
    uint32_t s[] = { 1, 2 };
    size_t n;
    Merger merger = MERGER_NULL;
    cr_assert_eq(merger_run(&merger, &table, s, 2, &n, NULL), STATUS_OK);
    cr_assert(n == 1 && s[0] == 9);
    merge_table_deinit(&table);
}

Test(merge, an_empty_table_merges_nothing) {
    MergeTable table = { 0 };
    cr_assert_eq(merge_table_init(&table, 0, 7, NULL), STATUS_OK);
    static uint32_t s[200];
    size_t n;
    Merger merger = MERGER_NULL;
    cr_assert_eq(merger_run(&merger, &table, s, 200, &n, NULL), STATUS_OK);
    cr_assert_eq(n, 200);
    merger_deinit(&merger);
    merge_table_deinit(&table);
}
