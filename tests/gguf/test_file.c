/* The reader. Groups: what it gives; file_counts, file_extents, file_types are the three bug
 * classes that readers of this format have had (numbers 1 to 3 of the list that this project
 * keeps). */
#include "gguf/file.h"

#include "raw.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- what it gives -------------------------------------------------------------------------- */

static void small_file(Buf *b, uint32_t version) {
    raw_head(b, version, 2, 6);
    raw_key(b, "general.name", GGUF_VALUE_STRING);
    raw_string(b, "un modello");
    raw_key_u32(b, "n", 7);
    raw_key_array(b, "words", GGUF_VALUE_STRING, 3);
    raw_string(b, "uno");
    raw_string(b, "");
    raw_string(b, "tre");
    raw_key_array(b, "scores", GGUF_VALUE_F32, 2);
    float scores[] = { -1.5F, 2.25F };
    buf_append(b, scores, sizeof scores);
    raw_key(b, "flag", GGUF_VALUE_BOOL);
    buf_append_byte(b, 1);
    raw_key(b, "big", GGUF_VALUE_U64);
    raw_u64(b, 1ULL << 40);
    raw_tensor(b, "a", 4, 2, GGUF_TYPE_F32, 0);
    raw_tensor(b, "b", 32, 1, GGUF_TYPE_Q8_0, 32);
    raw_pad(b, 32);
    for (int i = 0; i < 8; i++) {
        float f = (float)i;
        buf_append(b, &f, sizeof f);
    }
    raw_zeros(b, 34);
}

static GgufFile *open_bytes(const Buf *b) {
    GgufFile *file = NULL;
    Err err = { 0 };
    Status status = gguf_file_open_memory(buf_slice(b), "test.gguf", NULL, &file, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return file;
}

static void check_small(const GgufFile *file) {
    cr_assert_eq(gguf_file_n_keys(file), 6);
    cr_assert_eq(gguf_file_n_tensors(file), 2);
    Slice name;
    uint32_t n = 0;
    uint64_t big = 0;
    bool flag = false;
    GgufArray words, scores;
    cr_assert_eq(gguf_file_string(file, "general.name", &name, NULL), STATUS_OK);
    cr_assert(slice_equal(name, SLICE("un modello")));
    cr_assert_eq(gguf_file_u32(file, "n", &n, NULL), STATUS_OK);
    cr_assert_eq(n, 7);
    cr_assert_eq(gguf_file_u64(file, "big", &big, NULL), STATUS_OK);
    cr_assert_eq(big, 1ULL << 40);
    cr_assert_eq(gguf_file_bool(file, "flag", &flag, NULL), STATUS_OK);
    cr_assert(flag);
    cr_assert_eq(gguf_file_array(file, "words", GGUF_VALUE_STRING, &words, NULL), STATUS_OK);
    cr_assert_eq(words.n, 3);
    cr_assert(slice_equal(gguf_array_string(&words, 0), SLICE("uno")));
    cr_assert_eq(gguf_array_string(&words, 1).n, 0);
    cr_assert(slice_equal(gguf_array_string(&words, 2), SLICE("tre")));
    cr_assert_eq(gguf_file_array(file, "scores", GGUF_VALUE_F32, &scores, NULL), STATUS_OK);
    cr_assert_eq(scores.n, 2);
    cr_assert_eq(gguf_array_f32(&scores, 1), 2.25F);
    const GgufTensor *a = gguf_file_tensor(file, "a"), *b = gguf_file_tensor(file, "b");
    cr_assert(a && b);
    cr_assert_eq(a->n_rows, 2);
    cr_assert_eq(a->row_bytes, 16);
    float row[4];
    gguf_decode_row(a->type, a->data + a->row_bytes, 4, row);
    cr_assert_eq(row[3], 7);
    cr_assert_eq(b->bytes, 34);
    cr_assert_eq(b->at_byte - a->at_byte, 32);
    cr_assert_null(gguf_file_tensor(file, "c"));
    cr_assert_null(gguf_file_key(file, "m"));
}

Test(file, gives_keys_arrays_and_tensors_of_versions_2_and_3) {
    for (uint32_t version = 2; version <= 3; version++) {
        AUTO_BUF Buf b = BUF_NULL;
        small_file(&b, version);
        GgufFile *file = open_bytes(&b);
        cr_assert_eq(gguf_file_version(file), version);
        check_small(file);
        gguf_file_close(file);
    }
}

Test(file, maps_a_file_and_sees_that_it_was_cut) {
    char path[] = "/tmp/fonte-test-gguf-XXXXXX";
    int fd = mkstemp(path);
    AUTO_BUF Buf b = BUF_NULL;
    small_file(&b, 3);
    cr_assert_eq(write(fd, b.p, b.n), (ssize_t)b.n);
    GgufFile *file = NULL;
    cr_assert_eq(gguf_file_open(path, NULL, &file, NULL), STATUS_OK);
    check_small(file);
    cr_assert_eq(gguf_file_check_unchanged(file, NULL), STATUS_OK);
    cr_assert_eq(ftruncate(fd, 100), 0);
    Err err = { 0 };
    cr_assert_eq(gguf_file_check_unchanged(file, &err), STATUS_DAMAGED);
    cr_assert(strstr(err.text, "has 100 now"), "%s", err.text);
    gguf_file_close(file);
    close(fd);
    unlink(path);
}

Test(file, refuses_what_is_no_regular_file_without_hanging) {
    GgufFile *file = NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_file_open("/tmp", NULL, &file, &err), STATUS_INVALID);
    cr_assert_eq(gguf_file_open("/tmp/fonte-no-such-file", NULL, &file, &err), STATUS_NOT_FOUND);
    char folder[] = "/tmp/fonte-test-gguf-XXXXXX", fifo[64];
    cr_assert(mkdtemp(folder));
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(gguf_file_open(fifo, NULL, &file, &err), STATUS_INVALID);
    unlink(fifo);
    rmdir(folder);
    cr_assert_null(file);
}

