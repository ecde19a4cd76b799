/* The keys that describe a Llama: read, defaulted as llama.cpp does, checked. Keys that would
 * change the computation and are not Llama's are refused, lest a file be answered wrongly. */
#include "llm/model.h"

#include "base/mem.h"
#include <math.h>

static const char *const foreign_keys[] = {
    "llama.attention.scale",         "llama.logit_scale",
    "llama.residual_scale",          "llama.embedding_scale",
    "llama.attention.clamp_kqv",     "llama.attention.max_alibi_bias",
    "llama.attn_logit_softcapping",  "llama.final_logit_softcapping",
    "llama.attention.kv_lora_rank",  "llama.interleave_moe_layer_step",
    "llama.rope.dimension_sections", "llama.attention.temperature_length",
};

static Status check_architecture(const GgufFile *file, Err *err) {
    Slice name;
    TRY(gguf_required(gguf_file_string(file, "general.architecture", &name, err), err));
    if (!slice_equal(name, SLICE("llama"))) {
        return err_set(err, STATUS_UNSUPPORTED,
                       "%s: architecture \"%.*s\" is not supported (llama is)",
                       gguf_file_path(file), SLICE_ARGS(name));
    }
    uint64_t n_experts = 0, n_parts = 1, part = 0;
    TRY(gguf_optional(gguf_file_count(file, "split.count", UINT32_MAX, &n_parts, err)));
    TRY(gguf_optional(gguf_file_count(file, "split.no", UINT32_MAX, &part, err)));
    if (n_parts > 1) {
        return err_set(err, STATUS_UNSUPPORTED,
                       "%s: part %llu of %llu (split.count): split models are not supported, "
                       "join the parts first",
                       gguf_file_path(file), (unsigned long long)part + 1,
                       (unsigned long long)n_parts);
    }
    TRY(gguf_optional(gguf_file_count(file, "llama.expert_count", UINT32_MAX, &n_experts, err)));
    if (n_experts > 0) {
        return err_set(err, STATUS_UNSUPPORTED,
                       "%s: mixtures of experts are not supported (llama.expert_count = %llu)",
                       gguf_file_path(file), (unsigned long long)n_experts);
    }
    for (size_t i = 0; i < N_ELEMENTS(foreign_keys); i++) {
        if (!gguf_file_key(file, foreign_keys[i])) continue;
        return err_set(err, STATUS_UNSUPPORTED, "%s: key %s is not supported", gguf_file_path(file),
                       foreign_keys[i]);
    }
    bool causal = true;
    TRY(gguf_optional(gguf_file_bool(file, "llama.attention.causal", &causal, err)));
    if (causal) return STATUS_OK;
    return err_set(err, STATUS_UNSUPPORTED,
                   "%s: attention in both directions (llama.attention.causal = false) is not "
                   "supported",
                   gguf_file_path(file));
}

/* A required count in [1, max]. */
static Status read_size(const GgufFile *file, const char *key, uint64_t max, size_t *ret,
                        Err *err) {
    uint64_t n;
    TRY(gguf_required(gguf_file_count(file, key, max, &n, err), err));
    if (n == 0) return err_set(err, STATUS_DAMAGED, "%s: %s is 0", gguf_file_path(file), key);
    *ret = (size_t)n;
    return STATUS_OK;
}

/* The same where the key may be missing: ret keeps its value. */
static Status read_optional_size(const GgufFile *file, const char *key, uint64_t max, size_t *ret,
                                 Err *err) {
    return gguf_file_key(file, key) ? read_size(file, key, max, ret, err) : STATUS_OK;
}

/* A number in [min, max]; where the key is missing, ret keeps its value. */
static Status read_number(const GgufFile *file, const char *key, double min, double max,
                          double *ret, Err *err) {
    if (!gguf_file_key(file, key)) return STATUS_OK;
    float value;
    TRY(gguf_file_f32(file, key, &value, err));
    if (!(value >= min && value <= max)) {
        return err_set(err, STATUS_DAMAGED, "%s: %s is %g, not in [%g, %g]", gguf_file_path(file),
                       key, (double)value, min, max);
    }
    *ret = value;
    return STATUS_OK;
}

static Status read_heads(const GgufFile *file, LlmShape *s, Err *err) {
    TRY(read_size(file, "llama.attention.head_count", LLM_MAX_HEADS, &s->n_heads, err));
    s->n_kv_heads = s->n_heads;
    TRY(read_optional_size(file, "llama.attention.head_count_kv", LLM_MAX_HEADS, &s->n_kv_heads,
                           err));
    if (s->n_heads % s->n_kv_heads != 0) {
        return err_set(err, STATUS_DAMAGED, "%s: %zu heads cannot share %zu key/value heads",
                       gguf_file_path(file), s->n_heads, s->n_kv_heads);
    }
    bool lengths = gguf_file_key(file, "llama.attention.key_length") &&
                   gguf_file_key(file, "llama.attention.value_length");
    if (!lengths && s->dim % s->n_heads != 0) {
        return err_set(err, STATUS_DAMAGED,
                       "%s: llama.embedding_length %zu is no multiple of %zu heads",
                       gguf_file_path(file), s->dim, s->n_heads);
    }
    s->key_dim = s->value_dim = s->dim / s->n_heads;
    TRY(read_optional_size(file, "llama.attention.key_length", LLM_MAX_HEAD_DIM, &s->key_dim, err));
    TRY(read_optional_size(file, "llama.attention.value_length", LLM_MAX_HEAD_DIM, &s->value_dim,
                           err));
    if (s->key_dim > LLM_MAX_HEAD_DIM || s->value_dim > LLM_MAX_HEAD_DIM) {
        return err_set(err, STATUS_TOO_LARGE, "%s: heads of %zu elements, at most %d",
                       gguf_file_path(file), MAX(s->key_dim, s->value_dim), LLM_MAX_HEAD_DIM);
    }
    return STATUS_OK;
}

