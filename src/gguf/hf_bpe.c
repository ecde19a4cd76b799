/* tokenizer.json of the tokenizers library, model type BPE, in its two kinds:
 * byte-level (Llama 3, GPT-2, SmolLM), stored in GGUF as tokens and merges with the name of the
 * pre-tokenizer, which is recognised by its description here; and SentencePiece-like (Llama 1 and
 * 2, Mistral without their tokenizer.model), stored with scores: there merges are sorted as the ids
 * of the pieces that they make, so that any score that falls with the id gives the same merges. */
#include "gguf/hf_internal.h"

#include <math.h>

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool is_text(const cJSON *item, const char *text) {
    const char *s = cJSON_GetStringValue(item);
    return s && strcmp(s, text) == 0;
}

static Status damaged(const HfJson *json, const char *what, Err *err) {
    return err_set(err, STATUS_DAMAGED, "%s: %s", json->path, what);
}

/* ---- pre-tokenizers ------------------------------------------------------------------------- */

static const char LLAMA3_PATTERN[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
    "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/* The parts of a pre-tokenizer, or of one that is no sequence. */
typedef struct Pre {
    bool byte_level, byte_level_splits, digits, llama3, prefix, other;
} Pre;

static void look_at(const cJSON *part, Pre *pre) {
    const cJSON *type = member(part, "type");
    if (is_text(type, "ByteLevel")) {
        pre->byte_level = true;
        pre->byte_level_splits = !cJSON_IsFalse(member(part, "use_regex"));
        pre->prefix = cJSON_IsTrue(member(part, "add_prefix_space"));
    } else if (is_text(type, "Digits")) {
        if (cJSON_IsTrue(member(part, "individual_digits")))
            pre->digits = true;
        else
            pre->other = true;
    } else if (is_text(type, "Split") &&
               is_text(member(member(part, "pattern"), "Regex"), LLAMA3_PATTERN)) {
        pre->llama3 = true;
    } else {
        pre->other = true;
    }
}

static Status name_pre(const HfJson *json, HfVocab *v, Err *err) {
    const cJSON *root = member(json->root, "pre_tokenizer"), *part;
    Pre pre = { 0 };
    if (is_text(member(root, "type"), "Sequence")) {
        cJSON_ArrayForEach(part, member(root, "pretokenizers")) look_at(part, &pre);
    } else {
        look_at(root, &pre);
    }
    bool plain = pre.byte_level && !pre.other && !pre.prefix;
    if (plain && pre.llama3 && !pre.byte_level_splits && !pre.digits) {
        v->pre = "llama-bpe";
    } else if (plain && !pre.llama3 && pre.byte_level_splits) {
        v->pre = pre.digits ? "smollm" : "gpt-2";
    } else {
        return err_set_param(err, STATUS_UNSUPPORTED, "pre_tokenizer",
                             "%s: this pre_tokenizer is not supported (those of Llama 3, GPT-2 "
                             "and SmolLM are)",
                             json->path);
    }
    return STATUS_OK;
}

/* ---- tokens and merges ---------------------------------------------------------------------- */

static bool id_of(const cJSON *item, uint64_t *ret) {
    double d = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(d >= 0 && d < 0x1p31) || d != floor(d)) return false;
    *ret = (uint64_t)d;
    return true;
}

/* "<0x0A>" */
static bool is_byte_token(const char *s) {
    return strlen(s) == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>' &&
           strspn(s + 3, "0123456789ABCDEF") == 2;
}

static Status read_tokens(const HfJson *json, const cJSON *model, bool bytes, HfVocab *v,
                          Err *err) {
    const cJSON *vocab = member(model, "vocab"), *item;
    if (!cJSON_IsObject(vocab)) return damaged(json, "model.vocab is no object", err);
    cJSON_ArrayForEach(item, vocab) {
        uint64_t id;
        if (!id_of(item, &id)) return damaged(json, "model.vocab has an id that is none", err);
        int32_t type = bytes && is_byte_token(item->string) ? HF_BYTE : HF_NORMAL;
        float score = type == HF_NORMAL ? -(float)id : 0;
        TRY(hf_vocab_set(v, json->path, id, slice_of(item->string), type, score, err));
    }
    const char *unknown = cJSON_GetStringValue(member(model, "unk_token"));
    for (size_t i = 0; unknown && i < v->n; i++) {
        if (!v->types[i] || !slice_equal(v->tokens[i], slice_of(unknown))) continue;
        v->unk = (int64_t)i;
        v->types[i] = HF_UNKNOWN;
    }
    return STATUS_OK;
}

