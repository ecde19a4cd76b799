#include "daemon/served.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct Served {
    atomic_int n_refs;
    char name[128], licence[128], arithmetic[48];
    int64_t since;
    LlmModel *model;
    Engine *engine;
    TemplateKind template_kind;
    Generator generator;
    CitationTable *citations;
    GrammarTable *grammar_table;
    ModelHash *hash;
};

static void set_name(Served *s, const Config *config) {
    const char *slash = strrchr(config->model, '/');
    const char *name = *config->model_name ? config->model_name : slash ? slash + 1 : config->model;
    snprintf(s->name, sizeof s->name, "%s", name);
    char *ending = strrchr(s->name, '.');
    if (!*config->model_name && ending && strcmp(ending, ".gguf") == 0) *ending = '\0';
}

static Status set_licence(Served *s, Err *err) {
    Slice text = SLICE_NULL;
    Status status = gguf_file_string(s->model->file, "general.license", &text, err);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    snprintf(s->licence, sizeof s->licence, "%.*s", (int)MIN(text.n, sizeof s->licence - 1),
             text.n ? text.p : "");
    return STATUS_OK;
}

static Status find_template(Served *s, const Config *config, Err *err) {
    if (*config->template_name) {
        Status status = template_from_name(slice_of(config->template_name), &s->template_kind, err);
        return status == STATUS_OK ? STATUS_OK : err_prefix(err, status, "generator.template");
    }
    Slice text = SLICE_NULL;
    Status status = gguf_file_string(s->model->file, "tokenizer.chat_template", &text, err);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    status = template_detect(text, &s->template_kind, err);
    if (status == STATUS_OK) return STATUS_OK;
    return err_prefix(err, STATUS_USAGE, "the file's chat template (set generator.template)");
}

static Status parse_kv(const char *name, KernelsKvType *ret, Err *err) {
    static const char *const names[KERNELS_N_KV_TYPES] = {
        [KERNELS_KV_F32] = "f32", [KERNELS_KV_F16] = "f16", [KERNELS_KV_Q8_0] = "q8_0"
    };
    for (size_t i = 0; i < KERNELS_N_KV_TYPES; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *ret = (KernelsKvType)i;
        return STATUS_OK;
    }
    return err_set_param(err, STATUS_USAGE, "generator.kv",
                         "generator.kv: f16, f32 or q8_0 is expected, not %.20s", name);
}

/* Bytes of one token's keys and values in all layers (Q8_0: 34 bytes for 32 numbers). */
static size_t kv_token_bytes(const LlmShape *shape, KernelsKvType kv) {
    size_t n = shape->n_layers * shape->n_kv_heads * (shape->key_dim + shape->value_dim);
    return kv == KERNELS_KV_F32 ? n * 4 : kv == KERNELS_KV_F16 ? n * 2 : n / 32 * 34;
}

static Status fill(Served *s, const Config *config, Err *err) {
    TRY(llm_model_open(config->model, &s->model, err));
    TRY(set_licence(s, err));
    TRY(find_template(s, config, err));
    KernelsKvType kv = KERNELS_KV_F16;
    TRY(parse_kv(config->kv, &kv, err));
    size_t context = MIN(config->context, s->model->shape.context);
    size_t n_kept = config->kv_bytes / kv_token_bytes(&s->model->shape, kv);
    size_t most = (config->n_generating + config->n_cached_prompts) * context;
    EngineOptions options = { .n_threads = (unsigned)config->n_compute_threads,
                              .pin = config->pin,
                              .kv = kv,
                              .context = context,
                              .n_streams = config->n_generating,
                              .n_cached = config->n_cached_prompts,
                              .kv_tokens = MAX(context, MIN(n_kept, most)),
                              .n_queued = config->n_generate_queue,
                              .gap_ratio = config->gap_ratio,
                              .n_drafted = config->n_drafted };
    TRY(engine_new(s->model, &options, &s->engine, err));
    KernelTable kernels;
    TRY(kernels_pick(KERNELS_ALL, &kernels, err)); /* as the engine does */
    snprintf(s->arithmetic, sizeof s->arithmetic, "kv %s, %s %d", config->kv, kernels.name,
             KERNELS_REVISION);
    TRY(modelhash_start(gguf_file_bytes(s->model->file), &s->hash, err));
    generator_engine_init(&s->generator, s->engine, s->template_kind, s->name,
                          modelhash_text(s->hash), s->arithmetic);
    TRY(citation_table_new(s->model->vocab, &s->citations, err));
    return grammar_table_new(s->model->vocab, &s->grammar_table, err);
}

Status served_open(const Config *config, Served **ret, Err *err) {
    if (!*config->model) {
        *ret = NULL;
        return STATUS_OK;
    }
    Served *s = mem_alloc(1, sizeof *s);
    if (!s) return err_set(err, STATUS_NO_MEMORY, "no memory for a model");
    atomic_init(&s->n_refs, 1);
    s->since = clock_unix_s();
    set_name(s, config);
    Status status = fill(s, config, err);
    if (status != STATUS_OK) {
        served_unref(s);
        bool named = err && strncmp(err->text, config->model, strlen(config->model)) == 0;
        return err_prefix(err, status, "model%s%s", named ? "" : " ", named ? "" : config->model);
    }
    *ret = s;
    return STATUS_OK;
}

Served *served_ref(Served *s) {
    if (s) atomic_fetch_add(&s->n_refs, 1);
    return s;
}

Served *served_unref(Served *s) {
    if (!s || atomic_fetch_sub(&s->n_refs, 1) > 1) return NULL;
    engine_free(s->engine);
    modelhash_free(s->hash);
    citation_table_free(s->citations);
    grammar_table_free(s->grammar_table);
    llm_model_close(s->model);
    free(s);
    return NULL;
}

void served_stop(Served *s) {
    if (!s) return;
    engine_stop(s->engine);
    modelhash_stop(s->hash);
}

const char *served_name(const Served *s) {
    return s->name;
}
const LlmModel *served_model(const Served *s) {
    return s->model;
}
Engine *served_engine(const Served *s) {
    return s->engine;
}
const char *served_licence(const Served *s) {
    return s->licence;
}
const Generator *served_generator(const Served *s) {
    return &s->generator;
}
const CitationTable *served_citations(const Served *s) {
    return s->citations;
}
const GrammarTable *served_grammar_table(const Served *s) {
    return s->grammar_table;
}
TemplateKind served_template(const Served *s) {
    return s->template_kind;
}
const char *served_wait_hash(Served *s) {
    return modelhash_wait(s->hash);
}
int64_t served_since(const Served *s) {
    return s->since;
}

bool served_is_same(const Config *a, const Config *b) {
    return strcmp(a->model, b->model) == 0 && strcmp(a->model_name, b->model_name) == 0 &&
           strcmp(a->template_name, b->template_name) == 0 &&
           a->n_compute_threads == b->n_compute_threads && a->pin == b->pin &&
           strcmp(a->kv, b->kv) == 0 && a->context == b->context &&
           a->n_generating == b->n_generating && a->n_cached_prompts == b->n_cached_prompts &&
           a->kv_bytes == b->kv_bytes && a->n_generate_queue == b->n_generate_queue &&
           a->gap_ratio == b->gap_ratio && a->n_drafted == b->n_drafted;
}
