/* A line is formatted into a buffer on the stack and written with one write(2), so that lines of
 * several threads never mix. The level is an atomic: it may change on SIGHUP. */
#include "base/log.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int log_level = LOG_INFO;

void log_set_level(LogLevel level) {
    atomic_store(&log_level, (int)level);
}

bool log_parse_level(const char *name, LogLevel *ret) {
    static const struct {
        const char *name;
        LogLevel level;
    } levels[] = { { "error", LOG_ERROR },
                   { "warning", LOG_WARNING },
                   { "notice", LOG_NOTICE },
                   { "info", LOG_INFO },
                   { "debug", LOG_DEBUG } };
    for (size_t i = 0; i < N_ELEMENTS(levels); i++) {
        if (strcmp(name, levels[i].name) == 0) {
            *ret = levels[i].level;
            return true;
        }
    }
    return false;
}

void log_line(LogLevel level, const char *format, ...) {
    if ((int)level > atomic_load(&log_level)) return;
    char line[1024];
    int head = snprintf(line, sizeof line, "<%d>", (int)level);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, args);
    va_end(args);
    if (n < 0) return;
    size_t total = MIN((size_t)head + (size_t)n, sizeof line - 2);
    for (size_t i = 0; i < total; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F) line[i] = ' ';
    }
    line[total++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, total);
    (void)written; /* nowhere to report that the log is gone */
}
