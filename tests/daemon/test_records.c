#include "daemon/records.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[64];
static Index *index_;
static Records *records;
static Err err;

static const RecordsLimits roomy = { .count = 100, .age_s = 3600, .queue = 100 };

static void setup(void) {
    snprintf(folder, sizeof folder, "/tmp/fonte-test-records-XXXXXX");
    cr_assert(mkdtemp(folder));
    cr_assert_eq(index_open(folder, NULL, NULL, NULL, &index_, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(records_new(&roomy, &records, &err), STATUS_OK);
}

static void teardown(void) {
    char command[128];
    records = records_free(records);
    index_ = index_close(index_);
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(daemon_records, .init = setup, .fini = teardown);

static void add(char id[RECORD_ID_BYTES]) {
    cr_assert_eq(records_add(records, 7, "news", SLICE("{\"a\":1}"), id, &err), STATUS_OK, "%s",
                 err.text);
}

static bool is_there(const char *id) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreAnswer answer = { 0 };
    Status status = records_find(records, index_, id, &arena, &answer, &err);
    if (status == STATUS_NOT_FOUND) return false;
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    cr_assert_str_eq(answer.id, id);
    cr_assert_str_eq(answer.collection, "news");
    cr_assert_eq(answer.uid, 7);
    cr_assert(slice_equal(answer.record, SLICE("{\"a\":1}")));
    return true;
}

Test(daemon_records, are_found_while_they_wait_and_once_they_are_written) {
    char a[RECORD_ID_BYTES], b[RECORD_ID_BYTES];
    add(a);
    add(b);
    cr_assert_str_neq(a, b);
    cr_assert_eq(strlen(a), 32);
    cr_assert(is_there(a) && is_there(b));
    records_commit(records, index_);
    cr_assert(is_there(a) && is_there(b));
    records_free(records);
    cr_assert_eq(records_new(&roomy, &records, &err), STATUS_OK);
    cr_assert(is_there(a) && is_there(b), "in the index");
    cr_assert_not(is_there("00000000000000000000000000000000"));
    cr_assert_not(is_there("'; DROP TABLE answer; --"));
}

Test(daemon_records, gather_for_a_moment_and_are_due_at_once_where_many_wait) {
    char id[RECORD_ID_BYTES];
    RecordsLimits few = roomy;
    few.queue = 4;
    records_commit(records, index_);
    cr_assert_gt(records_due_us(records), clock_us() + 10000000, "nothing waits");
    records_set_limits(records, &few);
    cr_assert_leq(records_due_us(records), clock_us(), "other limits: less may be wanted");
    records_commit(records, index_);
    add(id);
    int64_t due = records_due_us(records);
    cr_assert(due > clock_us() && due < clock_us() + 1000000);
    add(id);
    cr_assert_leq(records_due_us(records), clock_us());
    add(id);
    add(id);
    cr_assert_eq(records_add(records, 7, "news", SLICE("{}"), id, &err), STATUS_BUSY);
    cr_assert(strstr(err.text, "answer.record_queue"), "%s", err.text);
    records_commit(records, index_);
    add(id);
}

Test(daemon_records, of_many_the_last_stay) {
    char id[3][RECORD_ID_BYTES];
    RecordsLimits two = roomy;
    two.count = 2;
    records_set_limits(records, &two);
    for (int i = 0; i < 3; i++) add(id[i]);
    records_commit(records, index_);
    cr_assert_not(is_there(id[0]));
    cr_assert(is_there(id[1]) && is_there(id[2]));
    two.count = 0;
    records_set_limits(records, &two);
    cr_assert_not(is_there(id[2]), "none are wanted");
    records_commit(records, index_);
    records_set_limits(records, &roomy);
    cr_assert_not(is_there(id[2]), "and they are gone");
}

Test(daemon_records, are_forgotten_when_they_are_old) {
    char id[RECORD_ID_BYTES];
    RecordsLimits past = roomy;
    add(id);
    records_commit(records, index_);
    past.age_s = -10; /* as if time had passed */
    records_set_limits(records, &past);
    cr_assert_not(is_there(id), "not given, though it is still there");
    records_set_limits(records, &roomy);
    cr_assert(is_there(id));
    records_set_limits(records, &past);
    records_commit(records, index_);
    records_set_limits(records, &roomy);
    cr_assert_not(is_there(id));
}
