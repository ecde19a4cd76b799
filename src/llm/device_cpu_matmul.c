/* Products: the inputs are packed once into the form that the tensors' arithmetic takes, rows in
 * parallel; then the outputs are cut into parts of whole panels. A part is some microseconds of
 * work, so that all threads end together and who is slow takes fewer. Each thread takes the parts
 * of a span of its own, one after the other, then those that others have left: kernels fetch from
 * memory what follows the rows they multiply, and that is this thread's next part. (Parts in turn
 * cost a quarter of the time with 4 and 8 tokens.) */
#include "llm/device_cpu_internal.h"

#include "base/mem.h"
#include <assert.h>
#include <stdatomic.h>

enum {
    PART_BYTES = 1 << 18, /* of weights, where few tokens share them */
    FEW_TOKENS = 32,
    MAX_FEW_ROWS = 8 * KERNELS_PANEL_ROWS,
    MANY_ROWS = KERNELS_PANEL_ROWS, /* of a part, where many tokens share them */
};

size_t llm_cpu_gate_floats(size_t max_batch) {
    return 2 * MAX((size_t)FEW_TOKENS * MAX_FEW_ROWS, max_batch * MANY_ROWS);
}

typedef struct MatmulWork {
    CpuDevice *cpu;
    const LlmTensor *w[3]; /* they share their inputs */
    float *y[3];
    size_t n_products, n_rows; /* n_rows of all */
    const float *x;
    size_t n_in, n_tokens, part_rows, n_parts;
    bool accumulate, swiglu;
    _Atomic uint32_t n_taken[POOL_MAX_THREADS]; /* parts of each thread's span */
} MatmulWork;

/* ---- inputs ------------------------------------------------------------------------------------
 */

static KernelsArithmetic arithmetic_of(const MatmulWork *work, size_t i) {
    return kernels_arithmetic(&work->cpu->kernels, work->w[i]->type, work->n_tokens);
}

static void pack_part(void *context, size_t part, unsigned thread) {
    const MatmulWork *work = context;
    const CpuDevice *cpu = work->cpu;
    bool done[KERNELS_N_ARITHMETICS] = { [KERNELS_F32] = true };
    (void)thread;
    for (size_t i = 0; i < work->n_products; i++) {
        KernelsArithmetic a = arithmetic_of(work, i);
        if (done[a]) continue;
        done[a] = true;
        size_t bytes = kernels_packed_bytes(a, work->n_in);
        FOR_ROWS(t, work->n_tokens, part) {
            cpu->kernels.pack[a](work->x + t * work->n_in, work->n_in, cpu->packed[a] + t * bytes);
        }
    }
}

static void pack_inputs(MatmulWork *work) {
    for (size_t i = 0; i < work->n_products; i++) {
        if (arithmetic_of(work, i) == KERNELS_F32) continue;
        pool_run(work->cpu->pool, llm_cpu_row_parts(work->n_tokens), pack_part, work);
        return;
    }
}

/* ---- products ---------------------------------------------------------------------------------
 */

/* Rows [begin, end) of product i; y: where row `begin` of the first token goes. */
static void matmul_rows(const MatmulWork *work, size_t i, size_t begin, size_t end, float *y,
                        size_t y_stride, float *scratch) {
    const LlmTensor *w = work->w[i];
    const CpuDevice *cpu = work->cpu;
    KernelsArithmetic a = arithmetic_of(work, i);
    KernelsMatmulJob job = {
        .w = w->data + begin * w->row_bytes,
        .row_bytes = w->row_bytes,
        .n = w->n_in,
        .x = a == KERNELS_F32 ? (const void *)work->x : cpu->packed[a],
        .x_stride = kernels_packed_bytes(a, w->n_in),
        .n_tokens = work->n_tokens,
        .y = y,
        .y_stride = y_stride,
        .accumulate = work->accumulate,
    };
    cpu->kernels.matmul[w->type](&job, 0, end - begin, scratch);
}

/* The next part for a thread: of its span, or else of the next one's that has any. The pool calls
 * as often as there are parts, so there is one for every call. */
static size_t take_part(MatmulWork *work, unsigned thread) {
    size_t n_threads = pool_n_threads(work->cpu->pool);
    for (size_t i = 0;; i++) {
        assert(i < n_threads);
        size_t span = (thread + i) % n_threads, end = (span + 1) * work->n_parts / n_threads;
        size_t part = span * work->n_parts / n_threads + atomic_fetch_add(&work->n_taken[span], 1);
        if (part < end) return part;
    }
}

