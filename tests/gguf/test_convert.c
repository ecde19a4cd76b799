/* Hugging Face folders to GGUF: a trained model whose two forms are known, folders written here for
 * everything else, and folders that are wrong. */
#include "gguf/convert.h"

#include "base/file.h"
#include "gguf/file.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/fonte-test-convert-XXXXXX";

static void make_folder(void) {
    cr_assert(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(file_make_dirs("hf", 0700, NULL), STATUS_OK);
}

static void drop_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

/* A skipped test ends here: the suite's end is not run. */
static void skip(const char *why) {
    drop_folder();
    cr_skip("%s", why);
}

TestSuite(convert, .init = make_folder, .fini = drop_folder);
TestSuite(safetensors, .init = make_folder, .fini = drop_folder);

static GgufFile *open_file(const char *path) {
    GgufFile *file = NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_file_open(path, NULL, &file, &err), STATUS_OK, "%s", err.text);
    return file;
}

static void put(const char *path, Slice bytes) {
    Err err = { 0 };
    cr_assert_eq(file_replace(path, &bytes, 1, &err), STATUS_OK, "%s", err.text);
}

/* ---- a small model, written here ------------------------------------------------------------ */

enum { DIM = 8, HEADS = 2, HEAD = 4, VOCAB = 12, FFN = 16 };

typedef struct Weights {
    Buf header, data;
} Weights;

/* Element i of the tensor is first + i. */
static void add_tensor(Weights *w, const char *name, size_t rows, size_t columns, float first) {
    char shape[64];
    size_t n = (rows ? rows : 1) * columns, begin = w->data.n;
    if (rows)
        snprintf(shape, sizeof shape, "%zu,%zu", rows, columns);
    else
        snprintf(shape, sizeof shape, "%zu", columns);
    for (size_t i = 0; i < n; i++) {
        float f = first + (float)i;
        buf_append(&w->data, &f, sizeof f);
    }
    buf_printf(&w->header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
               w->header.n ? "," : "{", name, shape, begin, w->data.n);
}

static void write_weights(Weights *w, const char *path) {
    buf_append_string(&w->header, "}");
    uint64_t n = w->header.n;
    Slice pieces[] = { { (const char *)&n, sizeof n }, buf_slice(&w->header), buf_slice(&w->data) };
    cr_assert_eq(file_replace(path, pieces, 3, NULL), STATUS_OK);
    buf_deinit(&w->header);
    buf_deinit(&w->data);
}

static void add_layer(Weights *w) {
    static const struct {
        const char *name;
        size_t rows, columns;
    } parts[] = {
        { "input_layernorm", 0, DIM },     { "self_attn.q_proj", HEADS * HEAD, DIM },
        { "self_attn.k_proj", HEAD, DIM }, { "self_attn.v_proj", HEAD, DIM },
        { "self_attn.o_proj", DIM, DIM },  { "post_attention_layernorm", 0, DIM },
        { "mlp.gate_proj", FFN, DIM },     { "mlp.up_proj", FFN, DIM },
        { "mlp.down_proj", DIM, FFN },
    };
    for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
        char name[96];
        snprintf(name, sizeof name, "model.layers.0.%s.weight", parts[i].name);
        add_tensor(w, name, parts[i].rows, parts[i].columns, (float)i * 1000);
    }
}

static void write_model(void) {
    Weights w = { BUF_NULL, BUF_NULL };
    add_tensor(&w, "model.embed_tokens.weight", VOCAB, DIM, 0);
    add_layer(&w);
    add_tensor(&w, "model.norm.weight", 0, DIM, 5);
    add_tensor(&w, "lm_head.weight", VOCAB, DIM, 7);
    write_weights(&w, "hf/model.safetensors");
}

static void write_config(const char *more) {
    AUTO_BUF Buf b = BUF_NULL;
    buf_printf(&b,
               "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":%d,"
               "\"intermediate_size\":%d,\"num_hidden_layers\":1,\"num_attention_heads\":%d,"
               "\"num_key_value_heads\":1,\"vocab_size\":%d,\"max_position_embeddings\":8192,"
               "\"rms_norm_eps\":1e-5,\"bos_token_id\":8,\"eos_token_id\":[9,10]%s}",
               DIM, FFN, HEADS, VOCAB, more);
    put("hf/config.json", buf_slice(&b));
}

