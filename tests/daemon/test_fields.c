#include "daemon/fields.h"

#include <criterion/criterion.h>

static const Json *object_of(const char *text, Arena *arena) {
    const Json *object = NULL;
    cr_assert_eq(json_read(slice_of(text), 8, arena, &object, NULL), STATUS_OK);
    return object;
}

Test(daemon_fields, dates_are_iso_8601) {
    static const char *const good[] = { "2023-07-18", "2023-07-18T10:20:30Z", "2023-07-18T10:20",
                                        "2023-07-18T10:20:30.5+02:00", "2023-07-18 10:20:30" };
    static const char *const bad[] = { "",
                                       "2023",
                                       "2023-07",
                                       "2023-13-01",
                                       "2023-00-01",
                                       "2023-01-32",
                                       "18.7.2023",
                                       "2023-7-18",
                                       "2023-07-18T",
                                       "2023-07-18T25:00",
                                       "2023-07-18x",
                                       "2023-07-18T10:20:30.Z" };
    for (size_t i = 0; i < N_ELEMENTS(good); i++) {
        cr_assert_eq(value_check_date("date", good[i], true, NULL), STATUS_OK, "%s", good[i]);
    }
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        cr_assert_eq(value_check_date("date", bad[i], true, NULL), STATUS_INVALID, "%s", bad[i]);
    }
    cr_assert_eq(value_check_date("date", "2023", false, NULL), STATUS_OK);
    cr_assert_eq(value_check_date("date", "2023-07", false, NULL), STATUS_OK);
}

Test(daemon_fields, counts_are_whole_and_within_their_range) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *o =
        object_of("{\"a\":5,\"b\":1.5,\"c\":-1,\"d\":1e30,\"e\":\"5\",\"f\":null}", &arena);
    size_t n = 42;
    cr_assert_eq(field_count(o, "a", 1, 10, &n, NULL), STATUS_OK);
    cr_assert_eq(n, 5);
    for (const char *name = "bcde"; *name; name++) {
        char key[] = { *name, '\0' };
        Err err = { 0 };
        cr_assert_eq(field_count(o, key, 1, 10, &n, &err), STATUS_INVALID);
        cr_assert_str_eq(err.param, key);
    }
    cr_assert_eq(field_count(o, "f", 1, 10, &n, NULL), STATUS_OK);
    cr_assert_eq(n, 5, "untouched where it is missing");
}

Test(daemon_fields, texts_have_no_control_characters) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *o =
        object_of("{\"a\":\"x\\ty\\n\",\"b\":\"x\\u0000\",\"c\":\"\\u001b[1m\"}", &arena);
    const char *s = NULL;
    cr_assert_eq(field_string(o, "a", 10, &s, NULL), STATUS_OK);
    cr_assert_str_eq(s, "x\ty\n");
    cr_assert_eq(field_string(o, "a", 3, &s, NULL), STATUS_TOO_LARGE);
    cr_assert_eq(field_string(o, "b", 10, &s, NULL), STATUS_INVALID);
    cr_assert_eq(field_string(o, "c", 10, &s, NULL), STATUS_INVALID);
}

Test(daemon_fields, an_unknown_name_is_told) {
    static const char *const names[] = { "a", "b", NULL };
    AUTO_ARENA Arena arena = ARENA_NULL;
    Err err = { 0 };
    cr_assert_eq(field_check_names(object_of("{\"b\":1,\"a\":2}", &arena), names, &err), STATUS_OK);
    cr_assert_eq(field_check_names(object_of("{\"a\":1,\"zz\":2}", &arena), names, &err),
                 STATUS_INVALID);
    cr_assert_str_eq(err.param, "zz");
}

Test(daemon_fields, numbers_in_queries_are_digits) {
    size_t n = 0;
    cr_assert_eq(value_parse_count("n", "17", 1, 20, &n, NULL), STATUS_OK);
    cr_assert_eq(n, 17);
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1x", "21", "0", "99999999999999999999"
    };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        cr_assert_eq(value_parse_count("n", bad[i], 1, 20, &n, NULL), STATUS_INVALID, "%s", bad[i]);
    }
}
