/* Threading model: `lock` guards every field of Upload that changes, the two output streams and the
 * progress bar. A worker takes the next file under the lock, reads and sends it without, and tells
 * the outcome under it. The main thread only draws and watches for the signal. A document that was
 * sent is waited for, so that the sums at the end are right also after an interrupt.
 *
 * What a failure means: a document that the daemon cannot read is skipped; a busy daemon (429, 503)
 * is asked again after what it says in Retry-After, for `patience_s`; an error that every file
 * would meet (no daemon, no right, no space) ends the run. */
#include "cli/upload.h"

#include "cli/clean.h"
#include "cli/fileurl.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

atomic_bool upload_interrupted;

enum { MAX_BROKEN_CONNECTIONS = 3 };
static const double max_pause_s = 30;

typedef struct Worker {
    Upload *upload;
    FonteClient *client;
    pthread_t thread;
} Worker;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Sleep, but not through an interrupt. */
static void pause_s(double seconds) {
    for (double end = now_s() + seconds; now_s() < end && !upload_interrupted;) {
        struct timespec t = { 0, (long)(fmin(end - now_s(), 0.05) * 1e9) };
        if (t.tv_nsec > 0) nanosleep(&t, NULL);
    }
}

/* --- outcomes (all under the lock) --- */

static void add_skip_locked(Upload *upload, const char *path, FonteStatus status,
                            const char *reason) {
    upload->n_skipped++;
    progress_clear(&upload->progress);
    cli_warn(upload->cli, "%s: skipped: %s", path, reason);
    if (!upload->skipped) return;
    char *name = clean_string(path, strlen(path), false); /* JSON is UTF-8 */
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "path", name ? name : "");
    cJSON_AddStringToObject(item, "code", fonte_status_code(status));
    cJSON_AddStringToObject(item, "reason", reason);
    cJSON_AddItemToArray(upload->skipped, item);
    free(name);
}

static void set_exit_locked(Upload *upload, FonteStatus status) {
    if (upload->exit_status == EXIT_OK) upload->exit_status = fonte_status_exit(status);
}

void upload_skip(Upload *upload, const char *path, bool failed, FonteStatus status,
                 const char *reason) {
    pthread_mutex_lock(&upload->lock);
    add_skip_locked(upload, path, status, reason);
    if (failed) set_exit_locked(upload, status);
    pthread_mutex_unlock(&upload->lock);
}

static void count_document_locked(Upload *upload, const char *path, const cJSON *document) {
    if (json_bool(document, "duplicate"))
        upload->n_unchanged++;
    else if (json_bool(document, "replaced"))
        upload->n_replaced++;
    else
        upload->n_added++;
    upload->n_passages += (size_t)json_number(document, "passages");
    if (!upload->documents) return;
    cJSON *copy = cJSON_Duplicate(document, true);
    char *name = clean_string(path, strlen(path), false);
    if (copy && name) cJSON_AddStringToObject(copy, "path", name);
    free(name);
    cJSON_AddItemToArray(upload->documents, copy);
}

/* The answer to one input: one document, or {"documents":[...],"skipped":...} of a file that holds
 * several. */
static void count_answer_locked(Upload *upload, const char *path, const FonteResponse *response) {
    cJSON *json = cJSON_ParseWithLength(response->body, response->n_body);
    const cJSON *list = json_get(json, "documents"), *item;
    if (cJSON_IsArray(list)) {
        cJSON_ArrayForEach(item, list) count_document_locked(upload, path, item);
    } else if (cJSON_IsObject(json)) {
        count_document_locked(upload, path, json);
    }
    size_t n_skipped = (size_t)json_number(json, "skipped");
    if (n_skipped) {
        const char *reason = json_text(json, "skipped_reason");
        upload->n_skipped_records += n_skipped;
        progress_clear(&upload->progress);
        cli_warn(upload->cli, "%s: %zu record%s skipped%s%s", path, n_skipped,
                 n_skipped == 1 ? "" : "s", *reason ? ", first: " : "", reason);
    }
    cJSON_Delete(json);
}

static void fail_locked(Upload *upload, const char *path, bool named, const FonteError *error) {
    const char *text = error->text[0] ? error->text : fonte_status_text(error->status);
    switch (error->status) {
    case FONTE_UNREACHABLE:
    case FONTE_DENIED:
    case FONTE_NO_SPACE:
    case FONTE_USAGE:
        if (!upload->fatal) upload->error = *error;
        upload->fatal = upload->stop = true;
        return;
    case FONTE_CANCELLED: return; /* interrupted while the daemon was busy: not tried */
    case FONTE_UNSUPPORTED:
    case FONTE_INVALID:
    case FONTE_TOO_LARGE:
    case FONTE_DAMAGED:
        /* In a folder it is no failure that some files are no documents. */
        add_skip_locked(upload, path, error->status, text);
        if (named) set_exit_locked(upload, error->status);
        return;
    default:
        add_skip_locked(upload, path, error->status, text);
        set_exit_locked(upload, error->status);
    }
}