static const char LLAMA3_PRE[] =
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
    "\"add_prefix_space\":false,\"use_regex\":false}]}";

static void write_tokenizer(const char *pre, const char *merges) {
    AUTO_BUF Buf b = BUF_NULL;
    buf_printf(&b,
               "{\"added_tokens\":[{\"id\":8,\"content\":\"<|begin|>\",\"special\":true},"
               "{\"id\":9,\"content\":\"<|end|>\",\"special\":true},"
               "{\"id\":10,\"content\":\"<|eot_id|>\",\"special\":true}],"
               "\"pre_tokenizer\":%s,"
               "\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
               "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
               "\"<|begin|>\"}},{\"Sequence\":{\"id\":\"A\"}}]}]},"
               "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\\u0120\":3,"
               "\"ab\":4,\"abc\":5,\"\\u0120a\":6,\"d\":7},\"merges\":%s}}",
               pre, merges);
    put("hf/tokenizer.json", buf_slice(&b));
}

static void write_folder(void) {
    write_config("");
    write_model();
    write_tokenizer(LLAMA3_PRE, "[\"a b\",[\"ab\",\"c\"],\"\\u0120 a\"]");
}

static void convert_ok(const GgufConvertOptions *options) {
    Err err = { 0 };
    cr_assert_eq(gguf_convert("hf", "out.gguf", options, NULL, &err), STATUS_OK, "%s", err.text);
}

static void refused(Status status, const char *text) {
    Err err = { 0 };
    Status got = gguf_convert("hf", "out.gguf", NULL, NULL, &err);
    cr_assert_eq(got, status, "%d: %s", got, err.text);
    cr_assert(strstr(err.text, text), "'%s' is not in: %s", text, err.text);
    cr_assert_neq(access("out.gguf", F_OK), 0);
}

static float element(const GgufFile *file, const char *name, size_t row, size_t column) {
    const GgufTensor *t = gguf_file_tensor(file, name);
    cr_assert(t && t->dims[0] <= 64, "%s", name);
    float values[64];
    gguf_decode_row(t->type, t->data + row * t->row_bytes, (size_t)t->dims[0], values);
    return values[column];
}

static uint32_t u32_of(const GgufFile *file, const char *key) {
    uint32_t n = 0;
    Err err = { 0 };
    cr_assert_eq(gguf_file_u32(file, key, &n, &err), STATUS_OK, "%s", err.text);
    return n;
}

static Slice string_of(const GgufFile *file, const char *key) {
    Slice s = SLICE_NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_file_string(file, key, &s, &err), STATUS_OK, "%s", err.text);
    return s;
}

Test(convert, rows_of_query_and_key_are_interleaved_others_kept) {
    write_folder();
    convert_ok(NULL);
    GgufFile *file = open_file("out.gguf");
    /* head of 4: rows 0 1 2 3 become 0 2 1 3 */
    static const size_t from[] = { 0, 2, 1, 3, 4, 6, 5, 7 };
    for (size_t r = 0; r < 8; r++) {
        cr_expect_eq(element(file, "blk.0.attn_q.weight", r, 3), 1003 + (float)(from[r] * DIM));
        if (r < 4) {
            cr_expect_eq(element(file, "blk.0.attn_k.weight", r, 0), 2000 + (float)(from[r] * DIM));
            cr_expect_eq(element(file, "blk.0.attn_v.weight", r, 0), 3000 + (float)(r * DIM));
        }
    }
    cr_expect_eq(element(file, "output.weight", 11, 7), 7 + 95);
    cr_expect_eq(element(file, "output_norm.weight", 0, 2), 7);
    cr_expect_eq(gguf_file_tensor(file, "blk.0.ffn_down.weight")->dims[0], FFN);
    gguf_file_close(file);
}

