/* A bounded protobuf reader for the one message that matters, ModelProto. The pieces are counted
 * first, so that the array is allocated once and its size is proven by the bytes that are there.
 * As proto2 has it: unknown fields are skipped, the last value of a scalar wins, a repeated
 * singular message is merged. Groups (wire types 3 and 4) do not occur and are refused. */
#include "gguf/sentencepiece.h"
#include "base/buf.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

typedef struct Input {
    const char *name; /* of the file */
    const char *base; /* first byte of the file, for offsets */
    Err *err;
} Input;

typedef struct Field {
    uint64_t number;
    unsigned wire;
    size_t offset;  /* of its key in the file */
    uint64_t value; /* WIRE_VARINT; WIRE_FIXED32 in the low half */
    Slice bytes;    /* WIRE_BYTES */
} Field;

void sentencepiece_deinit(Sentencepiece *model) {
    free(model->pieces);
    *model = SENTENCEPIECE_NULL;
}

static Status damaged(const Input *in, size_t offset, const char *what) {
    return err_set(in->err, STATUS_DAMAGED, "%s: byte %zu: %s", in->name, offset, what);
}

static Status take_field(const Input *in, Slice *rest, Field *ret) {
    Field f = { .offset = (size_t)(rest->p - in->base) };
    uint64_t key, length;
    if (!slice_take_varint(rest, &key)) return damaged(in, f.offset, "field key ends early");
    f.number = key >> 3, f.wire = key & 7;
    if (f.number == 0 || f.number > 0x1fffffff) return damaged(in, f.offset, "bad field number");
    switch (f.wire) {
    case WIRE_VARINT:
        if (!slice_take_varint(rest, &f.value)) return damaged(in, f.offset, "number ends early");
        break;
    case WIRE_FIXED32:
    case WIRE_FIXED64:
        length = f.wire == WIRE_FIXED32 ? 4 : 8;
        if (rest->n < length) return damaged(in, f.offset, "number ends early");
        for (size_t i = 0; i < length; i++)
            f.value |= (uint64_t)(unsigned char)rest->p[i] << (8 * i);
        *rest = slice_skip(*rest, (size_t)length);
        break;
    case WIRE_BYTES:
        if (!slice_take_varint(rest, &length)) return damaged(in, f.offset, "length ends early");
        if (length > rest->n) return damaged(in, f.offset, "field is longer than what is left");
        f.bytes = (Slice){ rest->p, (size_t)length };
        *rest = slice_skip(*rest, (size_t)length);
        break;
    default: return damaged(in, f.offset, "unknown wire type");
    }
    *ret = f;
    return STATUS_OK;
}

static Status want_wire(const Input *in, const Field *f, unsigned wire) {
    return f->wire == wire ? STATUS_OK : damaged(in, f->offset, "field has the wrong wire type");
}

static Status take_bool(const Input *in, const Field *f, bool *ret) {
    TRY(want_wire(in, f, WIRE_VARINT));
    *ret = f->value != 0;
    return STATUS_OK;
}

/* int32 fields are written sign-extended to 64 bits. */
static Status take_id(const Input *in, const Field *f, int64_t *ret) {
    TRY(want_wire(in, f, WIRE_VARINT));
    *ret = (int32_t)(uint32_t)f->value;
    if (*ret < -1) return damaged(in, f->offset, "negative token id");
    return STATUS_OK;
}

static Status take_bytes(const Input *in, const Field *f, Slice *ret) {
    TRY(want_wire(in, f, WIRE_BYTES));
    *ret = f->bytes;
    return STATUS_OK;
}

static Status parse_piece(const Input *in, Slice message, SentencepiecePiece *ret) {
    SentencepiecePiece piece = { .type = SENTENCEPIECE_NORMAL };
    while (message.n) {
        Field f = { 0 };
        TRY(take_field(in, &message, &f));
        if (f.number == 1) {
            TRY(take_bytes(in, &f, &piece.text));
        } else if (f.number == 2) {
            TRY(want_wire(in, &f, WIRE_FIXED32));
            uint32_t bits = (uint32_t)f.value;
            memcpy(&piece.score, &bits, sizeof(bits));
        } else if (f.number == 3) {
            TRY(want_wire(in, &f, WIRE_VARINT));
            if (f.value < SENTENCEPIECE_NORMAL || f.value > SENTENCEPIECE_BYTE)
                return damaged(in, f.offset, "piece has an unknown type");
            piece.type = (int)f.value;
        }
    }
    *ret = piece;
    return STATUS_OK;
}

