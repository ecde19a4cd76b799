#pragma once
/* The vocabulary of a model: its pieces and what joins them. Made from the metadata of a GGUF file,
 * from a SentencePiece model, or from plain arrays; nothing in those is trusted. Encoding and
 * decoding are in llm/tokenizer.h.
 * Threads: any; a vocabulary is read-only once made. */
#include "base/slice.h"
#include "base/status.h"
#include <stdint.h>

typedef struct Vocab Vocab;
struct GgufFile; /* gguf/file.h */

enum {
    VOCAB_MAX_PIECES = 1 << 22,      /* more are refused */
    VOCAB_MAX_PIECE_BYTES = 1 << 12, /* a longer piece is refused */
    VOCAB_MAX_MERGEABLE_BYTES = 512, /* a longer ordinary piece of SentencePiece is refused */
};

typedef enum VocabKind {
    VOCAB_SENTENCEPIECE, /* tokenizer.ggml.model = "llama" */
    VOCAB_BYTE_BPE,      /* tokenizer.ggml.model = "gpt2" */
} VocabKind;

/* How text is cut into words before byte-level BPE. */
typedef enum VocabSplit {
    VOCAB_SPLIT_GPT2,
    VOCAB_SPLIT_LLAMA3,
    VOCAB_SPLIT_SMOLLM,  /* each digit a word, then GPT-2 */
    VOCAB_SPLIT_DEFAULT, /* llama.cpp's "default": punctuation, GPT-2, digits in threes */
} VocabSplit;

/* Numbers as in SentencePiece and in tokenizer.ggml.token_type. */
typedef enum VocabType {
    VOCAB_NORMAL = 1,
    VOCAB_UNKNOWN = 2,
    VOCAB_CONTROL = 3,      /* never comes from text */
    VOCAB_USER_DEFINED = 4, /* found in text as a whole, before anything else */
    VOCAB_UNUSED = 5,
    VOCAB_BYTE = 6, /* "<0x00>" to "<0xFF>" */
} VocabType;

enum { VOCAB_NO_ID = -1 };

typedef struct VocabSpec {
    const char *name; /* what errors call the source; borrowed during the call */
    VocabKind kind;
    VocabSplit split;     /* VOCAB_BYTE_BPE only */
    bool whole_words;     /* VOCAB_BYTE_BPE: a word that is a piece is taken as it is, unmerged */
    const Slice *pieces;  /* [n_pieces], the index is the id */
    const float *scores;  /* [n_pieces], SentencePiece only, required there */
    const int32_t *types; /* [n_pieces] of VocabType (0 counts as normal), or NULL: guessed from the
                             spelling and the ids below */
    size_t n_pieces;
    const Slice *merges; /* [n_merges] "left right", best first; VOCAB_BYTE_BPE only */
    size_t n_merges;
    int64_t bos_id, eos_id, eot_id, eom_id, unk_id, pad_id; /* VOCAB_NO_ID where there is none */
    bool add_bos, add_eos;    /* what the model expects around a prompt */
    bool add_space_prefix;    /* SentencePiece: a space before the text */
    bool remove_extra_spaces; /* SentencePiece: runs of spaces become one, none at the ends */
    bool escape_spaces;       /* SentencePiece: pieces write a space as U+2581 */
    Slice unk_surface;        /* SentencePiece: what the unknown piece decodes to */
} VocabSpec;

/* A vocabulary from arrays (copied). Errors name the piece or merge by its number:
 * DAMAGED   an id past the vocabulary, a type out of range, a byte piece that is not "<0xHH>" or
 *           comes twice, two pieces with the same text, a score that is not a number, a merge that
 * is not two pieces or whose result is no piece, a control piece in a merge TOO_LARGE above the
 * limits;  NO_MEMORY. Whatever its type says, a piece that is spelled like a control token of a
 * known chat template
 * ("<|im_start|>", "</s>", ...) is one, so that text cannot produce it; so is a USER_DEFINED piece
 * of the form "<|...|>". A control piece does not serve as the unknown
 * piece. Empty pieces are kept as unused. */
Status vocab_new(const VocabSpec *spec, Vocab **ret, Err *err) MUST_CHECK;
Vocab *vocab_free(Vocab *vocab);

/* From a SentencePiece tokenizer.model (bytes borrowed during the call). Beside vocab_new's errors:
 * UNSUPPORTED where it is no BPE model, has normalisation rules other than identity, or marks
 * spaces as suffixes. */
Status vocab_from_sentencepiece(Slice bytes, const char *name, Vocab **ret, Err *err) MUST_CHECK;

/* From the tokenizer.ggml.* keys of an open GGUF file (borrowed during the call); weights are not
 * needed. Errors, beside vocab_new's: UNSUPPORTED, naming it, for a tokenizer.ggml.model other than
 * "llama" and "gpt2" and for a tokenizer.ggml.pre that is not known; DAMAGED for a key that is
 * missing, of the wrong type or as long as no other. An id of 2^32 - 1 means none. */
Status vocab_from_gguf(const struct GgufFile *file, Vocab **ret, Err *err) MUST_CHECK;

/* From the file at path, a GGUF or a tokenizer.model by its content. Errors of opening, and above.
 */
Status vocab_open(const char *path, Vocab **ret, Err *err) MUST_CHECK;

/* ---- what it holds ---- */
VocabKind vocab_kind(const Vocab *vocab);
size_t vocab_size(const Vocab *vocab);
bool vocab_has(const Vocab *vocab, int64_t id);
/* The piece as it is written in the file; view. Empty for an id that there is not. */
Slice vocab_piece(const Vocab *vocab, int32_t id);
/* VOCAB_UNUSED for an id that there is not. */
VocabType vocab_type(const Vocab *vocab, int32_t id);
int32_t vocab_bos(const Vocab *vocab); /* VOCAB_NO_ID where there is none; as the others */
int32_t vocab_eos(const Vocab *vocab);
int32_t vocab_eot(const Vocab *vocab); /* end of a turn */
int32_t vocab_pad(const Vocab *vocab);
bool vocab_adds_bos(const Vocab *vocab);
bool vocab_adds_eos(const Vocab *vocab);
/* Whether a model that writes this token has finished: EOS, end of turn or message, the control
 * pieces that known models use for these ("<|eot_id|>", "<|im_end|>", ...), and BOS, with which
 * another text would begin. */
bool vocab_ends_text(const Vocab *vocab, int32_t id);
/* The control piece that is spelled so, or VOCAB_NO_ID. For templates; never called with text from
 * outside. */
int32_t vocab_find_control(const Vocab *vocab, Slice piece);
