#pragma once
/* Who may do what with which collection: the lists of the configuration with names resolved to
 * numbers. Root and the user that runs fonted may do everything.
 * Threads: an Access is not changed once made; shared. */
#include "daemon/config.h"
#include "http/peer.h"

typedef struct Access Access;
typedef enum AccessRight { ACCESS_READ, ACCESS_WRITE } AccessRight;

/* Looks users and groups up, which may block. INVALID naming the setting and the unknown name. */
Status access_new(const Config *config, Access **ret, Err *err) MUST_CHECK;
Access *access_ref(Access *access);
Access *access_unref(Access *access);

bool access_may(const Access *access, const HttpPeer *peer, AccessRight right,
                const char *collection);
/* May the peer choose the model? */
bool access_may_choose(const Access *access, const HttpPeer *peer);
/* May the peer see records of others' answers? */
bool access_may_see_records(const Access *access, const HttpPeer *peer);
bool access_is_admin(const Access *access, const HttpPeer *peer);
