#include "http/guard.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const char key[] = "0123456789abcdef";

static int check(const char *host, const char *origin, const char *authorization) {
    HttpGuard guard;
    cr_assert_eq(http_guard_init(&guard, slice_of(key), NULL), STATUS_OK);
    Err err = { 0 };
    int status = http_guard_check(&guard, host, origin, authorization, &err);
    cr_assert((status == 0) == (err.text[0] == '\0'));
    cr_assert_null(strstr(err.text, key), "no message tells the key");
    return status;
}

static int check_key(const char *authorization) {
    return check("localhost", NULL, authorization);
}

Test(http_guard, takes_the_key_and_nothing_like_it) {
    cr_assert_eq(check_key("Bearer 0123456789abcdef"), 0);
    cr_assert_eq(check_key("bearer  0123456789abcdef "), 0);
    static const char *const bad[] = {
        NULL,
        "",
        "Bearer",
        "Bearer ",
        "0123456789abcdef",
        "Basic 0123456789abcdef",
        "Bearer 0123456789abcde",
        "Bearer 0123456789abcdeF",
        "Bearer 0123456789abcdef0",
        "Bearer 1123456789abcdef",
        "Bearer 0123456789abcdef0123456789abcdef",
        "Bearer 0123456789abcdef, Bearer 0123456789abcdef",
        "Bearer0123456789abcdef",
    };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) cr_assert_eq(check_key(bad[i]), 401, "%zu", i);
}

Test(http_guard, every_byte_of_the_key_counts) {
    for (size_t i = 0; i < sizeof key - 1; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            char text[40];
            snprintf(text, sizeof text, "Bearer %s", key);
            text[7 + i] = (char)(text[7 + i] ^ 1 << bit);
            cr_assert_eq(check_key(text), 401, "byte %zu, bit %u", i, bit);
        }
    }
}

Test(http_guard, names_come_before_the_key) {
    static const char *const good[] = { "localhost", "LocalHost:1", "127.0.0.1:65535", "[::1]",
                                        "[::1]:8099" };
    for (size_t i = 0; i < N_ELEMENTS(good); i++) {
        cr_assert_eq(check(good[i], NULL, NULL), 401, "%s", good[i]);
    }
    static const char *const bad[] = { NULL,
                                       "",
                                       "fonte",
                                       "localhost.",
                                       "localhost.evil",
                                       "127.0.0.1.evil",
                                       "127.0.0.1:80a",
                                       "127.0.0.1:655360",
                                       "evil:80",
                                       "[::1",
                                       "::1",
                                       "localhost@evil",
                                       "[::1]evil" };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        cr_assert_eq(check(bad[i], NULL, "Bearer 0123456789abcdef"), 403, "%zu", i);
    }
}

Test(http_guard, an_origin_must_be_its_own) {
    const char *right = "Bearer 0123456789abcdef";
    cr_assert_eq(check("localhost:8099", "http://localhost:8099", right), 0);
    cr_assert_eq(check("localhost:8099", "http://LOCALHOST:8099", right), 0);
    static const char *const bad[] = { "",
                                       "null",
                                       "http://",
                                       "http://localhost",
                                       "http://localhost:80990",
                                       "https://localhost:8099",
                                       "http://127.0.0.1:8099",
                                       "file://" };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        cr_assert_eq(check("localhost:8099", bad[i], right), 403, "%s", bad[i]);
    }
}

Test(http_guard, keys_are_long_and_printable) {
    HttpGuard guard;
    char text[HTTP_KEY_MAX_BYTES + 2];
    memset(text, 'k', sizeof text);
    for (size_t n = 0; n <= sizeof text; n++) {
        bool ok = n >= HTTP_KEY_MIN_BYTES && n <= HTTP_KEY_MAX_BYTES;
        cr_assert_eq(http_guard_init(&guard, (Slice){ text, n }, NULL),
                     ok ? STATUS_OK : STATUS_INVALID);
    }
    cr_assert_eq(http_guard_init(&guard, SLICE("\n0123456789abcdef\r\n"), NULL), STATUS_OK);
    cr_assert_eq(guard.n_key, 16);
    cr_assert_eq(http_guard_init(&guard, SLICE("0123456789 abcdef"), NULL), STATUS_INVALID);
    cr_assert_eq(http_guard_init(&guard,
                                 SLICE("0123456789\xC3\xA9"
                                       "abcdef"),
                                 NULL),
                 STATUS_INVALID);
}
