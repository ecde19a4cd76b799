/* config.json of the architectures that are LLaMA's own, with the defaults that transformers has
 * where a field is missing. What would change the computation and is not known is refused by name:
 * a model that runs and is subtly wrong is the worst outcome. */
#include "gguf/hf_internal.h"

#include <math.h>

enum { MAX_DIM = 1 << 20, MAX_LAYERS = 4096, MAX_CONTEXT = 1 << 30 };

static const char *text_of(const cJSON *object, const char *name) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static Status refuse(const HfJson *json, const char *name, const char *value, Err *err) {
    return err_set_param(err, STATUS_UNSUPPORTED, name, "%s: %s '%.80s' is not supported",
                         json->path, name, value);
}

static Status check_architecture(const HfJson *json, bool *ret_mistral, Err *err) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json->root, "architectures");
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(list, 0));
    const char *type = text_of(json->root, "model_type");
    if (!name) name = type ? type : "(none)";
    *ret_mistral = strcmp(name, "MistralForCausalLM") == 0 || strcmp(name, "mistral") == 0;
    if (*ret_mistral || strcmp(name, "LlamaForCausalLM") == 0 || strcmp(name, "llama") == 0) {
        return STATUS_OK;
    }
    return refuse(json, "architecture", name, err);
}

static Status check_variants(const HfJson *json, Err *err) {
    const char *act = text_of(json->root, "hidden_act");
    if (act && strcmp(act, "silu") != 0) return refuse(json, "hidden_act", act, err);
    static const char *const flags[] = { "attention_bias", "mlp_bias" };
    for (size_t i = 0; i < N_ELEMENTS(flags); i++) {
        bool set = false;
        TRY(gguf_optional(hf_json_bool(json, json->root, flags[i], &set, err)));
        if (set) return refuse(json, flags[i], "true", err);
    }
    const cJSON *q = cJSON_GetObjectItemCaseSensitive(json->root, "quantization_config");
    if (cJSON_IsObject(q)) {
        const char *method = text_of(q, "quant_method");
        return refuse(json, "quantization_config", method ? method : "(unnamed)", err);
    }
    return STATUS_OK;
}

static Status take_sizes(const HfJson *json, HfConfig *c, Err *err) {
    const cJSON *root = json->root;
    TRY(gguf_required(hf_json_uint(json, root, "hidden_size", MAX_DIM, &c->dim, err), err));
    TRY(gguf_required(hf_json_uint(json, root, "intermediate_size", MAX_DIM * 4, &c->ffn, err),
                      err));
    TRY(gguf_required(hf_json_uint(json, root, "num_hidden_layers", MAX_LAYERS, &c->n_layers, err),
                      err));
    TRY(gguf_required(hf_json_uint(json, root, "num_attention_heads", MAX_DIM, &c->n_heads, err),
                      err));
    TRY(gguf_required(hf_json_uint(json, root, "vocab_size", 1 << 24, &c->n_vocab, err), err));
    c->n_kv_heads = c->n_heads;
    TRY(gguf_optional(
        hf_json_uint(json, root, "num_key_value_heads", MAX_DIM, &c->n_kv_heads, err)));
    c->context = 2048;
    TRY(gguf_optional(
        hf_json_uint(json, root, "max_position_embeddings", MAX_CONTEXT, &c->context, err)));
    if (!c->dim || !c->ffn || !c->n_layers || !c->n_heads || !c->n_kv_heads || !c->n_vocab ||
        !c->context || c->n_heads % c->n_kv_heads != 0) {
        return err_set(err, STATUS_DAMAGED, "%s: sizes that are 0 or do not fit together",
                       json->path);
    }
    c->head_dim = c->dim / c->n_heads;
    Status status = hf_json_uint(json, root, "head_dim", MAX_DIM, &c->head_dim, err);
    c->has_head_dim = status == STATUS_OK;
    TRY(gguf_optional(status));
    if (!c->head_dim || c->head_dim % 2 != 0 || (!c->has_head_dim && c->dim % c->n_heads != 0)) {
        return err_set(err, STATUS_DAMAGED, "%s: heads of %llu dimensions are not possible",
                       json->path, (unsigned long long)c->head_dim);
    }
    return STATUS_OK;
}

static Status take_llama3(const HfJson *json, const cJSON *scaling, HfConfig *c, Err *err) {
    TRY(gguf_required(hf_json_float(json, scaling, "low_freq_factor", &c->low_freq, err), err));
    TRY(gguf_required(hf_json_float(json, scaling, "high_freq_factor", &c->high_freq, err), err));
    TRY(gguf_required(hf_json_uint(json, scaling, "original_max_position_embeddings", MAX_CONTEXT,
                                   &c->original_context, err),
                      err));
    if (c->high_freq <= c->low_freq || !c->original_context) {
        return err_set_param(err, STATUS_DAMAGED, "rope_scaling",
                             "%s: rope_scaling: frequency factors do not fit together", json->path);
    }
    return STATUS_OK;
}

