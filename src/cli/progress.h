#pragma once
/* A progress bar on one line of a terminal, with rate and time left; nothing elsewhere.
 * Threads: one owner at a time (callers hold a lock). */
#include "cli/term.h"

#include <stdint.h>

typedef struct Progress {
    Term *term;       /* borrowed */
    const char *unit; /* of `done` and `total`: "B" is shown as MB, others as they are */
    double total;     /* 0 = unknown: no bar, no time left */
    double done;
    double per_s; /* smoothed */
    double last_done;
    int64_t begun_us, last_us; /* monotonic */
    bool shown;
} Progress;

void progress_init(Progress *progress, Term *term, const char *unit, double total);
/* Draw (at most ten times a second, unless it is the end). note: what follows, "12/40 files". */
void progress_show(Progress *progress, double done, const char *note);
/* Take the line away, before other text is printed and at the end. */
void progress_clear(Progress *progress);
/* The line itself, cut to `columns`; for progress_show and its test. left_s < 0 = unknown. */
void progress_format(char *out, size_t n_out, unsigned columns, double done, double total,
                     double per_s, const char *unit, const char *note);