Test(file, every_prefix_is_refused_and_no_byte_behind_it_is_read) {
    AUTO_BUF Buf b = BUF_NULL;
    small_file(&b, 3);
    Guarded g = guarded_new(b.n);
    for (size_t n = 0; n < b.n; n++) {
        GgufFile *file = NULL;
        Err err = { 0 };
        Slice bytes = guarded_put(&g, (Slice){ b.p, n });
        cr_assert_eq(gguf_file_open_memory(bytes, "test.gguf", NULL, &file, &err), STATUS_DAMAGED,
                     "%zu bytes: %s", n, err.text);
        cr_assert(strstr(err.text, "byte"), "%s", err.text);
    }
    guarded_free(&g);
}

Test(file, names_versions_and_byte_orders_that_it_does_not_read) {
    static const struct {
        const char *magic;
        uint32_t version;
        Status status;
        const char *text;
    } rows[] = {
        { "GGUF", 1, STATUS_UNSUPPORTED, "version 1" },
        { "GGUF", 4, STATUS_UNSUPPORTED, "version 4" },
        { "GGUF", 0, STATUS_DAMAGED, "version 0" },
        { "GGUF", 0x03000000, STATUS_UNSUPPORTED, "big-endian" },
        { "FUGG", 3, STATUS_DAMAGED, "not a GGUF file" },
        { "lmgg", 1, STATUS_UNSUPPORTED, "before GGUF" },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        buf_append_string(&b, rows[i].magic);
        raw_u32(&b, rows[i].version);
        raw_zeros(&b, 16);
        expect_refused(&b, rows[i].status, rows[i].text);
    }
}

Test(file, opens_a_vocabulary_without_tensors) {
    AUTO_BUF Buf b = BUF_NULL;
    raw_head(&b, 3, 0, 1);
    raw_key_u32(&b, "n", 1);
    GgufFile *file = open_bytes(&b);
    cr_assert_eq(gguf_file_n_tensors(file), 0);
    gguf_file_close(file);
}

