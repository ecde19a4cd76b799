/* fonte model logits, perplexity: numbers of a model for a given text. */
#include "cli/model_run.h"
#include "cli/progress.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- logits ---- */

typedef struct Rows {
    FILE *file;
    size_t n_vocab, n;
    size_t n_bad; /* that are no numbers */
} Rows;

/* Little-endian on any machine. */
static bool write_row(void *context, size_t position, const float *logits) {
    Rows *rows = context;
    (void)position;
    for (size_t i = 0; i < rows->n_vocab; i++) {
        uint32_t bits;
        memcpy(&bits, &logits[i], sizeof bits);
        unsigned char bytes[4] = { (unsigned char)bits, (unsigned char)(bits >> 8),
                                   (unsigned char)(bits >> 16), (unsigned char)(bits >> 24) };
        fwrite(bytes, 1, sizeof bytes, rows->file);
        rows->n_bad += isnan(logits[i]) != 0;
    }
    rows->n++;
    return !ferror(rows->file) && !model_interrupted;
}

static int report_rows(Cli *cli, const FonteLlm *llm, const Rows *rows, const char *path) {
    if (rows->n_bad) cli_warn(cli, "%s: %zu of the logits are no numbers (NaN)", path, rows->n_bad);
    if (cli->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "positions", (double)rows->n);
        cJSON_AddNumberToObject(object, "vocabulary", (double)rows->n_vocab);
        cJSON_AddStringToObject(object, "kernels", fonte_llm_kernels(llm));
        cJSON_AddStringToObject(object, "file", path);
        cli_print_object(cli, object);
        cJSON_Delete(object);
    } else {
        fprintf(cli->out.file, "%zu positions of %zu logits by %s in ", rows->n, rows->n_vocab,
                fonte_llm_kernels(llm));
        term_line(&cli->out, path);
        fputc('\n', cli->out.file);
    }
    return rows->n_bad ? EXIT_FAILED : EXIT_OK;
}

static int compute_logits(Cli *cli, FonteLlm *llm, const Ids *ids, const char *path) {
    FonteError error = { 0 };
    Rows rows = { .file = fopen(path, "wbe"), .n_vocab = fonte_llm_n_vocab(llm) };
    if (!rows.file) {
        cli_warn(cli, "%s: %s", path, strerror(errno));
        return EXIT_FAILED;
    }
    model_catch_interrupt();
    errno = 0;
    FonteStatus status = fonte_llm_logits(llm, ids->ids, ids->n, write_row, &rows, &error);
    bool failed = ferror(rows.file) != 0;
    failed |= fclose(rows.file) != 0;
    if (failed) {
        cli_warn(cli, "%s: %s", path, strerror(errno ? errno : EIO));
    } else if (status == FONTE_OK) {
        return report_rows(cli, llm, &rows, path);
    }
    remove(path);
    if (model_interrupted) return EXIT_INTERRUPTED;
    return failed ? EXIT_FAILED : cli_fail(cli, &error);
}

int model_logits(Cli *cli, int argc, char **argv) {
    RunOptions run = { 0 };
    const char *tokens = NULL, *out = NULL;
    Option table[2 + MODEL_N_RUN_OPTIONS] = {
        { 't', "tokens", OPTION_TEXT, &tokens, "IDS", "Token ids, or @FILE with them" },
        { 'o', "out", OPTION_TEXT, &out, "FILE", "Where to write" },
    };
    model_run_options(&run, table + 2);
    Usage usage = { "model logits", "MODEL --tokens IDS --out FILE",
                    "Write the logits of every position: little-endian f32, [tokens, vocabulary].",
                    table, sizeof table / sizeof table[0] };
    int first, status;
    Ids ids = { 0 };
    FonteLlm *llm = NULL;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != 1) return cli_fail_usage(cli, "one model");
    if (!tokens) return cli_fail_usage(cli, "--tokens: which?");
    if (!out) return cli_fail_usage(cli, "--out: where to?");
    if (!model_parse_ids(cli, tokens, &ids, &status)) return free(ids.ids), status;
    if (model_open(cli, argv[first], &run, ids.n, &llm, &status)) {
        status = compute_logits(cli, llm, &ids, out);
    }
    fonte_llm_close(llm);
    free(ids.ids);
    return status;
}

/* ---- perplexity ---- */

static bool show_progress(void *context, uint64_t done, uint64_t total) {
    Progress *progress = context;
    progress->total = (double)total;
    progress_show(progress, (double)done, "");
    return !model_interrupted;
}

static int print_perplexity(Cli *cli, const FonteLlmPerplexity *p) {
    if (cli->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "perplexity", p->perplexity);
        cJSON_AddNumberToObject(object, "nll", p->nll);
        cJSON_AddNumberToObject(object, "error", p->error);
        cJSON_AddNumberToObject(object, "tokens", (double)p->n_tokens);
        cli_print_object(cli, object);
        cJSON_Delete(object);
        return EXIT_OK;
    }
    fprintf(cli->out.file, "perplexity %.6g, %.6f +- %.6f nats a token, %zu tokens\n",
            p->perplexity, p->nll, p->error, p->n_tokens);
    return EXIT_OK;
}

static int measure(Cli *cli, FonteLlm *llm, const char *text, size_t n_text) {
    FonteError error = { 0 };
    FonteLlmPerplexity result;
    Progress progress;
    int32_t *ids = NULL;
    size_t n = 0;
    if (fonte_vocab_encode(fonte_llm_vocab(llm), text, n_text, 0, &ids, &n, &error) != FONTE_OK) {
        return cli_fail(cli, &error);
    }
    progress_init(&progress, &cli->err, "tokens", 0);
    model_catch_interrupt();
    FonteStatus status =
        fonte_llm_perplexity(llm, ids, n, show_progress, &progress, &result, &error);
    progress_clear(&progress);
    free(ids);
    if (status == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    return status == FONTE_OK ? print_perplexity(cli, &result) : cli_fail(cli, &error);
}

int model_perplexity(Cli *cli, int argc, char **argv) {
    RunOptions run = { 0 };
    Option table[MODEL_N_RUN_OPTIONS];
    model_run_options(&run, table);
    Usage usage = { "model perplexity", "MODEL FILE",
                    "How well the model foresees a text: lower is better. FILE is text, - stdin.",
                    table, sizeof table / sizeof table[0] };
    int first, status;
    char *text;
    size_t n;
    FonteLlm *llm = NULL;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != 2) return cli_fail_usage(cli, "a model and a text file");
    if (!model_read_file(cli, argv[first + 1], &text, &n, &status)) return status;
    if (model_open(cli, argv[first], &run, 0, &llm, &status)) status = measure(cli, llm, text, n);
    fonte_llm_close(llm);
    free(text);
    return status;
}
