#pragma once
/* Encoding of one text by kind, and what both kinds share. */
#include "llm/tokenizer.h"
#include "llm/vocab_internal.h"

/* Memory of one call. */
typedef struct Encoder {
    const Vocab *vocab;
    TokenList *out;
    Merger merger;
    uint32_t *symbols; /* of the current word; owned */
    size_t n_symbols, capacity;
    bool last_unknown; /* SentencePiece joins unknown characters that follow each other */
    Err *err;
} Encoder;

/* text is valid UTF-8 without USER_DEFINED pieces, not empty. */
Status tokenizer_encode_spm(Encoder *e, Slice text) MUST_CHECK;
Status tokenizer_encode_bpe(Encoder *e, Slice text) MUST_CHECK;

/* Append to e->symbols. */
Status encoder_add_symbol(Encoder *e, uint32_t symbol) MUST_CHECK;
/* The bytes of a character without a piece: byte pieces, or the unknown piece, or UNSUPPORTED. */
Status encoder_add_bytes(Encoder *e, Slice bytes) MUST_CHECK;
