/* Ten thousand damaged files: each is refused with a message, or opens and then every key can be
 * read and every tensor decoded. The bytes end at a guard page, so that one byte too many kills the
 * test; sanitizers see the rest. */
#include "gguf/writer.h"

#include "raw.h"

enum { N_MUTANTS = 10000 };

static uint64_t state = 0x9E3779B97F4A7C15ULL;

static uint64_t random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* All value types that models have, all tensor types. */
static void build(Buf *b) {
    GgufWriter *w = NULL;
    cr_assert_eq(gguf_writer_new(&w, NULL), STATUS_OK);
    gguf_writer_string(w, "general.architecture", SLICE("llama"));
    gguf_writer_set_alignment(w, 64);
    gguf_writer_u32(w, "llama.block_count", 2);
    gguf_writer_f32(w, "llama.rope.freq_base", 10000);
    gguf_writer_u64(w, "u64", 5);
    gguf_writer_i32(w, "i32", -5);
    gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
    static const Slice tokens[] = { SLICE("<unk>"), SLICE("<s>"), SLICE("</s>"), SLICE("ciao") };
    static const float scores[] = { 0, 0, 0, -1 };
    static const int32_t types[] = { 2, 3, 3, 1 };
    gguf_writer_strings(w, "tokenizer.ggml.tokens", tokens, 4);
    gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_VALUE_F32, scores, 4);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_VALUE_I32, types, 4);
    gguf_writer_array(w, "flags", GGUF_VALUE_BOOL, "\1\0\1", 3);
    size_t n = 0;
    for (uint32_t type = 0; type < GGUF_N_TYPE_NUMBERS; type++) {
        if (!gguf_type_traits(type)) continue;
        const char *name = gguf_type_name(type);
        gguf_writer_tensor(w, slice_of(name), (GgufType)type, 2, (uint64_t[]){ 256, 2 });
        n++;
    }
    cr_assert_eq(gguf_writer_header(w, b, NULL), STATUS_OK);
    size_t data = gguf_writer_data_offset(w, n);
    for (size_t i = 0; i < data; i++) buf_append_byte(b, (char)random64());
    cr_assert_not(b->failed);
    gguf_writer_free(w);
}

/* A number that parsers get wrong, or any. */
static uint64_t odd_number(void) {
    static const uint64_t odd[] = { 0,          1,          0x7F,           0x80,
                                    0xFF,       0xFFFF,     0x7FFFFFFF,     0x80000000,
                                    0xFFFFFFFF, 1ULL << 32, 1ULL << 61,     1ULL << 62,
                                    1ULL << 63, UINT64_MAX, UINT64_MAX - 7, INT64_MAX };
    uint64_t r = random64();
    return r % 4 ? odd[r / 4 % N_ELEMENTS(odd)] : random64();
}

/* Change bytes[0..*n): mostly in the header, where the grammar is. */
static void mutate(char *bytes, size_t *n, size_t header) {
    size_t rounds = 1 + (random64() % 4 == 0);
    for (size_t r = 0; r < rounds; r++) {
        size_t at = random64() % (random64() % 8 ? header : *n);
        uint64_t number = odd_number();
        size_t width = (size_t)1 << random64() % 4;
        switch (random64() % 10) {
        case 0: *n = MAX(*n - random64() % 256, header / 2); break;
        case 1:
        case 2:
        case 3:
        case 4: memcpy(bytes + at, &number, MIN(width, *n - at)); break;
        case 5: { /* a copy of another piece */
            size_t from = random64() % header, length = random64() % 64;
            memmove(bytes + at, bytes + from, MIN(length, *n - MAX(at, from)));
            break;
        }
        default: bytes[at] = (char)(bytes[at] ^ (1 << random64() % 8)); break;
        }
        if (*n < header) return;
    }
}

static uint64_t sink;

static void use_everything(const GgufFile *file) {
    for (size_t i = 0; i < gguf_file_n_keys(file); i++) {
        const GgufKey *key = gguf_file_key_at(file, i);
        const GgufArray *a = &key->values;
        for (size_t k = 0; k < a->n; k++) {
            if (a->type == GGUF_VALUE_STRING) {
                Slice s = gguf_array_string(a, k);
                for (size_t c = 0; c < s.n; c++) sink += (unsigned char)s.p[c];
            } else {
                sink += a->p[k * gguf_value_type_bytes(a->type)];
            }
        }
    }
    for (size_t i = 0; i < gguf_file_n_tensors(file); i++) {
        const GgufTensor *t = gguf_file_tensor_at(file, i);
        AUTO_FREE float *row = mem_alloc((size_t)t->dims[0], sizeof *row);
        cr_assert(row);
        for (size_t r = 0; r < t->n_rows; r++) {
            gguf_decode_row(t->type, t->data + r * t->row_bytes, (size_t)t->dims[0], row);
            sink += gguf_f32_bits(row[t->dims[0] - 1]);
        }
    }
}

Test(mutation, ten_thousand_damaged_files_are_refused_or_whole, .timeout = 120) {
    AUTO_BUF Buf original = BUF_NULL;
    build(&original);
    GgufFile *file = NULL;
    cr_assert_eq(gguf_file_open_memory(buf_slice(&original), "o", NULL, &file, NULL), STATUS_OK);
    size_t header = (size_t)gguf_file_tensor_at(file, 0)->at_byte;
    use_everything(file);
    gguf_file_close(file);
    Guarded g = guarded_new(original.n);
    AUTO_FREE char *mutant = mem_alloc(original.n, 1);
    size_t n_refused = 0;
    for (int i = 0; i < N_MUTANTS; i++) {
        size_t n = original.n;
        memcpy(mutant, original.p, n);
        mutate(mutant, &n, header);
        Err err = { 0 };
        file = NULL;
        Slice bytes = guarded_put(&g, (Slice){ mutant, n });
        Status status = gguf_file_open_memory(bytes, "mutant.gguf", NULL, &file, &err);
        if (status == STATUS_OK) {
            use_everything(file);
            gguf_file_close(file);
            continue;
        }
        n_refused++;
        cr_assert(status == STATUS_DAMAGED || status == STATUS_UNSUPPORTED ||
                      status == STATUS_TOO_LARGE,
                  "mutant %d: %d", i, status);
        cr_assert(strstr(err.text, "mutant.gguf: "), "mutant %d: %s", i, err.text);
        cr_assert_null(file);
    }
    guarded_free(&g);
    /* both happen, or the mutations are pointless */
    cr_assert(n_refused > N_MUTANTS / 2 && n_refused < N_MUTANTS * 9 / 10, "%zu", n_refused);
}
