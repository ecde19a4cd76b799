/* Making a context: options checked, threads, device, cache, and one piece of memory that all room
 * for batches is cut from. */
#include "llm/context.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

static Status check_range(const char *name, size_t value, size_t max, Err *err) {
    if (value >= 1 && value <= max) return STATUS_OK;
    return err_set_param(err, STATUS_USAGE, name, "%s is %zu, not in 1 to %zu", name, value, max);
}

static Status fill_options(const LlmModel *model, LlmContextOptions *o, Err *err) {
    if (o->cpu_mask == 0) o->cpu_mask = KERNELS_ALL;
    if (o->context == 0) o->context = MIN(model->shape.context, (size_t)LLM_DEFAULT_CONTEXT);
    if (o->n_sequences == 0) o->n_sequences = 1;
    if (o->batch == 0) o->batch = MIN((size_t)512, o->context * o->n_sequences);
    if (o->max_logits == 0) o->max_logits = 32;
    TRY(check_range("context", o->context, model->shape.context, err));
    TRY(check_range("sequences", o->n_sequences, LLM_MAX_SEQUENCES, err));
    /* attention's parts: one for each token and key/value head */
    size_t max_batch = MIN(LLM_MAX_BATCH, POOL_MAX_PARTS / model->shape.n_kv_heads);
    TRY(check_range("batch", o->batch, max_batch, err));
    TRY(check_range("logits", o->max_logits, LLM_MAX_BATCH, err));
    if (o->kv_tokens == 0) o->kv_tokens = o->n_sequences * o->context;
    TRY(check_range("cache tokens", o->kv_tokens, (size_t)LLM_MAX_CONTEXT * 16, err));
    if ((unsigned)o->kv >= KERNELS_N_KV_TYPES) {
        return err_set_param(err, STATUS_USAGE, "kv", "no such type of cache");
    }
    return STATUS_OK;
}

/* Cuts pieces off one allocation: first counts (base NULL), then gives. */
typedef struct Cutter {
    uint8_t *base;
    size_t used;
    bool overflow;
} Cutter;

static void *cut(Cutter *c, size_t n, size_t size) {
    size_t bytes, end;
    if (!mem_mul(n, size, &bytes) || !mem_add(bytes, 63, &bytes) ||
        !mem_add(c->used, bytes / 64 * 64, &end)) {
        c->overflow = true;
        return NULL;
    }
    void *piece = c->base ? c->base + c->used : NULL;
    c->used = end;
    return piece;
}

static void cut_all(LlmContext *c, Cutter *m) {
    const LlmShape *s = &c->model->shape;
    size_t batch = c->options.batch, n_sequences = c->options.n_sequences, f = sizeof(float);
    c->ids = cut(m, batch, sizeof *c->ids);
    c->positions = cut(m, batch, sizeof *c->positions);
    c->wanted = cut(m, batch, sizeof *c->wanted);
    c->pages = cut(m, batch, sizeof *c->pages);
    c->cos = cut(m, batch * c->model->rope.n_rotated, f);
    c->sin = cut(m, batch * c->model->rope.n_rotated, f);
    c->seq_start = cut(m, n_sequences, sizeof *c->seq_start);
    c->seq_new = cut(m, n_sequences, sizeof *c->seq_new);
    c->x = cut(m, batch * s->dim, f);
    c->h = cut(m, batch * s->dim, f);
    c->q = cut(m, batch * s->n_heads * s->key_dim, f);
    c->k = cut(m, batch * s->n_kv_heads * s->key_dim, f);
    c->v = cut(m, batch * s->n_kv_heads * s->value_dim, f);
    c->a = cut(m, batch * s->n_heads * s->value_dim, f);
    c->gate = cut(m, batch * s->ffn_dim, f);
    c->up = cut(m, batch * s->ffn_dim, f);
    c->logits = cut(m, c->options.max_logits * s->n_vocab, f);
}

static Status take_memory(LlmContext *c, Err *err) {
    Cutter count = { 0 };
    cut_all(c, &count);
    if (count.overflow)
        return err_set(err, STATUS_TOO_LARGE, "a batch of these sizes is too large");
    void *memory;
    TRY(c->cpu->ops->memory_new(c->cpu, count.used, &memory, err));
    c->memory = memory;
    c->memory_bytes = count.used;
    Cutter give = { .base = memory };
    cut_all(c, &give);
    return STATUS_OK;
}

static Status fill_context(LlmContext *c, Err *err) {
    const LlmModel *model = c->model;
    TRY(fill_options(model, &c->options, err));
    TRY(kernels_pick(c->options.cpu_mask, &c->kernels, err));
    PoolOptions pool = { .n_threads = c->options.n_threads, .pin = c->options.pin };
    TRY(pool_new(&pool, &c->pool, err));
    TRY(llm_device_cpu_new(c->pool, &c->kernels, &model->shape, c->options.batch, &c->cpu, err));
    if (c->options.profile) {
        LlmDevice *timed = NULL;
        TRY(llm_device_timed_new(c->cpu, &timed, err));
        c->cpu = timed;
    }
    c->device = mem_alloc(model->shape.n_layers, sizeof *c->device);
    if (!c->device) return err_set(err, STATUS_NO_MEMORY, "no memory for a context");
    for (size_t i = 0; i < model->shape.n_layers; i++) c->device[i] = c->cpu;
    LlmKvCacheOptions kv = { .type = c->options.kv,
                             .n_sequences = c->options.n_sequences,
                             .context = c->options.context,
                             .n_tokens = c->options.kv_tokens,
                             .device = c->device };
    TRY(llm_kvcache_new(&model->shape, &kv, &c->kv, err));
    return take_memory(c, err);
}

