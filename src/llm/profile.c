/* Every operation of the table is the same three steps round the inner device's; those that compute
 * nothing (memory, upload) are handed on. */
#include "llm/profile.h"

#include "base/clock.h"
#include "base/mem.h"

typedef struct TimedDevice {
    LlmDevice device;
    LlmDevice *inner;
    LlmProfile profile;
} TimedDevice;

static LlmDevice *inner_of(LlmDevice *d) {
    return ((TimedDevice *)d)->inner;
}

const char *llm_op_name(LlmOp op) {
    static const char *const names[LLM_N_OPS] = { "embed",       "rmsnorm",   "qkv",
                                                  "rope",        "kv_append", "attention",
                                                  "output_down", "gate_up",   "logits" };
    return names[op];
}

/* ---- timed ------------------------------------------------------------------------------------
 */

#define TIMED(d, op, call)                                                                         \
    do {                                                                                           \
        TimedDevice *timed_ = (TimedDevice *)(d);                                                  \
        LlmDevice *inner = timed_->inner;                                                          \
        int64_t begin_ = clock_ns();                                                               \
        inner->ops->call;                                                                          \
        if (inner->ops->sync(inner, NULL) == STATUS_OK) timed_->profile.calls[op]++;               \
        timed_->profile.seconds[op] += (double)(clock_ns() - begin_) * 1e-9;                       \
    } while (0)

static void timed_embed(LlmDevice *d, const LlmTensor *table, float *x) {
    TIMED(d, LLM_OP_EMBED, embed(inner, table, x));
}
static void timed_rmsnorm(LlmDevice *d, const float *x, const uint32_t *rows, size_t n,
                          const float *g, size_t dim, float eps, float *y) {
    TIMED(d, LLM_OP_RMSNORM, rmsnorm(inner, x, rows, n, g, dim, eps, y));
}
static void timed_matmul(LlmDevice *d, const LlmTensor *w, const float *x, size_t n,
                         size_t n_written, float *y) {
    TIMED(d, LLM_OP_LOGITS, matmul(inner, w, x, n, n_written, y));
}
static void timed_matmul_add(LlmDevice *d, const LlmTensor *w, const float *x, float *y) {
    TIMED(d, LLM_OP_ADD, matmul_add(inner, w, x, y));
}
static void timed_matmul_qkv(LlmDevice *d, const LlmLayer *layer, const float *x, float *q,
                             float *k, float *v) {
    TIMED(d, LLM_OP_QKV, matmul_qkv(inner, layer, x, q, k, v));
}
static void timed_matmul_swiglu(LlmDevice *d, const LlmLayer *layer, const float *x, float *up,
                                float *y) {
    TIMED(d, LLM_OP_SWIGLU, matmul_swiglu(inner, layer, x, up, y));
}
static void timed_rope(LlmDevice *d, float *x, size_t n_heads, size_t head_dim) {
    TIMED(d, LLM_OP_ROPE, rope(inner, x, n_heads, head_dim));
}
static void timed_kv_append(LlmDevice *d, const LlmKvLayout *layout, void *cache, const float *k,
                            const float *v) {
    TIMED(d, LLM_OP_KV_APPEND, kv_append(inner, layout, cache, k, v));
}
static void timed_attention(LlmDevice *d, const LlmKvLayout *layout, const void *cache,
                            const float *q, size_t n_heads, size_t window, float *y) {
    TIMED(d, LLM_OP_ATTENTION, attention(inner, layout, cache, q, n_heads, window, y));
}

/* ---- handed on --------------------------------------------------------------------------------
 */

static LlmDevice *timed_free(LlmDevice *d) {
    if (!d) return NULL;
    inner_of(d)->ops->free(inner_of(d));
    free(d);
    return NULL;
}
static Status timed_memory_new(LlmDevice *d, size_t bytes, void **ret, Err *err) {
    return inner_of(d)->ops->memory_new(inner_of(d), bytes, ret, err);
}
static void timed_memory_free(LlmDevice *d, void *memory, size_t bytes) {
    inner_of(d)->ops->memory_free(inner_of(d), memory, bytes);
}
static Status timed_upload(LlmDevice *d, const LlmTensor *tensor, LlmTensor *ret, Err *err) {
    return inner_of(d)->ops->upload(inner_of(d), tensor, ret, err);
}
static Status timed_upload_vector(LlmDevice *d, const float *host, size_t n, const float **ret,
                                  Err *err) {
    return inner_of(d)->ops->upload_vector(inner_of(d), host, n, ret, err);
}
static void timed_unload(LlmDevice *d, const void *data) {
    inner_of(d)->ops->unload(inner_of(d), data);
}
static void timed_read(LlmDevice *d, const void *memory, size_t bytes, void *host) {
    inner_of(d)->ops->read(inner_of(d), memory, bytes, host);
}
static void timed_write(LlmDevice *d, const void *host, size_t bytes, void *memory) {
    inner_of(d)->ops->write(inner_of(d), host, bytes, memory);
}
static Status timed_sync(LlmDevice *d, Err *err) {
    return inner_of(d)->ops->sync(inner_of(d), err);
}
static void timed_begin(LlmDevice *d, const LlmBatch *batch) {
    inner_of(d)->ops->begin(inner_of(d), batch);
}
static void timed_kv_copy(LlmDevice *d, const LlmKvLayout *layout, void *cache, uint32_t from,
                          uint32_t to) {
    inner_of(d)->ops->kv_copy(inner_of(d), layout, cache, from, to);
}

static const LlmDeviceOps timed_ops = {
    .name = "timed",
    .free = timed_free,
    .memory_new = timed_memory_new,
    .memory_free = timed_memory_free,
    .upload = timed_upload,
    .upload_vector = timed_upload_vector,
    .unload = timed_unload,
    .read = timed_read,
    .write = timed_write,
    .sync = timed_sync,
    .begin = timed_begin,
    .embed = timed_embed,
    .rmsnorm = timed_rmsnorm,
    .matmul = timed_matmul,
    .matmul_add = timed_matmul_add,
    .matmul_qkv = timed_matmul_qkv,
    .matmul_swiglu = timed_matmul_swiglu,
    .rope = timed_rope,
    .kv_append = timed_kv_append,
    .attention = timed_attention,
    .kv_copy = timed_kv_copy,
};

Status llm_device_timed_new(LlmDevice *inner, LlmDevice **ret, Err *err) {
    TimedDevice *timed = mem_alloc(1, sizeof *timed);
    if (!timed) return err_set(err, STATUS_NO_MEMORY, "no memory for a device");
    timed->device.ops = &timed_ops;
    timed->inner = inner;
    *ret = &timed->device;
    return STATUS_OK;
}

LlmProfile *llm_device_timed_profile(LlmDevice *device) {
    return &((TimedDevice *)device)->profile;
}
