/* Threading model: a tensor is cut into chunks of whole rows; threads that live for one tensor take
 * chunks from an atomic counter, the caller among them. Each keeps the first bad element that it
 * met in first_bad (a minimum), so that the answer does not depend on who was faster. */
#include "gguf/verify.h"

#include "gguf/gguf_internal.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { VERIFY_MAX_THREADS = 256, VERIFY_CHUNK_ELEMENTS = 1 << 18 };
#define NO_BAD UINT64_MAX

typedef struct Scan {
    const GgufTensor *tensor;
    uint64_t chunk_rows;
    atomic_uint_fast64_t next_row;
    atomic_uint_fast64_t first_bad; /* index of an element, or NO_BAD */
} Scan;

typedef struct ScanThread {
    Scan *scan;
    float *row; /* [dims[0]], owned */
} ScanThread;

/* Whether all are finite: exponent bits all set is infinity or NaN. Written so that compilers make
 * vectors of it. */
static bool all_finite(const float *x, size_t n) {
    uint32_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = gguf_f32_bits(x[i]) & 0x7FFFFFFFU;
        worst = MAX(worst, bits);
    }
    return worst < 0x7F800000U;
}

static void note_bad(Scan *scan, uint64_t element) {
    uint64_t seen = atomic_load(&scan->first_bad);
    while (element < seen && !atomic_compare_exchange_weak(&scan->first_bad, &seen, element))
        continue;
}

static void *scan_rows_work(void *argument) {
    ScanThread *own = argument;
    Scan *scan = own->scan;
    const GgufTensor *t = scan->tensor;
    size_t columns = (size_t)t->dims[0];
    for (;;) {
        uint64_t begin = atomic_fetch_add(&scan->next_row, scan->chunk_rows);
        /* Chunks are taken in order: beyond the first bad row there is nothing better to find. */
        if (begin >= t->n_rows || atomic_load(&scan->first_bad) / columns < begin) return NULL;
        uint64_t end = begin + MIN(scan->chunk_rows, t->n_rows - begin);
        for (uint64_t r = begin; r < end; r++) {
            gguf_decode_row(t->type, t->data + r * t->row_bytes, columns, own->row);
            if (all_finite(own->row, columns)) continue;
            size_t i = 0;
            while (all_finite(own->row + i, 1)) i++;
            note_bad(scan, r * columns + i);
            return NULL;
        }
    }
}

static Status scan_tensor(Scan *scan, unsigned n_threads, Err *err) {
    const GgufTensor *t = scan->tensor;
    ScanThread own[VERIFY_MAX_THREADS] = { 0 };
    pthread_t threads[VERIFY_MAX_THREADS];
    size_t n_started = 0;
    uint64_t n_chunks = (t->n_rows - 1) / scan->chunk_rows + 1;
    n_threads = (unsigned)MIN((uint64_t)n_threads, n_chunks);
    Status status = STATUS_OK;
    for (unsigned i = 0; i < n_threads; i++) {
        own[i] = (ScanThread){ scan, mem_alloc((size_t)t->dims[0], sizeof(float)) };
        if (!own[i].row) status = err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    /* A thread that cannot be started only costs time. */
    for (unsigned i = 1; i < n_threads && status == STATUS_OK; i++)
        if (pthread_create(&threads[n_started], NULL, scan_rows_work, &own[i]) == 0) n_started++;
    if (status == STATUS_OK) scan_rows_work(&own[0]);
    for (size_t i = 0; i < n_started; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < n_threads; i++) free(own[i].row);
    return status;
}

static Status say_bad(const GgufFile *file, const GgufTensor *t, uint64_t element, Err *err) {
    const GgufTypeTraits *traits = gguf_type_traits(t->type);
    uint64_t row = element / t->dims[0], column = element % t->dims[0];
    uint64_t block = row * t->row_bytes + column / traits->n_elements * traits->bytes;
    return err_set(err, STATUS_DAMAGED,
                   "%s: tensor '%.*s': row %llu, column %llu (%s, byte %llu) is not a finite "
                   "number",
                   gguf_file_path(file), NAME_ARGS(t->name), (unsigned long long)row,
                   (unsigned long long)column, traits->name,
                   (unsigned long long)(t->at_byte + block));
}

Status gguf_verify(const GgufFile *file, const GgufVerifyOptions *options, Err *err) {
    static const GgufVerifyOptions defaults;
    uint64_t done = 0, total = 0;
    if (!options) options = &defaults;
    long n_processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n_threads = options->n_threads ? options->n_threads : (unsigned)MAX(n_processors, 1L);
    n_threads = MIN(n_threads, (unsigned)VERIFY_MAX_THREADS);
    for (size_t i = 0; i < gguf_file_n_tensors(file); i++)
        total += gguf_file_tensor_at(file, i)->bytes;
    for (size_t i = 0; i < gguf_file_n_tensors(file); i++) {
        const GgufTensor *t = gguf_file_tensor_at(file, i);
        if (options->progress && !options->progress(options->user, done, total))
            return err_set(err, STATUS_CANCELLED, "cancelled");
        if (t->bytes == 0) continue;
        Scan scan = { .tensor = t, .chunk_rows = VERIFY_CHUNK_ELEMENTS / t->dims[0] + 1 };
        atomic_init(&scan.next_row, 0);
        atomic_init(&scan.first_bad, NO_BAD);
        TRY(scan_tensor(&scan, n_threads, err));
        uint64_t bad = atomic_load(&scan.first_bad);
        if (bad != NO_BAD) return say_bad(file, t, bad, err);
        done += t->bytes;
    }
    if (options->progress && !options->progress(options->user, done, total))
        return err_set(err, STATUS_CANCELLED, "cancelled");
    return STATUS_OK;
}