/* --- sending --- */

static bool is_busy(FonteStatus status, int http) {
    return http == 429 || http == 503 || status == FONTE_BUSY || status == FONTE_TIMEOUT;
}

/* Send until there is a final answer. */
static FonteStatus send_patiently(Upload *upload, FonteClient *client, const FonteRequest *request,
                                  FonteResponse *ret, FonteError *error) {
    double begun_s = now_s(), backoff_s = 0.1;
    for (unsigned n_broken = 0;;) {
        FonteResponse response = { 0 };
        FonteStatus status = fonte_client_send(client, request, &response, error);
        if (status == FONTE_OK) status = fonte_response_error(&response, error);
        if (status == FONTE_OK) {
            *ret = response;
            return FONTE_OK;
        }
        double wait_s = response.retry_after_s;
        bool again = is_busy(status, response.status);
        /* A connection that broke in mid-request: adding is the same done twice, so try again. A
         * socket where nobody listens is another matter. */
        if (status == FONTE_UNREACHABLE && strcmp(error->param, "socket") != 0)
            again = ++n_broken < MAX_BROKEN_CONNECTIONS;
        fonte_response_deinit(&response);
        wait_s = fmin(fmax(wait_s, backoff_s), max_pause_s);
        if (!again || now_s() + wait_s - begun_s > upload->options->patience_s) return status;
        pause_s(wait_s);
        if (upload_interrupted) {
            *error = (FonteError){ .status = FONTE_CANCELLED };
            return FONTE_CANCELLED;
        }
        backoff_s = fmin(2 * backoff_s, max_pause_s);
    }
}

/* What the name says of the type. Only types that the daemon cannot tell from the bytes alone, or
 * that its JSON form would be mistaken for, matter; it looks at the bytes in any case. */
static const char *type_of_name(const char *name) {
    static const char *const types[][2] = {
        { ".html", "text/html" },
        { ".htm", "text/html" },
        { ".xhtml", "text/html" },
        { ".md", "text/markdown" },
        { ".markdown", "text/markdown" },
        { ".jsonl", "application/x-ndjson" },
        { ".ndjson", "application/x-ndjson" },
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(dot, types[i][0]) == 0) return types[i][1];
    return "application/octet-stream";
}

static void send_one(Upload *upload, FonteClient *client, const char *path, bool named,
                     const UploadMeta *meta, const char *bytes, size_t n) {
    const UploadMeta *common = &upload->options->meta;
    const char *pairs[] = {
        "collection", common->collection, "name", meta->name,   "title", common->title,
        "url",        meta->url,          "date", common->date, "lang",  common->language,
        "source",     common->source,     NULL,
    };
    FonteError error = { 0 };
    FonteResponse response;
    char *target = cli_path("/v1/documents", pairs);
    FonteStatus status = FONTE_NO_MEMORY;
    if (target) {
        FonteRequest request = {
            .method = "POST", .path = target, .content_type = meta->mime, .body = bytes, .n_body = n
        };
        status = send_patiently(upload, client, &request, &response, &error);
    } else {
        error.status = status;
    }
    free(target);
    pthread_mutex_lock(&upload->lock);
    if (status == FONTE_OK)
        count_answer_locked(upload, path, &response);
    else
        fail_locked(upload, path, named, &error);
    pthread_mutex_unlock(&upload->lock);
    if (status == FONTE_OK) fonte_response_deinit(&response);
}

/* The whole file, returned owned; NULL and a reason. */
static char *read_file(const char *path, uint64_t max_bytes, size_t *ret_n, FonteError *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    char *bytes = NULL;
    size_t n = 0;
    if (fd < 0 || fstat(fd, &st) != 0) goto failed;
    if (!S_ISREG(st.st_mode)) { /* it changed since the walk */
        *error = (FonteError){ .status = FONTE_UNSUPPORTED, .text = "not a file" };
        goto out;
    }
    if ((uint64_t)st.st_size > max_bytes) {
        error->status = FONTE_TOO_LARGE;
        snprintf(error->text, sizeof error->text, "%.1f MB, over the limit of %.0f MB (--max-size)",
                 (double)st.st_size / 1e6, (double)max_bytes / 1e6);
        goto out;
    }
    size_t size = (size_t)st.st_size;
    bytes = malloc(size + 1);
    if (!bytes) goto failed;
    while (n < size) {
        ssize_t r = read(fd, bytes + n, size - n);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) goto failed;
        if (r == 0) break;
        n += (size_t)r;
    }
    close(fd);
    *ret_n = n;
    return bytes;
