/* fonte model pull: bring a model here. The terms come first, then the file, which gets its name
 * only when it is whole, has the right digest where one is known, and is a GGUF file. */
#include "cli/catalogue.h"
#include "cli/licence.h"
#include "cli/model.h"
#include "cli/modeldir.h"
#include "cli/progress.h"

#include <fonte/fetch.h>
#include <fonte/model.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct Pull {
    Cli *cli;
    /* what is asked for */
    const char *dir, *sha256, *url;
    char file[256], *path;
    uint64_t n_bytes; /* 0 = not known */
    Licence licence;
    bool yes;
    size_t retries;
    double patience;
    /* how it goes */
    Progress progress;
    uint64_t last; /* bytes: the count falls when the digest is begun */
} Pull;

static bool show_progress(void *context, uint64_t done, uint64_t total) {
    Pull *pull = context;
    bool again = done < pull->last;
    pull->last = done;
    if (again) progress_init(&pull->progress, &pull->cli->err, "B", (double)total);
    pull->progress.total = (double)total;
    progress_show(&pull->progress, (double)done, pull->file);
    return !model_interrupted;
}

static FonteStatus check_file(void *context, const char *path, FonteError *error) {
    (void)context;
    FonteModelInfo *info = NULL;
    FonteStatus status = fonte_model_inspect(path, &info, error);
    fonte_model_info_free(info);
    return status;
}

static int list(Cli *cli) {
    Term *out = &cli->out;
    if (cli->json) {
        cJSON *object = cJSON_CreateObject(), *models = cJSON_AddArrayToObject(object, "models");
        for (size_t i = 0; i < catalogue_n; i++) {
            cJSON *model = cJSON_CreateObject();
            cJSON_AddStringToObject(model, "name", catalogue[i].name);
            cJSON_AddStringToObject(model, "file", catalogue[i].file);
            cJSON_AddStringToObject(model, "url", catalogue[i].url);
            if (catalogue[i].n_bytes)
                cJSON_AddNumberToObject(model, "bytes", (double)catalogue[i].n_bytes);
            if (catalogue[i].sha256) cJSON_AddStringToObject(model, "sha256", catalogue[i].sha256);
            cJSON_AddItemToArray(models, model);
        }
        cli_print_object(cli, object);
        cJSON_Delete(object);
        return EXIT_OK;
    }
    for (size_t i = 0; i < catalogue_n; i++) {
        char bytes[32] = "-";
        if (catalogue[i].n_bytes)
            model_format_bytes(bytes, sizeof bytes, (double)catalogue[i].n_bytes);
        fprintf(out->file, "%-20s  %-8s %-30s  %s\n", catalogue[i].name, bytes, catalogue[i].file,
                catalogue[i].about);
    }
    return EXIT_OK;
}

/* A name of the catalogue, or a URL whose last part is the file's name. False where it is neither,
 * said on stderr. */
static bool find(Pull *pull, const char *what, int *ret_exit) {
    const CatalogueEntry *entry = catalogue_find(what);
    if (entry) {
        pull->url = entry->url;
        pull->n_bytes = entry->n_bytes;
        if (!pull->sha256) pull->sha256 = entry->sha256;
        pull->licence = LICENCE_LLAMA2;
        snprintf(pull->file, sizeof pull->file, "%s", entry->file);
        return true;
    }
    if (strncasecmp(what, "http://", 7) != 0 && strncasecmp(what, "https://", 8) != 0) {
        *ret_exit = cli_fail_usage(pull->cli,
                                   strstr(what, "://")
                                       ? "only http:// and https:// can be fetched, not %.80s"
                                       : "there is no model '%.80s' (fonte model pull --list)",
                                   what);
        return false;
    }
    size_t n = strcspn(what, "?#"), at = n;
    while (at > 0 && what[at - 1] != '/') at--;
    snprintf(pull->file, sizeof pull->file, "%.*s", (int)(n - at < 255 ? n - at : 255), what + at);
    if (!modeldir_is_file_name(pull->file)) {
        *ret_exit = cli_fail_usage(pull->cli,
                                   "the URL ends in no file name of a model "
                                   "(NAME.gguf): '%.80s'",
                                   pull->file);
        return false;
    }
    pull->url = what;
    pull->licence = licence_guess(what);
    return true;
}

static bool find_place(Pull *pull, int *ret_exit) {
    FonteError error = { 0 };
    char *own = pull->dir ? NULL : modeldir_default();
    const char *dir = pull->dir ? pull->dir : own;
    if (!dir || asprintf(&pull->path, "%s/%s", dir, pull->file) < 0) pull->path = NULL;
    FonteStatus status = pull->path ? modeldir_make(dir, &error) : FONTE_NO_MEMORY;
    free(own);
    if (status == FONTE_OK && access(pull->path, F_OK) == 0) {
        error.status = status = FONTE_CONFLICT;
        snprintf(error.text, sizeof error.text, "%.300s is there already", pull->path);
    }
    if (status != FONTE_OK) error.status = status;
    if (status != FONTE_OK) *ret_exit = cli_fail(pull->cli, &error);
    return status == FONTE_OK;
}