static Status take_yarn(const HfJson *json, const cJSON *scaling, HfConfig *c, Err *err) {
    c->original_context = c->context;
    TRY(gguf_optional(hf_json_uint(json, scaling, "original_max_position_embeddings", MAX_CONTEXT,
                                   &c->original_context, err)));
    TRY(gguf_optional(hf_json_float(json, scaling, "beta_fast", &c->beta_fast, err)));
    TRY(gguf_optional(hf_json_float(json, scaling, "beta_slow", &c->beta_slow, err)));
    TRY(gguf_optional(hf_json_float(json, scaling, "attention_factor", &c->attention_factor, err)));
    static const char *const others[] = { "mscale", "mscale_all_dim" };
    for (size_t i = 0; i < N_ELEMENTS(others); i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(scaling, others[i]);
        if (cJSON_IsNumber(item)) return refuse(json, "rope_scaling with", others[i], err);
    }
    return STATUS_OK;
}

/* Old files: rope_theta and rope_scaling beside each other; new ones: both in rope_parameters. */
static Status take_rope(const HfJson *json, HfConfig *c, Err *err) {
    const cJSON *scaling = cJSON_GetObjectItemCaseSensitive(json->root, "rope_scaling");
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(json->root, "rope_parameters");
    c->theta = 10000;
    TRY(gguf_optional(hf_json_float(json, json->root, "rope_theta", &c->theta, err)));
    if (cJSON_IsObject(parameters)) {
        scaling = parameters;
        TRY(gguf_optional(hf_json_float(json, parameters, "rope_theta", &c->theta, err)));
    }
    if (!cJSON_IsObject(scaling)) return STATUS_OK;
    const char *type = text_of(scaling, "rope_type");
    if (!type) type = text_of(scaling, "type");
    if (!type) return refuse(json, "rope_scaling", "(without type)", err);
    if (strcmp(type, "default") == 0) return STATUS_OK;
    TRY(gguf_optional(hf_json_float(json, scaling, "factor", &c->rope_factor, err)));
    bool linear = strcmp(type, "linear") == 0, yarn = strcmp(type, "yarn") == 0;
    if (!linear && !yarn && strcmp(type, "llama3") != 0) {
        return refuse(json, "rope_scaling", type, err);
    }
    if (c->rope_factor == 0) {
        return err_set_param(err, STATUS_DAMAGED, "rope_scaling",
                             "%s: rope_scaling: 'factor' is missing", json->path);
    }
    c->rope = linear ? HF_ROPE_LINEAR : yarn ? HF_ROPE_YARN : HF_ROPE_LLAMA3;
    if (yarn) return take_yarn(json, scaling, c, err);
    return linear ? STATUS_OK : take_llama3(json, scaling, c, err);
}

static Status take_ids(const HfJson *json, HfConfig *c, Err *err) {
    uint64_t id;
    c->bos = c->pad = -1;
    Status status = hf_json_uint(json, json->root, "bos_token_id", UINT32_MAX, &id, err);
    TRY(gguf_optional(status));
    if (status == STATUS_OK) c->bos = (int64_t)id;
    /* -1 is written for "no padding" by some */
    const cJSON *pad = cJSON_GetObjectItemCaseSensitive(json->root, "pad_token_id");
    if (cJSON_IsNumber(pad) && pad->valuedouble >= 0) {
        TRY(hf_json_uint(json, json->root, "pad_token_id", UINT32_MAX, &id, err));
        c->pad = (int64_t)id;
    }
    const cJSON *eos = cJSON_GetObjectItemCaseSensitive(json->root, "eos_token_id"), *item;
    if (!cJSON_IsArray(eos)) {
        status = hf_json_uint(json, json->root, "eos_token_id", UINT32_MAX, &id, err);
        TRY(gguf_optional(status));
        if (status == STATUS_OK) c->eos[c->n_eos++] = (int64_t)id;
        return STATUS_OK;
    }
    cJSON_ArrayForEach(item, eos) {
        double d = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(d >= 0 && d <= UINT32_MAX) || d != floor(d) || c->n_eos == HF_MAX_EOS) {
            return err_set_param(err, STATUS_DAMAGED, "eos_token_id",
                                 "%s: 'eos_token_id' is no list of up to %d ids", json->path,
                                 HF_MAX_EOS);
        }
        c->eos[c->n_eos++] = (int64_t)d;
    }
    return STATUS_OK;
}

