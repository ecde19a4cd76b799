#pragma once
/* What the service manager is told. Without libsystemd, or without a manager, all of it does
 * nothing. Threads: any. Errors: none. */
#include "base/status.h"

void notify_ready(void);
void notify_status(const char *format, ...) PRINTF_LIKE(1, 2);
/* Followed by notify_ready on every way out of the reload. */
void notify_reloading(void);
void notify_stopping(void);
/* Start-up or shutdown goes on: another `us` microseconds, please. */
void notify_extend(int64_t us);
void notify_watchdog(void);
/* Microseconds within which the manager wants notify_watchdog; 0 = it does not. */
int64_t notify_watchdog_us(void);
