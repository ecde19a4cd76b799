/* All scalings turn a pair at a constant speed, so they end in one number a pair. Everything is
 * f64: an angle of 100,000 radians in f32 would be off by 0.004. */
#include "llm/rope.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>

/* The pair that turns `rotations` times over the original context. */
static double yarn_pair(const LlmRopeSpec *s, double rotations) {
    return (double)s->n_rotated * log(s->original_context / (rotations * 2 * M_PI)) /
           (2 * log(s->theta));
}

/* 1 for pairs that turn fast (kept), 0 for slow ones (interpolated), a ramp between. */
static double yarn_keep(const LlmRopeSpec *s, size_t pair) {
    double low = MAX(0, floor(yarn_pair(s, s->beta_fast)));
    double high = MIN((double)s->n_rotated - 1, ceil(yarn_pair(s, s->beta_slow)));
    double ramp = ((double)pair - low) / MAX(0.001, high - low);
    return 1 - MIN(1, MAX(0, ramp));
}

void llm_rope_init(LlmRope *rope, const LlmRopeSpec *s) {
    assert(s->n_rotated % 2 == 0 && s->n_rotated <= LLM_ROPE_MAX_ROTATED);
    *rope = (LlmRope){ .n_rotated = s->n_rotated, .magnitude = s->attn_factor };
    double factor = s->scaling == LLM_ROPE_NONE ? 1 : s->factor;
    for (size_t i = 0; i < s->n_rotated / 2; i++) {
        double turn = pow(s->theta, -2.0 * (double)i / (double)s->n_rotated);
        if (s->divisors) turn /= s->divisors[i];
        double keep = s->ext_factor != 0 ? yarn_keep(s, i) * s->ext_factor : 0;
        rope->per_position[i] = turn / factor * (1 - keep) + turn * keep;
    }
    if (s->ext_factor != 0) rope->magnitude *= 1 + 0.1 * log(factor);
}

void llm_rope_angles(const LlmRope *rope, size_t position, float *ret_cos, float *ret_sin) {
    for (size_t i = 0; i < rope->n_rotated / 2; i++) {
        double s, c;
        sincos((double)position * rope->per_position[i], &s, &c);
        ret_cos[2 * i] = ret_cos[2 * i + 1] = (float)(c * rope->magnitude);
        ret_sin[2 * i] = (float)(-s * rope->magnitude);
        ret_sin[2 * i + 1] = (float)(s * rope->magnitude);
    }
}
