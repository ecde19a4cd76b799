#include "cli/progress.h"

#include <math.h>
#include <string.h>
#include <time.h>

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

void progress_init(Progress *progress, Term *term, const char *unit, double total) {
    int64_t now = now_us();
    *progress =
        (Progress){ .term = term, .unit = unit, .total = total, .begun_us = now, .last_us = now };
}

static void format_amount(char *out, size_t n, double amount, const char *unit) {
    if (strcmp(unit, "B") != 0)
        snprintf(out, n, "%.0f %s", amount, unit);
    else if (amount < 1e6)
        snprintf(out, n, "%.0f kB", amount / 1e3);
    else if (amount < 1e9)
        snprintf(out, n, "%.1f MB", amount / 1e6);
    else
        snprintf(out, n, "%.2f GB", amount / 1e9);
}

static void format_left(char *out, size_t n, double left_s) {
    unsigned long s = (unsigned long)fmin(left_s, 359999) /* 99:59:59 */;
    if (s >= 3600)
        snprintf(out, n, "%lu:%02lu:%02lu left", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, n, "%lu:%02lu left", s / 60, s % 60);
}

void progress_format(char *out, size_t n_out, unsigned columns, double done, double total,
                     double per_s, const char *unit, const char *note) {
    char rate[32], left[32] = "", percent[16] = "", text[256], bar[64] = "";
    format_amount(rate, sizeof rate, per_s, unit);
    double ratio = total > 0 ? fmin(done / total, 1) : 0;
    if (total > 0) snprintf(percent, sizeof percent, "%3.0f%% ", floor(100 * ratio));
    if (total > 0 && per_s > 0) format_left(left, sizeof left, (total - done) / per_s);
    snprintf(text, sizeof text, "%s%s  %s/s%s%s", percent, note, rate, *left ? "  " : "", left);
    size_t n_text = strlen(text);
    if (total > 0 && columns > n_text + 14) {
        size_t width = columns - n_text - 4, full;
        if (width > 40) width = 40;
        full = (size_t)(ratio * (double)width);
        bar[0] = '[';
        for (size_t i = 0; i < width; i++) bar[i + 1] = i < full ? '#' : '.';
        bar[width + 1] = ']';
        bar[width + 2] = ' ';
    }
    snprintf(out, n_out, "%s%s", bar, text);
    if (strlen(out) >= columns && columns > 0 && columns <= n_out) out[columns - 1] = 0;
}

void progress_show(Progress *progress, double done, const char *note) {
    int64_t now = now_us();
    bool end = progress->total > 0 && done >= progress->total;
    if (!progress->term->is_terminal) return;
    if (!end && now - progress->last_us < 100000) return;
    double elapsed = (double)(now - progress->last_us) / 1e6;
    if (elapsed > 0.05) {
        /* Exponential average over some ten seconds, from the whole mean at first. */
        double rate = (done - progress->last_done) / elapsed,
               age = (double)(now - progress->begun_us) / 1e6;
        double weight = age < 10 ? elapsed / age : elapsed / 10;
        if (weight > 1) weight = 1;
        progress->per_s += weight * (rate - progress->per_s);
        progress->last_us = now;
        progress->last_done = done;
    }
    char line[320];
    progress_format(line, sizeof line, progress->term->columns, done, progress->total,
                    progress->per_s, progress->unit, note);
    fprintf(progress->term->file, "\r%s\033[K", line);
    fflush(progress->term->file);
    progress->shown = true;
}

void progress_clear(Progress *progress) {
    if (!progress->shown) return;
    fputs("\r\033[K", progress->term->file);
    fflush(progress->term->file);
    progress->shown = false;
}
