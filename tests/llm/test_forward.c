/* The same token after the same tokens gives the same logits, bit for bit: whatever else is in the
 * batch, however the prompt is cut, on any number of threads, in forks and after truncation; on
 * every kernel set, with every kind of cache. And what a batch that does not fit says. */
#include "llm/forward.h"

#include "base/mem.h"
#include "base/pool.h"
#include "tiny_model.h"
#include <criterion/criterion.h>
#include <math.h>

enum { N_TOKENS = 80, N_VOCAB = 96 };

static const GgufType types[] = { GGUF_TYPE_F32,  GGUF_TYPE_F16,    GGUF_TYPE_BF16,  GGUF_TYPE_Q4_0,
                                  GGUF_TYPE_Q4_1, GGUF_TYPE_Q5_0,   GGUF_TYPE_Q5_1,  GGUF_TYPE_Q8_0,
                                  GGUF_TYPE_Q2_K, GGUF_TYPE_Q3_K,   GGUF_TYPE_Q4_K,  GGUF_TYPE_Q5_K,
                                  GGUF_TYPE_Q6_K, GGUF_TYPE_IQ4_NL, GGUF_TYPE_IQ4_XS };

typedef struct Bench {
    Buf bytes;
    LlmModel *model;
    LlmContextOptions options;
    LlmContext *context;
    int32_t ids[N_TOKENS];
    float *wanted; /* [N_TOKENS, N_VOCAB]: token by token, one thread */
} Bench;

static uint64_t state = 88172645463325252U;
static size_t random_below(size_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state >> 16) % n;
}

static void bench_context(Bench *b, const LlmContextOptions *options) {
    Err err = { 0 };
    llm_context_free(b->context);
    b->context = NULL;
    b->options = *options;
    if (!b->options.n_sequences) b->options.n_sequences = 4;
    if (!b->options.max_logits) b->options.max_logits = 4 * N_TOKENS;
    cr_assert_eq(llm_context_new(b->model, &b->options, &b->context, &err), STATUS_OK, "%s",
                 err.text);
}

