#include "http/stream.h"

#include <criterion/criterion.h>

Test(http_stream, frames_one_line) {
    AUTO_BUF Buf out = BUF_NULL;
    http_stream_frame("token", SLICE("{\"a\":1}"), &out);
    cr_assert_str_eq(out.p, "event: token\ndata: {\"a\":1}\n\n");
}

Test(http_stream, gives_each_line_a_field_of_its_own) {
    AUTO_BUF Buf out = BUF_NULL;
    http_stream_frame("x", SLICE("a\n\nevent: forged"), &out);
    cr_assert_str_eq(out.p, "event: x\ndata: a\ndata: \ndata: event: forged\n\n");
}

Test(http_stream, an_event_without_data_is_still_one) {
    AUTO_BUF Buf out = BUF_NULL;
    http_stream_frame("end", SLICE_NULL, &out);
    cr_assert_str_eq(out.p, "event: end\ndata: \n\n");
}