static Status parse_trainer(const Input *in, Slice message, Sentencepiece *model) {
    while (message.n) {
        Field f = { 0 };
        TRY(take_field(in, &message, &f));
        switch (f.number) {
        case 3:
            TRY(want_wire(in, &f, WIRE_VARINT));
            if (f.value < SENTENCEPIECE_UNIGRAM || f.value > SENTENCEPIECE_CHAR)
                return damaged(in, f.offset, "unknown model type");
            model->model = (SentencepieceModel)f.value;
            break;
        case 24: TRY(take_bool(in, &f, &model->treat_whitespace_as_suffix)); break;
        case 35: TRY(take_bool(in, &f, &model->byte_fallback)); break;
        case 40: TRY(take_id(in, &f, &model->unk_id)); break;
        case 41: TRY(take_id(in, &f, &model->bos_id)); break;
        case 42: TRY(take_id(in, &f, &model->eos_id)); break;
        case 43: TRY(take_id(in, &f, &model->pad_id)); break;
        case 44: TRY(take_bytes(in, &f, &model->unk_surface)); break;
        default: break;
        }
    }
    return STATUS_OK;
}

static Status parse_normalizer(const Input *in, Slice message, Sentencepiece *model) {
    while (message.n) {
        Field f = { 0 };
        TRY(take_field(in, &message, &f));
        switch (f.number) {
        case 1: TRY(take_bytes(in, &f, &model->normalizer)); break;
        case 2: TRY(take_bytes(in, &f, &model->charsmap)); break;
        case 3: TRY(take_bool(in, &f, &model->add_dummy_prefix)); break;
        case 4: TRY(take_bool(in, &f, &model->remove_extra_whitespaces)); break;
        case 5: TRY(take_bool(in, &f, &model->escape_whitespaces)); break;
        default: break;
        }
    }
    return STATUS_OK;
}

static Status count_pieces(const Input *in, Slice bytes, size_t *ret) {
    size_t n = 0;
    while (bytes.n) {
        Field f = { 0 };
        TRY(take_field(in, &bytes, &f));
        if (f.number == 1) {
            TRY(want_wire(in, &f, WIRE_BYTES));
            n++;
        }
    }
    if (n == 0) return damaged(in, 0, "no pieces: not a SentencePiece model");
    if (n > SENTENCEPIECE_MAX_PIECES)
        return err_set(in->err, STATUS_TOO_LARGE, "%s: %zu pieces (at most %d)", in->name, n,
                       SENTENCEPIECE_MAX_PIECES);
    *ret = n;
    return STATUS_OK;
}

static Status parse_model(const Input *in, Slice bytes, Sentencepiece *model) {
    size_t n = 0;
    while (bytes.n) {
        Field f = { 0 };
        TRY(take_field(in, &bytes, &f));
        if (f.number > 3) continue; /* self tests and the denormaliser */
        TRY(want_wire(in, &f, WIRE_BYTES));
        if (f.number == 1) TRY(parse_piece(in, f.bytes, &model->pieces[n++]));
        if (f.number == 2) TRY(parse_trainer(in, f.bytes, model));
        if (f.number == 3) TRY(parse_normalizer(in, f.bytes, model));
    }
    return STATUS_OK;
}

Status sentencepiece_parse(Slice bytes, const char *name, Sentencepiece *ret, Err *err) {
    const Input in = { name, bytes.p, err };
    /* the defaults of the .proto file */
    Sentencepiece model = { .model = SENTENCEPIECE_UNIGRAM,
                            .add_dummy_prefix = true,
                            .remove_extra_whitespaces = true,
                            .escape_whitespaces = true,
                            .unk_id = 0,
                            .bos_id = 1,
                            .eos_id = 2,
                            .pad_id = -1,
                            .unk_surface = SLICE(" \xE2\x81\x87 "),
                            .normalizer = SLICE_NULL };
    if (bytes.n > SENTENCEPIECE_MAX_BYTES)
        return err_set(err, STATUS_TOO_LARGE, "%s: %zu bytes (at most %d)", name, bytes.n,
                       SENTENCEPIECE_MAX_BYTES);
    TRY(count_pieces(&in, bytes, &model.n_pieces));
    model.pieces = mem_alloc(model.n_pieces, sizeof(*model.pieces));
    if (!model.pieces)
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for %zu pieces", name, model.n_pieces);
    Status status = parse_model(&in, bytes, &model);
    if (status != STATUS_OK) {
        sentencepiece_deinit(&model);
        return status;
    }
    *ret = model;
    return STATUS_OK;
}
