#pragma once
/* An answer of the daemon: sentence by sentence as it comes where someone watches, whole elsewhere.
 * Threads: one owner at a time. */
#include "cli/cli.h"

typedef struct Answer {
    cJSON *done;   /* the whole answer; NULL until it came */
    cJSON *cited;  /* citations that came one by one */
    bool has_text; /* some of it was shown as it came */
} Answer;
#define ANSWER_NULL ((Answer){ 0 })

/* POST body to path. body is consumed whatever happens. Streams on a terminal unless waits; with
 * --json what came is printed as it is. */
FonteStatus answer_ask(Cli *cli, const char *path, cJSON *body, bool waits, Answer *answer,
                       FonteError *error);
/* What of it was not shown yet, and its sources; with --json nothing. question: highlighted in the
 * passages that are shown where it abstained; "" = not known. */
void answer_show(Cli *cli, const Answer *answer, const char *question);
void answer_deinit(Answer *answer);
