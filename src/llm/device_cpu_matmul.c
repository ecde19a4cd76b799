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
    FEW_ROWS = 2 * KERNELS_PANEL_ROWS, /* of a part, a multiple of these */
    MAX_FEW_ROWS = 4 * FEW_ROWS,
    THREAD_PARTS = 4, /* of many tokens, at the least */
};

size_t llm_cpu_gate_floats(size_t max_batch) {
    return 2 * MAX((size_t)FEW_TOKENS * MAX_FEW_ROWS, max_batch * KERNELS_TILES_ROWS);
}

/* Tokens of one use. */
typedef struct Span {
    KernelsUse use;
    size_t first, n;
    size_t pack_tokens; /* inputs of so many are packed at a time */
} Span;

typedef struct MatmulWork {
    CpuDevice *cpu;
    const LlmTensor *w[3]; /* they share their inputs */
    float *y[3];
    size_t n_products, n_rows; /* n_rows of all */
    const float *x;
    size_t n_in, n_tokens, n_written, part_rows, n_parts;
    Span spans[KERNELS_N_USES];
    size_t n_spans;
    bool accumulate, swiglu;
    _Atomic uint32_t n_taken[POOL_MAX_THREADS]; /* parts of each thread's span */
} MatmulWork;

/* ---- inputs ------------------------------------------------------------------------------------
 */

static const KernelsProduct *product_of(const MatmulWork *work, const Span *span, size_t i) {
    return &work->cpu->kernels.products[span->use][work->w[i]->type];
}
static KernelsArithmetic arithmetic_of(const MatmulWork *work, const Span *span, size_t i) {
    return kernels_arithmetic(product_of(work, span, i), span->n);
}

/* Where the packed inputs of a span are. Tokens that stand alone have the place of their own in the
 * batch; tiles, which only those that are read have, begin where the memory does. */
static uint8_t *packed_at(const MatmulWork *work, const Span *span, KernelsArithmetic a) {
    size_t first = kernels_in_tiles(a) ? 0 : span->first;
    return work->cpu->packed[a] + first * kernels_packed_bytes(a, work->n_in);
}

/* What all products multiply in the same way is one span. */
static void divide(MatmulWork *work) {
    bool same = true;
    for (size_t i = 0; i < work->n_products; i++) {
        same &= kernels_same_product(&work->cpu->kernels, work->w[i]->type);
    }
    size_t n_written = same ? 0 : work->n_written;
    if (n_written > 0) {
        work->spans[work->n_spans++] = (Span){ .use = KERNELS_WRITING, .n = n_written };
    }
    if (n_written < work->n_tokens) {
        work->spans[work->n_spans++] =
            (Span){ .use = KERNELS_READING, .first = n_written, .n = work->n_tokens - n_written };
    }
}

static size_t span_parts(const Span *span) {
    return (span->n + span->pack_tokens - 1) / span->pack_tokens;
}

static void pack_part(void *context, size_t part, unsigned thread) {
    const MatmulWork *work = context;
    const CpuDevice *cpu = work->cpu;
    const Span *span = work->spans;
    bool done[KERNELS_N_ARITHMETICS] = { [KERNELS_F32] = true };
    (void)thread;
    for (; part >= span_parts(span); span++) part -= span_parts(span);
    size_t begin = part * span->pack_tokens;
    for (size_t i = 0; i < work->n_products; i++) {
        KernelsArithmetic a = arithmetic_of(work, span, i);
        if (done[a]) continue;
        done[a] = true;
        KernelsPackJob job = { .x = work->x + span->first * work->n_in,
                               .x_stride = work->n_in,
                               .n = work->n_in,
                               .n_tokens = span->n,
                               .y = packed_at(work, span, a) };
        cpu->kernels.pack[a](&job, begin, MIN(begin + span->pack_tokens, span->n));
    }
}

static void pack_inputs(MatmulWork *work) {
    bool any = false;
    size_t n_parts = 0;
    for (size_t k = 0; k < work->n_spans; k++) {
        Span *span = &work->spans[k];
        span->pack_tokens = CPU_ROW_PART_TOKENS;
        for (size_t i = 0; i < work->n_products; i++) {
            KernelsArithmetic a = arithmetic_of(work, span, i);
            any |= a != KERNELS_F32;
            if (kernels_in_tiles(a)) span->pack_tokens = KERNELS_PACK_TOKENS;
        }
        n_parts += span_parts(span);
    }
    if (any) pool_run(work->cpu->pool, n_parts, pack_part, work);
}

