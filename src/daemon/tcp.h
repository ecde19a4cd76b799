#pragma once
/* TCP on a loopback address, for clients that know no Unix sockets: off unless asked for, and only
 * for those that show a key. The kernel does not say who they are, so all are taken for one user.
 * Threads: start-up, and then the loop thread; tcp_read_key: any. */
#include "daemon/config.h"
#include "http/server.h"

typedef struct Tcp {
    HttpGuard guard; /* the key */
    HttpPeer peer;   /* whose rights it gives */
    char name[32];   /* "127.0.0.1:8631", with the port that was given for 0; "" = off */
} Tcp;
#define TCP_NULL ((Tcp){ .peer = HTTP_PEER_NULL })

/* Reads the key of [tcp] and looks its user up; nothing where tcp.listen is not set. USAGE where
 * there is no key, INVALID for a key that others can read or that is too short and for an unknown
 * user, else what opening a file says; all name the setting. */
Status tcp_init(Tcp *tcp, const Config *config, Err *err) MUST_CHECK;
void tcp_deinit(Tcp *tcp);
/* The key alone: of tcp.key_file, else the credential "api-key" that systemd hands over. */
Status tcp_read_key(const Config *config, HttpGuard *ret, Err *err) MUST_CHECK;
/* Listen, and hand the socket to the server. Nothing where it is off. */
Status tcp_open(Tcp *tcp, const Config *config, HttpServer *server, Err *err) MUST_CHECK;
/* Is a request that came by TCP welcome? False where it was answered: 401 or 403. */
bool tcp_check(const Tcp *tcp, HttpRequest *request);
