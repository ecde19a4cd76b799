/* The public side of src/gguf: what a file holds, whether it is whole, quantising. The info is one
 * arena, filled while the file is open, so that nothing of it points into the file. */
#include <fonte/model.h>

#include "api/api_internal.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "gguf/convert.h"
#include "gguf/quantize.h"
#include "gguf/random.h"
#include "gguf/verify.h"
#include "llm/template.h"
#include "llm/vocab.h"
#include <stdio.h>

typedef struct Info {
    FonteModelInfo info; /* first: the pointer that callers have is one to this */
    Arena arena;
} Info;

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "out of memory");
}

/* Any bytes as a NUL-terminated string of valid UTF-8: broken bytes become U+FFFD, a NUL ends it.
 */
static Status keep_string(Arena *arena, Slice s, const char **ret, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    s.n = s.n ? strnlen(s.p, s.n) : 0;
    while (s.n) {
        size_t valid = utf8_valid_length(s);
        buf_append(&text, s.p, valid);
        s = slice_skip(s, valid);
        if (!s.n) break;
        buf_append_string(&text, UTF8_REPLACEMENT);
        s = slice_skip(s, 1);
    }
    TRY(buf_status(&text, err));
    const char *copy = arena_string(arena, buf_slice(&text));
    if (!copy) return no_memory(err);
    *ret = copy;
    return STATUS_OK;
}

static void write_element(JsonWriter *w, const GgufArray *a, size_t i) {
    const uint8_t *p = a->p ? a->p + i * gguf_value_type_bytes(a->type) : NULL;
    int16_t i16;
    uint16_t u16;
    int64_t i64;
    double f64;
    switch (a->type) {
    case GGUF_VALUE_U8: json_uint(w, NULL, *p); break;
    case GGUF_VALUE_I8: json_int(w, NULL, (int8_t)*p); break;
    case GGUF_VALUE_U16: json_uint(w, NULL, (memcpy(&u16, p, 2), u16)); break;
    case GGUF_VALUE_I16: json_int(w, NULL, (memcpy(&i16, p, 2), i16)); break;
    case GGUF_VALUE_U32: json_uint(w, NULL, gguf_array_u32(a, i)); break;
    case GGUF_VALUE_I32: json_int(w, NULL, gguf_array_i32(a, i)); break;
    case GGUF_VALUE_F32: json_number(w, NULL, (double)gguf_array_f32(a, i)); break;
    case GGUF_VALUE_BOOL: json_bool(w, NULL, *p != 0); break;
    case GGUF_VALUE_STRING: json_slice(w, NULL, gguf_array_string(a, i)); break;
    case GGUF_VALUE_U64: json_uint(w, NULL, gguf_array_u64(a, i)); break;
    case GGUF_VALUE_I64: json_int(w, NULL, (memcpy(&i64, p, 8), i64)); break;
    case GGUF_VALUE_F64: json_number(w, NULL, (memcpy(&f64, p, 8), f64)); break;
    case GGUF_VALUE_ARRAY: json_null(w, NULL); break;
    }
}

static Status keep_key(Arena *arena, const GgufKey *key, FonteModelKey *ret, Err *err) {
    AUTO_BUF Buf json = BUF_NULL;
    JsonWriter w = JSON_WRITER(&json);
    bool is_array = key->type == GGUF_VALUE_ARRAY;
    if (is_array) json_begin_array(&w, NULL);
    for (size_t i = 0; i < MIN(key->values.n, (size_t)FONTE_MODEL_KEY_ELEMENTS); i++)
        write_element(&w, &key->values, i);
    if (is_array) json_end_array(&w);
    TRY(buf_status(&json, err));
    ret->is_array = is_array;
    ret->n_elements = key->values.n;
    ret->type = gguf_value_type_name(key->values.type);
    ret->at_byte = key->at_byte;
    ret->json = arena_string(arena, buf_slice(&json));
    if (!ret->json) return no_memory(err);
    return keep_string(arena, key->name, &ret->name, err);
}

static Status keep_text(const GgufFile *file, Arena *arena, const char *key, const char **ret,
                        Err *err) {
    Slice text = SLICE_NULL;
    TRY(gguf_optional(gguf_file_string(file, key, &text, err)));
    return keep_string(arena, text, ret, err);
}

