#pragma once
/* Conversations: the questions that somebody asked one after another, so that the next may lean on
 * them (answer/followup.h). They are in memory only, belong to the user who began them, and nobody
 * else learns that they exist. Where there are too many, the one that was idle longest makes way;
 * of a long one the oldest turns do.
 * Threads: any. */
#include "base/arena.h"
#include "base/status.h"
#include <sys/types.h>

typedef struct Conversations Conversations;

enum { CONVERSATION_ID_BYTES = 33 }; /* 32 hexadecimal digits, random, and NUL */

typedef struct ConversationLimits {
    size_t count, count_per_uid; /* conversations */
    size_t turns, bytes;         /* of one; bytes of its questions */
    int64_t idle_us;             /* forgotten after so long */
} ConversationLimits;

typedef struct ConversationTurn {
    const char *question; /* as it was asked; NULL = there is no turn */
    const char *read_as;  /* with what it refers to */
    const char *language;
    int64_t asked_unix_s;
} ConversationTurn;

Status conversations_new(const ConversationLimits *limits, Conversations **ret,
                         Err *err) MUST_CHECK;
Conversations *conversations_free(Conversations *all);
void conversations_set_limits(Conversations *all, const ConversationLimits *limits);

/* Begin one. IO where the system has no random numbers; NO_MEMORY. */
Status conversation_begin(Conversations *all, uid_t uid, char ret_id[CONVERSATION_ID_BYTES],
                          Err *err) MUST_CHECK;
/* Its turns, oldest first, copied to the arena. NOT_FOUND also where it is another user's. */
Status conversation_turns(Conversations *all, const char *id, uid_t uid, Arena *arena,
                          ConversationTurn **ret, size_t *ret_n, Err *err) MUST_CHECK;
/* NOT_FOUND where it was forgotten in the meantime: then the turn is too. TOO_LARGE for a turn that
 * alone is more than limits.bytes. */
Status conversation_add(Conversations *all, const char *id, uid_t uid, const ConversationTurn *turn,
                        Err *err) MUST_CHECK;
Status conversation_forget(Conversations *all, const char *id, uid_t uid, Err *err) MUST_CHECK;
