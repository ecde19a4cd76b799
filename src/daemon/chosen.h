#pragma once
/* The model that was chosen while fonted ran (fonte model use): a drop-in in the state folder, read
 * behind conf.d, because fonted may write nowhere else. Threads: any; one writer at a time. */
#include "base/buf.h"
#include "daemon/config.h"

typedef struct Chosen {
    const char *model, *name, *template_name; /* as in [generator]; "" = its default */
} Chosen;

/* STATE/model.conf */
Status chosen_path(const char *state, Buf *ret, Err *err) MUST_CHECK;
/* Can it stand in a line of a configuration file, as it is? INVALID naming the member. */
Status chosen_check(const Chosen *chosen, Err *err) MUST_CHECK;
Status chosen_write(const char *state, const Chosen *chosen, Err *err) MUST_CHECK;
/* OK also where there was none. */
Status chosen_remove(const char *state, Err *err) MUST_CHECK;
