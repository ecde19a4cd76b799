#include "text/language.h"

#include "base/mem.h"

#include <criterion/criterion.h>

static void expect_guess(const char *text, const char *hint, const char *want) {
    char got[LANGUAGE_BYTES];
    language_guess(slice_of(text), hint, got);
    cr_assert_str_eq(got, want, "%s: %s, not %s", text, got, want);
}

Test(language, tells_short_questions_apart) {
    static const struct {
        const char *text, *language;
    } cases[] = {
        { "Quando è stato rilasciato Llama 2?", "it" },
        { "Chi ha sostenuto per prima Llama 2?", "it" },
        { "Cosa dice la licenza di Meta?", "it" },
        { "Perché il Garante ha bloccato ChatGPT?", "it" },
        { "L'ordine del Garante è ancora in vigore?", "it" },
        { "When was Llama 2 released?", "en" },
        { "Which company supports Llama in China?", "en" },
        { "What does the license say?", "en" },
        { "Who banned ChatGPT in Italy?", "en" },
        { "¿Cuándo se publicó la ley?", "es" },
        { "Qui a publié la loi sur les données ?", "fr" },
        { "Wann wurde das Gesetz verabschiedet?", "de" },
        { "Когда был принят закон?", "ru" },
        { "Πότε ψηφίστηκε ο νόμος;", "el" },
        { "متى صدر القانون؟", "ar" },
        { "法律是什么时候通过的？", "zh" },
        { "法律はいつ成立しましたか？", "ja" },
        { "กฎหมายผ่านเมื่อไหร่", "th" },
        { "법은 언제 통과되었습니까?", "ko" },
        { "कानून कब पारित हुआ?", "hi" },
        { "מתי עבר החוק?", "he" },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        expect_guess(cases[i].text, NULL, cases[i].language);
}

Test(language, uses_the_hint_where_the_words_do_not_tell) {
    expect_guess("Llama 2", "it", "it");
    expect_guess("Llama 2", "en", "en");
    expect_guess("Llama 2", NULL, "");
    expect_guess("When was it released?", "it", "en");
    expect_guess("12345", "it", "");
}

Test(language, knows_languages_without_a_list_by_their_letters_together) {
    expect_guess("Regeringen har lagt fram ett nytt lagförslag om datacenter och "
                 "energianvändning. Förslaget innebär att företagen måste redovisa hur mycket el "
                 "de använder varje år, och var den kommer från.",
                 NULL, "sv");
}

Test(language, normalises_what_people_write) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "it-IT", "it" }, { "ITA", "it" },  { "Italian", "it" }, { "italiano", "it" },
        { "en_US", "en" }, { " EN ", "en" }, { "ger", "de" },     { "Français", "fr" },
        { "xx", "" },      { "", "" },       { "zh-Hans", "zh" }, { "englishman", "" },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char got[LANGUAGE_BYTES];
        language_parse(slice_of(cases[i].in), got);
        cr_assert_str_eq(got, cases[i].out, "%s: %s", cases[i].in, got);
    }
}

Test(language, knows_which_are_written_without_spaces) {
    cr_assert(language_is_unspaced("zh"));
    cr_assert(language_is_unspaced("th"));
    cr_assert_not(language_is_unspaced("ko"));
    cr_assert_not(language_is_unspaced(""));
}
