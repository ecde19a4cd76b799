#include "cli/highlight.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

/* The text with [ ] around what is marked. */
static const char *marked(const char *query, const char *text) {
    static char out[512];
    size_t n = strlen(text), at = 0;
    setlocale(LC_CTYPE, "C.UTF-8");
    Highlight *highlight = highlight_new(query);
    char *p = out;
    while (at < n) {
        size_t length = highlight_match(highlight, text, n, at);
        cr_assert_leq(at + length, n);
        if (length)
            p += sprintf(p, "[%.*s]", (int)length, text + at);
        else
            *p++ = text[at];
        at += length ? length : 1;
    }
    *p = 0;
    highlight_free(highlight);
    return out;
}

Test(cli_highlight, words_are_found_whatever_their_case) {
    cr_assert_str_eq(marked("licenza LLAMA", "La licenza di Llama 2."),
                     "La [licenza] di [Llama] 2.");
}

Test(cli_highlight, accents_belong_to_letters) {
    cr_assert_str_eq(marked("PERCHÉ", "perché no"), "[perché] no");
}

Test(cli_highlight, near_forms_are_found) {
    cr_assert_str_eq(marked("released", "It releases, releasing a release"),
                     "It [releases], releasing a [release]");
}

Test(cli_highlight, other_words_are_not) {
    cr_assert_str_eq(marked("the cat in data", "The concatenated cat in the database"),
                     "The concatenated cat in the database");
}

Test(cli_highlight, numbers_are_found) {
    cr_assert_str_eq(marked("18 July", "on 18 and 180 July"), "on [18] and 180 [July]");
}

Test(cli_highlight, unspaced_scripts_are_found_by_parts) {
    cr_assert_str_eq(marked("人工智能法", "新的人工智能法案"), "新的[人工智能法]案");
}

Test(cli_highlight, nothing_marks_nothing) {
    cr_assert_str_eq(marked("", "some text"), "some text");
    cr_assert_eq(highlight_match(NULL, "text", 4, 0), 0);
}

Test(cli_highlight, endless_queries_are_cut) {
    static char query[100000];
    memset(query, 'a', sizeof query - 1);
    cr_assert_str_eq(marked(query, "aaaa"), "aaaa");
    for (size_t i = 5; i < sizeof query - 1; i += 6) query[i] = ' ';
    cr_assert_str_eq(marked(query, "aaaaa"), "[aaaaa]");
}
