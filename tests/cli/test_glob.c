#include "cli/glob.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

static void match(const char *pattern, const char *text) {
    cr_assert(glob_match(pattern, text), "%s should match %s", pattern, text);
}
static void no_match(const char *pattern, const char *text) {
    cr_assert_not(glob_match(pattern, text), "%s should not match %s", pattern, text);
}

Test(cli_glob, plain_text_matches_itself_alone) {
    match("", "");
    match("abc", "abc");
    no_match("abc", "abcd");
    no_match("abc", "ab");
    no_match("", "a");
    no_match("a", "");
}

Test(cli_glob, star_takes_any_number_but_no_slash) {
    match("*", "");
    match("*.txt", ".txt");
    match("*.txt", "a.b.txt");
    match("a*b*c", "aXbYbZc");
    match("*a", "aaa");
    no_match("*.txt", "a.txt.gz");
    no_match("*", "a/b");
    no_match("a*c", "a/c");
    match("*/*", "a/b");
}

Test(cli_glob, double_star_crosses_folders) {
    match("**", "a/b/c");
    match("**/c", "c");
    match("**/c", "a/b/c");
    no_match("**/c", "a/bc");
    match("a/**/c", "a/c");
    match("a/**/c", "a/b/b/c");
    match("a/**", "a/b/c");
    no_match("a/**/c", "a/b/cc");
    match("**/x*/**/y", "a/x1/b/c/y");
    match("**.txt", "a/b.txt");
    match("**/b/*.c", "a/b/b/x.c");
    no_match("**/b/*.c", "a/b/d/x.c");
}

Test(cli_glob, question_mark_is_one_character) {
    match("?", "a");
    match("?", "\xC3\xA8");
    no_match("?", "");
    no_match("?", "ab");
    no_match("?", "/");
}

Test(cli_glob, sets) {
    match("[abc]x", "bx");
    match("[a-c]", "b");
    no_match("[a-c]", "d");
    match("[!a-c]", "d");
    match("[^a]", "b");
    no_match("[!a]", "a");
    match("[]]", "]");
    match("[a-]", "-");
    match("[\\]]", "]");
    match("[\xC3\xA0-\xC3\xBF]", "\xC3\xA8");
    no_match("[!a]", "/");
}

Test(cli_glob, unfinished_set_is_plain_text) {
    match("[ab", "[ab");
    no_match("[ab", "a");
    match("[", "[");
}

Test(cli_glob, backslash_makes_plain) {
    match("\\*", "*");
    no_match("\\*", "a");
    match("a\\", "a\\");
}

Test(cli_glob, no_pattern_takes_long) {
    char text[4097], pattern[200] = "";
    memset(text, 'a', 4096);
    text[4096] = 0;
    for (int i = 0; i < 30; i++) strcat(pattern, i % 2 ? "**/*a" : "*a");
    clock_t begin = clock();
    no_match(pattern, text);
    no_match("*a*a*a*a*a*a*a*a*a*a*a*b", text);
    cr_assert_lt((double)(clock() - begin) / CLOCKS_PER_SEC, 5);
}

Test(cli_glob, pattern_without_slash_is_for_the_name) {
    cr_assert(glob_match_path("*.c", "a/b/x.c"));
    cr_assert(glob_match_path("x", "x"));
    cr_assert_not(glob_match_path("b", "a/b/x.c"));
    cr_assert(glob_match_path("a/*.c", "a/x.c"));
    cr_assert_not(glob_match_path("a/*.c", "a/b/x.c"));
    cr_assert(glob_match_path("/x.c", "x.c"));
    cr_assert_not(glob_match_path("/x.c", "a/x.c"));
}
