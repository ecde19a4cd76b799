/* Ten thousand damaged models: each is refused with a message that names the file, or opens and
 * computes; then logits may be anything, also NaN, but nothing is read or written outside and
 * memory stays bounded by the file. The bytes end at a guard page; sanitizers see the rest. */
#include "llm/forward.h"

#include "base/mem.h"
#include "gguf/raw.h"
#include "tiny_model.h"
#include <math.h>
#include <sys/resource.h>

enum { N_MUTANTS = 10000, N_TOKENS = 6, MAX_RESIDENT_MIB = 1024 };
#define N_SETS ((size_t)__builtin_popcount(KERNELS_ALL))

static uint64_t state = 0x9E3779B97F4A7C15ULL;
static size_t random_below(size_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state >> 16) % n;
}

/* All formats, in two shapes: rows of 64, and rows of superblocks. */
static void build(bool super, Buf *bytes) {
    TinySpec spec = tiny_spec();
    spec.n_vocab = 40;
    spec.n_layers = super ? 1 : 2;
    spec.n_heads = 2;
    spec.n_kv_heads = 1;
    spec.key_dim = spec.value_dim = 32;
    spec.dim = spec.ffn_dim = super ? 256 : 64;
    spec.q = super ? GGUF_TYPE_Q4_K : GGUF_TYPE_Q4_0;
    spec.k = super ? GGUF_TYPE_Q5_K : GGUF_TYPE_Q4_1;
    spec.v = super ? GGUF_TYPE_Q6_K : GGUF_TYPE_Q5_0;
    spec.o = super ? GGUF_TYPE_F16 : GGUF_TYPE_Q5_1;
    spec.gate = super ? GGUF_TYPE_Q2_K : GGUF_TYPE_Q8_0;
    spec.up = super ? GGUF_TYPE_Q3_K : GGUF_TYPE_IQ4_NL;
    spec.down = super ? GGUF_TYPE_IQ4_XS : GGUF_TYPE_F32;
    spec.embedding = super ? GGUF_TYPE_Q8_0 : GGUF_TYPE_BF16;
    spec.output = super ? GGUF_TYPE_Q6_K : GGUF_TYPE_F16;
    Err err = { 0 };
    cr_assert_eq(tiny_build(&spec, bytes, &err), STATUS_OK, "%s", err.text);
}

/* A number that readers get wrong, or any. */
static uint64_t odd_number(void) {
    static const uint64_t odd[] = { 0,          1,          2,          31,         33,
                                    0x7F,       0xFF,       0xFFFF,     0x7F800000, 0x7FC00000,
                                    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1ULL << 32, 1ULL << 62,
                                    1ULL << 63, UINT64_MAX };
    return random_below(4) ? odd[random_below(N_ELEMENTS(odd))] : state;
}

static void put_number(char *bytes, size_t n, size_t at) {
    size_t width = (size_t)1 << random_below(4);
    uint64_t number = odd_number();
    if (at < n) memcpy(bytes + at, &number, MIN(width, n - at));
}

/* A number of the header that is neither text nor count: a key's value, a dimension, a type. */
static size_t value_at(const GgufFile *original) {
    if (random_below(2)) {
        const GgufKey *key = gguf_file_key_at(original, random_below(gguf_file_n_keys(original)));
        const char *start = gguf_file_bytes(original).p;
        return (size_t)(key->encoded.p - start) + 4 + random_below(MIN(key->encoded.n, 16));
    }
    const GgufTensor *t =
        gguf_file_tensor_at(original, random_below(gguf_file_n_tensors(original)));
    return (size_t)t->info_byte + 8 + t->name.n + random_below(36);
}

static void mutate(char *bytes, size_t *n, const GgufFile *original) {
    size_t header = (size_t)gguf_file_tensor_at(original, 0)->at_byte, all = *n;
    switch (random_below(8)) {
    case 0: *n = header + random_below(all - header); break;
    case 1:
        for (size_t i = 0; i < 1 + random_below(4); i++) {
            bytes[random_below(header)] ^= (char)(1 << random_below(8));
        }
        break;
    case 2: put_number(bytes, all, random_below(header)); break;
    case 3:
    case 4: put_number(bytes, all, value_at(original)); break;
    default: /* the weights: scales and norms become NaN, infinite, huge */
        for (size_t i = 0; i < 1 + random_below(200); i++) {
            put_number(bytes, all, header + random_below(all - header));
        }
        break;
    }
}

