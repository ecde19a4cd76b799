/* fts(3) does the walking: it keeps no more than the path's folders in memory and finds loops that
 * bind mounts make. */
#include "cli/walk.h"

#include "cli/glob.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static FonteStatus status_of_errno(int value) {
    return value == ENOENT || value == ENOTDIR ? FONTE_NOT_FOUND
           : value == EACCES || value == EPERM ? FONTE_DENIED
                                               : FONTE_IO;
}

static bool append(Walk *walk, const char *path, off_t size, bool named) {
    if (walk->n_files == walk->capacity) {
        size_t capacity = walk->capacity ? 2 * walk->capacity : 64;
        WalkFile *files = reallocarray(walk->files, capacity, sizeof *files);
        if (!files) return false;
        walk->files = files;
        walk->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy) return false;
    uint64_t n_bytes = size > 0 ? (uint64_t)size : 0;
    walk->files[walk->n_files++] = (WalkFile){ copy, n_bytes, named };
    walk->n_bytes += n_bytes;
    return true;
}

static bool matches(const OptionList *globs, const char *relative_path) {
    for (size_t i = 0; i < globs->n; i++)
        if (glob_match_path(globs->items[i], relative_path)) return true;
    return false;
}

/* The part of an entry's path below the folder that was named. */
static const char *below(const FTSENT *entry, size_t n_root) {
    const char *path = entry->fts_path + n_root;
    while (*path == '/') path++;
    return path;
}

static bool wanted(const FTSENT *entry, size_t n_root, const WalkOptions *options, bool is_folder) {
    const char *path = below(entry, n_root);
    if (!options->hidden && entry->fts_name[0] == '.') return false;
    if (matches(&options->exclude, path)) return false;
    return is_folder || options->include.n == 0 || matches(&options->include, path);
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool walk_entry(Walk *walk, FTS *tree, FTSENT *entry, size_t n_root,
                       const WalkOptions *options, WalkProblem problem, void *context) {
    bool named = entry->fts_level == FTS_ROOTLEVEL;
    switch (entry->fts_info) {
    case FTS_D:
        if (!named && !wanted(entry, n_root, options, true)) fts_set(tree, entry, FTS_SKIP);
        return true;
    case FTS_F:
        if (!named && !wanted(entry, n_root, options, false)) return true;
        return append(walk, entry->fts_path, entry->fts_statp->st_size, named);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        if (named || wanted(entry, n_root, options, true))
            problem(context, entry->fts_path, named, status_of_errno(entry->fts_errno),
                    strerror(entry->fts_errno));
        return true;
    case FTS_DC: problem(context, entry->fts_path, named, FONTE_INVALID, "a loop"); return true;
    case FTS_SLNONE: /* only named links are followed */
        problem(context, entry->fts_path, named, FONTE_NOT_FOUND, "a link to nothing");
        return true;
    case FTS_DEFAULT:
        if (named)
            problem(context, entry->fts_path, true, FONTE_UNSUPPORTED, "not a file or a folder");
        return true;
    default: return true; /* FTS_DP, FTS_SL, FTS_DOT */
    }
}

bool walk_path(Walk *walk, const char *path, const WalkOptions *options, WalkProblem problem,
               void *context) {
    char *copy = strdup(path);
    if (!copy) return false;
    char *roots[] = { copy, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    bool good = tree != NULL;
    if (good) {
        FTSENT *entry;
        errno = 0;
        while (good && (entry = fts_read(tree)))
            good = walk_entry(walk, tree, entry, strlen(path), options, problem, context);
        if (good && errno != 0 && errno != ENOENT)
            problem(context, path, true, status_of_errno(errno), strerror(errno));
        fts_close(tree);
    }
    free(copy);
    return good;
}

void walk_deinit(Walk *walk) {
    for (size_t i = 0; i < walk->n_files; i++) free(walk->files[i].path);
    free(walk->files);
    *walk = (Walk){ 0 };
}