Status llm_context_new(const LlmModel *model, const LlmContextOptions *options, LlmContext **ret,
                       Err *err) {
    LlmContext *c = mem_alloc(1, sizeof *c);
    if (!c) return err_set(err, STATUS_NO_MEMORY, "no memory for a context");
    c->model = model;
    if (options) c->options = *options;
    Status status = fill_context(c, err);
    if (status != STATUS_OK) {
        llm_context_free(c);
        return status;
    }
    *ret = c;
    return STATUS_OK;
}

LlmContext *llm_context_free(LlmContext *c) {
    if (!c) return NULL;
    llm_kvcache_free(c->kv);
    if (c->cpu) {
        c->cpu->ops->memory_free(c->cpu, c->memory, c->memory_bytes);
        c->cpu->ops->free(c->cpu);
    }
    free(c->device);
    pool_free(c->pool);
    free(c);
    return NULL;
}

const LlmModel *llm_context_model(const LlmContext *c) {
    return c->model;
}

const char *llm_context_kernels(const LlmContext *c) {
    return c->kernels.name;
}

unsigned llm_context_n_threads(const LlmContext *c) {
    return pool_n_threads(c->pool);
}

size_t llm_context_length(const LlmContext *c) {
    return c->options.context;
}

size_t llm_context_max_logits(const LlmContext *c) {
    return c->options.max_logits;
}

size_t llm_context_kv_bytes(const LlmContext *c) {
    return llm_kvcache_bytes(c->kv);
}

LlmProfile *llm_context_profile(LlmContext *c) {
    return c->options.profile ? llm_device_timed_profile(c->cpu) : NULL;
}

bool llm_context_reads_as_it_writes(const LlmContext *c) {
    bool same = true;
    for (size_t i = 0; i < c->model->shape.n_layers; i++) {
        const LlmLayer *l = &c->model->layers[i];
        const LlmTensor *const all[] = { &l->wq,     &l->wk,   &l->wv,    &l->wo,
                                         &l->w_gate, &l->w_up, &l->w_down };
        for (size_t k = 0; k < N_ELEMENTS(all); k++) {
            same &= kernels_same_product(&c->kernels, all[k]->type);
        }
    }
    KernelsKvType kv = c->options.kv;
    return same &&
           c->kernels.attention[KERNELS_READING][kv] == c->kernels.attention[KERNELS_WRITING][kv];
}

size_t llm_n_to_read(const LlmContext *c, size_t n_prompt) {
    return n_prompt == 0 || llm_context_reads_as_it_writes(c) ? n_prompt : n_prompt - 1;
}

size_t llm_context_page_tokens(const LlmContext *c) {
    return llm_kvcache_layout(c->kv)->page_tokens;
}

size_t llm_context_free_tokens(const LlmContext *c) {
    return llm_kvcache_n_free_pages(c->kv) * llm_context_page_tokens(c);
}

Status llm_seq_new(LlmContext *c, LlmSeq *ret, Err *err) {
    return llm_kvcache_seq_new(c->kv, ret, err);
}

void llm_seq_free(LlmContext *c, LlmSeq seq) {
    if (llm_kvcache_seq_valid(c->kv, seq)) llm_kvcache_seq_free(c->kv, seq);
}

size_t llm_seq_length(const LlmContext *c, LlmSeq seq) {
    return llm_kvcache_seq_valid(c->kv, seq) ? llm_kvcache_seq_length(c->kv, seq) : 0;
}

static Status check_prefix(const LlmContext *c, LlmSeq seq, size_t n, Err *err) {
    if (!llm_kvcache_seq_valid(c->kv, seq)) {
        return err_set(err, STATUS_INVALID, "there is no sequence %u", seq);
    }
    size_t length = llm_kvcache_seq_length(c->kv, seq);
    if (n <= length) return STATUS_OK;
    return err_set(err, STATUS_INVALID, "sequence %u has %zu tokens, not %zu", seq, length, n);
}

Status llm_seq_fork(LlmContext *c, LlmSeq seq, size_t n, LlmSeq *ret, Err *err) {
    TRY(check_prefix(c, seq, n, err));
    return llm_kvcache_fork(c->kv, seq, n, ret, err);
}

Status llm_seq_truncate(LlmContext *c, LlmSeq seq, size_t n, Err *err) {
    TRY(check_prefix(c, seq, n, err));
    llm_kvcache_truncate(c->kv, seq, n);
    return STATUS_OK;
}
