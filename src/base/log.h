#pragma once
/* One line a message to standard error, prefixed "<N>" (syslog level) for the journal.
 * Messages carry ids and numbers, never document text, questions or prompts.
 * Threads: any (one write(2) per line). */
#include "base/status.h"
#include <stdbool.h>

typedef enum LogLevel {
    LOG_ERROR = 3,
    LOG_WARNING = 4,
    LOG_NOTICE = 5,
    LOG_INFO = 6,
    LOG_DEBUG = 7,
} LogLevel;

/* Messages above this level are dropped (default LOG_INFO). */
void log_set_level(LogLevel level);
/* "error", "warning", "notice", "info", "debug"; false for any other word. */
bool log_parse_level(const char *name, LogLevel *ret) MUST_CHECK;
/* Control characters in the formatted text become spaces: a line stays a line. */
void log_line(LogLevel level, const char *format, ...) PRINTF_LIKE(2, 3);
