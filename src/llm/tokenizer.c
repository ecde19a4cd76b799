/* Parts are joined into runs of text between tokens; a run is made valid UTF-8 and, for
 * SentencePiece, normalised; USER_DEFINED pieces are taken out; the rest goes to the vocabulary's
 * kind. Decoding is in detokenizer.c. */
#include "base/utf8.h"
#include "llm/tokenizer_internal.h"

void token_list_deinit(TokenList *list) {
    free(list->ids);
    *list = TOKEN_LIST_NULL;
}

Status token_list_add(TokenList *list, int32_t id, Err *err) {
    if (!mem_grow((void **)&list->ids, &list->capacity, list->n + 1, sizeof(*list->ids)))
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu tokens", list->n + 1);
    list->ids[list->n++] = id;
    return STATUS_OK;
}

/* ---- shared by both kinds ---- */

Status encoder_add_symbol(Encoder *e, uint32_t symbol) {
    if (!mem_grow((void **)&e->symbols, &e->capacity, e->n_symbols + 1, sizeof(*e->symbols)))
        return err_set(e->err, STATUS_NO_MEMORY, "no memory to tokenize a word of %zu characters",
                       e->n_symbols + 1);
    e->symbols[e->n_symbols++] = symbol;
    return STATUS_OK;
}

Status encoder_add_bytes(Encoder *e, Slice bytes) {
    const Vocab *vocab = e->vocab;
    size_t known = 0;
    while (known < bytes.n && vocab->byte_ids[(unsigned char)bytes.p[known]] >= 0) known++;
    if (known == bytes.n) {
        for (size_t i = 0; i < bytes.n; i++)
            TRY(token_list_add(e->out, vocab->byte_ids[(unsigned char)bytes.p[i]], e->err));
        e->last_unknown = false;
        return STATUS_OK;
    }
    if (vocab->unk_id < 0)
        return err_set(e->err, STATUS_UNSUPPORTED,
                       "the vocabulary has no token for byte 0x%02X and none for unknown text",
                       (unsigned char)bytes.p[known]);
    if (vocab->kind == VOCAB_SENTENCEPIECE && e->last_unknown) return STATUS_OK;
    e->last_unknown = true;
    return token_list_add(e->out, vocab->unk_id, e->err);
}

/* ---- one run of text ---- */

/* Valid UTF-8: every byte that begins no character becomes U+FFFD. */
static void append_valid(Buf *out, Slice text) {
    while (text.n) {
        size_t n = utf8_valid_length(text);
        buf_append(out, text.p, n);
        text = slice_skip(text, n);
        if (!text.n) break;
        buf_append_string(out, UTF8_REPLACEMENT);
        text = slice_skip(text, 1);
    }
}

/* SentencePiece's normaliser with the identity rules: spaces at the ends and doubled ones where
 * the model says so, the space before the text, U+2581 for spaces. text is valid. */
static void append_normalised(const Vocab *vocab, bool prefix, Slice text, Buf *out) {
    const char *space = vocab->escape_spaces ? VOCAB_SPACE : " ";
    if (vocab->remove_extra_spaces) {
        while (text.n && text.p[0] == ' ') text = slice_skip(text, 1);
        while (text.n && text.p[text.n - 1] == ' ') text.n--;
    }
    if (!text.n) return;
    if (prefix) buf_append_string(out, space);
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] == ' ') {
            if (i == 0 || text.p[i - 1] != ' ' || !vocab->remove_extra_spaces)
                buf_append_string(out, space);
            i++;
            continue;
        }
        const char *end = memchr(text.p + i, ' ', text.n - i);
        size_t n = end ? (size_t)(end - text.p) - i : text.n - i;
        buf_append(out, text.p + i, n);
        i += n;
    }
    /* The reference cuts marks at the end too, also those that the text had itself. */
    const size_t n_space = strlen(space);
    while (vocab->remove_extra_spaces && out->n >= n_space &&
           memcmp(out->p + out->n - n_space, space, n_space) == 0)
        out->n -= n_space;
}

static Status encode_plain(Encoder *e, Slice text) {
    if (!text.n) return STATUS_OK;
    return e->vocab->kind == VOCAB_SENTENCEPIECE ? tokenizer_encode_spm(e, text)
                                                 : tokenizer_encode_bpe(e, text);
}

