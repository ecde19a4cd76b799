/* The vocabulary: tokenizer.model where there is one, else tokenizer.json; then what
 * tokenizer_config.json, added_tokens.json and config.json add or override. The result has exactly
 * one token for each row of the embeddings; rows without a token get "[PAD<id>]", unused. */
#include "gguf/hf_internal.h"

#include "base/file.h"
#include "gguf/sentencepiece.h"
#include <stdio.h>

enum { MAX_TEMPLATE_BYTES = 1 << 20, MAX_MODEL_BYTES = 256 << 20 };

static void vocab_deinit(HfVocab *v) {
    arena_deinit(&v->arena);
    free(v->tokens);
    free(v->scores);
    free(v->types);
    free(v->merges);
    buf_deinit(&v->chat_template);
}

static Status no_memory(const char *path, Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
}

Status hf_vocab_set(HfVocab *v, const char *path, uint64_t id, Slice text, int32_t type,
                    float score, Err *err) {
    if (id >= v->n) {
        return err_set(err, STATUS_DAMAGED, "%s: token id %llu, but there are %zu embeddings", path,
                       (unsigned long long)id, v->n);
    }
    if (v->types[id] && !slice_equal(v->tokens[id], text) && v->types[id] != HF_UNUSED) {
        return err_set(err, STATUS_DAMAGED, "%s: token id %llu is both '%.*s' and '%.*s'", path,
                       (unsigned long long)id, NAME_ARGS(v->tokens[id]), NAME_ARGS(text));
    }
    const char *copy = arena_string(&v->arena, text);
    if (!copy) return no_memory(path, err);
    v->tokens[id] = (Slice){ copy, text.n };
    v->types[id] = type;
    if (v->scores) v->scores[id] = score;
    return STATUS_OK;
}

/* ---- tokenizer.model ------------------------------------------------------------------------ */

static void sentencepiece_cleanup(Sentencepiece *model) {
    sentencepiece_deinit(model);
}

static Status read_sentencepiece(const char *path, HfVocab *v, Err *err) {
    AUTO_BUF Buf bytes = BUF_NULL;
    TRY(file_read(path, MAX_MODEL_BYTES, &bytes, err));
    CLEANUP(sentencepiece_cleanup) Sentencepiece model = SENTENCEPIECE_NULL;
    TRY(sentencepiece_parse(buf_slice(&bytes), path, &model, err));
    if (model.model != SENTENCEPIECE_BPE) {
        return err_set(err, STATUS_UNSUPPORTED, "%s: only SentencePiece BPE is supported", path);
    }
    for (size_t i = 0; i < model.n_pieces; i++) {
        const SentencepiecePiece *p = &model.pieces[i];
        TRY(hf_vocab_set(v, path, i, p->text, p->type, p->score, err));
    }
    v->unk = model.unk_id;
    v->bos = model.bos_id;
    v->eos = model.eos_id;
    v->pad = model.pad_id;
    v->add_space_prefix = model.add_dummy_prefix;
    v->remove_spaces = model.remove_extra_whitespaces;
    return STATUS_OK;
}

/* ---- what other files add ------------------------------------------------------------------- */

/* added_tokens.json: {"text": id} */
static Status read_added(const char *folder, HfVocab *v, Err *err) {
    CLEANUP(hf_json_deinit) HfJson json = HF_JSON_NULL;
    Status status = hf_json_read(folder, "added_tokens.json", &json, err);
    if (status != STATUS_OK) return gguf_optional(status);
    const cJSON *item;
    cJSON_ArrayForEach(item, json.root) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < 0x1p31)) {
            return err_set(err, STATUS_DAMAGED, "%s: '%.80s' has no id", json.path, item->string);
        }
        uint64_t id = (uint64_t)item->valuedouble;
        if (id < v->n && v->types[id] && v->types[id] != HF_UNUSED) continue;
        TRY(hf_vocab_set(v, json.path, id, slice_of(item->string), HF_USER_DEFINED, -1000, err));
    }
    return STATUS_OK;
}