static Status read_scaling(const GgufFile *file, LlmRopeSpec *r, Err *err) {
    /* A factor without a type means linear: older files have only "scale_linear". */
    Slice type = SLICE("linear");
    TRY(gguf_optional(gguf_file_string(file, "llama.rope.scaling.type", &type, err)));
    double factor = 0;
    TRY(read_number(file, "llama.rope.scale_linear", 0, 1e6, &factor, err));
    TRY(read_number(file, "llama.rope.scaling.factor", 0, 1e6, &factor, err));
    if (slice_equal(type, SLICE("none"))) {
        r->scaling = LLM_ROPE_NONE;
    } else if (slice_equal(type, SLICE("linear"))) {
        r->scaling = LLM_ROPE_LINEAR;
    } else if (slice_equal(type, SLICE("yarn"))) {
        r->scaling = LLM_ROPE_YARN;
    } else {
        return err_set(err, STATUS_UNSUPPORTED,
                       "%s: RoPE scaling \"%.*s\" is not supported (none, linear, yarn are)",
                       gguf_file_path(file), SLICE_ARGS(type));
    }
    r->factor = factor == 0 ? 1 : factor;
    if (r->factor < 1e-6) {
        return err_set(err, STATUS_DAMAGED, "%s: llama.rope.scaling.factor is %g",
                       gguf_file_path(file), r->factor);
    }
    return STATUS_OK;
}

static Status read_rope(const GgufFile *file, const LlmShape *s, LlmRopeSpec *r, Err *err) {
    *r = (LlmRopeSpec){ .n_rotated = s->key_dim,
                        .theta = 10000,
                        .original_context = (double)s->context,
                        .attn_factor = 1,
                        .beta_fast = 32,
                        .beta_slow = 1 };
    TRY(read_optional_size(file, "llama.rope.dimension_count", LLM_MAX_HEAD_DIM, &r->n_rotated,
                           err));
    if (r->n_rotated % 2 != 0 || r->n_rotated > s->key_dim) {
        return err_set(
            err, STATUS_DAMAGED,
            "%s: llama.rope.dimension_count is %zu: not even, or above the %zu of a head",
            gguf_file_path(file), r->n_rotated, s->key_dim);
    }
    TRY(read_number(file, "llama.rope.freq_base", 1.0001, 1e30, &r->theta, err));
    TRY(read_scaling(file, r, err));
    size_t original = s->context;
    TRY(read_optional_size(file, "llama.rope.scaling.original_context_length", LLM_MAX_CONTEXT,
                           &original, err));
    r->original_context = (double)original;
    double attn = 1;
    TRY(read_number(file, "llama.rope.scaling.attn_factor", 0.001, 1000, &attn, err));
    TRY(read_number(file, "llama.rope.scaling.yarn_attn_factor", 0.001, 1000, &r->attn_factor,
                    err));
    r->attn_factor *= attn;
    double ext = -1; /* stands in some files; it means the scaling's own */
    TRY(read_number(file, "llama.rope.scaling.yarn_ext_factor", -1, 1, &ext, err));
    r->ext_factor = ext >= 0 ? ext : r->scaling == LLM_ROPE_YARN;
    TRY(read_number(file, "llama.rope.scaling.yarn_beta_fast", 1e-3, 1e6, &r->beta_fast, err));
    TRY(read_number(file, "llama.rope.scaling.yarn_beta_slow", 1e-3, 1e6, &r->beta_slow, err));
    return STATUS_OK;
}

Status llm_model_read_keys(const GgufFile *file, LlmShape *ret_shape, LlmRopeSpec *ret_rope,
                           Err *err) {
    TRY(check_architecture(file, err));
    LlmShape s = { 0 };
    TRY(read_size(file, "llama.block_count", LLM_MAX_LAYERS, &s.n_layers, err));
    TRY(read_size(file, "llama.embedding_length", LLM_MAX_DIM, &s.dim, err));
    TRY(read_size(file, "llama.feed_forward_length", LLM_MAX_DIM, &s.ffn_dim, err));
    TRY(read_size(file, "llama.context_length", LLM_MAX_CONTEXT, &s.context, err));
    TRY(read_optional_size(file, "llama.vocab_size", VOCAB_MAX_PIECES, &s.n_vocab, err));
    uint64_t window = 0;
    TRY(gguf_optional(
        gguf_file_count(file, "llama.attention.sliding_window", LLM_MAX_CONTEXT, &window, err)));
    s.window = (size_t)window;
    TRY(read_heads(file, &s, err));
    double eps = -1;
    TRY(read_number(file, "llama.attention.layer_norm_rms_epsilon", 0, 1, &eps, err));
    if (eps < 0) {
        return err_set(err, STATUS_DAMAGED,
                       "%s: key llama.attention.layer_norm_rms_epsilon is missing",
                       gguf_file_path(file));
    }
    s.eps = (float)eps;
    TRY(read_rope(file, &s, ret_rope, err));
    *ret_shape = s;
    return STATUS_OK;
}
