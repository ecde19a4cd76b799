/* Lists are short, so they are walked. A collection without a list of its own has the default's. */
#include "daemon/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdatomic.h>
#include <unistd.h>

typedef struct AccessList {
    bool everyone;
    uid_t *uids;
    gid_t *gids;
    size_t n_uids, n_gids, uids_capacity, gids_capacity;
} AccessList;

typedef struct AccessCollection {
    char *name;
    AccessList lists[2];
    bool has[2];
} AccessCollection;

struct Access {
    atomic_uint n_refs;
    uid_t self;
    AccessList lists[2], admin, choose, records;
    AccessCollection *collections;
    size_t n_collections;
};

static void list_deinit(AccessList *list) {
    free(list->uids);
    free(list->gids);
}

static bool parse_id(const char *text, unsigned *ret) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value >= UINT32_MAX) return false;
    *ret = (unsigned)value;
    return true;
}

static Status find_uid(const char *name, uid_t *ret, const char *where, Err *err) {
    if (parse_id(name, ret)) return STATUS_OK;
    struct passwd entry, *found = NULL;
    char space[16384];
    int error = getpwnam_r(name, &entry, space, sizeof space, &found);
    if (!found) {
        return err_set_param(err, STATUS_INVALID, where, "%s: no such user: %s%s", where, name,
                             error ? " (the look-up failed)" : "");
    }
    *ret = entry.pw_uid;
    return STATUS_OK;
}

static Status find_gid(const char *name, gid_t *ret, const char *where, Err *err) {
    if (parse_id(name, ret)) return STATUS_OK;
    struct group entry, *found = NULL;
    char space[65536];
    int error = getgrnam_r(name, &entry, space, sizeof space, &found);
    if (!found) {
        return err_set_param(err, STATUS_INVALID, where, "%s: no such group: %s%s", where, name,
                             error ? " (the look-up failed)" : "");
    }
    *ret = entry.gr_gid;
    return STATUS_OK;
}

static Status list_fill(AccessList *list, const ConfigList *names, const char *where, Err *err) {
    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->items[i];
        bool group = name[0] == '@';
        if (strcmp(name, "*") == 0) {
            list->everyone = true;
        } else if (group) {
            gid_t gid;
            TRY(find_gid(name + 1, &gid, where, err));
            if (!mem_grow((void **)&list->gids, &list->gids_capacity, list->n_gids + 1,
                          sizeof gid)) {
                return err_set(err, STATUS_NO_MEMORY, "out of memory");
            }
            list->gids[list->n_gids++] = gid;
        } else {
            uid_t uid;
            TRY(find_uid(name, &uid, where, err));
            if (!mem_grow((void **)&list->uids, &list->uids_capacity, list->n_uids + 1,
                          sizeof uid)) {
                return err_set(err, STATUS_NO_MEMORY, "out of memory");
            }
            list->uids[list->n_uids++] = uid;
        }
    }
    return STATUS_OK;
}

static Status fill(Access *access, const Config *config, Err *err) {
    TRY(list_fill(&access->lists[ACCESS_READ], &config->read, "access.read", err));
    TRY(list_fill(&access->lists[ACCESS_WRITE], &config->write, "access.write", err));
    TRY(list_fill(&access->admin, &config->admin, "access.admin", err));
    TRY(list_fill(&access->choose, &config->choose, "access.model", err));
    TRY(list_fill(&access->records, &config->read_records, "access.records", err));
    access->collections = mem_alloc(config->n_collections, sizeof *access->collections);
    if (!access->collections) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < config->n_collections; i++) {
        const ConfigCollection *from = &config->collections[i];
        AccessCollection *to = &access->collections[access->n_collections++];
        to->name = mem_copy_string(from->name, strlen(from->name));
        if (!to->name) return err_set(err, STATUS_NO_MEMORY, "out of memory");
        to->has[ACCESS_READ] = from->read_from != 0;
        to->has[ACCESS_WRITE] = from->write_from != 0;
        TRY(list_fill(&to->lists[ACCESS_READ], &from->read, from->where, err));
        TRY(list_fill(&to->lists[ACCESS_WRITE], &from->write, from->where, err));
    }
    return STATUS_OK;
}

Status access_new(const Config *config, Access **ret, Err *err) {
    Access *access = mem_alloc(1, sizeof *access);
    if (!access) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    atomic_init(&access->n_refs, 1);
    access->self = geteuid();
    Status status = fill(access, config, err);
    if (status != STATUS_OK) {
        access_unref(access);
        return status;
    }
    *ret = access;
    return STATUS_OK;
}

Access *access_ref(Access *access) {
    atomic_fetch_add(&access->n_refs, 1);
    return access;
}

Access *access_unref(Access *access) {
    if (!access || atomic_fetch_sub(&access->n_refs, 1) > 1) return NULL;
    list_deinit(&access->lists[ACCESS_READ]);
    list_deinit(&access->lists[ACCESS_WRITE]);
    list_deinit(&access->admin);
    list_deinit(&access->choose);
    list_deinit(&access->records);
    for (size_t i = 0; i < access->n_collections; i++) {
        list_deinit(&access->collections[i].lists[ACCESS_READ]);
        list_deinit(&access->collections[i].lists[ACCESS_WRITE]);
        free(access->collections[i].name);
    }
    free(access->collections);
    free(access);
    return NULL;
}

static bool list_has(const Access *access, const AccessList *list, const HttpPeer *peer) {
    if (list->everyone || peer->uid == 0 || peer->uid == access->self) return true;
    for (size_t i = 0; i < list->n_uids; i++) {
        if (list->uids[i] == peer->uid) return true;
    }
    for (size_t i = 0; i < list->n_gids; i++) {
        if (http_peer_in_group(peer, list->gids[i])) return true;
    }
    return false;
}

bool access_may(const Access *access, const HttpPeer *peer, AccessRight right,
                const char *collection) {
    for (size_t i = 0; i < access->n_collections; i++) {
        const AccessCollection *c = &access->collections[i];
        if (c->has[right] && strcmp(c->name, collection) == 0) {
            return list_has(access, &c->lists[right], peer);
        }
    }
    return list_has(access, &access->lists[right], peer);
}

bool access_may_choose(const Access *access, const HttpPeer *peer) {
    return list_has(access, &access->choose, peer);
}

bool access_may_see_records(const Access *access, const HttpPeer *peer) {
    return list_has(access, &access->records, peer);
}

bool access_is_admin(const Access *access, const HttpPeer *peer) {
    return list_has(access, &access->admin, peer);
}
