#include "gguf/writer.h"

#include "base/file.h"
#include "raw.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[] = "/tmp/fonte-test-writer-XXXXXX";

static void make_folder(void) {
    cr_assert(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void drop_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

TestSuite(writer, .init = make_folder, .fini = drop_folder);

static GgufWriter *new_writer(void) {
    GgufWriter *w = NULL;
    cr_assert_eq(gguf_writer_new(&w, NULL), STATUS_OK);
    return w;
}

/* One key of each kind and two tensors. */
static void declare(GgufWriter *w) {
    static const float scores[] = { 0.5F, -2 };
    static const Slice words[] = { SLICE("uno"), SLICE_NULL, SLICE("tr\0e") };
    gguf_writer_string(w, "general.architecture", SLICE("llama"));
    gguf_writer_u32(w, "u", 7);
    gguf_writer_i32(w, "i", -7);
    gguf_writer_u64(w, "l", 1ULL << 40);
    gguf_writer_f32(w, "f", 1.5F);
    gguf_writer_bool(w, "b", true);
    gguf_writer_array(w, "scores", GGUF_VALUE_F32, scores, 2);
    gguf_writer_strings(w, "words", words, 3);
    gguf_writer_tensor(w, SLICE("one"), GGUF_TYPE_F32, 2, (uint64_t[]){ 3, 2 });
    gguf_writer_tensor(w, SLICE("two"), GGUF_TYPE_Q8_0, 1, (uint64_t[]){ 64 });
}

static void write_data(GgufWriter *w) {
    static const float one[6] = { 1, 2, 3, 4, 5, 6 };
    static const char two[68] = { 1, 2, 3 };
    cr_assert_eq(gguf_writer_data(w, one, 8, NULL), STATUS_OK);
    cr_assert_eq(gguf_writer_data(w, one + 2, 16, NULL), STATUS_OK);
    cr_assert_eq(gguf_writer_data(w, two, 68, NULL), STATUS_OK);
}

static void check_written(const GgufFile *file, size_t alignment) {
    Slice s;
    int32_t i;
    float f;
    GgufArray words;
    cr_assert_eq(gguf_file_alignment(file), alignment);
    cr_assert_eq(gguf_file_string(file, "general.architecture", &s, NULL), STATUS_OK);
    cr_assert(slice_equal(s, SLICE("llama")));
    cr_assert_eq(gguf_file_i32(file, "i", &i, NULL), STATUS_OK);
    cr_assert_eq(i, -7);
    cr_assert_eq(gguf_file_f32(file, "f", &f, NULL), STATUS_OK);
    cr_assert_eq(f, 1.5F);
    cr_assert_eq(gguf_file_array(file, "words", GGUF_VALUE_STRING, &words, NULL), STATUS_OK);
    cr_assert_eq(words.n, 3);
    cr_assert(slice_equal(gguf_array_string(&words, 2), SLICE("tr\0e")));
    const GgufTensor *one = gguf_file_tensor(file, "one"), *two = gguf_file_tensor(file, "two");
    cr_assert(one && two);
    cr_assert_eq(one->n_rows, 2);
    cr_assert_eq(two->data[2], 3);
    cr_assert_eq((two->at_byte - one->at_byte) % alignment, 0);
    float row[3];
    gguf_decode_row(one->type, one->data + one->row_bytes, 3, row);
    cr_assert_eq(row[2], 6);
}

Test(writer, what_it_writes_is_read_back) {
    for (uint32_t alignment = 32; alignment <= 4096; alignment *= 128) {
        GgufWriter *w = new_writer();
        gguf_writer_set_alignment(w, alignment);
        declare(w);
        Err err = { 0 };
        cr_assert_eq(gguf_writer_begin(w, "m.gguf", &err), STATUS_OK, "%s", err.text);
        write_data(w);
        cr_assert_eq(gguf_writer_finish(w, &err), STATUS_OK, "%s", err.text);
        gguf_writer_free(w);
        cr_assert_neq(access("m.gguf.partial", F_OK), 0);
        GgufFile *file = NULL;
        cr_assert_eq(gguf_file_open("m.gguf", NULL, &file, &err), STATUS_OK, "%s", err.text);
        check_written(file, alignment);
        gguf_file_close(file);
    }
}

Test(writer, copied_keys_are_the_same_bytes) {
    GgufWriter *w = new_writer(), *copy = new_writer();
    gguf_writer_set_alignment(w, 64);
    declare(w);
    AUTO_BUF Buf a = BUF_NULL, b = BUF_NULL;
    cr_assert_eq(gguf_writer_header(w, &a, NULL), STATUS_OK);
    raw_zeros(&a, gguf_writer_data_offset(w, 2));
    GgufFile *file = NULL;
    cr_assert_eq(gguf_file_open_memory(buf_slice(&a), "a", NULL, &file, NULL), STATUS_OK);
    gguf_writer_set_alignment(copy, 64);
    for (size_t i = 0; i < gguf_file_n_keys(file); i++) {
        gguf_writer_copy_key(copy, gguf_file_key_at(file, i));
    }
    for (size_t i = 0; i < gguf_file_n_tensors(file); i++) {
        const GgufTensor *t = gguf_file_tensor_at(file, i);
        gguf_writer_tensor(copy, t->name, t->type, t->n_dims, t->dims);
    }
    cr_assert_eq(gguf_writer_header(copy, &b, NULL), STATUS_OK);
    cr_assert_eq(b.n + gguf_writer_data_offset(copy, 2), a.n);
    cr_assert_eq(memcmp(a.p, b.p, b.n), 0);
    gguf_file_close(file);
    gguf_writer_free(w);
    gguf_writer_free(copy);
}

static void expect_header_refused(GgufWriter *w, const char *text) {
    AUTO_BUF Buf b = BUF_NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_writer_header(w, &b, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, text), "%s", err.text);
    gguf_writer_free(w);
}

Test(writer, refuses_what_a_reader_would_refuse) {
    GgufWriter *w = new_writer();
    declare(w);
    gguf_writer_u32(w, "u", 8);
    expect_header_refused(w, "key 'u' is declared twice");
    w = new_writer();
    declare(w);
    gguf_writer_tensor(w, SLICE("one"), GGUF_TYPE_F32, 1, (uint64_t[]){ 3 });
    expect_header_refused(w, "tensor 'one' is declared twice");
    w = new_writer();
    gguf_writer_tensor(w, SLICE("w"), GGUF_TYPE_Q4_K, 2, (uint64_t[]){ 128, 2 });
    gguf_writer_u32(w, "", 8);
    expect_header_refused(w, "shape that the type cannot hold, tensor: 'w'");
    w = new_writer();
    gguf_writer_tensor(w, SLICE("w"), GGUF_TYPE_F32, 2, (uint64_t[]){ 1ULL << 40, 1ULL << 40 });
    expect_header_refused(w, "shape");
    w = new_writer();
    gguf_writer_u32(w, "a\nb", 8);
    expect_header_refused(w, "not a name");
    w = new_writer();
    gguf_writer_set_alignment(w, 48);
    expect_header_refused(w, "alignment");
}

Test(writer, pieces_do_not_span_tensors_and_none_may_be_missing) {
    GgufWriter *w = new_writer();
    declare(w);
    Err err = { 0 };
    static const char bytes[128];
    cr_assert_eq(gguf_writer_data(w, bytes, 1, &err), STATUS_USAGE);
    cr_assert_eq(gguf_writer_begin(w, "m.gguf", &err), STATUS_OK);
    cr_assert_eq(gguf_writer_data(w, bytes, 25, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "room for 24"), "%s", err.text);
    cr_assert_eq(gguf_writer_data(w, bytes, 24, &err), STATUS_OK);
    cr_assert_eq(gguf_writer_finish(w, &err), STATUS_INVALID);
    cr_assert(strstr(err.text, "1 tensors are missing"), "%s", err.text);
    gguf_writer_free(w);
    cr_assert_neq(access("m.gguf", F_OK), 0);
    cr_assert_neq(access("m.gguf.partial", F_OK), 0);
}

Test(writer, an_unfinished_file_leaves_the_old_one_alone) {
    Slice old = SLICE("old");
    cr_assert_eq(file_replace("m.gguf", &old, 1, NULL), STATUS_OK);
    GgufWriter *w = new_writer();
    declare(w);
    cr_assert_eq(gguf_writer_begin(w, "m.gguf", NULL), STATUS_OK);
    gguf_writer_free(w);
    AUTO_BUF Buf b = BUF_NULL;
    cr_assert_eq(file_read("m.gguf", 10, &b, NULL), STATUS_OK);
    cr_assert(slice_equal(buf_slice(&b), old));
}

Test(writer, two_writers_of_one_file_do_not_mix) {
    GgufWriter *a = new_writer(), *b = new_writer();
    declare(a);
    declare(b);
    Err err = { 0 };
    cr_assert_eq(gguf_writer_begin(a, "m.gguf", NULL), STATUS_OK);
    cr_assert_eq(gguf_writer_begin(b, "m.gguf", &err), STATUS_CONFLICT);
    cr_assert(strstr(err.text, "m.gguf.partial"), "%s", err.text);
    gguf_writer_free(b);
    write_data(a);
    cr_assert_eq(gguf_writer_finish(a, NULL), STATUS_OK);
    gguf_writer_free(a);
    cr_assert_eq(access("m.gguf", F_OK), 0);
}

Test(writer, links_and_missing_folders_are_refused) {
    GgufWriter *w = new_writer();
    declare(w);
    Err err = { 0 };
    cr_assert_eq(symlink("/dev/full", "m.gguf.partial"), 0);
    /* the partial file is never followed through a link */
    cr_assert_eq(gguf_writer_begin(w, "m.gguf", &err), STATUS_IO, "%s", err.text);
    gguf_writer_free(w);
    w = new_writer();
    declare(w);
    cr_assert_eq(gguf_writer_begin(w, "none/m.gguf", &err), STATUS_NOT_FOUND);
    gguf_writer_free(w);
}
