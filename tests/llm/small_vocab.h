#pragma once
/* Vocabularies of a few hundred pieces, made here, so that tests and fuzzers need no files. */
#include "base/mem.h"
#include "llm/tokenizer.h"
#include "llm/vocab.h"

#include <stdio.h>

enum { SMALL_MAX = 512, SMALL_BYTES = 3 /* id of byte 0 in the SentencePiece vocabulary */ };

typedef struct Small {
    VocabSpec spec;
    Slice pieces[SMALL_MAX];
    float scores[SMALL_MAX];
    int32_t types[SMALL_MAX];
    Slice merges[64];
    char bytes[256][8];
    size_t n;
} Small;

static inline int32_t small_add(Small *s, const char *text, float score, int type) {
    s->pieces[s->n] = slice_of(text);
    s->scores[s->n] = score;
    s->types[s->n] = type;
    s->spec.n_pieces = ++s->n;
    return (int32_t)s->n - 1;
}

/* <unk> <s> </s>, the bytes, U+2581, a to z, é, and some pieces for "hello". */
static inline void small_spm(Small *s) {
    static const char *const joined[] = {
        "\xE2\x96\x81\xE2\x96\x81", "ll", "he", "\xE2\x96\x81he", "llo", "aa", "aaaa",
        "\xE2\x96\x81hello",        "lo"
    };
    static const char letters[26][2] = { "a", "b", "c", "d", "e", "f", "g", "h", "i",
                                         "j", "k", "l", "m", "n", "o", "p", "q", "r",
                                         "s", "t", "u", "v", "w", "x", "y", "z" };
    memset(s, 0, sizeof *s);
    s->spec = (VocabSpec){ .name = "small",
                           .kind = VOCAB_SENTENCEPIECE,
                           .pieces = s->pieces,
                           .scores = s->scores,
                           .types = s->types,
                           .bos_id = 1,
                           .eos_id = 2,
                           .eot_id = -1,
                           .eom_id = -1,
                           .unk_id = 0,
                           .pad_id = -1,
                           .add_bos = true,
                           .add_space_prefix = true,
                           .escape_spaces = true,
                           .unk_surface = SLICE(" \xE2\x81\x87 ") };
    small_add(s, "<unk>", 0, VOCAB_UNKNOWN);
    small_add(s, "<s>", 0, VOCAB_CONTROL);
    small_add(s, "</s>", 0, VOCAB_CONTROL);
    for (int i = 0; i < 256; i++) {
        snprintf(s->bytes[i], sizeof s->bytes[i], "<0x%02X>", i);
        small_add(s, s->bytes[i], 0, VOCAB_BYTE);
    }
    for (size_t i = 0; i < N_ELEMENTS(joined); i++)
        small_add(s, joined[i], -(float)i, VOCAB_NORMAL);
    small_add(s, "\xE2\x96\x81", -100, VOCAB_NORMAL);
    small_add(s, "\xC3\xA9", -101, VOCAB_NORMAL);
    for (size_t i = 0; i < 26; i++) small_add(s, letters[i], -102 - (float)i, VOCAB_NORMAL);
}

/* The byte alphabet (id = byte), some merges, control pieces of Llama 3 and ChatML. */
static inline void small_bpe(Small *s) {
    static const char *const merges[] = { "h e",
                                          "l l",
                                          "he ll",
                                          "hell o",
                                          "\xC4\xA0 hello",
                                          "1 2",
                                          "\xC4\xA0 \xC4\xA0",
                                          "\xC3\x83 \xC2\xA9" };
    static const char *const made[] = {
        "he", "ll", "hell", "hello", "\xC4\xA0hello", "12", "\xC4\xA0\xC4\xA0", "\xC3\x83\xC2\xA9"
    };
    static const char *const controls[] = { "<|begin_of_text|>",   "<|end_of_text|>",
                                            "<|start_header_id|>", "<|end_header_id|>",
                                            "<|eot_id|>",          "<|im_start|>",
                                            "<|im_end|>" };
    memset(s, 0, sizeof *s);
    s->spec = (VocabSpec){ .name = "small",
                           .kind = VOCAB_BYTE_BPE,
                           .split = VOCAB_SPLIT_LLAMA3,
                           .whole_words = true,
                           .pieces = s->pieces,
                           .types = s->types,
                           .merges = s->merges,
                           .n_merges = N_ELEMENTS(merges),
                           .bos_id = 264,
                           .eos_id = 265,
                           .eot_id = -1,
                           .eom_id = -1,
                           .unk_id = -1,
                           .pad_id = -1,
                           .add_bos = true };
    int next = 0x100;
    for (int i = 0; i < 256; i++) {
        bool itself = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        int c = itself ? i : next++;
        if (c < 0x80)
            snprintf(s->bytes[i], sizeof s->bytes[i], "%c", c);
        else
            snprintf(s->bytes[i], sizeof s->bytes[i], "%c%c", 0xC0 | c >> 6, 0x80 | (c & 63));
        small_add(s, s->bytes[i], 0, VOCAB_NORMAL);
    }
    for (size_t i = 0; i < N_ELEMENTS(made); i++) {
        small_add(s, made[i], 0, VOCAB_NORMAL);
        s->merges[i] = slice_of(merges[i]);
    }
    for (size_t i = 0; i < N_ELEMENTS(controls); i++) small_add(s, controls[i], 0, VOCAB_CONTROL);
}
