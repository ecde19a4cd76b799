#include "text/text_internal.h"

#include <criterion/criterion.h>

Test(date, reads_what_documents_write) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "2023-07-18", "2023-07-18" },
        { "2023-07-18T10:00:00Z", "2023-07-18T10:00:00Z" },
        { "2023-07-18T01:30:00+02:00", "2023-07-17T23:30:00Z" },
        { "2023-07-18 10:00:00.123-0500", "2023-07-18T15:00:00Z" },
        { "2023-07-18T10:00:00", "2023-07-18" },
        { "20230718", "2023-07-18" },
        { "2023/7/8", "2023-07-08" },
        { "Tue, 18 Jul 2023 10:00:00 +0200", "2023-07-18T08:00:00Z" },
        { "Tue, 18 Jul 23 10:00:00 GMT", "2023-07-18T10:00:00Z" },
        { "18 July 2023", "2023-07-18" },
        { "July 18, 2023", "2023-07-18" },
        { "martedì 18 luglio 2023", "2023-07-18" },
        { "1º marzo 2023", "2023-03-01" },
        { "18 de agosto de 2023", "2023-08-18" },
        { "3 août 2023", "2023-08-03" },
        { "29 February 2024", "2024-02-29" },
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char got[DATE_BYTES] = "";
        cr_assert(date_parse(slice_of(cases[i].in), got), "%s", cases[i].in);
        cr_assert_str_eq(got, cases[i].out, "%s: %s", cases[i].in, got);
    }
}

Test(date, refuses_what_is_not_certain) {
    static const char *const bad[] = { "",           "03/04/2023",  "2023-13-01",
                                       "2023-02-30", "29 Feb 2023", "ieri",
                                       "2023",       "July 2023",   "18 July",
                                       "0000-01-01", "2023-7",      "99999-01-01" };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        char got[DATE_BYTES] = "untouched";
        cr_assert_not(date_parse(slice_of(bad[i]), got), "%s: %s", bad[i], got);
        cr_assert_str_eq(got, "untouched");
    }
}
