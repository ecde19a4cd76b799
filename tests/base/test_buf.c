#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdint.h>

Test(buf, appends_and_stays_terminated) {
    AUTO_BUF Buf b = BUF_NULL;
    buf_append_string(&b, "acqua");
    buf_append(&b, "\0x", 2);
    buf_printf(&b, "-%d", 42);
    cr_assert(slice_equal(buf_slice(&b), (Slice){ "acqua\0x-42", 10 }));
    cr_assert_eq(b.p[b.n], '\0');
    cr_assert_eq(buf_status(&b, NULL), STATUS_OK);
}

Test(buf, reports_an_append_that_cannot_fit_and_ignores_the_rest) {
    AUTO_BUF Buf b = BUF_NULL;
    buf_append(&b, "", SIZE_MAX);
    buf_append_string(&b, "later");
    cr_assert_eq(b.n, 0);
    Err err = { 0 };
    cr_assert_eq(buf_status(&b, &err), STATUS_NO_MEMORY);
    cr_assert_eq(err.status, STATUS_NO_MEMORY);
}

Test(buf, steals_an_empty_string_from_an_empty_buffer) {
    Buf b = BUF_NULL;
    size_t n = 9;
    AUTO_FREE char *s = buf_steal(&b, &n);
    cr_assert_str_eq(s, "");
    cr_assert_eq(n, 0);
}

Test(buf, varints_come_back_and_truncation_is_seen) {
    static const uint64_t values[] = { 0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX };
    for (size_t i = 0; i < N_ELEMENTS(values); i++) {
        AUTO_BUF Buf b = BUF_NULL;
        buf_append_varint(&b, values[i]);
        Slice s = buf_slice(&b), cut = { b.p, b.n - 1 };
        uint64_t got = 7;
        cr_assert_not(slice_take_varint(&cut, &got));
        cr_assert(slice_take_varint(&s, &got));
        cr_assert_eq(got, values[i]);
        cr_assert_eq(s.n, 0);
    }
    Slice endless = SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
    uint64_t got;
    cr_assert_not(slice_take_varint(&endless, &got));
}
