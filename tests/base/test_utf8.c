#include "base/utf8.h"

#include <criterion/criterion.h>

Test(utf8, decodes_what_it_encodes_and_nothing_cut_short) {
    for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x900 ? 1 : 37) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        char out[4];
        size_t n = utf8_encode(c, out);
        uint32_t got = 1;
        cr_assert_eq(utf8_decode((Slice){ out, n }, &got), n);
        cr_assert_eq(got, c);
        cr_assert_eq(utf8_decode((Slice){ out, n - 1 }, &got), 0);
    }
}

Test(utf8, refuses_overlong_surrogate_and_out_of_range) {
    static const char *bad[] = { "\xC0\x80",         "\xC1\xBF",
                                 "\xE0\x9F\xBF",     "\xED\xA0\x80",
                                 "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                                 "\xF5\x80\x80\x80", "\x80" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(utf8_valid_length(slice_of(bad[i])), 0, "case %zu", i);
    }
}

Test(utf8, counts_and_cuts_between_characters) {
    Slice s = SLICE("però");
    cr_assert_eq(utf8_valid_length(s), 5);
    cr_assert_eq(utf8_count(s), 4);
    cr_assert_eq(utf8_floor(s, 4), 3);
    cr_assert_eq(utf8_floor(s, 99), 5);
}

Test(utf8, knows_the_beginning_of_a_character) {
    static const char *const partial[] = { "\xC3",         "\xE2", "\xE2\x82", "\xF0\x9F",
                                           "\xF0\x9F\x98", "\xE0", "\xE0\xA0", "\xED\x9F",
                                           "\xF4\x8F",     "\xF0" };
    static const char *const not_so[] = { "",         "a",        "\xC3\xA9", "\x80",     "\xC0",
                                          "\xE0\x80", "\xED\xA0", "\xF4\x90", "\xF0\x80", "\xFF",
                                          "\xE2\x41", "\xC3z",    "az" };
    for (size_t i = 0; i < sizeof partial / sizeof *partial; i++)
        cr_assert(utf8_is_partial(slice_of(partial[i])), "%zu", i);
    for (size_t i = 0; i < sizeof not_so / sizeof *not_so; i++)
        cr_assert_not(utf8_is_partial(slice_of(not_so[i])), "%zu", i);
}
