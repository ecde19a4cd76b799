/* The keys are those that llama.cpp's converters write; where one is missing, its defaults. */
#include "base/file.h"
#include "gguf/file.h"
#include "gguf/sentencepiece.h"
#include "llm/vocab_internal.h"
#include <stdio.h>

typedef struct PreName {
    const char *name;
    VocabSplit split;
    bool whole_words, add_bos;
} PreName;

/* Values of tokenizer.ggml.pre that mean a scanner of pretokenize.h. */
static const PreName pre_names[] = {
    { "llama-bpe", VOCAB_SPLIT_LLAMA3, true, true },
    { "llama3", VOCAB_SPLIT_LLAMA3, true, true },
    { "llama-v3", VOCAB_SPLIT_LLAMA3, true, true },
    { "smaug-bpe", VOCAB_SPLIT_LLAMA3, false, false },
    { "dbrx", VOCAB_SPLIT_LLAMA3, false, false },
    { "gpt-2", VOCAB_SPLIT_GPT2, false, false },
    { "phi-2", VOCAB_SPLIT_GPT2, false, false },
    { "smollm", VOCAB_SPLIT_SMOLLM, false, false },
    { "starcoder", VOCAB_SPLIT_SMOLLM, false, false },
    { "default", VOCAB_SPLIT_DEFAULT, false, false },
};

/* The arrays of a file as vocab_new wants them. */
typedef struct Arrays {
    Slice *pieces, *merges;
    float *scores;
    int32_t *types;
} Arrays;

static void arrays_deinit(Arrays *arrays) {
    free(arrays->pieces);
    free(arrays->merges);
    free(arrays->scores);
    free(arrays->types);
}

static Status no_memory(const GgufFile *file, size_t n, Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "%s: no memory for %zu tokens", gguf_file_path(file), n);
}

static Status take_strings(const GgufFile *file, const char *key, Slice **ret, size_t *ret_n,
                           Err *err) {
    GgufArray array;
    TRY(gguf_required(gguf_file_array(file, key, GGUF_VALUE_STRING, &array, err), err));
    *ret = mem_alloc(array.n, sizeof(**ret));
    if (!*ret) return no_memory(file, array.n, err);
    for (size_t i = 0; i < array.n; i++) (*ret)[i] = gguf_array_string(&array, i);
    *ret_n = array.n;
    return STATUS_OK;
}

/* An array with one element of 4 bytes per token; *ret stays NULL where the key is missing. */
static Status take_per_token(const GgufFile *file, const char *key, GgufValueType type, size_t n,
                             void **ret, Err *err) {
    GgufArray array = { .n = SIZE_MAX };
    TRY(gguf_optional(gguf_file_array(file, key, type, &array, err)));
    if (array.n == SIZE_MAX) return STATUS_OK;
    if (array.n != n)
        return err_set(err, STATUS_DAMAGED, "%s: key %s has %zu elements for %zu tokens",
                       gguf_file_path(file), key, array.n, n);
    *ret = mem_alloc(n, 4);
    if (!*ret) return no_memory(file, n, err);
    if (n) memcpy(*ret, array.p, n * 4);
    return STATUS_OK;
}

static Status take_id(const GgufFile *file, const char *key, int64_t *ret, Err *err) {
    uint64_t id = UINT32_MAX;
    TRY(gguf_optional(gguf_file_count(file, key, UINT32_MAX, &id, err)));
    *ret = id == UINT32_MAX ? VOCAB_NO_ID : (int64_t)id;
    return STATUS_OK;
}

static Status take_ids(const GgufFile *file, VocabSpec *spec, Err *err) {
    TRY(take_id(file, "tokenizer.ggml.bos_token_id", &spec->bos_id, err));
    TRY(take_id(file, "tokenizer.ggml.eos_token_id", &spec->eos_id, err));
    TRY(take_id(file, "tokenizer.ggml.eot_token_id", &spec->eot_id, err));
    TRY(take_id(file, "tokenizer.ggml.eom_token_id", &spec->eom_id, err));
    TRY(take_id(file, "tokenizer.ggml.unknown_token_id", &spec->unk_id, err));
    return take_id(file, "tokenizer.ggml.padding_token_id", &spec->pad_id, err);
}

/* Files without the keys of BOS, EOS and unknown have them at Llama's places. */
static void spm_default_ids(VocabSpec *spec) {
    static const char *const names[] = { "<unk>", "<s>", "</s>" };
    int64_t *ids[] = { &spec->unk_id, &spec->bos_id, &spec->eos_id };
    for (size_t i = 0; i < N_ELEMENTS(names) && i < spec->n_pieces; i++) {
        if (*ids[i] == VOCAB_NO_ID && slice_equal(spec->pieces[i], slice_of(names[i])))
            *ids[i] = (int64_t)i;
    }
}

