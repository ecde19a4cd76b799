/* The trained model of the repository, from its Hugging Face folder: converted, quantised, loaded;
 * the same text on every kernel set, for every number format. Needs nothing from outside. */
#include "base/file.h"
#include "gguf/convert.h"
#include "gguf/quantize.h"
#include "llm/forward.h"
#include "llm/tokenizer.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static char folder[] = "/tmp/fonte-test-fixture-XXXXXX";

static void make_folder(void) {
    cr_assert(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}
static void drop_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}
TestSuite(llm_fixture, .init = make_folder, .fini = drop_folder);

static const char *const prompts[] = { "The fine", "Data centres", "TikTok" };
enum { N_NEW = 60, MAX_PROMPT = 64 };
/* What a forward pass in float64, written apart from this one, makes of the safetensors file: at
 * each step its two best logits are 0.04 apart or more. */
static const char articles[] =
    "The fine found that the Dutchms can levels. Irish authority entered into force on 1 January "
    "2025\n"
    "\n"
    "The European Commission fined Google 500 million euros in September 20\n"
    "Data centresent the Digital Markets Act: Alphabet, Amazon WhatsApp.\n"
    "\n"
    " The thresholds\n"
    "\n"
    "On 18 September 2023 the European Commission had fined TikTok 140 million\n"
    "TikTok fines convention on 15 September 2023. The GDPR\n"
    "\n"
    "The Irish Data Protection Commission fines Regulation (EU) 2024/188, which oblig\n";

static void convert(const char *out) {
    char source[1024];
    Err err = { 0 };
    snprintf(source, sizeof source, "%s/fixtures/tiny-llama", getenv("FONTE_TESTS"));
    cr_assert_eq(gguf_convert(source, out, NULL, NULL, &err), STATUS_OK, "%s", err.text);
}

static void quantize(const char *in, const char *out, const char *type) {
    Err err = { 0 };
    GgufQuantizeOptions options = { .n_threads = 2, .pure = true };
    cr_assert_eq(gguf_quantize(in, out, type, &options, NULL, &err), STATUS_OK, "%s", err.text);
}

/* The text that follows a prompt, always the likeliest token. */
static void go_on(LlmContext *context, const char *prompt, Buf *ret) {
    const LlmModel *model = llm_context_model(context);
    TokenList ids = TOKEN_LIST_NULL;
    Err err = { 0 };
    cr_assert_eq(tokenizer_encode(model->vocab, slice_of(prompt), TOKENIZE_AS_MODEL, &ids, &err),
                 STATUS_OK, "%s", err.text);
    LlmToken tokens[MAX_PROMPT];
    LlmSeq seq = 0;
    size_t n = ids.n;
    cr_assert(n < MAX_PROMPT && ids.ids[0] == vocab_bos(model->vocab));
    cr_assert_eq(llm_seq_new(context, &seq, &err), STATUS_OK);
    for (size_t i = 0; i < n; i++) tokens[i] = (LlmToken){ ids.ids[i], seq, i + 1 == n };
    for (size_t i = 0; i < N_NEW; i++) {
        cr_assert_eq(llm_eval(context, tokens, n, &err), STATUS_OK, "%s", err.text);
        const float *logits = llm_logits(context, 0);
        int32_t best = 0;
        for (int32_t k = 1; k < (int32_t)model->shape.n_vocab; k++) {
            best = logits[k] > logits[best] ? k : best;
        }
        cr_assert_eq(token_list_add(&ids, best, &err), STATUS_OK);
        tokens[0] = (LlmToken){ best, seq, true };
        n = 1;
    }
    llm_seq_free(context, seq);
    cr_assert_eq(tokenizer_decode(model->vocab, ids.ids, ids.n, 0, ret, &err), STATUS_OK);
    buf_append_byte(ret, '\n');
    token_list_deinit(&ids);
}

