/* The folder of the system comes last, so that a person's own model hides it. */
#include "cli/modeldir.h"

#include "cli/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char system_dir[] = "/var/lib/fonte/models";

static char *join(const char *a, const char *b) {
    char *path;
    return asprintf(&path, "%s/%s", a, b) < 0 ? NULL : path;
}

char *modeldir_default(void) {
    const char *given = getenv("FONTE_MODELS"), *data = getenv("XDG_DATA_HOME"),
               *home = getenv("HOME");
    if (given && *given) return strdup(given);
    if (geteuid() == 0) return strdup(system_dir);
    if (data && *data) return join(data, "fonte/models");
    return join(home && *home ? home : ".", ".local/share/fonte/models");
}

static FonteStatus fail(FonteError *error, FonteStatus status, const char *what, const char *why) {
    *error = (FonteError){ .status = status };
    snprintf(error->text, sizeof error->text, "%.300s: %.120s", what, why);
    return status;
}

FonteStatus modeldir_make(const char *dir, FonteError *error) {
    struct stat info;
    char *path = strdup(dir);
    if (!path) return fail(error, FONTE_NO_MEMORY, dir, "out of memory");
    FonteStatus status = FONTE_OK;
    for (char *p = path; *p && status == FONTE_OK; p++) {
        if (p[1] != '/' && p[1] != '\0') continue;
        char next = p[1];
        p[1] = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            status = fail(error, errno == EACCES ? FONTE_DENIED : FONTE_IO, path, strerror(errno));
        p[1] = next;
    }
    if (status == FONTE_OK && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)))
        status = fail(error, FONTE_INVALID, path, "not a folder");
    free(path);
    return status;
}

bool modeldir_is_file_name(const char *name) {
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 5 && n < 200 && name[0] != '.' && strspn(name, good) == n &&
           strcmp(name + n - 5, ".gguf") == 0;
}

/* Owned, or NULL where there is no such file. */
static char *look(const char *dir, const char *name, const char *ending) {
    char *path;
    if (!dir || asprintf(&path, "%s/%s%s", dir, name, ending) < 0) return NULL;
    char *whole = realpath(path, NULL);
    free(path);
    return whole;
}

static char *look_in(const char *dir, const char *name) {
    const CatalogueEntry *entry = catalogue_find(name);
    char *path = look(dir, name, ".gguf");
    if (!path) path = look(dir, name, "");
    if (!path && entry) path = look(dir, entry->file, "");
    return path;
}

FonteStatus modeldir_find(const char *name, char **ret, FonteError *error) {
    char where[256] = "no such file";
    if (strchr(name, '/')) {
        *ret = realpath(name, NULL);
    } else {
        char *own = modeldir_default();
        *ret = look_in(own, name);
        if (!*ret) *ret = look_in(system_dir, name);
        bool both = own && strcmp(own, system_dir) != 0;
        snprintf(where, sizeof where, "no such model in %.150s%s%s", both ? own : "",
                 both ? " or " : "", system_dir);
        free(own);
    }
    return *ret ? FONTE_OK : fail(error, FONTE_NOT_FOUND, name, where);
}
