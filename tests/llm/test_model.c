/* What a model file may say: shapes of every kind are read, all that the forward pass does not
 * compute is refused by name. */
#include "llm/model.h"

#include "tiny_model.h"
#include <criterion/criterion.h>
#include <math.h>

static Status open_spec(const TinySpec *spec, Buf *bytes, LlmModel **ret, Err *err) {
    cr_assert_eq(tiny_build(spec, bytes, err), STATUS_OK, "%s", err->text);
    GgufFile *file = NULL;
    cr_assert_eq(gguf_file_open_memory(buf_slice(bytes), "tiny.gguf", NULL, &file, err), STATUS_OK,
                 "%s", err->text);
    Status status = llm_model_from_file(file, ret, err);
    if (status != STATUS_OK) gguf_file_close(file);
    return status;
}

static LlmModel *opened(const TinySpec *spec, Buf *bytes) {
    LlmModel *model = NULL;
    Err err = { 0 };
    cr_assert_eq(open_spec(spec, bytes, &model, &err), STATUS_OK, "%s", err.text);
    return model;
}

/* Refused with that status, by a message that has the file's name and the text. */
static void refused(const TinySpec *spec, Status status, const char *text) {
    AUTO_BUF Buf bytes = BUF_NULL;
    LlmModel *model = NULL;
    Err err = { 0 };
    Status got = open_spec(spec, &bytes, &model, &err);
    cr_assert_eq(got, status, "%s: status %d: %s", text, got, err.text);
    cr_assert_null(model);
    cr_assert(strstr(err.text, "tiny.gguf: "), "%s", err.text);
    cr_assert(strstr(err.text, text), "\"%s\" is not in: %s", text, err.text);
}

/* With a key or tensor replaced (without NULL: added). */
static void refused_with(const char *without, void (*more)(GgufWriter *), size_t n_more,
                         Status status, const char *text) {
    TinySpec spec = tiny_spec();
    spec.without = without;
    spec.more = more;
    spec.n_more = n_more;
    refused(&spec, status, text);
}

/* ---- what is read --------------------------------------------------------------------------- */

Test(llm_model, shape_and_defaults_are_read) {
    AUTO_BUF Buf bytes = BUF_NULL;
    TinySpec spec = tiny_spec();
    LlmModel *model = opened(&spec, &bytes);
    const LlmShape *s = &model->shape;
    cr_assert_eq(s->n_layers, 2);
    cr_assert_eq(s->dim, 64);
    cr_assert_eq(s->ffn_dim, 96);
    cr_assert_eq(s->n_vocab, 96);
    cr_assert_eq(s->n_heads, 4);
    cr_assert_eq(s->n_kv_heads, 2);
    cr_assert_eq(s->key_dim, 16);
    cr_assert_eq(s->value_dim, 16);
    cr_assert_eq(s->context, 256);
    cr_assert_eq(s->window, 0);
    cr_assert_eq(s->eps, 1e-5F);
    cr_assert_eq(model->rope.n_rotated, 16);
    cr_assert_eq(model->rope.per_position[0], 1);
    cr_assert(fabs(model->rope.per_position[1] - pow(10000, -2.0 / 16)) < 1e-15);
    cr_assert_not(model->tied);
    cr_assert_str_eq(model->name, "tiny");
    cr_assert_eq(model->layers[1].w_down.n_in, 96);
    cr_assert_eq(model->layers[1].w_down.n_rows, 64);
    llm_model_close(model);
}

static void rope_keys(GgufWriter *w) {
    gguf_writer_u32(w, "llama.attention.sliding_window", 40);
    gguf_writer_u32(w, "llama.rope.dimension_count", 12);
    gguf_writer_f32(w, "llama.rope.freq_base", 500000);
    gguf_writer_string(w, "llama.rope.scaling.type", SLICE("yarn"));
    gguf_writer_f32(w, "llama.rope.scaling.factor", 4);
    gguf_writer_u32(w, "llama.rope.scaling.original_context_length", 64);
    gguf_writer_f32(w, "llama.rope.scaling.attn_factor", 0.5F);
    gguf_writer_f32(w, "llama.rope.scaling.yarn_attn_factor", 3);
    gguf_writer_f32(w, "llama.rope.scaling.yarn_ext_factor", 0.75F);
    gguf_writer_f32(w, "llama.rope.scaling.yarn_beta_fast", 8);
    gguf_writer_f32(w, "llama.rope.scaling.yarn_beta_slow", 2);
}

