/* Byte-level BPE: words by the vocabulary's scanner, bytes as first symbols, then merges. */
#include "llm/pretokenize.h"
#include "llm/tokenizer_internal.h"

static Status add_word(Encoder *e, Slice word) {
    const Vocab *vocab = e->vocab;
    if (vocab->whole_words) {
        uint32_t id = piece_table_find(&vocab->words, word);
        if (id != MERGE_NONE) return token_list_add(e->out, (int32_t)id, e->err);
    }
    /* Symbols of bytes without a piece have numbers past the vocabulary: no rule knows them. */
    for (size_t i = 0; i < word.n; i++) {
        unsigned char byte = (unsigned char)word.p[i];
        int32_t id = vocab->byte_ids[byte];
        TRY(encoder_add_symbol(e, id >= 0 ? (uint32_t)id : (uint32_t)vocab->n_pieces + byte));
    }
    size_t n = 0;
    TRY(merger_run(&e->merger, &vocab->merges, e->symbols, e->n_symbols, &n, e->err));
    for (size_t i = 0; i < n; i++) {
        if (e->symbols[i] < vocab->n_pieces) {
            TRY(token_list_add(e->out, (int32_t)e->symbols[i], e->err));
        } else {
            char byte = (char)(e->symbols[i] - vocab->n_pieces);
            TRY(encoder_add_bytes(e, (Slice){ &byte, 1 }));
        }
    }
    e->n_symbols = 0;
    return STATUS_OK;
}

Status tokenizer_encode_bpe(Encoder *e, Slice text) {
    Words words = { e->vocab->split, text, 0 };
    Slice word;
    while (words_next(&words, &word)) TRY(add_word(e, word));
    return STATUS_OK;
}
