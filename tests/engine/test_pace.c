/* A machine whose steps take what a formula says: how much of them goes to reading. */
#include "engine/engine_internal.h"

#include <criterion/criterion.h>

typedef struct Machine {
    double fixed_us, each_us;    /* of reading */
    double first_us, further_us; /* of writing to one stream, and to each one more */
    double noise;                /* up to so much of a step, more or less */
    uint32_t seed;
} Machine;

/* With one, eight and three streams in turn, as others come and go. */
static size_t writers(size_t step) {
    static const size_t n[] = { 1, 8, 3 };
    return n[step / 100 % 3];
}

static double step_us(Machine *m, size_t n_writing, size_t n_read) {
    double us = n_writing ? m->first_us + (double)(n_writing - 1) * m->further_us : 0;
    if (n_read > 0) us += m->fixed_us + (double)n_read * m->each_us;
    m->seed = m->seed * 1664525 + 1013904223;
    return us * (1 + m->noise * ((double)(m->seed >> 8) / 0x1p23 - 1));
}

typedef struct Shares {
    double mean;            /* of steps, of what writing alone takes */
    double longest;         /* step, the same */
    double tokens_a_second; /* read */
} Shares;

static Shares run(Machine m, double gap_ratio) {
    enum { BEGIN = 600, STEPS = 6000 };
    static Pace pace;
    pace = (Pace){ 0 };
    double all = 0, writing = 0, tokens = 0;
    Shares ret = { 0 };
    for (size_t i = 0; i < STEPS; i++) {
        size_t n = writers(i), n_read = pace_slice(&pace, gap_ratio, n);
        double us = step_us(&m, n, n_read);
        pace_learn(&pace, &(PaceStep){ .n_writing = n, .n_read = n_read, .us = us });
        if (i < BEGIN) continue;
        double alone = m.first_us + (double)(n - 1) * m.further_us;
        all += us, writing += alone, tokens += (double)n_read;
        ret.longest = MAX(ret.longest, us / alone);
    }
    ret.mean = all / writing;
    ret.tokens_a_second = tokens / all * 1e6;
    return ret;
}

static const Machine one_pass = { .each_us = 3000, .first_us = 20000, .further_us = 4000 };
static const Machine two_passes = {
    .fixed_us = 27000, .each_us = 1000, .first_us = 28000, .further_us = 5000
};

Test(pace, all_of_the_gap_is_used_and_no_more) {
    for (double ratio = 1.5; ratio < 5; ratio *= 2) {
        Shares a = run(one_pass, ratio), b = run(two_passes, ratio);
        cr_expect_float_eq(a.mean, ratio, 0.07 * ratio, "%g of %g", a.mean, ratio);
        cr_expect_float_eq(b.mean, ratio, 0.07 * ratio, "%g of %g", b.mean, ratio);
        cr_expect_leq(a.longest, ratio + 0.2, "%g of %g", a.longest, ratio);
    }
}

/* At two it would be 1 token a step, 18 a second, where every step read what its gap allows. */
Test(pace, a_slice_is_worth_its_pass) {
    Shares s = run(two_passes, 2);
    cr_expect_leq(s.longest, 2.7, "%g", s.longest);
    cr_expect_geq(s.tokens_a_second, 200, "%g", s.tokens_a_second);
}

Test(pace, times_that_vary_change_little) {
    Machine a = one_pass, b = two_passes;
    a.noise = b.noise = 0.2;
    cr_expect_float_eq(run(a, 2).mean, 2, 0.2);
    cr_expect_float_eq(run(b, 2).mean, 2, 0.2);
}

Test(pace, at_one_prompts_wait_until_nobody_is_written_to) {
    cr_expect_eq(run(one_pass, 1).tokens_a_second, 0);
    cr_expect_eq(run(two_passes, 1).tokens_a_second, 0);
}

/* Alone, a prompt is read in steps of half a second. */
Test(pace, nobody_is_kept_from_reading_alone) {
    static Pace pace;
    Machine m = two_passes;
    cr_assert_eq(pace_slice(&pace, 1, 0), ENGINE_BATCH);
    for (size_t i = 0; i < 10; i++) {
        size_t n = pace_slice(&pace, 1, 0);
        cr_assert_gt(n, 0);
        n = MIN(n, 40 + i * 40);
        pace_learn(&pace, &(PaceStep){ .n_read = n, .us = step_us(&m, 0, n) });
    }
    cr_expect_float_eq((double)pace_slice(&pace, 1, 0), 473, 10);
}

/* What a step took that also guessed ahead says nothing of reading. */
Test(pace, guesses_are_left_out) {
    static Pace pace;
    pace_learn(&pace, &(PaceStep){ .n_writing = 1, .us = 10000 });
    pace_learn(&pace, &(PaceStep){ .n_writing = 1, .n_read = 10, .us = 20000 });
    pace_learn(&pace, &(PaceStep){ .n_writing = 1, .n_read = 10, .n_drafted = 8, .us = 90000 });
    pace_learn(&pace, &(PaceStep){ .n_writing = 1, .us = 10000 });
    for (size_t i = 0; i < 20 && pace.credit_us < 0; i++) (void)pace_slice(&pace, 2, 1);
    cr_expect_float_eq((double)pace_slice(&pace, 2, 1), 10, 1.5);
}

/* Where a step of writing was held up, the next one that reads seems to read in no time. */
Test(pace, a_step_that_was_held_up_does_not_make_reading_free) {
    static Pace pace;
    Machine m = two_passes;
    for (size_t i = 0; i < 300; i++) {
        size_t n = pace_slice(&pace, 2, 1);
        pace_learn(&pace, &(PaceStep){ .n_writing = 1, .n_read = n, .us = step_us(&m, 1, n) });
    }
    pace_learn(&pace, &(PaceStep){ .n_writing = 1, .us = 10 * m.first_us });
    pace_learn(&pace, &(PaceStep){ .n_writing = 1, .n_read = 16, .us = step_us(&m, 1, 16) });
    size_t most = 0;
    for (size_t i = 0; i < 50; i++) {
        size_t n = pace_slice(&pace, 2, 1);
        pace_learn(&pace, &(PaceStep){ .n_writing = 1, .n_read = n, .us = step_us(&m, 1, n) });
        most = MAX(most, n);
    }
    cr_expect_leq(most, 100, "%zu", most);
}

/* The first one was: it is measured anew. */
Test(pace, a_first_step_that_was_held_up_is_forgotten) {
    static Pace pace;
    Machine m = two_passes;
    pace_learn(&pace, &(PaceStep){ .n_writing = 1, .us = 20 * m.first_us });
    for (size_t i = 0; i < 10; i++) {
        size_t n = pace_slice(&pace, 2, 1);
        pace_learn(&pace, &(PaceStep){ .n_writing = 1, .n_read = n, .us = step_us(&m, 1, n) });
    }
    cr_expect_float_eq(pace.writing[1].us, m.first_us, 1);
}