Test(file, honours_the_callers_limits) {
    AUTO_BUF Buf b = BUF_NULL;
    small_file(&b, 3);
    static const GgufLimits limits[] = {
        { .max_keys = 5 },
        { .max_tensors = 1 },
        { .max_array_elements = 2 },
        { .max_key_bytes = 5 },
    };
    for (size_t i = 0; i < N_ELEMENTS(limits); i++) {
        GgufFile *file = NULL;
        Err err = { 0 };
        cr_assert_eq(gguf_file_open_memory(buf_slice(&b), "t", &limits[i], &file, &err),
                     STATUS_TOO_LARGE, "%zu: %s", i, err.text);
        cr_assert(strstr(err.text, "limit"), "%s", err.text);
    }
}

/* ---- class 1: counts and sizes -------------------------------------------------------------- */

Test(file_counts, huge_numbers_of_keys_and_tensors) {
    static const uint64_t counts[] = { 65537, 1ULL << 32, 1ULL << 61, UINT64_MAX, 60000 };
    for (size_t i = 0; i < N_ELEMENTS(counts); i++) {
        for (int keys = 0; keys < 2; keys++) {
            AUTO_BUF Buf b = BUF_NULL;
            raw_head(&b, 3, keys ? 0 : counts[i], keys ? counts[i] : 0);
            raw_zeros(&b, 64);
            expect_refused(&b, STATUS_DAMAGED, keys ? "keys" : "tensors");
        }
    }
}

Test(file_counts, strings_longer_than_the_file) {
    static const uint64_t lengths[] = { 100, 1ULL << 31, 1ULL << 63, UINT64_MAX, UINT64_MAX - 7 };
    for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
        AUTO_BUF Buf name = BUF_NULL, value = BUF_NULL, element = BUF_NULL;
        raw_head(&name, 3, 0, 1);
        raw_u64(&name, lengths[i]);
        raw_zeros(&name, 32);
        expect_refused(&name, STATUS_DAMAGED, "byte 24: name of a key");
        raw_head(&value, 3, 0, 1);
        raw_key(&value, "general.name", GGUF_VALUE_STRING);
        raw_u64(&value, lengths[i]);
        raw_zeros(&value, 32);
        expect_refused(&value, STATUS_DAMAGED, "general.name");
        raw_head(&element, 3, 0, 1);
        raw_key_array(&element, "words", GGUF_VALUE_STRING, 2);
        raw_string(&element, "uno");
        raw_u64(&element, lengths[i]);
        raw_zeros(&element, 32);
        expect_refused(&element, STATUS_DAMAGED, "key 'words', element 1");
    }
}

Test(file_counts, arrays_longer_than_the_file) {
    static const uint64_t counts[] = { 5, 1ULL << 32, 1ULL << 61, 1ULL << 62, UINT64_MAX };
    static const uint32_t types[] = { GGUF_VALUE_U8, GGUF_VALUE_F32, GGUF_VALUE_U64,
                                      GGUF_VALUE_STRING };
    for (size_t i = 0; i < N_ELEMENTS(counts); i++) {
        for (size_t k = 0; k < N_ELEMENTS(types); k++) {
            AUTO_BUF Buf b = BUF_NULL;
            raw_head(&b, 3, 0, 1);
            raw_key_array(&b, "values", types[k], counts[i]);
            raw_zeros(&b, 4);
            expect_refused(&b, STATUS_DAMAGED, "key 'values' at byte 24");
        }
    }
}

Test(file_counts, dimensions_whose_product_overflows) {
    static const uint64_t dims[][2] = {
        { 1ULL << 32, 1ULL << 32 }, { 1ULL << 63, 2 },        { UINT64_MAX, 1 }, { 32, UINT64_MAX },
        { 32, 1ULL << 59 },         { (1ULL << 62) + 32, 4 }, { 0, 1 },          { 32, 0 },
    };
    for (size_t i = 0; i < N_ELEMENTS(dims); i++) {
        for (uint32_t type = 0; type <= GGUF_TYPE_Q8_0; type += GGUF_TYPE_Q8_0) {
            AUTO_BUF Buf b = BUF_NULL;
            raw_head(&b, 3, 1, 0);
            raw_tensor(&b, "w", dims[i][0], dims[i][1], type, 0);
            raw_pad(&b, 32);
            raw_zeros(&b, 64);
            expect_refused(&b, STATUS_DAMAGED, "tensor 'w' at byte 24");
        }
    }
}

