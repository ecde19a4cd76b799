/* Fuzzes the reader of GGUF: the input is a whole file. What opens must be readable to the last
 * byte of every key and tensor, findable by name, and the same again when it is written back. */
#include "fuzz/fuzz.h"
#include "gguf/writer.h"

#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

static volatile uint64_t sink;

static void read_keys(const GgufFile *file) {
    for (size_t i = 0; i < gguf_file_n_keys(file); i++) {
        const GgufKey *key = gguf_file_key_at(file, i);
        const GgufArray *a = &key->values;
        for (size_t k = 0; k < a->n; k++) {
            if (a->type == GGUF_VALUE_STRING) {
                Slice s = gguf_array_string(a, k);
                for (size_t c = 0; c < s.n; c++) sink += (unsigned char)s.p[c];
            } else {
                sink += a->p[(k + 1) * gguf_value_type_bytes(a->type) - 1];
            }
        }
        char *name = mem_copy_string(key->name.p, key->name.n);
        CHECK(name && gguf_file_key(file, name) == key);
        uint64_t count;
        Slice text;
        CHECK(gguf_file_count(file, name, UINT64_MAX, &count, NULL) != STATUS_NOT_FOUND);
        Status status = gguf_file_string(file, name, &text, NULL);
        CHECK((status == STATUS_OK) == (key->type == GGUF_VALUE_STRING));
        free(name);
    }
}

static void read_tensors(const GgufFile *file) {
    Slice bytes = gguf_file_bytes(file);
    for (size_t i = 0; i < gguf_file_n_tensors(file); i++) {
        const GgufTensor *t = gguf_file_tensor_at(file, i);
        CHECK(t->data >= (const uint8_t *)bytes.p && t->at_byte + t->bytes <= bytes.n);
        float *row = mem_alloc((size_t)t->dims[0], sizeof *row);
        if (!row) continue;
        for (size_t r = 0; r < t->n_rows; r++) {
            gguf_decode_row(t->type, t->data + r * t->row_bytes, (size_t)t->dims[0], row);
            sink += gguf_f32_bits(row[t->dims[0] - 1]);
        }
        free(row);
    }
}

static void write_back(const GgufFile *file) {
    GgufWriter *w = NULL;
    CHECK(gguf_writer_new(&w, NULL) == STATUS_OK);
    gguf_writer_set_alignment(w, (uint32_t)gguf_file_alignment(file));
    for (size_t i = 0; i < gguf_file_n_keys(file); i++) {
        gguf_writer_copy_key(w, gguf_file_key_at(file, i));
    }
    for (size_t i = 0; i < gguf_file_n_tensors(file); i++) {
        const GgufTensor *t = gguf_file_tensor_at(file, i);
        gguf_writer_tensor(w, t->name, t->type, t->n_dims, t->dims);
    }
    AUTO_BUF Buf again = BUF_NULL;
    CHECK(gguf_writer_header(w, &again, NULL) == STATUS_OK);
    size_t data = (size_t)gguf_writer_data_offset(w, gguf_file_n_tensors(file));
    CHECK(data < (size_t)64 << 20);
    for (size_t i = 0; i < data; i++) buf_append_byte(&again, 0);
    GgufFile *copy = NULL;
    CHECK(gguf_file_open_memory(buf_slice(&again), "copy", NULL, &copy, NULL) == STATUS_OK);
    CHECK(gguf_file_n_tensors(copy) == gguf_file_n_tensors(file));
    gguf_file_close(copy);
    gguf_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    GgufFile *file = NULL;
    Err err = { 0 };
    Status status =
        gguf_file_open_memory((Slice){ (const char *)data, size }, "fuzz", NULL, &file, &err);
    if (status != STATUS_OK) {
        CHECK(status < 0 && err.text[0] && !file);
        return 0;
    }
    read_keys(file);
    read_tensors(file);
    if (size < 1 << 20) write_back(file);
    gguf_file_close(file);
    return 0;
}
