/* The processor as a device. Its memory is anonymous pages of the system (zero until touched, so a
 * cache that is sized for the worst case costs what is used); tensors are the views of the mapped
 * file.
 * Operations cut their outputs into parts for the pool. Parts are a few times as many as threads:
 * who is slow takes fewer. Each output belongs to one part and is summed inside one kernel call, so
 * that neither the number of threads nor the cut changes a bit. */
#include "llm/device.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PARTS_PER_THREAD = 6, /* of a large operation */
    MIN_PART_ROWS = 16,   /* of a matrix, and their multiple: four rows are computed at once */
    ROW_PART_TOKENS = 4,  /* of operations on rows of activations */
};

typedef struct CpuDevice {
    LlmDevice device;
    Pool *pool;
    KernelTable kernels;
    const LlmBatch *batch;
    float *scratch; /* [n_threads, scratch_floats] */
    size_t scratch_floats, scratch_bytes;
} CpuDevice;

static CpuDevice *cpu_of(LlmDevice *d) {
    return (CpuDevice *)d;
}

static float *scratch_of(const CpuDevice *cpu, unsigned thread) {
    return cpu->scratch + thread * cpu->scratch_floats;
}

/* ---- memory -------------------------------------------------------------------------------- */

static Status cpu_memory_new(LlmDevice *d, size_t bytes, void **ret, Err *err) {
    (void)d;
    void *p = mmap(NULL, MAX(bytes, (size_t)1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (p == MAP_FAILED) {
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu MiB", (bytes >> 20) + 1);
    }
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
    cpu_memory_free(d, cpu->scratch, cpu->scratch_bytes);
    free(cpu);
    return NULL;
}

static void cpu_begin(LlmDevice *d, const LlmBatch *batch) {
    cpu_of(d)->batch = batch;
}

/* ---- matrices ------------------------------------------------------------------------------- */

/* Products that share their input, as one range of rows: the first product's, then the second's. */
typedef struct MatmulWork {
    const CpuDevice *cpu;
    const LlmTensor *w[3];
    float *y[3];
    size_t n_products, n_rows; /* n_rows of all */
    const float *x;
    size_t n_tokens, part_rows;
    bool accumulate;
} MatmulWork;

static void matmul_rows(const CpuDevice *cpu, const LlmTensor *w, const float *x, size_t n_tokens,
                        float *y, bool accumulate, size_t begin, size_t end, float *scratch) {
    KernelsMatmulJob job = {
        .w = w->data,
        .row_bytes = w->row_bytes,
        .n = w->n_in,
        .x = x,
        .x_stride = w->n_in,
        .n_tokens = n_tokens,
        .y = y,
        .y_stride = w->n_rows,
        .accumulate = accumulate,
    };
    cpu->kernels.matmul[w->type](&job, begin, end, scratch);
}

static void matmul_part(void *context, size_t part, unsigned thread) {
    const MatmulWork *work = context;
    size_t begin = part * work->part_rows, end = MIN(begin + work->part_rows, work->n_rows);
    size_t first = 0;
    for (size_t i = 0; i < work->n_products && begin < end; first += work->w[i++]->n_rows) {
        size_t past = first + work->w[i]->n_rows;
        if (begin >= past) continue;
        size_t stop = MIN(end, past);
        matmul_rows(work->cpu, work->w[i], work->x, work->n_tokens, work->y[i], work->accumulate,
                    begin - first, stop - first, scratch_of(work->cpu, thread));
        begin = stop;
    }
}

/* Rows of a part: a multiple of MIN_PART_ROWS. */
static size_t part_rows(const CpuDevice *cpu, size_t n_rows) {
    size_t wanted = n_rows / (pool_n_threads(cpu->pool) * (size_t)PARTS_PER_THREAD);
    return (wanted / MIN_PART_ROWS + 1) * MIN_PART_ROWS;
}

static void run_matmul(CpuDevice *cpu, MatmulWork *work) {
    work->cpu = cpu;
    for (size_t i = 0; i < work->n_products; i++) work->n_rows += work->w[i]->n_rows;
    work->part_rows = part_rows(cpu, work->n_rows);
    pool_run(cpu->pool, (work->n_rows + work->part_rows - 1) / work->part_rows, matmul_part, work);
}

static void cpu_matmul(LlmDevice *d, const LlmTensor *w, const float *x, size_t n, float *y) {
    MatmulWork work = { .w = { w }, .y = { y }, .n_products = 1, .x = x, .n_tokens = n };
    run_matmul(cpu_of(d), &work);
}

static void cpu_matmul_add(LlmDevice *d, const LlmTensor *w, const float *x, size_t n, float *y) {
    MatmulWork work = {
        .w = { w }, .y = { y }, .n_products = 1, .x = x, .n_tokens = n, .accumulate = true
    };
    run_matmul(cpu_of(d), &work);
}

static void cpu_matmul_qkv(LlmDevice *d, const LlmLayer *layer, const float *x, float *q, float *k,
                           float *v) {
    MatmulWork work = { .w = { &layer->wq, &layer->wk, &layer->wv },
                        .y = { q, k, v },
                        .n_products = 3,
                        .x = x,
                        .n_tokens = cpu_of(d)->batch->n_tokens };
    run_matmul(cpu_of(d), &work);
}

typedef struct SwigluWork {
    const CpuDevice *cpu;
    const LlmLayer *layer;
    const float *x;
    float *up, *y;
    size_t part_rows;
} SwigluWork;

static void swiglu_part(void *context, size_t part, unsigned thread) {
    const SwigluWork *work = context;
    const CpuDevice *cpu = work->cpu;
    const LlmTensor *gate = &work->layer->w_gate;
    size_t n_rows = gate->n_rows, n_tokens = cpu->batch->n_tokens;
    size_t begin = part * work->part_rows, end = MIN(begin + work->part_rows, n_rows);
    float *scratch = scratch_of(cpu, thread);
    matmul_rows(cpu, gate, work->x, n_tokens, work->y, false, begin, end, scratch);
    matmul_rows(cpu, &work->layer->w_up, work->x, n_tokens, work->up, false, begin, end, scratch);
    for (size_t t = 0; t < n_tokens; t++) {
        float *y = work->y + t * n_rows + begin;
        cpu->kernels.silu_mul(y, work->up + t * n_rows + begin, end - begin, y);
    }
}

static void cpu_matmul_swiglu(LlmDevice *d, const LlmLayer *layer, const float *x, float *up,
                              float *y) {
    CpuDevice *cpu = cpu_of(d);
    SwigluWork work = { cpu, layer, x, up, y, part_rows(cpu, layer->w_gate.n_rows) };
    size_t n_parts = (layer->w_gate.n_rows + work.part_rows - 1) / work.part_rows;
    pool_run(cpu->pool, n_parts, swiglu_part, &work);
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
    pool_run(cpu->pool, (work->n + ROW_PART_TOKENS - 1) / ROW_PART_TOKENS, function, work);
}

/* The tokens of a part. */
#define FOR_ROWS(t, work, part)                                                                    \
    for (size_t t = (part)*ROW_PART_TOKENS;                                                        \
         t < MIN((work)->n, ((part) + 1) * (size_t)ROW_PART_TOKENS); t++)

static void embed_part(void *context, size_t part, unsigned thread) {
    const RowsWork *work = context;
    (void)thread;
    FOR_ROWS(t, work, part) {
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
    FOR_ROWS(t, work, part) {
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
    FOR_ROWS(t, work, part) {
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
    FOR_ROWS(t, work, part) {
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

/* One token and one key/value head: the query heads that share it. */
static void attention_part(void *context, size_t part, unsigned thread) {
    const AttentionWork *work = context;
    const LlmKvLayout *l = work->layout;
    const LlmBatch *batch = work->cpu->batch;
    size_t token = part / l->n_kv_heads, head = part % l->n_kv_heads;
    size_t shared = work->n_heads / l->n_kv_heads, end = (size_t)batch->positions[token] + 1;
    size_t first_head = token * work->n_heads + head * shared;
    KernelsAttentionJob job = {
        .q = work->q + first_head * l->key_dim,
        .n_heads = shared,
        .key_dim = l->key_dim,
        .value_dim = l->value_dim,
        .base = work->cache + head * l->head_bytes,
        .pages = batch->pages[token],
        .page_bytes = l->page_bytes,
        .page_tokens = l->page_tokens,
        .values_offset = l->page_tokens * l->key_bytes,
        .begin = work->window && end > work->window ? end - work->window : 0,
        .end = end,
        .scale = (float)(1 / sqrt((double)l->key_dim)),
        .y = work->y + first_head * l->value_dim,
    };
    work->cpu->kernels.attention[l->type](&job, scratch_of(work->cpu, thread));
}

static void cpu_attention(LlmDevice *d, const LlmKvLayout *layout, const void *cache,
                          const float *q, size_t n_heads, size_t window, float *y) {
    CpuDevice *cpu = cpu_of(d);
    AttentionWork work = { cpu, layout, cache, q, n_heads, window, y };
    pool_run(cpu->pool, cpu->batch->n_tokens * layout->n_kv_heads, attention_part, &work);
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
    .matmul = cpu_matmul,
    .matmul_add = cpu_matmul_add,
    .matmul_qkv = cpu_matmul_qkv,
    .matmul_swiglu = cpu_matmul_swiglu,
    .rope = cpu_rope,
    .kv_append = cpu_kv_append,
    .attention = cpu_attention,
    .kv_copy = cpu_kv_copy,
};

/* What one thread's kernels need at most. */
static size_t scratch_floats_for(const LlmShape *s) {
    size_t widest = MAX(MAX(s->dim, s->ffn_dim), s->n_heads * s->value_dim);
    size_t matmul = KERNELS_MATMUL_ROWS * KERNELS_ROUND_UP(widest);
    size_t attention =
        KERNELS_ATTENTION_SCRATCH(s->key_dim, s->value_dim, s->n_heads / s->n_kv_heads);
    return KERNELS_ROUND_UP(MAX(matmul, attention));
}

Status llm_device_cpu_new(Pool *pool, const KernelTable *kernels, const LlmShape *shape,
                          LlmDevice **ret, Err *err) {
    CpuDevice *cpu = mem_alloc(1, sizeof *cpu);
    if (!cpu) return err_set(err, STATUS_NO_MEMORY, "no memory for a device");
    *cpu = (CpuDevice){ .device = { &cpu_ops }, .pool = pool, .kernels = *kernels };
    cpu->scratch_floats = scratch_floats_for(shape);
    cpu->scratch_bytes = pool_n_threads(pool) * cpu->scratch_floats * sizeof(float);
    void *scratch = NULL;
    Status status = cpu_memory_new(&cpu->device, cpu->scratch_bytes, &scratch, err);
    if (status != STATUS_OK) {
        free(cpu);
        return status;
    }
    cpu->scratch = scratch;
    *ret = &cpu->device;
    return STATUS_OK;
}
