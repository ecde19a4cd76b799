/* Several contexts over one model at once, for FONTE_STRESS_SECONDS (default 2): each owner makes a
 * context with threads of its own, computes some texts in batches, forks and truncates, compares
 * every logit with what one thread alone computed before, and gives the context up again. So
 * threads start and stop all the time beside others that compute. */
#include "base/clock.h"
#include "llm/forward.h"
#include "llm/tiny_model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { OWNERS = 4, N_TOKENS = 70, N_VOCAB = 96 };

static LlmModel *model;
static int32_t ids[N_TOKENS];
static float wanted[KERNELS_N_KV_TYPES][N_TOKENS][N_VOCAB];
static atomic_bool stop, failed;
static atomic_uint n_contexts, n_batches;

static void fail(const char *what, const Err *err) {
    fprintf(stderr, "%s: %s\n", what, err->text);
    atomic_store(&failed, true);
    atomic_store(&stop, true);
}

typedef struct Owner {
    uint64_t random;
} Owner;

static size_t random_below(Owner *o, size_t n) {
    o->random ^= o->random << 13;
    o->random ^= o->random >> 7;
    o->random ^= o->random << 17;
    return (size_t)(o->random >> 16) % n;
}

/* Tokens [begin, end) of the text to seq in one batch; their logits must be the wanted ones. */
static Status go_on(LlmContext *c, KernelsKvType kv, LlmSeq seq, size_t begin, size_t end,
                    Err *err) {
    LlmToken tokens[N_TOKENS] = { 0 };
    for (size_t i = begin; i < end; i++) tokens[i - begin] = (LlmToken){ ids[i], seq, true };
    TRY(llm_eval(c, tokens, end - begin, err));
    atomic_fetch_add(&n_batches, 1);
    for (size_t i = begin; i < end; i++) {
        if (memcmp(llm_logits(c, i - begin), wanted[kv][i], sizeof wanted[kv][i]) != 0) {
            return err_set(err, STATUS_DAMAGED, "other logits of token %zu", i);
        }
    }
    return STATUS_OK;
}

static Status write_text(LlmContext *c, KernelsKvType kv, Owner *o, LlmSeq seq, Err *err) {
    for (size_t at = llm_seq_length(c, seq); at < N_TOKENS;) {
        size_t n = 1 + random_below(o, 20), end = MIN(at + n, (size_t)N_TOKENS);
        TRY(go_on(c, kv, seq, at, end, err));
        at = end;
    }
    return STATUS_OK;
}

static Status use_context(LlmContext *c, KernelsKvType kv, Owner *o, Err *err) {
    LlmSeq seq, fork;
    TRY(llm_seq_new(c, &seq, err));
    TRY(write_text(c, kv, o, seq, err));
    TRY(llm_seq_fork(c, seq, random_below(o, N_TOKENS), &fork, err));
    TRY(write_text(c, kv, o, fork, err));
    TRY(llm_seq_truncate(c, seq, random_below(o, N_TOKENS), err));
    return write_text(c, kv, o, seq, err);
}

static void *owner_work(void *argument) {
    Owner *o = argument;
    while (!atomic_load(&stop)) {
        Err err = { 0 };
        LlmContext *c = NULL;
        KernelsKvType kv = (KernelsKvType)random_below(o, KERNELS_N_KV_TYPES);
        LlmContextOptions options = { .n_threads = 1 + (unsigned)random_below(o, 4),
                                      .pin = random_below(o, 2),
                                      .kv = kv,
                                      .n_sequences = 2,
                                      .batch = 16,
                                      .max_logits = N_TOKENS };
        Status status = llm_context_new(model, &options, &c, &err);
        /* now and then without any work, or with little between start and end */
        if (status == STATUS_OK && random_below(o, 4)) status = use_context(c, kv, o, &err);
        llm_context_free(c);
        if (status != STATUS_OK) fail("owner", &err);
        atomic_fetch_add(&n_contexts, 1);
    }
    return NULL;
}

static Status compute_wanted(Err *err) {
    for (size_t kv = 0; kv < KERNELS_N_KV_TYPES; kv++) {
        LlmContext *c = NULL;
        LlmSeq seq = 0;
        LlmContextOptions options = { .n_threads = 1,
                                      .kv = (KernelsKvType)kv,
                                      .max_logits = N_TOKENS };
        TRY(llm_context_new(model, &options, &c, err));
        Status status = llm_seq_new(c, &seq, err);
        for (size_t i = 0; i < N_TOKENS && status == STATUS_OK; i++) {
            LlmToken token = { ids[i], seq, true };
            status = llm_eval(c, &token, 1, err);
            if (status == STATUS_OK) {
                memcpy(wanted[kv][i], llm_logits(c, 0), sizeof wanted[kv][i]);
            }
        }
        llm_context_free(c);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static Status start(Buf *bytes, Err *err) {
    TinySpec spec = tiny_spec_of(GGUF_TYPE_Q4_0);
    spec.key_dim = spec.value_dim = 32;
    GgufFile *file = NULL;
    TRY(tiny_build(&spec, bytes, err));
    TRY(gguf_file_open_memory(buf_slice(bytes), "tiny", NULL, &file, err));
    TRY(llm_model_from_file(file, &model, err));
    for (int i = 0; i < N_TOKENS; i++) ids[i] = i * 37 % N_VOCAB;
    return compute_wanted(err);
}

int main(void) {
    const char *setting = getenv("FONTE_STRESS_SECONDS");
    int64_t seconds = setting && *setting ? strtol(setting, NULL, 10) : 2;
    AUTO_BUF Buf bytes = BUF_NULL;
    Err err = { 0 };
    if (start(&bytes, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    pthread_t threads[OWNERS];
    Owner owners[OWNERS];
    for (unsigned i = 0; i < OWNERS; i++) {
        owners[i] = (Owner){ 88172645463325252U + i };
        if (pthread_create(&threads[i], NULL, owner_work, &owners[i]) != 0) return 1;
    }
    int64_t end = clock_us() + seconds * 1000000;
    struct timespec nap = { .tv_nsec = 10000000 };
    while (!atomic_load(&stop) && clock_us() < end) nanosleep(&nap, NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < OWNERS; i++) pthread_join(threads[i], NULL);
    llm_model_close(model);
    printf("%u contexts, %u batches\n", atomic_load(&n_contexts), atomic_load(&n_batches));
    return atomic_load(&failed) || !atomic_load(&n_contexts) || !atomic_load(&n_batches);
}
