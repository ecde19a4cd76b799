#include "daemon/completion_logprobs.h"

#include "llm/tokenizer.h"

void completion_logprobs_deinit(CompletionLogprobs *l) {
    buf_deinit(&l->tokens);
    buf_deinit(&l->values);
    buf_deinit(&l->likeliest);
    buf_deinit(&l->offsets);
}

void completion_logprobs_clear(CompletionLogprobs *l) {
    l->tokens.n = l->values.n = l->likeliest.n = l->offsets.n = 0;
}

/* A token's text, also that of one that ends a text; a part of a character is U+FFFD. */
static Status token_text(const Vocab *vocab, int32_t id, Buf *ret, Err *err) {
    TRY(tokenizer_decode(vocab, &id, 1, DETOKENIZE_CONTROL | DETOKENIZE_CONTINUED, ret, err));
    return buf_status(ret, err);
}

static JsonWriter member_of(Buf *list) {
    JsonWriter w = JSON_WRITER(list);
    w.comma = list->n > 0;
    return w;
}

/* "token", "logprob", "bytes", inside an object that is open. */
static Status write_token(JsonWriter *w, const Vocab *vocab, const SamplerToken *token, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    TRY(token_text(vocab, token->id, &text, err));
    json_slice(w, "token", buf_slice(&text));
    json_number(w, "logprob", (double)token->logprob);
    json_begin_array(w, "bytes");
    for (size_t i = 0; i < text.n; i++) json_uint(w, NULL, (unsigned char)text.p[i]);
    json_end_array(w);
    return STATUS_OK;
}

static Status add_to_chat(CompletionLogprobs *l, const Vocab *vocab, const SamplerToken *token,
                          const SamplerToken *top, size_t n_top, Err *err) {
    JsonWriter w = member_of(&l->tokens);
    json_begin_object(&w, NULL);
    TRY(write_token(&w, vocab, token, err));
    json_begin_array(&w, "top_logprobs");
    for (size_t i = 0; i < n_top; i++) {
        json_begin_object(&w, NULL);
        TRY(write_token(&w, vocab, &top[i], err));
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    return buf_status(&l->tokens, err);
}

/* Two tokens may have the same text: the likelier one stands for both. */
static Status write_likeliest(CompletionLogprobs *l, const Vocab *vocab, const SamplerToken *top,
                              size_t n_top, Err *err) {
    Buf texts[SAMPLER_MAX_TOP] = { BUF_NULL };
    JsonWriter w = member_of(&l->likeliest);
    Status status = STATUS_OK;
    json_begin_object(&w, NULL);
    for (size_t i = 0; i < n_top && status == STATUS_OK; i++) {
        status = token_text(vocab, top[i].id, &texts[i], err);
        size_t same = 0;
        while (same < i && !slice_equal(buf_slice(&texts[same]), buf_slice(&texts[i]))) same++;
        buf_append_byte(&texts[i], '\0');
        texts[i].n--;
        if (same == i && texts[i].p) json_number(&w, texts[i].p, (double)top[i].logprob);
    }
    json_end_object(&w);
    for (size_t i = 0; i < n_top; i++) buf_deinit(&texts[i]);
    return status == STATUS_OK ? buf_status(&l->likeliest, err) : status;
}

static Status add_to_text(CompletionLogprobs *l, const Vocab *vocab, const SamplerToken *token,
                          const SamplerToken *top, size_t n_top, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    TRY(token_text(vocab, token->id, &text, err));
    JsonWriter tokens = member_of(&l->tokens), values = member_of(&l->values),
               offsets = member_of(&l->offsets);
    json_slice(&tokens, NULL, buf_slice(&text));
    json_number(&values, NULL, (double)token->logprob);
    json_uint(&offsets, NULL, l->offset);
    for (size_t i = 0; i < text.n; i++) l->offset += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    TRY(buf_status(&l->tokens, err));
    TRY(buf_status(&l->values, err));
    TRY(buf_status(&l->offsets, err));
    return write_likeliest(l, vocab, top, n_top, err);
}

Status completion_logprobs_add(CompletionLogprobs *l, const Vocab *vocab, const SamplerToken *token,
                               const SamplerToken *top, size_t n_top, Err *err) {
    return l->is_chat ? add_to_chat(l, vocab, token, top, n_top, err)
                      : add_to_text(l, vocab, token, top, n_top, err);
}

static void render_list(JsonWriter *w, const char *name, const Buf *members) {
    json_begin_array(w, name);
    buf_append(w->out, members->p, members->n);
    json_end_array(w);
}

void completion_logprobs_render(JsonWriter *w, const CompletionLogprobs *l) {
    if (!l || l->tokens.n == 0) {
        json_null(w, "logprobs");
        return;
    }
    json_begin_object(w, "logprobs");
    if (l->is_chat) {
        render_list(w, "content", &l->tokens);
        json_null(w, "refusal");
    } else {
        render_list(w, "tokens", &l->tokens);
        render_list(w, "token_logprobs", &l->values);
        render_list(w, "top_logprobs", &l->likeliest);
        render_list(w, "text_offset", &l->offsets);
    }
    json_end_object(w);
}
