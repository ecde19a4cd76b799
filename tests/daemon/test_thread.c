#include "daemon/thread.h"

#include <criterion/criterion.h>
#include <signal.h>

static void *read_mask(void *context) {
    pthread_sigmask(SIG_BLOCK, NULL, context);
    return NULL;
}

Test(daemon_thread, blocks_what_others_send_and_nothing_of_its_own) {
    static const int sent[] = { SIGTERM, SIGINT, SIGHUP }, own[] = { SIGBUS, SIGSEGV };
    sigset_t mask, before, after;
    pthread_t thread;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    cr_assert_eq(thread_start(&thread, read_mask, &mask), 0);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < 3; i++) cr_assert(sigismember(&mask, sent[i]), "%d", sent[i]);
    for (size_t i = 0; i < 2; i++) cr_assert_not(sigismember(&mask, own[i]), "%d", own[i]);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int i = 1; i < 32; i++) cr_assert_eq(sigismember(&before, i), sigismember(&after, i));
}