static Status fill_texts(const GgufFile *file, Info *o, Err *err) {
    FonteModelInfo *info = &o->info;
    TRY(keep_string(&o->arena, slice_of(gguf_file_path(file)), &info->path, err));
    TRY(keep_text(file, &o->arena, "general.architecture", &info->architecture, err));
    TRY(keep_text(file, &o->arena, "general.name", &info->name, err));
    TRY(keep_text(file, &o->arena, "general.license", &info->license, err));
    TRY(keep_text(file, &o->arena, "tokenizer.ggml.model", &info->tokenizer, err));
    TRY(keep_text(file, &o->arena, "tokenizer.chat_template", &info->chat_template, err));
    uint64_t file_type = UINT32_MAX;
    TRY(gguf_optional(gguf_file_count(file, "general.file_type", UINT32_MAX, &file_type, err)));
    const GgufMix *mix = gguf_mix_of_file_type((uint32_t)file_type);
    info->file_type = mix ? mix->name : "";
    TemplateKind kind;
    Slice chat_template = slice_of(info->chat_template);
    info->template_name =
        template_detect(chat_template, &kind, NULL) == STATUS_OK ? template_name(kind) : "";
    const GgufKey *pieces = gguf_file_key(file, "tokenizer.ggml.tokens");
    info->n_vocabulary = pieces && pieces->type == GGUF_VALUE_ARRAY ? pieces->values.n : 0;
    return STATUS_OK;
}

static Status fill_tensors(const GgufFile *file, Info *o, Err *err) {
    FonteModelInfo *info = &o->info;
    size_t n = gguf_file_n_tensors(file);
    FonteModelTensor *tensors = arena_alloc(&o->arena, n, sizeof *tensors);
    if (!tensors) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const GgufTensor *t = gguf_file_tensor_at(file, i);
        FonteModelTensor *to = &tensors[i];
        TRY(keep_string(&o->arena, t->name, &to->name, err));
        to->type = gguf_type_name(t->type);
        to->n_dims = t->n_dims;
        for (size_t k = 0; k < GGUF_MAX_DIMS; k++) to->dims[k] = t->dims[k];
        to->n_elements = t->dims[0] * t->n_rows;
        to->n_bytes = t->bytes;
        to->at_byte = t->at_byte;
        info->n_parameters += to->n_elements;
        info->n_tensor_bytes += to->n_bytes;
    }
    info->tensors = tensors;
    info->n_tensors = n;
    return STATUS_OK;
}

static Status fill(const GgufFile *file, Info *o, Err *err) {
    FonteModelInfo *info = &o->info;
    size_t n = gguf_file_n_keys(file);
    FonteModelKey *keys = arena_alloc(&o->arena, n, sizeof *keys);
    if (!keys) return no_memory(err);
    for (size_t i = 0; i < n; i++)
        TRY(keep_key(&o->arena, gguf_file_key_at(file, i), &keys[i], err));
    info->keys = keys;
    info->n_keys = n;
    info->version = gguf_file_version(file);
    info->alignment = gguf_file_alignment(file);
    info->n_file_bytes = gguf_file_bytes(file).n;
    TRY(fill_texts(file, o, err));
    return fill_tensors(file, o, err);
}

FonteStatus fonte_model_inspect(const char *path, FonteModelInfo **ret, FonteError *error) {
    GgufFile *file;
    NEED(path, error);
    NEED(ret, error);
    Info *info = mem_alloc(1, sizeof *info);
    if (!info) return no_memory(error);
    Err err = { 0 };
    Status status = gguf_file_open(path, NULL, &file, &err);
    if (status == STATUS_OK) {
        status = fill(file, info, &err);
        gguf_file_close(file);
    }
    if (status == STATUS_OK)
        *ret = &info->info;
    else
        fonte_model_info_free(&info->info);
    return api_finish(status, &err, error);
}

FonteModelInfo *fonte_model_info_free(FonteModelInfo *info) {
    if (info) arena_deinit(&((Info *)info)->arena);
    free(info);
    return NULL;
}

const FonteModelKey *fonte_model_info_key(const FonteModelInfo *info, const char *name) {
    for (size_t i = 0; info && name && i < info->n_keys; i++)
        if (strcmp(info->keys[i].name, name) == 0) return &info->keys[i];
    return NULL;
}

static Status verify(const GgufFile *file, const FonteModelVerifyOptions *options, Err *err) {
    GgufVerifyOptions inner = { .n_threads = 0 };
    if (options)
        inner = (GgufVerifyOptions){ options->n_threads, options->progress, options->context };
    Vocab *vocab;
    if (gguf_file_key(file, "tokenizer.ggml.model")) {
        /* Tokenizers that this program does not have are no damage. */
        Status status = vocab_from_gguf(file, &vocab, err);
        if (status == STATUS_OK) vocab_free(vocab);
        if (status != STATUS_OK && status != STATUS_UNSUPPORTED) return status;
    }
    TRY(gguf_verify(file, &inner, err));
    return gguf_file_check_unchanged(file, err);
}

