#include "base/json.h"
#include "base/utf8.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>

static Status read_text(Slice text, Arena *arena, const Json **ret, Err *err) {
    return json_read(text, 16, arena, ret, err);
}

Test(base_json, reads_every_kind_of_value) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *v = NULL;
    Slice text = SLICE(" {\"a\":[1,-2.5e1,true,false,null],\"b\":\"x\\u00e8\\ud83d\\ude00\\n\"} ");
    cr_assert_eq(read_text(text, &arena, &v, NULL), STATUS_OK);
    const Json *a = json_get(v, "a");
    cr_assert_eq(a->n, 5);
    cr_assert_eq(a->child->number, 1);
    cr_assert_eq(a->child->next->number, -25);
    cr_assert(a->child->next->next->boolean);
    cr_assert(slice_equal(json_get(v, "b")->string, SLICE("x\xC3\xA8\xF0\x9F\x98\x80\n")));
    cr_assert_null(json_get(v, "c"));
}

Test(base_json, keeps_the_length_of_a_string_with_nul) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *v = NULL;
    cr_assert_eq(read_text(SLICE("\"a\\u0000b\""), &arena, &v, NULL), STATUS_OK);
    cr_assert_eq(v->string.n, 3);
}

typedef struct Bad {
    char text[48];
    char where[16];
} Bad;

ParameterizedTestParameters(base_json, refuses_what_is_not_json_and_says_where) {
    static Bad rows[] = {
        { "", "byte 0" },
        { "{", "byte 1" },
        { "{\"a\":1,}", "byte 7" },
        { "{\"a\" 1}", "byte 5" },
        { "{a:1}", "byte 1" },
        { "[1 2]", "byte 3" },
        { "[1,]", "byte 3" },
        { "nul", "byte 0" },
        { "NaN", "byte 0" },
        { "-Infinity", "byte 0" },
        { "01", "byte 1" },
        { "1.", "byte 0" },
        { "1e", "byte 0" },
        { "1e999", "byte 0" },
        { "\"a", "byte 0" },
        { "\"a\\x\"", "byte 2" },
        { "\"\\ud800\"", "byte 1" },
        { "\"\\udc00\"", "byte 1" },
        { "\"\\ud800\\u0041\"", "byte 1" },
        { "\"\x01\"", "byte 1" },
        { "\"\xff\"", "byte 1" },
        { "{\"a\":1,\"a\":2}", "byte 7" },
        { "1 1", "byte 2" },
        { "\"\\", "byte 0" },
        { "\"\\u00", "byte 0" },
    };
    return cr_make_param_array(Bad, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(Bad *row, base_json, refuses_what_is_not_json_and_says_where) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *v = NULL;
    Err err = { 0 };
    cr_assert_eq(read_text(slice_of(row->text), &arena, &v, &err), STATUS_INVALID, "%s", row->text);
    cr_assert_not_null(strstr(err.text, row->where), "%s: %s", row->text, err.text);
}

Test(base_json, refuses_deep_nesting) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    char text[2000];
    memset(text, '[', sizeof text);
    const Json *v = NULL;
    Slice s = { text, sizeof text };
    cr_assert_eq(read_text(s, &arena, &v, NULL), STATUS_TOO_LARGE);
}

Test(base_json, writes_what_it_reads) {
    AUTO_BUF Buf out = BUF_NULL;
    JsonWriter w = JSON_WRITER(&out);
    json_begin_object(&w, NULL);
    json_slice(&w, "s", SLICE("a\"\\\n\x01\xC3\xA8\xFFz"));
    json_begin_array(&w, "l");
    json_uint(&w, NULL, UINT64_MAX);
    json_int(&w, NULL, -3);
    json_number(&w, NULL, 0.1);
    json_number(&w, NULL, INFINITY);
    json_bool(&w, NULL, true);
    json_end_array(&w);
    json_begin_object(&w, "o");
    json_end_object(&w);
    json_end_object(&w);
    cr_assert_str_eq(out.p, "{\"s\":\"a\\\"\\\\\\n\\u0001\xC3\xA8" UTF8_REPLACEMENT
                            "z\",\"l\":[18446744073709551615,-3,0.1,null,true],\"o\":{}}");
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *v = NULL;
    cr_assert_eq(read_text(buf_slice(&out), &arena, &v, NULL), STATUS_OK);
}