static Status take_config(const HfJson *json, HfConfig *c, Err *err) {
    bool mistral = false;
    TRY(check_architecture(json, &mistral, err));
    TRY(check_variants(json, err));
    TRY(take_sizes(json, c, err));
    c->eps = 1e-6F;
    TRY(gguf_optional(hf_json_float(json, json->root, "rms_norm_eps", &c->eps, err)));
    TRY(take_rope(json, c, err));
    TRY(gguf_optional(hf_json_bool(json, json->root, "tie_word_embeddings", &c->tied, err)));
    if (mistral) {
        TRY(gguf_optional(
            hf_json_uint(json, json->root, "sliding_window", MAX_CONTEXT, &c->window, err)));
    }
    return take_ids(json, c, err);
}

Status hf_config_read(const char *folder, HfConfig *ret, Err *err) {
    CLEANUP(hf_json_deinit) HfJson json = HF_JSON_NULL;
    HfConfig config = { 0 };
    TRY(hf_json_read(folder, "config.json", &json, err));
    TRY(take_config(&json, &config, err));
    *ret = config;
    return STATUS_OK;
}

static void write_yarn(const HfConfig *c, GgufWriter *w) {
    gguf_writer_u32(w, "llama.rope.scaling.original_context_length", (uint32_t)c->original_context);
    /* config.json states the whole factor, GGUF what multiplies YaRN's own, 0.1 ln(s) + 1 */
    float own = 0.1F * logf(c->rope_factor) + 1;
    if (c->attention_factor != 0 && fabsf(c->attention_factor - own) > 1e-6F * own) {
        gguf_writer_f32(w, "llama.rope.scaling.attn_factor", c->attention_factor / own);
    }
    if (c->beta_fast != 0 && c->beta_fast != 32) {
        gguf_writer_f32(w, "llama.rope.scaling.yarn_beta_fast", c->beta_fast);
    }
    if (c->beta_slow != 0 && c->beta_slow != 1) {
        gguf_writer_f32(w, "llama.rope.scaling.yarn_beta_slow", c->beta_slow);
    }
}

void hf_config_write(const HfConfig *c, GgufWriter *w) {
    gguf_writer_u32(w, "llama.vocab_size", (uint32_t)c->n_vocab);
    gguf_writer_u32(w, "llama.context_length", (uint32_t)c->context);
    gguf_writer_u32(w, "llama.embedding_length", (uint32_t)c->dim);
    gguf_writer_u32(w, "llama.block_count", (uint32_t)c->n_layers);
    gguf_writer_u32(w, "llama.feed_forward_length", (uint32_t)c->ffn);
    gguf_writer_u32(w, "llama.attention.head_count", (uint32_t)c->n_heads);
    gguf_writer_u32(w, "llama.attention.head_count_kv", (uint32_t)c->n_kv_heads);
    if (c->has_head_dim) {
        gguf_writer_u32(w, "llama.attention.key_length", (uint32_t)c->head_dim);
        gguf_writer_u32(w, "llama.attention.value_length", (uint32_t)c->head_dim);
    }
    gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", c->eps);
    if (c->window) gguf_writer_u32(w, "llama.attention.sliding_window", (uint32_t)c->window);
    gguf_writer_u32(w, "llama.rope.dimension_count", (uint32_t)c->head_dim);
    gguf_writer_f32(w, "llama.rope.freq_base", c->theta);
    if (c->rope != HF_ROPE_LINEAR && c->rope != HF_ROPE_YARN) return;
    bool yarn = c->rope == HF_ROPE_YARN;
    gguf_writer_string(w, "llama.rope.scaling.type", yarn ? SLICE("yarn") : SLICE("linear"));
    gguf_writer_f32(w, "llama.rope.scaling.factor", c->rope_factor);
    if (yarn) write_yarn(c, w);
}

/* Llama 3.1: wave lengths above the original context / low are slowed down by the whole factor,
 * those below / high not at all, smoothly in between. The file stores what angles are divided by.
 */
void hf_config_rope_factors(const HfConfig *c, float *ret) {
    double context = (double)c->original_context;
    double longest = context / c->low_freq, shortest = context / c->high_freq;
    for (uint64_t i = 0; i < c->head_dim / 2; i++) {
        double exponent = 2.0 * (double)i / (double)c->head_dim;
        double wave = 2 * 3.14159265358979323846 * pow(c->theta, exponent);
        if (wave < shortest) {
            ret[i] = 1;
        } else if (wave > longest) {
            ret[i] = c->rope_factor;
        } else {
            double smooth = (context / wave - c->low_freq) / (c->high_freq - c->low_freq);
            ret[i] = (float)(1 / ((1 - smooth) / c->rope_factor + smooth));
        }
    }
}