Test(file_counts, numbers_of_dimensions_that_do_not_exist) {
    static const uint32_t counts[] = { 0, 5, 255, UINT32_MAX };
    for (size_t i = 0; i < N_ELEMENTS(counts); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        raw_head(&b, 3, 1, 0);
        raw_string(&b, "w");
        raw_u32(&b, counts[i]);
        raw_zeros(&b, 64);
        expect_refused(&b, STATUS_DAMAGED, "dimensions");
    }
}

Test(file_counts, rows_that_are_no_whole_blocks) {
    static const uint32_t types[] = { GGUF_TYPE_Q4_0, GGUF_TYPE_Q8_0, GGUF_TYPE_Q4_K,
                                      GGUF_TYPE_IQ4_XS };
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        raw_head(&b, 3, 1, 0);
        raw_tensor(&b, "w", 48, 64, types[i], 0);
        raw_pad(&b, 32);
        raw_zeros(&b, 65536);
        expect_refused(&b, STATUS_DAMAGED, "rows of 48 are no whole blocks");
    }
}

Test(file_counts, names_that_are_empty_too_long_or_not_printable) {
    char longer[66];
    memset(longer, 'x', 65);
    longer[65] = '\0';
    const char *names[] = { "", longer, "\xFF\xFE", "a\nb", "\xC0\x80", "esc\x1B[2J" };
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        raw_head(&b, 3, 1, 0);
        raw_tensor(&b, names[i], 4, 1, GGUF_TYPE_F32, 0);
        raw_pad(&b, 32);
        raw_zeros(&b, 64);
        expect_refused(&b, i == 1 ? STATUS_TOO_LARGE : STATUS_DAMAGED, "name of a tensor");
    }
}

/* ---- class 2: extents, overlaps, duplicates -------------------------------------------------- */

/* Two F32 tensors of 8 elements, at the offsets, in a file with 64 bytes of data. */
static void two_tensors(Buf *b, uint64_t first, uint64_t second) {
    raw_head(b, 3, 2, 0);
    raw_tensor(b, "a", 4, 2, GGUF_TYPE_F32, first);
    raw_tensor(b, "b", 4, 2, GGUF_TYPE_F32, second);
    raw_pad(b, 32);
    raw_zeros(b, 64);
}

Test(file_extents, tensors_in_any_order_are_fine) {
    AUTO_BUF Buf b = BUF_NULL;
    two_tensors(&b, 32, 0);
    gguf_file_close(open_bytes(&b));
}

Test(file_extents, tensors_outside_the_file) {
    static const uint64_t offsets[] = {
        64, 96, 1ULL << 32, 1ULL << 63, UINT64_MAX - 31, UINT64_MAX - 63, INT64_MAX - 31
    };
    for (size_t i = 0; i < N_ELEMENTS(offsets); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        two_tensors(&b, 0, offsets[i]);
        expect_refused(&b, STATUS_DAMAGED, "tensor 'b'");
    }
}

Test(file_extents, tensors_that_the_file_is_one_byte_too_short_for) {
    AUTO_BUF Buf b = BUF_NULL;
    two_tensors(&b, 0, 32);
    b.n--;
    expect_refused(&b, STATUS_DAMAGED, "lie outside the file's 63 bytes");
}

Test(file_extents, tensors_that_overlap) {
    AUTO_BUF Buf same = BUF_NULL, partly = BUF_NULL;
    two_tensors(&same, 0, 0);
    expect_refused(&same, STATUS_DAMAGED, "overlap");
    raw_head(&partly, 3, 2, 0);
    raw_tensor(&partly, "a", 4, 3, GGUF_TYPE_F32, 0);
    raw_tensor(&partly, "b", 4, 2, GGUF_TYPE_F32, 32);
    raw_pad(&partly, 32);
    raw_zeros(&partly, 64);
    expect_refused(&partly, STATUS_DAMAGED, "'a' and 'b' overlap");
}

