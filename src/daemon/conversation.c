/* Threading model: one lock guards everything here; nobody waits under it. The list is in the order
 * of use, the latest first, so that those to forget are at its end. */
#include "daemon/conversation.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

typedef struct Turn Turn;
struct Turn {
    Turn *next; /* later */
    ConversationTurn view;
    size_t n_bytes;
    char text[]; /* question, read_as, language, each with its NUL */
};

typedef struct Conversation Conversation;
struct Conversation {
    Conversation *prev, *next;
    char id[CONVERSATION_ID_BYTES];
    uid_t uid;
    int64_t used_us;
    Turn *first, *last;
    size_t n_turns, n_bytes;
};

struct Conversations {
    pthread_mutex_t lock;
    ConversationLimits limits;
    Conversation *first, *last; /* by use, the latest first */
    size_t n;
};

/* ---- the list ---- */

static void unlink_one(Conversations *all, Conversation *c) {
    *(c->prev ? &c->prev->next : &all->first) = c->next;
    *(c->next ? &c->next->prev : &all->last) = c->prev;
    all->n--;
}

static void put_first(Conversations *all, Conversation *c) {
    c->prev = NULL;
    c->next = all->first;
    *(c->next ? &c->next->prev : &all->last) = c;
    all->first = c;
    all->n++;
    c->used_us = clock_us();
}

static void drop_turn(Conversation *c) {
    Turn *turn = c->first;
    c->first = turn->next;
    if (!c->first) c->last = NULL;
    c->n_turns--;
    c->n_bytes -= turn->n_bytes;
    free(turn);
}

static void drop(Conversations *all, Conversation *c) {
    unlink_one(all, c);
    while (c->first) drop_turn(c);
    free(c);
}

static void drop_idle(Conversations *all) {
    int64_t oldest = clock_us() - all->limits.idle_us;
    while (all->last && all->last->used_us < oldest) drop(all, all->last);
}

/* One more of the user's will come. */
static void make_room(Conversations *all, uid_t uid) {
    size_t n_own = 0;
    Conversation *oldest = NULL;
    for (Conversation *c = all->first; c; c = c->next) {
        if (c->uid != uid) continue;
        n_own++;
        oldest = c;
    }
    if (oldest && n_own >= all->limits.count_per_uid) drop(all, oldest);
    while (all->last && all->n >= all->limits.count) drop(all, all->last);
}

static Status find_locked(Conversations *all, const char *id, uid_t uid, Conversation **ret,
                          Err *err) {
    drop_idle(all);
    Conversation *c = all->first;
    while (c && (c->uid != uid || strcmp(c->id, id) != 0)) c = c->next;
    if (!c) {
        return err_set_param(err, STATUS_NOT_FOUND, "conversation",
                             "there is no such conversation, or it was forgotten "
                             "(conversation.idle)");
    }
    unlink_one(all, c);
    put_first(all, c);
    *ret = c;
    return STATUS_OK;
}

/* ---- turns ---- */

static const char *put_text(char **at, const char *text) {
    size_t n = strlen(text) + 1;
    char *begin = memcpy(*at, text, n);
    *at += n;
    return begin;
}

static Turn *copy_turn(const ConversationTurn *from) {
    size_t n = strlen(from->question) + strlen(from->read_as) + strlen(from->language) + 3;
    Turn *turn = mem_alloc(1, sizeof *turn + n);
    if (!turn) return NULL;
    char *at = turn->text;
    turn->n_bytes = n;
    turn->view = *from;
    turn->view.question = put_text(&at, from->question);
    turn->view.read_as = put_text(&at, from->read_as);
    turn->view.language = put_text(&at, from->language);
    return turn;
}

static Status list_turns(const Conversation *c, Arena *arena, ConversationTurn **ret, size_t *ret_n,
                         Err *err) {
    ConversationTurn *list = arena_alloc(arena, c->n_turns + 1, sizeof *list);
    size_t n = 0;
    bool enough = list;
    for (const Turn *t = c->first; t && enough; t = t->next, n++) {
        list[n] = t->view;
        list[n].question = arena_string(arena, slice_of(t->view.question));
        list[n].read_as = arena_string(arena, slice_of(t->view.read_as));
        list[n].language = arena_string(arena, slice_of(t->view.language));
        enough = list[n].question && list[n].read_as && list[n].language;
    }
    if (!enough) return err_set(err, STATUS_NO_MEMORY, "out of memory for a conversation");
    *ret = list;
    *ret_n = n;
    return STATUS_OK;
}

