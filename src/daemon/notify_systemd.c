/* sd_notify(3). Type=notify-reload wants MONOTONIC_USEC with RELOADING=1. */
#include "daemon/notify.h"

#include "base/clock.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>

void notify_ready(void) {
    sd_notify(0, "READY=1");
}

void notify_status(const char *format, ...) {
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sd_notifyf(0, "STATUS=%s", text);
}

void notify_reloading(void) {
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_us());
}

void notify_stopping(void) {
    sd_notify(0, "STOPPING=1");
}

void notify_extend(int64_t us) {
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld", (long long)us);
}

void notify_watchdog(void) {
    sd_notify(0, "WATCHDOG=1");
}

int64_t notify_watchdog_us(void) {
    uint64_t us = 0;
    return sd_watchdog_enabled(0, &us) > 0 ? (int64_t)us : 0;
}
