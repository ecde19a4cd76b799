/* The forward pass of LLaMA (arXiv:2302.13971, section 2.2), one line an operation:
 *     x_0     = E[token]
 *     h       = RMSNorm(x; g_attn),  q, k, v = W_q h, W_k h, W_v h,  RoPE(q), RoPE(k)
 *     x      += W_o Attention(q, K, V)
 *     h       = RMSNorm(x; g_ffn)
 *     x      += W_down (silu(W_gate h) * W_up h)
 *     logits  = W_out RMSNorm(x; g_out)
 * A batch is checked as a whole first, so that a failure leaves no trace; then it is cut into
 * slices of options.batch tokens. */
#include "llm/context.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

/* One layer over the batch that its device has begun. */
static void layer_forward(LlmContext *c, LlmDevice *d, size_t index, size_t n) {
    const LlmDeviceOps *op = d->ops;
    const LlmShape *s = &c->model->shape;
    const LlmLayer *l = &c->model->layers[index];
    const LlmKvLayout *kv = llm_kvcache_layout(c->kv);
    void *cache = llm_kvcache_layer(c->kv, index);

    op->rmsnorm(d, c->x, NULL, n, l->attn_norm, s->dim, s->eps, c->h);
    op->matmul_qkv(d, l, c->h, c->q, c->k, c->v);
    op->rope(d, c->q, s->n_heads, s->key_dim);
    op->rope(d, c->k, s->n_kv_heads, s->key_dim);
    op->kv_append(d, kv, cache, c->k, c->v);
    op->attention(d, kv, cache, c->q, s->n_heads, s->window, c->a);
    op->matmul_add(d, &l->wo, c->a, c->x);
    op->rmsnorm(d, c->x, NULL, n, l->ffn_norm, s->dim, s->eps, c->h);
    op->matmul_swiglu(d, l, c->h, c->up, c->gate);
    op->matmul_add(d, &l->w_down, c->gate, c->x);
}

/* Logits of the rows that are wanted, appended to those of the slices before. */
static void output_forward(LlmContext *c, LlmDevice *d, size_t n_wanted, size_t n_written) {
    const LlmShape *s = &c->model->shape;
    if (n_wanted == 0) return;
    float *logits = c->logits + c->n_logits * s->n_vocab;
    d->ops->rmsnorm(d, c->x, c->wanted, n_wanted, c->model->norm, s->dim, s->eps, c->h);
    d->ops->matmul(d, &c->model->output, c->h, n_wanted, n_written, logits);
    c->n_logits += n_wanted;
}

static Status slice_forward(LlmContext *c, const LlmToken *tokens, size_t n, Err *err) {
    size_t n_wanted = 0, n_wanted_written = 0, n_written = 0, n_rotated = c->model->rope.n_rotated;
    for (size_t t = 0; t < n; t++) {
        LlmSeq seq = tokens[t].seq;
        c->ids[t] = tokens[t].id;
        c->positions[t] = (uint32_t)(c->seq_start[seq]++);
        c->pages[t] = llm_kvcache_seq_pages(c->kv, seq);
        llm_rope_angles(&c->model->rope, c->positions[t], c->cos + t * n_rotated,
                        c->sin + t * n_rotated);
        n_written += tokens[t].is_written;
        if (!tokens[t].want_logits) continue;
        n_wanted_written += tokens[t].is_written;
        c->wanted[n_wanted++] = (uint32_t)t;
    }
    LlmBatch batch = { n, n_written, c->ids, c->positions, c->pages, c->cos, c->sin, n_rotated };
    LlmDevice *d = c->cpu;
    d->ops->begin(d, &batch);
    d->ops->embed(d, &c->model->embedding, c->x);
    for (size_t i = 0; i < c->model->shape.n_layers; i++) layer_forward(c, c->device[i], i, n);
    output_forward(c, d, n_wanted, n_wanted_written);
    return d->ops->sync(d, err);
}

