/* Choosing tokens: each option against values worked out by hand, and against its definition over
 * many draws. */
#include "llm/sampler.h"

#include "base/mem.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 5, N_DRAWS = 20000 };
/* Probabilities 0.4, 0.3, 0.2, 0.1 and next to nothing, not in order. */
static const float probabilities[N] = { 0.1F, 0.4F, 1e-9F, 0.2F, 0.3F };

static Sampler *make(const SamplerOptions *options) {
    Sampler *sampler = NULL;
    Err err = { 0 };
    cr_assert_eq(sampler_new(N, options, &sampler, &err), STATUS_OK, "%s", err.text);
    return sampler;
}

static SamplerToken next(Sampler *sampler, const SamplerMask *mask) {
    float logits[N];
    SamplerToken token;
    Err err = { 0 };
    for (size_t i = 0; i < N; i++) logits[i] = logf(probabilities[i]) + 3;
    cr_assert_eq(sampler_next(sampler, logits, mask, &token, &err), STATUS_OK, "%s", err.text);
    return token;
}

static void check_shares(SamplerOptions options, const double *wanted) {
    size_t counts[N] = { 0 };
    Sampler *sampler = make(&options);
    for (size_t i = 0; i < N_DRAWS; i++) counts[next(sampler, NULL).id]++;
    sampler_free(sampler);
    for (size_t i = 0; i < N; i++) {
        double share = (double)counts[i] / N_DRAWS;
        /* four standard deviations of a share are at most 0.0142 */
        cr_assert_lt(fabs(share - wanted[i]), 0.015, "token %zu: %.3f, not %.3f", i, share,
                     wanted[i]);
        cr_assert(wanted[i] > 0 || counts[i] == 0, "token %zu must not come", i);
    }
}

static SamplerOptions at(float temperature) {
    SamplerOptions o = SAMPLER_OPTIONS_DEFAULT;
    o.temperature = temperature;
    o.seed = 42;
    return o;
}

Test(sampler, greedy_takes_the_largest_and_the_lowest_of_equals) {
    SamplerOptions o = at(0);
    Sampler *sampler = make(&o);
    cr_assert_eq(next(sampler, NULL).id, 1);
    float equal[N] = { 1, 2, 2, 2, 1 };
    SamplerToken token;
    cr_assert_eq(sampler_next(sampler, equal, NULL, &token, NULL), STATUS_OK);
    cr_assert_eq(token.id, 1);
    sampler_free(sampler);
}

Test(sampler, temperature_one_draws_what_the_model_gives) {
    check_shares(at(1), (double[]){ 0.1, 0.4, 1e-9, 0.2, 0.3 });
}

Test(sampler, temperature_changes_the_shares) {
    /* p^2: 0.01, 0.16, 0, 0.04, 0.09 of 0.30 */
    check_shares(at(0.5F), (double[]){ 0.01 / 0.3, 0.16 / 0.3, 1e-9, 0.04 / 0.3, 0.09 / 0.3 });
}

Test(sampler, top_k_keeps_the_k_likeliest) {
    SamplerOptions o = at(1);
    o.top_k = 2;
    check_shares(o, (double[]){ 0, 4 / 7.0, 0, 0, 3 / 7.0 });
}

Test(sampler, top_p_keeps_the_fewest_that_have_p) {
    SamplerOptions o = at(1);
    o.top_p = 0.65F;
    check_shares(o, (double[]){ 0, 4 / 7.0, 0, 0, 3 / 7.0 });
    o.top_p = 0.75F;
    check_shares(o, (double[]){ 0, 4 / 9.0, 0, 2 / 9.0, 3 / 9.0 });
    o.top_p = 0;
    check_shares(o, (double[]){ 0, 1, 0, 0, 0 });
}

Test(sampler, top_p_is_a_share_of_what_top_k_leaves) {
    SamplerOptions o = at(1);
    o.top_k = 3; /* 4/9, 3/9, 2/9 */
    o.top_p = 0.7F;
    check_shares(o, (double[]){ 0, 4 / 7.0, 0, 0, 3 / 7.0 });
}

Test(sampler, min_p_keeps_what_is_near_the_best) {
    SamplerOptions o = at(1);
    o.min_p = 0.45F; /* of 0.4: 0.18 */
    check_shares(o, (double[]){ 0, 4 / 9.0, 0, 2 / 9.0, 3 / 9.0 });
}

Test(sampler, the_same_seed_draws_the_same) {
    SamplerOptions o = at(1);
    Sampler *a = make(&o), *b = make(&o);
    o.seed = 43;
    Sampler *c = make(&o);
    size_t n_other = 0;
    for (size_t i = 0; i < 200; i++) {
        int32_t id = next(a, NULL).id;
        cr_assert_eq(id, next(b, NULL).id);
        n_other += id != next(c, NULL).id;
    }
    cr_assert_gt(n_other, 50);
    sampler_free(a);
    sampler_free(b);
    sampler_free(c);
}

