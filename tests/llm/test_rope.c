/* Speeds of the pairs, by hand: each scaling's formula worked out for a few pairs. */
#include "llm/rope.h"

#include <criterion/criterion.h>
#include <math.h>

static const LlmRopeSpec plain = { .n_rotated = 64,
                                   .theta = 10000,
                                   .factor = 1,
                                   .original_context = 2048,
                                   .attn_factor = 1,
                                   .beta_fast = 32,
                                   .beta_slow = 1 };

static void near(double got, double wanted, const char *what, size_t i) {
    cr_assert(fabs(got - wanted) <= 1e-14 * fabs(wanted), "%s of %zu: %.17g instead of %.17g", what,
              i, got, wanted);
}

Test(llm_rope, plain_pairs_turn_by_powers_of_the_base) {
    LlmRope rope;
    llm_rope_init(&rope, &plain);
    cr_assert_eq(rope.n_rotated, 64);
    for (size_t i = 0; i < 32; i++) {
        near(rope.per_position[i], exp(-log(10000) * (double)i / 32), "speed", i);
    }
    near(rope.magnitude, 1, "magnitude", 0);
}

Test(llm_rope, linear_divides_every_pair_by_the_factor) {
    LlmRope rope, unscaled;
    LlmRopeSpec spec = plain;
    spec.scaling = LLM_ROPE_LINEAR;
    spec.factor = 4;
    llm_rope_init(&rope, &spec);
    llm_rope_init(&unscaled, &plain);
    for (size_t i = 0; i < 32; i++) {
        near(rope.per_position[i] * 4, unscaled.per_position[i], "speed", i);
    }
    near(rope.magnitude, 1, "magnitude", 0);
}

Test(llm_rope, a_factor_without_scaling_changes_nothing) {
    LlmRope rope, unscaled;
    LlmRopeSpec spec = plain;
    spec.factor = 4;
    llm_rope_init(&rope, &spec);
    llm_rope_init(&unscaled, &plain);
    for (size_t i = 0; i < 32; i++) {
        near(rope.per_position[i], unscaled.per_position[i], "speed", i);
    }
}

/* Pairs 32 and 1 turns over 2,048 positions: 64 ln(2048 / 64 pi) / 2 ln 10000 = 8.06 and
 * 64 ln(2048 / 2 pi) / 2 ln 10000 = 20.1; the ramp goes from 8 to 21. */
Test(llm_rope, yarn_keeps_fast_pairs_and_stretches_slow_ones) {
    LlmRope rope, unscaled;
    LlmRopeSpec spec = plain;
    spec.scaling = LLM_ROPE_YARN;
    spec.factor = 4;
    spec.ext_factor = 1;
    llm_rope_init(&rope, &spec);
    llm_rope_init(&unscaled, &plain);
    for (size_t i = 0; i < 32; i++) {
        double stretched = i <= 8 ? 0 : i >= 21 ? 1 : ((double)i - 8) / 13;
        double wanted = unscaled.per_position[i] * (1 - stretched + stretched / 4);
        near(rope.per_position[i], wanted, "speed", i);
    }
    near(rope.magnitude, 1 + 0.1 * log(4), "magnitude", 0);
}

Test(llm_rope, yarn_betas_move_the_ramp) {
    LlmRope rope, unscaled;
    LlmRopeSpec spec = plain;
    spec.scaling = LLM_ROPE_YARN;
    spec.factor = 8;
    spec.ext_factor = 1;
    spec.beta_fast = 4; /* 15.28: from 15 */
    spec.beta_slow = 2; /* 17.69: to 18 */
    spec.attn_factor = 0.5;
    llm_rope_init(&rope, &spec);
    llm_rope_init(&unscaled, &plain);
    near(rope.per_position[15], unscaled.per_position[15], "speed", 15);
    near(rope.per_position[16], unscaled.per_position[16] * (2.0 / 3 + 1.0 / 24), "speed", 16);
    near(rope.per_position[17], unscaled.per_position[17] * (1.0 / 3 + 2.0 / 24), "speed", 17);
    near(rope.per_position[18], unscaled.per_position[18] / 8, "speed", 18);
    near(rope.magnitude, 0.5 * (1 + 0.1 * log(8)), "magnitude", 0);
}

Test(llm_rope, divisors_of_llama3_come_first) {
    LlmRope rope, unscaled;
    float divisors[32];
    for (size_t i = 0; i < 32; i++) divisors[i] = i < 10 ? 1 : i < 20 ? 3.5F : 8;
    LlmRopeSpec spec = plain;
    spec.divisors = divisors;
    llm_rope_init(&rope, &spec);
    llm_rope_init(&unscaled, &plain);
    for (size_t i = 0; i < 32; i++) {
        near(rope.per_position[i] * divisors[i], unscaled.per_position[i], "speed", i);
    }
}

Test(llm_rope, an_attention_factor_counts_with_any_scaling) {
    for (int scaling = LLM_ROPE_NONE; scaling <= LLM_ROPE_YARN; scaling++) {
        LlmRope rope;
        LlmRopeSpec spec = plain;
        spec.scaling = (LlmRopeScaling)scaling;
        spec.attn_factor = 1.25;
        llm_rope_init(&rope, &spec);
        near(rope.magnitude, 1.25, "magnitude", (size_t)scaling);
    }
}

Test(llm_rope, angles_are_exact_far_out) {
    LlmRope rope;
    LlmRopeSpec spec = plain;
    spec.n_rotated = 2;
    llm_rope_init(&rope, &spec);
    float cosine[2], sine[2];
    llm_rope_angles(&rope, 100000, cosine, sine); /* one radian a position */
    cr_assert_float_eq(cosine[0], -0.99936074F, 1e-7);
    cr_assert_float_eq(sine[1], 0.03574880F, 1e-8);
    cr_assert_eq(cosine[0], cosine[1]);
    cr_assert_eq(sine[0], -sine[1]);
}
