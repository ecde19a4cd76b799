#pragma once
/* The parts of a Hugging Face folder that convert.c puts together: JSON files (hf_json.c),
 * config.json (hf_config.c), the vocabulary (hf_vocab.c, hf_bpe.c). Not for other rooms. */
#include "base/arena.h"
#include "gguf/gguf_internal.h"
#include "gguf/writer.h"
#include <cjson/cJSON.h>

/* ---- JSON --------------------------------------------------------------------------------- */

typedef struct HfJson {
    cJSON *root; /* an object */
    char *path;  /* for messages */
} HfJson;

#define HF_JSON_NULL ((HfJson){ NULL, NULL })
void hf_json_deinit(HfJson *json);
/* NOT_FOUND; DAMAGED where it is no JSON object; TOO_LARGE. */
Status hf_json_read(const char *folder, const char *name, HfJson *ret, Err *err) MUST_CHECK;
/* Members of an object of that file. NOT_FOUND (err names it) where missing or null, ret untouched;
 * DAMAGED where of another type or out of range. */
Status hf_json_uint(const HfJson *json, const cJSON *object, const char *name, uint64_t max,
                    uint64_t *ret, Err *err) MUST_CHECK;
Status hf_json_float(const HfJson *json, const cJSON *object, const char *name, float *ret,
                     Err *err) MUST_CHECK;
Status hf_json_bool(const HfJson *json, const cJSON *object, const char *name, bool *ret,
                    Err *err) MUST_CHECK;
/* "folder/name", owned (free); NULL where there is no memory. */
char *hf_path(const char *folder, const char *name);

/* ---- config.json -------------------------------------------------------------------------- */

typedef enum HfRope { HF_ROPE_NONE, HF_ROPE_LINEAR, HF_ROPE_YARN, HF_ROPE_LLAMA3 } HfRope;

enum { HF_MAX_EOS = 8 };

typedef struct HfConfig {
    uint64_t dim, ffn, n_layers, n_heads, n_kv_heads, head_dim, n_vocab, context;
    bool has_head_dim; /* stated, maybe not dim / n_heads */
    float eps, theta;
    bool tied;
    uint64_t window; /* sliding window, 0: none */
    HfRope rope;
    float rope_factor, low_freq, high_freq;
    uint64_t original_context;
    float beta_fast, beta_slow, attention_factor; /* yarn; 0 where not stated */
    int64_t bos, pad;                             /* -1 where not stated */
    int64_t eos[HF_MAX_EOS];
    size_t n_eos;
} HfConfig;

Status hf_config_read(const char *folder, HfConfig *ret, Err *err) MUST_CHECK;
void hf_config_write(const HfConfig *config, GgufWriter *writer);
/* The factors of rope_freqs.weight: f32 [head_dim / 2]; for HF_ROPE_LLAMA3. */
void hf_config_rope_factors(const HfConfig *config, float *ret);

/* ---- vocabulary --------------------------------------------------------------------------- */

typedef struct HfVocab {
    Arena arena; /* texts that had to be made */
    Slice *tokens;
    float *scores;  /* NULL for byte-level BPE */
    int32_t *types; /* 0 where no token has the id (yet) */
    size_t n;       /* the model's rows of embeddings */
    Slice *merges;
    size_t n_merges;
    const char *model, *pre;
    bool add_bos, add_eos, add_space_prefix, remove_spaces;
    int64_t bos, eos, unk, pad, eot; /* -1: none */
    Buf chat_template;
} HfVocab;

enum { HF_NORMAL = 1, HF_UNKNOWN, HF_CONTROL, HF_USER_DEFINED, HF_UNUSED, HF_BYTE };

/* Read the folder's vocabulary and declare its keys. */
Status hf_vocab_write(const char *folder, const HfConfig *config, GgufWriter *writer,
                      Err *err) MUST_CHECK;
/* Give an id its token; DAMAGED where it is beyond the vocabulary or taken by another text. The
 * text is copied. */
Status hf_vocab_set(HfVocab *vocab, const char *path, uint64_t id, Slice text, int32_t type,
                    float score, Err *err) MUST_CHECK;
/* From tokenizer.json (hf_bpe.c). */
Status hf_bpe_read(const HfJson *json, HfVocab *vocab, Err *err) MUST_CHECK;