Test(sampler, penalties_are_as_defined) {
    SamplerOptions o = at(0);
    o.repetition_penalty = 2;
    o.frequency_penalty = 0.25F;
    o.presence_penalty = 0.5F;
    Sampler *sampler = make(&o);
    sampler_read(sampler, (int32_t[]){ 1, 3 }, 2);
    SamplerToken token;
    float a[N] = { 1, 4, -8, -1, 2.5F }; /* 4/2 = 2, -1*2 = -2: 4 is written */
    cr_assert_eq(sampler_next(sampler, a, NULL, &token, NULL), STATUS_OK);
    cr_assert_eq(token.id, 4);
    cr_assert_float_eq(a[1], 2, 1e-6);
    cr_assert_float_eq(a[3], -2, 1e-6);
    float b[N] = { 0.9F, 0, -8, -1, 4 }; /* 4/2 - 0.25 - 0.5 = 1.25: written again */
    cr_assert_eq(sampler_next(sampler, b, NULL, &token, NULL), STATUS_OK);
    cr_assert_eq(token.id, 4);
    cr_assert_float_eq(b[4], 1.25, 1e-6);
    float c[N] = { 0.9F, 0, -8, -1, 3.5F }; /* 3.5/2 - 2 * 0.25 - 0.5 = 0.75 */
    cr_assert_eq(sampler_next(sampler, c, NULL, &token, NULL), STATUS_OK);
    cr_assert_eq(token.id, 0);
    cr_assert_float_eq(c[4], 0.75, 1e-6);
    sampler_free(sampler);
}

Test(sampler, a_bias_is_added) {
    SamplerOptions o = at(0);
    SamplerBias bias[] = { { 2, 100 }, { 1, -100 } };
    o.bias = bias;
    o.n_bias = 2;
    Sampler *sampler = make(&o);
    bias[0].id = 0; /* the sampler has its own copy */
    cr_assert_eq(next(sampler, NULL).id, 2);
    sampler_free(sampler);
}

Test(sampler, only_what_the_mask_allows_comes) {
    for (int temperature = 0; temperature < 2; temperature++) {
        SamplerOptions o = at((float)temperature);
        o.constrained = true;
        Sampler *sampler = make(&o);
        for (size_t i = 0; i < 100; i++) {
            SamplerMask *mask = sampler_mask(sampler);
            sampler_mask_forbid(mask, 1);
            sampler_mask_forbid(mask, 4);
            int32_t id = next(sampler, mask).id;
            cr_assert(id != 1 && id != 4);
            sampler_mask_forbid_all(mask);
            sampler_mask_allow(mask, 2);
            cr_assert_eq(next(sampler, mask).id, 2);
        }
        sampler_free(sampler);
    }
}

Test(sampler, log_probabilities_are_the_models_own) {
    SamplerOptions o = at(0.1F);
    SamplerBias bias = { 0, 50 };
    o.bias = &bias;
    o.n_bias = 1;
    o.n_top = 3;
    Sampler *sampler = make(&o);
    SamplerToken token = next(sampler, NULL);
    cr_assert_eq(token.id, 0);
    cr_assert_float_eq(token.logprob, log(0.1), 1e-5);
    size_t n;
    const SamplerToken *top = sampler_top(sampler, &n);
    cr_assert_eq(n, 3);
    cr_assert(top[0].id == 1 && top[1].id == 4 && top[2].id == 3);
    cr_assert_float_eq(top[2].logprob, log(0.2), 1e-5);
    sampler_free(sampler);
    o = at(0);
    sampler = make(&o);
    cr_assert(isnan(next(sampler, NULL).logprob), "nobody asked");
    sampler_free(sampler);
}

Test(sampler, hostile_logits_are_errors) {
    SamplerOptions o = at(1);
    o.constrained = true;
    Sampler *sampler = make(&o);
    SamplerToken token;
    Err err = { 0 };
    float nan[N] = { 1, 2, NAN, 4, 5 };
    cr_assert_eq(sampler_next(sampler, nan, NULL, &token, &err), STATUS_DAMAGED);
    cr_assert(strstr(err.text, "token 2"), "%s", err.text);
    float none[N] = { -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY };
    cr_assert_eq(sampler_next(sampler, none, NULL, &token, &err), STATUS_INVALID);
    float fine[N] = { 1, 2, 3, 4, 5 };
    SamplerMask *mask = sampler_mask(sampler);
    sampler_mask_forbid_all(mask);
    cr_assert_eq(sampler_next(sampler, fine, mask, &token, &err), STATUS_INVALID);
    float infinite[N] = { 1, 2, INFINITY, 4, 5 };
    cr_assert_eq(sampler_next(sampler, infinite, NULL, &token, &err), STATUS_OK);
    cr_assert_eq(token.id, 2);
    sampler_free(sampler);
}

Test(sampler, options_out_of_range_are_named) {
    static const SamplerBias far = { N, 1 }, large = { 0, 1000 };
    SamplerOptions o[12];
    for (size_t i = 0; i < 12; i++) o[i] = at(1);
    o[0].temperature = -1;
    o[1].temperature = NAN;
    o[2].top_p = 1.5F;
    o[3].min_p = -0.1F;
    o[4].repetition_penalty = 0;
    o[5].frequency_penalty = 3;
    o[6].presence_penalty = INFINITY;
    o[7].n_top = SAMPLER_MAX_TOP + 1;
    o[8].n_bias = SAMPLER_MAX_BIAS + 1;
    o[9].bias = &far;
    o[10].bias = &large;
    o[9].n_bias = o[10].n_bias = 1;
    o[11].top_p = NAN;
    static const char *const names[] = { "temperature",
                                         "temperature",
                                         "top_p",
                                         "min_p",
                                         "repetition_penalty",
                                         "frequency_penalty",
                                         "presence_penalty",
                                         "top_logprobs",
                                         "logit_bias",
                                         "logit_bias",
                                         "logit_bias",
                                         "top_p" };
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        Err err = { 0 };
        cr_assert_neq(sampler_check(N, &o[i], &err), STATUS_OK, "%zu", i);
        cr_assert_str_eq(err.param, names[i]);
    }
}
