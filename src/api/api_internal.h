#pragma once
/* Shared by the files of src/api: every pointer that a stranger passes is checked. */
#include "base/status.h"
#include "llm/vocab.h"

struct FonteVocab {
    Vocab *vocab;
};

#define NEED(pointer, error)                                                                       \
    do {                                                                                           \
        if (!(pointer))                                                                            \
            return err_set_param((error), STATUS_USAGE, #pointer, "%s: " #pointer " is NULL",      \
                                 __func__);                                                        \
    } while (0)
