/* Byte-level BPE writes bytes as printable characters (GPT-2's table). Everything is turned into
 * real bytes here, so that encoding needs no detour; the merge list becomes rules between ids. */
#include "base/utf8.h"
#include "llm/vocab_internal.h"

/* Byte of a stand-in, or -1: printable Latin-1 stands for itself; the other 68 bytes, in ascending
 * order, have U+0100 and following. */
static int byte_of_character(uint32_t c) {
    if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255)) return (int)c;
    if (c < 0x100 || c > 0x143) return -1;
    int nth = (int)c - 0x100;
    return nth <= 32 ? nth : nth <= 66 ? nth - 33 + 127 : 173;
}

bool vocab_bytes_from_alphabet(Slice text, char *out, size_t *ret_n) {
    size_t n_out = 0;
    while (text.n) {
        uint32_t c;
        size_t n = utf8_decode(text, &c);
        int byte = n ? byte_of_character(c) : -1;
        if (byte < 0) return false;
        out[n_out++] = (char)byte;
        text = slice_skip(text, n);
    }
    *ret_n = n_out;
    return true;
}

static Status no_memory(const VocabSpec *spec, Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "%s: no memory for the vocabulary", spec->name);
}

static Status add_words(Vocab *vocab, const VocabSpec *spec, Err *err) {
    if (!piece_table_init(&vocab->words, vocab->n_pieces, vocab->seed)) return no_memory(spec, err);
    for (size_t i = 0; i < vocab->n_pieces; i++) {
        VocabPiece *piece = &vocab->pieces[i];
        bool user = piece->type == VOCAB_USER_DEFINED;
        if ((piece->type != VOCAB_NORMAL && !user) || !piece->text.n) continue;
        char *bytes = arena_alloc(&vocab->arena, piece->text.n, 1);
        if (!bytes) return no_memory(spec, err);
        size_t n;
        /* Some files hold added pieces with characters outside the table: these stand for
         * themselves, and no merge leads to them. */
        if (!vocab_bytes_from_alphabet(piece->text, bytes, &n)) continue;
        uint32_t same = piece_table_add(&vocab->words, (Slice){ bytes, n }, (uint32_t)i);
        if (same != MERGE_NONE && !user && vocab->pieces[same].type != VOCAB_USER_DEFINED)
            return err_set(err, STATUS_DAMAGED, "%s: tokens %u and %zu are the same text",
                           spec->name, same, i);
        if (user) continue; /* written as it is, in text and when decoded */
        piece->bytes = (Slice){ bytes, n };
        if (n == 1) vocab->byte_ids[(unsigned char)bytes[0]] = (int32_t)i;
    }
    return STATUS_OK;
}

static Status bad_merge(const VocabSpec *spec, size_t i, const char *what, Err *err) {
    Slice merge = spec->merges[i];
    return err_set(err, STATUS_DAMAGED, "%s: merge %zu \"%.*s\" %s", spec->name, i,
                   (int)MIN(merge.n, 80), merge.n ? merge.p : "", what);
}

static Status add_merge(Vocab *vocab, const VocabSpec *spec, size_t i, Err *err) {
    char bytes[2 * VOCAB_MAX_PIECE_BYTES];
    Slice merge = spec->merges[i];
    if (merge.n < 3 || merge.n > sizeof(bytes)) return bad_merge(spec, i, "is not two pieces", err);
    const char *space = memchr(merge.p + 1, ' ', merge.n - 1);
    if (!space || space + 1 == merge.p + merge.n)
        return bad_merge(spec, i, "is not two pieces", err);
    size_t n_left, n_right;
    Slice left_text = { merge.p, (size_t)(space - merge.p) };
    if (!vocab_bytes_from_alphabet(left_text, bytes, &n_left) ||
        !vocab_bytes_from_alphabet(slice_skip(merge, left_text.n + 1), bytes + n_left, &n_right))
        return bad_merge(spec, i, "has characters outside the byte alphabet", err);
    uint32_t left = piece_table_find(&vocab->words, (Slice){ bytes, n_left });
    uint32_t right = piece_table_find(&vocab->words, (Slice){ bytes + n_left, n_right });
    uint32_t merged = piece_table_find(&vocab->words, (Slice){ bytes, n_left + n_right });
    if (left == MERGE_NONE || right == MERGE_NONE)
        return bad_merge(spec, i, "has a part that is no piece", err);
    if (merged == MERGE_NONE) return bad_merge(spec, i, "gives no piece", err);
    merge_table_add(&vocab->merges, left, right, (uint32_t)i, merged);
    return STATUS_OK;
}

Status vocab_build_bpe(Vocab *vocab, const VocabSpec *spec, Err *err) {
    TRY(add_words(vocab, spec, err));
    TRY(merge_table_init(&vocab->merges, spec->n_merges, vocab->seed, err));
    for (size_t i = 0; i < spec->n_merges; i++) TRY(add_merge(vocab, spec, i, err));
    return STATUS_OK;
}