/* ---- products ---------------------------------------------------------------------------------
 */

/* Rows [begin, end) of product i; y: where row `begin` of the first token goes. */
static void matmul_rows(const MatmulWork *work, size_t i, size_t begin, size_t end, float *y,
                        size_t y_stride, float *scratch) {
    const LlmTensor *w = work->w[i];
    for (size_t k = 0; k < work->n_spans; k++) {
        const Span *span = &work->spans[k];
        KernelsArithmetic a = arithmetic_of(work, span, i);
        KernelsMatmulJob job = {
            .w = w->data + begin * w->row_bytes,
            .row_bytes = w->row_bytes,
            .n = w->n_in,
            .x = a == KERNELS_F32 ? (const void *)(work->x + span->first * w->n_in)
                                  : packed_at(work, span, a),
            .x_stride = kernels_packed_bytes(a, w->n_in),
            .n_tokens = span->n,
            .y = y + span->first * y_stride,
            .y_stride = y_stride,
            .accumulate = work->accumulate,
            /* the first span has had these rows fetched: now the next part's */
            .ahead = k > 0 ? end - begin : 0,
            .streams = work->cpu->kernels.streams,
        };
        product_of(work, span, i)->matmul(&job, 0, end - begin, scratch);
    }
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
    const Span *last = &work->spans[work->n_spans - 1];
    if (last->n >= FEW_TOKENS) {
        size_t share = work->n_rows / THREAD_PARTS / pool_n_threads(work->cpu->pool);
        return MIN(MAX(share / FEW_ROWS, (size_t)1) * FEW_ROWS,
                   product_of(work, last, 0)->many_rows);
    }
    size_t rows = PART_BYTES / work->w[0]->row_bytes / FEW_ROWS * FEW_ROWS;
    return MIN(MAX(rows, (size_t)FEW_ROWS), (size_t)MAX_FEW_ROWS);
}

static void run_matmul(MatmulWork *work) {
    work->n_in = work->w[0]->n_in;
    divide(work);
    if (work->n_spans == 0) return;
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

void llm_cpu_matmul(LlmDevice *d, const LlmTensor *w, const float *x, size_t n, size_t n_written,
                    float *y) {
    MatmulWork work = { .cpu = cpu_of(d),
                        .w = { w },
                        .y = { y },
                        .n_products = 1,
                        .x = x,
                        .n_tokens = n,
                        .n_written = n_written };
    run_matmul(&work);
}

/* Of all tokens of the batch. */
static MatmulWork batch_work(LlmDevice *d, const float *x) {
    CpuDevice *cpu = cpu_of(d);
    return (MatmulWork){
        .cpu = cpu, .x = x, .n_tokens = cpu->batch->n_tokens, .n_written = cpu->batch->n_written
    };
}

void llm_cpu_matmul_add(LlmDevice *d, const LlmTensor *w, const float *x, float *y) {
    MatmulWork work = batch_work(d, x);
    work.w[work.n_products] = w;
    work.y[work.n_products++] = y;
    work.accumulate = true;
    run_matmul(&work);
}

void llm_cpu_matmul_qkv(LlmDevice *d, const LlmLayer *layer, const float *x, float *q, float *k,
                        float *v) {
    MatmulWork work = batch_work(d, x);
    const LlmTensor *const w[] = { &layer->wq, &layer->wk, &layer->wv };
    float *const y[] = { q, k, v };
    for (; work.n_products < N_ELEMENTS(w); work.n_products++) {
        work.w[work.n_products] = w[work.n_products];
        work.y[work.n_products] = y[work.n_products];
    }
    run_matmul(&work);
}

void llm_cpu_matmul_swiglu(LlmDevice *d, const LlmLayer *layer, const float *x, float *up,
                           float *y) {
    MatmulWork work = batch_work(d, x);
    work.w[0] = &layer->w_gate;
    work.w[1] = &layer->w_up;
    work.n_products = 2;
    work.y[0] = y;
    work.swiglu = true;
    (void)up; /* the gates of a part are enough */
    run_matmul(&work);
}
