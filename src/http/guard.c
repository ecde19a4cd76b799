/* The names come first: a page in a browser is told nothing about keys. */
#include "http/guard.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

Status http_guard_init(HttpGuard *guard, Slice key, Err *err) {
    key = slice_trim(key);
    if (key.n < HTTP_KEY_MIN_BYTES || key.n > HTTP_KEY_MAX_BYTES) {
        return err_set(err, STATUS_INVALID, "the key has %zu bytes, not %d to %d", key.n,
                       HTTP_KEY_MIN_BYTES, HTTP_KEY_MAX_BYTES);
    }
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] <= ' ' || key.p[i] > '~') {
            return err_set(err, STATUS_INVALID, "byte %zu of the key is no printable ASCII", i);
        }
    }
    memcpy(guard->key, key.p, key.n);
    guard->n_key = key.n;
    return STATUS_OK;
}

/* The time depends on what was given, never on how much of it is right. */
static bool is_key(const HttpGuard *guard, Slice given) {
    volatile size_t difference = guard->n_key ^ given.n;
    for (size_t i = 0; i < given.n; i++) {
        difference |= (unsigned char)given.p[i] ^ (unsigned char)guard->key[i % guard->n_key];
    }
    return difference == 0;
}

/* "localhost", "127.0.0.1" or "[::1]", with any port: tunnels have ports of their own. */
static bool names_loopback(Slice host) {
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (host.n < n || strncasecmp(host.p, names[i], n) != 0) continue;
        Slice port = slice_skip(host, n);
        if (port.n == 0) return true;
        if (port.p[0] != ':' || port.n > 6) return false;
        for (size_t k = 1; k < port.n; k++) {
            if (port.p[k] < '0' || port.p[k] > '9') return false;
        }
        return true;
    }
    return false;
}

static bool is_same_origin(Slice origin, Slice host) {
    return slice_starts(origin, SLICE("http://")) && origin.n == host.n + 7 &&
           strncasecmp(origin.p + 7, host.p, host.n) == 0;
}

int http_guard_check(const HttpGuard *guard, const char *host, const char *origin,
                     const char *authorization, Err *err) {
    Slice name = slice_trim(slice_of(host));
    if (!names_loopback(name)) {
        err_set_param(err, STATUS_DENIED, "Host",
                      "Host: localhost, 127.0.0.1 or [::1] is expected");
        return 403;
    }
    if (origin && !is_same_origin(slice_trim(slice_of(origin)), name)) {
        err_set_param(err, STATUS_DENIED, "Origin", "requests of other origins are refused");
        return 403;
    }
    Slice given = slice_trim(slice_of(authorization));
    bool bearer = given.n > 7 && strncasecmp(given.p, "Bearer ", 7) == 0;
    if (bearer && is_key(guard, slice_trim(slice_skip(given, 7)))) return 0;
    err_set_param(err, STATUS_DENIED, "Authorization", "%s",
                  bearer ? "this is not the key" : "'Authorization: Bearer KEY' is expected");
    return 401;
}
