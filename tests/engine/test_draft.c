/* Guesses come from where the last tokens stood before; their number follows success. */
#include "engine/engine_internal.h"

#include <criterion/criterion.h>

Test(draft, what_followed_before_is_guessed) {
    const int32_t tokens[] = { 5, 1, 2, 3, 40, 41, 42, 43, 9, 1, 2, 3 };
    int32_t guess[8];
    Draft draft = { 0 };
    cr_assert_eq(draft_guess(&draft, tokens, 12, 3, guess), 3);
    cr_assert_eq(guess[0], 40);
    cr_assert_eq(guess[2], 42);
}

Test(draft, the_latest_place_counts) {
    const int32_t tokens[] = { 1, 2, 30, 7, 1, 2, 31, 8, 1, 2 };
    int32_t guess[8];
    Draft draft = { 0 };
    cr_assert_gt(draft_guess(&draft, tokens, 10, 8, guess), 0);
    cr_assert_eq(guess[0], 31);
}

Test(draft, nothing_is_guessed_where_nothing_repeats) {
    const int32_t tokens[] = { 1, 2, 3, 4, 5, 6 };
    int32_t guess[8];
    Draft draft = { 0 };
    cr_assert_eq(draft_guess(&draft, tokens, 6, 8, guess), 0);
    cr_assert_eq(draft_guess(&draft, tokens, 1, 8, guess), 0);
    cr_assert_eq(draft_guess(&draft, tokens, 0, 8, guess), 0);
}

Test(draft, success_lengthens_failure_shortens_and_pauses) {
    const int32_t tokens[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2 };
    int32_t guess[16];
    Draft draft = { 0 };
    size_t n = draft_guess(&draft, tokens, 14, 16, guess);
    cr_assert_eq(n, 4);
    draft_learn(&draft, n, n, 16);
    cr_assert_eq(draft_guess(&draft, tokens, 14, 16, guess), 8);
    draft_learn(&draft, 8, 0, 16);
    cr_assert_eq(draft_guess(&draft, tokens, 14, 16, guess), 4);
    draft_learn(&draft, 4, 0, 16);
    cr_assert_eq(draft_guess(&draft, tokens, 14, 16, guess), 0, "it pauses after two failures");
    for (size_t i = 0; i < 3; i++) cr_assert_eq(draft_guess(&draft, tokens, 14, 16, guess), 0);
    cr_assert_gt(draft_guess(&draft, tokens, 14, 16, guess), 0);
}