/* Counts the batch into seq_new and checks all that could fail later. */
static Status check_batch(LlmContext *c, const LlmToken *tokens, size_t n, Err *err) {
    const LlmShape *s = &c->model->shape;
    size_t n_wanted = 0, n_pages = 0;
    memset(c->seq_new, 0, c->options.n_sequences * sizeof *c->seq_new);
    for (size_t t = 0; t < n; t++) {
        if (!llm_kvcache_seq_valid(c->kv, tokens[t].seq)) {
            return err_set(err, STATUS_INVALID, "token %zu of the batch: there is no sequence %u",
                           t, tokens[t].seq);
        }
        if (tokens[t].id < 0 || (size_t)tokens[t].id >= s->n_vocab) {
            return err_set(err, STATUS_INVALID, "token %zu of the batch: id %d is not in 0 to %zu",
                           t, tokens[t].id, s->n_vocab - 1);
        }
        if (t > 0 && tokens[t].is_written && !tokens[t - 1].is_written) {
            return err_set(err, STATUS_INVALID,
                           "token %zu of the batch is written, the one before it is read", t);
        }
        c->seq_new[tokens[t].seq]++;
        n_wanted += tokens[t].want_logits;
    }
    if (n_wanted > c->options.max_logits) {
        return err_set(err, STATUS_TOO_LARGE, "logits of %zu tokens in one batch, at most %zu",
                       n_wanted, c->options.max_logits);
    }
    for (LlmSeq seq = 0; seq < c->options.n_sequences; seq++) {
        if (c->seq_new[seq] == 0) continue;
        size_t length = llm_kvcache_seq_length(c->kv, seq);
        if (c->seq_new[seq] > c->options.context - length) {
            return err_set(err, STATUS_TOO_LARGE,
                           "the context is full: %zu tokens and %zu more, at most %zu", length,
                           c->seq_new[seq], c->options.context);
        }
        n_pages += llm_kvcache_pages_needed(c->kv, seq, c->seq_new[seq]);
    }
    if (n_pages > llm_kvcache_n_free_pages(c->kv)) {
        return err_set(
            err, STATUS_TOO_LARGE,
            "the key/value cache is full: %zu pages of %zu tokens wanted, %zu of %zu free", n_pages,
            llm_kvcache_layout(c->kv)->page_tokens, llm_kvcache_n_free_pages(c->kv),
            llm_kvcache_layout(c->kv)->n_pages);
    }
    return STATUS_OK;
}

Status llm_eval(LlmContext *c, const LlmToken *tokens, size_t n, Err *err) {
    TRY(check_batch(c, tokens, n, err));
    for (LlmSeq seq = 0; seq < c->options.n_sequences; seq++) {
        if (c->seq_new[seq] == 0) continue;
        c->seq_start[seq] = llm_kvcache_seq_length(c->kv, seq);
        llm_kvcache_grow(c->kv, seq, c->seq_new[seq]);
    }
    c->n_logits = 0;
    Status status = STATUS_OK;
    for (size_t done = 0; done < n && status == STATUS_OK; done += c->options.batch) {
        status = slice_forward(c, tokens + done, MIN(n - done, c->options.batch), err);
    }
    if (status == STATUS_OK) return STATUS_OK;
    for (LlmSeq seq = 0; seq < c->options.n_sequences; seq++) {
        if (c->seq_new[seq] == 0) continue;
        size_t length = llm_kvcache_seq_length(c->kv, seq) - c->seq_new[seq];
        llm_kvcache_truncate(c->kv, seq, length);
    }
    c->n_logits = 0;
    return status;
}

float *llm_logits(LlmContext *c, size_t i) {
    assert(i < c->n_logits);
    return c->logits + i * c->model->shape.n_vocab;
}

size_t llm_n_logits(const LlmContext *c) {
    return c->n_logits;
}