Test(convert, hyperparameters_become_keys) {
    write_folder();
    write_config(",\"rope_theta\":500000.0,\"head_dim\":4,\"rope_scaling\":null");
    convert_ok(&(GgufConvertOptions){ .name = "piccolo" });
    GgufFile *file = open_file("out.gguf");
    cr_expect(slice_equal(string_of(file, "general.architecture"), SLICE("llama")));
    cr_expect(slice_equal(string_of(file, "general.name"), SLICE("piccolo")));
    cr_expect_eq(u32_of(file, "llama.embedding_length"), DIM);
    cr_expect_eq(u32_of(file, "llama.feed_forward_length"), FFN);
    cr_expect_eq(u32_of(file, "llama.block_count"), 1);
    cr_expect_eq(u32_of(file, "llama.attention.head_count"), HEADS);
    cr_expect_eq(u32_of(file, "llama.attention.head_count_kv"), 1);
    cr_expect_eq(u32_of(file, "llama.attention.key_length"), 4);
    cr_expect_eq(u32_of(file, "llama.context_length"), 8192);
    cr_expect_eq(u32_of(file, "llama.rope.dimension_count"), 4);
    cr_expect_eq(u32_of(file, "general.file_type"), 0);
    float f = 0;
    cr_assert_eq(gguf_file_f32(file, "llama.rope.freq_base", &f, NULL), STATUS_OK);
    cr_expect_eq(f, 500000);
    cr_expect_null(gguf_file_key(file, "llama.rope.scaling.type"));
    cr_expect_null(gguf_file_key(file, "llama.attention.sliding_window"));
    gguf_file_close(file);
}

Test(convert, rope_scalings_become_keys_or_a_tensor) {
    write_folder();
    write_config(",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}");
    convert_ok(NULL);
    GgufFile *file = open_file("out.gguf");
    cr_expect(slice_equal(string_of(file, "llama.rope.scaling.type"), SLICE("linear")));
    gguf_file_close(file);
    write_config(",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
                 "\"original_max_position_embeddings\":2048}");
    convert_ok(NULL);
    file = open_file("out.gguf");
    cr_expect(slice_equal(string_of(file, "llama.rope.scaling.type"), SLICE("yarn")));
    cr_expect_eq(u32_of(file, "llama.rope.scaling.original_context_length"), 2048);
    gguf_file_close(file);
    write_config(
        ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
        "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":16}");
    convert_ok(NULL);
    file = open_file("out.gguf");
    /* waves of 6.3 and 628: 16 / 4 <= 6.3 <= 16 / 1 is between, 628 is slowed by the whole factor
     */
    double wave = 2 * 3.14159265358979323846, smooth = (16 / wave - 1) / 3;
    cr_expect_float_eq(element(file, "rope_freqs.weight", 0, 0), 1 / ((1 - smooth) / 8 + smooth),
                       1e-6);
    cr_expect_eq(element(file, "rope_freqs.weight", 0, 1), 8);
    cr_expect_null(gguf_file_key(file, "llama.rope.scaling.type"));
    gguf_file_close(file);
}

Test(convert, mistral_keeps_its_window_and_tied_models_have_no_output) {
    write_folder();
    write_config(",\"sliding_window\":4096,\"tie_word_embeddings\":true");
    AUTO_BUF Buf config = BUF_NULL;
    cr_assert_eq(file_read("hf/config.json", 4096, &config, NULL), STATUS_OK);
    convert_ok(NULL);
    GgufFile *file = open_file("out.gguf");
    cr_expect_null(gguf_file_tensor(file, "output.weight"));
    cr_expect_null(gguf_file_key(file, "llama.attention.sliding_window"), "not a Mistral");
    gguf_file_close(file);
    const char *at = strstr(config.p, "LlamaForCausalLM");
    Slice pieces[] = { { config.p, (size_t)(at - config.p) },
                       SLICE("MistralForCausalLM"),
                       slice_of(at + strlen("LlamaForCausalLM")) };
    cr_assert_eq(file_replace("hf/config.json", pieces, 3, NULL), STATUS_OK);
    convert_ok(NULL);
    file = open_file("out.gguf");
    cr_expect_eq(u32_of(file, "llama.attention.sliding_window"), 4096);
    gguf_file_close(file);
}

