/* Declares keys and tensors in the order of llama.cpp's converter, then fills each tensor: norms
 * near 1, matrices uniform with the variance that keeps activations at their size. */
#include "tiny_model.h"

#include "base/file.h"
#include "base/mem.h"
#include <math.h>
#include <stdio.h>

TinySpec tiny_spec(void) {
    return (TinySpec){ .n_layers = 2,
                       .dim = 64,
                       .ffn_dim = 96,
                       .n_vocab = 96,
                       .n_heads = 4,
                       .n_kv_heads = 2,
                       .context = 256,
                       .gain = 2 };
}

TinySpec tiny_spec_of(GgufType type) {
    TinySpec s = tiny_spec();
    if (gguf_type_traits(type)->n_elements > GGUF_BLOCK) {
        s.dim = s.ffn_dim = GGUF_SUPERBLOCK;
        s.n_layers = 1;
    }
    s.q = s.k = s.v = s.o = s.gate = s.up = s.down = s.embedding = s.output = type;
    return s;
}

typedef struct Part {
    GgufType type;
    size_t columns, rows;
    bool norm;
} Part;

typedef struct Build {
    const TinySpec *spec;
    GgufWriter *writer;
    Part parts[512];
    size_t n_parts;
    uint64_t random;
} Build;

static bool wanted(const Build *b, const char *name) {
    return !b->spec->without || strcmp(b->spec->without, name) != 0;
}

static void put_u32(Build *b, const char *key, size_t value) {
    if (wanted(b, key)) gguf_writer_u32(b->writer, key, (uint32_t)value);
}

