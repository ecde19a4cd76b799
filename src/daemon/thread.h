#pragma once
/* Threads of the daemon. Signals that others send belong to the loop and are blocked in them; those
 * that a thread raises itself are not: a blocked SIGBUS ends the process without a word. */
#include <pthread.h>

/* As pthread_create; returns its error number. Threads: any. */
int thread_start(pthread_t *ret, void *(*run)(void *), void *context);
