#include "cli/walk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void file(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(path, 0700);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs("abc", f);
    fclose(f);
}

static void set_up(void) {
    strcpy(folder, "/tmp/fonte-walk-XXXXXX");
    cr_assert(mkdtemp(folder));
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(cli_walk, .init = set_up, .fini = tear_down);

static void on_problem(void *context, const char *path, bool named, FonteStatus status,
                       const char *reason) {
    (void)path, (void)named, (void)reason;
    *(FonteStatus *)context = status;
}

/* The files below `sub` of the folder, as "a b/c". */
static const char *walked(const char *sub, const WalkOptions *options, FonteStatus *ret_problem) {
    static char out[512];
    char path[256];
    Walk walk = { 0 };
    FonteStatus problem = FONTE_OK;
    snprintf(path, sizeof path, "%s%s", folder, sub);
    cr_assert(walk_path(&walk, path, options, on_problem, &problem));
    out[0] = 0;
    for (size_t i = 0; i < walk.n_files; i++)
        sprintf(out + strlen(out), "%s%s", i ? " " : "", walk.files[i].path + strlen(folder) + 1);
    cr_assert_eq(walk.n_bytes, 3 * walk.n_files);
    walk_deinit(&walk);
    if (ret_problem) *ret_problem = problem;
    return out;
}

Test(cli_walk, folder_is_walked_in_the_order_of_names) {
    file("b"), file("a/d"), file("a/c/e"), file("C");
    cr_assert_str_eq(walked("", &(WalkOptions){ 0 }, NULL), "C a/c/e a/d b");
    cr_assert_str_eq(walked("/a/", &(WalkOptions){ 0 }, NULL) + 1, "/c/e a/d");
}

Test(cli_walk, hidden_files_only_when_asked_for_or_named) {
    file(".a"), file(".d/b"), file("c");
    cr_assert_str_eq(walked("", &(WalkOptions){ 0 }, NULL), "c");
    cr_assert_str_eq(walked("", &(WalkOptions){ .hidden = true }, NULL), ".a .d/b c");
    cr_assert_str_eq(walked("/.d", &(WalkOptions){ 0 }, NULL), ".d/b");
    cr_assert_str_eq(walked("/.a", &(WalkOptions){ 0 }, NULL), ".a");
}

Test(cli_walk, include_and_exclude) {
    const char *txt[] = { "*.txt" }, *no[] = { "no", "sub/x.*" };
    WalkOptions options = { .include = { txt, 1 }, .exclude = { no, 2 } };
    file("a.txt"), file("b.md"), file("no/c.txt"), file("sub/x.txt"), file("sub/y.txt");
    cr_assert_str_eq(walked("", &options, NULL), "a.txt sub/y.txt");
    cr_assert_str_eq(walked("/b.md", &options, NULL), "b.md"); /* named */
}

Test(cli_walk, links_in_folders_are_not_followed) {
    char target[128], link[128];
    file("a/b");
    snprintf(target, sizeof target, "%s/a", folder);
    snprintf(link, sizeof link, "%s/a/loop", folder);
    cr_assert_eq(symlink(target, link), 0);
    cr_assert_str_eq(walked("", &(WalkOptions){ 0 }, NULL), "a/b");
    cr_assert_str_eq(walked("/a/loop", &(WalkOptions){ 0 }, NULL), "a/loop/b");
}

Test(cli_walk, problems_are_told) {
    char link[128];
    FonteStatus problem;
    walked("/none", &(WalkOptions){ 0 }, &problem);
    cr_assert_eq(problem, FONTE_NOT_FOUND);
    snprintf(link, sizeof link, "%s/dead", folder);
    cr_assert_eq(symlink("/nonexistent", link), 0);
    walked("/dead", &(WalkOptions){ 0 }, &problem);
    cr_assert_eq(problem, FONTE_NOT_FOUND);
    snprintf(link, sizeof link, "%s/pipe", folder);
    cr_assert_eq(mkfifo(link, 0600), 0);
    walked("/pipe", &(WalkOptions){ 0 }, &problem);
    cr_assert_eq(problem, FONTE_UNSUPPORTED);
    walked("", &(WalkOptions){ 0 }, &problem);
    cr_assert_eq(problem, FONTE_OK);
}
