/* How answers are scored: the normalisation and "answer in text" as the datasets' README defines
 * them. Expected values are worked out by hand from that text, not from this program. */
#include "cli/eval_score.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void check(const char *text, const char *language, const char *expected) {
    char *got = eval_normalise(text, language);
    cr_assert(got, "%s", text);
    cr_expect_str_eq(got, expected, "%s of \"%s\": \"%s\", not \"%s\"", language, text, got,
                     expected);
    free(got);
}

/* ---- normalisation ---- */

Test(cli_eval_score, the_definition_s_own_examples) {
    check("L'Organizzazione dei Paesi", "it", "organizzazione dei paesi");
    check("il 1973.", "it", "1973");
    check("un'isola", "it", "isola");
    check("i Normanni", "it", "normanni");
    check("The Panthers' defense", "en", "panthers defense");
    check("$1.5 million", "en", "15 million");
}

Test(cli_eval_score, case_and_composition_do_not_count) {
    check("PERCHÉ", "it", "perché");
    check("perche\xcc\x81", "it", "perché"); /* e, combining acute */
    check("ÄÖÜ Straße", "de", "äöü straße");
    check("МОСКВА", "ru", "москва");
    check("ΑΘΗΝΑ", "el", "αθηνα");
}

Test(cli_eval_score, apostrophes_part_words_in_italian_only) {
    const char *apostrophes[] = { "'", "\xe2\x80\x99", "\xca\xbc" };
    for (size_t i = 0; i < sizeof apostrophes / sizeof *apostrophes; i++) {
        char text[64];
        snprintf(text, sizeof text, "dell%sacqua", apostrophes[i]);
        check(text, "it", "dell acqua");
    }
    check("don't", "en", "dont");
    check("don\xe2\x80\x99t", "en", "dont");
    check("l'eau", "fr", "leau");
}

Test(cli_eval_score, punctuation_is_removed_not_replaced) {
    check("well-known", "en", "wellknown");
    check("1,128.5", "en", "11285");
    check("(a) [b] {c} \"d\" «e» “f” – g… h? i! j; k: l/m\\n_o*p#q%r&s@t", "de",
          "a b c d e f g h i j k lmnopqrst");
    check("a$b+c<d=e>f^g`h|i~j", "de", "abcdefghij");
    check("5 € 6 £ 7 ° 8 ©", "de", "5 € 6 £ 7 ° 8 ©"); /* symbols beyond ASCII stay */
    check("你好,世界。", "zh", "你好世界");
    check("¿Qué?", "es", "qué");
}

Test(cli_eval_score, whole_words_that_are_articles_are_removed) {
    check("a cat and an owl in the barn", "en", "cat and owl in barn");
    check("theatre anthem", "en", "theatre anthem");
    check("il lo la i gli le l un uno una casa", "it", "casa");
    check("the casa", "it", "the casa");
    check("il barn", "en", "il barn");
    check("der Hund", "de", "der hund");
    check("los perros", "es", "los perros");
}

Test(cli_eval_score, articles_stay_where_nothing_else_would) {
    check("The", "en", "the");
    check("a the", "en", "a the");
    check("la", "it", "la");
    check("L'", "it", "l");
}

Test(cli_eval_score, white_space_becomes_one_space_or_none) {
    check("  two \t\n words\r\n ", "en", "two words");
    check("a\xc2\xa0"
          "b\xe3\x80\x80"
          "c\xe2\x80\x89"
          "d",
          "de", "a b c d");
    check("กรุงเทพ มหานคร", "th", "กรุงเทพมหานคร");
    check("1 2 3", "zh", "123");
    check("", "en", "");
    check(" ... ", "en", "");
}

Test(cli_eval_score, what_is_not_utf8_is_refused) {
    cr_assert_null(eval_normalise("\xff\xfe", "en"));
    cr_assert_not(eval_holds("abc \xff", "\xfe", "en"));
}

/* ---- answer in text ---- */

static const struct {
    const char *text, *gold, *language;
    bool holds;
} rows[] = {
    /* as written, with no letter or digit beside it */
    { "It was Rollo's duchy.", "Rollo", "en", true },
    { "It was Rollos duchy.", "Rollo", "en", false },
    { "In 1066 it fell.", "1066", "en", true },
    { "In 10661 it fell.", "1066", "en", false },
    { "A21066 it fell.", "1066", "en", false },
    { "Costs $1.5 million.", "$1.5 million", "en", true },
    /* normalised, on word boundaries */
    { "The Duke of NORMANDY came.", "the duke of Normandy", "en", true },
    { "The Duke, of Normandy", "Duke of Normandy", "en", true },
    { "well known facts", "well-known", "en", false },
    { "Nell'ottobre del 1973, l'organizzazione", "L'Organizzazione", "it", true },
    { "nell' ottobre", "Ottobre", "it", true },
    { "i normanni", "gli Normanni", "it", true },
    { "catalogue", "cat", "en", false },
    { "one cat", "cats", "en", false },
    /* a later occurrence may be the one */
    { "Rollos and Rollo", "Rollo", "en", true },
    { "11066 21066 1066", "1066", "en", true },
    /* unspaced scripts: anywhere, spaces left out */
    { "诺曼人是在十世纪和十一世纪", "十世纪", "zh", true },
    { "诺曼人是在 十 世纪", "十世纪", "zh", true },
    { "诺曼人", "十世纪", "zh", false },
    { "ในศตวรรษที่ 10 และ 11", "ศตวรรษที่10", "th", true },
    /* nothing is held by everything, not found anywhere */
    { "anything", "", "en", false },
    { "anything", "...", "en", false },
    { "", "x", "en", false },
};

Test(cli_eval_score, holds_a_gold_answer) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(eval_holds(rows[i].text, rows[i].gold, rows[i].language), rows[i].holds,
                     "\"%s\" in \"%s\"", rows[i].gold, rows[i].text);
    }
}
