#pragma once
/* TCP on a loopback address, for clients that know no Unix sockets: off unless asked for, and only
 * for those that show a key. The kernel does not say who they are, so all are taken for one user.
 * Threads: opened at the start; tcp_check on the loop thread. */
#include "daemon/config.h"
#include "http/server.h"

typedef struct Tcp {
    int fd;           /* listening, non-blocking, close-on-exec; -1 = off */
    char address[64]; /* "127.0.0.1:8631", with the port that was given for 0 */
    uint8_t key[32];  /* SHA-256 of the key, so that comparing it tells nothing of it */
    HttpPeer peer;    /* whose rights the key gives */
} Tcp;

/* [tcp] listen, key_file, user. Where listen is empty *ret has fd -1. INVALID naming the setting:
 * an address that is not of the loopback, no key, a key that others can read or that is short, an
 * unknown user; CONFLICT where the port is taken. */
Status tcp_open(const Config *config, Tcp *ret, Err *err) MUST_CHECK;
/* The fd is the caller's. */
void tcp_deinit(Tcp *tcp);
/* What is checked of the settings without opening anything (--check-config). */
Status tcp_check_config(const Config *config, Err *err) MUST_CHECK;
/* Is a request that came by TCP welcome: Host (and Origin, where a browser sends one) name the
 * loopback, Authorization has the key? False where it was answered: 401 or 403. */
bool tcp_check(const Tcp *tcp, HttpRequest *request);
