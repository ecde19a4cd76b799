#pragma once
/* How many users were served in the last 30 days: for each the last day, kept in a file of the
 * state folder so that a restart does not forget them. Nothing of what they asked. Threads: one
 * owner at a time. */
#include "base/buf.h"
#include "base/status.h"

#include <stdbool.h>
#include <sys/types.h>

enum { AUDIENCE_DAYS = 30, AUDIENCE_MAX = 1 << 20 /* users kept; more are not counted */ };

typedef struct AudienceUser {
    uid_t uid;
    int day; /* since 1970, UTC */
} AudienceUser;

typedef struct Audience {
    AudienceUser *users; /* owned, sorted by uid */
    size_t n, capacity;
    bool changed; /* since audience_take_text */
} Audience;
#define AUDIENCE_NULL ((Audience){ NULL, 0, 0, false })

/* What the file holds. A file that is not there is none; INVALID for one that is not ours. */
Status audience_load(Audience *audience, const char *path, Err *err) MUST_CHECK;
void audience_deinit(Audience *audience);
/* The user was served today. */
void audience_see(Audience *audience, uid_t uid, int today);
/* Served within AUDIENCE_DAYS up to today. */
size_t audience_count(const Audience *audience, int today);
/* The file's text, without those that are out of date; `changed` is cleared. */
void audience_take_text(Audience *audience, int today, Buf *ret);
