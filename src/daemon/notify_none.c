/* Built where libsystemd is not: nobody to tell. */
#include "daemon/notify.h"

void notify_ready(void) {
}
void notify_status(const char *format, ...) {
    (void)format;
}
void notify_reloading(void) {
}
void notify_stopping(void) {
}
void notify_extend(int64_t us) {
    (void)us;
}
void notify_watchdog(void) {
}
int64_t notify_watchdog_us(void) {
    return 0;
}