static Bench bench_new(const TinySpec *spec) {
    Bench b = { 0 };
    Err err = { 0 };
    GgufFile *file = NULL;
    cr_assert_eq(tiny_build(spec, &b.bytes, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(gguf_file_open_memory(buf_slice(&b.bytes), "tiny", NULL, &file, &err), STATUS_OK,
                 "%s", err.text);
    cr_assert_eq(llm_model_from_file(file, &b.model, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < N_TOKENS; i++) b.ids[i] = (int32_t)random_below(spec->n_vocab);
    b.wanted = mem_alloc(N_TOKENS * spec->n_vocab, sizeof *b.wanted);
    cr_assert(b.wanted);
    return b;
}

static void bench_free(Bench *b) {
    llm_context_free(b->context);
    llm_model_close(b->model);
    buf_deinit(&b->bytes);
    free(b->wanted);
}

static LlmSeq new_seq(const Bench *b) {
    LlmSeq seq = 0;
    Err err = { 0 };
    cr_assert_eq(llm_seq_new(b->context, &seq, &err), STATUS_OK, "%s", err.text);
    return seq;
}

static void eval(const Bench *b, const LlmToken *tokens, size_t n) {
    Err err = { 0 };
    cr_assert_eq(llm_eval(b->context, tokens, n, &err), STATUS_OK, "%s", err.text);
}

/* Tokens [begin, end) of the text in one batch, logits of all. */
static void eval_text(const Bench *b, LlmSeq seq, size_t begin, size_t end) {
    LlmToken tokens[N_TOKENS];
    for (size_t i = begin; i < end; i++) tokens[i - begin] = (LlmToken){ b->ids[i], seq, true };
    eval(b, tokens, end - begin);
}

/* Logits of the i-th token that wanted them are those of position p. */
static void same(const Bench *b, size_t i, size_t p, const char *what) {
    size_t n = b->model->shape.n_vocab;
    const float *got = llm_logits(b->context, i), *wanted = b->wanted + p * n;
    for (size_t k = 0; k < n; k++) {
        cr_assert(isfinite(wanted[k]));
        cr_assert(memcmp(got + k, wanted + k, sizeof *got) == 0,
                  "%s, %s, %u threads, batch %zu: token %zu, logit %zu: %.9g instead of %.9g", what,
                  llm_context_kernels(b->context), llm_context_n_threads(b->context),
                  b->options.batch, p, k, (double)got[k], (double)wanted[k]);
    }
}

static void take_wanted(Bench *b) {
    LlmSeq seq = new_seq(b);
    size_t n = b->model->shape.n_vocab;
    for (size_t i = 0; i < N_TOKENS; i++) {
        eval_text(b, seq, i, i + 1);
        memcpy(b->wanted + i * n, llm_logits(b->context, 0), n * sizeof(float));
    }
    llm_seq_free(b->context, seq);
}

/* Other texts before, between and after the tokens of this one, in one batch. */
static void check_company(const Bench *b) {
    LlmToken tokens[4 * N_TOKENS];
    LlmSeq mine = new_seq(b), others[2] = { new_seq(b), new_seq(b) };
    for (size_t done = 0; done < N_TOKENS;) {
        size_t n = 0, at[N_TOKENS], n_mine = 0, n_wanted = 0, first = done;
        size_t limit = 1 + random_below(30);
        while (n < limit) {
            if (random_below(2) && done < N_TOKENS) {
                tokens[n++] = (LlmToken){ b->ids[done++], mine, true };
                at[n_mine++] = n_wanted++;
            } else {
                bool want = random_below(2);
                LlmSeq other = others[random_below(2)];
                tokens[n++] = (LlmToken){ (int32_t)random_below(N_VOCAB), other, want };
                n_wanted += want;
            }
        }
        eval(b, tokens, n);
        cr_assert_eq(llm_n_logits(b->context), n_wanted);
        for (size_t i = 0; i < n_mine; i++) same(b, at[i], first + i, "company");
    }
    llm_seq_free(b->context, mine);
    for (size_t i = 0; i < 2; i++) llm_seq_free(b->context, others[i]);
}

/* A text whose second half is written: token by token and alone, then beside another that is
 * written and prompts that are read, then all at once, as guesses are. */
static void check_written(const Bench *b) {
    enum { HALF = N_TOKENS / 2 };
    size_t n_vocab = b->model->shape.n_vocab;
    LlmSeq alone = new_seq(b), mine = new_seq(b), writer = new_seq(b), reader = new_seq(b);
    eval_text(b, alone, 0, HALF);
    eval_text(b, mine, 0, HALF);
    eval_text(b, writer, 0, 3);
    LlmToken tokens[2 + N_TOKENS];
    for (size_t p = HALF; p < N_TOKENS; p++) {
        tokens[0] = (LlmToken){ b->ids[p], alone, true, true };
        eval(b, tokens, 1);
        memcpy(b->wanted + p * n_vocab, llm_logits(b->context, 0), n_vocab * sizeof(float));
        size_t n = 0, n_read = random_below(N_TOKENS);
        tokens[n++] = (LlmToken){ b->ids[p], mine, true, true };
        if (p % 2) tokens[n++] = (LlmToken){ (int32_t)random_below(N_VOCAB), writer, true, true };
        for (size_t i = 0; i < n_read; i++) {
            tokens[n++] = (LlmToken){ (int32_t)random_below(N_VOCAB), reader, i % 3 == 0, false };
        }
        eval(b, tokens, n);
        same(b, 0, p, "written beside prompts");
        cr_assert_eq(llm_seq_truncate(b->context, reader, n_read / 2, NULL), STATUS_OK);
    }
    cr_assert_eq(llm_seq_truncate(b->context, mine, HALF, NULL), STATUS_OK);
    for (size_t p = HALF; p < N_TOKENS; p++) {
        tokens[p - HALF] = (LlmToken){ b->ids[p], mine, true, true };
    }
    eval(b, tokens, N_TOKENS - HALF);
    for (size_t p = HALF; p < N_TOKENS; p++) same(b, p - HALF, p, "written at once");
    const LlmSeq all[] = { alone, mine, writer, reader };
    for (size_t i = 0; i < N_ELEMENTS(all); i++) llm_seq_free(b->context, all[i]);
}

/* In one piece, then in pieces of a few sizes. */
static void check_cuts(const Bench *b) {
    static const size_t cuts[] = { N_TOKENS, 2, 3, 5, 17, 33 };
    for (size_t c = 0; c < N_ELEMENTS(cuts); c++) {
        LlmSeq seq = new_seq(b);
        for (size_t i = 0; i < N_TOKENS; i += cuts[c]) {
            size_t end = MIN(i + cuts[c], (size_t)N_TOKENS);
            eval_text(b, seq, i, end);
            for (size_t p = i; p < end; p++) same(b, p - i, p, "cut");
        }
        llm_seq_free(b->context, seq);
    }
}

static void check_type(GgufType type, unsigned set, KernelsKvType kv) {
    TinySpec spec = tiny_spec_of(type);
    if (kv == KERNELS_KV_Q8_0) spec.key_dim = spec.value_dim = 32;
    Bench b = bench_new(&spec);
    LlmContextOptions options = { .n_threads = 1, .cpu_mask = set, .kv = kv };
    bench_context(&b, &options);
    cr_assert_str_eq(llm_context_kernels(b.context), kernels_set_name((KernelsSet)set));
    take_wanted(&b);
    check_cuts(&b);
    check_company(&b);
    for (unsigned n_threads = 2; n_threads <= 4; n_threads++) {
        options.n_threads = n_threads;
        options.batch = n_threads == 3 ? 7 : 0;
        bench_context(&b, &options);
        LlmSeq seq = new_seq(&b);
        eval_text(&b, seq, 0, N_TOKENS);
        for (size_t p = 0; p < N_TOKENS; p++) same(&b, p, p, "threads");
        llm_seq_free(b.context, seq);
        check_company(&b);
    }
    check_written(&b);
    bench_free(&b);
}

static void check_set(unsigned set) {
    if (!(kernels_available() & set)) {
        cr_skip("this machine lacks %s", kernels_set_name((KernelsSet)set));
    }
    size_t step = getenv("FONTE_SANITIZED") ? 2 : 1; /* check_kernels, check_models have them all */
    for (size_t i = 0; i < N_ELEMENTS(types); i += step) check_type(types[i], set, KERNELS_KV_F32);
    check_type(GGUF_TYPE_F32, set, KERNELS_KV_F16);
    check_type(GGUF_TYPE_F32, set, KERNELS_KV_Q8_0);
}

Test(llm_forward, batches_and_threads_change_no_bit_with_ref) {
    check_set(KERNELS_REF);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_avx2) {
    check_set(KERNELS_AVX2);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_avx512) {
    check_set(KERNELS_AVX512);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_vnni) {
    check_set(KERNELS_VNNI);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_maddubs) {
    check_set(KERNELS_MADDUBS);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_bf16) {
    check_set(KERNELS_BF16_SET);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_amx) {
    check_set(KERNELS_AMX);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_neon) {
    check_set(KERNELS_NEON);
}
Test(llm_forward, batches_and_threads_change_no_bit_with_dotprod) {
    check_set(KERNELS_DOTPROD);
}

/* ---- sequences ------------------------------------------------------------------------------ */

static Bench ordinary(void) {
    TinySpec spec = tiny_spec_of(GGUF_TYPE_Q8_0);
    Bench b = bench_new(&spec);
    bench_context(&b, &(LlmContextOptions){ .n_threads = 2 });
    take_wanted(&b);
    return b;
}

Test(llm_forward, forks_go_on_as_if_they_were_alone) {
    Bench b = ordinary();
    static const size_t at[] = { 0, 1, 31, 32, 33, 64, 79 };
    LlmSeq seq = new_seq(&b);
    eval_text(&b, seq, 0, N_TOKENS);
    for (size_t i = 0; i < N_ELEMENTS(at); i++) {
        LlmSeq fork = 0, other = 0;
        Err err = { 0 };
        cr_assert_eq(llm_seq_fork(b.context, seq, at[i], &fork, &err), STATUS_OK);
        cr_assert_eq(llm_seq_fork(b.context, fork, at[i], &other, &err), STATUS_OK);
        /* the other writes something else into the page that they share */
        eval(&b, &(LlmToken){ 5, other, true }, 1);
        eval_text(&b, fork, at[i], N_TOKENS);
        for (size_t p = at[i]; p < N_TOKENS; p++) same(&b, p - at[i], p, "fork");
        cr_assert_eq(llm_seq_length(b.context, fork), N_TOKENS);
        cr_assert_eq(llm_seq_length(b.context, other), at[i] + 1);
        llm_seq_free(b.context, fork);
        llm_seq_free(b.context, other);
    }
    bench_free(&b);
}

Test(llm_forward, truncated_sequences_go_another_way) {
    Bench b = ordinary();
    LlmSeq seq = new_seq(&b);
    Err err = { 0 };
    eval_text(&b, seq, 0, N_TOKENS);
    static const size_t at[] = { 79, 64, 33, 32, 31, 1, 0 };
    for (size_t i = 0; i < N_ELEMENTS(at); i++) {
        LlmToken wrong[40];
        for (size_t k = 0; k < 40; k++) wrong[k] = (LlmToken){ 7, seq, false };
        eval(&b, wrong, 40);
        cr_assert_eq(llm_seq_truncate(b.context, seq, at[i], &err), STATUS_OK);
        eval_text(&b, seq, at[i], N_TOKENS);
        for (size_t p = at[i]; p < N_TOKENS; p++) same(&b, p - at[i], p, "truncated");
    }
    bench_free(&b);
}

static void window_of_20(GgufWriter *w) {
    gguf_writer_u32(w, "llama.attention.sliding_window", 20);
}

Test(llm_forward, a_window_hides_what_is_older) {
    TinySpec spec = tiny_spec();
    spec.n_layers = 1;
    spec.more = window_of_20;
    Bench b = bench_new(&spec);
    bench_context(&b, &(LlmContextOptions){ .n_threads = 2 });
    take_wanted(&b);
    size_t bytes = N_VOCAB * sizeof(float);
    for (size_t changed = 0; changed < N_TOKENS; changed += 13) {
        LlmSeq seq = new_seq(&b);
        int32_t was = b.ids[changed];
        b.ids[changed] = (was + 1) % N_VOCAB;
        eval_text(&b, seq, 0, N_TOKENS);
        for (size_t p = 0; p < N_TOKENS; p++) {
            bool sees = p >= changed && p < changed + 20;
            bool differs = memcmp(llm_logits(b.context, p), b.wanted + p * N_VOCAB, bytes) != 0;
            cr_assert_eq(differs, sees, "token %zu changed, position %zu", changed, p);
        }
        b.ids[changed] = was;
        llm_seq_free(b.context, seq);
    }
    bench_free(&b);
}

Test(llm_forward, caches_of_fewer_bits_stay_near) {
    static const double limits[] = { 0, 1e-5, 2e-3 };
    TinySpec spec = tiny_spec_of(GGUF_TYPE_F32);
    spec.key_dim = spec.value_dim = 32;
    Bench b = bench_new(&spec);
    for (size_t kv = 0; kv < KERNELS_N_KV_TYPES; kv++) {
        bench_context(&b, &(LlmContextOptions){ .n_threads = 2, .kv = (KernelsKvType)kv });
        if (kv == 0) take_wanted(&b);
        LlmSeq seq = new_seq(&b);
        eval_text(&b, seq, 0, N_TOKENS);
        double error = 0, power = 0;
        for (size_t i = 0; i < (size_t)N_TOKENS * N_VOCAB; i++) {
            double d = (double)llm_logits(b.context, 0)[i] - b.wanted[i];
            error += d * d;
            power += (double)b.wanted[i] * b.wanted[i];
        }
        cr_assert(error / power <= limits[kv], "cache %zu: NMSE %.2e", kv, error / power);
        cr_assert(kv == 0 || error > 0, "cache %zu rounds nothing", kv);
    }
    bench_free(&b);
}

/* ---- what does not fit ------------------------------------------------------------------------
 */

static void refused(const Bench *b, const LlmToken *tokens, size_t n, Status status,
                    const char *text) {
    Err err = { 0 };
    cr_assert_eq(llm_eval(b->context, tokens, n, &err), status, "%s", err.text);
    cr_assert(strstr(err.text, text), "\"%s\" is not in: %s", text, err.text);
}

Test(llm_forward, a_batch_that_does_not_fit_changes_nothing) {
    Bench b = ordinary();
    bench_context(
        &b,
        &(LlmContextOptions){
            .n_threads = 2, .context = 60, .n_sequences = 3, .kv_tokens = 64, .max_logits = 60 });
    LlmSeq seq = new_seq(&b), other = new_seq(&b);
    eval_text(&b, seq, 0, 50);
    LlmToken tokens[100];
    for (size_t i = 0; i < 100; i++) tokens[i] = (LlmToken){ 3, seq, false };
    refused(&b, tokens, 11, STATUS_TOO_LARGE, "50 tokens and 11 more, at most 60");
    for (size_t i = 0; i < 11; i++) tokens[i].seq = other;
    tokens[7].id = N_VOCAB;
    refused(&b, tokens, 11, STATUS_INVALID, "token 7 of the batch: id 96 is not in 0 to 95");
    tokens[7].id = -1;
    refused(&b, tokens, 11, STATUS_INVALID, "id -1");
    tokens[7] = (LlmToken){ 3, 2, false };
    refused(&b, tokens, 11, STATUS_INVALID, "there is no sequence 2");
    tokens[7].seq = UINT32_MAX;
    refused(&b, tokens, 11, STATUS_INVALID, "there is no sequence 4294967295");
    tokens[7].seq = other;
    tokens[7].is_written = true;
    refused(&b, tokens, 11, STATUS_INVALID, "token 7 of the batch is written, the one before");
    for (size_t i = 0; i < 61; i++) tokens[i] = (LlmToken){ 3, other, true };
    refused(&b, tokens, 61, STATUS_TOO_LARGE, "logits of 61 tokens in one batch, at most 60");
    cr_assert_eq(llm_seq_length(b.context, seq), 50);
    cr_assert_eq(llm_seq_length(b.context, other), 0);
    eval_text(&b, seq, 50, 60);
    for (size_t p = 50; p < 60; p++) same(&b, p - 50, p, "after failures");
    bench_free(&b);
}

Test(llm_forward, a_full_cache_names_its_pages) {
    Bench b = ordinary();
    bench_context(&b, &(LlmContextOptions){
                          .n_threads = 1, .context = 250, .n_sequences = 2, .kv_tokens = 64 });
    LlmSeq seq = new_seq(&b);
    size_t room = llm_context_free_tokens(b.context);
    cr_assert_eq(room, (64 / 32 + 1 + 2) * 32);
    LlmToken tokens[250];
    for (size_t i = 0; i < 250; i++) tokens[i] = (LlmToken){ 3, seq, false };
    refused(&b, tokens, room + 1, STATUS_TOO_LARGE, "6 pages of 32 tokens wanted, 5 of 5 free");
    eval(&b, tokens, room);
    cr_assert_eq(llm_context_free_tokens(b.context), 0);
    refused(&b, tokens, 1, STATUS_TOO_LARGE, "1 pages of 32 tokens wanted, 0 of 5 free");
    bench_free(&b);
}

Test(llm_forward, an_empty_batch_has_no_logits) {
    Bench b = ordinary();
    cr_assert_eq(llm_eval(b.context, NULL, 0, NULL), STATUS_OK);
    cr_assert_eq(llm_n_logits(b.context), 0);
    bench_free(&b);
}

Test(llm_forward, prefixes_that_there_are_not_are_refused) {
    Bench b = ordinary();
    LlmSeq seq = new_seq(&b), fork = 0;
    Err err = { 0 };
    eval_text(&b, seq, 0, 5);
    cr_assert_eq(llm_seq_fork(b.context, seq, 6, &fork, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "5 tokens, not 6"), "%s", err.text);
    cr_assert_eq(llm_seq_truncate(b.context, seq, 6, &err), STATUS_INVALID);
    cr_assert_eq(llm_seq_truncate(b.context, 3, 0, &err), STATUS_INVALID);
    cr_assert_eq(llm_seq_fork(b.context, UINT32_MAX, 0, &fork, &err), STATUS_INVALID);
    llm_seq_free(b.context, 3);
    llm_seq_free(b.context, UINT32_MAX);
    cr_assert_eq(llm_seq_length(b.context, 3), 0);
    bench_free(&b);
}

/* ---- options ----------------------------------------------------------------------------------
 */

static void option_refused(const Bench *b, LlmContextOptions options, Status status,
                           const char *text) {
    LlmContext *context = NULL;
    Err err = { 0 };
    cr_assert_eq(llm_context_new(b->model, &options, &context, &err), status, "%s: %s", text,
                 err.text);
    cr_assert_null(context);
    cr_assert(strstr(err.text, text), "\"%s\" is not in: %s", text, err.text);
}

Test(llm_context, options_out_of_range_are_refused_by_name) {
    Bench b = ordinary();
    option_refused(&b, (LlmContextOptions){ .context = 257 }, STATUS_USAGE,
                   "context is 257, not in 1 to 256");
    option_refused(&b, (LlmContextOptions){ .context = SIZE_MAX }, STATUS_USAGE, "context is");
    option_refused(&b, (LlmContextOptions){ .n_sequences = 4097 }, STATUS_USAGE,
                   "sequences is 4097");
    option_refused(&b, (LlmContextOptions){ .batch = 65537 }, STATUS_USAGE, "batch is 65537");
    option_refused(&b, (LlmContextOptions){ .max_logits = SIZE_MAX }, STATUS_USAGE, "logits is");
    option_refused(&b, (LlmContextOptions){ .kv_tokens = SIZE_MAX }, STATUS_USAGE, "cache tokens");
    option_refused(&b, (LlmContextOptions){ .n_threads = 257 }, STATUS_USAGE, "257 threads");
    option_refused(&b, (LlmContextOptions){ .kv = KERNELS_N_KV_TYPES }, STATUS_USAGE,
                   "no such type of cache");
    option_refused(&b, (LlmContextOptions){ .kv = KERNELS_KV_Q8_0 }, STATUS_UNSUPPORTED, "Q8_0");
    option_refused(&b, (LlmContextOptions){ .cpu_mask = 1U << 30 }, STATUS_UNSUPPORTED,
                   "none of the chosen sets");
    bench_free(&b);
}

Test(llm_context, defaults_are_filled_in) {
    Bench b = ordinary();
    LlmContext *context = NULL;
    cr_assert_eq(llm_context_new(b.model, NULL, &context, NULL), STATUS_OK);
    cr_assert_eq(llm_context_length(context), 256);
    cr_assert_eq(llm_context_max_logits(context), 32);
    cr_assert_eq(llm_context_n_threads(context), pool_n_processors());
    cr_assert_eq(llm_context_model(context), b.model);
    cr_assert_geq(llm_context_free_tokens(context), 256);
    cr_assert_eq(llm_context_kv_bytes(context),
                 llm_context_free_tokens(context) * 2 * 2 * 32 * sizeof(float));
    llm_context_free(context);
    cr_assert_null(llm_context_free(NULL));
    bench_free(&b);
}