static Status take_pre(const GgufFile *file, VocabSpec *spec, Err *err) {
    Slice pre = SLICE("default");
    TRY(gguf_optional(gguf_file_string(file, "tokenizer.ggml.pre", &pre, err)));
    for (size_t i = 0; i < N_ELEMENTS(pre_names); i++) {
        if (!slice_equal(pre, slice_of(pre_names[i].name))) continue;
        spec->split = pre_names[i].split;
        spec->whole_words = pre_names[i].whole_words;
        spec->add_bos = pre_names[i].add_bos;
        return STATUS_OK;
    }
    return err_set_param(err, STATUS_UNSUPPORTED, "tokenizer.ggml.pre",
                         "%s: tokenizer.ggml.pre \"%.*s\" is not supported (llama-bpe, gpt-2, "
                         "smollm, default and their aliases are)",
                         gguf_file_path(file), (int)MIN(pre.n, 60), pre.n ? pre.p : "");
}

static Status take_model(const GgufFile *file, VocabSpec *spec, Err *err) {
    Slice model = SLICE_NULL;
    TRY(gguf_required(gguf_file_string(file, "tokenizer.ggml.model", &model, err), err));
    if (slice_equal(model, SLICE("llama"))) {
        spec->kind = VOCAB_SENTENCEPIECE;
        spec->add_bos = spec->add_space_prefix = spec->escape_spaces = true;
        return STATUS_OK;
    }
    spec->kind = VOCAB_BYTE_BPE;
    if (slice_equal(model, SLICE("gpt2"))) return take_pre(file, spec, err);
    return err_set_param(err, STATUS_UNSUPPORTED, "tokenizer.ggml.model",
                         "%s: tokenizer.ggml.model \"%.*s\" is not supported (llama and gpt2 are)",
                         gguf_file_path(file), (int)MIN(model.n, 60), model.n ? model.p : "");
}

static Status take_flags(const GgufFile *file, VocabSpec *spec, Err *err) {
    TRY(gguf_optional(gguf_file_bool(file, "tokenizer.ggml.add_bos_token", &spec->add_bos, err)));
    TRY(gguf_optional(gguf_file_bool(file, "tokenizer.ggml.add_eos_token", &spec->add_eos, err)));
    if (spec->kind != VOCAB_SENTENCEPIECE) return STATUS_OK;
    TRY(gguf_optional(
        gguf_file_bool(file, "tokenizer.ggml.add_space_prefix", &spec->add_space_prefix, err)));
    return gguf_optional(gguf_file_bool(file, "tokenizer.ggml.remove_extra_whitespaces",
                                        &spec->remove_extra_spaces, err));
}

static Status read_spec(const GgufFile *file, Arrays *arrays, VocabSpec *spec, Err *err) {
    TRY(take_model(file, spec, err));
    TRY(take_strings(file, "tokenizer.ggml.tokens", &arrays->pieces, &spec->n_pieces, err));
    spec->pieces = arrays->pieces;
    TRY(take_per_token(file, "tokenizer.ggml.token_type", GGUF_VALUE_I32, spec->n_pieces,
                       (void **)&arrays->types, err));
    spec->types = arrays->types;
    TRY(take_ids(file, spec, err));
    TRY(take_flags(file, spec, err));
    if (spec->kind == VOCAB_SENTENCEPIECE) {
        spm_default_ids(spec);
        TRY(take_per_token(file, "tokenizer.ggml.scores", GGUF_VALUE_F32, spec->n_pieces,
                           (void **)&arrays->scores, err));
        spec->scores = arrays->scores;
        return STATUS_OK;
    }
    TRY(take_strings(file, "tokenizer.ggml.merges", &arrays->merges, &spec->n_merges, err));
    spec->merges = arrays->merges;
    return STATUS_OK;
}

Status vocab_from_gguf(const GgufFile *file, Vocab **ret, Err *err) {
    Arrays arrays = { NULL };
    VocabSpec spec = { .name = gguf_file_path(file), .unk_surface = SLICE(" \xE2\x81\x87 ") };
    Status status = read_spec(file, &arrays, &spec, err);
    if (status == STATUS_OK) status = vocab_new(&spec, ret, err);
    arrays_deinit(&arrays);
    return status;
}

static bool begins_as_gguf(const char *path) {
    char magic[4] = { 0 };
    FILE *stream = fopen(path, "rbe");
    if (!stream) return false; /* the real open says why */
    bool is_gguf = fread(magic, 1, 4, stream) == 4 && memcmp(magic, "GGUF", 4) == 0;
    fclose(stream);
    return is_gguf;
}

Status vocab_open(const char *path, Vocab **ret, Err *err) {
    if (begins_as_gguf(path)) {
        GgufFile *file = NULL;
        TRY(gguf_file_open(path, NULL, &file, err));
        Status status = vocab_from_gguf(file, ret, err);
        gguf_file_close(file);
        return status;
    }
    AUTO_BUF Buf bytes = BUF_NULL;
    TRY(file_read(path, SENTENCEPIECE_MAX_BYTES, &bytes, err));
    return vocab_from_sentencepiece(buf_slice(&bytes), path, ret, err);
}
