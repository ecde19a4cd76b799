#include "daemon/thread.h"

#include "base/mem.h"

#include <signal.h>

int thread_start(pthread_t *ret, void *(*run)(void *), void *context) {
    static const int own[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL };
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < N_ELEMENTS(own); i++) sigdelset(&others, own[i]);
    pthread_sigmask(SIG_BLOCK, &others, &before);
    int error = pthread_create(ret, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}
