/* First a plan is made of all tensors, with shapes checked against config.json; then keys and plan
 * are declared; then rows are copied. Every tensor in the folder must be in the plan or be one that
 * is known to be superfluous: something unknown would mean a model that computes something else. */
#include "gguf/convert.h"

#include "gguf/hf_internal.h"
#include "gguf/safetensors.h"
#include <stdio.h>

enum { MAX_SHARDS = 1000, BUFFER_BYTES = 8 << 20 };

typedef struct Planned {
    const SafetensorsTensor *from; /* NULL: made here (rope_freqs) */
    char name[64];
    GgufType type;
    uint32_t n_dims;
    uint64_t dims[2]; /* GGUF's order */
    uint64_t heads;   /* whose rows are reordered; 0: none */
} Planned;

typedef struct Job {
    const char *folder;
    const GgufConvertOptions *options;
    HfConfig config;
    GgufType type; /* of matrices, where type_given */
    bool type_given;
    Safetensors **shards;
    size_t n_shards;
    const SafetensorsTensor **tensors; /* of all shards, sorted by name */
    bool *used;
    size_t n_tensors;
    Planned *plan;
    size_t n_planned;
    float *rope_factors;
    GgufWriter *writer;
    uint64_t done_bytes, total_bytes;
} Job;

static void job_deinit(Job *job) {
    for (size_t i = 0; i < job->n_shards; i++) safetensors_close(job->shards[i]);
    free(job->shards);
    free(job->tensors);
    free(job->used);
    free(job->plan);
    free(job->rope_factors);
    gguf_writer_free(job->writer);
}

static Status no_memory(const Job *job, Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", job->folder);
}

/* ---- shards --------------------------------------------------------------------------------- */

static Status open_shard(Job *job, const char *name, Err *err) {
    AUTO_FREE char *path = hf_path(job->folder, name);
    if (!path) return no_memory(job, err);
    for (size_t i = 0; i < job->n_shards; i++) {
        if (strcmp(safetensors_path(job->shards[i]), path) == 0) return STATUS_OK;
    }
    if (job->n_shards == MAX_SHARDS) {
        return err_set(err, STATUS_TOO_LARGE, "%s: more than %d files of weights", job->folder,
                       MAX_SHARDS);
    }
    TRY(safetensors_open(path, &job->shards[job->n_shards], err));
    job->n_shards++;
    return STATUS_OK;
}

/* {"weight_map": {"tensor": "file"}}: the files, each a name in this folder. */
static Status open_indexed(Job *job, const HfJson *json, Err *err) {
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(json->root, "weight_map"), *item;
    if (!cJSON_IsObject(map)) {
        return err_set(err, STATUS_DAMAGED, "%s: no weight_map", json->path);
    }
    cJSON_ArrayForEach(item, map) {
        const char *name = cJSON_GetStringValue(item);
        if (!name || !*name || name[0] == '.' || strchr(name, '/')) {
            return err_set(err, STATUS_DAMAGED,
                           "%s: weight_map: '%.80s' is in no file of the folder", json->path,
                           item->string);
        }
        TRY(open_shard(job, name, err));
    }
    return STATUS_OK;
}

static int by_name(const void *a, const void *b) {
    return gguf_slice_compare((*(const SafetensorsTensor *const *)a)->name,
                              (*(const SafetensorsTensor *const *)b)->name);
}

static Status index_shards(Job *job, Err *err) {
    size_t n = 0;
    for (size_t i = 0; i < job->n_shards; i++) n += safetensors_n_tensors(job->shards[i]);
    job->tensors = mem_alloc(n, sizeof(*job->tensors));
    job->used = mem_alloc(n, sizeof *job->used);
    if (!job->tensors || !job->used) return no_memory(job, err);
    for (size_t i = 0; i < job->n_shards; i++) {
        for (size_t k = 0; k < safetensors_n_tensors(job->shards[i]); k++) {
            job->tensors[job->n_tensors++] = safetensors_tensor_at(job->shards[i], k);
        }
    }
    qsort(job->tensors, n, sizeof(*job->tensors), by_name);
    for (size_t i = 1; i < n; i++) {
        if (by_name(&job->tensors[i - 1], &job->tensors[i]) == 0) {
            return err_set(err, STATUS_DAMAGED, "%s: tensor '%.*s' stands in two files",
                           job->folder, NAME_ARGS(job->tensors[i]->name));
        }
    }
    return STATUS_OK;
}