Test(convert, byte_level_vocabularies_keep_tokens_types_and_merges) {
    write_folder();
    put("hf/tokenizer_config.json",
        SLICE("{\"bos_token\":\"<|begin|>\",\"eos_token\":{\"content\":\"<|eot_id|>\"},"
              "\"chat_template\":[{\"name\":\"x\",\"template\":\"no\"},"
              "{\"name\":\"default\",\"template\":\"{{ yes }}\"}]}"));
    convert_ok(NULL);
    GgufFile *file = open_file("out.gguf");
    cr_expect(slice_equal(string_of(file, "tokenizer.ggml.model"), SLICE("gpt2")));
    cr_expect(slice_equal(string_of(file, "tokenizer.ggml.pre"), SLICE("llama-bpe")));
    cr_expect(slice_equal(string_of(file, "tokenizer.chat_template"), SLICE("{{ yes }}")));
    GgufArray tokens, types, merges;
    cr_assert_eq(gguf_file_array(file, "tokenizer.ggml.tokens", GGUF_VALUE_STRING, &tokens, NULL),
                 STATUS_OK);
    cr_assert_eq(gguf_file_array(file, "tokenizer.ggml.token_type", GGUF_VALUE_I32, &types, NULL),
                 STATUS_OK);
    cr_assert_eq(gguf_file_array(file, "tokenizer.ggml.merges", GGUF_VALUE_STRING, &merges, NULL),
                 STATUS_OK);
    cr_assert_eq(tokens.n, VOCAB);
    cr_expect(slice_equal(gguf_array_string(&tokens, 6), SLICE("\xC4\xA0"
                                                               "a")));
    cr_expect(slice_equal(gguf_array_string(&tokens, 10), SLICE("<|eot_id|>")));
    cr_expect(slice_equal(gguf_array_string(&tokens, 11), SLICE("[PAD11]")));
    cr_expect_eq(gguf_array_i32(&types, 0), 1);
    cr_expect_eq(gguf_array_i32(&types, 8), 3);
    cr_expect_eq(gguf_array_i32(&types, 11), 5);
    cr_assert_eq(merges.n, 3);
    cr_expect(slice_equal(gguf_array_string(&merges, 1), SLICE("ab c")));
    cr_expect_eq(u32_of(file, "tokenizer.ggml.bos_token_id"), 8);
    cr_expect_eq(u32_of(file, "tokenizer.ggml.eos_token_id"), 10);
    cr_expect_eq(u32_of(file, "tokenizer.ggml.eot_token_id"), 10);
    bool add = false;
    cr_assert_eq(gguf_file_bool(file, "tokenizer.ggml.add_bos_token", &add, NULL), STATUS_OK);
    cr_expect(add);
    gguf_file_close(file);
}

Test(convert, shards_are_put_together) {
    write_folder();
    unlink("hf/model.safetensors");
    Weights a = { BUF_NULL, BUF_NULL }, b = { BUF_NULL, BUF_NULL };
    add_tensor(&a, "model.embed_tokens.weight", VOCAB, DIM, 0);
    add_layer(&b);
    add_tensor(&a, "model.norm.weight", 0, DIM, 5);
    add_tensor(&b, "lm_head.weight", VOCAB, DIM, 7);
    write_weights(&a, "hf/model-00001-of-00002.safetensors");
    write_weights(&b, "hf/model-00002-of-00002.safetensors");
    put("hf/model.safetensors.index.json",
        SLICE("{\"weight_map\":{\"model.norm.weight\":\"model-00001-of-00002.safetensors\","
              "\"lm_head.weight\":\"model-00002-of-00002.safetensors\"}}"));
    convert_ok(&(GgufConvertOptions){ .type = "F16" });
    GgufFile *file = open_file("out.gguf");
    cr_expect_eq(element(file, "output.weight", 1, 1), 7 + 9);
    cr_expect_eq(gguf_file_tensor(file, "output.weight")->type, GGUF_TYPE_F16);
    cr_expect_eq(gguf_file_tensor(file, "output_norm.weight")->type, GGUF_TYPE_F32);
    cr_expect_eq(u32_of(file, "general.file_type"), 1);
    gguf_file_close(file);
    unlink("out.gguf");
    put("hf/model.safetensors.index.json",
        SLICE(
            "{\"weight_map\":{\"model.norm.weight\":\"../hf/model-00001-of-00002.safetensors\"}}"));
    refused(STATUS_DAMAGED, "in no file of the folder");
}

/* ---- folders that are wrong ------------------------------------------------------------------ */

