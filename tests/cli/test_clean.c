#include "cli/clean.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *text, size_t n, bool one_line, const char *expected) {
    char *clean = clean_string(text, n, one_line);
    cr_assert_str_eq(clean, expected);
    free(clean);
}
#define CHECK(text, one_line, expected) check(text, sizeof(text) - 1, one_line, expected)

Test(cli_clean, text_stays_as_it_is) {
    CHECK("perché\t日本\n\U0001F600", false, "perché\t日本\n\U0001F600");
}

Test(cli_clean, control_characters_are_left_out) {
    CHECK("a\x1b[31mb\x07\x08\r\x7f\0c", false, "a[31mbc");
    CHECK("a\xC2\x9b"
          "31m\xC2\x90x\xC2\x85",
          false, "a31mx"); /* C1: CSI, DCS, NEL */
}

Test(cli_clean, text_direction_cannot_be_overridden) {
    CHECK("a\u202Eb\u2066c\u2069", false, "abc");
}

Test(cli_clean, bytes_that_are_no_utf8_become_replacements) {
    CHECK("a\xff\xC3(\x80", false, "a\uFFFD\uFFFD(\uFFFD");
    CHECK("\xC0\x9b\xE0\x80\x9b", false, "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"); /* overlong ESC */
    CHECK("\xED\xA0\x80", false, "\uFFFD\uFFFD\uFFFD");                     /* surrogate */
    CHECK("\xF4\x90\x80\x80", false, "\uFFFD\uFFFD\uFFFD\uFFFD");
    CHECK("\xF0\x9F\x98", false, "\uFFFD\uFFFD\uFFFD"); /* cut at the end */
}

Test(cli_clean, one_line_is_one_line) {
    CHECK("a\nb\tc", true, "a b c");
}

Test(cli_clean, every_character_decodes_to_itself) {
    for (uint32_t c = 1; c < 0x110000; c++) {
        char bytes[4];
        size_t n = 0;
        uint32_t back;
        if (c >= 0xD800 && c < 0xE000) continue;
        if (c < 0x80) {
            bytes[n++] = (char)c;
        } else {
            unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
            bytes[n++] = (char)((0xFF80u >> more & 0xFF) | c >> (6 * more));
            while (more--) bytes[n++] = (char)(0x80 | (c >> (6 * more) & 0x3F));
        }
        cr_assert_eq(clean_decode(bytes, n, &back), n, "U+%X", c);
        cr_assert_eq(back, c);
    }
}

Test(cli_clean, columns_are_those_of_a_terminal) {
    setlocale(LC_CTYPE, "C.UTF-8");
    cr_assert_eq(clean_columns("abc"), 3);
    cr_assert_eq(clean_columns("日本"), 4);
    cr_assert_eq(clean_columns("e\u0301"), 1);
}