Test(llm_model, window_and_yarn_are_read) {
    AUTO_BUF Buf bytes = BUF_NULL;
    TinySpec spec = tiny_spec();
    spec.more = rope_keys;
    LlmModel *model = opened(&spec, &bytes);
    cr_assert_eq(model->shape.window, 40);
    LlmShape shape;
    LlmRopeSpec rope;
    cr_assert_eq(llm_model_read_keys(model->file, &shape, &rope, NULL), STATUS_OK);
    cr_assert_eq(rope.n_rotated, 12);
    cr_assert_eq(rope.theta, 500000);
    cr_assert_eq(rope.scaling, LLM_ROPE_YARN);
    cr_assert_eq(rope.factor, 4);
    cr_assert_eq(rope.original_context, 64);
    cr_assert_eq(rope.attn_factor, 1.5);
    cr_assert_eq(rope.ext_factor, 0.75);
    cr_assert_eq(rope.beta_fast, 8);
    cr_assert_eq(rope.beta_slow, 2);
    llm_model_close(model);
}

static void old_linear(GgufWriter *w) {
    gguf_writer_f32(w, "llama.rope.scale_linear", 2);
}
static void yarn_default(GgufWriter *w) {
    gguf_writer_string(w, "llama.rope.scaling.type", SLICE("yarn"));
    gguf_writer_f32(w, "llama.rope.scaling.yarn_ext_factor", -1);
}
static void scaling_none(GgufWriter *w) {
    gguf_writer_string(w, "llama.rope.scaling.type", SLICE("none"));
    gguf_writer_f32(w, "llama.rope.scaling.factor", 8);
}

Test(llm_model, scalings_have_their_defaults) {
    static const struct {
        void (*more)(GgufWriter *);
        LlmRopeScaling scaling;
        double factor, ext_factor, original;
    } cases[] = { { NULL, LLM_ROPE_LINEAR, 1, 0, 256 },
                  { old_linear, LLM_ROPE_LINEAR, 2, 0, 256 },
                  { yarn_default, LLM_ROPE_YARN, 1, 1, 256 },
                  { scaling_none, LLM_ROPE_NONE, 8, 0, 256 } };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        AUTO_BUF Buf bytes = BUF_NULL;
        TinySpec spec = tiny_spec();
        spec.more = cases[i].more;
        LlmModel *model = opened(&spec, &bytes);
        LlmShape shape;
        LlmRopeSpec rope;
        cr_assert_eq(llm_model_read_keys(model->file, &shape, &rope, NULL), STATUS_OK);
        cr_assert_eq(rope.scaling, cases[i].scaling, "case %zu", i);
        cr_assert_eq(rope.factor, cases[i].factor, "case %zu", i);
        cr_assert_eq(rope.ext_factor, cases[i].ext_factor, "case %zu", i);
        cr_assert_eq(rope.original_context, cases[i].original, "case %zu", i);
        llm_model_close(model);
    }
}

static void one_layer_freqs(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("rope_freqs.weight"), GGUF_TYPE_F32, 1, (uint64_t[]){ 8 });
}
static void old_tables(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("blk.0.attn_rot_embd.weight"), GGUF_TYPE_F32, 1, (uint64_t[]){ 8 });
}

Test(llm_model, tied_and_wide_heads_and_old_tables_are_read) {
    AUTO_BUF Buf bytes = BUF_NULL;
    TinySpec spec = tiny_spec();
    spec.tied = true;
    spec.key_dim = 24;
    spec.value_dim = 40;
    spec.n_heads = 6;
    spec.n_kv_heads = 3;
    spec.without = "llama.vocab_size";
    spec.more = old_tables;
    spec.n_more = 1;
    LlmModel *model = opened(&spec, &bytes);
    cr_assert(model->tied);
    cr_assert_eq(model->output.data, model->embedding.data);
    cr_assert_eq(model->shape.n_vocab, 96);
    cr_assert_eq(model->layers[0].wq.n_rows, 6 * 24);
    cr_assert_eq(model->layers[0].wv.n_rows, 3 * 40);
    cr_assert_eq(model->layers[0].wo.n_in, 6 * 40);
    cr_assert_eq(model->rope.n_rotated, 24);
    llm_model_close(model);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void architecture_gemma(GgufWriter *w) {
    gguf_writer_string(w, "general.architecture", SLICE("gemma2"));
}
static void split(GgufWriter *w) {
    gguf_writer_u32(w, "split.count", 3);
    gguf_writer_u32(w, "split.no", 1);
}
static void experts(GgufWriter *w) {
    gguf_writer_u32(w, "llama.expert_count", 8);
}
static void logit_scale(GgufWriter *w) {
    gguf_writer_f32(w, "llama.logit_scale", 0.5F);
}
static void softcap(GgufWriter *w) {
    gguf_writer_f32(w, "llama.attn_logit_softcapping", 30);
}
static void not_causal(GgufWriter *w) {
    gguf_writer_bool(w, "llama.attention.causal", false);
}
static void longrope(GgufWriter *w) {
    gguf_writer_string(w, "llama.rope.scaling.type", SLICE("longrope"));
}
static void bias(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("blk.0.attn_q.bias"), GGUF_TYPE_F32, 1, (uint64_t[]){ 64 });
}
static void third_layer(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("blk.2.attn_norm.weight"), GGUF_TYPE_F32, 1, (uint64_t[]){ 64 });
}

