#include "base/status.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(status, table_gives_code_http_and_exit) {
    cr_assert_str_eq(fonte_status_code(FONTE_NOT_FOUND), "not_found");
    cr_assert_eq(fonte_status_http(FONTE_NOT_FOUND), 404);
    cr_assert_eq(fonte_status_exit(FONTE_UNREACHABLE), 3);
    cr_assert_eq(fonte_status_exit(FONTE_NOT_FOUND), 4);
    cr_assert_eq(fonte_status_exit(FONTE_TOO_LARGE), 5);
}

Test(status, text_is_one_clean_line_cut_between_characters) {
    Err err = { 0 };
    char text[1000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2) memcpy(text + i, "\xC3\xA8", 3);
    cr_assert_eq(err_set(&err, STATUS_INVALID, "x%s", text), STATUS_INVALID);
    size_t n = strlen(err.text);
    cr_assert_eq((unsigned char)err.text[n - 1], 0xA8);
    err_set(&err, STATUS_INVALID, "a\nb\x1b[31m");
    cr_assert_str_eq(err.text, "a b [31m");
}

Test(status, errno_maps_and_prefix_keeps_the_cause) {
    Err err = { 0 };
    cr_assert_eq(err_set_errno(&err, ENOSPC, "%s", "db"), STATUS_NO_SPACE);
    cr_assert_eq(err_prefix(&err, STATUS_NO_SPACE, "adding %d", 3), STATUS_NO_SPACE);
    cr_assert(strncmp(err.text, "adding 3: db: ", 14) == 0);
    cr_assert_eq(err_set(NULL, STATUS_IO, "nobody listens"), STATUS_IO);
}
