#pragma once
/* From one GGUF file to another with other number formats, tensor by tensor in the file's order,
 * the rows of a tensor on several threads.
 * Threads: one call at a time per output file; the callbacks run on the calling thread. */
#include "gguf/file.h"
#include "gguf/mix.h"

typedef struct GgufTensorReport {
    Slice name; /* view, valid during the callback */
    GgufType from, to;
    uint64_t n_elements;
    uint64_t bytes;   /* in the new file */
    double rmse;      /* root mean square of (new - old) */
    double relative;  /* rmse / root mean square of the old values; 0 where those are 0 */
    double max_error; /* largest |new - old| */
} GgufTensorReport;

typedef struct GgufQuantizeOptions {
    unsigned n_threads; /* 0: as many as there are CPUs; at most 256 */
    bool pure;          /* every matrix in the base type, no mixture */
    /* Called as bytes of the input are done; false stops with CANCELLED. May be NULL. */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    /* Called for each tensor when it is written. May be NULL. */
    void (*report)(void *user, const GgufTensorReport *tensor);
    void *user;
} GgufQuantizeOptions;

typedef struct GgufQuantizeSummary {
    uint64_t in_bytes, out_bytes; /* of tensor data */
    uint64_t n_elements;
    size_t n_tensors, n_changed;
    double bits_per_weight; /* 8 out_bytes / n_elements */
    double relative;        /* over all elements: rmse / root mean square */
} GgufQuantizeSummary;

/* Write out_path (atomically). The result is the same for every number of threads. Tensors that are
 * quantised already are decoded and encoded again, which adds their errors: start from F32, F16 or
 * BF16 where there is a choice. in_path may equal out_path.
 * options, ret may be NULL.
 * Errors: USAGE for an unknown mix name; those of gguf_file_open and gguf_writer_*; DAMAGED where a
 * tensor to be quantised holds NaN or infinity; CANCELLED.
 * Memory: about 80 MiB besides the mapped input. */
Status gguf_quantize(const char *in_path, const char *out_path, const char *mix_name,
                     const GgufQuantizeOptions *options, GgufQuantizeSummary *ret,
                     Err *err) MUST_CHECK;
