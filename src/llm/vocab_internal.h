#pragma once
/* The inside of a vocabulary, for the files of this room that encode, decode and build it. */
#include "base/arena.h"
#include "llm/merge.h"
#include "llm/vocab.h"

/* U+2581, which SentencePiece writes for a space. */
#define VOCAB_SPACE "\xE2\x96\x81"

enum { VOCAB_N_CHARACTERS = 0x110000 };

/* Text -> number, open addressing; the texts are views that live as long as the vocabulary. */
typedef struct PieceTable {
    struct PieceSlot *slots;
    size_t n_slots;
    size_t n_max; /* room for so many */
    size_t n;
    uint64_t seed;
} PieceTable;

typedef struct VocabPiece {
    Slice text;  /* as in the file */
    Slice bytes; /* what it decodes to: spaces for U+2581, bytes for their stand-ins, one byte for a
                    BYTE piece */
    uint8_t type;
    bool ends_text;
} VocabPiece;

/* Symbols of the merge table are ids; characters that are no piece of their own, but part of one,
 * have numbers from n_pieces on. */
struct Vocab {
    Arena arena; /* texts */
    VocabKind kind;
    VocabSplit split;
    bool whole_words;
    bool add_bos, add_eos, add_space_prefix, remove_extra_spaces, escape_spaces;
    VocabPiece *pieces; /* [n_pieces] */
    size_t n_pieces;
    int32_t bos_id, eos_id, eot_id, eom_id, unk_id, pad_id;
    int32_t byte_ids[256]; /* the piece of a byte, or VOCAB_NO_ID */
    Slice unk_surface;
    char *all_bytes;      /* [256] 0 to 255, for the texts of BYTE pieces; in the arena */
    PieceTable words;     /* bytes of NORMAL and UNUSED pieces */
    PieceTable controls;  /* text of CONTROL pieces */
    uint32_t *characters; /* SentencePiece: [VOCAB_N_CHARACTERS] symbol + 1 of a code point; 0:
                             none. Mostly pages of zeros that are never touched */
    MergeTable merges;
    uint64_t *joints;     /* SentencePiece: hash set of the neighbours inside pieces */
    size_t n_joint_slots; /* its size, a power of two; 0 is an empty slot */
    size_t n_joints;
    uint32_t *user_sorted; /* ids of USER_DEFINED pieces, by bytes */
    size_t n_user;
    bool user_first[256];        /* first bytes of those */
    uint32_t (*unused_parts)[2]; /* SentencePiece: [n_pieces] what an UNUSED piece is cut into, or
                                    NULL where none is unused */
    uint64_t seed;
};

/* ---- PieceTable ---- */
bool piece_table_init(PieceTable *table, size_t n_max, uint64_t seed) MUST_CHECK;
void piece_table_deinit(PieceTable *table);
/* The number, or MERGE_NONE. */
uint32_t piece_table_find(const PieceTable *table, Slice text);
/* MERGE_NONE where it was new; otherwise the number that it has (and keeps). */
uint32_t piece_table_add(PieceTable *table, Slice text, uint32_t number);

/* ---- byte-level BPE's alphabet ---- */
/* Bytes from their printable stand-ins (GPT-2's table); false where a character is not one. out has
 * room for text.n bytes. */
bool vocab_bytes_from_alphabet(Slice text, char *out, size_t *ret_n) MUST_CHECK;

/* ---- the two kinds' parts of vocab_new, in vocab_spm.c and vocab_bpe.c ---- */
Status vocab_build_spm(Vocab *vocab, const VocabSpec *spec, Err *err) MUST_CHECK;
Status vocab_build_bpe(Vocab *vocab, const VocabSpec *spec, Err *err) MUST_CHECK;

/* Whether some piece has a next to b inside; characters are code points. */
bool vocab_joins(const Vocab *vocab, uint32_t a, uint32_t b);
/* The longest USER_DEFINED piece at the beginning of s, or MERGE_NONE. */
uint32_t vocab_user_prefix(const Vocab *vocab, Slice s, size_t *ret_bytes);
