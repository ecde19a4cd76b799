/* The loop: the server's descriptor, finished jobs, a tick, signals, the watchdog. Nothing here
 * waits for the disk or for another thread; a reload reads its files on libuv's pool.
 *
 * Stopping: accept no more, let what has begun end; after stop_timeout cancel it and give the
 * cancelled a moment to unwind; then leave the loop. */
#include "daemon/daemon_internal.h"
#include "daemon/notify.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { TICK_MS = 100, UNWIND_US = 5000000, STATUS_EVERY_US = 2000000 };

static void on_again(uv_timer_t *timer);

static void run_server(Daemon *daemon) {
    if (http_server_run(daemon->server)) uv_timer_start(&daemon->again, on_again, 0, 0);
}

static void on_again(uv_timer_t *timer) {
    run_server(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    run_server(poll->data);
}

static void on_done(uv_async_t *async) {
    daemon_finish_jobs(async->data);
}

static void on_watchdog(uv_timer_t *timer) {
    (void)timer;
    notify_watchdog();
}

static void report_counts(Daemon *daemon, int64_t now) {
    if (now - daemon->status_us < STATUS_EVERY_US) return;
    daemon->status_us = now;
    WriterStatus status;
    writer_status(daemon->writer, &status);
    if (status.index.embedder_building[0]) {
        notify_status("%zu documents, %zu passages; embedding again: %.0f %%",
                      status.index.counts.n_documents, status.index.counts.n_passages,
                      status.index.building_ratio * 100);
    } else {
        notify_status("%zu documents, %zu passages; %zu connections",
                      status.index.counts.n_documents, status.index.counts.n_passages,
                      http_server_n_connections(daemon->server));
    }
}

static void cancel_jobs(Daemon *daemon) {
    log_line(LOG_WARNING, "stop: %zu requests did not end in time and are cancelled",
             http_server_n_active(daemon->server));
    daemon->cancelled = true;
    for (Job *job = daemon->jobs; job; job = job->next) {
        int calm = JOB_CALM;
        atomic_compare_exchange_strong(&job->cancelled, &calm, JOB_STOPPING);
    }
}

static void check_stop(Daemon *daemon, int64_t now) {
    int64_t waited = now - daemon->stop_us, limit = daemon->config->stop_timeout_us;
    if (http_server_n_active(daemon->server) == 0 && daemon->n_jobs == 0) {
        uv_stop(&daemon->loop);
    } else if (waited >= limit && !daemon->cancelled) {
        cancel_jobs(daemon);
    } else if (waited >= limit + UNWIND_US) {
        uv_stop(&daemon->loop);
    }
}

static void on_tick(uv_timer_t *timer) {
    Daemon *daemon = timer->data;
    int64_t now = clock_us();
    http_server_tick(daemon->server);
    if (daemon->stopping) {
        check_stop(daemon, now);
    } else {
        report_counts(daemon, now);
        daemon_tick_audience(daemon, now);
    }
}

static void on_stop(uv_signal_t *handle, int number) {
    Daemon *daemon = handle->data;
    if (daemon->stopping) return;
    log_line(LOG_NOTICE, "stop: %s, %zu requests are finished first", strsignal(number),
             http_server_n_active(daemon->server));
    daemon->stopping = true;
    daemon->stop_us = clock_us();
    notify_stopping();
    notify_status("stopping");
    http_server_drain(daemon->server);
    check_stop(daemon, daemon->stop_us);
}

/* ---- reload ---- */

typedef struct Reload {
    Config *config;
    Access *access;
    Served *served; /* where another one is asked for */
    HttpGuard guard;
    Status status;
    Err err;
} Reload;

static void reload_work(uv_work_t *work) {
    Reload *reload = work->data;
    Daemon *daemon = (Daemon *)((char *)work - offsetof(Daemon, reload));
    reload->status =
        daemon_read_config(daemon->options, daemon->config->state, &reload->config, &reload->err);
    if (reload->status == STATUS_OK) {
        reload->status = access_new(reload->config, &reload->access, &reload->err);
    }
    if (reload->status == STATUS_OK && *daemon->tcp.name) {
        reload->status = tcp_read_key(reload->config, &reload->guard, &reload->err);
    }
    if (reload->status == STATUS_OK && !served_is_same(daemon->config, reload->config)) {
        reload->status = served_open(reload->config, &reload->served, &reload->err);
    }
}

static void apply(Daemon *daemon, Reload *reload) {
    AUTO_BUF Buf names = BUF_NULL;
    config_need_restart(daemon->config, reload->config, &names);
    Config *before = daemon->config;
    daemon->config = STEAL(reload->config);
    /* state and socket were completed at the start and stay */
    daemon->config->state = arena_string(&daemon->config->arena, slice_of(before->state));
    daemon->config->socket = arena_string(&daemon->config->arena, slice_of(before->socket));
    if (!served_is_same(before, daemon->config)) {
        served_unref(daemon->served); /* requests that are under way keep it */
        daemon->served = STEAL(reload->served);
    }
    config_free(before);
    access_unref(daemon->access);
    daemon->access = STEAL(reload->access);
    HttpLimits limits;
    daemon_http_limits(daemon->config, &limits);
    http_server_set_limits(daemon->server, &limits);
    if (*daemon->tcp.name) daemon->tcp.guard = reload->guard;
    ConversationLimits conversations;
    daemon_conversation_limits(daemon->config, &conversations);
    conversations_set_limits(daemon->conversations, &conversations);
    RecordsLimits records;
    daemon_records_limits(daemon->config, &records);
    records_set_limits(daemon->records, &records);
    writer_wake(daemon->writer);
    writer_set_max_bytes(daemon->writer, daemon->config->commit_bytes);
    log_set_level(daemon->config->log_level);
    log_line(LOG_NOTICE, "reload: done");
    if (names.n) log_line(LOG_WARNING, "reload: a restart is needed for %s", names.p);
}

static void reload_start(Daemon *daemon);

static void reload_done(uv_work_t *work, int status) {
    (void)status; /* never cancelled */
    Reload *reload = work->data;
    Daemon *daemon = (Daemon *)((char *)work - offsetof(Daemon, reload));
    if (reload->status == STATUS_OK) {
        apply(daemon, reload);
    } else {
        log_line(LOG_ERROR, "reload: nothing is changed: %s", reload->err.text);
    }
    config_free(reload->config);
    access_unref(reload->access);
    served_unref(reload->served);
    free(reload);
    notify_ready();
    daemon_reload_unlock(daemon);
}

bool daemon_reload_lock(Daemon *daemon) {
    if (daemon->reloading || daemon->stopping) return false;
    return daemon->reloading = true;
}

void daemon_reload_unlock(Daemon *daemon) {
    daemon->reloading = false;
    if (daemon->reload_again) reload_start(daemon);
}

static void reload_start(Daemon *daemon) {
    daemon->reload_again = daemon->reloading;
    if (daemon->reloading || daemon->stopping) return;
    notify_reloading();
    Reload *reload = mem_alloc(1, sizeof *reload);
    daemon->reload.data = reload;
    if (!reload || uv_queue_work(&daemon->loop, &daemon->reload, reload_work, reload_done) != 0) {
        log_line(LOG_ERROR, "reload: nothing is changed: out of memory");
        free(reload);
        notify_ready();
        return;
    }
    daemon->reloading = true;
}

static void on_hangup(uv_signal_t *handle, int number) {
    (void)number;
    reload_start(handle->data);
}

/* ---- life ---- */

static Status check_uv(int error, const char *what, Err *err) {
    return error ? err_set(err, STATUS_INTERNAL, "%s: %s", what, uv_strerror(error)) : STATUS_OK;
}

Status daemon_loop_init(Daemon *daemon, Err *err) {
    TRY(check_uv(uv_loop_init(&daemon->loop), "event loop", err));
    Status status =
        check_uv(uv_async_init(&daemon->loop, &daemon->done_async, on_done), "event loop", err);
    if (status != STATUS_OK) uv_loop_close(&daemon->loop);
    return status;
}

static Status start_handles(Daemon *daemon, Err *err) {
    uv_loop_t *loop = &daemon->loop;
    TRY(check_uv(uv_poll_init(loop, &daemon->poll, http_server_fd(daemon->server)), "poll", err));
    TRY(check_uv(uv_poll_start(&daemon->poll, UV_READABLE, on_poll), "poll", err));
    uv_timer_init(loop, &daemon->again);
    uv_timer_init(loop, &daemon->tick);
    TRY(check_uv(uv_timer_start(&daemon->tick, on_tick, TICK_MS, TICK_MS), "timer", err));
    uv_timer_init(loop, &daemon->watchdog);
    int64_t watchdog_ms = notify_watchdog_us() / 2000;
    if (watchdog_ms > 0) {
        uint64_t every = (uint64_t)watchdog_ms;
        TRY(check_uv(uv_timer_start(&daemon->watchdog, on_watchdog, 0, every), "watchdog", err));
    }
    uv_signal_init(loop, &daemon->on_term);
    uv_signal_init(loop, &daemon->on_int);
    uv_signal_init(loop, &daemon->on_hup);
    TRY(check_uv(uv_signal_start(&daemon->on_term, on_stop, SIGTERM), "SIGTERM", err));
    TRY(check_uv(uv_signal_start(&daemon->on_int, on_stop, SIGINT), "SIGINT", err));
    return check_uv(uv_signal_start(&daemon->on_hup, on_hangup, SIGHUP), "SIGHUP", err);
}

Status daemon_loop_open(Daemon *daemon, Err *err) {
    void **data[] = { &daemon->poll.data,     &daemon->again.data,     &daemon->tick.data,
                      &daemon->watchdog.data, &daemon->on_term.data,   &daemon->on_int.data,
                      &daemon->on_hup.data,   &daemon->done_async.data };
    for (size_t i = 0; i < N_ELEMENTS(data); i++) *data[i] = daemon;
    return start_handles(daemon, err);
}

void daemon_loop_run(Daemon *daemon) {
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
}

static void close_handle(uv_handle_t *handle, void *context) {
    (void)context;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

void daemon_loop_close(Daemon *daemon) {
    uv_walk(&daemon->loop, close_handle, NULL);
    uv_run(&daemon->loop, UV_RUN_DEFAULT); /* a reload that is under way ends here too */
    uv_loop_close(&daemon->loop);
}
