/* Every token is bytes. Whole characters go out at once, the beginning of one is held back until
 * the bytes that complete it come, or something that cannot.
 *
 * Broken bytes follow the references: SentencePiece writes one U+FFFD for each, and only byte
 * pieces can be broken, so that any other piece ends what is held; byte-level BPE writes one U+FFFD
 * for the longest beginning of a character (as Unicode recommends and Python and Rust do). */
#include "base/utf8.h"
#include "llm/tokenizer.h"
#include "llm/vocab_internal.h"

void detokenizer_init(Detokenizer *stream, const Vocab *vocab, unsigned flags) {
    *stream = (Detokenizer){ .vocab = vocab,
                             .flags = flags,
                             .at_start = !(flags & DETOKENIZE_CONTINUED) &&
                                         (vocab->add_space_prefix || vocab->remove_extra_spaces) };
}

void detokenizer_finish(Detokenizer *stream, Buf *ret) {
    size_t n = stream->vocab->kind == VOCAB_SENTENCEPIECE ? stream->n_held : stream->n_held > 0;
    for (size_t i = 0; i < n; i++) buf_append_string(ret, UTF8_REPLACEMENT);
    stream->n_held = 0;
}

/* Bytes that may be parts of characters. */
static void push_bytes(Detokenizer *stream, Slice bytes, Buf *ret) {
    for (; bytes.n; bytes = slice_skip(bytes, 1)) {
        if (!stream->n_held) { /* most text: whole characters at once */
            size_t n = utf8_valid_length(bytes);
            buf_append(ret, bytes.p, n);
            bytes = slice_skip(bytes, n);
            if (!bytes.n) return;
        }
        uint32_t c;
        stream->held[stream->n_held++] = bytes.p[0];
        Slice held = { stream->held, stream->n_held };
        if (utf8_is_partial(held)) continue;
        if (utf8_decode(held, &c) == held.n) {
            buf_append_slice(ret, held);
            stream->n_held = 0;
            continue;
        }
        /* The last byte does not go on with what was held: that is broken, the byte begins anew. */
        if (held.n == 1) {
            detokenizer_finish(stream, ret);
            continue;
        }
        stream->n_held--;
        detokenizer_finish(stream, ret);
        push_bytes(stream, (Slice){ bytes.p, 1 }, ret); /* nothing is held: at most one level */
    }
}

Status detokenizer_push(Detokenizer *stream, int32_t id, Buf *ret, Err *err) {
    const Vocab *vocab = stream->vocab;
    if (!vocab_has(vocab, id))
        return err_set(err, STATUS_INVALID, "token %d is not in the vocabulary of %zu", (int)id,
                       vocab_size(vocab));
    const VocabPiece *piece = &vocab->pieces[id];
    if (piece->type == VOCAB_BYTE || vocab->kind == VOCAB_BYTE_BPE) {
        bool hidden = piece->type == VOCAB_CONTROL && !(stream->flags & DETOKENIZE_CONTROL);
        if (piece->type == VOCAB_CONTROL) detokenizer_finish(stream, ret);
        if (!hidden) push_bytes(stream, piece->bytes, ret);
        stream->at_start = false;
        return STATUS_OK;
    }
    detokenizer_finish(stream, ret);
    if (piece->type == VOCAB_CONTROL) {
        if (stream->flags & DETOKENIZE_CONTROL) push_bytes(stream, piece->bytes, ret);
        detokenizer_finish(stream, ret);
        return STATUS_OK;
    }
    Slice bytes = piece->type == VOCAB_UNKNOWN ? vocab->unk_surface : piece->bytes;
    if (stream->at_start && piece->type != VOCAB_UNKNOWN &&
        slice_starts(piece->text, SLICE(VOCAB_SPACE)))
        bytes = slice_skip(bytes, 1);
    /* where runs of spaces are removed, marks that stand alone before the text are dropped as well
     */
    stream->at_start = stream->at_start && !bytes.n && vocab->remove_extra_spaces;
    push_bytes(stream, bytes, ret);
    detokenizer_finish(stream, ret); /* a hostile piece may end in mid-character */
    return STATUS_OK;
}

Status tokenizer_decode(const Vocab *vocab, const int32_t *ids, size_t n, unsigned flags, Buf *ret,
                        Err *err) {
    for (size_t i = 0; i < n; i++) {
        if (!vocab_has(vocab, ids[i]))
            return err_set(err, STATUS_INVALID,
                           "token %d at place %zu is not in the vocabulary of %zu", (int)ids[i], i,
                           vocab_size(vocab));
    }
    Detokenizer stream;
    detokenizer_init(&stream, vocab, flags);
    for (size_t i = 0; i < n; i++) TRY(detokenizer_push(&stream, ids[i], ret, err));
    detokenizer_finish(&stream, ret);
    return buf_status(ret, err);
}
