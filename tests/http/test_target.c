#include "http/target.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

Test(http_target, decodes_segments_and_parameters_once) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    HttpTarget t;
    Slice raw = SLICE("/v1/documents/a%20b%2526?q=x%26y+z&empty=&title=%C3%A8");
    cr_assert_eq(http_target_parse(raw, &arena, &t, NULL), STATUS_OK);
    cr_assert_eq(t.n_segments, 3);
    cr_assert_str_eq(t.segments[2].p, "a b%26");
    cr_assert_str_eq(http_target_param(&t, "q"), "x&y z");
    cr_assert_str_eq(http_target_param(&t, "empty"), "");
    cr_assert_str_eq(http_target_param(&t, "title"), "\xC3\xA8");
    cr_assert_null(http_target_param(&t, "none"));
}

Test(http_target, the_root_has_no_segments) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    HttpTarget t;
    cr_assert_eq(http_target_parse(SLICE("/"), &arena, &t, NULL), STATUS_OK);
    cr_assert_eq(t.n_segments, 0);
}

typedef struct Bad {
    char raw[40];
    int status;
} Bad;

ParameterizedTestParameters(http_target, refuses_what_can_be_read_in_two_ways) {
    static Bad rows[] = {
        { "", STATUS_INVALID },          { "x", STATUS_INVALID },
        { "*", STATUS_INVALID },         { "http://x/", STATUS_INVALID },
        { "/a%", STATUS_INVALID },       { "/a%4", STATUS_INVALID },
        { "/a%zz", STATUS_INVALID },     { "/a%00", STATUS_INVALID },
        { "/..", STATUS_INVALID },       { "/a/../b", STATUS_INVALID },
        { "/%2e%2E/b", STATUS_INVALID }, { "/.", STATUS_INVALID },
        { "/a%2fb", STATUS_INVALID },    { "/a%5cb", STATUS_INVALID },
        { "/a%0ab", STATUS_INVALID },    { "/a b", STATUS_INVALID },
        { "/a#b", STATUS_INVALID },      { "/a\"b", STATUS_INVALID },
        { "/\xC3\xA8", STATUS_INVALID }, { "/%ff", STATUS_INVALID },
        { "/%c0%af", STATUS_INVALID },   { "/?a=1&a=2", STATUS_INVALID },
        { "/?a=%ff", STATUS_INVALID },   { "/a//b", STATUS_NOT_FOUND },
        { "/a/", STATUS_NOT_FOUND },     { "/1/2/3/4/5/6/7/8/9", STATUS_NOT_FOUND },
    };
    return cr_make_param_array(Bad, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(Bad *row, http_target, refuses_what_can_be_read_in_two_ways) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    HttpTarget t;
    Err err = { 0 };
    cr_assert_eq(http_target_parse(slice_of(row->raw), &arena, &t, &err), row->status, "%s: %s",
                 row->raw, err.text);
}

Test(http_target, refuses_too_many_parameters) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    AUTO_BUF Buf raw = BUF_NULL;
    buf_append_string(&raw, "/?");
    for (int i = 0; i < 40; i++) buf_printf(&raw, "p%d=&", i);
    HttpTarget t;
    cr_assert_eq(http_target_parse(buf_slice(&raw), &arena, &t, NULL), STATUS_INVALID);
}
