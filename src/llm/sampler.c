/* Choosing among tens of thousands of candidates costs one pass for the maximum, one for the
 * exponentials, and a heap for the order: what top-k and top-p keep is popped off it, the rest is
 * never sorted. Where nothing is cut, nothing is ordered: one is drawn in the order of ids. */
#include "llm/sampler.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct Candidate {
    float p; /* exp((logit - max) / temperature): the best has 1 */
    int32_t id;
} Candidate;

struct Sampler {
    SamplerOptions o;
    SamplerBias *bias;
    size_t n_vocab;
    uint64_t n_drawn;
    uint32_t *written;     /* [n_vocab] how often, where a penalty needs it */
    bool *seen;            /* [n_vocab] in prompt or text */
    int32_t *ids;          /* [n_vocab] those seen, in order */
    size_t n_seen;         /* of ids */
    Candidate *candidates; /* [n_vocab] above temperature 0 */
    float *raw;            /* [n_vocab] the model's logits, where log-probabilities are wanted */
    SamplerToken top[SAMPLER_MAX_TOP];
    size_t n_top;
    SamplerMask mask;
};

static bool has_penalty(const SamplerOptions *o) {
    return o->repetition_penalty != 1 || o->frequency_penalty != 0 || o->presence_penalty != 0;
}

/* ---- options ---- */

static Status check_number(const char *name, float value, double min, double max, Err *err) {
    if (value >= min && value <= max) return STATUS_OK;
    return err_set_param(err, STATUS_USAGE, name, "%s is %g, not in %g to %g", name, (double)value,
                         min, max);
}

Status sampler_check(size_t n_vocab, const SamplerOptions *o, Err *err) {
    TRY(check_number("temperature", o->temperature, 0, 100, err));
    TRY(check_number("top_p", o->top_p, 0, 1, err));
    TRY(check_number("min_p", o->min_p, 0, 1, err));
    TRY(check_number("repetition_penalty", o->repetition_penalty, 0.1, 10, err));
    TRY(check_number("frequency_penalty", o->frequency_penalty, -2, 2, err));
    TRY(check_number("presence_penalty", o->presence_penalty, -2, 2, err));
    if (o->n_top > SAMPLER_MAX_TOP) {
        return err_set_param(err, STATUS_USAGE, "top_logprobs", "top_logprobs is %zu, at most %d",
                             o->n_top, SAMPLER_MAX_TOP);
    }
    if (o->n_bias > SAMPLER_MAX_BIAS) {
        return err_set_param(err, STATUS_USAGE, "logit_bias", "logit_bias has %zu ids, at most %d",
                             o->n_bias, SAMPLER_MAX_BIAS);
    }
    for (size_t i = 0; i < o->n_bias; i++) {
        if (o->bias[i].id < 0 || (size_t)o->bias[i].id >= n_vocab) {
            return err_set_param(err, STATUS_INVALID, "logit_bias",
                                 "logit_bias: id %d is not in 0 to %zu", o->bias[i].id,
                                 n_vocab - 1);
        }
        TRY(check_number("logit_bias", o->bias[i].bias, -100, 100, err));
    }
    return STATUS_OK;
}

static Status fill(Sampler *s, const SamplerOptions *o, Err *err) {
    s->o = *o;
    s->bias = mem_alloc(o->n_bias, sizeof *s->bias);
    bool enough = s->bias;
    if (has_penalty(o)) {
        s->written = mem_alloc(s->n_vocab, sizeof *s->written);
        s->seen = mem_alloc(s->n_vocab, sizeof *s->seen);
        s->ids = mem_alloc(s->n_vocab, sizeof *s->ids);
        enough = enough && s->written && s->seen && s->ids;
    }
    if (o->temperature > 0) {
        s->candidates = mem_alloc(s->n_vocab, sizeof *s->candidates);
        enough = enough && s->candidates;
    }
    if (o->logprobs || o->n_top > 0) {
        s->raw = mem_alloc(s->n_vocab, sizeof *s->raw);
        enough = enough && s->raw;
    }
    if (o->constrained) {
        s->mask = (SamplerMask){ mem_alloc((s->n_vocab + 63) / 64, 8), s->n_vocab };
        enough = enough && s->mask.bits;
    }
    if (!enough) return err_set(err, STATUS_NO_MEMORY, "no memory to choose tokens with");
    if (o->n_bias > 0) memcpy(s->bias, o->bias, o->n_bias * sizeof *s->bias);
    return STATUS_OK;
}

