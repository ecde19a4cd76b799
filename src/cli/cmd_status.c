/* fonte status: what the daemon says of itself, as a table. The table follows the daemon's JSON, so
 * that what a newer daemon adds is shown too: names with their units made words, groups indented.
 */
#include "cli/commands.h"

#include <string.h>

static bool ends(const char *text, const char *ending, size_t *ret_n) {
    size_t n = strlen(text), n_ending = strlen(ending);
    if (n <= n_ending || strcmp(text + n - n_ending, ending) != 0) return false;
    *ret_n = n - n_ending;
    return true;
}

static void print_number(FILE *file, const char *unit, double value) {
    static const char *const sizes[] = { "B", "kB", "MB", "GB", "TB" };
    if (strcmp(unit, "bytes") == 0) {
        size_t i = 0;
        while (value >= 1000 && i < 4) value /= 1000, i++;
        fprintf(file, i ? "%.1f %s" : "%.0f %s", value, sizes[i]);
    } else if (strcmp(unit, "s") == 0 && value >= 60) {
        unsigned long s = (unsigned long)value;
        if (s >= 86400) fprintf(file, "%lu d ", s / 86400);
        if (s >= 3600) fprintf(file, "%lu h ", s / 3600 % 24);
        fprintf(file, "%lu min", s / 60 % 60);
    } else if (strcmp(unit, "ratio") == 0) {
        fprintf(file, "%.0f %%", 100 * value);
    } else {
        fprintf(file, "%.15g%s%s", value, *unit ? " " : "", unit);
    }
}

static void print_tree(Term *term, const cJSON *object, unsigned depth) {
    static const char *const units[] = { "bytes", "ms", "us", "s", "ratio" };
    const cJSON *item;
    size_t position = 0;
    if (depth > 8) return;
    cJSON_ArrayForEach(item, object) {
        char name[64], ending[16];
        const char *key = item->string ? item->string : "", *unit = "";
        size_t n = strlen(key);
        for (size_t i = 0; i < sizeof units / sizeof units[0] && cJSON_IsNumber(item) && !*unit;
             i++) {
            snprintf(ending, sizeof ending, "_%s", units[i]);
            if (ends(key, ending, &n)) unit = units[i];
        }
        if (item->string)
            snprintf(name, sizeof name, "%.*s", (int)(n > 60 ? 60 : n), key);
        else
            snprintf(name, sizeof name, "%zu", ++position);
        for (char *p = name; *p; p++)
            if (*p == '_') *p = ' ';
        int width = 24 - 2 * (int)depth;
        fprintf(term->file, "%*s", 2 * (int)depth, "");
        if (cJSON_IsObject(item) || cJSON_IsArray(item)) {
            /* What a list holds is called by its name. */
            const char *label = item->string ? "" : json_text(item, "name");
            if (!*label && !item->string) label = json_text(item, "id");
            term_styled(term, STYLE_BOLD, *label ? label : name);
            fputs(item->child ? "\n" : "  none\n", term->file);
            print_tree(term, item, depth + 1);
            continue;
        }
        term_line(term, name);
        fprintf(term->file, "%*s", (int)strlen(name) < width ? width - (int)strlen(name) : 1, "");
        if (cJSON_IsNumber(item))
            print_number(term->file, unit, item->valuedouble);
        else if (cJSON_IsString(item))
            term_line(term, *item->valuestring ? item->valuestring : "-");
        else
            fputs(cJSON_IsTrue(item) ? "yes" : cJSON_IsFalse(item) ? "no" : "-", term->file);
        fputc('\n', term->file);
    }
}

int cmd_status(Cli *cli, int argc, char **argv) {
    Usage usage = {
        "status", "", "Show the state of the daemon and its index.", NULL, 0,
    };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (first < argc) return cli_fail_usage(cli, "'%s' is one word too many", argv[first]);
    FonteError error = { 0 };
    FonteResponse response;
    FonteRequest request = { .method = "GET", .path = "/v1/status", .timeout_s = 30 };
    if (cli_send(cli, &request, &response, &error) != FONTE_OK) return cli_fail(cli, &error);
    if (cli->json) {
        cli_print_json(cli, response.body, response.n_body);
    } else {
        cJSON *json = cJSON_ParseWithLength(response.body, response.n_body);
        fprintf(cli->out.file, "%-24s%s\n", "socket", fonte_client_socket(cli->client));
        print_tree(&cli->out, json, 0);
        cJSON_Delete(json);
    }
    fonte_response_deinit(&response);
    return EXIT_OK;
}
