/* The audience and its file STATE/peers. It is a figure, not a record that was promised: what
 * cannot be read or written is said in the log, and counting goes on. At most a minute of it is
 * lost with the power. */
#include "daemon/daemon_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <string.h>

enum { SAVE_EVERY_US = 60 * 1000000, SECONDS_PER_DAY = 86400 };

typedef struct Save {
    Buf path, text;
} Save;

static int today(void) {
    return (int)(clock_unix_s() / SECONDS_PER_DAY);
}

static Status make_path(const Daemon *daemon, Buf *ret, Err *err) {
    buf_printf(ret, "%s/peers", daemon->config->state);
    return buf_status(ret, err);
}

void daemon_load_audience(Daemon *daemon) {
    AUTO_BUF Buf path = BUF_NULL;
    Err err = { 0 };
    Status status = make_path(daemon, &path, &err);
    if (status == STATUS_OK) status = audience_load(&daemon->audience, path.p, &err);
    if (status != STATUS_OK) log_line(LOG_WARNING, "who was served is counted anew: %s", err.text);
}

/* Who was given something: questions, searches, documents, the model; not who looked at status. */
static bool is_service(const HttpDone *done) {
    return done->status < 400 && strncmp(done->label, "/v1/", 4) == 0 &&
           strcmp(done->label, "/v1/status") != 0 && strncmp(done->label, "/v1/jobs", 8) != 0;
}

void daemon_count_peer(Daemon *daemon, const HttpDone *done) {
    if (is_service(done)) audience_see(&daemon->audience, done->uid, today());
}

size_t daemon_n_peers(const Daemon *daemon) {
    return audience_count(&daemon->audience, today());
}

static Status write_it(const Save *save, Err *err) {
    TRY(buf_status(&save->text, err));
    Slice piece = buf_slice(&save->text);
    return file_replace(save->path.p, &piece, 1, err);
}

static void save_work(uv_work_t *work) {
    Err err = { 0 };
    if (write_it(work->data, &err) != STATUS_OK) {
        log_line(LOG_WARNING, "who was served is not written: %s", err.text);
    }
}

static void free_save(Save *save) {
    buf_deinit(&save->path);
    buf_deinit(&save->text);
    free(save);
}

static void save_done(uv_work_t *work, int status) {
    (void)status; /* never cancelled */
    Daemon *daemon = (Daemon *)((char *)work - offsetof(Daemon, save));
    free_save(work->data);
    daemon->saving = false;
}

/* NULL where there is nothing to write, or no memory. */
static Save *take_save(Daemon *daemon) {
    Save *save = daemon->audience.changed ? mem_alloc(1, sizeof *save) : NULL;
    if (!save) return NULL;
    Err err;
    if (make_path(daemon, &save->path, &err) == STATUS_OK) {
        audience_take_text(&daemon->audience, today(), &save->text);
        return save;
    }
    free_save(save);
    return NULL;
}

void daemon_tick_audience(Daemon *daemon, int64_t now_us) {
    if (daemon->saving || now_us - daemon->saved_us < SAVE_EVERY_US) return;
    daemon->saved_us = now_us;
    Save *save = take_save(daemon);
    if (!save) return;
    daemon->save.data = save;
    daemon->saving = uv_queue_work(&daemon->loop, &daemon->save, save_work, save_done) == 0;
    if (!daemon->saving) free_save(save);
}

void daemon_save_audience(Daemon *daemon) {
    Save *save = take_save(daemon);
    uv_work_t work = { .data = save };
    if (!save) return;
    save_work(&work);
    free_save(save);
}
