#include "daemon/audience.h"

#include "base/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

enum { TODAY = 20000 };

Test(daemon_audience, counts_users_not_visits) {
    Audience a = AUDIENCE_NULL;
    for (int i = 0; i < 100; i++) audience_see(&a, (uid_t)(i * 7 % 10), TODAY);
    cr_assert_eq(audience_count(&a, TODAY), 10);
    for (size_t i = 1; i < a.n; i++) cr_assert_lt(a.users[i - 1].uid, a.users[i].uid);
    audience_deinit(&a);
}

Test(daemon_audience, forgets_after_thirty_days) {
    Audience a = AUDIENCE_NULL;
    AUTO_BUF Buf text = BUF_NULL;
    audience_see(&a, 1, TODAY);
    audience_see(&a, 2, TODAY + AUDIENCE_DAYS - 1);
    cr_assert_eq(audience_count(&a, TODAY + AUDIENCE_DAYS - 1), 2);
    cr_assert_eq(audience_count(&a, TODAY + AUDIENCE_DAYS), 1);
    audience_take_text(&a, TODAY + AUDIENCE_DAYS, &text);
    cr_assert_str_eq(text.p, "2 20029\n");
    cr_assert_eq(a.n, 1);
    audience_deinit(&a);
}

Test(daemon_audience, says_when_there_is_something_to_write) {
    Audience a = AUDIENCE_NULL;
    AUTO_BUF Buf text = BUF_NULL;
    cr_assert_not(a.changed);
    audience_see(&a, 5, TODAY);
    cr_assert(a.changed);
    audience_take_text(&a, TODAY, &text);
    audience_see(&a, 5, TODAY);
    cr_assert_not(a.changed, "the same day again");
    audience_see(&a, 5, TODAY + 1);
    cr_assert(a.changed);
    audience_deinit(&a);
}

static Status load(const char *text, Audience *ret) {
    char path[] = "/tmp/fonte-audience-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    Err err = { 0 };
    Status status = audience_load(ret, path, &err);
    unlink(path);
    return status;
}

Test(daemon_audience, reads_what_it_wrote_and_nothing_else) {
    Audience a = AUDIENCE_NULL;
    cr_assert_eq(audience_load(&a, "/nonexistent/peers", NULL), STATUS_OK);
    cr_assert_eq(load("1000 20000\n4294967295 1\n", &a), STATUS_OK);
    cr_assert_eq(a.n, 2);
    cr_assert_eq(audience_count(&a, TODAY), 1);
    audience_deinit(&a);
    static const char *const bad[] = { "x",
                                       "1\n",
                                       "1 2",
                                       "1 x\n",
                                       "-1 5\n",
                                       "1  2\n",
                                       "1 2\n\n",
                                       "4294967296 5\n",
                                       "1 99999999999\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(load(bad[i], &a), STATUS_INVALID, "%s", bad[i]);
        audience_deinit(&a);
    }
}
