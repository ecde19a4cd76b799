#pragma once
/* Reads a SentencePiece `tokenizer.model`: the pieces with scores and types, and those settings of
 * trainer and normaliser that change how text is encoded. Does not encode (llm/tokenizer.h does).
 * Threads: any; a parsed model is read-only.
 * Source: sentencepiece_model.proto of SentencePiece 0.1.97; protobuf encoding, proto2. */
#include "base/slice.h"
#include "base/status.h"
#include <stdint.h>

enum {
    SENTENCEPIECE_MAX_PIECES =
        1 << 22,                       /* more are refused: 16 times the largest vocabulary known */
    SENTENCEPIECE_MAX_BYTES = 1 << 28, /* a longer file is refused */
};

typedef enum SentencepieceModel {
    SENTENCEPIECE_UNIGRAM = 1,
    SENTENCEPIECE_BPE = 2,
    SENTENCEPIECE_WORD = 3,
    SENTENCEPIECE_CHAR = 4,
} SentencepieceModel;

/* The numbers are also those of GGUF's tokenizer.ggml.token_type. */
typedef enum SentencepieceType {
    SENTENCEPIECE_NORMAL = 1,
    SENTENCEPIECE_UNKNOWN = 2,
    SENTENCEPIECE_CONTROL = 3,
    SENTENCEPIECE_USER_DEFINED = 4,
    SENTENCEPIECE_UNUSED = 5,
    SENTENCEPIECE_BYTE = 6,
} SentencepieceType;

typedef struct SentencepiecePiece {
    Slice text;  /* view into the parsed bytes; any bytes, may be empty or a duplicate */
    float score; /* BPE: the rank of the merge, negated; any float, also NaN */
    int type;    /* one of SentencepieceType: others are refused */
} SentencepiecePiece;

typedef struct Sentencepiece {
    SentencepiecePiece *pieces; /* owned; the index is the id */
    size_t n_pieces;
    SentencepieceModel model;
    bool byte_fallback;              /* unknown characters become byte pieces */
    bool add_dummy_prefix;           /* a space is put before the text */
    bool remove_extra_whitespaces;   /* runs become one space, none at the ends */
    bool escape_whitespaces;         /* space becomes U+2581 */
    bool treat_whitespace_as_suffix; /* the mark of a space ends a word instead of beginning it */
    int64_t unk_id, bos_id, eos_id,
        pad_id;        /* -1 where there is none; not checked against n_pieces */
    Slice unk_surface; /* how the unknown piece is decoded; view */
    Slice normalizer;  /* "identity", "nmt_nfkc", ...; view */
    Slice charsmap;    /* compiled normalisation rules, empty for identity; view */
} Sentencepiece;

#define SENTENCEPIECE_NULL ((Sentencepiece){ 0 })
void sentencepiece_deinit(Sentencepiece *model);

/* Parse the file's bytes (borrowed until model is deinited: the texts are views into them).
 * name   what errors call the file; borrowed
 * Errors: DAMAGED with the byte offset (fields that end early, wrong wire types, a type out of
 * range, no pieces); TOO_LARGE above the limits; NO_MEMORY. ret is untouched then. */
Status sentencepiece_parse(Slice bytes, const char *name, Sentencepiece *ret, Err *err) MUST_CHECK;