Test(convert, other_architectures_and_variants_are_refused_by_name) {
    static const struct {
        const char *more, *text;
    } rows[] = {
        { ",\"hidden_act\":\"gelu\"", "hidden_act 'gelu'" },
        { ",\"attention_bias\":true", "attention_bias" },
        { ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}", "rope_scaling 'dynamic'" },
        { ",\"rope_scaling\":{\"rope_type\":\"longrope\",\"factor\":2}", "longrope" },
        { ",\"quantization_config\":{\"quant_method\":\"gptq\"}", "gptq" },
    };
    write_folder();
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        write_config(rows[i].more);
        refused(STATUS_UNSUPPORTED, rows[i].text);
    }
    put("hf/config.json", SLICE("{\"architectures\":[\"Qwen2ForCausalLM\"]}"));
    refused(STATUS_UNSUPPORTED, "Qwen2ForCausalLM");
}

Test(convert, sizes_that_cannot_be_are_refused) {
    static const char *const configs[] = {
        "{\"model_type\":\"llama\"}",
        "{\"model_type\":\"llama\",\"hidden_size\":-8}",
        "{\"model_type\":\"llama\",\"hidden_size\":8.5}",
        "{\"model_type\":\"llama\",\"hidden_size\":1e300}",
        "{\"model_type\":\"llama\",\"hidden_size\":\"8\"}",
        "{\"model_type\":\"llama\",\"hidden_size\":8,\"intermediate_size\":16,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":0,\"vocab_size\":12}",
        "{\"model_type\":\"llama\",\"hidden_size\":9,\"intermediate_size\":16,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"vocab_size\":12}",
        "{\"model_type\":\"llama\",\"hidden_size\":8,\"intermediate_size\":16,"
        "\"num_hidden_layers\":100000,\"num_attention_heads\":2,\"vocab_size\":12}",
        "[1]",
        "{",
        "",
    };
    write_folder();
    for (size_t i = 0; i < N_ELEMENTS(configs); i++) {
        put("hf/config.json", slice_of(configs[i]));
        refused(STATUS_DAMAGED, "config.json");
    }
}

Test(convert, tensors_that_are_missing_surplus_or_of_another_shape_are_named) {
    write_folder();
    Weights w = { BUF_NULL, BUF_NULL };
    add_tensor(&w, "model.embed_tokens.weight", VOCAB, DIM, 0);
    write_weights(&w, "hf/model.safetensors");
    refused(STATUS_DAMAGED, "'model.layers.0.input_layernorm.weight' is missing");
    add_tensor(&w, "model.embed_tokens.weight", VOCAB - 1, DIM, 0);
    write_weights(&w, "hf/model.safetensors");
    refused(STATUS_DAMAGED, "is [11, 8], config.json makes it [12, 8]");
    add_tensor(&w, "model.embed_tokens.weight", VOCAB, DIM, 0);
    add_layer(&w);
    add_tensor(&w, "model.norm.weight", 0, DIM, 5);
    add_tensor(&w, "lm_head.weight", VOCAB, DIM, 7);
    add_tensor(&w, "model.layers.0.self_attn.q_proj.bias", 0, DIM, 7);
    write_weights(&w, "hf/model.safetensors");
    refused(STATUS_UNSUPPORTED, "'model.layers.0.self_attn.q_proj.bias' is no part");
}

Test(convert, vocabularies_that_do_not_fit_are_refused) {
    write_folder();
    write_tokenizer("{\"type\":\"Whitespace\"}", "[]");
    refused(STATUS_UNSUPPORTED, "pre_tokenizer");
    static const char *const merges[] = { "[\"ab\"]", "[\"a b c\"]", "[7]", "[[\"a\"]]", "{}" };
    for (size_t i = 0; i < N_ELEMENTS(merges); i++) {
        write_tokenizer(LLAMA3_PRE, merges[i]);
        refused(STATUS_DAMAGED, "merges");
    }
    put("hf/tokenizer.json", SLICE("{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"
                                   "\"vocab\":{\"a\":12},\"merges\":[]}}"));
    refused(STATUS_DAMAGED, "token id 12, but there are 12 embeddings");
    put("hf/tokenizer.json", SLICE("{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"
                                   "\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}}"));
    refused(STATUS_DAMAGED, "token id 1 is both 'a' and 'b'");
    put("hf/tokenizer.json", SLICE("{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}"));
    refused(STATUS_UNSUPPORTED, "BPE");
    unlink("hf/tokenizer.json");
    refused(STATUS_INVALID, "neither tokenizer.model nor tokenizer.json");
}

