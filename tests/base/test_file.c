#include "base/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/fonte-test-file-XXXXXX";

static void make_folder(void) {
    cr_assert(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void drop_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(file, .init = make_folder, .fini = drop_folder);

Test(file, replaces_and_reads_back) {
    Slice pieces[] = { SLICE("uno"), SLICE_NULL, SLICE("due") };
    cr_assert_eq(file_replace("x", pieces, 3, NULL), STATUS_OK);
    AUTO_BUF Buf b = BUF_NULL;
    cr_assert_eq(file_read("x", 6, &b, NULL), STATUS_OK);
    cr_assert(slice_equal(buf_slice(&b), SLICE("unodue")));
    cr_assert_neq(access("x.new", F_OK), 0);
}

Test(file, names_the_file_in_every_error) {
    AUTO_BUF Buf b = BUF_NULL;
    Err err = { 0 };
    cr_assert_eq(file_read("missing", 10, &b, &err), STATUS_NOT_FOUND);
    cr_assert(strstr(err.text, "missing"));
    cr_assert_eq(file_read(".", 10, &b, &err), STATUS_INVALID);
    Slice eleven = SLICE("elevenbytes");
    cr_assert_eq(file_replace("long", &eleven, 1, NULL), STATUS_OK);
    cr_assert_eq(file_read("long", 10, &b, &err), STATUS_TOO_LARGE);
    cr_assert(strstr(err.text, "10 bytes"));
}

Test(file, makes_nested_folders_and_refuses_a_file_in_the_way) {
    cr_assert_eq(file_make_dirs("a/b/c", 0700, NULL), STATUS_OK);
    cr_assert_eq(file_make_dirs("a/b/c", 0700, NULL), STATUS_OK);
    Slice s = SLICE("x");
    cr_assert_eq(file_replace("a/file", &s, 1, NULL), STATUS_OK);
    cr_assert_neq(file_make_dirs("a/file/d", 0700, NULL), STATUS_OK);
}
