/* How much of prompts a step may read while others are written to. Reading takes a pass over the
 * weights of its own where prompts are computed in another arithmetic than what is written, and
 * then so much for each token; both are learnt from the steps. Time is saved up until a slice is
 * worth its pass: on average a step takes gap_ratio times as long as one that only writes, a single
 * one somewhat longer (2.5 times instead of 2, where a pass takes as long as writing). */
#include "engine/engine_internal.h"

#include <assert.h>

enum {
    FIRST_SLICE = 16, /* until it is known what a token takes */
    FRESH_STEPS = 64, /* that writing may have been measured before */
};
/* What is known loses a tenth, or a quarter, with each step. */
static const double KEEP_READING = 0.9, KEEP_WRITING = 0.75;

/* us = fixed + n each */
typedef struct ReadTime {
    double fixed, each;
} ReadTime;

/* The line with the least squares of errors, relative to the steps; through 0 where those were too
 * alike. */
static ReadTime read_time(const Pace *pace) {
    double spread = pace->weight * pace->nn - pace->n * pace->n;
    ReadTime t = { .each = pace->n_us / pace->nn };
    if (spread < 0.01 * pace->weight * pace->nn) return t;
    double each = (pace->weight * pace->n_us - pace->n * pace->us) / spread;
    double fixed = (pace->us - each * pace->n) / pace->weight;
    return each > 0 && fixed > 0 ? (ReadTime){ fixed, each } : t;
}

static size_t whole(double n) {
    return n < 1 ? 0 : n > ENGINE_BATCH ? ENGINE_BATCH : (size_t)n;
}

size_t pace_slice(Pace *pace, double gap_ratio, size_t n_writing) {
    bool known = pace->weight > 0;
    ReadTime t = known ? read_time(pace) : (ReadTime){ 0 };
    if (n_writing == 0) {
        pace->credit_us = 0;
        return known ? MAX(whole((ENGINE_MAX_STEP_US - t.fixed) / t.each), (size_t)1)
                     : ENGINE_BATCH;
    }
    assert(n_writing <= ENGINE_MAX_STREAMS);
    const PaceWriting *writing = &pace->writing[n_writing];
    if (writing->us == 0 || pace->now - writing->measured >= FRESH_STEPS) return 0;
    double more = (gap_ratio - 1) * writing->us;
    if (!known) return more > 0 ? FIRST_SLICE : 0;
    /* At least a third of a slice's time is for its tokens; none takes longer than it must. */
    double least = 1 + t.fixed / 2 / t.each, most = MAX(more, t.fixed + least * t.each);
    pace->credit_us = MIN(pace->credit_us + more, more + most);
    double n = (MIN(pace->credit_us, most) - t.fixed) / t.each;
    return n >= least - 0.5 ? MAX(whole(n), (size_t)1) : 0;
}

void pace_learn(Pace *pace, const PaceStep *step) {
    PaceWriting *writing = &pace->writing[step->n_writing];
    double us = MAX(step->us, 1.0);
    pace->now++;
    if (step->n_read == 0) {
        if (writing->us > 0) us = MIN(us, 2 * writing->us); /* one that was held up says little */
        writing->us = writing->us == 0 ? us : KEEP_WRITING * (writing->us - us) + us;
        writing->measured = pace->now;
        return;
    }
    if (us < writing->us / 2) { /* the only one that was measured was held up */
        writing->us = 0;
        return;
    }
    /* Steps vary by a share of all that they take, so errors are relative to that. */
    double w = 1 / us / us;
    us = MAX(us - writing->us, us / 16);
    if (step->n_writing > 0) pace->credit_us = MAX(pace->credit_us - us, -us);
    if (step->n_drafted > 0) return; /* writing took as long as it has not before */
    double n = (double)step->n_read;
    pace->weight = KEEP_READING * pace->weight + w;
    pace->n = KEEP_READING * pace->n + w * n;
    pace->nn = KEEP_READING * pace->nn + w * n * n;
    pace->us = KEEP_READING * pace->us + w * us;
    pace->n_us = KEEP_READING * pace->n_us + w * n * us;
}