static Status add_locked(Conversations *all, const char *id, uid_t uid, Turn *turn, Err *err) {
    Conversation *c;
    TRY(find_locked(all, id, uid, &c, err));
    if (turn->n_bytes > all->limits.bytes) {
        return err_set_param(err, STATUS_TOO_LARGE, "question",
                             "the question has more bytes than a conversation keeps "
                             "(conversation.size)");
    }
    while (c->first &&
           (c->n_turns >= all->limits.turns || c->n_bytes + turn->n_bytes > all->limits.bytes)) {
        drop_turn(c);
    }
    *(c->last ? &c->last->next : &c->first) = turn;
    c->last = turn;
    c->n_turns++;
    c->n_bytes += turn->n_bytes;
    return STATUS_OK;
}

/* ---- the interface ---- */

Status conversations_new(const ConversationLimits *limits, Conversations **ret, Err *err) {
    Conversations *all = mem_alloc(1, sizeof *all);
    if (!all) return err_set(err, STATUS_NO_MEMORY, "out of memory for conversations");
    all->limits = *limits;
    pthread_mutex_init(&all->lock, NULL);
    *ret = all;
    return STATUS_OK;
}

Conversations *conversations_free(Conversations *all) {
    if (!all) return NULL;
    while (all->first) drop(all, all->first);
    pthread_mutex_destroy(&all->lock);
    free(all);
    return NULL;
}

/* What is too much by new limits goes when the next comes. */
void conversations_set_limits(Conversations *all, const ConversationLimits *limits) {
    pthread_mutex_lock(&all->lock);
    all->limits = *limits;
    pthread_mutex_unlock(&all->lock);
}

Status conversation_begin(Conversations *all, uid_t uid, char ret_id[CONVERSATION_ID_BYTES],
                          Err *err) {
    unsigned char random[(CONVERSATION_ID_BYTES - 1) / 2];
    Conversation *c = mem_alloc(1, sizeof *c);
    if (!c) return err_set(err, STATUS_NO_MEMORY, "out of memory for a conversation");
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        free(c);
        return err_set(err, STATUS_IO, "the system gives no random numbers");
    }
    for (size_t i = 0; i < sizeof random; i++) snprintf(c->id + 2 * i, 3, "%02x", random[i]);
    c->uid = uid;
    memcpy(ret_id, c->id, sizeof c->id);
    pthread_mutex_lock(&all->lock);
    drop_idle(all);
    make_room(all, uid);
    put_first(all, c);
    pthread_mutex_unlock(&all->lock);
    return STATUS_OK;
}

Status conversation_turns(Conversations *all, const char *id, uid_t uid, Arena *arena,
                          ConversationTurn **ret, size_t *ret_n, Err *err) {
    Conversation *c;
    pthread_mutex_lock(&all->lock);
    Status status = find_locked(all, id, uid, &c, err);
    if (status == STATUS_OK) status = list_turns(c, arena, ret, ret_n, err);
    pthread_mutex_unlock(&all->lock);
    return status;
}

Status conversation_add(Conversations *all, const char *id, uid_t uid,
                        const ConversationTurn *given, Err *err) {
    Turn *turn = copy_turn(given);
    if (!turn) return err_set(err, STATUS_NO_MEMORY, "out of memory for a conversation");
    pthread_mutex_lock(&all->lock);
    Status status = add_locked(all, id, uid, turn, err);
    pthread_mutex_unlock(&all->lock);
    if (status != STATUS_OK) free(turn);
    return status;
}

Status conversation_forget(Conversations *all, const char *id, uid_t uid, Err *err) {
    Conversation *c;
    pthread_mutex_lock(&all->lock);
    Status status = find_locked(all, id, uid, &c, err);
    if (status == STATUS_OK) drop(all, c);
    pthread_mutex_unlock(&all->lock);
    return status;
}
