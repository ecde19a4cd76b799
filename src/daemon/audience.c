/* A line "UID DAY" for each user. The array is searched by halves; a user is new once in a long
 * while, so inserting may move the rest. */
#include "daemon/audience.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 32 << 20, MAX_DAY = 1 << 20 };

/* Where uid stands or would stand. */
static size_t place_of(const Audience *a, uid_t uid) {
    size_t low = 0, high = a->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->users[middle].uid < uid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void audience_see(Audience *a, uid_t uid, int today) {
    size_t at = place_of(a, uid);
    if (at < a->n && a->users[at].uid == uid) {
        a->changed = a->changed || a->users[at].day != today;
        a->users[at].day = today;
        return;
    }
    if (a->n >= AUDIENCE_MAX ||
        !mem_grow((void **)&a->users, &a->capacity, a->n + 1, sizeof *a->users)) {
        return;
    }
    memmove(a->users + at + 1, a->users + at, (a->n - at) * sizeof *a->users);
    a->users[at] = (AudienceUser){ uid, today };
    a->n++;
    a->changed = true;
}

static bool is_recent(const AudienceUser *user, int today) {
    return user->day > today - AUDIENCE_DAYS;
}

size_t audience_count(const Audience *a, int today) {
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) n += is_recent(&a->users[i], today);
    return n;
}

void audience_take_text(Audience *a, int today, Buf *ret) {
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!is_recent(&a->users[i], today)) continue;
        a->users[n++] = a->users[i];
        buf_printf(ret, "%u %d\n", (unsigned)a->users[i].uid, a->users[i].day);
    }
    a->n = n;
    a->changed = false;
}

static bool read_line(Audience *a, char **at) {
    char *end;
    unsigned long uid = strtoul(*at, &end, 10);
    if (**at < '0' || **at > '9' || *end != ' ' || uid > UINT32_MAX) return false;
    const char *digits = end + 1;
    unsigned long day = strtoul(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end != '\n' || day > MAX_DAY) return false;
    audience_see(a, (uid_t)uid, (int)day);
    *at = end + 1;
    return true;
}

Status audience_load(Audience *a, const char *path, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    Status status = file_read(path, MAX_FILE_BYTES, &text, err);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    TRY(status);
    char *at = text.p;
    while (at && at < text.p + text.n) {
        if (!read_line(a, &at)) {
            return err_set(err, STATUS_INVALID, "%s: byte %zu: 'UID DAY' is expected", path,
                           (size_t)(at - text.p));
        }
    }
    a->changed = false;
    return STATUS_OK;
}

void audience_deinit(Audience *a) {
    free(a->users);
    *a = AUDIENCE_NULL;
}
