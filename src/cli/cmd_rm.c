/* fonte rm: documents by id, or a whole collection; asks before. */
#include "cli/commands.h"
#include "cli/list.h"
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>

typedef struct RmOptions {
    const char *collection;
    bool all, yes;
} RmOptions;

typedef struct Ids {
    char **ids; /* owned, each */
    size_t n, capacity;
    bool failed;
} Ids;

static bool take_id(void *context, const cJSON *document) {
    Ids *ids = context;
    if (ids->n == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        char **more = reallocarray(ids->ids, capacity, sizeof *more);
        if (!more) return !(ids->failed = true);
        ids->ids = more;
        ids->capacity = capacity;
    }
    char *id = strdup(json_text(document, "id"));
    if (!id) return !(ids->failed = true);
    ids->ids[ids->n++] = id;
    return true;
}

static FonteStatus remove_one(Cli *cli, const char *id, FonteError *error) {
    FonteResponse response;
    char *path = cli_document_path(id, "");
    *error = (FonteError){ .status = FONTE_NO_MEMORY };
    FonteStatus status = FONTE_NO_MEMORY;
    if (path)
        status =
            cli_send(cli, &(FonteRequest){ .method = "DELETE", .path = path }, &response, error);
    free(path);
    if (status == FONTE_OK) fonte_response_deinit(&response);
    return status;
}

/* Removes what it can; the exit status is that of the first failure. */
static int remove_all(Cli *cli, char *const *ids, size_t n, bool missing_is_fine) {
    Progress progress;
    cJSON *removed = cli->json ? cJSON_CreateArray() : NULL;
    size_t n_removed = 0;
    int exit_status = EXIT_OK;
    progress_init(&progress, &cli->err, "documents", (double)n);
    for (size_t i = 0; i < n; i++) {
        FonteError error;
        FonteStatus status = remove_one(cli, ids[i], &error);
        if (status == FONTE_OK) {
            n_removed++;
            if (removed) cJSON_AddItemToArray(removed, cJSON_CreateString(ids[i]));
        } else if (!(status == FONTE_NOT_FOUND && missing_is_fine)) {
            progress_clear(&progress);
            int failed = cli_fail(cli, &error);
            if (exit_status == EXIT_OK) exit_status = failed;
            if (status == FONTE_UNREACHABLE) break;
        }
        if (n > 1) progress_show(&progress, (double)(i + 1), "");
    }
    progress_clear(&progress);
    if (removed) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddItemToObject(object, "removed", removed);
        cli_print_object(cli, object);
        cJSON_Delete(object);
    } else {
        fprintf(cli->out.file, "%zu removed\n", n_removed);
    }
    return exit_status;
}

static int confirmed(Cli *cli, const RmOptions *options, size_t n) {
    char question[160];
    if (options->yes) return EXIT_OK;
    if (options->collection)
        snprintf(question, sizeof question, "Remove all %zu document%s of collection %.64s?", n,
                 n == 1 ? "" : "s", options->collection);
    else
        snprintf(question, sizeof question, "Remove %zu document%s?", n, n == 1 ? "" : "s");
    if (!cli->err.is_terminal) return cli_fail_usage(cli, "no terminal to ask on: give --yes");
    if (cli_confirm(cli, question)) return EXIT_OK;
    cli_warn(cli, "nothing was removed");
    return EXIT_FAILED;
}

static int remove_collection(Cli *cli, const RmOptions *options) {
    Ids ids = { 0 };
    FonteError error = { 0 };
    FonteStatus status = list_documents(cli, options->collection, 0, take_id, &ids, &error);
    int exit_status;
    if (status == FONTE_OK && ids.failed) error.status = status = FONTE_NO_MEMORY;
    if (status != FONTE_OK)
        exit_status = cli_fail(cli, &error);
    else if (ids.n > 0 && (exit_status = confirmed(cli, options, ids.n)) != EXIT_OK)
        ;
    else
        exit_status = remove_all(cli, ids.ids, ids.n, true);
    for (size_t i = 0; i < ids.n; i++) free(ids.ids[i]);
    free(ids.ids);
    return exit_status;
}

int cmd_rm(Cli *cli, int argc, char **argv) {
    RmOptions o = { 0 };
    const Option table[] = {
        { 'c', "collection", OPTION_TEXT, &o.collection, "NAME", "With --all: this collection" },
        { 'a', "all", OPTION_FLAG, &o.all, NULL, "All documents of the collection" },
        { 'y', "yes", OPTION_FLAG, &o.yes, NULL, "Do not ask" },
    };
    Usage usage = {
        "rm",
        "ID... | --collection NAME --all",
        "Remove documents: text, original, passages and vectors. Asks on a terminal; elsewhere "
        "--yes\n"
        "is needed.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (o.all != (o.collection != NULL))
        return cli_fail_usage(cli, "--all and --collection go together");
    if (o.all && first < argc) return cli_fail_usage(cli, "either ids or --all");
    if (o.all) return remove_collection(cli, &o);
    if (first >= argc) return cli_fail_usage(cli, "which documents?");
    status = confirmed(cli, &o, (size_t)(argc - first));
    return status == EXIT_OK ? remove_all(cli, argv + first, (size_t)(argc - first), false)
                             : status;
}
