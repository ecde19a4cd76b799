/* One model is opened once more for each repetition of `load`, so that nothing is warm but the page
 * cache; the last one serves the rest. Sequences begin with the context's tokens; a repetition
 * appends to them and truncates again, so that all start from the same state. */
#include <fonte/bench.h>

#include "api/api_internal.h"
#include "api/bench_limits.h"
#include "api/bench_speculation.h"
#include "base/clock.h"
#include "base/mem.h"
#include "llm/forward.h"
#include <stdio.h>
#include <strings.h>

enum { MAX_STREAMS = 256, CHUNK = 512 };

typedef struct Run {
    const FonteBenchEngine *o;
    LlmContextOptions options;
    LlmModel *model;
    LlmContext *context;
    LlmSeq seq[MAX_STREAMS];
    LlmToken *tokens; /* [max(CHUNK, n_streams)] */
    uint32_t random;
    BenchLimits limits;
    double weight_bytes, weights; /* that a step reads, that a token is multiplied by */
    double output_weights;        /* beside them, for tokens whose logits are wanted */
} Run;

static Status tell(const Run *run, const char *name, const char *unit, double value, Err *err) {
    if (!run->o->figure || run->o->figure(run->o->context, name, unit, value)) return STATUS_OK;
    return err_set(err, STATUS_CANCELLED, "cancelled");
}

static double seconds_since(int64_t begin_ns) {
    return (double)(clock_ns() - begin_ns) * 1e-9;
}

