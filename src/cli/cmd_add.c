/* fonte add: files, folders and standard input into the index. Safe to interrupt and to run again:
 * what is there already is a no-op, and a file's URL is its path, so that a changed file replaces
 * its old version. */
#include "cli/commands.h"
#include "cli/upload.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct AddOptions {
    UploadOptions upload;
    WalkOptions walk;
    double max_size_mb;
    bool dry_run;
} AddOptions;

static void on_signal(int signal) {
    (void)signal;
    upload_interrupted = true;
}

/* The first Ctrl-C ends gently, the second as always. */
static void catch_interrupt(void) {
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void on_problem(void *context, const char *path, bool named, FonteStatus status,
                       const char *reason) {
    Upload *upload = context;
    (void)named; /* what cannot be read is a failure also inside a folder */
    upload_skip(upload, path, true, status, reason);
}

/* All of standard input, returned owned; NULL and the error told. */
static char *read_stdin(Upload *upload, size_t *ret_n) {
    size_t n = 0, capacity = 1 << 16;
    uint64_t max = upload->options->max_file_bytes;
    char *bytes = malloc(capacity);
    while (bytes) {
        if (n == capacity) {
            char *more = n > max ? NULL : realloc(bytes, 2 * capacity);
            if (!more) break;
            bytes = more;
            capacity *= 2;
        }
        ssize_t r = read(STDIN_FILENO, bytes + n, capacity - n);
        if (r < 0 && errno == EINTR && !upload_interrupted) continue;
        if (r < 0) {
            upload_skip(upload, "standard input", true, FONTE_IO, strerror(errno));
            free(bytes);
            return NULL;
        }
        if (r == 0 && n <= max) {
            *ret_n = n;
            return bytes;
        }
        if (r == 0) break;
        n += (size_t)r;
    }
    char reason[80];
    snprintf(reason, sizeof reason, "over the limit of %.0f MB (--max-size)", (double)max / 1e6);
    upload_skip(upload, "standard input", true,
                bytes && n > max ? FONTE_TOO_LARGE : FONTE_NO_MEMORY,
                bytes && n > max ? reason : "out of memory");
    free(bytes);
    return NULL;
}

static void summary(const Upload *upload, bool is_dry) {
    Cli *cli = upload->cli;
    if (cli->json) {
        cJSON *sums = cJSON_CreateObject();
        cJSON_AddItemReferenceToObject(sums, "documents", upload->documents);
        cJSON_AddNumberToObject(sums, "added", (double)upload->n_added);
        cJSON_AddNumberToObject(sums, "replaced", (double)upload->n_replaced);
        cJSON_AddNumberToObject(sums, "unchanged", (double)upload->n_unchanged);
        cJSON_AddNumberToObject(sums, "passages", (double)upload->n_passages);
        cJSON_AddNumberToObject(sums, "skipped_records", (double)upload->n_skipped_records);
        cJSON_AddItemReferenceToObject(sums, "skipped", upload->skipped);
        cJSON_AddNumberToObject(sums, "files", (double)upload->walk->n_files);
        cJSON_AddBoolToObject(sums, "interrupted", upload_interrupted);
        cli_print_object(cli, sums);
        cJSON_Delete(sums);
        return;
    }
    if (is_dry) {
        fprintf(cli->out.file, "%zu files, %.1f MB\n", upload->walk->n_files,
                (double)upload->walk->n_bytes / 1e6);
        return;
    }
    fprintf(cli->out.file, "%zu added, %zu replaced, %zu unchanged, %zu skipped", upload->n_added,
            upload->n_replaced, upload->n_unchanged, upload->n_skipped + upload->n_skipped_records);
    if (upload_interrupted)
        fprintf(cli->out.file, "; interrupted, %zu of %zu files not sent",
                upload->walk->n_files - upload->n_finished, upload->walk->n_files);
    fputc('\n', cli->out.file);
}

static int exit_status(Upload *upload) {
    if (upload->fatal) {
        int status = cli_fail(upload->cli, &upload->error);
        return status;
    }
    return upload_interrupted ? EXIT_INTERRUPTED : upload->exit_status;
}

static int add(Cli *cli, AddOptions *options, int n_paths, char **paths) {
    Walk walk = { 0 };
    Upload upload = { .cli = cli, .options = &options->upload, .walk = &walk };
    bool from_stdin = false, good = true;
    pthread_mutex_init(&upload.lock, NULL);
    progress_init(&upload.progress, &cli->err, "B", 0);
    if (cli->json) {
        upload.documents = cJSON_CreateArray();
        upload.skipped = cJSON_CreateArray();
        good = upload.documents && upload.skipped;
    }
    catch_interrupt();
    for (int i = 0; i < n_paths && good && !upload_interrupted; i++) {
        if (strcmp(paths[i], "-") == 0)
            from_stdin = true;
        else
            good = walk_path(&walk, paths[i], &options->walk, on_problem, &upload);
    }
    if (!good) {
        upload.error = (FonteError){ .status = FONTE_NO_MEMORY };
        upload.fatal = true;
    } else if (options->upload.meta.url && walk.n_files + from_stdin > 1) {
        /* each would replace the one before */
        upload.error = (FonteError){ .status = FONTE_USAGE, .text = "add: --url is for one input" };
        upload.fatal = true;
    } else if (options->dry_run) {
        for (size_t i = 0; i < walk.n_files && !cli->json; i++) {
            term_line(&cli->out, walk.files[i].path);
            fputc('\n', cli->out.file);
        }
    } else {
        size_t n = 0;
        char *bytes = from_stdin ? read_stdin(&upload, &n) : NULL;
        if (bytes) upload_bytes(&upload, bytes, n);
        free(bytes);
        progress_init(&upload.progress, &cli->err, "B", (double)walk.n_bytes);
        if (!upload.fatal) upload_run(&upload);
    }
    summary(&upload, options->dry_run);
    int status = exit_status(&upload);
    cJSON_Delete(upload.documents);
    cJSON_Delete(upload.skipped);
    pthread_mutex_destroy(&upload.lock);
    walk_deinit(&walk);
    return status;
}

int cmd_add(Cli *cli, int argc, char **argv) {
    AddOptions o = { .upload = { .n_jobs = 4, .patience_s = 300 }, .max_size_mb = 64 };
    UploadMeta *m = &o.upload.meta;
    const Option table[] = {
        { 'c', "collection", OPTION_TEXT, &m->collection, "NAME", "Add to this collection" },
        { 'l', "lang", OPTION_TEXT, &m->language, "CODE",
          "Language (it, en, ...; default: by text)" },
        { 'j', "jobs", OPTION_COUNT, &o.upload.n_jobs, "N", "Connections (default: 4)", 1, 64 },
        { 'i', "include", OPTION_LIST, &o.walk.include, "GLOB", "In folders, only such files" },
        { 'x', "exclude", OPTION_LIST, &o.walk.exclude, "GLOB",
          "In folders, no such files, folders" },
        { 0, "hidden", OPTION_FLAG, &o.walk.hidden, NULL, "In folders, hidden files too" },
        { 0, "max-size", OPTION_NUMBER, &o.max_size_mb, "MB", "Skip larger files (default: 64)", 0,
          1000 },
        { 0, "patience", OPTION_NUMBER, &o.upload.patience_s, "SECONDS",
          "Ask a busy daemon again (default: 300)" },
        { 'n', "dry-run", OPTION_FLAG, &o.dry_run, NULL, "Show the files, add nothing" },
        { 0, "name", OPTION_TEXT, &m->name, "NAME", "File name of standard input" },
        { 0, "type", OPTION_TEXT, &m->mime, "MIME", "Content type (default: by name and bytes)" },
        { 0, "title", OPTION_TEXT, &m->title, "TEXT", "Title (default: the document's own)" },
        { 0, "url", OPTION_TEXT, &m->url, "URL", "Where it comes from (one input only)" },
        { 0, "date", OPTION_TEXT, &m->date, "DATE", "Date, ISO 8601" },
        { 0, "source", OPTION_TEXT, &m->source, "TEXT", "Who published it" },
    };
    Usage usage = {
        "add",
        "PATH... | -",
        "Add files, folders (with all that is in them) or, for -, standard input. What is there\n"
        "already is left alone, a changed file replaces its old version. Inside folders, hidden\n"
        "files are left out and symbolic links are not followed. A GLOB with a / is matched\n"
        "against the path below the folder, one without against the name; ** also matches /.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    if (cli_parse(cli, &usage, argc, argv, &first, &status)) {
        o.upload.max_file_bytes = (uint64_t)(o.max_size_mb * 1e6);
        if (first >= argc)
            status = cli_fail_usage(cli, "which files?");
        else
            status = add(cli, &o, argc - first, argv + first);
    }
    option_list_deinit(&o.walk.include);
    option_list_deinit(&o.walk.exclude);
    return status;
}