FonteStatus fonte_model_verify(const char *path, const FonteModelVerifyOptions *options,
                               FonteError *error) {
    GgufFile *file;
    NEED(path, error);
    TRY(gguf_file_open(path, NULL, &file, error));
    Err err = { 0 };
    Status status = verify(file, options, &err);
    gguf_file_close(file);
    return api_finish(status, &err, error);
}

/* ---- other formats ----------------------------------------------------------------------------
 */

const char *fonte_quantize_type(size_t i) {
    for (const GgufMix *mix = gguf_mixes; mix->name; mix++)
        if (i-- == 0) return mix->name;
    return NULL;
}

static bool tell_progress(void *user, uint64_t done, uint64_t total) {
    const FonteQuantizeOptions *options = user;
    return !options->progress || options->progress(options->context, done, total);
}

static void tell_tensor(void *user, const GgufTensorReport *t) {
    const FonteQuantizeOptions *options = user;
    char name[256]; /* the file's limit is below this: gguf/file.h, max_name_bytes */
    if (!options->report) return;
    snprintf(name, sizeof name, "%.*s", SLICE_ARGS(t->name));
    FonteTensorError out = {
        .name = name,
        .from = gguf_type_name(t->from),
        .to = gguf_type_name(t->to),
        .n_elements = t->n_elements,
        .n_bytes = t->bytes,
        .rmse = t->rmse,
        .relative = t->relative,
        .max_error = t->max_error,
    };
    options->report(options->context, &out);
}

FonteStatus fonte_model_quantize(const char *in_path, const char *out_path, const char *type,
                                 const FonteQuantizeOptions *options, FonteQuantized *ret,
                                 FonteError *error) {
    NEED(in_path, error);
    NEED(out_path, error);
    NEED(type, error);
    static const FonteQuantizeOptions defaults;
    if (!options) options = &defaults;
    GgufQuantizeOptions inner = {
        .n_threads = options->n_threads,
        .pure = options->pure,
        .progress = tell_progress,
        .report = tell_tensor,
        .user = (void *)options,
    };
    GgufQuantizeSummary sum;
    Err err = { 0 };
    Status status = gguf_quantize(in_path, out_path, type, &inner, &sum, &err);
    if (status == STATUS_OK && ret)
        *ret = (FonteQuantized){
            .in_bytes = sum.in_bytes,
            .out_bytes = sum.out_bytes,
            .n_parameters = sum.n_elements,
            .n_tensors = sum.n_tensors,
            .n_changed = sum.n_changed,
            .bits_per_weight = sum.bits_per_weight,
            .relative = sum.relative,
        };
    return api_finish(status, &err, error);
}

FonteStatus fonte_model_convert(const char *folder, const char *out_path,
                                const FonteConvertOptions *options, FonteConverted *ret,
                                FonteError *error) {
    NEED(folder, error);
    NEED(out_path, error);
    GgufConvertOptions inner = { 0 };
    if (options)
        inner = (GgufConvertOptions){ .type = options->type,
                                      .name = options->name,
                                      .progress = options->progress,
                                      .user = options->context };
    GgufConvertSummary sum;
    Err err = { 0 };
    Status status = gguf_convert(folder, out_path, &inner, &sum, &err);
    if (status == STATUS_OK && ret)
        *ret = (FonteConverted){ sum.n_tensors, sum.n_elements, sum.out_bytes,
                                 gguf_type_name(sum.type) };
    return api_finish(status, &err, error);
}

const char *fonte_random_shape(size_t i) {
    for (const GgufRandomShape *shape = gguf_random_shapes; shape->name; shape++)
        if (i-- == 0) return shape->name;
    return NULL;
}

FonteStatus fonte_model_random(const char *shape, const char *type, const char *out_path,
                               const FonteRandomOptions *options, FonteConverted *ret,
                               FonteError *error) {
    NEED(shape, error);
    NEED(type, error);
    NEED(out_path, error);
    GgufRandomOptions inner = { 0 };
    if (options)
        inner = (GgufRandomOptions){ options->n_layers, options->seed, options->progress,
                                     options->context };
    GgufRandomSummary sum;
    Err err = { 0 };
    Status status = gguf_random(out_path, shape, type, &inner, &sum, &err);
    if (status == STATUS_OK && ret)
        *ret = (FonteConverted){ sum.n_tensors, sum.n_elements, sum.out_bytes,
                                 gguf_mix_find(type)->name };
    return api_finish(status, &err, error);
}
