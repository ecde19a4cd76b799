#include "cli/fileurl.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(cli_fileurl, path_goes_there_and_back) {
    static const char *const paths[] = { "/a/b.txt", "/", "/with space/%41?#&.md", "/perch\xC3\xA9",
                                         "/not-utf8-\xff\x01" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char *url = fileurl_of(paths[i]), *back = fileurl_path(url);
        for (const char *p = url; *p; p++) cr_assert(*p > 0x20 && *p < 0x7F);
        cr_assert_str_eq(back, paths[i]);
        free(url);
        free(back);
    }
}

Test(cli_fileurl, is_percent_encoded) {
    char *url = fileurl_of("/a b/\xC3\xA8.txt");
    cr_assert_str_eq(url, "file:///a%20b/%C3%A8.txt");
    free(url);
}

Test(cli_fileurl, other_urls_have_no_path) {
    cr_assert_null(fileurl_path("https://example.org/a"));
    cr_assert_null(fileurl_path("file://host/a"));
    cr_assert_null(fileurl_path(""));
}

Test(cli_fileurl, broken_escapes_stay) {
    char *path = fileurl_path("file:///a%zz%4%00%");
    cr_assert_str_eq(path, "/a%zz%4%00%");
    free(path);
}
