/* Threading model: a tensor is cut into windows of about 64 MiB of output, a window into chunks of
 * whole rows. Worker threads live for one window; they take chunks from an atomic counter, and the
 * caller works with them, so that failing to start a thread only costs time. A chunk's rows, output
 * bytes and error sums belong to whoever took it. Sums are kept per chunk and added in order by the
 * caller after the join: results do not depend on who was faster. */
#include "gguf/quantize.h"

#include "gguf/gguf_internal.h"
#include "gguf/writer.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_THREADS = 256, CHUNK_ELEMENTS = 1 << 16 };
static const size_t WINDOW_BYTES = (size_t)64 << 20;

typedef struct Sums {
    double error, power; /* of squares */
    double max_error;
    size_t n_bad; /* not finite */
} Sums;

typedef struct Window {
    const GgufTensor *tensor;
    GgufType to;
    size_t to_row_bytes;
    uint64_t first_row;
    size_t n_rows, chunk_rows, n_chunks;
    uint8_t *out; /* [n_rows * to_row_bytes] */
    Sums *sums;   /* [n_chunks] */
    atomic_size_t next_chunk;
} Window;

typedef struct Worker {
    Window *window;
    float *row, *again; /* [columns] each */
} Worker;

static void add_row(Sums *sums, const float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            sums->n_bad++;
            continue;
        }
        double error = fabs((double)y[i] - x[i]);
        sums->error += error * error;
        sums->power += (double)x[i] * x[i];
        sums->max_error = MAX(sums->max_error, error);
    }
}

static void *encode_chunks_work(void *argument) {
    const Worker *worker = argument;
    Window *w = worker->window;
    const GgufTensor *t = w->tensor;
    size_t columns = (size_t)t->dims[0];
    for (;;) {
        size_t chunk = atomic_fetch_add(&w->next_chunk, 1);
        if (chunk >= w->n_chunks) return NULL;
        size_t end = MIN(w->n_rows, (chunk + 1) * w->chunk_rows);
        for (size_t r = chunk * w->chunk_rows; r < end; r++) {
            uint8_t *out = w->out + r * w->to_row_bytes;
            gguf_decode_row(t->type, t->data + (w->first_row + r) * t->row_bytes, columns,
                            worker->row);
            gguf_encode_row(w->to, worker->row, columns, out);
            gguf_decode_row(w->to, out, columns, worker->again);
            add_row(&w->sums[chunk], worker->row, worker->again, columns);
        }
    }
}

typedef struct Job {
    const GgufFile *in;
    GgufWriter *out;
    const GgufQuantizeOptions *options;
    unsigned n_threads;
    uint64_t done_bytes, total_bytes;
    uint8_t *buffer; /* of a window's output */
    size_t buffer_bytes;
    Worker workers[MAX_THREADS];
} Job;

static Status tell_progress(Job *job, uint64_t bytes, Err *err) {
    job->done_bytes += bytes;
    if (!job->options->progress) return STATUS_OK;
    if (job->options->progress(job->options->user, job->done_bytes, job->total_bytes)) {
        return STATUS_OK;
    }
    return err_set(err, STATUS_CANCELLED, "cancelled");
}

static void run_window(Job *job, Window *window) {
    pthread_t threads[MAX_THREADS];
    size_t n_started = 0, n_wanted = MIN((size_t)job->n_threads, window->n_chunks);
    for (size_t i = 0; i < n_wanted; i++) job->workers[i].window = window;
    for (size_t i = 1; i < n_wanted; i++) {
        if (pthread_create(&threads[n_started], NULL, encode_chunks_work, &job->workers[i]) == 0) {
            n_started++;
        }
    }
    encode_chunks_work(&job->workers[0]);
    for (size_t i = 0; i < n_started; i++) pthread_join(threads[i], NULL);
}

