/* The whole path of adding: what fonted does with a body, without the socket. Each repetition has
 * an index of its own; the text is made before the clock starts. */
#include "cli/bench.h"
#include "cli/bench_text.h"
#include "cli/workspace.h"

#include <fonte/index.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENT_BYTES = 20000, BATCH = 64 };

static FonteStatus add_batch(FonteIndex *index, BenchText *text, size_t first, double *seconds,
                             size_t *bytes, FonteError *error) {
    FonteInput inputs[BATCH] = { 0 };
    char urls[BATCH][32];
    FonteStatus status = FONTE_OK;
    for (size_t i = 0; i < BATCH; i++) {
        char *document = bench_text_document(text, DOCUMENT_BYTES);
        if (!document) status = error->status = FONTE_NO_MEMORY;
        snprintf(urls[i], sizeof urls[i], "bench:%zu", first + i);
        inputs[i] = (FonteInput){ .bytes = document,
                                  .n_bytes = document ? strlen(document) : 0,
                                  .url = urls[i],
                                  .mime = "text/plain" };
        *bytes += inputs[i].n_bytes;
    }
    double start = bench_now_s();
    if (!status) status = fonte_index_add_many(index, inputs, BATCH, 0, NULL, NULL, error);
    *seconds += bench_now_s() - start;
    for (size_t i = 0; i < BATCH; i++) free((void *)inputs[i].bytes);
    return status;
}

static FonteStatus ingest_once(const BenchOptions *options, int repeat, BenchReport *report,
                               FonteError *error) {
    const char *folder;
    FonteIndex *index = NULL;
    BenchText *text = bench_text_new((uint64_t)repeat + 1);
    if (!text) return error->status = FONTE_NO_MEMORY;
    FonteStatus status = workspace_open(&folder, error);
    if (!status) status = fonte_index_open(folder, NULL, &index, error);
    size_t bytes = 0, wanted = options->megabytes * 1000000, n = 0;
    double seconds = 0;
    while (!status && bytes < wanted && !workspace_interrupted()) {
        status = add_batch(index, text, n, &seconds, &bytes, error);
        n += BATCH;
        if (!options->keep_quiet)
            fprintf(stderr, "\ringest: %zu of %zu MB", bytes / 1000000, options->megabytes);
    }
    if (!options->keep_quiet) fputc('\n', stderr);
    if (!status && workspace_interrupted()) status = error->status = FONTE_CANCELLED;
    FonteIndexCounts counts = { 0 };
    if (!status) status = fonte_index_counts(index, &counts, error);
    if (!status) {
        bench_add(report, "ingest", "MB/s", (double)bytes / 1e6 / seconds);
        bench_add(report, "passages", "passages/s", (double)counts.n_passages / seconds);
        bench_add(report, "index_size", "bytes per byte of text",
                  (double)counts.n_file_bytes / (double)bytes);
        bench_add(report, "peak_memory", "MB", bench_peak_mb(0));
    }
    fonte_index_close(index);
    workspace_close();
    bench_text_free(text);
    return status;
}

FonteStatus bench_ingest(const BenchOptions *options, BenchReport *ret, FonteError *error) {
    for (int i = 0; i < options->repeats; i++) {
        FonteStatus status = ingest_once(options, i, ret, error);
        if (status) return status;
    }
    return FONTE_OK;
}
