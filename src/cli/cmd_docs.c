/* fonte docs: which documents there are; what is known of one; its text; its bytes. */
#include "cli/clean.h"
#include "cli/commands.h"
#include "cli/fileurl.h"
#include "cli/list.h"

#include <stdlib.h>
#include <string.h>

typedef struct DocsOptions {
    const char *collection;
    size_t limit;
    bool text, original, collections;
} DocsOptions;

typedef struct Listing {
    Cli *cli;
    cJSON *documents; /* for --json */
    size_t n;
} Listing;

/* One cell, cut or filled to its columns. */
static void cell(Term *term, const char *text, size_t width) {
    char *clean = clean_string(text, strlen(text), true);
    size_t columns = 0, i = 0, n = clean ? strlen(clean) : 0;
    while (i < n) {
        uint32_t c;
        size_t length = clean_decode(clean + i, n - i, &c);
        if (width && columns + clean_width(c) > width) break;
        columns += clean_width(c);
        i += length;
    }
    if (clean) fwrite(clean, 1, i, term->file);
    if (width) fprintf(term->file, "%*s", (int)(width - columns + 2), "");
    free(clean);
}

static bool take_row(void *context, const cJSON *document) {
    Listing *listing = context;
    Term *term = &listing->cli->out;
    if (listing->documents) {
        cJSON_AddItemToArray(listing->documents, cJSON_Duplicate(document, true));
        return true;
    }
    if (listing->n++ == 0) {
        term_style(term, STYLE_BOLD);
        fputs("ID                          DATE        LANG  COLLECTION    TITLE", term->file);
        term_plain(term);
        fputc('\n', term->file);
    }
    const char *title = json_text(document, "title"), *url = json_text(document, "url");
    char *path = *title ? NULL : fileurl_path(url);
    cell(term, json_text(document, "id"), 26);
    cell(term, json_text(document, "date"), 10);
    cell(term, json_text(document, "language"), 4);
    cell(term, json_text(document, "collection"), 12);
    term_line(term, *title ? title : path ? path : url);
    fputc('\n', term->file);
    free(path);
    return true;
}

static int list(Cli *cli, const DocsOptions *options) {
    Listing listing = { .cli = cli };
    FonteError error = { 0 };
    if (cli->json) listing.documents = cJSON_CreateArray();
    FonteStatus status =
        list_documents(cli, options->collection, options->limit, take_row, &listing, &error);
    if (status == FONTE_OK && listing.documents) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddItemReferenceToObject(object, "documents", listing.documents);
        cli_print_object(cli, object);
        cJSON_Delete(object);
    }
    cJSON_Delete(listing.documents);
    return status == FONTE_OK ? EXIT_OK : cli_fail(cli, &error);
}

/* Which collections there are for the asker. */
static int list_collections(Cli *cli) {
    FonteError error = { 0 };
    FonteResponse response;
    FonteRequest request = { .method = "GET", .path = "/v1/collections" };
    if (cli_send(cli, &request, &response, &error) != FONTE_OK) return cli_fail(cli, &error);
    if (cli->json) {
        cli_print_json(cli, response.body, response.n_body);
    } else {
        cJSON *json = cJSON_ParseWithLength(response.body, response.n_body);
        Term *term = &cli->out;
        const cJSON *item;
        term_styled(term, STYLE_BOLD, "COLLECTION                DOCUMENTS    PASSAGES");
        fputc('\n', term->file);
        cJSON_ArrayForEach(item, json_get(json, "collections")) {
            cell(term, json_text(item, "name"), 24);
            fprintf(term->file, "%9.0f  %10.0f%s\n", json_number(item, "documents"),
                    json_number(item, "passages"),
                    json_bool(item, "writable") ? "" : "  read only");
        }
        cJSON_Delete(json);
    }
    fonte_response_deinit(&response);
    return EXIT_OK;
}

static void show_metadata(Cli *cli, const cJSON *document) {
    static const char *const keys[] = {
        "id", "title", "url", "date", "source", "language", "format", "version", "collection", NULL,
    };
    Term *term = &cli->out;
    const cJSON *item;
    for (size_t i = 0; keys[i]; i++) {
        const char *text = json_text(document, keys[i]);
        if (!*text) continue;
        fprintf(term->file, "%-15s ", keys[i]);
        if (strcmp(keys[i], "url") == 0)
            term_link(term, text);
        else
            term_line(term, text);
        fputc('\n', term->file);
    }
    cJSON_ArrayForEach(item, document) if (cJSON_IsNumber(item)) {
        fprintf(term->file, "%-15s %.15g\n", item->string, item->valuedouble);
    }
}

static int show(Cli *cli, const DocsOptions *options, const char *id) {
    FonteError error = { 0 };
    FonteResponse response;
    FonteStatus status = FONTE_NO_MEMORY;
    bool bytes = options->text || options->original;
    char *path = cli_document_path(id, options->text       ? "/text"
                                       : options->original ? "/original"
                                                           : "");
    error.status = status;
    if (path)
        status = cli_send(cli, &(FonteRequest){ .method = "GET", .path = path }, &response, &error);
    free(path);
    if (status != FONTE_OK) return cli_fail(cli, &error);
    if (bytes) {
        term_raw(&cli->out, response.body, response.n_body);
        if (cli->out.is_terminal) fputc('\n', cli->out.file);
    } else if (cli->json) {
        cli_print_json(cli, response.body, response.n_body);
    } else {
        cJSON *document = cJSON_ParseWithLength(response.body, response.n_body);
        show_metadata(cli, document);
        cJSON_Delete(document);
    }
    fonte_response_deinit(&response);
    return EXIT_OK;
}

int cmd_docs(Cli *cli, int argc, char **argv) {
    DocsOptions o = { 0 };
    const Option table[] = {
        { 'c', "collection", OPTION_TEXT, &o.collection, "NAME", "List this collection only" },
        { 0, "collections", OPTION_FLAG, &o.collections, NULL, "List the collections" },
        { 0, "limit", OPTION_COUNT, &o.limit, "N", "List at most N (default: all)", 1, 1e9 },
        { 't', "text", OPTION_FLAG, &o.text, NULL, "Print the document's clean text" },
        { 'o', "original", OPTION_FLAG, &o.original, NULL, "Print the document's original bytes" },
    };
    Usage usage = {
        "docs",
        "[ID]",
        "List the documents, or show one: what is known of it, its clean text (to which the spans\n"
        "of citations refer) or the bytes that were added.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first > 1) return cli_fail_usage(cli, "one document at a time");
    if (o.collections && first < argc)
        return cli_fail_usage(cli, "--collections or a document, not both");
    if (o.collections) return list_collections(cli);
    if (o.text && o.original) return cli_fail_usage(cli, "--text or --original, not both");
    if (first < argc) return show(cli, &o, argv[first]);
    if (o.text || o.original) return cli_fail_usage(cli, "of which document?");
    return list(cli, &o);
}
