#include "text_case.h"

Test(reader_plain, gives_clean_text_as_it_is_with_an_identity_map) {
    const char *text = "Prima riga\n  rientrata\n\nSecondo paragrafo: perché no?";
    TextDocs docs = read_ok(slice_of(text), NULL);
    expect_slice(docs.docs[0].text, text);
    cr_assert(text_map_is_identity(&docs.docs[0].map, strlen(text)));
    cr_assert_eq(docs.docs[0].format, TEXT_PLAIN);
    expect_slice(docs.docs[0].language, "it");
    text_docs_deinit(&docs);
}

Test(reader_plain, makes_every_line_end_one_newline) {
    expect_text("a\r\nb\rc\nd\xE2\x80\xA8"
                "e",
                NULL, "a\nb\nc\nd\ne");
}

Test(reader_plain, folds_blank_lines_and_drops_white_space_at_line_ends) {
    expect_text("\n\n a  \nb\t\n\n \n\n\nc \n\n", NULL, "a\nb\n\nc");
}

Test(reader_plain, drops_controls_and_terminal_escapes) {
    expect_text("rosso \x1B[31mqui\x07 fine\x7F e\xC2\x9B"
                "m\xEF\xBB\xBF.",
                NULL, "rosso [31mqui fine em.");
}

Test(reader_plain, maps_what_it_changed_to_the_bytes_it_changed) {
    static const OriginCase cases[] = {
        { "uno\r\ndue\r\n\r\ntre", "due\n\ntre", "due\r\n\r\ntre" },
        { "uno\r\ndue\r\n\r\ntre", "tre", "tre" },
        { "uno  \ndue", "uno\ndue", "uno  \ndue" },
        { "a\x01"
          "b c",
          "b c", "b c" },
        { "\xEF\xBB\xBFperché sì", "perché", "perché" },
    };
    expect_origins(cases, N_ELEMENTS(cases), NULL);
}

Test(reader_plain, says_that_there_is_no_text) {
    expect_refused(SLICE(""), NULL, STATUS_INVALID, "no text in it");
    expect_refused(SLICE(" \n\t\r\n "), NULL, STATUS_INVALID, "no text in it");
    expect_refused(SLICE("\xEF\xBB\xBF"), NULL, STATUS_INVALID, "no text in it");
}

Test(reader_plain, refuses_more_text_than_the_limit) {
    TextLimits limits = TEXT_LIMITS_DEFAULT;
    limits.max_clean_bytes = 10;
    TextDocs docs;
    Err err = { 0 };
    cr_assert_eq(text_read(SLICE("0123456789"), NULL, &limits, &docs, &err), STATUS_OK);
    text_docs_deinit(&docs);
    cr_assert_eq(text_read(SLICE("0123456789a"), NULL, &limits, &docs, &err), STATUS_TOO_LARGE);
    cr_assert_str_eq(err.param, "max_clean_bytes");
}
