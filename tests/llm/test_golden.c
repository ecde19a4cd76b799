/* The models of golden/ against the float64 forward pass, on every kernel set that this machine has
 * and with 1 to 4 threads. The thresholds of the manifest are those of engines that round their
 * activations; this one does not, and is held to what its README says of such engines: 1e-10. */
#include "golden.h"

enum { MAX_TOKENS = 512 };
#define NMSE_LIMIT 1e-10

typedef struct Golden {
    const Json *entry;
    const char *file;
    LlmModel *model;
    LlmContext *context;
    const char *set;
    double worst;
} Golden;

/* Logits of every position of a new sequence, the tokens in one batch. */
static const float *run(Golden *g, const int32_t *ids, size_t n) {
    LlmToken tokens[MAX_TOKENS];
    LlmSeq seq = 0;
    Err err = { 0 };
    cr_assert_eq(llm_seq_new(g->context, &seq, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < n; i++) tokens[i] = (LlmToken){ ids[i], seq, true };
    cr_assert_eq(llm_eval(g->context, tokens, n, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(llm_n_logits(g->context), n);
    llm_seq_free(g->context, seq);
    return llm_logits(g->context, 0);
}

static void check_sequence(Golden *g, const Json *sequence) {
    int32_t ids[MAX_TOKENS];
    size_t n = golden_ids(json_get(sequence, "tokens"), ids, MAX_TOKENS);
    size_t n_vocab = g->model->shape.n_vocab;
    size_t n_kept = (size_t)json_get(sequence, "positions")->number;
    char name[256];
    snprintf(name, sizeof name, "golden/%s", json_get(sequence, "f64")->string.p);
    AUTO_BUF Buf f64 = BUF_NULL;
    golden_read(name, &f64);
    cr_assert_eq(f64.n, n_kept * n_vocab * sizeof(float));
    const float *logits = run(g, ids, n) + (n - n_kept) * n_vocab;
    double nmse = golden_nmse(logits, (const float *)(const void *)f64.p, n_kept * n_vocab);
    double threshold = json_get(g->entry, "threshold_nmse_f64")->number;
    g->worst = fmax(g->worst, nmse);
    cr_assert(nmse <= threshold && nmse <= NMSE_LIMIT, "%s, %zu tokens, %s: NMSE %.2e", g->file, n,
              g->set, nmse);
}

/* Where the references agree and nothing is near, the largest logit is theirs. */
static void check_greedy(Golden *g) {
    const Json *greedy = json_get(g->entry, "greedy");
    int32_t ids[MAX_TOKENS], wanted[MAX_TOKENS], clear[MAX_TOKENS];
    size_t n_prompt = golden_ids(json_get(greedy, "prompt"), ids, MAX_TOKENS);
    size_t n = golden_ids(json_get(greedy, "ids"), wanted, MAX_TOKENS - n_prompt);
    golden_ids(json_get(greedy, "clear"), clear, MAX_TOKENS);
    for (size_t i = 0; i < n; i++) ids[n_prompt + i] = wanted[i];
    size_t n_vocab = g->model->shape.n_vocab;
    const float *logits = run(g, ids, n_prompt + n - 1) + (n_prompt - 1) * n_vocab;
    for (size_t i = 0; i < n; i++) {
        size_t best = golden_argmax(logits + i * n_vocab, n_vocab);
        cr_assert(!clear[i] || best == (size_t)wanted[i], "%s, step %zu, %s: %zu instead of %d",
                  g->file, i, g->set, best, wanted[i]);
    }
}

static double check_model(const Json *entry, unsigned set, unsigned n_threads) {
    char name[256];
    Golden g = { .entry = entry, .file = json_get(entry, "file")->string.p };
    snprintf(name, sizeof name, "golden/%s", g.file);
    g.set = kernels_set_name((KernelsSet)set);
    g.model = golden_model(name);
    LlmContextOptions options = {
        .n_threads = n_threads, .cpu_mask = set, .context = 256, .max_logits = 256
    };
    g.context = golden_context(g.model, &options);
    cr_assert_str_eq(llm_context_kernels(g.context), g.set);
    const Json *sequences = json_get(entry, "sequences");
    for (const Json *s = sequences->child; s; s = s->next) check_sequence(&g, s);
    check_greedy(&g);
    llm_context_free(g.context);
    llm_model_close(g.model);
    return g.worst;
}

static void check_set(unsigned set, unsigned n_threads) {
    AUTO_BUF Buf text = BUF_NULL;
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *manifest = golden_json("golden/manifest.json", &text, &arena);
    if (!(kernels_available() & set)) {
        cr_skip("this machine lacks %s", kernels_set_name((KernelsSet)set));
    }
    size_t n = 0;
    double worst = 0;
    for (const Json *m = json_get(manifest, "models")->child; m; m = m->next) {
        if (!slice_equal(json_get(m, "arch")->string, SLICE("llama"))) continue;
        worst = fmax(worst, check_model(m, set, n_threads));
        n++;
    }
    cr_assert_gt(n, 20);
    cr_log_info("%s, %u threads: %zu models, largest NMSE %.1e", kernels_set_name((KernelsSet)set),
                n_threads, n, worst);
}

Test(llm_golden, ref_agrees_with_float64_on_two_threads) {
    check_set(KERNELS_REF, 2);
}
Test(llm_golden, avx2_agrees_with_float64_on_one_thread) {
    check_set(KERNELS_AVX2, 1);
}
Test(llm_golden, avx2_agrees_with_float64_on_four_threads) {
    check_set(KERNELS_AVX2, 4);
}
Test(llm_golden, avx512_agrees_with_float64_on_one_thread) {
    check_set(KERNELS_AVX512, 1);
}
Test(llm_golden, avx512_agrees_with_float64_on_three_threads) {
    check_set(KERNELS_AVX512, 3);
}
Test(llm_golden, neon_agrees_with_float64_on_two_threads) {
    check_set(KERNELS_NEON, 2);
}

/* The trained model: every continuation, exactly, on a set. */
static void check_stories(unsigned set) {
    AUTO_BUF Buf text = BUF_NULL;
    golden_read("llama2/stories260K/cases.jsonl", &text);
    if (!(kernels_available() & set)) {
        cr_skip("this machine lacks %s", kernels_set_name((KernelsSet)set));
    }
    LlmModel *model = golden_model("llama2/stories260K/stories260K.f32.gguf");
    LlmContextOptions options = { .n_threads = 2, .cpu_mask = set };
    LlmContext *context = golden_context(model, &options);
    size_t n_cases = 0;
    for (Slice rest = buf_slice(&text); slice_trim(rest).n > 0; n_cases++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        Slice line = { rest.p, end ? (size_t)(end - rest.p) : rest.n };
        rest = slice_skip(rest, line.n + 1);
        AUTO_ARENA Arena arena = ARENA_NULL;
        const Json *c = NULL;
        Err err = { 0 };
        cr_assert_eq(json_read(line, 8, &arena, &c, &err), STATUS_OK, "%s", err.text);
        int32_t ids[MAX_TOKENS], wanted[MAX_TOKENS];
        size_t n = golden_ids(json_get(c, "ids"), ids, MAX_TOKENS);
        size_t n_wanted = golden_ids(json_get(c, "greedy"), wanted, MAX_TOKENS);
        LlmSeq seq = 0;
        cr_assert_eq(llm_seq_new(context, &seq, &err), STATUS_OK);
        LlmToken tokens[MAX_TOKENS];
        for (size_t i = 0; i < n; i++) tokens[i] = (LlmToken){ ids[i], seq, i + 1 == n };
        for (size_t i = 0; i < n_wanted; i++) {
            cr_assert_eq(llm_eval(context, tokens, n, &err), STATUS_OK, "%s", err.text);
            size_t best = golden_argmax(llm_logits(context, 0), model->shape.n_vocab);
            cr_assert_eq(best, (size_t)wanted[i], "case %zu, step %zu", n_cases, i);
            tokens[0] = (LlmToken){ (int32_t)best, seq, true };
            n = 1;
        }
        llm_seq_free(context, seq);
    }
    cr_assert_gt(n_cases, 4);
    llm_context_free(context);
    llm_model_close(model);
}

Test(llm_golden, stories_go_on_exactly_with_ref) {
    check_stories(KERNELS_REF);
}
Test(llm_golden, stories_go_on_exactly_with_avx2) {
    check_stories(KERNELS_AVX2);
}
Test(llm_golden, stories_go_on_exactly_with_avx512) {
    check_stories(KERNELS_AVX512);
}
Test(llm_golden, stories_go_on_exactly_with_neon) {
    check_stories(KERNELS_NEON);
}
