/* Models are written here with the protobuf encoding by hand; every prefix of one and every byte
 * of it changed must give a clear error or a model, never a crash. */
#include "base/buf.h"
#include "gguf/sentencepiece.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

static void add_piece(Buf *out, const char *text, float score, unsigned type) {
    AUTO_BUF Buf piece = BUF_NULL;
    buf_append_byte(&piece, 0x0A);
    buf_append_varint(&piece, strlen(text));
    buf_append_string(&piece, text);
    buf_append_byte(&piece, 0x15);
    buf_append(&piece, &score, 4);
    buf_append_byte(&piece, 0x18);
    buf_append_varint(&piece, type);
    buf_append_byte(out, 0x0A);
    buf_append_varint(out, piece.n);
    buf_append_slice(out, buf_slice(&piece));
}

static void add_model(Buf *out) {
    add_piece(out, "<unk>", 0, 2);
    add_piece(out, "<s>", 0, 3);
    add_piece(out, "ab", -1.5F, 1);
    /* trainer: model type BPE, byte fallback, pad -1 */
    static const char trainer[] = { 0x18, 2, (char)0x98, 2, 1, (char)0xD8, 2 };
    AUTO_BUF Buf message = BUF_NULL;
    buf_append(&message, trainer, sizeof(trainer));
    buf_append_varint(&message, UINT64_MAX);
    buf_append_byte(out, 0x12);
    buf_append_varint(out, message.n);
    buf_append_slice(out, buf_slice(&message));
    /* normaliser: identity, dummy prefix, extra white space stays */
    static const char normalizer[] = "\x0A\x08identity\x18\x01\x20\x00";
    buf_append_byte(out, 0x1A);
    buf_append_varint(out, sizeof(normalizer) - 1);
    buf_append(out, normalizer, sizeof(normalizer) - 1);
}

static Status parse(Slice bytes, Sentencepiece *ret, Err *err) {
    return sentencepiece_parse(bytes, "t.model", ret, err);
}

Test(sentencepiece, reads_pieces_and_settings) {
    AUTO_BUF Buf file = BUF_NULL;
    add_model(&file);
    Sentencepiece model;
    Err err = { 0 };
    cr_assert_eq(parse(buf_slice(&file), &model, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(model.n_pieces, 3);
    cr_assert(slice_equal(model.pieces[2].text, SLICE("ab")));
    cr_assert_eq(model.pieces[2].score, -1.5F);
    cr_assert_eq(model.pieces[0].type, SENTENCEPIECE_UNKNOWN);
    cr_assert_eq(model.model, SENTENCEPIECE_BPE);
    cr_assert(model.byte_fallback && model.add_dummy_prefix && model.escape_whitespaces);
    cr_assert_not(model.remove_extra_whitespaces);
    cr_assert_eq(model.pad_id, -1);
    cr_assert_eq(model.eos_id, 2);
    cr_assert(slice_equal(model.normalizer, SLICE("identity")));
    sentencepiece_deinit(&model);
}

Test(sentencepiece, keeps_a_score_that_is_no_number) {
    AUTO_BUF Buf file = BUF_NULL;
    add_piece(&file, "x", NAN, 1);
    Sentencepiece model;
    cr_assert_eq(parse(buf_slice(&file), &model, NULL), STATUS_OK);
    cr_assert(isnan(model.pieces[0].score));
    sentencepiece_deinit(&model);
}

Test(sentencepiece, names_file_and_offset_of_the_damage) {
    AUTO_BUF Buf file = BUF_NULL;
    add_piece(&file, "a", 0, 1);
    size_t at = file.n;
    buf_append(&file, "\x0A\x7F", 2);
    Sentencepiece model;
    Err err = { 0 };
    cr_assert_eq(parse(buf_slice(&file), &model, &err), STATUS_DAMAGED);
    char want[64];
    snprintf(want, sizeof(want), "t.model: byte %zu: ", at);
    cr_assert_eq(strncmp(err.text, want, strlen(want)), 0, "%s", err.text);
}

Test(sentencepiece, refuses_types_out_of_range_and_empty_files) {
    AUTO_BUF Buf file = BUF_NULL;
    add_piece(&file, "a", 0, 7);
    Sentencepiece model;
    cr_assert_eq(parse(buf_slice(&file), &model, NULL), STATUS_DAMAGED);
    cr_assert_eq(parse(SLICE_NULL, &model, NULL), STATUS_DAMAGED);
}

Test(sentencepiece, refuses_a_count_of_pieces_above_the_limit) {
    AUTO_BUF Buf file = BUF_NULL;
    for (size_t i = 0; i <= SENTENCEPIECE_MAX_PIECES; i++) buf_append(&file, "\x0A\0", 2);
    Sentencepiece model;
    cr_assert_eq(parse(buf_slice(&file), &model, NULL), STATUS_TOO_LARGE);
}

Test(sentencepiece, survives_every_prefix_and_every_changed_byte) {
    AUTO_BUF Buf file = BUF_NULL;
    add_model(&file);
    Sentencepiece model;
    for (size_t n = 0; n < file.n; n++) {
        char *exact = malloc(n ? n : 1); /* so that ASan sees a read past the end */
        memcpy(exact, file.p, n);
        if (parse((Slice){ exact, n }, &model, NULL) == STATUS_OK) sentencepiece_deinit(&model);
        for (unsigned c = 0; n && c < 256; c++) {
            exact[n - 1] = (char)c;
            if (parse((Slice){ exact, n }, &model, NULL) == STATUS_OK) sentencepiece_deinit(&model);
        }
        free(exact);
    }
}
