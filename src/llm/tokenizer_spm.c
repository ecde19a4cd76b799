/* SentencePiece's BPE on normalised text: characters become symbols; where no piece has two
 * neighbours inside, the word ends (see vocab_spm.c); words are merged on their own. */
#include "base/utf8.h"
#include "llm/tokenizer_internal.h"

/* An UNUSED piece may be merged through, but is taken apart again where it remains. The stack is
 * as deep as the piece has characters. */
static Status add_unused(Encoder *e, uint32_t symbol) {
    uint32_t stack[VOCAB_MAX_MERGEABLE_BYTES + 1];
    size_t n = 0;
    stack[n++] = symbol;
    while (n) {
        symbol = stack[--n];
        bool unused = symbol < e->vocab->n_pieces && e->vocab->unused_parts &&
                      e->vocab->pieces[symbol].type == VOCAB_UNUSED &&
                      e->vocab->unused_parts[symbol][0] != MERGE_NONE;
        if (unused) {
            stack[n++] = e->vocab->unused_parts[symbol][1];
            stack[n++] = e->vocab->unused_parts[symbol][0];
        } else if (symbol < e->vocab->n_pieces) {
            TRY(token_list_add(e->out, (int32_t)symbol, e->err));
        } else {
            return err_set(e->err, STATUS_UNSUPPORTED, "a part of an unused token is no token");
        }
    }
    return STATUS_OK;
}

/* Merge and write out the word in e->symbols. text: its bytes, for characters that are no piece. */
static Status flush_word(Encoder *e, Slice text) {
    size_t n = e->n_symbols;
    if (n > 1) TRY(merger_run(&e->merger, &e->vocab->merges, e->symbols, n, &n, e->err));
    for (size_t i = 0; i < n; i++) {
        uint32_t symbol = e->symbols[i], c;
        size_t bytes;
        if (symbol < e->vocab->n_pieces) {
            bytes = e->vocab->pieces[symbol].text.n;
            e->last_unknown = false;
            if (e->vocab->pieces[symbol].type == VOCAB_UNUSED)
                TRY(add_unused(e, symbol));
            else
                TRY(token_list_add(e->out, (int32_t)symbol, e->err));
        } else {
            bytes = utf8_decode(text, &c);
            TRY(encoder_add_bytes(e, (Slice){ text.p, bytes }));
        }
        text = slice_skip(text, bytes);
    }
    e->n_symbols = 0;
    return STATUS_OK;
}

Status tokenizer_encode_spm(Encoder *e, Slice text) {
    uint32_t before = 0, c = 0;
    size_t word = 0;
    for (size_t at = 0, n; at < text.n; at += n, before = c) {
        n = utf8_decode(slice_skip(text, at), &c);
        if (at > word && !vocab_joins(e->vocab, before, c)) {
            TRY(flush_word(e, (Slice){ text.p + word, at - word }));
            word = at;
        }
        uint32_t symbol = e->vocab->characters[c];
        TRY(encoder_add_symbol(e, symbol ? symbol - 1 : MERGE_NONE));
    }
    return flush_word(e, slice_skip(text, word));
}
