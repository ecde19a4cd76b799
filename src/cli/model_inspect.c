/* fonte model inspect, verify. */
#include "cli/model.h"
#include "cli/progress.h"

#include <fonte/model.h>
#include <stdlib.h>
#include <string.h>

typedef struct TypeCount {
    const char *type;
    size_t n;
    double bytes, elements;
} TypeCount;
enum { MAX_TYPES = 32 };

static size_t count_types(const FonteModelInfo *info, TypeCount types[MAX_TYPES]) {
    size_t n = 0;
    for (size_t i = 0; i < info->n_tensors; i++) {
        const FonteModelTensor *t = &info->tensors[i];
        size_t k = 0;
        while (k < n && strcmp(types[k].type, t->type) != 0) k++;
        if (k == MAX_TYPES) continue;
        if (k == n) types[n++] = (TypeCount){ .type = t->type };
        types[k].n++;
        types[k].bytes += (double)t->n_bytes;
        types[k].elements += (double)t->n_elements;
    }
    return n;
}

static cJSON *tensors_json(const FonteModelInfo *info) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < info->n_tensors; i++) {
        const FonteModelTensor *t = &info->tensors[i];
        cJSON *object = cJSON_CreateObject(), *dims = cJSON_AddArrayToObject(object, "dims");
        cJSON_AddStringToObject(object, "name", t->name);
        cJSON_AddStringToObject(object, "type", t->type);
        for (unsigned k = 0; k < t->n_dims; k++)
            cJSON_AddItemToArray(dims, cJSON_CreateNumber((double)t->dims[k]));
        cJSON_AddNumberToObject(object, "bytes", (double)t->n_bytes);
        cJSON_AddNumberToObject(object, "offset", (double)t->at_byte);
        cJSON_AddItemToArray(list, object);
    }
    return list;
}

/* {"KEY": value} with arrays as {"type","n","first"}. */
static cJSON *keys_json(const FonteModelInfo *info) {
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < info->n_keys; i++) {
        const FonteModelKey *key = &info->keys[i];
        cJSON *value = cJSON_CreateRaw(key->json);
        if (key->is_array) {
            cJSON *array = cJSON_CreateObject();
            cJSON_AddStringToObject(array, "type", key->type);
            cJSON_AddNumberToObject(array, "n", (double)key->n_elements);
            cJSON_AddItemToObject(array, "first", value);
            value = array;
        }
        cJSON_AddItemToObject(object, key->name, value);
    }
    return object;
}

static void print_json(Cli *cli, const FonteModelInfo *info) {
    TypeCount types[MAX_TYPES];
    size_t n_types = count_types(info, types);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "path", info->path);
    cJSON_AddStringToObject(object, "architecture", info->architecture);
    cJSON_AddStringToObject(object, "name", info->name);
    cJSON_AddStringToObject(object, "license", info->license);
    cJSON_AddStringToObject(object, "file_type", info->file_type);
    cJSON_AddStringToObject(object, "tokenizer", info->tokenizer);
    cJSON_AddNumberToObject(object, "vocabulary", (double)info->n_vocabulary);
    cJSON_AddStringToObject(object, "template", info->template_name);
    cJSON_AddStringToObject(object, "chat_template", info->chat_template);
    cJSON_AddNumberToObject(object, "gguf_version", info->version);
    cJSON_AddNumberToObject(object, "alignment", (double)info->alignment);
    cJSON_AddNumberToObject(object, "file_bytes", (double)info->n_file_bytes);
    cJSON_AddNumberToObject(object, "tensor_bytes", (double)info->n_tensor_bytes);
    cJSON_AddNumberToObject(object, "parameters", (double)info->n_parameters);
    cJSON *counts = cJSON_AddObjectToObject(object, "types");
    for (size_t i = 0; i < n_types; i++)
        cJSON_AddNumberToObject(counts, types[i].type, (double)types[i].n);
    cJSON_AddItemToObject(object, "keys", keys_json(info));
    cJSON_AddItemToObject(object, "tensors", tensors_json(info));
    cli_print_object(cli, object);
    cJSON_Delete(object);
}

static void row(Cli *cli, const char *name, const char *value) {
    if (!value || !*value) return;
    fprintf(cli->out.file, "%-16s ", name);
    term_line(&cli->out, value);
    fputc('\n', cli->out.file);
}

