/* What both kinds share: checking the arrays, deciding which pieces text may produce, ids, lookups.
 *
 * The rule that keeps text and control apart is made here, once: only NORMAL, UNUSED and
 * USER_DEFINED pieces get into the tables that encoding looks at (`words`, `merges`,
 * `user_sorted`), and only CONTROL pieces into the one that templates look at. Files often declare
 * the markers of their own template as USER_DEFINED, which text could then forge; so spelling
 * overrides type. */
#include "base/utf8.h"
#include "llm/vocab_internal.h"
#include <math.h>
#include <stdio.h>
#include <sys/random.h>

static const char *const control_spellings[] = {
    "<s>",
    "</s>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "<start_of_turn>",
    "<end_of_turn>",
};
static const char *const end_spellings[] = {
    "</s>",       "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>",
    "<|im_end|>", "<|endoftext|>",   "<|end|>",    "<end_of_turn>",
};

static bool is_one_of(Slice text, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (slice_equal(text, slice_of(list[i]))) return true;
    }
    return false;
}

static bool has_control_form(Slice text) {
    return text.n >= 5 && slice_starts(text, SLICE("<|")) && text.p[text.n - 2] == '|' &&
           text.p[text.n - 1] == '>';
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* 0-255 for exactly "<0xHH>", otherwise -1: never a number parsed from arbitrary text. */
static int byte_of_piece(Slice text) {
    if (text.n != 6 || memcmp(text.p, "<0x", 3) != 0 || text.p[5] != '>') return -1;
    int high = hex_digit(text.p[3]), low = hex_digit(text.p[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static VocabType guess_type(const VocabSpec *spec, size_t i) {
    bool spm = spec->kind == VOCAB_SENTENCEPIECE;
    int64_t id = (int64_t)i;
    if (spm && byte_of_piece(spec->pieces[i]) >= 0) return VOCAB_BYTE;
    if (spm && id == spec->unk_id) return VOCAB_UNKNOWN;
    if (spm && (id == spec->bos_id || id == spec->eos_id || id == spec->eot_id))
        return VOCAB_CONTROL;
    return has_control_form(spec->pieces[i]) ? VOCAB_CONTROL : VOCAB_NORMAL;
}

static Status piece_type(const VocabSpec *spec, size_t i, VocabType *ret, Err *err) {
    int32_t type = spec->types ? spec->types[i] : (int32_t)guess_type(spec, i);
    Slice text = spec->pieces[i];
    if (type < 0 || type > VOCAB_BYTE)
        return err_set(err, STATUS_DAMAGED, "%s: token %zu has the unknown type %d", spec->name, i,
                       (int)type);
    if (type == 0) type = VOCAB_NORMAL;
    if (type == VOCAB_BYTE) {
        if (byte_of_piece(text) < 0)
            return err_set(err, STATUS_DAMAGED,
                           "%s: token %zu: \"%.*s\" is no byte (<0x00> to <0xFF>)", spec->name, i,
                           (int)MIN(text.n, 40), text.p);
    } else if (type != VOCAB_CONTROL &&
               (is_one_of(text, control_spellings, N_ELEMENTS(control_spellings)) ||
                (type == VOCAB_USER_DEFINED && has_control_form(text)))) {
        type = VOCAB_CONTROL;
    }
    if (!text.n && type != VOCAB_CONTROL && type != VOCAB_UNKNOWN) type = VOCAB_UNUSED;
    *ret = (VocabType)type;
    return STATUS_OK;
}

static Status add_piece(Vocab *vocab, const VocabSpec *spec, size_t i, Err *err) {
    VocabPiece *piece = &vocab->pieces[i];
    Slice text = spec->pieces[i];
    VocabType type = VOCAB_NORMAL;
    if (text.n > VOCAB_MAX_PIECE_BYTES)
        return err_set(err, STATUS_TOO_LARGE, "%s: token %zu has %zu bytes (at most %d)",
                       spec->name, i, text.n, VOCAB_MAX_PIECE_BYTES);
    TRY(piece_type(spec, i, &type, err));
    if (spec->kind == VOCAB_SENTENCEPIECE && isnan(spec->scores[i]))
        return err_set(err, STATUS_DAMAGED, "%s: the score of token %zu is not a number",
                       spec->name, i);
    char *copy = arena_string(&vocab->arena, text);
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "%s: no memory for tokens", spec->name);
    piece->text = (Slice){ copy, text.n };
    piece->bytes = piece->text;
    piece->type = (uint8_t)type;
    piece->ends_text =
        type == VOCAB_CONTROL && is_one_of(text, end_spellings, N_ELEMENTS(end_spellings));
    if (type == VOCAB_BYTE) {
        int byte = byte_of_piece(text);
        if (vocab->byte_ids[byte] >= 0)
            return err_set(err, STATUS_DAMAGED, "%s: tokens %d and %zu are the same byte",
                           spec->name, (int)vocab->byte_ids[byte], i);
        vocab->byte_ids[byte] = (int32_t)i;
        piece->bytes = (Slice){ &vocab->all_bytes[byte], 1 };
    }
    return STATUS_OK;
}

static Status take_id(const VocabSpec *spec, const char *what, int64_t id, int32_t *ret, Err *err) {
    if (id < VOCAB_NO_ID || id >= (int64_t)spec->n_pieces)
        return err_set(err, STATUS_DAMAGED, "%s: the %s token %lld is not in the vocabulary of %zu",
                       spec->name, what, (long long)id, spec->n_pieces);
    *ret = (int32_t)id;
    return STATUS_OK;
}

static Status take_ids(Vocab *vocab, const VocabSpec *spec, Err *err) {
    TRY(take_id(spec, "BOS", spec->bos_id, &vocab->bos_id, err));
    TRY(take_id(spec, "EOS", spec->eos_id, &vocab->eos_id, err));
    TRY(take_id(spec, "end-of-turn", spec->eot_id, &vocab->eot_id, err));
    TRY(take_id(spec, "end-of-message", spec->eom_id, &vocab->eom_id, err));
    TRY(take_id(spec, "unknown", spec->unk_id, &vocab->unk_id, err));
    TRY(take_id(spec, "padding", spec->pad_id, &vocab->pad_id, err));
    /* Files that name EOS or BOS as their unknown token would let text produce it. */
    if (vocab->unk_id >= 0 && vocab->pieces[vocab->unk_id].type == VOCAB_CONTROL)
        vocab->unk_id = VOCAB_NO_ID;
    const int32_t ends[] = { vocab->eos_id, vocab->eot_id, vocab->eom_id };
    for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
        if (ends[i] >= 0) vocab->pieces[ends[i]].ends_text = true;
    }
    /* Models that were trained on texts with nothing but BOS between them. */
    if (vocab->bos_id >= 0 && vocab->pieces[vocab->bos_id].type == VOCAB_CONTROL)
        vocab->pieces[vocab->bos_id].ends_text = true;
    return STATUS_OK;
}

static Status add_controls(Vocab *vocab, Err *err) {
    size_t n = 0;
    for (size_t i = 0; i < vocab->n_pieces; i++) n += vocab->pieces[i].type == VOCAB_CONTROL;
    if (!piece_table_init(&vocab->controls, n, vocab->seed))
        return err_set(err, STATUS_NO_MEMORY, "no memory for the vocabulary");
    for (size_t i = 0; i < vocab->n_pieces; i++) {
        if (vocab->pieces[i].type == VOCAB_CONTROL)
            (void)piece_table_add(&vocab->controls, vocab->pieces[i].text, (uint32_t)i);
    }
    return STATUS_OK;
}

/* ---- USER_DEFINED pieces, found by narrowing a sorted range byte by byte ---- */

typedef struct UserPiece {
    Slice text;
    uint32_t id;
} UserPiece;

static int compare_user(const void *a, const void *b) {
    const UserPiece *x = a, *y = b;
    int order = memcmp(x->text.p, y->text.p, MIN(x->text.n, y->text.n));
    if (order) return order;
    return x->text.n < y->text.n ? -1 : x->text.n > y->text.n;
}

/* Text is valid UTF-8 when it is searched; a piece that is not could only match by cutting a
 * character in two. */
static bool is_user(const VocabPiece *piece) {
    return piece->type == VOCAB_USER_DEFINED && utf8_valid_length(piece->text) == piece->text.n;
}

static Status add_user_pieces(Vocab *vocab, const VocabSpec *spec, Err *err) {
    size_t n = 0;
    for (size_t i = 0; i < vocab->n_pieces; i++) n += is_user(&vocab->pieces[i]);
    if (!n) return STATUS_OK;
    AUTO_FREE UserPiece *sorted = mem_alloc(n, sizeof(*sorted));
    vocab->user_sorted = mem_alloc(n, sizeof(*vocab->user_sorted));
    if (!sorted || !vocab->user_sorted)
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for tokens", spec->name);
    for (size_t i = 0; i < vocab->n_pieces; i++) {
        if (!is_user(&vocab->pieces[i])) continue;
        sorted[vocab->n_user++] = (UserPiece){ vocab->pieces[i].text, (uint32_t)i };
        vocab->user_first[(unsigned char)vocab->pieces[i].text.p[0]] = true;
    }
    qsort(sorted, n, sizeof(*sorted), compare_user);
    for (size_t i = 0; i < n; i++) {
        vocab->user_sorted[i] = sorted[i].id;
        if (i && slice_equal(sorted[i].text, sorted[i - 1].text))
            return err_set(err, STATUS_DAMAGED, "%s: tokens %u and %u are the same text",
                           spec->name, sorted[i - 1].id, sorted[i].id);
    }
    return STATUS_OK;
}

/* First index in [low, high) whose byte at `depth` is >= c (or > c). Pieces there share the first
 * depth bytes; one that ends at depth sorts first and counts as smaller than any byte. */
static size_t user_bound(const Vocab *vocab, size_t low, size_t high, size_t depth, int c) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        Slice text = vocab->pieces[vocab->user_sorted[middle]].text;
        int at = depth < text.n ? (unsigned char)text.p[depth] : -1;
        if (at < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t vocab_user_prefix(const Vocab *vocab, Slice s, size_t *ret_bytes) {
    uint32_t found = MERGE_NONE;
    if (!s.n || !vocab->user_first[(unsigned char)s.p[0]]) return MERGE_NONE;
    size_t low = 0, high = vocab->n_user;
    for (size_t depth = 0; depth < s.n && low < high; depth++) {
        int c = (unsigned char)s.p[depth];
        low = user_bound(vocab, low, high, depth, c);
        high = user_bound(vocab, low, high, depth, c + 1);
        if (low < high && vocab->pieces[vocab->user_sorted[low]].text.n == depth + 1) {
            found = vocab->user_sorted[low];
            *ret_bytes = depth + 1;
        }
    }
    return found;
}

/* ---- lifecycle ---- */

Vocab *vocab_free(Vocab *vocab) {
    if (!vocab) return NULL;
    arena_deinit(&vocab->arena);
    piece_table_deinit(&vocab->words);
    piece_table_deinit(&vocab->controls);
    merge_table_deinit(&vocab->merges);
    free(vocab->characters);
    free(vocab->pieces);
    free(vocab->joints);
    free(vocab->user_sorted);
    free(vocab->unused_parts);
    free(vocab);
    return NULL;
}

static Status fill(Vocab *vocab, const VocabSpec *spec, Err *err) {
    if (getrandom(&vocab->seed, sizeof(vocab->seed), GRND_NONBLOCK) != sizeof(vocab->seed))
        vocab->seed = (uint64_t)(uintptr_t)vocab; /* early boot: still not known to a file */
    vocab->kind = spec->kind;
    vocab->split = spec->split;
    vocab->whole_words = spec->whole_words;
    vocab->add_bos = spec->add_bos;
    vocab->add_eos = spec->add_eos;
    vocab->add_space_prefix = spec->add_space_prefix;
    vocab->remove_extra_spaces = spec->remove_extra_spaces;
    vocab->escape_spaces = spec->escape_spaces;
    vocab->n_pieces = spec->n_pieces;
    memset(vocab->byte_ids, 0xFF, sizeof(vocab->byte_ids));
    vocab->pieces = mem_alloc(spec->n_pieces, sizeof(*vocab->pieces));
    char *surface = arena_string(&vocab->arena, spec->unk_surface);
    vocab->all_bytes = arena_alloc(&vocab->arena, 256, 1);
    if (!vocab->pieces || !surface || !vocab->all_bytes)
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for tokens", spec->name);
    vocab->unk_surface = (Slice){ surface, spec->unk_surface.n };
    for (int i = 0; i < 256; i++) vocab->all_bytes[i] = (char)i;
    for (size_t i = 0; i < spec->n_pieces; i++) TRY(add_piece(vocab, spec, i, err));
    TRY(take_ids(vocab, spec, err));
    TRY(add_controls(vocab, err));
    TRY(add_user_pieces(vocab, spec, err));
    return spec->kind == VOCAB_SENTENCEPIECE ? vocab_build_spm(vocab, spec, err)
                                             : vocab_build_bpe(vocab, spec, err);
}

Status vocab_new(const VocabSpec *spec, Vocab **ret, Err *err) {
    if (!spec->n_pieces)
        return err_set(err, STATUS_DAMAGED, "%s: the vocabulary is empty", spec->name);
    if (spec->n_pieces > VOCAB_MAX_PIECES)
        return err_set(err, STATUS_TOO_LARGE, "%s: %zu tokens (at most %d)", spec->name,
                       spec->n_pieces, VOCAB_MAX_PIECES);
    if (spec->kind == VOCAB_SENTENCEPIECE && !spec->scores)
        return err_set(err, STATUS_DAMAGED, "%s: the vocabulary has no scores", spec->name);
    Vocab *vocab = mem_alloc(1, sizeof(*vocab));
    if (!vocab) return err_set(err, STATUS_NO_MEMORY, "%s: no memory for tokens", spec->name);
    Status status = fill(vocab, spec, err);
    if (status != STATUS_OK) {
        vocab_free(vocab);
        return status;
    }
    *ret = vocab;
    return STATUS_OK;
}

/* ---- queries ---- */

VocabKind vocab_kind(const Vocab *vocab) {
    return vocab->kind;
}
size_t vocab_size(const Vocab *vocab) {
    return vocab->n_pieces;
}
bool vocab_has(const Vocab *vocab, int64_t id) {
    return id >= 0 && (uint64_t)id < vocab->n_pieces;
}
Slice vocab_piece(const Vocab *vocab, int32_t id) {
    return vocab_has(vocab, id) ? vocab->pieces[id].text : SLICE_NULL;
}
VocabType vocab_type(const Vocab *vocab, int32_t id) {
    return vocab_has(vocab, id) ? (VocabType)vocab->pieces[id].type : VOCAB_UNUSED;
}
int32_t vocab_bos(const Vocab *vocab) {
    return vocab->bos_id;
}
int32_t vocab_eos(const Vocab *vocab) {
    return vocab->eos_id;
}
int32_t vocab_eot(const Vocab *vocab) {
    return vocab->eot_id;
}
int32_t vocab_pad(const Vocab *vocab) {
    return vocab->pad_id;
}
bool vocab_adds_bos(const Vocab *vocab) {
    return vocab->add_bos;
}
bool vocab_adds_eos(const Vocab *vocab) {
    return vocab->add_eos;
}
bool vocab_ends_text(const Vocab *vocab, int32_t id) {
    return vocab_has(vocab, id) && vocab->pieces[id].ends_text;
}
int32_t vocab_find_control(const Vocab *vocab, Slice piece) {
    uint32_t id = piece_table_find(&vocab->controls, piece);
    return id == MERGE_NONE ? VOCAB_NO_ID : (int32_t)id;
}