static void put_keys(Build *b) {
    const TinySpec *s = b->spec;
    if (wanted(b, "general.architecture")) {
        gguf_writer_string(b->writer, "general.architecture", SLICE("llama"));
    }
    gguf_writer_string(b->writer, "general.name", SLICE("tiny"));
    put_u32(b, "llama.context_length", s->context);
    put_u32(b, "llama.embedding_length", s->dim);
    put_u32(b, "llama.block_count", s->n_layers);
    put_u32(b, "llama.feed_forward_length", s->ffn_dim);
    put_u32(b, "llama.attention.head_count", s->n_heads);
    put_u32(b, "llama.attention.head_count_kv", s->n_kv_heads);
    put_u32(b, "llama.vocab_size", s->n_vocab);
    if (s->key_dim) put_u32(b, "llama.attention.key_length", s->key_dim);
    if (s->value_dim) put_u32(b, "llama.attention.value_length", s->value_dim);
    if (wanted(b, "llama.attention.layer_norm_rms_epsilon")) {
        gguf_writer_f32(b->writer, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
    }
}

enum { PIECE_BYTES = 24 };

/* <unk> <s> </s>, then "t3", "t4", ... */
static Status put_vocabulary(Build *b, Err *err) {
    static const char *const first[] = { "<unk>", "<s>", "</s>" };
    size_t n = b->spec->n_pieces ? b->spec->n_pieces : b->spec->n_vocab;
    AUTO_FREE char *text = mem_alloc(n, PIECE_BYTES);
    AUTO_FREE Slice *pieces = mem_alloc(n, sizeof *pieces);
    AUTO_FREE float *scores = mem_alloc(n, sizeof *scores);
    AUTO_FREE int32_t *types = mem_alloc(n, sizeof *types);
    if (!text || !pieces || !scores || !types) return err_set(err, STATUS_NO_MEMORY, "vocabulary");
    for (size_t i = 0; i < n; i++) {
        char *at = text + PIECE_BYTES * i;
        if (i < N_ELEMENTS(first)) {
            snprintf(at, PIECE_BYTES, "%s", first[i]);
        } else {
            snprintf(at, PIECE_BYTES, "t%zu", i);
        }
        pieces[i] = slice_of(at);
        scores[i] = -(float)i;
        types[i] = i == 0 ? 2 : i < N_ELEMENTS(first) ? 3 : 1;
    }
    gguf_writer_string(b->writer, "tokenizer.ggml.model", SLICE("llama"));
    gguf_writer_strings(b->writer, "tokenizer.ggml.tokens", pieces, n);
    gguf_writer_array(b->writer, "tokenizer.ggml.scores", GGUF_VALUE_F32, scores, n);
    gguf_writer_array(b->writer, "tokenizer.ggml.token_type", GGUF_VALUE_I32, types, n);
    gguf_writer_u32(b->writer, "tokenizer.ggml.bos_token_id", 1);
    gguf_writer_u32(b->writer, "tokenizer.ggml.eos_token_id", 2);
    return STATUS_OK;
}

static void put_tensor(Build *b, const char *name, GgufType type, size_t columns, size_t rows,
                       bool norm) {
    if (!wanted(b, name) || b->n_parts == N_ELEMENTS(b->parts)) return;
    uint64_t dims[] = { columns, rows };
    gguf_writer_tensor(b->writer, slice_of(name), type, norm ? 1 : 2, dims);
    b->parts[b->n_parts++] = (Part){ type, columns, rows, norm };
}

static void put_layer(Build *b, size_t layer) {
    const TinySpec *s = b->spec;
    size_t key_dim = s->key_dim ? s->key_dim : s->dim / s->n_heads;
    size_t value_dim = s->value_dim ? s->value_dim : s->dim / s->n_heads;
    const struct {
        const char *name;
        GgufType type;
        size_t columns, rows;
        bool norm;
    } tensors[] = {
        { "attn_norm", GGUF_TYPE_F32, s->dim, 1, true },
        { "attn_q", s->q, s->dim, s->n_heads * key_dim, false },
        { "attn_k", s->k, s->dim, s->n_kv_heads * key_dim, false },
        { "attn_v", s->v, s->dim, s->n_kv_heads * value_dim, false },
        { "attn_output", s->o, s->n_heads * value_dim, s->dim, false },
        { "ffn_norm", GGUF_TYPE_F32, s->dim, 1, true },
        { "ffn_gate", s->gate, s->dim, s->ffn_dim, false },
        { "ffn_up", s->up, s->dim, s->ffn_dim, false },
        { "ffn_down", s->down, s->ffn_dim, s->dim, false },
    };
    for (size_t i = 0; i < N_ELEMENTS(tensors); i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%zu.%s.weight", layer, tensors[i].name);
        put_tensor(b, name, tensors[i].type, tensors[i].columns, tensors[i].rows, tensors[i].norm);
    }
}

static Status declare(Build *b, Err *err) {
    const TinySpec *s = b->spec;
    put_keys(b);
    Status status = put_vocabulary(b, err);
    if (status != STATUS_OK) return status;
    put_tensor(b, "token_embd.weight", s->embedding, s->dim, s->n_vocab, false);
    for (size_t i = 0; i < s->n_layers; i++) put_layer(b, i);
    put_tensor(b, "output_norm.weight", GGUF_TYPE_F32, s->dim, 1, true);
    if (!s->tied) put_tensor(b, "output.weight", s->output, s->dim, s->n_vocab, false);
    if (s->more) s->more(b->writer);
    return STATUS_OK;
}

static float random_float(Build *b) {
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return (float)((double)(b->random >> 11) * 0x1p-52 - 1);
}

static Status fill_row(Build *b, const Part *part, float *row, Buf *ret) {
    float size = b->spec->gain * sqrtf(3 / (float)part->columns);
    for (size_t i = 0; i < part->columns; i++) {
        row[i] = part->norm ? 1 + 0.2F * random_float(b) : size * random_float(b);
    }
    size_t bytes;
    if (!gguf_type_row_bytes(part->type, part->columns, &bytes)) return STATUS_INVALID;
    AUTO_FREE uint8_t *blocks = mem_alloc(bytes, 1);
    if (!blocks) return STATUS_NO_MEMORY;
    gguf_encode_row(part->type, row, part->columns, blocks);
    buf_append(ret, blocks, bytes);
    return STATUS_OK;
}

static void pad_to(Buf *b, size_t n) {
    while (b->n < n && !b->failed) buf_append_byte(b, 0);
}

static Status fill(Build *b, Buf *ret, Err *err) {
    size_t start = ret->n;
    AUTO_FREE float *row = mem_alloc((size_t)1 << 16, sizeof *row);
    if (!row) return err_set(err, STATUS_NO_MEMORY, "a row");
    for (size_t i = 0; i < b->n_parts; i++) {
        pad_to(ret, start + (size_t)gguf_writer_data_offset(b->writer, i));
        for (size_t r = 0; r < b->parts[i].rows; r++) {
            Status status = fill_row(b, &b->parts[i], row, ret);
            if (status != STATUS_OK) return err_set(err, status, "tensor %zu", i);
        }
    }
    pad_to(ret, start + (size_t)gguf_writer_data_offset(b->writer, b->n_parts + b->spec->n_more));
    return buf_status(ret, err);
}

Status tiny_build(const TinySpec *spec, Buf *ret, Err *err) {
    AUTO_FREE Build *b = mem_alloc(1, sizeof *b);
    if (!b) return err_set(err, STATUS_NO_MEMORY, "a builder");
    *b = (Build){ .spec = spec, .random = 0x9E3779B97F4A7C15U };
    TRY(gguf_writer_new(&b->writer, err));
    Status status = declare(b, err);
    if (status == STATUS_OK) status = gguf_writer_header(b->writer, ret, err);
    if (status == STATUS_OK) status = fill(b, ret, err);
    gguf_writer_free(b->writer);
    return status;
}

Status tiny_write(const TinySpec *spec, const char *path, Err *err) {
    AUTO_BUF Buf bytes = BUF_NULL;
    TRY(tiny_build(spec, &bytes, err));
    Slice all = buf_slice(&bytes);
    return file_replace(path, &all, 1, err);
}