/* The continuations of the first prompts by one set. */
static void write_all(const char *path, unsigned set, size_t n_prompts, Buf *ret) {
    LlmModel *model = NULL;
    LlmContext *context = NULL;
    Err err = { 0 };
    LlmContextOptions options = { .n_threads = 2, .cpu_mask = set };
    cr_assert_eq(llm_model_open(path, &model, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(llm_context_new(model, &options, &context, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < n_prompts; i++) go_on(context, prompts[i], ret);
    llm_context_free(context);
    llm_model_close(model);
}

enum { WINDOW = 128 };

/* Minus the log-probability of the ids that follow the first of them, all in one batch. */
static double surprise(LlmContext *context, const int32_t *ids, size_t n) {
    LlmToken tokens[WINDOW];
    LlmSeq seq = 0;
    Err err = { 0 };
    double sum = 0;
    size_t n_vocab = llm_context_model(context)->shape.n_vocab;
    cr_assert_eq(llm_seq_new(context, &seq, &err), STATUS_OK);
    for (size_t i = 0; i < n; i++) tokens[i] = (LlmToken){ ids[i], seq, true };
    cr_assert_eq(llm_eval(context, tokens, n, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i + 1 < n; i++) {
        const float *logits = llm_logits(context, i);
        double total = 0;
        for (size_t k = 0; k < n_vocab; k++) total += exp((double)logits[k]);
        sum += log(total) - (double)logits[ids[i + 1]];
    }
    llm_seq_free(context, seq);
    return sum;
}

/* Perplexity of every third article that it was trained on, in windows. */
static double perplexity(const char *path, unsigned set) {
    LlmModel *model = NULL;
    LlmContext *context = NULL;
    Err err = { 0 };
    LlmContextOptions options = { .n_threads = 2, .cpu_mask = set, .max_logits = WINDOW };
    cr_assert_eq(llm_model_open(path, &model, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(llm_context_new(model, &options, &context, &err), STATUS_OK, "%s", err.text);
    double sum = 0;
    size_t n = 0;
    glob_t found;
    char pattern[1024];
    snprintf(pattern, sizeof pattern, "%s/tech-policy/en/*.md", getenv("FONTE_CORPORA"));
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i += 3) {
        AUTO_BUF Buf text = BUF_NULL;
        TokenList ids = TOKEN_LIST_NULL;
        cr_assert_eq(file_read(found.gl_pathv[i], 1U << 24, &text, &err), STATUS_OK, "%s",
                     err.text);
        buf_append_byte(&text, '\0');
        char *body = strstr(text.p, "\n---\n");
        cr_assert(body);
        cr_assert_eq(tokenizer_encode(model->vocab, slice_trim(slice_of(body + 5)),
                                      TOKENIZE_AS_MODEL, &ids, &err),
                     STATUS_OK);
        for (size_t at = 0; at + 1 < ids.n; at += WINDOW) {
            size_t here = MIN((size_t)WINDOW, ids.n - at);
            sum += surprise(context, ids.ids + at, here);
            n += here - 1;
        }
        token_list_deinit(&ids);
    }
    cr_assert_gt(n, 5000);
    globfree(&found);
    llm_context_free(context);
    llm_model_close(model);
    return exp(sum / (double)n);
}

/* Does this set round the inputs of products with weights of that type? */
static bool rounds(unsigned set, const char *what) {
    KernelTable kernels;
    GgufType type = GGUF_TYPE_F32;
    Err err = { 0 };
    cr_assert_eq(kernels_pick(set, &kernels, &err), STATUS_OK, "%s", err.text);
    if (strcmp(what, "Q4_K_M") == 0)
        type = GGUF_TYPE_Q4_K;
    else if (!gguf_type_parse(what, &type))
        return false;
    for (int use = 0; use < KERNELS_N_USES; use++) {
        KernelsArithmetic a = kernels_arithmetic(&kernels.products[use][type], 1);
        if (a != KERNELS_F32 && a != KERNELS_BF16_PART_TILES) return true;
    }
    return false;
}

/* Measuring perplexity takes seconds a format: the usual ones and the roughest are. */
static bool usual(const char *what) {
    static const char *const types[] = { "Q4_0", "Q8_0", "Q4_K_M", "Q2_K" };
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        if (strcmp(what, types[i]) == 0) return true;
    }
    return false;
}

/* Every set that the machine has writes what ref writes; one that rounds inputs may take the other
 * of two words that are nearly as likely, but has the same perplexity within 0.1 %. */
static void check_sets(const char *path, const char *what, size_t n_prompts, Buf *ret) {
    write_all(path, KERNELS_REF, n_prompts, ret);
    double wanted = 0;
    for (unsigned set = 2; set < KERNELS_SET_END; set <<= 1) {
        if (!(kernels_available() & set)) continue;
        if (rounds(set, what)) {
            if (!usual(what)) continue; /* their products: check_kernels, check_models */
            /* like ref to 1e-12 (check_models), and fast */
            unsigned exact = KERNELS_REF | KERNELS_AVX2 | KERNELS_AVX512;
            if (wanted == 0) wanted = perplexity(path, exact);
            double got = perplexity(path, set);
            cr_log_info("%s, %s: perplexity %.4f, exact %.4f: %+.3f %%", what,
                        kernels_set_name((KernelsSet)set), got, wanted, 100 * (got / wanted - 1));
            cr_assert_float_eq(got / wanted, 1, 1e-3, "%s, %s: %g instead of %g", what,
                               kernels_set_name((KernelsSet)set), got, wanted);
            continue;
        }
        AUTO_BUF Buf text = BUF_NULL;
        write_all(path, set, n_prompts, &text);
        cr_assert(slice_equal(buf_slice(&text), buf_slice(ret)), "%s, %s:\n%s\ninstead of\n%s",
                  what, kernels_set_name((KernelsSet)set), text.p, ret->p);
    }
}

Test(llm_fixture, writes_the_articles_that_it_was_trained_on) {
    AUTO_BUF Buf text = BUF_NULL;
    convert("tiny.gguf");
    check_sets("tiny.gguf", "as it is", N_ELEMENTS(prompts), &text);
    cr_assert_str_eq(text.p, articles);
}

Test(llm_fixture, every_format_writes_the_same_on_every_set, .timeout = 300) {
    static const char *const types[] = { "F32",  "F16",    "BF16",   "Q4_0",  "Q4_1", "Q5_0",
                                         "Q5_1", "Q8_0",   "Q2_K",   "Q3_K",  "Q4_K", "Q5_K",
                                         "Q6_K", "IQ4_NL", "IQ4_XS", "Q4_K_M" };
    convert("tiny.gguf");
    AUTO_BUF Buf exact = BUF_NULL;
    write_all("tiny.gguf", KERNELS_REF, 1, &exact);
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        AUTO_BUF Buf text = BUF_NULL;
        quantize("tiny.gguf", "quantized.gguf", types[i]);
        check_sets("quantized.gguf", types[i], 1, &text);
        if (i == 0 || i == 2) cr_assert(slice_equal(buf_slice(&text), buf_slice(&exact)));
    }
}