static Status open_shards(Job *job, Err *err) {
    job->shards = mem_alloc(MAX_SHARDS, sizeof(*job->shards));
    if (!job->shards) return no_memory(job, err);
    CLEANUP(hf_json_deinit) HfJson json = HF_JSON_NULL;
    Status status = hf_json_read(job->folder, "model.safetensors.index.json", &json, err);
    if (status == STATUS_OK) {
        TRY(open_indexed(job, &json, err));
        return index_shards(job, err);
    }
    TRY(gguf_optional(status));
    status = open_shard(job, "model.safetensors", err);
    if (status == STATUS_NOT_FOUND) {
        return err_set(err, STATUS_INVALID,
                       "%s: no model.safetensors and no model.safetensors.index.json", job->folder);
    }
    TRY(status);
    return index_shards(job, err);
}

/* ---- plan ----------------------------------------------------------------------------------- */

static Status find_source(Job *job, const char *name, const SafetensorsTensor **ret, Err *err) {
    SafetensorsTensor key = { .name = slice_of(name) };
    const SafetensorsTensor *wanted = &key;
    const SafetensorsTensor **found =
        bsearch(&wanted, job->tensors, job->n_tensors, sizeof(*job->tensors), by_name);
    if (!found) {
        return err_set(err, STATUS_DAMAGED, "%s: tensor '%s' is missing", job->folder, name);
    }
    job->used[found - job->tensors] = true;
    *ret = *found;
    return STATUS_OK;
}

/* One tensor of [rows, columns]; rows 0: a vector. */
static Status plan_tensor(Job *job, const char *from, const char *to, uint64_t rows,
                          uint64_t columns, uint64_t heads, Err *err) {
    Planned *p = &job->plan[job->n_planned];
    TRY(find_source(job, from, &p->from, err));
    const SafetensorsTensor *t = p->from;
    if (!t->usable) {
        return err_set(err, STATUS_UNSUPPORTED,
                       "%s: tensor '%s' has type %s; F32, F16, BF16 are "
                       "supported",
                       job->folder, from, t->dtype);
    }
    bool fits = rows ? t->n_dims == 2 && t->dims[0] == rows && t->dims[1] == columns
                     : t->n_dims == 1 && t->dims[0] == columns;
    if (!fits) {
        return err_set(err, STATUS_DAMAGED,
                       "%s: tensor '%s' is [%llu, %llu], config.json makes it [%llu, %llu]",
                       job->folder, from, (unsigned long long)t->dims[0],
                       (unsigned long long)t->dims[1], (unsigned long long)(rows ? rows : columns),
                       (unsigned long long)(rows ? columns : 0));
    }
    snprintf(p->name, sizeof p->name, "%s", to);
    p->n_dims = rows ? 2 : 1;
    p->dims[0] = columns;
    p->dims[1] = rows ? rows : 1;
    p->heads = heads;
    p->type = !rows ? GGUF_TYPE_F32 : job->type_given ? job->type : t->type;
    job->total_bytes += t->bytes;
    job->n_planned++;
    return STATUS_OK;
}

static Status plan_layer(Job *job, uint64_t layer, Err *err) {
    const HfConfig *c = &job->config;
    uint64_t q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    const struct {
        const char *from, *to;
        uint64_t rows, columns, heads;
    } parts[] = {
        { "input_layernorm", "attn_norm", 0, c->dim, 0 },
        { "self_attn.q_proj", "attn_q", q, c->dim, c->n_heads },
        { "self_attn.k_proj", "attn_k", kv, c->dim, c->n_kv_heads },
        { "self_attn.v_proj", "attn_v", kv, c->dim, 0 },
        { "self_attn.o_proj", "attn_output", c->dim, q, 0 },
        { "post_attention_layernorm", "ffn_norm", 0, c->dim, 0 },
        { "mlp.gate_proj", "ffn_gate", c->ffn, c->dim, 0 },
        { "mlp.up_proj", "ffn_up", c->ffn, c->dim, 0 },
        { "mlp.down_proj", "ffn_down", c->dim, c->ffn, 0 },
    };
    for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
        char from[96], to[64];
        snprintf(from, sizeof from, "model.layers.%llu.%s.weight", (unsigned long long)layer,
                 parts[i].from);
        snprintf(to, sizeof to, "blk.%llu.%s.weight", (unsigned long long)layer, parts[i].to);
        TRY(plan_tensor(job, from, to, parts[i].rows, parts[i].columns, parts[i].heads, err));
    }
    return STATUS_OK;
}

