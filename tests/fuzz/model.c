/* Fuzzes models: the input is a whole GGUF file. What opens as a model is computed, on the kernel
 * set that the input's length picks; whatever its weights are, nothing is touched outside. The
 * corpus holds models of tests/llm/tiny_model.c. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "llm/forward.h"

enum { N_TOKENS = 5 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

static volatile float sink;

static void compute(const LlmModel *model, size_t pick) {
    unsigned n_sets = (unsigned)__builtin_popcount(KERNELS_ALL), set = 1U << pick % n_sets;
    LlmContextOptions options = { .n_threads = 1,
                                  .cpu_mask = set & kernels_available() ? set : 0,
                                  .kv = (KernelsKvType)(pick / n_sets % KERNELS_N_KV_TYPES),
                                  .batch = 3 };
    LlmContext *context = NULL;
    LlmSeq seq = 0, fork = 0;
    Err err = { 0 };
    if (llm_context_new(model, &options, &context, &err) != STATUS_OK) {
        CHECK(err.text[0]);
        return;
    }
    CHECK(llm_seq_new(context, &seq, &err) == STATUS_OK);
    LlmToken tokens[N_TOKENS];
    for (size_t i = 0; i < N_TOKENS; i++) {
        tokens[i] = (LlmToken){ (int32_t)(i * 11 % model->shape.n_vocab), seq, i + 1 == N_TOKENS };
    }
    size_t n = MIN((size_t)N_TOKENS, llm_context_length(context));
    Status status = llm_eval(context, tokens, n, &err);
    CHECK(status == STATUS_OK || err.text[0]);
    if (status == STATUS_OK && llm_n_logits(context)) {
        for (size_t i = 0; i < model->shape.n_vocab; i++) sink = llm_logits(context, 0)[i];
    }
    CHECK(llm_seq_truncate(context, seq, llm_seq_length(context, seq) / 2, &err) == STATUS_OK);
    CHECK(llm_seq_fork(context, seq, 0, &fork, &err) == STATUS_BUSY);
    llm_context_free(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    GgufFile *file = NULL;
    LlmModel *model = NULL;
    Err err = { 0 };
    if (gguf_file_open_memory((Slice){ (const char *)data, size }, "fuzz", NULL, &file, &err) !=
        STATUS_OK) {
        return 0;
    }
    if (llm_model_from_file(file, &model, &err) != STATUS_OK) {
        CHECK(err.text[0] && !model);
        gguf_file_close(file);
        return 0;
    }
    compute(model, size);
    llm_model_close(model);
    return 0;
}