static Status encode_run(Encoder *e, Slice text, bool prefix) {
    AUTO_BUF Buf valid = BUF_NULL;
    AUTO_BUF Buf normal = BUF_NULL;
    if (utf8_valid_length(text) != text.n) {
        append_valid(&valid, text);
        TRY(buf_status(&valid, e->err));
        text = buf_slice(&valid);
    }
    if (e->vocab->kind == VOCAB_SENTENCEPIECE) {
        append_normalised(e->vocab, prefix, text, &normal);
        TRY(buf_status(&normal, e->err));
        text = buf_slice(&normal);
    }
    e->last_unknown = false;
    if (!e->vocab->n_user) return encode_plain(e, text);
    size_t plain = 0;
    for (size_t at = 0; at < text.n;) {
        size_t n = 1;
        uint32_t id = vocab_user_prefix(e->vocab, slice_skip(text, at), &n);
        if (id != MERGE_NONE) {
            TRY(encode_plain(e, (Slice){ text.p + plain, at - plain }));
            TRY(token_list_add(e->out, (int32_t)id, e->err));
            e->last_unknown = false;
            plain = at + n;
        } else {
            while (at + n < text.n && ((unsigned char)text.p[at + n] & 0xC0) == 0x80) n++;
        }
        at += n;
    }
    return encode_plain(e, slice_skip(text, plain));
}

/* ---- parts ---- */

static Status check_parts(const Vocab *vocab, const PromptPart *parts, size_t n, Err *err) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].kind == PART_TOKEN) {
            if (!vocab_has(vocab, parts[i].id))
                return err_set(err, STATUS_INVALID, "token %d is not in the vocabulary of %zu",
                               (int)parts[i].id, vocab_size(vocab));
        } else if (!mem_add(total, parts[i].text.n, &total) || total > TOKENIZER_MAX_TEXT_BYTES) {
            return err_set(err, STATUS_TOO_LARGE,
                           "a text of more than %zu bytes cannot be tokenized",
                           TOKENIZER_MAX_TEXT_BYTES);
        }
    }
    return STATUS_OK;
}

static Status add_special(Encoder *e, bool wanted, bool required, int32_t id, const char *what) {
    if (!wanted) return STATUS_OK;
    if (id >= 0) return token_list_add(e->out, id, e->err);
    if (!required) return STATUS_OK;
    return err_set(e->err, STATUS_INVALID, "the vocabulary has no %s token", what);
}

static Status encode_parts(Encoder *e, const PromptPart *parts, size_t n, unsigned flags) {
    const Vocab *vocab = e->vocab;
    bool as_model = flags & TOKENIZE_AS_MODEL;
    TRY(add_special(e, flags & TOKENIZE_BOS || (as_model && vocab->add_bos), flags & TOKENIZE_BOS,
                    vocab->bos_id, "BOS"));
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        if (parts[i].kind == PART_TOKEN) {
            TRY(token_list_add(e->out, parts[i].id, e->err));
            continue;
        }
        while (end < n && parts[end].kind == PART_TEXT) end++;
        bool prefix = vocab->add_space_prefix && !(i == 0 && flags & TOKENIZE_NO_PREFIX);
        if (end == i + 1) {
            TRY(encode_run(e, parts[i].text, prefix));
            continue;
        }
        AUTO_BUF Buf joined = BUF_NULL;
        for (size_t k = i; k < end; k++) buf_append_slice(&joined, parts[k].text);
        TRY(buf_status(&joined, e->err));
        TRY(encode_run(e, buf_slice(&joined), prefix));
    }
    return add_special(e, flags & TOKENIZE_EOS || (as_model && vocab->add_eos),
                       flags & TOKENIZE_EOS, vocab->eos_id, "EOS");
}

Status tokenizer_encode_parts(const Vocab *vocab, const PromptPart *parts, size_t n, unsigned flags,
                              TokenList *ret, Err *err) {
    TRY(check_parts(vocab, parts, n, err));
    Encoder e = { .vocab = vocab, .out = ret, .merger = MERGER_NULL, .err = err };
    size_t before = ret->n;
    Status status = encode_parts(&e, parts, n, flags);
    if (status != STATUS_OK) ret->n = before;
    merger_deinit(&e.merger);
    free(e.symbols);
    return status;
}

Status tokenizer_encode(const Vocab *vocab, Slice text, unsigned flags, TokenList *ret, Err *err) {
    const PromptPart part = { .kind = PART_TEXT, .text = text };
    return tokenizer_encode_parts(vocab, &part, 1, flags, ret, err);
}