Status sampler_new(size_t n_vocab, const SamplerOptions *options, Sampler **ret, Err *err) {
    TRY(sampler_check(n_vocab, options, err));
    Sampler *s = mem_alloc(1, sizeof *s);
    if (!s) return err_set(err, STATUS_NO_MEMORY, "no memory to choose tokens with");
    s->n_vocab = n_vocab;
    Status status = fill(s, options, err);
    if (status != STATUS_OK) {
        sampler_free(s);
        return status;
    }
    *ret = s;
    return STATUS_OK;
}

Sampler *sampler_free(Sampler *s) {
    if (!s) return NULL;
    free(s->bias);
    free(s->written);
    free(s->seen);
    free(s->ids);
    free(s->candidates);
    free(s->raw);
    free(s->mask.bits);
    free(s);
    return NULL;
}

/* ---- what was before ---- */

static void see(Sampler *s, int32_t id) {
    assert(id >= 0 && (size_t)id < s->n_vocab);
    if (s->seen[id]) return;
    s->seen[id] = true;
    s->ids[s->n_seen++] = id;
}

void sampler_read(Sampler *s, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n && s->seen; i++) see(s, ids[i]);
}

static void count_written(Sampler *s, int32_t id) {
    if (!s->seen) return;
    see(s, id);
    s->written[id]++;
}

/* ---- logits ---- */

static Status check_logits(const Sampler *s, const float *logits, Err *err) {
    bool all = true;
    for (size_t i = 0; i < s->n_vocab; i++) all &= logits[i] == logits[i];
    if (all) return STATUS_OK;
    size_t i = 0;
    while (logits[i] == logits[i]) i++;
    return err_set(err, STATUS_DAMAGED, "the model gives no number for token %zu (NaN)", i);
}

/* log sum exp, and the likeliest in the model's own distribution. */
static double log_total(const Sampler *s, const float *logits) {
    float max = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < s->n_vocab; i++) max = logits[i] > max ? logits[i] : max;
    if (!isfinite(max)) return max;
    for (size_t i = 0; i < s->n_vocab; i++) sum += (double)expf(logits[i] - max);
    return (double)max + log(sum);
}

static void find_top(Sampler *s, const float *logits, double total) {
    size_t wanted = MIN(s->o.n_top, s->n_vocab), n = 0;
    for (size_t i = 0; i < s->n_vocab && wanted > 0; i++) {
        if (n == wanted && logits[i] <= s->top[n - 1].logprob) continue;
        size_t at = n < wanted ? n++ : n - 1;
        while (at > 0 && s->top[at - 1].logprob < logits[i]) {
            s->top[at] = s->top[at - 1];
            at--;
        }
        s->top[at] = (SamplerToken){ (int32_t)i, logits[i] };
    }
    for (size_t i = 0; i < n; i++) s->top[i].logprob = (float)(s->top[i].logprob - total);
    s->n_top = n;
}

static void penalise(const Sampler *s, float *logits) {
    for (size_t i = 0; i < s->o.n_bias; i++) logits[s->bias[i].id] += s->bias[i].bias;
    for (size_t i = 0; i < s->n_seen; i++) {
        int32_t id = s->ids[i];
        float *x = &logits[id];
        *x = *x > 0 ? *x / s->o.repetition_penalty : *x * s->o.repetition_penalty;
        if (s->written[id] == 0) continue;
        *x -= s->o.frequency_penalty * (float)s->written[id] + s->o.presence_penalty;
    }
}

static void forbid(const Sampler *s, const SamplerMask *mask, float *logits) {
    for (size_t i = 0; i < s->n_vocab; i++) {
        if (!sampler_mask_has(mask, (int32_t)i)) logits[i] = -INFINITY;
    }
}

static int32_t find_largest(const Sampler *s, const float *logits) {
    size_t best = 0;
    for (size_t i = 1; i < s->n_vocab; i++) best = logits[i] > logits[best] ? i : best;
    return (int32_t)best;
}

/* ---- drawing ---- */

