#include "daemon/conversation.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

static Conversations *open_all(ConversationLimits limits) {
    Conversations *all = NULL;
    Err err = { 0 };
    cr_assert_eq(conversations_new(&limits, &all, &err), STATUS_OK);
    return all;
}

static const ConversationLimits roomy = { 100, 100, 100, 10000, 3600000000 };

static void begin(Conversations *all, uid_t uid, char id[CONVERSATION_ID_BYTES]) {
    Err err = { 0 };
    cr_assert_eq(conversation_begin(all, uid, id, &err), STATUS_OK);
}

static Status add(Conversations *all, const char *id, uid_t uid, const char *question) {
    Err err = { 0 };
    ConversationTurn turn = { question, question, "en", 1 };
    return conversation_add(all, id, uid, &turn, &err);
}

/* The turns' questions, one behind the other; NULL where there is no such conversation. */
static const char *turns_of(Conversations *all, const char *id, uid_t uid) {
    static char text[256];
    AUTO_ARENA Arena arena = ARENA_NULL;
    ConversationTurn *turns;
    size_t n;
    Err err = { 0 };
    Status status = conversation_turns(all, id, uid, &arena, &turns, &n, &err);
    if (status == STATUS_NOT_FOUND) return NULL;
    cr_assert_eq(status, STATUS_OK);
    *text = '\0';
    for (size_t i = 0; i < n; i++) strcat(text, turns[i].question);
    return text;
}

Test(daemon_conversation, keeps_turns_in_order) {
    char id[CONVERSATION_ID_BYTES];
    Conversations *all = open_all(roomy);
    begin(all, 7, id);
    cr_assert_str_eq(turns_of(all, id, 7), "");
    cr_assert_eq(add(all, id, 7, "a"), STATUS_OK);
    cr_assert_eq(add(all, id, 7, "b"), STATUS_OK);
    cr_assert_str_eq(turns_of(all, id, 7), "ab");
    conversations_free(all);
}

Test(daemon_conversation, is_its_users_alone) {
    char id[CONVERSATION_ID_BYTES];
    Err err = { 0 };
    Conversations *all = open_all(roomy);
    begin(all, 7, id);
    cr_assert_null(turns_of(all, id, 8));
    cr_assert_eq(add(all, id, 8, "x"), STATUS_NOT_FOUND);
    cr_assert_eq(conversation_forget(all, id, 8, &err), STATUS_NOT_FOUND);
    cr_assert_eq(conversation_forget(all, id, 7, &err), STATUS_OK);
    cr_assert_null(turns_of(all, id, 7));
    cr_assert_eq(add(all, id, 7, "x"), STATUS_NOT_FOUND);
    conversations_free(all);
}

Test(daemon_conversation, long_ones_lose_their_oldest_turns) {
    char id[CONVERSATION_ID_BYTES];
    ConversationLimits limits = roomy;
    limits.turns = 3;
    Conversations *all = open_all(limits);
    begin(all, 7, id);
    for (const char *q = "abcde"; *q; q++) cr_assert_eq(add(all, id, 7, (char[]){ *q, 0 }), 0);
    cr_assert_str_eq(turns_of(all, id, 7), "cde");
    limits.bytes = 20;
    conversations_set_limits(all, &limits);
    cr_assert_eq(add(all, id, 7, "12345"), STATUS_OK); /* 15 bytes with its copies */
    cr_assert_str_eq(turns_of(all, id, 7), "12345");
    cr_assert_eq(add(all, id, 7, "1234567890"), STATUS_TOO_LARGE);
    conversations_free(all);
}

Test(daemon_conversation, the_longest_idle_makes_way) {
    char a[CONVERSATION_ID_BYTES], b[CONVERSATION_ID_BYTES], c[CONVERSATION_ID_BYTES],
        d[CONVERSATION_ID_BYTES];
    ConversationLimits limits = roomy;
    limits.count = 3;
    limits.count_per_uid = 2;
    Conversations *all = open_all(limits);
    begin(all, 1, a);
    begin(all, 1, b);
    turns_of(all, a, 1); /* used: b is the one now */
    begin(all, 1, c);
    cr_assert_null(turns_of(all, b, 1));
    cr_assert_not_null(turns_of(all, a, 1));
    begin(all, 2, b);
    begin(all, 3, d);
    cr_assert_null(turns_of(all, c, 1));
    cr_assert_not_null(turns_of(all, a, 1));
    conversations_free(all);
}

Test(daemon_conversation, idle_ones_are_forgotten) {
    char id[CONVERSATION_ID_BYTES];
    ConversationLimits limits = roomy;
    limits.idle_us = 20000;
    Conversations *all = open_all(limits);
    begin(all, 1, id);
    cr_assert_not_null(turns_of(all, id, 1));
    nanosleep(&(struct timespec){ 0, 40000000 }, NULL);
    cr_assert_null(turns_of(all, id, 1));
    conversations_free(all);
}
