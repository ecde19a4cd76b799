/* The true widths of Llama 2 7B, 13B and 70B (grouped queries), two layers deep, with random
 * weights: every kernel set computes what ref computes. The files take 2 GB of the temporary folder
 * (TMPDIR), one after another, and are gone from it as soon as they are open. */
#include "gguf/random.h"
#include "llm/forward.h"

#include "llm/model_tolerance.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { N_TOKENS = 3 };
static const int32_t ids[N_TOKENS] = { 1, 31999, 15043 };

static LlmModel *random_model(const char *shape, const char *mix) {
    const char *tmp = getenv("TMPDIR");
    char path[1024];
    struct statvfs space;
    snprintf(path, sizeof path, "%s", tmp && *tmp ? tmp : "/tmp");
    cr_assert_eq(statvfs(path, &space), 0);
    if ((uint64_t)space.f_bavail * space.f_frsize < (uint64_t)3 << 30) {
        cr_skip("%s has less than 3 GiB free", path);
    }
    snprintf(path + strlen(path), sizeof path - strlen(path), "/fonte-test-%s-%ld.gguf", shape,
             (long)getpid());
    GgufRandomOptions options = { .n_layers = 2, .seed = 7 };
    LlmModel *model = NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_random(path, shape, mix, &options, NULL, &err), STATUS_OK, "%s", err.text);
    Status status = llm_model_open(path, &model, &err);
    unlink(path);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return model;
}

/* Logits of all tokens but the last in one batch, of the last by itself: both ways of a product. */
static void compute(const LlmModel *model, unsigned set, float *ret) {
    LlmContext *context = NULL;
    LlmSeq seq = 0;
    Err err = { 0 };
    LlmContextOptions options = { .n_threads = 2, .cpu_mask = set, .context = 32 };
    cr_assert_eq(llm_context_new(model, &options, &context, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(llm_seq_new(context, &seq, &err), STATUS_OK);
    LlmToken tokens[N_TOKENS];
    size_t n_vocab = model->shape.n_vocab;
    for (size_t i = 0; i < N_TOKENS; i++) tokens[i] = (LlmToken){ ids[i], seq, i + 2 >= N_TOKENS };
    cr_assert_eq(llm_eval(context, tokens, N_TOKENS - 1, &err), STATUS_OK, "%s", err.text);
    memcpy(ret, llm_logits(context, 0), n_vocab * sizeof *ret);
    cr_assert_eq(llm_eval(context, tokens + N_TOKENS - 1, 1, &err), STATUS_OK, "%s", err.text);
    memcpy(ret + n_vocab, llm_logits(context, 0), n_vocab * sizeof *ret);
    llm_context_free(context);
}

static void check_shape(const char *shape, const char *mix, const LlmShape *wanted) {
    LlmModel *model = random_model(shape, mix);
    const LlmShape *s = &model->shape;
    cr_assert(s->dim == wanted->dim && s->ffn_dim == wanted->ffn_dim &&
              s->n_heads == wanted->n_heads && s->n_kv_heads == wanted->n_kv_heads &&
              s->key_dim == 128 && s->n_vocab == 32000 && s->context == 4096);
    size_t n = 2 * s->n_vocab;
    AUTO_FREE float *ref = mem_alloc(n, sizeof *ref);
    AUTO_FREE float *got = mem_alloc(n, sizeof *got);
    cr_assert(ref && got);
    compute(model, KERNELS_REF, ref);
    double power = 0;
    for (size_t i = 0; i < n; i++) power += (double)ref[i] * ref[i];
    cr_assert(power / (double)n > 0.1 && power / (double)n < 100, "logits of %.3g",
              sqrt(power / (double)n));
    for (unsigned set = 2; set < KERNELS_SET_END; set <<= 1) {
        if (!(kernels_available() & set)) continue;
        KernelTable kernels;
        cr_assert_eq(kernels_pick(set, &kernels, NULL), STATUS_OK);
        compute(model, set, got);
        double error = 0, tolerance = model_tolerance(model, &kernels);
        for (size_t i = 0; i < n; i++) {
            error += ((double)got[i] - ref[i]) * ((double)got[i] - ref[i]);
        }
        cr_assert(error / power <= tolerance, "%s, %s: NMSE %.2e", shape,
                  kernels_set_name((KernelsSet)set), error / power);
        cr_log_info("%s, %s: NMSE %.2e", shape, kernels_set_name((KernelsSet)set), error / power);
    }
    llm_model_close(model);
}

Test(llm_shapes, llama2_7b, .timeout = 120) {
    check_shape("llama2-7b", "Q4_0",
                &(LlmShape){ .dim = 4096, .ffn_dim = 11008, .n_heads = 32, .n_kv_heads = 32 });
}
Test(llm_shapes, llama2_13b, .timeout = 120) {
    check_shape("llama2-13b", "Q4_K_M",
                &(LlmShape){ .dim = 5120, .ffn_dim = 13824, .n_heads = 40, .n_kv_heads = 40 });
}
Test(llm_shapes, llama2_70b, .timeout = 240) {
    check_shape("llama2-70b", "Q2_K",
                &(LlmShape){ .dim = 8192, .ffn_dim = 28672, .n_heads = 64, .n_kv_heads = 8 });
}
