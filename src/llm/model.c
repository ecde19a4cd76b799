/* Tensors of a Llama: each is taken by name with the shape that the keys imply, and every tensor of
 * the file must be one of them. */
#include "llm/model.h"

#include "base/mem.h"
#include "base/utf8.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 64 };

/* The tensor of that name with n_rows rows of n_in. */
static Status take_matrix(const GgufFile *file, const char *name, size_t n_in, size_t n_rows,
                          LlmTensor *ret, Err *err) {
    const GgufTensor *t = gguf_file_tensor(file, name);
    if (!t) {
        return err_set(err, STATUS_DAMAGED, "%s: tensor %s is missing", gguf_file_path(file), name);
    }
    if (t->dims[0] != n_in || t->dims[1] != n_rows || t->n_rows != n_rows) {
        return err_set(err, STATUS_DAMAGED,
                       "%s: tensor %s (byte %llu) has the shape [%llu, %llu], expected [%zu, %zu]",
                       gguf_file_path(file), name, (unsigned long long)t->info_byte,
                       (unsigned long long)t->dims[0], (unsigned long long)t->dims[1], n_in,
                       n_rows);
    }
    *ret = (LlmTensor){ t->type, n_in, n_rows, t->row_bytes, t->data };
    return STATUS_OK;
}

/* A vector of n numbers, copied to `to`. */
static Status take_vector(const GgufFile *file, const char *name, size_t n, float *to, Err *err) {
    LlmTensor t = { 0 };
    TRY(take_matrix(file, name, n, 1, &t, err));
    if (t.type != GGUF_TYPE_F32) {
        return err_set(err, STATUS_UNSUPPORTED, "%s: tensor %s is %s, only F32 is supported there",
                       gguf_file_path(file), name, gguf_type_name(t.type));
    }
    memcpy(to, t.data, n * sizeof *to);
    return STATUS_OK;
}

typedef struct LayerTensor {
    const char *suffix;
    size_t offset; /* of the LlmTensor in LlmLayer */
} LayerTensor;
static const LayerTensor layer_tensors[] = {
    { "attn_q.weight", offsetof(LlmLayer, wq) },
    { "attn_k.weight", offsetof(LlmLayer, wk) },
    { "attn_v.weight", offsetof(LlmLayer, wv) },
    { "attn_output.weight", offsetof(LlmLayer, wo) },
    { "ffn_gate.weight", offsetof(LlmLayer, w_gate) },
    { "ffn_up.weight", offsetof(LlmLayer, w_up) },
    { "ffn_down.weight", offsetof(LlmLayer, w_down) },
};

static Status take_layer(LlmModel *model, size_t index, Err *err) {
    const LlmShape *s = &model->shape;
    LlmLayer *layer = &model->layers[index];
    size_t q = s->n_heads * s->key_dim, kv = s->n_kv_heads, o = s->n_heads * s->value_dim;
    const size_t shapes[N_ELEMENTS(layer_tensors)][2] = {
        { s->dim, q },          { s->dim, kv * s->key_dim }, { s->dim, kv * s->value_dim },
        { o, s->dim },          { s->dim, s->ffn_dim },      { s->dim, s->ffn_dim },
        { s->ffn_dim, s->dim },
    };
    char name[NAME_BYTES];
    for (size_t i = 0; i < N_ELEMENTS(layer_tensors); i++) {
        (void)snprintf(name, sizeof name, "blk.%zu.%s", index, layer_tensors[i].suffix);
        LlmTensor *to = (LlmTensor *)(void *)((char *)layer + layer_tensors[i].offset);
        TRY(take_matrix(model->file, name, shapes[i][0], shapes[i][1], to, err));
    }
    float *norms = model->vectors + 2 * index * s->dim;
    (void)snprintf(name, sizeof name, "blk.%zu.attn_norm.weight", index);
    TRY(take_vector(model->file, name, s->dim, norms, err));
    (void)snprintf(name, sizeof name, "blk.%zu.ffn_norm.weight", index);
    TRY(take_vector(model->file, name, s->dim, norms + s->dim, err));
    layer->attn_norm = norms;
    layer->ffn_norm = norms + s->dim;
    return STATUS_OK;
}

static bool is_known_tensor(const LlmModel *model, Slice name) {
    static const char *const global[] = { "token_embd.weight", "output_norm.weight",
                                          "output.weight", "rope_freqs.weight" };
    for (size_t i = 0; i < N_ELEMENTS(global); i++) {
        if (slice_equal(name, slice_of(global[i]))) return true;
    }
    if (!slice_starts(name, SLICE("blk."))) return false;
    char text[NAME_BYTES + 1] = { 0 };
    if (name.n > NAME_BYTES) return false;
    memcpy(text, name.p, name.n);
    char *end;
    unsigned long index = strtoul(text + 4, &end, 10);
    if (end == text + 4 || *end != '.' || index >= model->shape.n_layers) return false;
    const char *suffix = end + 1;
    for (size_t i = 0; i < N_ELEMENTS(layer_tensors); i++) {
        if (strcmp(suffix, layer_tensors[i].suffix) == 0) return true;
    }
    /* Tables of angles in old files: computed here, so they are not needed. */
    return strcmp(suffix, "attn_norm.weight") == 0 || strcmp(suffix, "ffn_norm.weight") == 0 ||
           strcmp(suffix, "attn_rot_embd.weight") == 0 || strcmp(suffix, "attn_rot_embd") == 0;
}

