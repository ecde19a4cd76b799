#include "daemon/access.h"

#include <criterion/criterion.h>
#include <unistd.h>

static Access *access_from(const char *const *settings, size_t n) {
    Config *config = NULL;
    Err err = { 0 };
    cr_assert_eq(config_load(NULL, false, settings, n, &config, &err), STATUS_OK, "%s", err.text);
    Access *access = NULL;
    cr_assert_eq(access_new(config, &access, &err), STATUS_OK, "%s", err.text);
    config_free(config);
    return access;
}

enum { STRANGER = 70001, FRIEND = 70002, TEAM = 70003 };

Test(daemon_access, everybody_may_where_nothing_is_set) {
    Access *access = access_from(NULL, 0);
    HttpPeer peer = { .uid = STRANGER, .gid = STRANGER };
    cr_assert(access_may(access, &peer, ACCESS_READ, "any"));
    cr_assert(access_may(access, &peer, ACCESS_WRITE, "any"));
    cr_assert_not(access_may_see_records(access, &peer), "but see others' answers");
    access_unref(access);
}

Test(daemon_access, a_collection_has_lists_of_its_own) {
    const char *settings[] = { "access.read=70002",      "access.write=",
                               "access.admin=70002",     "access.records=70002",
                               "collection.open.read=*", "collection.team.write=@70003" };
    Access *access = access_from(settings, N_ELEMENTS(settings));
    HttpPeer stranger = { .uid = STRANGER, .gid = STRANGER };
    HttpPeer friend = { .uid = FRIEND, .gid = FRIEND };
    gid_t groups[] = { 1, TEAM };
    HttpPeer member = { .uid = STRANGER, .gid = STRANGER, .groups = groups, .n_groups = 2 };
    cr_assert_not(access_may(access, &stranger, ACCESS_READ, "default"));
    cr_assert(access_may(access, &friend, ACCESS_READ, "default"));
    cr_assert_not(access_may(access, &friend, ACCESS_WRITE, "default"));
    cr_assert(access_may(access, &stranger, ACCESS_READ, "open"));
    cr_assert_not(access_may(access, &stranger, ACCESS_WRITE, "open"));
    cr_assert(access_may(access, &member, ACCESS_WRITE, "team"));
    cr_assert_not(access_may(access, &friend, ACCESS_WRITE, "team"));
    cr_assert(access_may_see_records(access, &friend));
    cr_assert_not(access_may_see_records(access, &stranger));
    cr_assert(access_is_admin(access, &friend));
    cr_assert_not(access_is_admin(access, &stranger));
    access_unref(access);
}

Test(daemon_access, root_and_the_daemons_own_user_always_may) {
    const char *settings[] = { "access.read=", "access.write=", "access.admin=" };
    Access *access = access_from(settings, N_ELEMENTS(settings));
    HttpPeer root = { .uid = 0, .gid = 0 }, self = { .uid = geteuid(), .gid = STRANGER };
    cr_assert(access_may(access, &root, ACCESS_WRITE, "x"));
    cr_assert(access_may(access, &self, ACCESS_WRITE, "x"));
    cr_assert(access_is_admin(access, &self));
    access_unref(access);
}
