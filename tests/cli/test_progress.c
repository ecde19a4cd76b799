#include "cli/clean.h"
#include "cli/progress.h"

#include <criterion/criterion.h>
#include <string.h>

Test(cli_progress, line_has_bar_rate_and_time_left) {
    char line[320];
    progress_format(line, sizeof line, 80, 50e6, 100e6, 5e6, "B", "5/10 files");
    cr_assert_str_eq(
        line, "[####################....................]  50% 5/10 files  5.0 MB/s  0:10 left");
}

Test(cli_progress, narrow_terminal_has_no_bar_and_is_never_overrun) {
    for (unsigned columns = 20; columns < 200; columns++) {
        char line[320];
        progress_format(line, sizeof line, columns, 1, 3, 1e12, "B", "123456/1000000 files");
        cr_assert_lt(clean_columns(line), columns);
    }
}

Test(cli_progress, unknown_total_and_rate_are_left_out) {
    char line[320];
    progress_format(line, sizeof line, 80, 5, 0, 2, "documents", "x");
    cr_assert_str_eq(line, "x  2 documents/s");
    progress_format(line, sizeof line, 30, 0, 10, 0, "B", "x");
    cr_assert_str_eq(line, "[............]   0% x  0 kB/s");
}

Test(cli_progress, hours_are_shown_and_absurd_times_capped) {
    char line[320];
    progress_format(line, sizeof line, 40, 0, 7322, 1, "B", "");
    cr_assert(strstr(line, "2:02:02 left"), "%s", line);
    progress_format(line, sizeof line, 40, 0, 1e300, 1e-9, "B", "");
    cr_assert(strstr(line, "99:59:59 left"), "%s", line);
}