static Status plan_rope(Job *job, Err *err) {
    job->rope_factors = mem_alloc((size_t)job->config.head_dim / 2, sizeof *job->rope_factors);
    if (!job->rope_factors) return no_memory(job, err);
    hf_config_rope_factors(&job->config, job->rope_factors);
    job->plan[job->n_planned++] = (Planned){ .name = "rope_freqs.weight",
                                             .type = GGUF_TYPE_F32,
                                             .n_dims = 1,
                                             .dims = { job->config.head_dim / 2, 1 } };
    return STATUS_OK;
}

static bool ends_with(Slice s, Slice end) {
    return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

static Status refuse_unused(const Job *job, Err *err) {
    for (size_t i = 0; i < job->n_tensors; i++) {
        Slice name = job->tensors[i]->name;
        if (job->used[i] || ends_with(name, SLICE(".rotary_emb.inv_freq"))) continue;
        if (job->config.tied && slice_equal(name, SLICE("lm_head.weight"))) continue;
        return err_set(err, STATUS_UNSUPPORTED, "%s: tensor '%.*s' is no part of a LLaMA model",
                       job->folder, NAME_ARGS(name));
    }
    return STATUS_OK;
}

static Status make_plan(Job *job, Err *err) {
    const HfConfig *c = &job->config;
    job->plan = mem_alloc(4 + 9 * (size_t)c->n_layers, sizeof *job->plan);
    if (!job->plan) return no_memory(job, err);
    TRY(plan_tensor(job, "model.embed_tokens.weight", "token_embd.weight", c->n_vocab, c->dim, 0,
                    err));
    if (c->rope == HF_ROPE_LLAMA3) TRY(plan_rope(job, err));
    for (uint64_t i = 0; i < c->n_layers; i++) TRY(plan_layer(job, i, err));
    TRY(plan_tensor(job, "model.norm.weight", "output_norm.weight", 0, c->dim, 0, err));
    if (!c->tied) {
        TRY(plan_tensor(job, "lm_head.weight", "output.weight", c->n_vocab, c->dim, 0, err));
    }
    return refuse_unused(job, err);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* The row of the source that becomes row r: GGUF has the pairs that RoPE turns side by side,
 * Hugging Face has the first halves of all pairs of a head, then the second halves. */
static uint64_t source_row(const Planned *p, uint64_t r) {
    if (!p->heads) return r;
    uint64_t per_head = p->dims[1] / p->heads, in_head = r % per_head;
    return r - in_head + in_head % 2 * (per_head / 2) + in_head / 2;
}

static Status tell_progress(Job *job, uint64_t bytes, Err *err) {
    job->done_bytes += bytes;
    const GgufConvertOptions *o = job->options;
    if (!o->progress || o->progress(o->user, job->done_bytes, job->total_bytes)) return STATUS_OK;
    return err_set(err, STATUS_CANCELLED, "cancelled");
}

static Status write_rows(Job *job, const Planned *p, uint8_t *buffer, float *row, Err *err) {
    size_t columns = (size_t)p->dims[0], from_bytes = 0, to_bytes = 0;
    if (!gguf_type_row_bytes(p->from->type, columns, &from_bytes) ||
        !gguf_type_row_bytes(p->type, columns, &to_bytes)) {
        return err_set(err, STATUS_INTERNAL, "tensor '%s' does not fit its type", p->name);
    }
    size_t at_once = MAX(BUFFER_BYTES / to_bytes, 1);
    for (uint64_t r = 0; r < p->dims[1]; r += at_once) {
        size_t n = (size_t)MIN(at_once, p->dims[1] - r);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *from = p->from->data + source_row(p, r + i) * from_bytes;
            if (p->type == p->from->type) {
                memcpy(buffer + i * to_bytes, from, to_bytes);
                continue;
            }
            gguf_decode_row(p->from->type, from, columns, row);
            gguf_encode_row(p->type, row, columns, buffer + i * to_bytes);
        }
        TRY(gguf_writer_data(job->writer, buffer, n * to_bytes, err));
        TRY(tell_progress(job, n * from_bytes, err));
    }
    return STATUS_OK;
}

static Status write_plan(Job *job, Err *err) {
    uint64_t widest = 0;
    for (size_t i = 0; i < job->n_planned; i++) widest = MAX(widest, job->plan[i].dims[0]);
    AUTO_FREE uint8_t *buffer = mem_alloc(MAX((size_t)widest * 4, BUFFER_BYTES), 1);
    AUTO_FREE float *row = mem_alloc((size_t)widest, sizeof *row);
    if (!buffer || !row) return no_memory(job, err);
    for (size_t i = 0; i < job->n_planned; i++) {
        const Planned *p = &job->plan[i];
        for (size_t k = 0; k < job->n_shards; k++) {
            TRY(safetensors_check_unchanged(job->shards[k], err));
        }
        if (p->from) {
            TRY(write_rows(job, p, buffer, row, err));
        } else {
            TRY(gguf_writer_data(job->writer, job->rope_factors, (size_t)p->dims[0] * sizeof(float),
                                 err));
        }
    }
    return STATUS_OK;
}

static GgufType common_type(const Job *job) {
    uint64_t counts[GGUF_N_TYPE_NUMBERS] = { 0 };
    GgufType best = GGUF_TYPE_F32;
    for (size_t i = 0; i < job->n_planned; i++) {
        const Planned *p = &job->plan[i];
        if (p->n_dims == 2) counts[p->type] += p->dims[0] * p->dims[1];
        if (counts[p->type] > counts[best]) best = p->type;
    }
    return best;
}

static void declare_general(Job *job) {
    const char *name = job->options->name;
    Slice folder = slice_of(job->folder);
    while (folder.n > 1 && folder.p[folder.n - 1] == '/') folder.n--;
    for (size_t i = folder.n; i-- > 0;) {
        if (folder.p[i] != '/' || i + 1 == folder.n) continue;
        folder = slice_skip(folder, i + 1);
        break;
    }
    GgufType type = common_type(job);
    gguf_writer_string(job->writer, "general.architecture", SLICE("llama"));
    gguf_writer_string(job->writer, "general.type", SLICE("model"));
    gguf_writer_string(job->writer, "general.name", name ? slice_of(name) : folder);
    gguf_writer_u32(job->writer, "general.file_type",
                    type == GGUF_TYPE_F32   ? 0
                    : type == GGUF_TYPE_F16 ? 1
                                            : 32);
}

static Status run_job(Job *job, const char *out_path, GgufConvertSummary *ret, Err *err) {
    TRY(hf_config_read(job->folder, &job->config, err));
    TRY(open_shards(job, err));
    TRY(make_plan(job, err));
    TRY(gguf_writer_new(&job->writer, err));
    declare_general(job);
    hf_config_write(&job->config, job->writer);
    TRY(hf_vocab_write(job->folder, &job->config, job->writer, err));
    GgufConvertSummary summary = { .n_tensors = job->n_planned, .type = common_type(job) };
    for (size_t i = 0; i < job->n_planned; i++) {
        const Planned *p = &job->plan[i];
        gguf_writer_tensor(job->writer, slice_of(p->name), p->type, p->n_dims, p->dims);
        summary.n_elements += p->dims[0] * p->dims[1];
        summary.out_bytes += p->dims[0] * p->dims[1] * gguf_type_traits(p->type)->bytes;
    }
    TRY(gguf_writer_begin(job->writer, out_path, err));
    TRY(write_plan(job, err));
    TRY(gguf_writer_finish(job->writer, err));
    if (ret) *ret = summary;
    return STATUS_OK;
}

Status gguf_convert(const char *folder, const char *out_path, const GgufConvertOptions *options,
                    GgufConvertSummary *ret, Err *err) {
    static const GgufConvertOptions defaults = { 0 };
    CLEANUP(job_deinit) Job job = { .folder = folder, .options = options ? options : &defaults };
    if (job.options->type) {
        job.type_given =
            gguf_type_parse(job.options->type, &job.type) && !gguf_type_traits(job.type)->quantized;
        if (!job.type_given) {
            return err_set_param(err, STATUS_USAGE, "type", "'%s' is none of F32, F16, BF16",
                                 job.options->type);
        }
    }
    return run_job(&job, out_path, ret, err);
}