/* tokenizer_config.json: added_tokens_decoder {"id": {"content", "special"}} */
static Status read_decoder(const HfJson *json, HfVocab *v, Err *err) {
    const cJSON *decoder = cJSON_GetObjectItemCaseSensitive(json->root, "added_tokens_decoder");
    const cJSON *item;
    cJSON_ArrayForEach(item, decoder) {
        char *end = NULL;
        unsigned long long id = item->string ? strtoull(item->string, &end, 10) : 0;
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "content"));
        if (!end || end == item->string || *end || !text) {
            return err_set(err, STATUS_DAMAGED, "%s: added_tokens_decoder is malformed",
                           json->path);
        }
        if (id < v->n && v->types[id] && v->types[id] != HF_UNUSED) continue;
        bool special = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "special"));
        TRY(hf_vocab_set(v, json->path, id, slice_of(text), special ? HF_CONTROL : HF_USER_DEFINED,
                         -1000, err));
    }
    return STATUS_OK;
}

static int64_t find_token(const HfVocab *v, Slice text) {
    for (size_t i = 0; i < v->n; i++) {
        if (v->types[i] && slice_equal(v->tokens[i], text)) return (int64_t)i;
    }
    return -1;
}

/* "bos_token": "<s>" or {"content": "<s>"} */
static void read_special(const HfJson *json, const char *name, const HfVocab *v, int64_t *ret) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json->root, name);
    if (cJSON_IsObject(item)) item = cJSON_GetObjectItemCaseSensitive(item, "content");
    const char *text = cJSON_GetStringValue(item);
    int64_t id = text ? find_token(v, slice_of(text)) : -1;
    if (id >= 0) *ret = id;
}

/* A string, or [{"name", "template"}] with one named "default". */
static const char *template_of(const HfJson *json) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json->root, "chat_template"), *one;
    if (!cJSON_IsArray(item)) return cJSON_GetStringValue(item);
    cJSON_ArrayForEach(one, item) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "name"));
        if (name && strcmp(name, "default") == 0) {
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "template"));
        }
    }
    return NULL;
}

static Status read_template(const char *folder, const HfJson *json, HfVocab *v, Err *err) {
    AUTO_FREE char *path = hf_path(folder, "chat_template.jinja");
    if (!path) return no_memory(folder, err);
    TRY(gguf_optional(file_read(path, MAX_TEMPLATE_BYTES, &v->chat_template, err)));
    const char *text = template_of(json);
    if (v->chat_template.n == 0 && text) buf_append_string(&v->chat_template, text);
    return buf_status(&v->chat_template, err);
}

static Status read_tokenizer_config(const char *folder, HfVocab *v, Err *err) {
    CLEANUP(hf_json_deinit) HfJson json = HF_JSON_NULL;
    Status status = hf_json_read(folder, "tokenizer_config.json", &json, err);
    if (status == STATUS_NOT_FOUND) return read_template(folder, &json, v, err);
    TRY(status);
    TRY(read_decoder(&json, v, err));
    read_special(&json, "bos_token", v, &v->bos);
    read_special(&json, "eos_token", v, &v->eos);
    read_special(&json, "unk_token", v, &v->unk);
    read_special(&json, "pad_token", v, &v->pad);
    TRY(gguf_optional(hf_json_bool(&json, json.root, "add_bos_token", &v->add_bos, err)));
    TRY(gguf_optional(hf_json_bool(&json, json.root, "add_eos_token", &v->add_eos, err)));
    return read_template(folder, &json, v, err);
}

/* ---- together ------------------------------------------------------------------------------- */

static Status read_tokens(const char *folder, HfVocab *v, Err *err) {
    AUTO_FREE char *path = hf_path(folder, "tokenizer.model");
    if (!path) return no_memory(folder, err);
    v->model = "llama";
    v->pre = "default";
    v->add_bos = true;
    Status status = read_sentencepiece(path, v, err);
    if (status != STATUS_NOT_FOUND) return status;
    CLEANUP(hf_json_deinit) HfJson json = HF_JSON_NULL;
    status = hf_json_read(folder, "tokenizer.json", &json, err);
    if (status == STATUS_NOT_FOUND) {
        return err_set(err, STATUS_INVALID,
                       "%s: neither tokenizer.model nor tokenizer.json is there", folder);
    }
    TRY(status);
    return hf_bpe_read(&json, v, err);
}

