#pragma once
/* A device that times another one: each operation is followed by a sync, its time is added to the
 * operation's account. For measuring; a context that is not asked to profile has none.
 * Threads: as the device. */
#include "llm/device.h"

typedef enum LlmOp {
    LLM_OP_EMBED,
    LLM_OP_RMSNORM,
    LLM_OP_QKV,
    LLM_OP_ROPE,
    LLM_OP_KV_APPEND,
    LLM_OP_ATTENTION,
    LLM_OP_ADD, /* matrices whose product is added: attention's output, down */
    LLM_OP_SWIGLU,
    LLM_OP_LOGITS,
    LLM_N_OPS,
} LlmOp;

typedef struct LlmProfile {
    double seconds[LLM_N_OPS];
    uint64_t calls[LLM_N_OPS];
} LlmProfile;

/* "qkv", "attention", ... */
const char *llm_op_name(LlmOp op);

/* Consumes inner on success: freeing the device frees it. */
Status llm_device_timed_new(LlmDevice *inner, LlmDevice **ret, Err *err) MUST_CHECK;
/* Of a device made by llm_device_timed_new: view, the caller may clear it. */
LlmProfile *llm_device_timed_profile(LlmDevice *device);