static Status make_room(Job *job, const GgufTensor *t, size_t out_bytes, Err *err) {
    if (out_bytes > job->buffer_bytes) {
        free(job->buffer);
        job->buffer_bytes = 0;
        job->buffer = mem_alloc(out_bytes, 1);
        if (!job->buffer) return err_set(err, STATUS_NO_MEMORY, "out of memory");
        job->buffer_bytes = out_bytes;
    }
    for (unsigned i = 0; i < job->n_threads; i++) {
        Worker *w = &job->workers[i];
        free(w->row);
        free(w->again);
        w->row = mem_alloc((size_t)t->dims[0], sizeof *w->row);
        w->again = mem_alloc((size_t)t->dims[0], sizeof *w->again);
        if (!w->row || !w->again) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    return STATUS_OK;
}

static void add_sums(Sums *total, const Sums *sums, size_t n) {
    for (size_t i = 0; i < n; i++) {
        total->error += sums[i].error;
        total->power += sums[i].power;
        total->n_bad += sums[i].n_bad;
        total->max_error = MAX(total->max_error, sums[i].max_error);
    }
}

static Status encode_tensor(Job *job, const GgufTensor *t, GgufType to, Sums *ret, Err *err) {
    size_t row_bytes;
    if (!gguf_type_row_bytes(to, t->dims[0], &row_bytes)) {
        return err_set(err, STATUS_INTERNAL, "tensor '%.*s' does not fit %s", NAME_ARGS(t->name),
                       gguf_type_name(to));
    }
    size_t window_rows = (size_t)MIN(t->n_rows, MAX(WINDOW_BYTES / row_bytes, 1));
    size_t chunk_rows = (size_t)MAX(CHUNK_ELEMENTS / t->dims[0], 1);
    size_t max_chunks = window_rows / chunk_rows + 1;
    TRY(make_room(job, t, window_rows * row_bytes, err));
    AUTO_FREE Sums *sums = mem_alloc(max_chunks, sizeof *sums);
    if (!sums) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    for (uint64_t row = 0; row < t->n_rows; row += window_rows) {
        size_t n_rows = (size_t)MIN(window_rows, t->n_rows - row);
        Window w = { .tensor = t,
                     .to = to,
                     .to_row_bytes = row_bytes,
                     .first_row = row,
                     .n_rows = n_rows,
                     .chunk_rows = chunk_rows,
                     .n_chunks = (n_rows + chunk_rows - 1) / chunk_rows,
                     .out = job->buffer,
                     .sums = sums };
        memset(sums, 0, max_chunks * sizeof *sums);
        run_window(job, &w);
        add_sums(ret, sums, w.n_chunks);
        if (ret->n_bad && gguf_type_traits(to)->quantized) {
            return err_set(err, STATUS_DAMAGED,
                           "%s: tensor '%.*s' at byte %llu: %zu elements are no finite numbers",
                           gguf_file_path(job->in), NAME_ARGS(t->name),
                           (unsigned long long)t->at_byte, ret->n_bad);
        }
        TRY(gguf_writer_data(job->out, job->buffer, n_rows * row_bytes, err));
        TRY(tell_progress(job, n_rows * t->row_bytes, err));
    }
    return STATUS_OK;
}

static Status copy_tensor(Job *job, const GgufTensor *t, Err *err) {
    for (size_t at = 0; at < t->bytes; at += WINDOW_BYTES) {
        size_t n = MIN(WINDOW_BYTES, t->bytes - at);
        TRY(gguf_writer_data(job->out, t->data + at, n, err));
        TRY(tell_progress(job, n, err));
    }
    return STATUS_OK;
}

/* ---- the file ------------------------------------------------------------------------------- */

static GgufMixModel model_of(const GgufFile *file, bool pure) {
    GgufMixModel model = { .gqa = 1, .pure = pure };
    model.has_output = gguf_file_tensor(file, "output.weight") != NULL;
    Slice architecture;
    if (gguf_file_string(file, "general.architecture", &architecture, NULL) != STATUS_OK) {
        return model;
    }
    static const char *const names[] = { "block_count", "attention.head_count",
                                         "attention.head_count_kv" };
    uint64_t values[3] = { 0, 1, 0 };
    for (size_t i = 0; i < 3; i++) {
        char key[160];
        snprintf(key, sizeof key, "%.*s.%s", NAME_ARGS(architecture), names[i]);
        /* a missing or odd value only means a plainer mixture */
        (void)!gguf_file_count(file, key, 1U << 20, &values[i], NULL);
    }
    model.n_layers = (uint32_t)values[0];
    if (values[2]) model.gqa = (uint32_t)(values[1] / values[2]);
    return model;
}

static void declare_keys(const GgufFile *in, const GgufMix *mix, GgufWriter *out) {
    for (size_t i = 0; i < gguf_file_n_keys(in); i++) {
        const GgufKey *key = gguf_file_key_at(in, i);
        if (slice_equal(key->name, SLICE("general.file_type"))) continue;
        if (slice_equal(key->name, SLICE("general.quantization_version"))) continue;
        gguf_writer_copy_key(out, key);
    }
    gguf_writer_u32(out, "general.file_type", mix->file_type);
    if (gguf_type_traits(mix->base)->quantized) {
        gguf_writer_u32(out, "general.quantization_version", 2);
    }
}

static void tell_report(const Job *job, const GgufTensor *t, GgufType to, const Sums *sums) {
    if (!job->options->report) return;
    double n = (double)t->dims[0] * (double)t->n_rows;
    size_t row_bytes = 0;
    if (!gguf_type_row_bytes(to, t->dims[0], &row_bytes)) return;
    GgufTensorReport report = {
        .name = t->name,
        .from = t->type,
        .to = to,
        .n_elements = t->dims[0] * t->n_rows,
        .bytes = row_bytes * t->n_rows,
        .rmse = sqrt(sums->error / n),
        .relative = sums->power > 0 ? sqrt(sums->error / sums->power) : 0,
        .max_error = sums->max_error,
    };
    job->options->report(job->options->user, &report);
}

static Status write_tensors(Job *job, const GgufType *types, GgufQuantizeSummary *ret, Err *err) {
    Sums all = { 0 };
    for (size_t i = 0; i < gguf_file_n_tensors(job->in); i++) {
        const GgufTensor *t = gguf_file_tensor_at(job->in, i);
        Sums sums = { 0 };
        TRY(gguf_file_check_unchanged(job->in, err));
        if (types[i] == t->type) {
            TRY(copy_tensor(job, t, err));
        } else {
            TRY(encode_tensor(job, t, types[i], &sums, err));
            add_sums(&all, &sums, 1);
            ret->n_changed++;
        }
        size_t row_bytes = 0;
        if (!gguf_type_row_bytes(types[i], t->dims[0], &row_bytes)) continue;
        ret->n_tensors++;
        ret->in_bytes += t->bytes;
        ret->out_bytes += row_bytes * t->n_rows;
        ret->n_elements += t->dims[0] * t->n_rows;
        tell_report(job, t, types[i], &sums);
    }
    if (ret->n_elements)
        ret->bits_per_weight = 8.0 * (double)ret->out_bytes / (double)ret->n_elements;
    ret->relative = all.power > 0 ? sqrt(all.error / all.power) : 0;
    return STATUS_OK;
}

static Status run_job(Job *job, const char *out_path, const GgufMix *mix, GgufQuantizeSummary *ret,
                      Err *err) {
    size_t n = gguf_file_n_tensors(job->in);
    AUTO_FREE GgufType *types = mem_alloc(n, sizeof *types);
    if (!types) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    GgufMixModel model = model_of(job->in, job->options->pure);
    gguf_writer_set_alignment(job->out, (uint32_t)gguf_file_alignment(job->in));
    declare_keys(job->in, mix, job->out);
    for (size_t i = 0; i < n; i++) {
        const GgufTensor *t = gguf_file_tensor_at(job->in, i);
        types[i] = gguf_mix_type(mix, &model, t->name, t->n_dims, t->dims[0], t->type);
        gguf_writer_tensor(job->out, t->name, types[i], t->n_dims, t->dims);
        job->total_bytes += t->bytes;
    }
    TRY(gguf_writer_begin(job->out, out_path, err));
    GgufQuantizeSummary summary = { 0 };
    TRY(write_tensors(job, types, &summary, err));
    TRY(gguf_writer_finish(job->out, err));
    if (ret) *ret = summary;
    return STATUS_OK;
}

static void job_cleanup(Job **job) {
    if (!*job) return;
    gguf_file_close((GgufFile *)(*job)->in);
    gguf_writer_free((*job)->out);
    free((*job)->buffer);
    for (size_t i = 0; i < MAX_THREADS; i++) {
        free((*job)->workers[i].row);
        free((*job)->workers[i].again);
    }
    free(*job);
}

static unsigned threads_of(const GgufQuantizeOptions *options) {
    long n = options->n_threads ? (long)options->n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    return (unsigned)MIN(MAX(n, 1), MAX_THREADS);
}

Status gguf_quantize(const char *in_path, const char *out_path, const char *mix_name,
                     const GgufQuantizeOptions *options, GgufQuantizeSummary *ret, Err *err) {
    static const GgufQuantizeOptions defaults = { 0 };
    const GgufMix *mix = gguf_mix_find(mix_name);
    if (!mix) return err_set_param(err, STATUS_USAGE, "type", "unknown type '%s'", mix_name);
    CLEANUP(job_cleanup) Job *job = mem_alloc(1, sizeof *job);
    if (!job) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    job->options = options ? options : &defaults;
    job->n_threads = threads_of(job->options);
    GgufFile *in = NULL;
    TRY(gguf_file_open(in_path, NULL, &in, err));
    job->in = in;
    TRY(gguf_writer_new(&job->out, err));
    return run_job(job, out_path, mix, ret, err);
}