static Status read_added(const HfJson *json, HfVocab *v, Err *err) {
    const cJSON *item;
    cJSON_ArrayForEach(item, member(json->root, "added_tokens")) {
        const char *text = cJSON_GetStringValue(member(item, "content"));
        uint64_t id;
        if (!text || !id_of(member(item, "id"), &id)) {
            return damaged(json, "added_tokens is malformed", err);
        }
        bool special = cJSON_IsTrue(member(item, "special"));
        int32_t type = (int64_t)id == v->unk ? HF_UNKNOWN : special ? HF_CONTROL : HF_USER_DEFINED;
        TRY(hf_vocab_set(v, json->path, id, slice_of(text), type, 0, err));
    }
    return STATUS_OK;
}

/* "left right", in new files ["left", "right"]. */
static Status read_merge(const HfJson *json, const cJSON *item, HfVocab *v, Slice *ret, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    if (cJSON_IsArray(item)) {
        const char *left = cJSON_GetStringValue(cJSON_GetArrayItem(item, 0));
        const char *right = cJSON_GetStringValue(cJSON_GetArrayItem(item, 1));
        if (!left || !right) return damaged(json, "model.merges has a pair that is none", err);
        buf_printf(&text, "%s %s", left, right);
    } else if (cJSON_IsString(item)) {
        buf_append_string(&text, item->valuestring);
    } else {
        return damaged(json, "model.merges has a pair that is none", err);
    }
    TRY(buf_status(&text, err));
    const char *copy = arena_string(&v->arena, buf_slice(&text));
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", json->path);
    *ret = (Slice){ copy, text.n };
    const char *space = memchr(copy, ' ', text.n);
    bool good = space && space > copy && space + 1 < copy + text.n && !strchr(space + 1, ' ');
    return good ? STATUS_OK : damaged(json, "model.merges has a pair that is none", err);
}

static Status read_merges(const HfJson *json, const cJSON *model, HfVocab *v, Err *err) {
    const cJSON *merges = member(model, "merges"), *item;
    if (!cJSON_IsArray(merges)) return damaged(json, "model.merges is no array", err);
    v->merges = mem_alloc((size_t)cJSON_GetArraySize(merges), sizeof *v->merges);
    if (!v->merges) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", json->path);
    cJSON_ArrayForEach(item, merges) {
        TRY(read_merge(json, item, v, &v->merges[v->n_merges], err));
        v->n_merges++;
    }
    return STATUS_OK;
}

/* ---- flags ---------------------------------------------------------------------------------- */

/* Does a post-processor begin with a special token: {"single": [{"SpecialToken": ...}, ...]}? */
static bool adds_bos(const cJSON *processor) {
    const cJSON *part;
    cJSON_ArrayForEach(part, member(processor, "processors")) {
        if (adds_bos(part)) return true;
    }
    return member(cJSON_GetArrayItem(member(processor, "single"), 0), "SpecialToken") != NULL;
}

/* Spaces become U+2581 in the normalizer (old files) or the pre-tokenizer (new ones). */
static bool prepends_space(const cJSON *root) {
    const cJSON *normalizer = member(root, "normalizer"), *part;
    cJSON_ArrayForEach(part, member(normalizer, "normalizers")) {
        if (is_text(member(part, "type"), "Prepend")) return true;
    }
    const cJSON *pre = member(root, "pre_tokenizer");
    return is_text(member(normalizer, "type"), "Prepend") ||
           is_text(member(pre, "prepend_scheme"), "first") ||
           is_text(member(pre, "prepend_scheme"), "always") ||
           cJSON_IsTrue(member(pre, "add_prefix_space"));
}

Status hf_bpe_read(const HfJson *json, HfVocab *v, Err *err) {
    const cJSON *model = member(json->root, "model");
    if (!is_text(member(model, "type"), "BPE") && !cJSON_IsArray(member(model, "merges"))) {
        return err_set_param(err, STATUS_UNSUPPORTED, "model",
                             "%s: only tokenizers of type BPE are supported", json->path);
    }
    bool byte_level = !cJSON_IsTrue(member(model, "byte_fallback"));
    if (byte_level) {
        TRY(name_pre(json, v, err));
        v->model = "gpt2";
        free(STEAL(v->scores));
        TRY(read_merges(json, model, v, err));
    }
    TRY(read_tokens(json, model, !byte_level, v, err));
    TRY(read_added(json, v, err));
    v->add_bos = adds_bos(member(json->root, "post_processor"));
    v->add_space_prefix = prepends_space(json->root);
    return STATUS_OK;
}