Test(file_extents, offsets_that_are_not_aligned) {
    AUTO_BUF Buf b = BUF_NULL;
    two_tensors(&b, 0, 36);
    expect_refused(&b, STATUS_DAMAGED, "offset 36 is not aligned to 32");
}

Test(file_extents, alignments_that_are_impossible) {
    static const uint32_t alignments[] = { 0, 1, 4, 24, 33, 1U << 21, 1U << 31, UINT32_MAX };
    for (size_t i = 0; i < N_ELEMENTS(alignments); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        raw_head(&b, 3, 0, 1);
        raw_key_u32(&b, "general.alignment", alignments[i]);
        raw_zeros(&b, 64);
        expect_refused(&b, STATUS_DAMAGED, "general.alignment");
    }
}

Test(file_extents, keys_and_tensors_that_stand_twice) {
    AUTO_BUF Buf keys = BUF_NULL, tensors = BUF_NULL;
    raw_head(&keys, 3, 0, 3);
    raw_key_u32(&keys, "n", 1);
    raw_key_u32(&keys, "m", 1);
    raw_key_u32(&keys, "n", 2);
    expect_refused(&keys, STATUS_DAMAGED, "key 'n' at byte 24: stands twice, also at byte 58");
    raw_head(&tensors, 3, 2, 0);
    raw_tensor(&tensors, "w", 4, 1, GGUF_TYPE_F32, 0);
    raw_tensor(&tensors, "w", 4, 1, GGUF_TYPE_F32, 32);
    raw_pad(&tensors, 32);
    raw_zeros(&tensors, 64);
    expect_refused(&tensors, STATUS_DAMAGED, "tensor 'w' at byte 24: stands twice");
}

/* ---- class 3: declared types ----------------------------------------------------------------- */

static void expect_type_error(Status status, const Err *err, const char *text) {
    cr_assert_eq(status, STATUS_DAMAGED);
    cr_assert(strstr(err->text, text), "%s", err->text);
}

Test(file_types, getters_report_a_declared_type_that_differs) {
    AUTO_BUF Buf b = BUF_NULL;
    small_file(&b, 3);
    GgufFile *file = open_bytes(&b);
    Err err = { 0 };
    uint32_t u = 99;
    float f = 99;
    Slice s = SLICE("kept");
    GgufArray a = { .n = 99 };
    expect_type_error(gguf_file_u32(file, "general.name", &u, &err), &err,
                      "declared string, not u32");
    expect_type_error(gguf_file_u32(file, "big", &u, &err), &err, "declared u64, not u32");
    expect_type_error(gguf_file_u32(file, "scores", &u, &err), &err, "array of f32, not u32");
    expect_type_error(gguf_file_f32(file, "n", &f, &err), &err, "declared u32, not f32");
    expect_type_error(gguf_file_string(file, "words", &s, &err), &err,
                      "array of string, not string");
    expect_type_error(gguf_file_array(file, "words", GGUF_VALUE_F32, &a, &err), &err,
                      "array of string, not array of f32");
    expect_type_error(gguf_file_array(file, "n", GGUF_VALUE_U32, &a, &err), &err, "not array");
    cr_assert_eq(u, 99);
    cr_assert_eq(f, 99);
    cr_assert(slice_equal(s, SLICE("kept")));
    cr_assert_eq(a.n, 99);
    gguf_file_close(file);
}

