/* The processor as a device. Its memory is anonymous pages of the system (zero until touched, so a
 * cache that is sized for the worst case costs what is used); tensors are the views of the mapped
 * file.
 * Operations cut their outputs into parts for the pool. Parts are a few times as many as threads:
 * who is slow takes fewer. Each output belongs to one part and is summed inside one kernel call, so
 * that neither the number of threads nor the cut changes a bit. */
#include "llm/device_cpu_internal.h"

#include "base/mem.h"
#include <math.h>
#include <string.h>
#include <sys/mman.h>

/* Pieces as large as some of the system's large pages are asked to be made of those: a batch's
 * activations are more pages of 4 KiB than the processor remembers addresses of. */
static const size_t HUGE_BYTES = (size_t)4 << 20;

/* ---- memory -------------------------------------------------------------------------------- */

static Status cpu_memory_new(LlmDevice *d, size_t bytes, void **ret, Err *err) {
    (void)d;
    void *p = mmap(NULL, MAX(bytes, (size_t)1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (p == MAP_FAILED) {
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu MiB", (bytes >> 20) + 1);
    }
    if (bytes >= HUGE_BYTES) (void)madvise(p, bytes, MADV_HUGEPAGE); /* a hint */
    *ret = p;
    return STATUS_OK;
}

static void cpu_memory_free(LlmDevice *d, void *memory, size_t bytes) {
    (void)d;
    if (memory) (void)munmap(memory, MAX(bytes, (size_t)1));
}

static Status cpu_upload(LlmDevice *d, const LlmTensor *tensor, LlmTensor *ret, Err *err) {
    (void)d, (void)err;
    *ret = *tensor;
    return STATUS_OK;
}

static Status cpu_upload_vector(LlmDevice *d, const float *host, size_t n, const float **ret,
                                Err *err) {
    (void)d, (void)n, (void)err;
    *ret = host;
    return STATUS_OK;
}

static void cpu_unload(LlmDevice *d, const void *data) {
    (void)d, (void)data;
}

static void cpu_read(LlmDevice *d, const void *memory, size_t bytes, void *host) {
    (void)d;
    memcpy(host, memory, bytes);
}

static void cpu_write(LlmDevice *d, const void *host, size_t bytes, void *memory) {
    (void)d;
    memcpy(memory, host, bytes);
}

static Status cpu_sync(LlmDevice *d, Err *err) {
    (void)d, (void)err;
    return STATUS_OK;
}

static LlmDevice *cpu_free(LlmDevice *d) {
    if (!d) return NULL;
    CpuDevice *cpu = cpu_of(d);
    cpu_memory_free(d, cpu->memory, cpu->memory_bytes);
    free(cpu);
    return NULL;
}

static KernelsUse use_of(const LlmBatch *batch, size_t token) {
    return token < batch->n_written ? KERNELS_WRITING : KERNELS_READING;
}

/* Tokens of a part of attention, which reads a cached head once for all of them. */
static size_t max_run(const CpuDevice *cpu, KernelsUse use) {
    return MAX(cpu->kernels.attention_rows[use] / cpu->shared_heads, (size_t)1);
}

/* Tokens that follow each other in one sequence are attended to together, some at a time. */
static void cpu_begin(LlmDevice *d, const LlmBatch *batch) {
    CpuDevice *cpu = cpu_of(d);
    size_t first = 0;
    cpu->batch = batch;
    cpu->n_runs = 0;
    for (size_t t = 0; t < batch->n_tokens; t++) {
        bool follows = t > first && t != batch->n_written &&
                       t - first < max_run(cpu, use_of(batch, first)) &&
                       batch->pages[t] == batch->pages[first] &&
                       batch->positions[t] == batch->positions[first] + (t - first);
        if (follows) continue;
        cpu->runs[cpu->n_runs++] = (uint32_t)t;
        first = t;
    }
    cpu->runs[cpu->n_runs] = (uint32_t)batch->n_tokens;
}

/* ---- rows of activations ----------------------------------------------------------------------
 */

typedef struct RowsWork {
    const CpuDevice *cpu;
    size_t n; /* tokens or rows */
    const LlmTensor *table;
    const LlmKvLayout *layout;
    const float *x, *g, *v;
    const uint32_t *rows;
    float *y;
    uint8_t *cache;
    size_t dim, n_heads;
    float eps;
} RowsWork;

static void run_rows(CpuDevice *cpu, RowsWork *work, PoolFunction *function) {
    work->cpu = cpu;
    pool_run(cpu->pool, llm_cpu_row_parts(work->n), function, work);
}

static void embed_part(void *context, size_t part, unsigned thread) {
    const RowsWork *work = context;
    (void)thread;
    FOR_ROWS(t, work->n, part) {
        size_t row = (size_t)work->cpu->batch->ids[t];
        work->cpu->kernels.decode_row[work->table->type](
            work->table->data + row * work->table->row_bytes, work->dim, work->y + t * work->dim);
    }
}

static void cpu_embed(LlmDevice *d, const LlmTensor *table, float *x) {
    RowsWork work = { .n = cpu_of(d)->batch->n_tokens, .table = table, .y = x, .dim = table->n_in };
    run_rows(cpu_of(d), &work, embed_part);
}

static void rmsnorm_part(void *context, size_t part, unsigned thread) {
    const RowsWork *work = context;
    (void)thread;
    FOR_ROWS(t, work->n, part) {
        size_t row = work->rows ? work->rows[t] : t;
        work->cpu->kernels.rmsnorm(work->x + row * work->dim, work->g, work->dim, work->eps,
                                   work->y + t * work->dim);
    }
}

static void cpu_rmsnorm(LlmDevice *d, const float *x, const uint32_t *rows, size_t n,
                        const float *g, size_t dim, float eps, float *y) {
    RowsWork work = { .n = n, .x = x, .rows = rows, .g = g, .dim = dim, .eps = eps, .y = y };
    run_rows(cpu_of(d), &work, rmsnorm_part);
}

static void rope_part(void *context, size_t part, unsigned thread) {
    const RowsWork *work = context;
    const LlmBatch *batch = work->cpu->batch;
    (void)thread;
    FOR_ROWS(t, work->n, part) {
        size_t at = t * batch->n_rotated;
        work->cpu->kernels.rope(work->y + t * work->n_heads * work->dim, work->n_heads, work->dim,
                                batch->n_rotated, batch->cos + at, batch->sin + at);
    }
}

static void cpu_rope(LlmDevice *d, float *x, size_t n_heads, size_t head_dim) {
    RowsWork work = {
        .n = cpu_of(d)->batch->n_tokens, .y = x, .n_heads = n_heads, .dim = head_dim
    };
    run_rows(cpu_of(d), &work, rope_part);
}

/* ---- the cache ----------------------------------------------------------------------------------
 */

static void kv_append_part(void *context, size_t part, unsigned thread) {
    const RowsWork *work = context;
    const LlmKvLayout *l = work->layout;
    const LlmBatch *batch = work->cpu->batch;
    KernelsKvStore *store = work->cpu->kernels.kv_store[l->type];
    (void)thread;
    FOR_ROWS(t, work->n, part) {
        size_t position = batch->positions[t], at = position % l->page_tokens;
        uint8_t *page = work->cache + batch->pages[t][position / l->page_tokens] * l->page_bytes;
        for (size_t h = 0; h < l->n_kv_heads; h++, page += l->head_bytes) {
            store(work->x + (t * l->n_kv_heads + h) * l->key_dim, l->key_dim,
                  page + at * l->key_bytes);
            store(work->v + (t * l->n_kv_heads + h) * l->value_dim, l->value_dim,
                  page + l->page_tokens * l->key_bytes + at * l->value_bytes);
        }
    }
}

static void cpu_kv_append(LlmDevice *d, const LlmKvLayout *layout, void *cache, const float *k,
                          const float *v) {
    RowsWork work = {
        .n = cpu_of(d)->batch->n_tokens, .layout = layout, .cache = cache, .x = k, .v = v
    };
    run_rows(cpu_of(d), &work, kv_append_part);
}

typedef struct AttentionWork {
    const CpuDevice *cpu;
    const LlmKvLayout *layout;
    const uint8_t *cache;
    const float *q;
    size_t n_heads, window;
    float *y;
} AttentionWork;

/* Tokens [first, first + n) of a run and one key/value head. */
static void attend(const AttentionWork *work, size_t first, size_t n, size_t head, float *scratch) {
    const LlmKvLayout *l = work->layout;
    const LlmBatch *batch = work->cpu->batch;
    size_t shared = work->n_heads / l->n_kv_heads, end = (size_t)batch->positions[first] + 1;
    size_t first_head = first * work->n_heads + head * shared;
    KernelsAttentionJob job = {
        .q = work->q + first_head * l->key_dim,
        .q_stride = work->n_heads * l->key_dim,
        .n_queries = n,
        .n_heads = shared,
        .key_dim = l->key_dim,
        .value_dim = l->value_dim,
        .base = work->cache + head * l->head_bytes,
        .pages = batch->pages[first],
        .page_bytes = l->page_bytes,
        .page_tokens = l->page_tokens,
        .values_offset = l->page_tokens * l->key_bytes,
        .begin = work->window && end > work->window ? end - work->window : 0,
        .end = end,
        .scale = (float)(1 / sqrt((double)l->key_dim)),
        .y = work->y + first_head * l->value_dim,
        .y_stride = work->n_heads * l->value_dim,
    };
    work->cpu->kernels.attention[use_of(batch, first)][l->type](&job, scratch);
}

/* Parts go through the runs of a head before the next head: its cache stays near. */
static void attention_part(void *context, size_t part, unsigned thread) {
    const AttentionWork *work = context;
    const CpuDevice *cpu = work->cpu;
    size_t head = part / cpu->n_runs, run = part % cpu->n_runs;
    size_t first = cpu->runs[run], n = cpu->runs[run + 1] - first;
    float *scratch = llm_cpu_scratch(cpu, thread);
    if (work->window == 0) {
        attend(work, first, n, head, scratch);
        return;
    }
    /* each token's window begins elsewhere */
    for (size_t i = 0; i < n; i++) attend(work, first + i, 1, head, scratch);
}

static void cpu_attention(LlmDevice *d, const LlmKvLayout *layout, const void *cache,
                          const float *q, size_t n_heads, size_t window, float *y) {
    CpuDevice *cpu = cpu_of(d);
    AttentionWork work = { cpu, layout, cache, q, n_heads, window, y };
    pool_run(cpu->pool, cpu->n_runs * layout->n_kv_heads, attention_part, &work);
}

static void cpu_kv_copy(LlmDevice *d, const LlmKvLayout *layout, void *cache, uint32_t from,
                        uint32_t to) {
    (void)d;
    uint8_t *pages = cache;
    memcpy(pages + to * layout->page_bytes, pages + from * layout->page_bytes, layout->page_bytes);
}

static const LlmDeviceOps cpu_ops = {
    .name = "cpu",
    .free = cpu_free,
    .memory_new = cpu_memory_new,
    .memory_free = cpu_memory_free,
    .upload = cpu_upload,
    .upload_vector = cpu_upload_vector,
    .unload = cpu_unload,
    .read = cpu_read,
    .write = cpu_write,
    .sync = cpu_sync,
    .begin = cpu_begin,
    .embed = cpu_embed,
    .rmsnorm = cpu_rmsnorm,
    .matmul = llm_cpu_matmul,
    .matmul_add = llm_cpu_matmul_add,
    .matmul_qkv = llm_cpu_matmul_qkv,
    .matmul_swiglu = llm_cpu_matmul_swiglu,
    .rope = cpu_rope,
    .kv_append = cpu_kv_append,
    .attention = cpu_attention,
    .kv_copy = cpu_kv_copy,
};

static size_t widest_input(const LlmShape *s) {
    return MAX(MAX(s->dim, s->ffn_dim), s->n_heads * s->value_dim);
}

/* What one thread's kernels need at most. */
static size_t scratch_floats_for(const KernelTable *kernels, const LlmShape *s) {
    size_t matmul = KERNELS_MATMUL_SCRATCH(widest_input(s));
    size_t rows = s->n_heads / s->n_kv_heads;
    for (size_t use = 0; use < KERNELS_N_USES; use++)
        rows = MAX(rows, kernels->attention_rows[use]);
    size_t attention = KERNELS_ATTENTION_SCRATCH(s->key_dim, s->value_dim, rows);
    return KERNELS_ROUND_UP(MAX(matmul, attention));
}

/* Scratch of the threads, then packed inputs of max_batch rows for each arithmetic, then the runs.
 */
static Status take_memory(CpuDevice *cpu, const LlmShape *shape, size_t max_batch, Err *err) {
    cpu->gate_at = scratch_floats_for(&cpu->kernels, shape);
    cpu->scratch_floats = cpu->gate_at + llm_cpu_gate_floats(max_batch);
    size_t scratch = pool_n_threads(cpu->pool) * cpu->scratch_floats * sizeof(float);
    size_t at[KERNELS_N_ARITHMETICS] = { 0 };
    cpu->memory_bytes = scratch;
    for (size_t i = 0; i < KERNELS_N_ARITHMETICS; i++) {
        size_t bytes;
        if (!cpu->kernels.pack[i]) continue;
        at[i] = cpu->memory_bytes;
        if (!mem_add(max_batch, KERNELS_PACK_TOKENS - 1, &bytes) ||
            !mem_mul(bytes / KERNELS_PACK_TOKENS * KERNELS_PACK_TOKENS,
                     kernels_packed_bytes((KernelsArithmetic)i, widest_input(shape)), &bytes) ||
            !mem_add(cpu->memory_bytes, bytes, &cpu->memory_bytes)) {
            return err_set(err, STATUS_TOO_LARGE, "a batch of %zu tokens is too large", max_batch);
        }
    }
    size_t runs = cpu->memory_bytes;
    if (!mem_add(runs, (max_batch + 1) * sizeof *cpu->runs, &cpu->memory_bytes)) {
        return err_set(err, STATUS_TOO_LARGE, "a batch of %zu tokens is too large", max_batch);
    }
    void *memory = NULL;
    TRY(cpu_memory_new(&cpu->device, cpu->memory_bytes, &memory, err));
    cpu->memory = memory;
    cpu->runs = (uint32_t *)(void *)(cpu->memory + runs);
    cpu->scratch = memory;
    for (size_t i = 0; i < KERNELS_N_ARITHMETICS; i++) {
        if (cpu->kernels.pack[i]) cpu->packed[i] = cpu->memory + at[i];
    }
    return STATUS_OK;
}

Status llm_device_cpu_new(Pool *pool, const KernelTable *kernels, const LlmShape *shape,
                          size_t max_batch, LlmDevice **ret, Err *err) {
    CpuDevice *cpu = mem_alloc(1, sizeof *cpu);
    if (!cpu) return err_set(err, STATUS_NO_MEMORY, "no memory for a device");
    *cpu = (CpuDevice){ .device = { &cpu_ops },
                        .pool = pool,
                        .kernels = *kernels,
                        .shared_heads = shape->n_heads / shape->n_kv_heads };
    Status status = take_memory(cpu, shape, max_batch, err);
    if (status != STATUS_OK) {
        free(cpu);
        return status;
    }
    *ret = &cpu->device;
    return STATUS_OK;
}