static void print_sizes(Cli *cli, const FonteModelInfo *info) {
    static const struct {
        const char *name, *key;
    } rows[] = {
        { "context", "context_length" },
        { "width", "embedding_length" },
        { "layers", "block_count" },
        { "heads", "attention.head_count" },
        { "key/value heads", "attention.head_count_kv" },
        { "feed-forward", "feed_forward_length" },
        { "RoPE base", "rope.freq_base" },
        { "RoPE scaling", "rope.scaling.type" },
        { "sliding window", "attention.sliding_window" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char key[256];
        snprintf(key, sizeof key, "%.150s.%s", info->architecture, rows[i].key);
        const FonteModelKey *found = fonte_model_info_key(info, key);
        if (found) row(cli, rows[i].name, found->json);
    }
}

static void print_summary(Cli *cli, const FonteModelInfo *info) {
    char text[256], bytes[32];
    TypeCount types[MAX_TYPES];
    size_t n_types = count_types(info, types);
    row(cli, "file", info->path);
    model_format_bytes(bytes, sizeof bytes, (double)info->n_file_bytes);
    snprintf(text, sizeof text, "%s, GGUF %u, alignment %llu", bytes, info->version,
             (unsigned long long)info->alignment);
    row(cli, "size", text);
    row(cli, "architecture", info->architecture);
    row(cli, "name", info->name);
    row(cli, "licence", *info->license ? info->license : "not stated in the file");
    row(cli, "file type", info->file_type);
    snprintf(text, sizeof text, "%.4g million", (double)info->n_parameters / 1e6);
    row(cli, "parameters", text);
    print_sizes(cli, info);
    if (*info->tokenizer) {
        snprintf(text, sizeof text, "%.100s, %llu pieces", info->tokenizer,
                 (unsigned long long)info->n_vocabulary);
        row(cli, "tokenizer", text);
    }
    row(cli, "chat template",
        *info->template_name   ? info->template_name
        : *info->chat_template ? "one that is not known"
                               : "none");
    for (size_t i = 0; i < n_types; i++) {
        model_format_bytes(bytes, sizeof bytes, types[i].bytes);
        snprintf(text, sizeof text, "%-8s %4zu, %s, %.2f bits per weight", types[i].type,
                 types[i].n, bytes,
                 types[i].elements > 0 ? 8 * types[i].bytes / types[i].elements : 0);
        row(cli, i == 0 ? "tensors" : " ", text);
    }
}

static void print_keys(Cli *cli, const FonteModelInfo *info) {
    fputc('\n', cli->out.file);
    for (size_t i = 0; i < info->n_keys; i++) {
        const FonteModelKey *key = &info->keys[i];
        term_line(&cli->out, key->name);
        if (key->is_array)
            fprintf(cli->out.file, "  %s[%llu]", key->type, (unsigned long long)key->n_elements);
        fputs(" = ", cli->out.file);
        term_line(&cli->out, key->json);
        fputc('\n', cli->out.file);
    }
}

static void print_tensors(Cli *cli, const FonteModelInfo *info) {
    fputc('\n', cli->out.file);
    for (size_t i = 0; i < info->n_tensors; i++) {
        const FonteModelTensor *t = &info->tensors[i];
        char dims[96];
        size_t n = 0;
        for (unsigned k = 0; k < t->n_dims; k++)
            n += (size_t)snprintf(dims + n, sizeof dims - n, k ? " x %llu" : "%llu",
                                  (unsigned long long)t->dims[k]);
        fprintf(cli->out.file, "%-8s %-18s %12llu B at %-12llu ", t->type, dims,
                (unsigned long long)t->n_bytes, (unsigned long long)t->at_byte);
        term_line(&cli->out, t->name);
        fputc('\n', cli->out.file);
    }
}

int model_inspect(Cli *cli, int argc, char **argv) {
    bool keys = false, tensors = false;
    const Option table[] = {
        { 'k', "keys", OPTION_FLAG, &keys, NULL, "Show all metadata too" },
        { 't', "tensors", OPTION_FLAG, &tensors, NULL, "Show all tensors too" },
    };
    Usage usage = {
        "model inspect",
        "MODEL",
        "What a GGUF file holds: architecture, sizes, number formats, tokenizer, chat template "
        "and\n"
        "licence. --json has all metadata and tensors.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    FonteModelInfo *info;
    FonteError error = { 0 };
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != 1) return cli_fail_usage(cli, "one file");
    if (fonte_model_inspect(argv[first], &info, &error) != FONTE_OK) return cli_fail(cli, &error);
    if (cli->json) {
        print_json(cli, info);
    } else {
        print_summary(cli, info);
        if (keys) print_keys(cli, info);
        if (tensors) print_tensors(cli, info);
    }
    fonte_model_info_free(info);
    return EXIT_OK;
}

static bool show_progress(void *context, uint64_t done, uint64_t total) {
    Progress *progress = context;
    progress->total = (double)total;
    progress_show(progress, (double)done, "");
    return !model_interrupted;
}

int model_verify(Cli *cli, int argc, char **argv) {
    size_t threads = 0;
    const Option table[] = {
        { 'j', "threads", OPTION_COUNT, &threads, "N", "Threads (default: all processors)", 1,
          256 },
    };
    Usage usage = {
        "model verify",
        "MODEL",
        "Check a whole GGUF file: its structure, its vocabulary, and every tensor decoded to "
        "finite\n"
        "numbers. The first thing that is wrong is named, with its place.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    FonteError error = { 0 };
    Progress progress;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != 1) return cli_fail_usage(cli, "one file");
    progress_init(&progress, &cli->err, "B", 0);
    model_catch_interrupt();
    FonteModelVerifyOptions options = { (unsigned)threads, show_progress, &progress };
    FonteStatus result = fonte_model_verify(argv[first], &options, &error);
    progress_clear(&progress);
    if (result == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    if (cli->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddBoolToObject(object, "ok", result == FONTE_OK);
        if (result != FONTE_OK) {
            cJSON_AddStringToObject(object, "code", fonte_status_code(result));
            cJSON_AddStringToObject(object, "message", error.text);
        }
        cli_print_object(cli, object);
        cJSON_Delete(object);
    } else if (result == FONTE_OK) {
        fputs("ok\n", cli->out.file);
    }
    return result == FONTE_OK ? EXIT_OK : cli_fail(cli, &error);
}