/* ---- safetensors ------------------------------------------------------------------------------
 */

Test(safetensors, hostile_headers_are_refused) {
    static const struct {
        const char *header, *text;
    } rows[] = {
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}}", "do not match" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[60,68]}}", "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e300]}}", "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0.5,8.5]}}", "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", "outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
          "impossible shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "impossible shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}",
          "too many dimensions" },
        { "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown dtype" },
        { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown dtype" },
        { "{\"a\":7}", "unknown dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
          "overlaps" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
          "stands twice" },
        { "[]", "no JSON object" },
        { "{\"a\"", "no JSON object" },
    };
    write_folder();
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        static const char data[64];
        uint64_t n = strlen(rows[i].header);
        Slice pieces[] = { { (const char *)&n, sizeof n }, slice_of(rows[i].header), { data, 64 } };
        cr_assert_eq(file_replace("hf/model.safetensors", pieces, 3, NULL), STATUS_OK);
        refused(STATUS_DAMAGED, rows[i].text);
    }
}

Test(safetensors, headers_longer_than_the_file_are_refused) {
    static const uint64_t lengths[] = { 1, 1000, 1ULL << 32, UINT64_MAX, UINT64_MAX - 7 };
    write_folder();
    for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
        put("hf/model.safetensors", (Slice){ (const char *)&lengths[i], 8 });
        refused(STATUS_DAMAGED, "header of");
    }
    put("hf/model.safetensors", SLICE("1234567"));
    refused(STATUS_DAMAGED, "not a safetensors file");
    put("hf/model.safetensors", SLICE_NULL);
    refused(STATUS_DAMAGED, "not a safetensors file");
    unlink("hf/model.safetensors");
    refused(STATUS_INVALID, "no model.safetensors");
}

Test(safetensors, deep_nesting_is_refused) {
    write_folder();
    AUTO_BUF Buf b = BUF_NULL;
    uint64_t n = 200000;
    buf_append(&b, &n, sizeof n);
    for (uint64_t i = 0; i < n; i++) buf_append_byte(&b, '[');
    put("hf/model.safetensors", buf_slice(&b));
    refused(STATUS_DAMAGED, "no JSON object");
}

/* ---- real models ------------------------------------------------------------------------------
 */

static void check_same_values(const GgufFile *a, const GgufFile *b) {
    cr_assert_eq(gguf_file_n_tensors(a), gguf_file_n_tensors(b));
    for (size_t i = 0; i < gguf_file_n_tensors(a); i++) {
        const GgufTensor *x = gguf_file_tensor_at(a, i);
        char name[80];
        snprintf(name, sizeof name, "%.*s", SLICE_ARGS(x->name));
        const GgufTensor *y = gguf_file_tensor(b, name);
        cr_assert(y && x->type == y->type && x->bytes == y->bytes, "%s", name);
        cr_assert_eq(memcmp(x->dims, y->dims, sizeof x->dims), 0, "%s", name);
        cr_assert_eq(memcmp(x->data, y->data, x->bytes), 0, "%s", name);
    }
}

Test(convert, a_trained_model_becomes_the_gguf_that_people_have) {
    const char *shared = getenv("FONTE_SHARED");
    if (!shared) skip("FONTE_SHARED is not set: no stories260K");
    char hf[512], path[512];
    snprintf(hf, sizeof hf, "%s/llama2/stories260K/hf/", shared);
    snprintf(path, sizeof path, "%s/llama2/stories260K/stories260K.f32.gguf", shared);
    Err err = { 0 };
    GgufConvertSummary summary = { 0 };
    cr_assert_eq(gguf_convert(hf, "out.gguf", NULL, &summary, &err), STATUS_OK, "%s", err.text);
    GgufFile *want = open_file(path), *got = open_file("out.gguf");
    check_same_values(want, got);
    cr_expect_eq(summary.n_tensors, gguf_file_n_tensors(want));
    for (size_t i = 0; i < gguf_file_n_keys(want); i++) {
        const GgufKey *key = gguf_file_key_at(want, i);
        char name[80];
        snprintf(name, sizeof name, "%.*s", SLICE_ARGS(key->name));
        static const char *const theirs[] = { "general.name", "general.author", "general.license" };
        bool skip = false;
        for (size_t k = 0; k < N_ELEMENTS(theirs); k++) skip |= strcmp(name, theirs[k]) == 0;
        if (skip) continue; /* not in the folder */
        const GgufKey *mine = gguf_file_key(got, name);
        cr_assert(mine, "%s is missing", name);
        cr_assert(slice_equal(key->encoded, mine->encoded), "%s differs", name);
    }
    gguf_file_close(want);
    gguf_file_close(got);
}

