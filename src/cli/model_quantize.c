/* fonte model quantize, convert, random: they write a new file, whole or not at all. */
#include "cli/model.h"
#include "cli/progress.h"

#include <fonte/model.h>
#include <stdlib.h>
#include <string.h>

typedef struct Making {
    Cli *cli;
    Progress progress;
    cJSON *tensors; /* for --json; NULL otherwise */
    bool quiet;
    size_t n; /* rows printed */
} Making;

static bool show_progress(void *context, uint64_t done, uint64_t total) {
    Making *making = context;
    making->progress.total = (double)total;
    progress_show(&making->progress, (double)done, "");
    return !model_interrupted;
}

static void add_row(void *context, const FonteTensorError *t) {
    Making *making = context;
    Term *out = &making->cli->out;
    if (making->tensors) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "name", t->name);
        cJSON_AddStringToObject(object, "from", t->from);
        cJSON_AddStringToObject(object, "to", t->to);
        cJSON_AddNumberToObject(object, "elements", (double)t->n_elements);
        cJSON_AddNumberToObject(object, "bytes", (double)t->n_bytes);
        cJSON_AddNumberToObject(object, "rmse", t->rmse);
        cJSON_AddNumberToObject(object, "relative", t->relative);
        cJSON_AddNumberToObject(object, "max_error", t->max_error);
        cJSON_AddItemToArray(making->tensors, object);
        return;
    }
    if (making->quiet) return;
    progress_clear(&making->progress);
    if (making->n++ == 0) {
        term_style(out, STYLE_BOLD);
        fputs("FROM    TO            ELEMENTS       RMSE  RELATIVE  LARGEST    TENSOR", out->file);
        term_plain(out);
        fputc('\n', out->file);
    }
    fprintf(out->file, "%-7s %-7s %14llu  %9.3g  %7.3f%%  %9.3g  ", t->from, t->to,
            (unsigned long long)t->n_elements, t->rmse, 100 * t->relative, t->max_error);
    term_line(out, t->name);
    fputc('\n', out->file);
    if (out->is_terminal) fflush(out->file);
}

static void print_sums(Making *making, const FonteQuantized *sums) {
    Cli *cli = making->cli;
    char in[32], out[32];
    if (making->tensors) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "in_bytes", (double)sums->in_bytes);
        cJSON_AddNumberToObject(object, "out_bytes", (double)sums->out_bytes);
        cJSON_AddNumberToObject(object, "parameters", (double)sums->n_parameters);
        cJSON_AddNumberToObject(object, "changed", (double)sums->n_changed);
        cJSON_AddNumberToObject(object, "bits_per_weight", sums->bits_per_weight);
        cJSON_AddNumberToObject(object, "relative", sums->relative);
        cJSON_AddItemReferenceToObject(object, "tensors", making->tensors);
        cli_print_object(cli, object);
        cJSON_Delete(object);
        return;
    }
    model_format_bytes(in, sizeof in, (double)sums->in_bytes);
    model_format_bytes(out, sizeof out, (double)sums->out_bytes);
    fprintf(cli->out.file,
            "%zu of %zu tensors changed: %s to %s, %.2f bits per weight, error %.3f%%\n",
            sums->n_changed, sums->n_tensors, in, out, sums->bits_per_weight, 100 * sums->relative);
}

static void list_types(char *out, size_t n_out) {
    size_t n = 0;
    for (size_t i = 0; fonte_quantize_type(i) && n < n_out; i++)
        n += (size_t)snprintf(out + n, n_out - n, "%s%s",
                              i == 0   ? ""
                              : i % 11 ? " "
                                       : "\n",
                              fonte_quantize_type(i));
}

int model_quantize(Cli *cli, int argc, char **argv) {
    Making making = { .cli = cli };
    size_t threads = 0;
    bool pure = false;
    char types[512], about[1024];
    const Option table[] = {
        { 'j', "threads", OPTION_COUNT, &threads, "N", "Threads (default: all processors)", 1,
          256 },
        { 0, "pure", OPTION_FLAG, &pure, NULL, "Every matrix in this type, no mixture" },
        { 'q', "quiet", OPTION_FLAG, &making.quiet, NULL, "Leave out the table of tensors" },
    };
    list_types(types, sizeof types);
    snprintf(
        about, sizeof about,
        "Write OUT with the weights of IN in another number format, and show what each tensor\n"
        "lost. OUT appears only when it is whole. Types:\n%s",
        types);
    Usage usage = { "model quantize", "IN OUT TYPE", about, table, sizeof table / sizeof table[0] };
    int first, status;
    FonteError error = { 0 };
    FonteQuantized sums;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != 3) return cli_fail_usage(cli, "a file, a new file and a type");
    progress_init(&making.progress, &cli->err, "B", 0);
    if (cli->json) making.tensors = cJSON_CreateArray();
    model_catch_interrupt();
    FonteQuantizeOptions options = { (unsigned)threads, pure, show_progress, add_row, &making };
    FonteStatus result = fonte_model_quantize(argv[first], argv[first + 1], argv[first + 2],
                                              &options, &sums, &error);
    progress_clear(&making.progress);
    if (result == FONTE_OK) print_sums(&making, &sums);
    cJSON_Delete(making.tensors);
    if (result == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    return result == FONTE_OK ? EXIT_OK : cli_fail(cli, &error);
}

