/* Whole models on every kernel set that this machine has, and what each may differ from: the
 * float64 forward pass of golden/ (thresholds of its manifest; 1e-10 for an engine that rounds no
 * activations, as its README says), the exact continuations of stories260K, and, without any
 * reference data, ref on random models of every number format. A plain program without a test
 * library, so that the same source runs under qemu when it is cross-built.
 * Usage: check_models [--quick]   (ref not against float64, fewer numbers of threads)
 * FONTE_SHARED names the folder of reference data, FONTE_FIXTURE the repository's trained model. */
#include "base/file.h"
#include "base/json.h"
#include "llm/forward.h"
#include "model_tolerance.h"
#include "tiny_model.h"

#include <math.h>
#include <stdio.h>

enum { MAX_TOKENS = 512 };

static const char *set_name; /* the set that is being checked */
static unsigned set_bit, n_checks, n_failed;

static bool check(bool good, const char *what, const char *model, size_t detail, double measure) {
    n_checks++;
    if (good) return true;
    if (n_failed++ < 20) {
        printf("FAIL %s: %s, %s, %zu: %.3g\n", set_name, what, model, detail, measure);
    }
    return false;
}

/* A status that is not OK ends the program: nothing after it would mean anything. */
static void need(Status status, const Err *err) {
    if (status == STATUS_OK) return;
    printf("FAIL %s: %s\n", set_name ? set_name : "start", err->text);
    exit(1);
}

/* What the set's logits of this model may differ by, if inputs of products are rounded in it. */
static double tolerance_of(const LlmModel *model) {
    KernelTable kernels;
    Err err = { 0 };
    need(kernels_pick(set_bit, &kernels, &err), &err);
    return model_tolerance(model, &kernels);
}

/* Whether the set computes this model in its own way: what it lacks is ref's. */
static bool is_own(const LlmModel *model) {
    KernelTable kernels, ref;
    Err err = { 0 };
    need(kernels_pick(set_bit, &kernels, &err), &err);
    need(kernels_pick(KERNELS_REF, &ref, &err), &err);
    bool whole = set_bit == KERNELS_REF || kernels.rmsnorm != ref.rmsnorm;
    return whole || model_uses(model, &kernels, ~(1U << KERNELS_F32));
}

static LlmContext *context_new(const LlmModel *model, unsigned n_threads) {
    LlmContext *context = NULL;
    Err err = { 0 };
    LlmContextOptions o = {
        .n_threads = n_threads, .cpu_mask = set_bit, .context = 256, .max_logits = 256
    };
    need(llm_context_new(model, &o, &context, &err), &err);
    check(strcmp(llm_context_kernels(context), set_name) == 0, "another set runs", "", 0, 0);
    return context;
}

/* Logits of every position of a new sequence, the tokens in one batch: a view. */
static const float *logits_of(LlmContext *context, const int32_t *ids, size_t n) {
    LlmToken tokens[MAX_TOKENS];
    LlmSeq seq = 0;
    Err err = { 0 };
    need(llm_seq_new(context, &seq, &err), &err);
    for (size_t i = 0; i < n; i++) tokens[i] = (LlmToken){ ids[i], seq, true };
    need(llm_eval(context, tokens, n, &err), &err);
    llm_seq_free(context, seq);
    return llm_logits(context, 0);
}

/* sum (a - b)^2 / sum b^2 */
static double nmse_of(const float *a, const float *b, size_t n) {
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += (double)b[i] * b[i];
    }
    return isfinite(d) ? d / s : INFINITY;
}

static size_t best_of(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
    return best;
}

/* n ids that follow a prompt, each the best. */
static void greedy(LlmContext *context, const int32_t *prompt, size_t n_prompt, size_t n,
                   int32_t *ret) {
    LlmToken tokens[MAX_TOKENS];
    LlmSeq seq = 0;
    Err err = { 0 };
    need(llm_seq_new(context, &seq, &err), &err);
    size_t n_vocab = llm_context_model(context)->shape.n_vocab;
    for (size_t i = 0; i < n_prompt; i++) {
        tokens[i] = (LlmToken){ prompt[i], seq, i + 1 == n_prompt };
    }
    for (size_t i = 0; i < n; i++) {
        need(llm_eval(context, tokens, i ? 1 : n_prompt, &err), &err);
        ret[i] = (int32_t)best_of(llm_logits(context, 0), n_vocab);
        tokens[0] = (LlmToken){ ret[i], seq, true };
    }
    llm_seq_free(context, seq);
}

/* ---- reference data ------------------------------------------------------------------------- */

static const char *shared; /* FONTE_SHARED, or NULL */

static void read_shared(const char *name, Buf *ret) {
    char path[1024];
    Err err = { 0 };
    snprintf(path, sizeof path, "%s/%s", shared, name);
    need(file_read(path, 64U << 20, ret, &err), &err);
}

static LlmModel *open_model(const char *folder, const char *name) {
    char path[1024];
    LlmModel *model = NULL;
    Err err = { 0 };
    snprintf(path, sizeof path, "%s%s%s", folder ? folder : "", folder ? "/" : "", name);
    need(llm_model_open(path, &model, &err), &err);
    return model;
}

