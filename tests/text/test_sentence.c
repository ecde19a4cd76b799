#include "base/mem.h"
#include "base/utf8.h"
#include "text/passage.h"

#include <criterion/criterion.h>
#include <unicode/ubrk.h>
#include <unicode/ustring.h>

/* want: the sentences parted by '|'. */
static void expect_sentences(const char *language, const char *text, const char *want) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    AUTO_BUF Buf got = BUF_NULL;
    TextSpan *spans;
    size_t n;
    cr_assert_eq(text_sentences(slice_of(text), language, &arena, &spans, &n, NULL), STATUS_OK);
    for (size_t i = 0; i < n; i++) {
        if (i) buf_append_byte(&got, '|');
        buf_append(&got, text + spans[i].start, spans[i].end - spans[i].start);
    }
    cr_assert(slice_equal(buf_slice(&got), slice_of(want)), "%s\n not %s", got.p, want);
}

Test(sentence, ends_at_terminators_and_what_closes_them) {
    expect_sentences("it", "Uno. Due! Tre? Quattro… Cinque.", "Uno.|Due!|Tre?|Quattro…|Cinque.");
    expect_sentences("en", "He said \"Stop.\" Then he left. (Really.) Yes.[3] No.",
                     "He said \"Stop.\"|Then he left.|(Really.)|Yes.[3]|No.");
    expect_sentences("en", "Why?! It is so. 42 people came.", "Why?!|It is so.|42 people came.");
}

Test(sentence, does_not_end_inside_numbers_words_and_addresses) {
    expect_sentences("it", "Costa 3.500 euro, v. 2.1 di fonte.org oggi. Fine.",
                     "Costa 3.500 euro, v. 2.1 di fonte.org oggi.|Fine.");
    expect_sentences("en", "Yahoo! announced it. \"Why?\" he asked.",
                     "Yahoo! announced it.|\"Why?\" he asked.");
}

Test(sentence, does_not_end_at_abbreviations_initials_and_acronyms) {
    expect_sentences("it", "L'art. 5 del dott. Rossi e di J. R. Smith vale. Il sig. Bianchi no.",
                     "L'art. 5 del dott. Rossi e di J. R. Smith vale.|Il sig. Bianchi no.");
    expect_sentences("en", "The U.S. Senate met Dr. Jones, e.g. on Jan. 5. The U.S. The end.",
                     "The U.S. Senate met Dr. Jones, e.g. on Jan. 5.|The U.S.|The end.");
    expect_sentences("it", "Nel 300 a.C. Roma vinse, p.es. contro i Galli, ecc. Poi perse.",
                     "Nel 300 a.C. Roma vinse, p.es. contro i Galli, ecc.|Poi perse.");
    expect_sentences("de", "Am 3. Oktober 1990. Die Feier war groß.",
                     "Am 3. Oktober 1990.|Die Feier war groß.");
    expect_sentences("en", "Apple Inc. Chief Cook spoke. In Apple Inc. The rest.",
                     "Apple Inc. Chief Cook spoke.|In Apple Inc.|The rest.");
}

Test(sentence, ends_at_headings_items_and_paragraphs_but_not_at_wrapped_lines) {
    expect_sentences("it",
                     "Titolo\n\nUna riga che è abbastanza lunga da essere andata\na capo da sola.",
                     "Titolo|Una riga che è abbastanza lunga da essere andata\na capo da sola.");
    expect_sentences("it", "- uno\n- due\n1. Tre e\n2. Quattro", "- uno|- due|1. Tre e|2. Quattro");
    expect_sentences("it", "Anno | Valore\n2022 | 10", "Anno | Valore|2022 | 10");
    expect_sentences("it", "Via Roma 1\nMilano", "Via Roma 1|Milano");
}

Test(sentence, knows_the_terminators_of_other_scripts) {
    expect_sentences("zh", "这是一。这是二！“这是三。”这是四",
                     "这是一。|这是二！|“这是三。”|这是四");
    expect_sentences("hi", "यह एक है। यह दो है।", "यह एक है।|यह दो है।");
    expect_sentences("ar", "ما هذا؟ هذا كتاب.", "ما هذا؟|هذا كتاب.");
    expect_sentences("el", "Τι είναι αυτό; Αυτό είναι.", "Τι είναι αυτό;|Αυτό είναι.");
}

Test(sentence, parts_thai_at_blanks_after_enough_characters) {
    AUTO_BUF Buf text = BUF_NULL;
    for (int i = 0; i < 60; i++) buf_append_string(&text, "ภาษาไทย ");
    AUTO_ARENA Arena arena = ARENA_NULL;
    TextSpan *spans;
    size_t n;
    cr_assert_eq(text_sentences(buf_slice(&text), "th", &arena, &spans, &n, NULL), STATUS_OK);
    cr_assert_eq(n, 4);
    for (size_t i = 0; i + 1 < n; i++) {
        size_t chars =
            utf8_count((Slice){ text.p + spans[i].start, spans[i].end - spans[i].start });
        cr_assert(chars >= 119 && chars < 130, "%zu", chars);
    }
}

/* On text without what is repaired, the walk gives what ICU's own iterator gives. */
Test(sentence, agrees_with_icu_on_plain_prose) {
    static const char *const prose[] = {
        "The law was passed in May. Nobody voted against it! Was that a surprise? It was not, said "
        "the minister. \"We knew.\" Costs rose by 3.5 percent. They fell later.",
        "La legge è passata a maggio. Nessuno ha votato contro! Era una sorpresa? No, dice lui. Il "
        "costo è salito del 3,5 per cento. Poi è sceso.",
        "法律在五月通过。没有人反对！这是意外吗？不是。",
        "Закон был принят в мае. Никто не голосовал против! Это сюрприз? Нет.",
    };
    static const char *const languages[] = { "en", "it", "zh", "ru" };
    for (size_t i = 0; i < N_ELEMENTS(prose); i++) {
        UChar text[1024];
        char part[2048];
        int32_t n;
        UErrorCode code = U_ZERO_ERROR;
        u_strFromUTF8(text, 1024, &n, prose[i], -1, &code);
        UBreakIterator *icu = ubrk_open(UBRK_SENTENCE, languages[i], text, n, &code);
        cr_assert(U_SUCCESS(code));
        AUTO_BUF Buf want = BUF_NULL;
        for (int32_t from = ubrk_first(icu), to; (to = ubrk_next(icu)) != UBRK_DONE; from = to) {
            int32_t bytes;
            u_strToUTF8(part, sizeof part, &bytes, text + from, to - from, &code);
            if (want.n) buf_append_byte(&want, '|');
            buf_append_slice(&want, slice_trim((Slice){ part, (size_t)bytes }));
        }
        ubrk_close(icu);
        expect_sentences(languages[i], prose[i], want.p);
    }
}
