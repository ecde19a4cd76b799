#pragma once
/* Sends documents over several connections at once, so that the daemon reads them in parallel and
 * commits several in one transaction.
 * Threads: upload_run starts its own and ends them; everything in Upload is theirs, under `lock`,
 * until it returns. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/walk.h"

#include <pthread.h>
#include <stdatomic.h>

/* What is known of documents beside their bytes; NULL = not given. */
typedef struct UploadMeta {
    const char *collection, *name, *mime, *title, *url, *date, *language, *source;
} UploadMeta;

typedef struct UploadOptions {
    UploadMeta meta; /* for every file; name and url are the file's own where NULL */
    size_t n_jobs;   /* connections */
    uint64_t max_file_bytes;
    double patience_s; /* how long a busy daemon is asked again, per document */
} UploadOptions;

typedef struct Upload {
    Cli *cli;
    const UploadOptions *options;
    const Walk *walk;
    Progress progress;
    pthread_mutex_t lock;
    size_t next, n_finished; /* files */
    uint64_t n_bytes_finished;
    size_t n_running;
    bool stop;  /* no new files: interrupted, or an error that every file would meet */
    bool fatal; /* that error is in `error` */
    FonteError error;
    int exit_status;                                                /* of the first failure */
    size_t n_added, n_replaced, n_unchanged, n_skipped, n_passages; /* documents; skipped: inputs */
    size_t n_skipped_records;   /* records inside inputs that could not be read */
    cJSON *documents, *skipped; /* for --json; NULL otherwise */
} Upload;

/* Set by a signal handler, read by all threads (lock-free): no new files are begun. */
extern atomic_bool upload_interrupted;

/* All files of the walk. */
void upload_run(Upload *upload);
/* One input from memory (standard input). */
void upload_bytes(Upload *upload, const char *bytes, size_t n);
/* Tell that a path is left out, now or by walk_path. */
void upload_skip(Upload *upload, const char *path, bool failed, FonteStatus status,
                 const char *reason);