/* Uniform in [0, 1): SplitMix64 of the seed, at the n-th draw. */
static double draw(Sampler *s) {
    uint64_t x = s->o.seed + ++s->n_drawn * 0x9E3779B97F4A7C15U;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
    x = (x ^ x >> 27) * 0x94D049BB133111EBU;
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53;
}

/* Larger probability first, then lower id, so that the order is one. */
static bool is_before(const Candidate *a, const Candidate *b) {
    return a->p > b->p || (a->p == b->p && a->id < b->id);
}

static void sift(Candidate *heap, size_t n, size_t i) {
    for (;;) {
        size_t first = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            if (is_before(&heap[child], &heap[first])) first = child;
        }
        if (first == i) return;
        Candidate c = heap[i];
        heap[i] = heap[first];
        heap[first] = c;
        i = first;
    }
}

/* Pops the likeliest to the end of the array until top-k and top-p have enough: the kept ones are
 * candidates[*ret_first] to the end, the likeliest last. */
static double pop_likeliest(Sampler *s, size_t n, double total, size_t *ret_first) {
    Candidate *c = s->candidates;
    size_t k = s->o.top_k > 0 ? MIN(s->o.top_k, n) : n, kept = 0;
    double sum = 0;
    for (size_t i = n / 2; i-- > 0;) sift(c, n, i);
    /* top-p is a share of what top-k leaves: pop those first, then see how many are needed. */
    while (kept < k && (s->o.top_k > 0 || sum < s->o.top_p * total || kept == 0)) {
        Candidate best = c[0];
        size_t last = n - 1 - kept;
        c[0] = c[last];
        c[last] = best;
        sift(c, last, 0);
        sum += (double)best.p;
        kept++;
    }
    if (s->o.top_k > 0) {
        double share = s->o.top_p * sum, so_far = 0;
        size_t needed = 0;
        while (needed < kept && (so_far < share || needed == 0)) {
            so_far += (double)c[n - 1 - needed++].p;
        }
        kept = needed;
        sum = so_far;
    }
    *ret_first = n - kept;
    return sum;
}

static int32_t draw_token(Sampler *s, const float *logits, float max) {
    size_t n = 0, first = 0;
    double total = 0;
    for (size_t i = 0; i < s->n_vocab; i++) {
        float p = logits[i] == max ? 1 : expf((logits[i] - max) / s->o.temperature);
        if (p <= 0 || p < s->o.min_p) continue;
        s->candidates[n++] = (Candidate){ p, (int32_t)i };
        total += (double)p;
    }
    if (s->o.top_k > 0 || s->o.top_p < 1) total = pop_likeliest(s, n, total, &first);
    double rest = draw(s) * total;
    size_t at = n - 1;
    while (at > first && rest >= (double)s->candidates[at].p) rest -= (double)s->candidates[at--].p;
    return s->candidates[at].id;
}

Status sampler_next(Sampler *s, float *logits, const SamplerMask *mask, SamplerToken *ret,
                    Err *err) {
    TRY(check_logits(s, logits, err));
    SamplerToken token = { .logprob = NAN };
    double total = 0;
    if (s->raw) {
        memcpy(s->raw, logits, s->n_vocab * sizeof *logits);
        total = log_total(s, logits);
        find_top(s, logits, total);
    }
    penalise(s, logits);
    if (mask) forbid(s, mask, logits);
    token.id = find_largest(s, logits);
    if (!(logits[token.id] > -INFINITY)) {
        return err_set(err, STATUS_INVALID, "no token is allowed to come next");
    }
    if (s->o.temperature > 0) token.id = draw_token(s, logits, logits[token.id]);
    if (s->raw) token.logprob = (float)((double)s->raw[token.id] - total);
    count_written(s, token.id);
    *ret = token;
    return STATUS_OK;
}

const SamplerToken *sampler_top(const Sampler *s, size_t *ret_n) {
    *ret_n = s->n_top;
    return s->top;
}

SamplerMask *sampler_mask(Sampler *s) {
    assert(s->mask.bits);
    memset(s->mask.bits, 0xFF, (s->n_vocab + 63) / 64 * 8);
    return &s->mask;
}

void sampler_mask_forbid_all(SamplerMask *mask) {
    memset(mask->bits, 0, (mask->n_ids + 63) / 64 * 8);
}