static Status check_all_known(const LlmModel *model, Err *err) {
    for (size_t i = 0; i < gguf_file_n_tensors(model->file); i++) {
        const GgufTensor *t = gguf_file_tensor_at(model->file, i);
        if (is_known_tensor(model, t->name)) continue;
        return err_set(err, STATUS_UNSUPPORTED,
                       "%s: tensor %.*s (byte %llu) is not part of a Llama with %zu layers",
                       gguf_file_path(model->file), (int)MIN(t->name.n, (size_t)80), t->name.p,
                       (unsigned long long)t->info_byte, model->shape.n_layers);
    }
    return STATUS_OK;
}

/* llama3's rule comes as one divisor a pair. */
static Status take_rope(LlmModel *model, LlmRopeSpec *spec, Err *err) {
    const GgufFile *file = model->file;
    float divisors[LLM_ROPE_MAX_ROTATED / 2];
    if (gguf_file_tensor(file, "rope_freqs.weight")) {
        size_t n = spec->n_rotated / 2;
        TRY(take_vector(file, "rope_freqs.weight", n, divisors, err));
        for (size_t i = 0; i < n; i++) {
            if (divisors[i] > 1e-6F && divisors[i] < 1e6F) continue;
            return err_set(err, STATUS_DAMAGED, "%s: rope_freqs.weight[%zu] is %g",
                           gguf_file_path(file), i, (double)divisors[i]);
        }
        spec->divisors = divisors;
    }
    llm_rope_init(&model->rope, spec);
    return STATUS_OK;
}

static Status take_tensors(LlmModel *model, Err *err) {
    LlmShape *s = &model->shape;
    const GgufFile *file = model->file;
    const GgufTensor *embedding = gguf_file_tensor(file, "token_embd.weight");
    if (embedding && s->n_vocab == 0 && embedding->n_rows <= VOCAB_MAX_PIECES) {
        s->n_vocab = (size_t)embedding->n_rows;
    }
    TRY(take_matrix(file, "token_embd.weight", s->dim, s->n_vocab, &model->embedding, err));
    TRY(check_all_known(model, err));
    size_t n_vectors;
    if (!mem_mul(2 * s->n_layers + 1, s->dim, &n_vectors)) {
        return err_set(err, STATUS_TOO_LARGE, "%s: too large", gguf_file_path(file));
    }
    model->vectors = mem_alloc(n_vectors, sizeof *model->vectors);
    model->layers = mem_alloc(s->n_layers, sizeof *model->layers);
    if (!model->vectors || !model->layers) {
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for its layers", gguf_file_path(file));
    }
    for (size_t i = 0; i < s->n_layers; i++) TRY(take_layer(model, i, err));
    float *norm = model->vectors + 2 * s->n_layers * s->dim;
    TRY(take_vector(file, "output_norm.weight", s->dim, norm, err));
    model->norm = norm;
    model->tied = !gguf_file_tensor(file, "output.weight");
    model->output = model->embedding;
    if (model->tied) return STATUS_OK;
    return take_matrix(file, "output.weight", s->dim, s->n_vocab, &model->output, err);
}

static void take_name(LlmModel *model) {
    Slice name = SLICE_NULL;
    if (gguf_file_string(model->file, "general.name", &name, NULL) != STATUS_OK) return;
    size_t n = MIN(name.n, sizeof model->name - 1);
    while (n > 0 && n < name.n && ((unsigned char)name.p[n] & 0xC0) == 0x80) n--;
    if (n) memcpy(model->name, name.p, n);
}

static Status fill_model(LlmModel *model, Err *err) {
    LlmRopeSpec rope;
    TRY(llm_model_read_keys(model->file, &model->shape, &rope, err));
    TRY(take_tensors(model, err));
    TRY(take_rope(model, &rope, err));
    TRY(vocab_from_gguf(model->file, &model->vocab, err));
    if (vocab_size(model->vocab) > model->shape.n_vocab) {
        return err_set(err, STATUS_DAMAGED, "%s: %zu tokens, but logits of %zu",
                       gguf_file_path(model->file), vocab_size(model->vocab), model->shape.n_vocab);
    }
    take_name(model);
    return STATUS_OK;
}

Status llm_model_from_file(GgufFile *file, LlmModel **ret, Err *err) {
    LlmModel *model = mem_alloc(1, sizeof *model);
    if (!model) return err_set(err, STATUS_NO_MEMORY, "no memory for a model");
    model->file = file;
    Status status = fill_model(model, err);
    if (status != STATUS_OK) {
        model->file = NULL; /* still the caller's */
        llm_model_close(model);
        return status;
    }
    *ret = model;
    return STATUS_OK;
}

Status llm_model_open(const char *path, LlmModel **ret, Err *err) {
    GgufFile *file;
    TRY(gguf_file_open(path, NULL, &file, err));
    Status status = llm_model_from_file(file, ret, err);
    if (status != STATUS_OK) gguf_file_close(file);
    return status;
}

LlmModel *llm_model_close(LlmModel *model) {
    if (!model) return NULL;
    vocab_free(model->vocab);
    gguf_file_close(model->file);
    free(model->layers);
    free(model->vectors);
    free(model);
    return NULL;
}

size_t llm_model_bytes(const LlmModel *model) {
    size_t sum = 0;
    for (size_t i = 0; i < gguf_file_n_tensors(model->file); i++) {
        sum += gguf_file_tensor_at(model->file, i)->bytes;
    }
    return sum;
}