/* One range of rows: the first product's, then the second's. */
static void matmul_part(void *context, size_t call, unsigned thread) {
    MatmulWork *work = context;
    (void)call;
    size_t part = take_part(work, thread);
    size_t begin = part * work->part_rows, end = MIN(begin + work->part_rows, work->n_rows);
    size_t first = 0;
    for (size_t i = 0; i < work->n_products && begin < end; first += work->w[i++]->n_rows) {
        size_t past = first + work->w[i]->n_rows;
        if (begin >= past) continue;
        size_t stop = MIN(end, past);
        matmul_rows(work, i, begin - first, stop - first, work->y[i] + begin - first,
                    work->w[i]->n_rows, llm_cpu_scratch(work->cpu, thread));
        begin = stop;
    }
}

/* Both products stay in the cache, side by side, until their tokens are made one of: rows of the
 * whole matrix would be kilobytes apart. */
static void swiglu_part(void *context, size_t call, unsigned thread) {
    MatmulWork *work = context;
    const CpuDevice *cpu = work->cpu;
    (void)call;
    size_t part = take_part(work, thread);
    size_t begin = part * work->part_rows, end = MIN(begin + work->part_rows, work->n_rows);
    size_t n = end - begin;
    float *scratch = llm_cpu_scratch(cpu, thread);
    float *gate = scratch + cpu->gate_at, *up = gate + work->n_tokens * n;
    matmul_rows(work, 0, begin, end, gate, n, scratch);
    matmul_rows(work, 1, begin, end, up, n, scratch);
    for (size_t t = 0; t < work->n_tokens; t++) {
        float *y = work->y[0] + t * work->n_rows + begin;
        cpu->kernels.silu_mul(gate + t * n, up + t * n, n, y);
    }
}

static size_t part_rows(const MatmulWork *work) {
    if (work->n_tokens >= FEW_TOKENS) return MANY_ROWS;
    size_t rows = PART_BYTES / work->w[0]->row_bytes / KERNELS_PANEL_ROWS * KERNELS_PANEL_ROWS;
    return MIN(MAX(rows, (size_t)MANY_ROWS), (size_t)MAX_FEW_ROWS);
}

static void run_matmul(MatmulWork *work) {
    work->n_in = work->w[0]->n_in;
    if (work->swiglu) {
        work->n_rows = work->w[0]->n_rows;
    } else {
        for (size_t i = 0; i < work->n_products; i++) work->n_rows += work->w[i]->n_rows;
    }
    work->part_rows = part_rows(work);
    pack_inputs(work);
    work->n_parts = (work->n_rows + work->part_rows - 1) / work->part_rows;
    pool_run(work->cpu->pool, work->n_parts, work->swiglu ? swiglu_part : matmul_part, work);
}

void llm_cpu_matmul(LlmDevice *d, const LlmTensor *w, const float *x, size_t n, float *y) {
    MatmulWork work = {
        .cpu = cpu_of(d), .w = { w }, .y = { y }, .n_products = 1, .x = x, .n_tokens = n
    };
    run_matmul(&work);
}

void llm_cpu_matmul_add(LlmDevice *d, const LlmTensor *w, const float *x, size_t n, float *y) {
    MatmulWork work = { .cpu = cpu_of(d),
                        .w = { w },
                        .y = { y },
                        .n_products = 1,
                        .x = x,
                        .n_tokens = n,
                        .accumulate = true };
    run_matmul(&work);
}

void llm_cpu_matmul_qkv(LlmDevice *d, const LlmLayer *layer, const float *x, float *q, float *k,
                        float *v) {
    MatmulWork work = { .cpu = cpu_of(d),
                        .w = { &layer->wq, &layer->wk, &layer->wv },
                        .y = { q, k, v },
                        .n_products = 3,
                        .x = x,
                        .n_tokens = cpu_of(d)->batch->n_tokens };
    run_matmul(&work);
}

void llm_cpu_matmul_swiglu(LlmDevice *d, const LlmLayer *layer, const float *x, float *up,
                           float *y) {
    MatmulWork work = { .cpu = cpu_of(d),
                        .w = { &layer->w_gate, &layer->w_up },
                        .y = { y, up },
                        .n_products = 2,
                        .x = x,
                        .n_tokens = cpu_of(d)->batch->n_tokens,
                        .swiglu = true };
    run_matmul(&work);
}
