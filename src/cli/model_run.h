#pragma once
/* What the commands that compute with a model share: how it is opened.
 * Threads: one owner at a time. */
#include "cli/model.h"

#include <fonte/llm.h>

typedef struct RunOptions {
    size_t threads, context;
    const char *kernels, *kv;
} RunOptions;

/* Rows of the option table: --threads, --cpu-mask, --kv, --context. */
enum { MODEL_N_RUN_OPTIONS = 4 };
void model_run_options(RunOptions *options, Option ret[MODEL_N_RUN_OPTIONS]);
/* needed: tokens that must fit (0 = any number): the context is made that long where --context
 * says nothing. False, with a line on stderr and *ret_exit, where it cannot be opened. */
bool model_open(Cli *cli, const char *path, const RunOptions *options, size_t needed,
                FonteLlm **ret, int *ret_exit);