static size_t ids_of(const Json *list, int32_t *ret, size_t max) {
    size_t n = 0;
    for (const Json *id = list->child; id && n < max; id = id->next) ret[n++] = (int32_t)id->number;
    return n;
}

typedef struct Golden {
    const Json *entry;
    const char *file;
    LlmContext *context;
    size_t n_vocab;
    double worst;
} Golden;

static void check_sequence(Golden *g, const Json *sequence) {
    int32_t ids[MAX_TOKENS];
    size_t n = ids_of(json_get(sequence, "tokens"), ids, MAX_TOKENS);
    size_t n_kept = (size_t)json_get(sequence, "positions")->number;
    char name[256];
    snprintf(name, sizeof name, "golden/%s", json_get(sequence, "f64")->string.p);
    AUTO_BUF Buf f64 = BUF_NULL;
    read_shared(name, &f64);
    if (!check(f64.n == n_kept * g->n_vocab * sizeof(float), "size", name, n, 0)) return;
    const float *logits = logits_of(g->context, ids, n) + (n - n_kept) * g->n_vocab;
    double nmse = nmse_of(logits, (const float *)(const void *)f64.p, n_kept * g->n_vocab);
    double threshold = json_get(g->entry, "threshold_nmse_f64")->number;
    g->worst = fmax(g->worst, nmse);
    double tolerance = tolerance_of(llm_context_model(g->context));
    check(nmse <= threshold && nmse <= tolerance, "NMSE to float64", g->file, n, nmse);
}

/* Where the references agree and nothing is near, the largest logit is theirs. */
static void check_clear_steps(const Golden *g) {
    const Json *steps = json_get(g->entry, "greedy");
    int32_t ids[MAX_TOKENS], wanted[MAX_TOKENS] = { 0 }, clear[MAX_TOKENS] = { 0 };
    size_t n_prompt = ids_of(json_get(steps, "prompt"), ids, MAX_TOKENS);
    size_t n = ids_of(json_get(steps, "ids"), wanted, MAX_TOKENS - n_prompt);
    check(ids_of(json_get(steps, "clear"), clear, MAX_TOKENS) == n, "steps", g->file, n, 0);
    memcpy(ids + n_prompt, wanted, n * sizeof *ids);
    const float *logits = logits_of(g->context, ids, n_prompt + n - 1);
    for (size_t i = 0; i < n; i++) {
        size_t best = best_of(logits + (n_prompt - 1 + i) * g->n_vocab, g->n_vocab);
        if (clear[i]) check(best == (size_t)wanted[i], "greedy step", g->file, i, (double)best);
    }
}

/* Returns whether the set has anything of its own to check here. */
static bool check_golden_model(Golden *g, unsigned n_threads) {
    char folder[900];
    snprintf(folder, sizeof folder, "%s/golden", shared);
    LlmModel *model = open_model(folder, g->file);
    bool own = is_own(model);
    if (own) {
        g->n_vocab = model->shape.n_vocab;
        g->context = context_new(model, n_threads);
        const Json *sequence = json_get(g->entry, "sequences")->child;
        for (; sequence; sequence = sequence->next) check_sequence(g, sequence);
        check_clear_steps(g);
        llm_context_free(g->context);
    }
    llm_model_close(model);
    return own;
}

static void check_golden(unsigned n_threads) {
    AUTO_BUF Buf text = BUF_NULL;
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *manifest = NULL;
    Err err = { 0 };
    read_shared("golden/manifest.json", &text);
    need(json_read(buf_slice(&text), 32, &arena, &manifest, &err), &err);
    size_t n = 0, n_own = 0;
    double worst = 0;
    for (const Json *m = json_get(manifest, "models")->child; m; m = m->next) {
        if (!slice_equal(json_get(m, "arch")->string, SLICE("llama"))) continue;
        Golden g = { .entry = m, .file = json_get(m, "file")->string.p };
        n++;
        n_own += check_golden_model(&g, n_threads);
        worst = fmax(worst, g.worst);
    }
    check(n > 20 && n_own > 0, "models", "golden", n, (double)n_own);
    printf("%s, %u threads: %zu of %zu golden models, largest NMSE %.1e\n", set_name, n_threads,
           n_own, n, worst);
}

/* The trained model: every continuation, exactly. */
static void check_stories(void) {
    AUTO_BUF Buf text = BUF_NULL;
    char folder[900];
    read_shared("llama2/stories260K/cases.jsonl", &text);
    snprintf(folder, sizeof folder, "%s/llama2/stories260K", shared);
    LlmModel *model = open_model(folder, "stories260K.f32.gguf");
    if (!is_own(model)) {
        llm_model_close(model);
        return;
    }
    LlmContext *context = context_new(model, 2);
    size_t n_cases = 0;
    for (Slice rest = buf_slice(&text); slice_trim(rest).n > 0; n_cases++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        Slice line = { rest.p, end ? (size_t)(end - rest.p) : rest.n };
        rest = slice_skip(rest, line.n + 1);
        AUTO_ARENA Arena arena = ARENA_NULL;
        const Json *c = NULL;
        Err err = { 0 };
        need(json_read(line, 8, &arena, &c, &err), &err);
        int32_t ids[MAX_TOKENS], wanted[MAX_TOKENS] = { 0 }, got[MAX_TOKENS] = { 0 };
        size_t n = ids_of(json_get(c, "ids"), ids, MAX_TOKENS);
        size_t n_wanted = ids_of(json_get(c, "greedy"), wanted, MAX_TOKENS);
        greedy(context, ids, n, n_wanted, got);
        check(memcmp(got, wanted, n_wanted * sizeof *got) == 0, "story", "stories260K", n_cases, 0);
    }
    check(n_cases > 4, "stories", "stories260K", n_cases, 0);
    llm_context_free(context);
    llm_model_close(model);
}

