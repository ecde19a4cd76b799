#include "cli/model.h"

#include "cli/clean.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

volatile sig_atomic_t model_interrupted;

static void on_signal(int number) {
    (void)number;
    model_interrupted = 1;
}

void model_catch_interrupt(void) {
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static int fail_errno(Cli *cli, const char *path, int number) {
    cli_warn(cli, "%s: %s", path, strerror(number));
    return number == ENOENT ? fonte_status_exit(FONTE_NOT_FOUND) : EXIT_FAILED;
}

bool model_read_file(Cli *cli, const char *path, char **ret, size_t *ret_n, int *ret_exit) {
    bool is_stdin = strcmp(path, "-") == 0;
    struct stat st;
    FILE *file = is_stdin ? stdin : fopen(path, "rbe");
    if (!file) return *ret_exit = fail_errno(cli, path, errno), false;
    char *bytes = NULL;
    size_t n = 0, capacity = 0;
    int problem = !is_stdin && fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : 0;
    while (!problem) {
        if (n + 1 >= capacity) {
            char *more = realloc(bytes, capacity = capacity ? 2 * capacity : 65536);
            if (!more) {
                problem = ENOMEM;
                break;
            }
            bytes = more;
        }
        size_t got = fread(bytes + n, 1, capacity - 1 - n, file);
        if (got == 0) {
            if (ferror(file)) problem = errno ? errno : EIO;
            break;
        }
        if ((n += got) > MODEL_MAX_FILE_BYTES) problem = EFBIG;
    }
    if (!is_stdin) fclose(file);
    if (problem) {
        free(bytes);
        return *ret_exit = fail_errno(cli, path, problem), false;
    }
    bytes[n] = 0;
    *ret = bytes;
    *ret_n = n;
    return true;
}

static bool wrong_ids(Cli *cli, const char *at, const char *why, int *ret_exit) {
    size_t n = strcspn(at, ", \t\r\n");
    *ret_exit = cli_fail_usage(cli, "'%.*s' %s", (int)(n < 40 ? n : 40), at, why);
    return false;
}

static bool add_ids(Cli *cli, const char *text, Ids *ids, int *ret_exit) {
    static const char separators[] = ", \t\r\n";
    size_t capacity = ids->n;
    for (const char *p = text + strspn(text, separators); *p; p += strspn(p, separators)) {
        size_t n = strspn(p, "0123456789");
        if (n == 0 || (p[n] && !strchr(separators, p[n])))
            return wrong_ids(cli, p, "is no token id", ret_exit);
        errno = 0;
        unsigned long value = strtoul(p, NULL, 10);
        if (errno || value > INT32_MAX)
            return wrong_ids(cli, p, "is larger than any token id", ret_exit);
        if (ids->n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            int32_t *more = reallocarray(ids->ids, capacity, sizeof *more);
            if (!more) return *ret_exit = fail_errno(cli, "tokens", ENOMEM), false;
            ids->ids = more;
        }
        ids->ids[ids->n++] = (int32_t)value;
        p += n;
    }
    return true;
}

bool model_parse_ids(Cli *cli, const char *text, Ids *ids, int *ret_exit) {
    if (text[0] != '@') return add_ids(cli, text, ids, ret_exit);
    char *bytes;
    size_t n;
    if (!model_read_file(cli, text + 1, &bytes, &n, ret_exit)) return false;
    bool ok = memchr(bytes, 0, n) ? wrong_ids(cli, text, "holds no list of token ids", ret_exit)
                                  : add_ids(cli, bytes, ids, ret_exit);
    free(bytes);
    return ok;
}

void model_print_ids(Cli *cli, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) fprintf(cli->out.file, i ? " %d" : "%d", ids[i]);
    fputc('\n', cli->out.file);
}

cJSON *model_ids_json(const int32_t *ids, size_t n) {
    /* cJSON_CreateIntArray takes an int count; the tokenizer's limit keeps n below. */
    return cJSON_CreateIntArray(ids, (int)n);
}

void model_format_bytes(char *out, size_t n_out, double bytes) {
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    size_t unit = 0;
    while (bytes >= 999.5 && unit < 4) bytes /= 1000, unit++;
    snprintf(out, n_out, unit && bytes < 99.5 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

void model_print_text(Cli *cli, const char *text, size_t n) {
    if (cli->out.is_terminal)
        clean_write(cli->out.file, text, n, false);
    else
        fwrite(text, 1, n, cli->out.file);
}
