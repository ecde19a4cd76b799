/* The public side of the tokenizers of src/llm. */
#include <fonte/model.h>

#include "api/api_internal.h"
#include "llm/tokenizer.h"

FonteStatus fonte_vocab_open(const char *path, FonteVocab **ret, FonteError *error) {
    NEED(path, error);
    NEED(ret, error);
    FonteVocab *vocab = mem_alloc(1, sizeof *vocab);
    if (!vocab) return err_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
    Err err = { 0 };
    Status status = vocab_open(path, &vocab->vocab, &err);
    if (status == STATUS_OK)
        *ret = vocab;
    else
        free(vocab);
    return api_finish(status, &err, error);
}

FonteVocab *fonte_vocab_close(FonteVocab *vocab) {
    if (vocab) vocab_free(vocab->vocab);
    free(vocab);
    return NULL;
}

size_t fonte_vocab_size(const FonteVocab *vocab) {
    return vocab ? vocab_size(vocab->vocab) : 0;
}

FonteStatus fonte_vocab_encode(const FonteVocab *vocab, const void *text, size_t n_text,
                               unsigned flags, int32_t **ret_ids, size_t *ret_n,
                               FonteError *error) {
    NEED(vocab, error);
    NEED(ret_ids, error);
    NEED(ret_n, error);
    if (n_text) NEED(text, error);
    unsigned inner = 0;
    if (flags & FONTE_VOCAB_BOS) inner |= TOKENIZE_BOS;
    if (flags & FONTE_VOCAB_EOS) inner |= TOKENIZE_EOS;
    if (flags & FONTE_VOCAB_CONTINUED) inner |= TOKENIZE_NO_PREFIX;
    if (flags & FONTE_VOCAB_AS_MODEL) inner |= TOKENIZE_AS_MODEL;
    TokenList list = TOKEN_LIST_NULL;
    Status status = tokenizer_encode(vocab->vocab, (Slice){ text, n_text }, inner, &list, error);
    if (status == STATUS_OK && !list.ids && !(list.ids = mem_alloc(1, sizeof *list.ids)))
        status = err_set(error, STATUS_NO_MEMORY, "out of memory");
    if (status != STATUS_OK) {
        token_list_deinit(&list);
        return status;
    }
    *ret_ids = list.ids;
    *ret_n = list.n;
    return STATUS_OK;
}

FonteStatus fonte_vocab_decode(const FonteVocab *vocab, const int32_t *ids, size_t n,
                               unsigned flags, char **ret_text, size_t *ret_n, FonteError *error) {
    NEED(vocab, error);
    NEED(ret_text, error);
    if (n) NEED(ids, error);
    unsigned inner = 0;
    if (flags & FONTE_VOCAB_CONTROL) inner |= DETOKENIZE_CONTROL;
    if (flags & FONTE_VOCAB_CONTINUED) inner |= DETOKENIZE_CONTINUED;
    Buf text = BUF_NULL;
    Status status = tokenizer_decode(vocab->vocab, ids, n, inner, &text, error);
    if (status == STATUS_OK) status = buf_status(&text, error);
    char *owned = NULL;
    size_t n_owned = 0;
    if (status == STATUS_OK && !(owned = buf_steal(&text, &n_owned)))
        status = err_set(error, STATUS_NO_MEMORY, "out of memory");
    buf_deinit(&text);
    if (status != STATUS_OK) return status;
    *ret_text = owned;
    if (ret_n) *ret_n = n_owned;
    return STATUS_OK;
}