Test(llm_model, other_computations_are_refused_by_name) {
    refused_with("general.architecture", architecture_gemma, 0, STATUS_UNSUPPORTED, "gemma2");
    refused_with("general.architecture", NULL, 0, STATUS_DAMAGED, "general.architecture");
    refused_with(NULL, split, 0, STATUS_UNSUPPORTED, "part 2 of 3 (split.count)");
    refused_with(NULL, experts, 0, STATUS_UNSUPPORTED, "llama.expert_count = 8");
    refused_with(NULL, logit_scale, 0, STATUS_UNSUPPORTED, "llama.logit_scale");
    refused_with(NULL, softcap, 0, STATUS_UNSUPPORTED, "llama.attn_logit_softcapping");
    refused_with(NULL, not_causal, 0, STATUS_UNSUPPORTED, "llama.attention.causal");
    refused_with(NULL, longrope, 0, STATUS_UNSUPPORTED, "\"longrope\"");
    refused_with(NULL, bias, 1, STATUS_UNSUPPORTED, "blk.0.attn_q.bias");
    refused_with(NULL, third_layer, 1, STATUS_UNSUPPORTED, "blk.2.attn_norm.weight");
}

Test(llm_model, missing_keys_and_tensors_are_named) {
    static const char *const names[] = {
        "llama.block_count",          "llama.embedding_length",
        "llama.feed_forward_length",  "llama.context_length",
        "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon",
        "token_embd.weight",          "output_norm.weight",
        "blk.0.attn_norm.weight",     "blk.1.attn_k.weight",
        "blk.1.ffn_down.weight",
    };
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        refused_with(names[i], NULL, 0, STATUS_DAMAGED, names[i]);
    }
}

static void no_layers(GgufWriter *w) {
    gguf_writer_u32(w, "llama.block_count", 0);
}
static void many_layers(GgufWriter *w) {
    gguf_writer_u32(w, "llama.block_count", 100000);
}
static void three_heads(GgufWriter *w) {
    gguf_writer_u32(w, "llama.attention.head_count", 3);
}
static void three_kv_heads(GgufWriter *w) {
    gguf_writer_u32(w, "llama.attention.head_count_kv", 3);
}
static void negative_heads(GgufWriter *w) {
    gguf_writer_i32(w, "llama.attention.head_count", -4);
}
static void heads_array(GgufWriter *w) {
    gguf_writer_array(w, "llama.attention.head_count", GGUF_VALUE_U32, (uint32_t[]){ 4, 4 }, 2);
}
static void eps_nan(GgufWriter *w) {
    gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", NAN);
}
static void eps_text(GgufWriter *w) {
    gguf_writer_string(w, "llama.attention.layer_norm_rms_epsilon", SLICE("1e-5"));
}
static void odd_rotation(GgufWriter *w) {
    gguf_writer_u32(w, "llama.rope.dimension_count", 7);
}
static void wide_rotation(GgufWriter *w) {
    gguf_writer_u32(w, "llama.rope.dimension_count", 18);
}
static void theta_zero(GgufWriter *w) {
    gguf_writer_f32(w, "llama.rope.freq_base", 0);
}
static void factor_tiny(GgufWriter *w) {
    gguf_writer_f32(w, "llama.rope.scaling.factor", 1e-30F);
}
static void beta_infinite(GgufWriter *w) {
    gguf_writer_f32(w, "llama.rope.scaling.yarn_beta_fast", INFINITY);
}

