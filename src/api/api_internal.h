#pragma once
/* Shared by the files of src/api: every pointer that a stranger passes is checked. */
#include "base/status.h"
#include "llm/vocab.h"

struct FonteVocab {
    Vocab *vocab;
};

/* Rooms below may leave a text of what they tried without success: a caller's error is untouched
 * where the whole succeeded. */
static inline FonteStatus api_finish(Status status, const Err *err, FonteError *error) {
    if (status != STATUS_OK && error) *error = *err;
    return status;
}

#define NEED(pointer, error)                                                                       \
    do {                                                                                           \
        if (!(pointer))                                                                            \
            return err_set_param((error), STATUS_USAGE, #pointer, "%s: " #pointer " is NULL",      \
                                 __func__);                                                        \
    } while (0)