typedef struct Counts {
    size_t refused, finite, not_finite, not_computed;
} Counts;

static void compute(const LlmModel *model, Counts *counts) {
    unsigned set = 1U << random_below(N_SETS);
    LlmContextOptions options = { .n_threads = random_below(8) ? 1 : 2,
                                  .cpu_mask = set & kernels_available() ? set : 0,
                                  .kv = (KernelsKvType)random_below(KERNELS_N_KV_TYPES),
                                  .batch = 4 };
    LlmContext *context = NULL;
    LlmSeq seq = 0;
    Err err = { 0 };
    Status status = llm_context_new(model, &options, &context, &err);
    if (status == STATUS_OK) status = llm_seq_new(context, &seq, &err);
    LlmToken tokens[N_TOKENS];
    for (size_t i = 0; i < N_TOKENS; i++) {
        tokens[i] = (LlmToken){ (int32_t)(i * 11 % model->shape.n_vocab), seq, true };
    }
    if (status == STATUS_OK) status = llm_eval(context, tokens, N_TOKENS, &err);
    if (status == STATUS_OK) {
        bool finite = true;
        for (size_t i = 0; i < model->shape.n_vocab; i++) {
            finite &= isfinite(llm_logits(context, N_TOKENS - 1)[i]) != 0;
        }
        counts->finite += finite;
        counts->not_finite += !finite;
    } else {
        cr_assert(status == STATUS_UNSUPPORTED || status == STATUS_TOO_LARGE ||
                      status == STATUS_NO_MEMORY,
                  "%d: %s", (int)status, err.text);
        cr_assert(err.text[0]);
        counts->not_computed++;
    }
    llm_context_free(context);
}

static void open_mutant(Slice bytes, Counts *counts) {
    GgufFile *file = NULL;
    LlmModel *model = NULL;
    Err err = { 0 };
    Status status = gguf_file_open_memory(bytes, "mutant.gguf", NULL, &file, &err);
    if (status == STATUS_OK) {
        status = llm_model_from_file(file, &model, &err);
        if (status != STATUS_OK) gguf_file_close(file);
    }
    if (status == STATUS_OK) {
        compute(model, counts);
        llm_model_close(model);
        return;
    }
    counts->refused++;
    cr_assert(status == STATUS_DAMAGED || status == STATUS_UNSUPPORTED ||
                  status == STATUS_TOO_LARGE,
              "%d: %s", (int)status, err.text);
    cr_assert(strstr(err.text, "mutant.gguf: "), "%s", err.text);
}

static void check_mutants(bool super, size_t n_mutants, Counts *counts) {
    AUTO_BUF Buf bytes = BUF_NULL;
    build(super, &bytes);
    GgufFile *original = NULL;
    cr_assert_eq(gguf_file_open_memory(buf_slice(&bytes), "o", NULL, &original, NULL), STATUS_OK);
    Guarded g = guarded_new(bytes.n);
    AUTO_FREE char *mutant = mem_alloc(bytes.n, 1);
    cr_assert(mutant);
    for (size_t i = 0; i < n_mutants; i++) {
        size_t n = bytes.n;
        memcpy(mutant, bytes.p, n);
        mutate(mutant, &n, original);
        open_mutant(guarded_put(&g, (Slice){ mutant, n }), counts);
    }
    guarded_free(&g);
    gguf_file_close(original);
}

Test(llm_mutation, ten_thousand_damaged_models_are_refused_or_compute, .timeout = 300) {
    Counts counts = { 0 };
    check_mutants(false, N_MUTANTS / 2, &counts);
    check_mutants(true, N_MUTANTS / 2, &counts);
    cr_log_info("%zu refused, %zu with finite logits, %zu with others, %zu not computed",
                counts.refused, counts.finite, counts.not_finite, counts.not_computed);
    /* all of these happen, or the mutations are pointless */
    cr_assert_gt(counts.refused, N_MUTANTS / 5);
    cr_assert_gt(counts.finite, N_MUTANTS / 10);
    cr_assert_gt(counts.not_finite, N_MUTANTS / 20);
    struct rusage usage;
    cr_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
    cr_assert_lt(usage.ru_maxrss / 1024, MAX_RESIDENT_MIB, "%ld MiB", usage.ru_maxrss / 1024);
}