Test(convert, the_fixture_of_this_repository_converts_in_every_type) {
    char hf[512];
    snprintf(hf, sizeof hf, "%s/fixtures/tiny-llama", getenv("FONTE_TESTS"));
    if (access(hf, F_OK) != 0) skip("no fixtures/tiny-llama");
    static const char *const types[] = { NULL, "F32", "F16", "bf16" };
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        GgufConvertOptions options = { .type = types[i] };
        GgufConvertSummary summary = { 0 };
        Err err = { 0 };
        cr_assert_eq(gguf_convert(hf, "out.gguf", &options, &summary, &err), STATUS_OK, "%s",
                     err.text);
        cr_expect_eq(summary.type, i == 1   ? GGUF_TYPE_F32
                                   : i == 2 ? GGUF_TYPE_F16
                                            : GGUF_TYPE_BF16);
        gguf_file_close(open_file("out.gguf"));
    }
    GgufConvertOptions wrong = { .type = "Q4_0" };
    cr_expect_eq(gguf_convert(hf, "out.gguf", &wrong, NULL, NULL), STATUS_USAGE);
}

Test(convert, rope_factors_of_llama3_are_those_of_the_golden_file) {
    const char *shared = getenv("FONTE_SHARED");
    if (!shared) skip("FONTE_SHARED is not set: no golden models");
    char path[512];
    snprintf(path, sizeof path, "%s/golden/llama-rope3-f32.gguf", shared);
    GgufFile *golden = open_file(path);
    /* a model with that head dimension (64) and scaling */
    Weights w = { BUF_NULL, BUF_NULL };
    add_tensor(&w, "model.embed_tokens.weight", VOCAB, DIM, 0);
    add_tensor(&w, "model.layers.0.input_layernorm.weight", 0, DIM, 0);
    add_tensor(&w, "model.layers.0.self_attn.q_proj.weight", HEADS * 64, DIM, 0);
    add_tensor(&w, "model.layers.0.self_attn.k_proj.weight", 64, DIM, 0);
    add_tensor(&w, "model.layers.0.self_attn.v_proj.weight", 64, DIM, 0);
    add_tensor(&w, "model.layers.0.self_attn.o_proj.weight", DIM, HEADS * 64, 0);
    add_tensor(&w, "model.layers.0.post_attention_layernorm.weight", 0, DIM, 0);
    add_tensor(&w, "model.layers.0.mlp.gate_proj.weight", FFN, DIM, 0);
    add_tensor(&w, "model.layers.0.mlp.up_proj.weight", FFN, DIM, 0);
    add_tensor(&w, "model.layers.0.mlp.down_proj.weight", DIM, FFN, 0);
    add_tensor(&w, "model.norm.weight", 0, DIM, 5);
    add_tensor(&w, "lm_head.weight", VOCAB, DIM, 7);
    write_folder();
    write_weights(&w, "hf/model.safetensors");
    write_config(",\"head_dim\":64,\"rope_theta\":500000.0,\"rope_scaling\":{\"rope_type\":"
                 "\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                 "\"original_max_position_embeddings\":512}");
    convert_ok(NULL);
    GgufFile *mine = open_file("out.gguf");
    for (size_t i = 0; i < 32; i++) {
        float want = element(golden, "rope_freqs.weight", 0, i);
        cr_expect_float_eq(element(mine, "rope_freqs.weight", 0, i), want, 1e-6F * want, "%zu", i);
    }
    gguf_file_close(golden);
    gguf_file_close(mine);
}