/* config.json knows ids where the tokenizer's own files say nothing. */
static void apply_config(const HfConfig *config, HfVocab *v) {
    if (v->bos < 0) v->bos = config->bos;
    if (v->pad < 0) v->pad = config->pad;
    if (v->eos < 0 && config->n_eos) v->eos = config->eos[0];
    static const char *const turns[] = { "<|eot_id|>", "<|im_end|>" };
    for (size_t i = 0; i < N_ELEMENTS(turns) && v->eot < 0; i++) {
        v->eot = find_token(v, slice_of(turns[i]));
    }
}

static Status fill_gaps(const char *folder, HfVocab *v, Err *err) {
    size_t n_gaps = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (v->types[i]) continue;
        char name[32];
        snprintf(name, sizeof name, "[PAD%zu]", i);
        TRY(hf_vocab_set(v, folder, i, slice_of(name), HF_UNUSED, -1000, err));
        n_gaps++;
    }
    if (n_gaps == v->n) return err_set(err, STATUS_DAMAGED, "%s: no tokens", folder);
    return STATUS_OK;
}

static Status write_id(GgufWriter *w, const char *folder, const HfVocab *v, const char *key,
                       int64_t id, Err *err) {
    if (id < 0) return STATUS_OK;
    if ((uint64_t)id >= v->n) {
        return err_set(err, STATUS_DAMAGED, "%s: %s %lld, but there are %zu tokens", folder, key,
                       (long long)id, v->n);
    }
    gguf_writer_u32(w, key, (uint32_t)id);
    return STATUS_OK;
}

static Status write_vocab(GgufWriter *w, const char *folder, const HfVocab *v, Err *err) {
    bool spm = v->scores != NULL;
    gguf_writer_string(w, "tokenizer.ggml.model", slice_of(v->model));
    gguf_writer_string(w, "tokenizer.ggml.pre", slice_of(v->pre));
    gguf_writer_strings(w, "tokenizer.ggml.tokens", v->tokens, v->n);
    if (spm) gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_VALUE_F32, v->scores, v->n);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_VALUE_I32, v->types, v->n);
    if (!spm) gguf_writer_strings(w, "tokenizer.ggml.merges", v->merges, v->n_merges);
    TRY(write_id(w, folder, v, "tokenizer.ggml.bos_token_id", v->bos, err));
    TRY(write_id(w, folder, v, "tokenizer.ggml.eos_token_id", v->eos, err));
    TRY(write_id(w, folder, v, "tokenizer.ggml.unknown_token_id", v->unk, err));
    TRY(write_id(w, folder, v, "tokenizer.ggml.padding_token_id", v->pad, err));
    TRY(write_id(w, folder, v, "tokenizer.ggml.eot_token_id", v->eot, err));
    gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    gguf_writer_bool(w, "tokenizer.ggml.add_eos_token", v->add_eos);
    if (spm) {
        gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
        gguf_writer_bool(w, "tokenizer.ggml.remove_extra_whitespaces", v->remove_spaces);
    }
    if (v->chat_template.n) {
        gguf_writer_string(w, "tokenizer.chat_template", buf_slice(&v->chat_template));
    }
    return STATUS_OK;
}

Status hf_vocab_write(const char *folder, const HfConfig *config, GgufWriter *writer, Err *err) {
    CLEANUP(vocab_deinit) HfVocab v = { .n = (size_t)config->n_vocab };
    v.bos = v.eos = v.unk = v.pad = v.eot = -1;
    v.tokens = mem_alloc(v.n, sizeof *v.tokens);
    v.scores = mem_alloc(v.n, sizeof *v.scores);
    v.types = mem_alloc(v.n, sizeof *v.types);
    if (!v.tokens || !v.scores || !v.types) return no_memory(folder, err);
    TRY(read_tokens(folder, &v, err));
    TRY(read_added(folder, &v, err));
    TRY(read_tokenizer_config(folder, &v, err));
    apply_config(config, &v);
    TRY(fill_gaps(folder, &v, err));
    return write_vocab(writer, folder, &v, err);
}