Test(llm_model, numbers_out_of_range_are_refused_by_name) {
    refused_with("llama.block_count", no_layers, 0, STATUS_DAMAGED, "llama.block_count is 0");
    refused_with("llama.block_count", many_layers, 0, STATUS_DAMAGED, "llama.block_count");
    refused_with("llama.attention.head_count", three_heads, 0, STATUS_DAMAGED, "3 heads");
    refused_with("llama.attention.head_count_kv", three_kv_heads, 0, STATUS_DAMAGED,
                 "3 key/value heads");
    refused_with("llama.attention.head_count", negative_heads, 0, STATUS_DAMAGED,
                 "llama.attention.head_count");
    refused_with("llama.attention.head_count", heads_array, 0, STATUS_DAMAGED,
                 "llama.attention.head_count");
    refused_with("llama.attention.layer_norm_rms_epsilon", eps_nan, 0, STATUS_DAMAGED,
                 "layer_norm_rms_epsilon is nan");
    refused_with("llama.attention.layer_norm_rms_epsilon", eps_text, 0, STATUS_DAMAGED,
                 "layer_norm_rms_epsilon");
    refused_with(NULL, odd_rotation, 0, STATUS_DAMAGED, "llama.rope.dimension_count is 7");
    refused_with(NULL, wide_rotation, 0, STATUS_DAMAGED, "llama.rope.dimension_count is 18");
    refused_with(NULL, theta_zero, 0, STATUS_DAMAGED, "llama.rope.freq_base is 0");
    refused_with(NULL, factor_tiny, 0, STATUS_DAMAGED, "llama.rope.scaling.factor");
    refused_with(NULL, beta_infinite, 0, STATUS_DAMAGED, "llama.rope.scaling.yarn_beta_fast");
    refused_with(NULL, one_layer_freqs, 1, STATUS_DAMAGED, "rope_freqs.weight[0] is 0");
}

static void long_query(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("blk.0.attn_q.weight"), GGUF_TYPE_F32, 2, (uint64_t[]){ 64, 65 });
}
static void deep_query(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("blk.0.attn_q.weight"), GGUF_TYPE_F32, 3,
                       (uint64_t[]){ 64, 32, 2 });
}
static void deep_query_of_one(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("blk.0.attn_q.weight"), GGUF_TYPE_F32, 3,
                       (uint64_t[]){ 64, 64, 2 });
}
static void turned_embedding(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("token_embd.weight"), GGUF_TYPE_F32, 2, (uint64_t[]){ 96, 64 });
}
static void short_norm(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("output_norm.weight"), GGUF_TYPE_F32, 1, (uint64_t[]){ 63 });
}
static void half_norm(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("output_norm.weight"), GGUF_TYPE_F16, 1, (uint64_t[]){ 64 });
}
static void short_freqs(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("rope_freqs.weight"), GGUF_TYPE_F32, 1, (uint64_t[]){ 7 });
}
static void short_output(GgufWriter *w) {
    gguf_writer_tensor(w, SLICE("output.weight"), GGUF_TYPE_F32, 2, (uint64_t[]){ 64, 95 });
}
static void small_vocabulary(GgufWriter *w) {
    gguf_writer_u32(w, "llama.vocab_size", 95);
}

Test(llm_model, tensors_of_another_shape_are_refused_by_name) {
    const char *q = "blk.0.attn_q.weight";
    refused_with(q, long_query, 1, STATUS_DAMAGED, "[64, 65], expected [64, 64]");
    refused_with(q, deep_query, 1, STATUS_DAMAGED, q);
    refused_with(q, deep_query_of_one, 1, STATUS_DAMAGED, q);
    refused_with("token_embd.weight", turned_embedding, 1, STATUS_DAMAGED, "token_embd.weight");
    refused_with("output_norm.weight", short_norm, 1, STATUS_DAMAGED, "output_norm.weight");
    refused_with("output_norm.weight", half_norm, 1, STATUS_UNSUPPORTED, "only F32");
    refused_with(NULL, short_freqs, 1, STATUS_DAMAGED, "rope_freqs.weight");
    refused_with("output.weight", short_output, 1, STATUS_DAMAGED, "output.weight");
    refused_with("llama.vocab_size", small_vocabulary, 0, STATUS_DAMAGED, "token_embd.weight");
}

Test(llm_model, more_tokens_than_logits_are_refused) {
    TinySpec spec = tiny_spec();
    spec.n_pieces = 97;
    refused(&spec, STATUS_DAMAGED, "97 tokens, but logits of 96");
}

Test(llm_model, fewer_tokens_than_logits_are_padding) {
    AUTO_BUF Buf bytes = BUF_NULL;
    TinySpec spec = tiny_spec();
    spec.n_pieces = 90;
    llm_model_close(opened(&spec, &bytes));
}

Test(llm_model, a_file_that_is_not_there_is_not_found) {
    LlmModel *model = NULL;
    Err err = { 0 };
    cr_assert_eq(llm_model_open("/nowhere/model.gguf", &model, &err), STATUS_NOT_FOUND);
    cr_assert(strstr(err.text, "/nowhere/model.gguf"), "%s", err.text);
    cr_assert_null(model);
}
