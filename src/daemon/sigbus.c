/* The file of the address is read from /proc/self/maps, by calls that a signal handler may make
 * (signal-safety(7)): a registry of mappings would need a lock here. */
#include "daemon/sigbus.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 1024 };

static void say(const char *text, size_t n) {
    ssize_t written = write(STDERR_FILENO, text, n);
    (void)written; /* nowhere else to say it */
}

/* One line of /proc/self/maps without its end, cut at LINE_BYTES; false at the end. */
static bool read_line(int fd, char line[LINE_BYTES]) {
    size_t n = 0;
    char c;
    while (read(fd, &c, 1) == 1) {
        if (c == '\n') {
            line[n] = '\0';
            return true;
        }
        if (n + 1 < LINE_BYTES) line[n++] = c;
    }
    return false;
}

static const char *read_hex(const char *p, uintptr_t *ret) {
    static const char digits[] = "0123456789abcdef";
    *ret = 0;
    for (const char *digit; *p && (digit = strchr(digits, *p)); p++) {
        *ret = *ret * 16 + (uintptr_t)(digit - digits);
    }
    return p;
}

/* "7f00-7f10 r--p 00000000 fe:01 1234   /path": the path where the range holds the address. */
static const char *path_of(const char *line, uintptr_t address) {
    uintptr_t first, end;
    const char *p = read_hex(line, &first);
    if (*p++ != '-') return NULL;
    read_hex(p, &end);
    return address >= first && address < end ? strchr(line, '/') : NULL;
}

static void on_bus(int number, siginfo_t *info, void *context) {
    static const char before[] = "<2>the mapped file ", unknown[] = "(unknown)",
                      after[] = " was cut or cannot be read while it is in use: ending\n";
    static atomic_flag is_told = ATOMIC_FLAG_INIT;
    (void)context;
    /* of several threads that meet the hole, one tells; the others wait for the end */
    while (atomic_flag_test_and_set(&is_told)) pause();
    char line[LINE_BYTES];
    const char *path = NULL;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && !path && read_line(fd, line)) path = path_of(line, (uintptr_t)info->si_addr);
    if (!path) path = unknown;
    say(before, sizeof before - 1);
    say(path, strlen(path));
    say(after, sizeof after - 1);
    signal(number, SIG_DFL);
    raise(number); /* taken when this returns */
}

void sigbus_install(void) {
    struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