Test(file_types, counts_of_any_width_and_sign_are_checked) {
    AUTO_BUF Buf b = BUF_NULL;
    raw_head(&b, 3, 0, 5);
    raw_key(&b, "u8", GGUF_VALUE_U8);
    buf_append_byte(&b, '\xFF');
    raw_key(&b, "i8", GGUF_VALUE_I8);
    buf_append_byte(&b, '\xFF');
    raw_key(&b, "i32", GGUF_VALUE_I32);
    raw_u32(&b, 1U << 31);
    raw_key(&b, "i64", GGUF_VALUE_I64);
    raw_u64(&b, 1000);
    raw_key(&b, "f32", GGUF_VALUE_F32);
    raw_u32(&b, 0);
    GgufFile *file = open_bytes(&b);
    Err err = { 0 };
    uint64_t n = 7;
    expect_type_error(gguf_file_count(file, "i8", 100, &n, &err), &err, "is -1, below 0");
    expect_type_error(gguf_file_count(file, "i32", 100, &n, &err), &err, "below 0");
    expect_type_error(gguf_file_count(file, "i64", 999, &n, &err), &err, "is 1000, above 999");
    expect_type_error(gguf_file_count(file, "f32", 999, &n, &err), &err, "not an integer");
    cr_assert_eq(gguf_file_count(file, "none", 999, &n, &err), STATUS_NOT_FOUND);
    cr_assert_eq(n, 7);
    cr_assert_eq(gguf_file_count(file, "u8", 255, &n, &err), STATUS_OK);
    cr_assert_eq(n, 255);
    cr_assert_eq(gguf_file_count(file, "i64", 1000, &n, &err), STATUS_OK);
    cr_assert_eq(n, 1000);
    gguf_file_close(file);
}

Test(file_types, missing_keys_are_an_answer_that_can_be_required) {
    AUTO_BUF Buf b = BUF_NULL;
    small_file(&b, 3);
    GgufFile *file = open_bytes(&b);
    Err err = { 0 };
    uint32_t u = 5;
    cr_assert_eq(gguf_optional(gguf_file_u32(file, "absent", &u, NULL)), STATUS_OK);
    cr_assert_eq(u, 5);
    cr_assert_eq(gguf_required(gguf_file_u32(file, "absent", &u, &err), &err), STATUS_DAMAGED);
    cr_assert_eq(err.status, STATUS_DAMAGED);
    cr_assert(strstr(err.text, "key 'absent' is missing"), "%s", err.text);
    gguf_file_close(file);
}

Test(file_types, types_that_do_not_exist) {
    AUTO_BUF Buf key = BUF_NULL, array = BUF_NULL, nested = BUF_NULL, flag = BUF_NULL;
    raw_head(&key, 3, 0, 1);
    raw_key(&key, "k", 13);
    raw_zeros(&key, 64);
    expect_refused(&key, STATUS_DAMAGED, "key 'k' at byte 24: unknown type 13");
    raw_head(&array, 3, 0, 1);
    raw_key_array(&array, "k", UINT32_MAX, 1);
    raw_zeros(&array, 64);
    expect_refused(&array, STATUS_DAMAGED, "unknown type 4294967295");
    raw_head(&nested, 3, 0, 1);
    raw_key_array(&nested, "k", GGUF_VALUE_ARRAY, 1);
    raw_zeros(&nested, 64);
    expect_refused(&nested, STATUS_UNSUPPORTED, "arrays of arrays");
    raw_head(&flag, 3, 0, 1);
    raw_key(&flag, "k", GGUF_VALUE_BOOL);
    buf_append_byte(&flag, 2);
    expect_refused(&flag, STATUS_DAMAGED, "bool is 2");
}

Test(file_types, tensor_types_are_refused_by_name) {
    static const struct {
        uint32_t type;
        const char *text;
    } rows[] = { { 16, "IQ2_XXS (16)" }, { 9, "Q8_1 (9)" },      { 26, "I32 (26)" },
                 { 39, "MXFP4 (39)" },   { 77, "unknown (77)" }, { UINT32_MAX, "unknown" } };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        raw_head(&b, 3, 1, 0);
        raw_tensor(&b, "w", 256, 1, rows[i].type, 0);
        raw_pad(&b, 32);
        raw_zeros(&b, 1024);
        expect_refused(&b, STATUS_UNSUPPORTED, rows[i].text);
    }
}

Test(file_types, alignment_must_be_declared_u32) {
    AUTO_BUF Buf b = BUF_NULL;
    raw_head(&b, 3, 0, 1);
    raw_key(&b, "general.alignment", GGUF_VALUE_U64);
    raw_u64(&b, 32);
    expect_refused(&b, STATUS_DAMAGED, "declared u64, not u32");
}