static int32_t random_token(Run *run) {
    run->random = run->random * 1664525U + 1013904223U;
    size_t n = run->model->shape.n_vocab;
    return n > 3 ? (int32_t)(3 + (run->random >> 8) % (n - 3)) : 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_all(Run *run) {
    run->context = llm_context_free(run->context);
    run->model = llm_model_close(run->model);
}

static void run_deinit(Run *run) {
    close_all(run);
    free(run->tokens);
}

static Status load(Run *run, Err *err) {
    close_all(run);
    int64_t begin = clock_ns();
    TRY(llm_model_open(run->o->model, &run->model, err));
    TRY(llm_context_new(run->model, &run->options, &run->context, err));
    return tell(run, "load", "s", seconds_since(begin), err);
}

static Status fill_options(Run *run, Err *err) {
    static const char *const kv_names[KERNELS_N_KV_TYPES] = { "f32", "f16", "q8_0" };
    const FonteBenchEngine *o = run->o;
    size_t n_streams = MAX(o->n_streams, (size_t)1), positions = 0;
    if (n_streams > MAX_STREAMS) {
        return err_set_param(err, STATUS_USAGE, "streams", "%zu streams, at most %d", n_streams,
                             MAX_STREAMS);
    }
    bool fits = mem_add(o->n_context, MAX(o->n_prompt, o->n_decode + 1), &positions);
    run->options = (LlmContextOptions){ .n_threads = o->n_threads,
                                        .cpu_mask = KERNELS_ALL,
                                        .kv = KERNELS_KV_F16,
                                        .context = fits ? positions : SIZE_MAX,
                                        .n_sequences = n_streams,
                                        .batch = MAX((size_t)CHUNK, n_streams),
                                        .max_logits = MAX((size_t)1, n_streams),
                                        .profile = o->profile };
    if (o->speculation && (o->n_decode < 2 || o->n_prompt < o->n_decode)) {
        return err_set_param(
            err, STATUS_USAGE, "speculation",
            "speculation writes at least 2 tokens of a prompt of at least as many");
    }
    for (size_t i = 0; o->kv && i <= KERNELS_N_KV_TYPES; i++) {
        if (i == KERNELS_N_KV_TYPES) {
            return err_set_param(err, STATUS_USAGE, "kv", "unknown type of cache '%s'", o->kv);
        }
        run->options.kv = (KernelsKvType)i;
        if (strcasecmp(o->kv, kv_names[i]) == 0) break;
    }
    if (o->kernels) TRY(kernels_mask_parse(o->kernels, &run->options.cpu_mask, err));
    run->tokens = mem_alloc(run->options.batch, sizeof *run->tokens);
    return run->tokens ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

static void count_tensor(Run *run, const LlmTensor *t, size_t count[KERNELS_N_ARITHMETICS],
                         const KernelTable *kernels) {
    run->weights += (double)t->n_rows * (double)t->n_in;
    run->weight_bytes += (double)t->n_rows * (double)t->row_bytes;
    count[kernels_arithmetic(&kernels->products[KERNELS_READING][t->type], 1)] +=
        t->n_rows * t->n_in;
}

static Status measure_limits(Run *run, Err *err) {
    KernelTable kernels;
    size_t count[KERNELS_N_ARITHMETICS] = { 0 }, most = 0;
    TRY(kernels_pick(run->options.cpu_mask, &kernels, err));
    const LlmModel *m = run->model;
    for (size_t i = 0; i < m->shape.n_layers; i++) {
        const LlmLayer *l = &m->layers[i];
        const LlmTensor *all[] = {
            &l->wq, &l->wk, &l->wv, &l->wo, &l->w_gate, &l->w_up, &l->w_down
        };
        for (size_t k = 0; k < N_ELEMENTS(all); k++) count_tensor(run, all[k], count, &kernels);
    }
    double layer_weights = run->weights;
    count_tensor(run, &m->output, count, &kernels);
    run->output_weights = run->weights - layer_weights;
    run->weights = layer_weights;
    for (size_t i = 0; i < KERNELS_N_ARITHMETICS; i++) most = count[i] > count[most] ? i : most;
    TRY(bench_limits_measure(&kernels, (KernelsArithmetic)most, run->o->n_threads, &run->limits,
                             err));
    TRY(tell(run, "memory_limit", "GB/s", run->limits.bytes_per_s / 1e9, err));
    return tell(run, "arithmetic_limit", "Gop/s", run->limits.ops_per_s / 1e9, err);
}

/* ---- computing --------------------------------------------------------------------------------
 */

/* n random tokens to a sequence, in chunks; logits of the last. */
static Status read_tokens(Run *run, LlmSeq seq, size_t n, Err *err) {
    while (n > 0) {
        size_t now = MIN(n, run->options.batch);
        for (size_t i = 0; i < now; i++) {
            run->tokens[i] = (LlmToken){ .id = random_token(run),
                                         .seq = seq,
                                         .want_logits = n == now && i + 1 == now };
        }
        TRY(llm_eval(run->context, run->tokens, now, err));
        n -= now;
    }
    return STATUS_OK;
}

static int32_t largest(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = logits[i] > logits[best] ? i : best;
    return (int32_t)best;
}

/* One token to each stream: what its logits of the step before say. */
static Status step(Run *run, size_t n_streams, bool first, Err *err) {
    for (size_t s = 0; s < n_streams; s++) {
        int32_t id = first ? random_token(run)
                           : largest(llm_logits(run->context, s), run->model->shape.n_vocab);
        run->tokens[s] =
            (LlmToken){ .id = id, .seq = run->seq[s], .want_logits = true, .is_written = true };
    }
    return llm_eval(run->context, run->tokens, n_streams, err);
}

static Status tell_profile(Run *run, const char *stage, Err *err) {
    LlmProfile *profile = llm_context_profile(run->context);
    for (size_t i = 0; profile && i < LLM_N_OPS; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s_%s", stage, llm_op_name((LlmOp)i));
        TRY(tell(run, name, "ms", profile->seconds[i] * 1e3, err));
    }
    return STATUS_OK;
}

static void clear_profile(Run *run) {
    LlmProfile *profile = llm_context_profile(run->context);
    if (profile) *profile = (LlmProfile){ 0 };
}

static Status measure_prefill(Run *run, Err *err) {
    size_t n = run->o->n_prompt;
    clear_profile(run);
    int64_t begin = clock_ns();
    TRY(read_tokens(run, run->seq[0], n, err));
    double seconds = seconds_since(begin), rate = (double)n / seconds;
    double operations = 2 * ((double)n * run->weights + run->output_weights);
    TRY(tell(run, "prefill", "tokens/s", rate, err));
    TRY(tell(run, "prefill_share", "of arithmetic_limit",
             operations / seconds / run->limits.ops_per_s, err));
    TRY(tell_profile(run, "prefill", err));
    return llm_seq_truncate(run->context, run->seq[0], run->o->n_context, err);
}

static Status measure_decode(Run *run, Err *err) {
    size_t n_streams = run->options.n_sequences, n = run->o->n_decode;
    TRY(step(run, n_streams, true, err));
    clear_profile(run);
    int64_t begin = clock_ns();
    for (size_t i = 0; i < n; i++) TRY(step(run, n_streams, false, err));
    double seconds = seconds_since(begin);
    double positions = (double)(llm_context_free_tokens(run->context) +
                                n_streams * llm_seq_length(run->context, run->seq[0]));
    double cached = (double)n_streams * ((double)run->o->n_context + 1 + (double)n / 2);
    double cache_bytes = (double)llm_context_kv_bytes(run->context) * cached / positions;
    TRY(tell(run, "decode", "tokens/s", (double)(n_streams * n) / seconds, err));
    TRY(tell(run, "decode_share", "of memory_limit",
             (double)n * (run->weight_bytes + cache_bytes) / seconds / run->limits.bytes_per_s,
             err));
    TRY(tell_profile(run, "decode", err));
    for (size_t s = 0; s < n_streams; s++) {
        TRY(llm_seq_truncate(run->context, run->seq[s], run->o->n_context, err));
    }
    return STATUS_OK;
}

static Status measure_speculation(Run *run, uint32_t round, Err *err) {
    const FonteBenchEngine *o = run->o;
    LlmContextOptions options = run->options;
    BenchSpeculation s;
    options.context = o->n_prompt + o->n_decode;
    TRY(bench_speculation_measure(run->model, &options, o->n_prompt, o->n_decode, round, &s, err));
    TRY(tell(run, "copied", "tokens/s", s.copied, err));
    TRY(tell(run, "copied_plain", "tokens/s", s.copied_plain, err));
    TRY(tell(run, "copied_gain", "of copied_plain", s.copied / s.copied_plain, err));
    TRY(tell(run, "other", "tokens/s", s.other, err));
    TRY(tell(run, "other_plain", "tokens/s", s.other_plain, err));
    return tell(run, "other_cost", "of other_plain", 1 - s.other / s.other_plain, err);
}

static Status measure_memory(const Run *run, Err *err) {
    double kv = (double)llm_context_kv_bytes(run->context), kb = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %lf", &kb) == 1) break;
    }
    if (file) fclose(file);
    TRY(tell(run, "resident", "MB", MAX(kb * 1024 - kv, 0.0) / 1e6, err));
    return tell(run, "kv_cache", "MB", kv / 1e6, err);
}

static Status measure(Run *run, Err *err) {
    unsigned n_repeats = run->o->n_repeats ? run->o->n_repeats : 3;
    for (unsigned i = 0; i < n_repeats; i++) TRY(load(run, err));
    for (size_t s = 0; s < run->options.n_sequences; s++) {
        TRY(llm_seq_new(run->context, &run->seq[s], err));
        TRY(read_tokens(run, run->seq[s], run->o->n_context, err));
    }
    if (run->o->n_context == 0) { /* pages touched, threads awake */
        TRY(read_tokens(run, run->seq[0], MIN((size_t)8, run->options.context), err));
        TRY(llm_seq_truncate(run->context, run->seq[0], 0, err));
    }
    TRY(measure_memory(run, err));
    TRY(measure_limits(run, err));
    for (unsigned i = 0; i < n_repeats; i++) {
        if (run->o->n_decode) TRY(measure_decode(run, err));
        if (run->o->n_prompt) TRY(measure_prefill(run, err));
        if (run->o->speculation) TRY(measure_speculation(run, i, err));
    }
    return STATUS_OK;
}

FonteStatus fonte_bench_engine(const FonteBenchEngine *bench, FonteError *error) {
    NEED(bench, error);
    NEED(bench->model, error);
    CLEANUP(run_deinit) Run run = { .o = bench, .random = 12345 };
    TRY(fill_options(&run, error));
    Err err = { 0 };
    Status status = measure(&run, &err);
    return api_finish(status, &err, error);
}
