#include "cli/options.h"

#include <criterion/criterion.h>
#include <string.h>

typedef struct Values {
    bool flag, global;
    const char *text, *choice;
    size_t count;
    double number;
    OptionList list;
    int first;
    char error[128];
} Values;

/* words: separated by single spaces */
static OptionsResult parse(Values *v, const char *command, const char *words) {
    static char copy[256];
    char *argv[32] = { "fonte" };
    int argc = 1;
    const Option table[] = {
        { 'f', "flag", OPTION_FLAG, &v->flag, NULL, "" },
        { 't', "text", OPTION_TEXT, &v->text, "T", "" },
        { 'l', "list", OPTION_LIST, &v->list, "L", "" },
        { 'c', "count", OPTION_COUNT, &v->count, "N", "", 1, 10 },
        { 0, "number", OPTION_NUMBER, &v->number, "X", "" },
        { 0, "choice", OPTION_CHOICE, &v->choice, "aa|ab|b", "" },
    };
    const Option global[] = { { 0, "global", OPTION_FLAG, &v->global, NULL, "" } };
    Usage usage = { command, "X", "", table, sizeof table / sizeof table[0] };
    strcpy(copy, words);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    *v = (Values){ 0 };
    return options_parse(&usage, global, 1, argc, argv, &v->first, v->error, sizeof v->error);
}

static void wrong(const char *words, const char *message) {
    Values v;
    cr_assert_eq(parse(&v, "x", words), OPTIONS_WRONG, "%s", words);
    cr_assert_str_eq(v.error, message);
    option_list_deinit(&v.list);
}

Test(cli_options, all_forms_are_taken) {
    Values v;
    cr_assert_eq(parse(&v, "x", "-f --text=a -c3 --number 2.5 --choice ab --global"), OPTIONS_OK);
    cr_assert(v.flag && v.global);
    cr_assert_str_eq(v.text, "a");
    cr_assert_eq(v.count, 3);
    cr_assert_float_eq(v.number, 2.5, 0);
    cr_assert_str_eq(v.choice, "ab");
    cr_assert_eq(v.first, 9);
}

Test(cli_options, operands_may_stand_anywhere) {
    Values v;
    cr_assert_eq(parse(&v, "x", "one -f - two -t a"), OPTIONS_OK);
    cr_assert(v.flag);
    cr_assert_eq(v.first, 4); /* the three operands are last */
    cr_assert_eq(parse(&v, "x", "-- -f"), OPTIONS_OK);
    cr_assert_not(v.flag);
}

Test(cli_options, program_itself_stops_at_its_command) {
    Values v;
    cr_assert_eq(parse(&v, NULL, "--global add --nonsense"), OPTIONS_OK);
    cr_assert_eq(v.first, 2);
}

Test(cli_options, list_gathers) {
    Values v;
    cr_assert_eq(parse(&v, "x", "-l a --list b --list=c"), OPTIONS_OK);
    cr_assert_eq(v.list.n, 3);
    cr_assert_str_eq(v.list.items[2], "c");
    option_list_deinit(&v.list);
    cr_assert_eq(v.list.n, 0);
}

Test(cli_options, help_wins) {
    Values v;
    cr_assert_eq(parse(&v, "x", "-h --nonsense"), OPTIONS_HELP);
    cr_assert_eq(parse(&v, "x", "a --help"), OPTIONS_HELP);
}

Test(cli_options, every_mistake_is_named) {
    wrong("--nonsense", "unknown or ambiguous option --nonsense");
    wrong("-z", "unknown option -z");
    wrong("--text", "--text needs a value");
    wrong("-t", "--text needs a value");
    wrong("--flag=1", "--flag takes no value");
    wrong("--c 1", "unknown or ambiguous option --c");
    wrong("--help=1", "--help takes no value");
    wrong("--choice a", "--choice: 'a' is none of aa|ab|b");
    wrong("--choice aa|ab", "--choice: 'aa|ab' is none of aa|ab|b");
}

Test(cli_options, numbers_are_checked) {
    static const char *const bad[] = {
        "0", "11", "-1", "1.5", "x", "3x", "1e1", "0x3", "nan", "inf", "99999999999999999999"
    };
    Values v;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char words[64];
        snprintf(words, sizeof words, "--count=%s", bad[i]);
        cr_assert_eq(parse(&v, "x", words), OPTIONS_WRONG, "%s", words);
    }
    wrong("--number -1", "--number: '-1' is not a number of 0 or more");
    wrong("--number nan", "--number: 'nan' is not a number of 0 or more");
    wrong("--count=x", "--count: 'x' is not a whole number from 1 to 10");
}