static void print_made(Cli *cli, const FonteConverted *sums) {
    if (cli->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "tensors", (double)sums->n_tensors);
        cJSON_AddNumberToObject(object, "parameters", (double)sums->n_parameters);
        cJSON_AddNumberToObject(object, "out_bytes", (double)sums->out_bytes);
        cJSON_AddStringToObject(object, "type", sums->type);
        cli_print_object(cli, object);
        cJSON_Delete(object);
    } else {
        char bytes[32];
        model_format_bytes(bytes, sizeof bytes, (double)sums->out_bytes);
        fprintf(cli->out.file, "%zu tensors, %.4g million parameters, %s in %s\n", sums->n_tensors,
                (double)sums->n_parameters / 1e6, bytes, sums->type);
    }
}

int model_convert(Cli *cli, int argc, char **argv) {
    Making making = { .cli = cli };
    FonteConvertOptions options = { .progress = show_progress, .context = &making };
    const Option table[] = {
        { 't', "type", OPTION_CHOICE, &options.type, "f32|f16|bf16",
          "Number format of the matrices (default: as they are)" },
        { 'n', "name", OPTION_TEXT, &options.name, "NAME",
          "The model's name (default: the folder's)" },
    };
    Usage usage = {
        "model convert",
        "FOLDER OUT",
        "Make the GGUF file OUT of a Hugging Face folder: config.json, *.safetensors, and\n"
        "tokenizer.model or tokenizer.json. OUT appears only when it is whole.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    FonteError error = { 0 };
    FonteConverted sums;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != 2) return cli_fail_usage(cli, "a folder and a new file");
    progress_init(&making.progress, &cli->err, "B", 0);
    model_catch_interrupt();
    FonteStatus result = fonte_model_convert(argv[first], argv[first + 1], &options, &sums, &error);
    progress_clear(&making.progress);
    if (result == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    if (result != FONTE_OK) return cli_fail(cli, &error);
    print_made(cli, &sums);
    return EXIT_OK;
}

static void list_shapes(char *out, size_t n_out) {
    size_t n = 0;
    for (size_t i = 0; fonte_random_shape(i) && n < n_out; i++)
        n += (size_t)snprintf(out + n, n_out - n, "%s%s", i ? ", " : "", fonte_random_shape(i));
}

int model_random(Cli *cli, int argc, char **argv) {
    Making making = { .cli = cli };
    size_t layers = 0, seed = 0;
    char shapes[256], about[1024];
    const Option table[] = {
        { 'l', "layers", OPTION_COUNT, &layers, "N", "Layers (default: the shape's)", 1, 1024 },
        { 0, "seed", OPTION_COUNT, &seed, "N", "The same seed gives the same file (default 0)", 0,
          9e15 },
    };
    list_shapes(shapes, sizeof shapes);
    snprintf(about, sizeof about,
             "Write OUT, a model with random weights of the magnitude of trained ones, to measure "
             "speed and\nmemory with. It writes nonsense. TYPE is one that 'fonte model quantize' "
             "knows. Shapes:\n%s.",
             shapes);
    Usage usage = { "model random", "SHAPE TYPE OUT", about, table,
                    sizeof table / sizeof table[0] };
    int first, status;
    FonteError error = { 0 };
    FonteConverted sums;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != 3) return cli_fail_usage(cli, "a shape, a type and a new file");
    progress_init(&making.progress, &cli->err, "B", 0);
    model_catch_interrupt();
    FonteRandomOptions options = { (unsigned)layers, seed, show_progress, &making };
    FonteStatus result =
        fonte_model_random(argv[first], argv[first + 1], argv[first + 2], &options, &sums, &error);
    progress_clear(&making.progress);
    if (result == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    if (result != FONTE_OK) return cli_fail(cli, &error);
    print_made(cli, &sums);
    return EXIT_OK;
}
