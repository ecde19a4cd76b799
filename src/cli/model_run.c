#include "cli/model_run.h"

void model_run_options(RunOptions *o, Option ret[MODEL_N_RUN_OPTIONS]) {
    ret[0] = (Option){ 'j',         "threads", OPTION_COUNT,
                       &o->threads, "N",       "Threads (default: all processors)",
                       1,           256 };
    ret[1] = (Option){ 0,           "cpu-mask",
                       OPTION_TEXT, &o->kernels,
                       "SETS",      "Kernel sets that may be used: ref, avx2, avx512, neon, ..." };
    ret[2] = (Option){
        0,      "kv",           OPTION_CHOICE,
        &o->kv, "f32|f16|q8_0", "Numbers that keys and values are kept in (default: f32)"
    };
    ret[3] = (Option){
        0,           "context", OPTION_COUNT,
        &o->context, "N",       "Tokens of the context (default: the model's, 4096 at most)",
        1,           1 << 24
    };
}

bool model_open(Cli *cli, const char *path, const RunOptions *o, size_t needed, FonteLlm **ret,
                int *ret_exit) {
    FonteError error = { 0 };
    FonteLlmOptions options = { (unsigned)o->threads, o->kernels, o->kv, o->context };
    FonteStatus status = fonte_llm_open(path, &options, ret, &error);
    if (status == FONTE_OK && o->context == 0 && needed > fonte_llm_context(*ret)) {
        *ret = fonte_llm_close(*ret);
        options.context = needed;
        status = fonte_llm_open(path, &options, ret, &error);
    }
    if (status == FONTE_OK) return true;
    *ret_exit = cli_fail(cli, &error);
    return false;
}