static void print_result(const Pull *pull, const FonteFetched *fetched, const char *notice) {
    Cli *cli = pull->cli;
    if (cli->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "path", pull->path);
        cJSON_AddStringToObject(object, "url", pull->url);
        cJSON_AddNumberToObject(object, "bytes", (double)fetched->n_bytes);
        cJSON_AddNumberToObject(object, "kept_bytes", (double)fetched->n_kept);
        cJSON_AddNumberToObject(object, "retries", fetched->n_retries);
        cJSON_AddStringToObject(object, "sha256", fetched->sha256);
        cJSON_AddBoolToObject(object, "verified", pull->sha256 != NULL);
        cJSON_AddStringToObject(object, "licence", licence_name(pull->licence));
        cJSON_AddStringToObject(object, "notice", notice);
        cli_print_object(cli, object);
        cJSON_Delete(object);
        return;
    }
    char bytes[32];
    model_format_bytes(bytes, sizeof bytes, (double)fetched->n_bytes);
    term_line(&cli->out, pull->path);
    fprintf(cli->out.file, "\n%s, SHA-256 %s%s\n", bytes, fetched->sha256,
            pull->sha256 ? ", as it should be" : "");
    if (!pull->sha256)
        cli_warn(cli, "no SHA-256 was known for it: what was received is what the server sent");
}

static int pull_it(Pull *pull) {
    FonteError error = { 0 };
    FonteFetched fetched;
    FonteFetchOptions options = { .sha256 = pull->sha256,
                                  .n_bytes = pull->n_bytes,
                                  .n_retries = (unsigned)pull->retries,
                                  .patience_s = pull->patience,
                                  .progress = show_progress,
                                  .check = check_file,
                                  .context = pull };
    progress_init(&pull->progress, &pull->cli->err, "B", 0);
    model_catch_interrupt();
    FonteStatus status = fonte_fetch(pull->url, pull->path, &options, &fetched, &error);
    progress_clear(&pull->progress);
    if (status == FONTE_CANCELLED) {
        cli_warn(pull->cli, "interrupted: the same command goes on with it");
        return EXIT_INTERRUPTED;
    }
    char *notice = NULL;
    NoticeFacts facts = { pull->licence, pull->file, pull->url, fetched.sha256 };
    if (status == FONTE_OK) status = licence_write_notice(pull->path, &facts, &notice, &error);
    if (status == FONTE_OK) print_result(pull, &fetched, notice);
    free(notice);
    return status == FONTE_OK ? EXIT_OK : cli_fail(pull->cli, &error);
}

int model_pull(Cli *cli, int argc, char **argv) {
    Pull pull = { .cli = cli, .retries = 5, .patience = 60 };
    bool wants_list = false;
    const Option table[] = {
        { 'd', "dir", OPTION_TEXT, &pull.dir, "DIR",
          "Folder to put it in (default: $FONTE_MODELS, else /var/lib/fonte/models for root and "
          "~/.local/share/fonte/models for others)" },
        { 0, "sha256", OPTION_TEXT, &pull.sha256, "HEX", "The file's SHA-256, as you know it" },
        { 'y', "yes", OPTION_FLAG, &pull.yes, NULL, "Accept the licence" },
        { 'l', "list", OPTION_FLAG, &wants_list, NULL, "Show the models that have a NAME" },
        { 0, "retries", OPTION_COUNT, &pull.retries, "N",
          "Attempts in a row that bring nothing before it gives up (default 5)", 0, 1000 },
        { 0, "patience", OPTION_NUMBER, &pull.patience, "S",
          "Seconds without a byte before an attempt is given up (default 60)", 1, 86400 },
    };
    Usage usage = {
        "model pull",
        "NAME|URL",
        "Bring a model here: one with a NAME, or the GGUF file at an http or https URL. What was\n"
        "received before an interruption is kept and gone on with. The file gets its name when it\n"
        "is whole and right; a NOTICE is kept beside it.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (wants_list) return argc == first ? list(cli) : cli_fail_usage(cli, "--list takes no name");
    if (argc - first != 1) return cli_fail_usage(cli, "one NAME or URL (fonte model pull --list)");
    status = EXIT_FAILED;
    if (find(&pull, argv[first], &status) && find_place(&pull, &status) &&
        licence_accept(cli, pull.licence, pull.file, pull.yes))
        status = pull_it(&pull);
    free(pull.path);
    return status;
}