/* ---- without reference data -------------------------------------------------------------------
 */

enum { TINY_TOKENS = 40 };
static float *ref_logits[GGUF_N_TYPE_NUMBERS]; /* [TINY_TOKENS, n_vocab] of ref, which is first */

static void check_tiny(GgufType type, bool quick) {
    TinySpec spec = tiny_spec_of(type);
    AUTO_BUF Buf bytes = BUF_NULL;
    GgufFile *file = NULL;
    LlmModel *model = NULL;
    Err err = { 0 };
    need(tiny_build(&spec, &bytes, &err), &err);
    need(gguf_file_open_memory(buf_slice(&bytes), "tiny", NULL, &file, &err), &err);
    need(llm_model_from_file(file, &model, &err), &err);
    if (!is_own(model)) {
        llm_model_close(model);
        return;
    }
    int32_t ids[TINY_TOKENS];
    for (int i = 0; i < TINY_TOKENS; i++) ids[i] = i * 31 % (int)spec.n_vocab;
    size_t n = TINY_TOKENS * spec.n_vocab;
    for (unsigned n_threads = 1; n_threads <= 4; n_threads += quick ? 3 : 1) {
        LlmContext *context = context_new(model, n_threads);
        const float *logits = logits_of(context, ids, TINY_TOKENS);
        if (!ref_logits[type]) {
            ref_logits[type] = mem_alloc(n, sizeof(float));
            if (!ref_logits[type]) exit(1);
            memcpy(ref_logits[type], logits, n * sizeof(float));
        }
        double nmse = nmse_of(logits, ref_logits[type], n);
        check(nmse <= (set_bit == KERNELS_REF ? 0 : tolerance_of(model)), "NMSE to ref",
              gguf_type_name(type), n_threads, nmse);
        llm_context_free(context);
    }
    llm_model_close(model);
}

/* The trained model of the repository: the same ids as ref. */
static void check_fixture(const char *path) {
    static const int32_t prompts[][4] = { { 1, 300, 400, 500 },
                                          { 1, 270, 33, 999 },
                                          { 1, 7, 8, 9 } };
    enum { N = 100 };
    static int32_t wanted[N_ELEMENTS(prompts)][N];
    LlmModel *model = open_model(NULL, path);
    /* a set that rounds its inputs may take the other of two that are nearly as likely */
    if (!is_own(model) || tolerance_of(model) > TOLERANCE_MODEL) {
        llm_model_close(model);
        return;
    }
    LlmContext *context = context_new(model, 2);
    for (size_t i = 0; i < N_ELEMENTS(prompts); i++) {
        int32_t got[N];
        greedy(context, prompts[i], 4, N, got);
        if (set_bit == KERNELS_REF) memcpy(wanted[i], got, sizeof got);
        check(memcmp(got, wanted[i], sizeof got) == 0, "greedy ids", "fixture", i, 0);
    }
    llm_context_free(context);
    llm_model_close(model);
}

static void check_set(bool quick) {
    const char *fixture = getenv("FONTE_FIXTURE");
    for (uint32_t type = 0; type < GGUF_N_TYPE_NUMBERS; type++) {
        if (gguf_type_traits(type)) check_tiny((GgufType)type, quick);
    }
    if (fixture && *fixture) check_fixture(fixture);
    if (!shared || (quick && set_bit == KERNELS_REF)) return;
    check_golden(set_bit == KERNELS_REF ? 2 : 1);
    if (set_bit != KERNELS_REF && !quick) check_golden(4);
    check_stories();
}

int main(int argc, char **argv) {
    bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
    shared = getenv("FONTE_SHARED");
    if (shared && !*shared) shared = NULL;
    if (!shared) printf("SKIP golden models, stories260K: FONTE_SHARED is not set\n");
    for (set_bit = 1; set_bit < KERNELS_SET_END; set_bit <<= 1) {
        set_name = kernels_set_name((KernelsSet)set_bit);
        if (!(kernels_available() & set_bit)) {
            printf("SKIP %s: this machine lacks it\n", set_name);
            continue;
        }
        unsigned before = n_checks;
        check_set(quick);
        printf("%s: %u checks\n", set_name, n_checks - before);
    }
    for (size_t i = 0; i < GGUF_N_TYPE_NUMBERS; i++) free(ref_logits[i]);
    printf("%u of %u checks failed\n", n_failed, n_checks);
    return n_failed || !n_checks;
}
