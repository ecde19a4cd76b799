#include "client/sse.h"

#include <criterion/criterion.h>
#include <stdio.h>

typedef struct Seen {
    char text[4096];
    int n, stop_after;
} Seen;

static bool take(void *context, const char *name, const char *data, size_t n) {
    Seen *seen = context;
    cr_assert_eq(data[n], 0);
    size_t at = strlen(seen->text);
    snprintf(seen->text + at, sizeof seen->text - at, "<%s|%.*s>", name, (int)n, data);
    return ++seen->n != seen->stop_after;
}

/* Feed in pieces of every size and compare: a cut must never matter. */
static void check(const char *stream, size_t n, const char *expected) {
    for (size_t piece = 1; piece <= n + 1; piece++) {
        Seen seen = { .n = 0 };
        Sse sse;
        Err err = { 0 };
        sse_init(&sse, take, &seen);
        for (size_t at = 0; at < n; at += piece)
            cr_assert_eq(sse_feed(&sse, stream + at, MIN(piece, n - at), &err), STATUS_OK);
        sse_deinit(&sse);
        cr_assert_str_eq(seen.text, expected, "pieces of %zu: %s", piece, seen.text);
    }
}
#define CHECK(stream, expected) check(stream, sizeof(stream) - 1, expected)

Test(client_sse, events_have_names_and_data) {
    CHECK("event: token\ndata: {\"a\":1}\n\nevent:done\ndata:x\n\n", "<token|{\"a\":1}><done|x>");
}

Test(client_sse, all_line_ends_are_known) {
    CHECK("data: a\r\n\r\ndata: b\r\rdata: c\n\n\r\ndata: d\r\n\n",
          "<message|a><message|b><message|c><message|d>");
}

Test(client_sse, data_lines_are_joined) {
    CHECK("data: a\ndata:  b\ndata\ndata:\n\n", "<message|a\n b\n\n>");
}

Test(client_sse, comments_and_other_fields_are_passed_over) {
    CHECK(": ping\n\nid: 7\nretry: 100\nnonsense\n: x\ndata: a\n\n", "<message|a>");
}

Test(client_sse, event_without_data_is_none) {
    CHECK("event: a\n\ndata: b\n\n", "<message|b>");
}

Test(client_sse, empty_data_is_an_event) {
    CHECK("data\n\n", "<message|>");
}

Test(client_sse, unfinished_event_is_dropped) {
    CHECK("data: a\n\ndata: b\n", "<message|a>");
    CHECK("data: a\n\ndata: b", "<message|a>");
}

Test(client_sse, byte_order_mark_is_skipped_once) {
    CHECK("\xEF\xBB\xBF"
          "data: a\n\n\xEF\xBB\xBF"
          "data: b\n\n",
          "<message|a>");
}

Test(client_sse, colons_belong_to_the_value) {
    CHECK("data: a:b: c\n\n", "<message|a:b: c>");
}

Test(client_sse, nul_bytes_stay_in_the_data) {
    Seen seen = { .n = 0 };
    Sse sse;
    Err err = { 0 };
    sse_init(&sse, take, &seen);
    cr_assert_eq(sse_feed(&sse, "data: a\0b\n\n", 11, &err), STATUS_OK);
    cr_assert_eq(seen.n, 1);
    sse_deinit(&sse);
}

Test(client_sse, stops_where_the_caller_says) {
    Seen seen = { .stop_after = 1 };
    Sse sse;
    Err err = { 0 };
    sse_init(&sse, take, &seen);
    cr_assert_eq(sse_feed(&sse, "data: a\n\ndata: b\n\n", 18, &err), STATUS_CANCELLED);
    cr_assert_eq(sse_feed(&sse, "data: c\n\n", 9, &err), STATUS_CANCELLED);
    cr_assert_str_eq(seen.text, "<message|a>");
    sse_deinit(&sse);
}

Test(client_sse, endless_line_and_endless_event_are_refused) {
    static char bytes[1 << 20];
    for (int lines = 0; lines < 2; lines++) {
        Seen seen = { .n = 0 };
        Sse sse;
        Err err = { 0 };
        Status status = STATUS_OK;
        memset(bytes, 'x', sizeof bytes);
        if (lines) memcpy(bytes, "\ndata:", 6);
        sse_init(&sse, take, &seen);
        for (int i = 0; i < 80 && status == STATUS_OK; i++)
            status = sse_feed(&sse, bytes, sizeof bytes, &err);
        cr_assert_eq(status, STATUS_TOO_LARGE);
        sse_deinit(&sse);
    }
}