failed:
    error->status = errno == ENOENT   ? FONTE_NOT_FOUND
                    : errno == ENOMEM ? FONTE_NO_MEMORY
                                      : FONTE_IO;
    snprintf(error->text, sizeof error->text, "cannot read: %s", strerror(errno));
out:
    free(bytes);
    if (fd >= 0) close(fd);
    return NULL;
}

static void send_file(Worker *worker, const WalkFile *file) {
    Upload *upload = worker->upload;
    UploadMeta meta = upload->options->meta;
    FonteError error = { 0 };
    size_t n = 0;
    char *bytes = read_file(file->path, upload->options->max_file_bytes, &n, &error);
    if (!bytes || n == 0) {
        bool empty = bytes != NULL;
        free(bytes);
        bool failed = !empty && error.status != FONTE_TOO_LARGE;
        upload_skip(upload, file->path, file->named || failed, empty ? FONTE_INVALID : error.status,
                    empty ? "empty" : error.text);
        return;
    }
    const char *slash = strrchr(file->path, '/');
    char *absolute = realpath(file->path, NULL), *url = absolute ? fileurl_of(absolute) : NULL;
    char *name =
        clean_string(slash ? slash + 1 : file->path, strlen(slash ? slash + 1 : file->path), true);
    if (!meta.url) meta.url = url;
    meta.name = name;
    if (!meta.mime) meta.mime = type_of_name(file->path);
    send_one(upload, worker->client, file->path, file->named, &meta, bytes, n);
    free(name);
    free(url);
    free(absolute);
    free(bytes);
}

static void *worker_main(void *context) {
    Worker *worker = context;
    Upload *upload = worker->upload;
    pthread_mutex_lock(&upload->lock);
    while (!upload->stop && !upload_interrupted && upload->next < upload->walk->n_files) {
        const WalkFile *file = &upload->walk->files[upload->next++];
        pthread_mutex_unlock(&upload->lock);
        send_file(worker, file);
        pthread_mutex_lock(&upload->lock);
        upload->n_finished++;
        upload->n_bytes_finished += file->n_bytes;
    }
    upload->n_running--;
    pthread_mutex_unlock(&upload->lock);
    return NULL;
}

static void draw(Upload *upload) {
    char note[64];
    pthread_mutex_lock(&upload->lock);
    snprintf(note, sizeof note, "%zu/%zu file%s", upload->n_finished, upload->walk->n_files,
             upload->walk->n_files == 1 ? "" : "s");
    progress_show(&upload->progress, (double)upload->n_bytes_finished, note);
    pthread_mutex_unlock(&upload->lock);
}

void upload_run(Upload *upload) {
    size_t n = upload->options->n_jobs < upload->walk->n_files ? upload->options->n_jobs
                                                               : upload->walk->n_files;
    Worker *workers = calloc(n ? n : 1, sizeof *workers);
    sigset_t all, before;
    size_t n_started = 0;
    FonteError error = { .status = FONTE_NO_MEMORY, .text = "cannot start a thread" };
    /* Signals go to the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; workers && n_started < n; n_started++) {
        Worker *worker = &workers[n_started];
        worker->upload = upload;
        if (fonte_client_open(upload->cli->socket, &worker->client, &error) != FONTE_OK) break;
        pthread_mutex_lock(&upload->lock);
        upload->n_running++;
        pthread_mutex_unlock(&upload->lock);
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            worker->client = fonte_client_close(worker->client);
            pthread_mutex_lock(&upload->lock);
            upload->n_running--;
            pthread_mutex_unlock(&upload->lock);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (n_started == 0 && n > 0) { /* fewer than asked for will do */
        upload->error = error;
        upload->fatal = true;
    }
    for (bool running = n_started > 0; running;) {
        struct timespec t = { 0, 20 * 1000 * 1000 };
        nanosleep(&t, NULL);
        draw(upload);
        pthread_mutex_lock(&upload->lock);
        running = upload->n_running > 0;
        pthread_mutex_unlock(&upload->lock);
    }
    for (size_t i = 0; i < n_started; i++) {
        pthread_join(workers[i].thread, NULL);
        fonte_client_close(workers[i].client);
    }
    progress_clear(&upload->progress);
    free(workers);
}

void upload_bytes(Upload *upload, const char *bytes, size_t n) {
    UploadMeta meta = upload->options->meta;
    FonteError error = { 0 };
    if (n == 0) {
        upload_skip(upload, "standard input", true, FONTE_INVALID, "empty");
        return;
    }
    if (cli_client(upload->cli, &error) != FONTE_OK) {
        upload->error = error;
        upload->fatal = true;
        return;
    }
    if (!meta.mime) meta.mime = type_of_name(meta.name ? meta.name : "");
    send_one(upload, upload->cli->client, "standard input", true, &meta, bytes, n);
}
