#pragma once
/* Text to token ids and back. Text is only ever text: a control token in the result comes from a
 * PART_TOKEN or a flag, never from what some text spells.
 * Threads: any, with one Detokenizer per stream.
 * Source: SentencePiece 0.1.97 (bpe_model.cc, normalizer.cc, sentencepiece_processor.cc);
 * byte-level BPE as in GPT-2's encoder.py and llama.cpp. Oracle: the reference cases that tests/llm
 * reads. */
#include "base/buf.h"
#include "llm/vocab.h"

/* A longer text is refused (TOO_LARGE). The memory used is about 5 bytes per byte of text, and up
 * to 40 where it is a single word. */
#define TOKENIZER_MAX_TEXT_BYTES ((size_t)256 << 20)

typedef struct TokenList {
    int32_t *ids; /* owned */
    size_t n, capacity;
} TokenList;

#define TOKEN_LIST_NULL ((TokenList){ NULL, 0, 0 })
void token_list_deinit(TokenList *list);
Status token_list_add(TokenList *list, int32_t id, Err *err) MUST_CHECK;

/* A prompt is a list of these. Texts that follow each other are encoded as one text; a token
 * between them separates. SentencePiece's space before the text is put before every such text, as
 * llama.cpp and Hugging Face do. */
typedef enum PartKind { PART_TEXT, PART_TOKEN } PartKind;
typedef struct PromptPart {
    PartKind kind;
    Slice text; /* PART_TEXT: any bytes; view */
    int32_t id; /* PART_TOKEN */
} PromptPart;

enum {
    TOKENIZE_BOS = 1,       /* BOS first; an error where the vocabulary has none */
    TOKENIZE_EOS = 2,       /* EOS last; likewise */
    TOKENIZE_AS_MODEL = 4,  /* BOS and EOS as the model's file asks for */
    TOKENIZE_NO_PREFIX = 8, /* no space before the (first) text: it goes on where one stopped */
};

/* Append the ids of a text. Bytes that are not UTF-8 count as U+FFFD each, as in the references.
 * NUL is a character like any other. USER_DEFINED pieces are found in the text, the longest at each
 * place, from left to right.
 * flags  TOKENIZE_*
 * Errors: TOO_LARGE; UNSUPPORTED where the vocabulary has no piece for a character, no bytes and no
 * unknown piece, with its offset; INVALID for a flag that the vocabulary cannot fulfil; NO_MEMORY.
 * The list is unchanged then. Cost: O(n), whatever the text. */
Status tokenizer_encode(const Vocab *vocab, Slice text, unsigned flags, TokenList *ret,
                        Err *err) MUST_CHECK;
/* The same for a list of parts. INVALID also for an id that the vocabulary does not have. */
Status tokenizer_encode_parts(const Vocab *vocab, const PromptPart *parts, size_t n, unsigned flags,
                              TokenList *ret, Err *err) MUST_CHECK;

enum {
    DETOKENIZE_CONTROL = 1,   /* write control pieces as they are spelled; otherwise nothing */
    DETOKENIZE_CONTINUED = 2, /* the text goes on: keep the space of the first piece */
};

/* Append the text of ids: always valid UTF-8, broken bytes as U+FFFD. SentencePiece's space before
 * the text is taken off again. INVALID, with its place, for an id that the vocabulary does not have
 * (ret is unchanged then); NO_MEMORY through ret (buf_status). */
Status tokenizer_decode(const Vocab *vocab, const int32_t *ids, size_t n, unsigned flags, Buf *ret,
                        Err *err) MUST_CHECK;

/* The same for a stream: bytes of a character that is not whole yet are held back, so that what has
 * been appended is valid UTF-8 after every token, and all of it together is what tokenizer_decode
 * gives. No allocation but ret's growth. */
typedef struct Detokenizer {
    const Vocab *vocab; /* borrowed until the stream ends */
    unsigned flags;
    bool at_start; /* the first piece's space may still come */
    unsigned char n_held;
    char held[4]; /* the beginning of a character */
} Detokenizer;

void detokenizer_init(Detokenizer *stream, const Vocab *vocab, unsigned flags);
Status detokenizer_push(Detokenizer *stream, int32_t id, Buf *ret, Err *err) MUST_CHECK;
/* What is held back can no longer become a character: U+FFFD. The stream may go on afterwards. */
void detokenizer_finish(Detokenizer *stream, Buf *ret);
