/* Start and end of fonted. The order at the start: configuration, index (with progress told to the
 * service manager), threads, socket, server, loop, READY. The lock of the state folder comes with
 * the index, before the socket is touched, so a second daemon on the same folder never takes the
 * first one's place. The end goes the other way round. */
#include "daemon/daemon_internal.h"
#include "daemon/notify.h"
#include "daemon/paths.h"
#include "daemon/sigbus.h"

#include "base/clock.h"
#include "base/file.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors beside connections: the store's, the index's, libuv's, logs. */
enum { OTHER_FILES = 256 };

Status daemon_read_config(const DaemonOptions *options, const char *state, Config **ret, Err *err) {
    const char *file = options->config_file ? options->config_file : FONTE_CONFIG_FILE;
    AUTO_BUF Buf chosen = BUF_NULL;
    if (state) TRY(chosen_path(state, &chosen, err));
    return config_load_with(file, options->config_file != NULL, chosen.p, options->overrides,
                            options->n_overrides, ret, err);
}

/* Twice: the state folder, which holds the last file, is named by the others. */
static Status load_config(Daemon *daemon, Err *err) {
    Config *plain = NULL;
    const char *state = NULL;
    TRY(daemon_read_config(daemon->options, NULL, &plain, err));
    Status status = paths_state(plain->state, &plain->arena, &state, err);
    if (status == STATUS_OK) {
        status = daemon_read_config(daemon->options, state, &daemon->config, err);
    }
    config_free(plain);
    TRY(status);
    Config *config = daemon->config;
    TRY(paths_state(config->state, &config->arena, &config->state, err));
    TRY(paths_socket(config->socket, &config->arena, &config->socket, err));
    TRY(tcp_init(&daemon->tcp, config, err));
    return access_new(config, &daemon->access, err);
}

static void drop_config(Daemon *daemon) {
    tcp_deinit(&daemon->tcp);
    access_unref(daemon->access);
    config_free(daemon->config);
}

static void raise_files(const Config *config) {
    struct rlimit files;
    rlim_t wanted = config->n_connections + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= wanted) return;
    if (files.rlim_max < wanted && geteuid() == 0) {
        struct rlimit more = { wanted, wanted };
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
    }
    files.rlim_cur = MIN(files.rlim_max, wanted);
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < wanted) {
        log_line(LOG_WARNING, "limits.connections is %zu, but only %llu files may be open",
                 config->n_connections, (unsigned long long)files.rlim_cur);
    }
}

static void on_progress(void *context, const char *stage, double ratio) {
    int64_t *last = context;
    int64_t now = clock_us();
    if (now - *last < 200000) return;
    *last = now;
    notify_status("loading: %s, %.0f %%", stage, ratio * 100);
    notify_extend(30 * 1000000);
}

static size_t n_cpus(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : MIN((size_t)n, (size_t)64);
}

static Status open_index(Daemon *daemon, size_t n_threads, Err *err) {
    const Config *config = daemon->config;
    TRY(file_make_dirs(config->state, 0700, err));
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    if (*config->embedder) options.embedder = config->embedder;
    options.max_passage_words = config->passage_words;
    options.text_limits.max_clean_bytes = config->clean_text_bytes;
    options.text_limits.max_docs = config->documents;
    options.flat_max_vectors = config->flat_max_vectors;
    options.n_readers = n_threads;
    int64_t last = 0;
    Status status = index_open(config->state, &options, on_progress, &last, &daemon->index, err);
    return status == STATUS_OK ? STATUS_OK : err_prefix(err, status, "state %s", config->state);
}

void daemon_conversation_limits(const Config *config, ConversationLimits *ret) {
    *ret = (ConversationLimits){ .count = config->n_conversations,
                                 .count_per_uid = config->n_conversations_per_uid,
                                 .turns = config->n_turns,
                                 .bytes = config->conversation_bytes,
                                 .idle_us = config->conversation_idle_us };
}

void daemon_records_limits(const Config *config, RecordsLimits *ret) {
    *ret = (RecordsLimits){ .count = config->n_records,
                            .age_s = config->record_us / 1000000,
                            .queue = config->record_queue,
                            .keeps_text = config->record_text };
}

static Status open_memory(Daemon *daemon, Err *err) {
    ConversationLimits conversations;
    RecordsLimits records;
    daemon_conversation_limits(daemon->config, &conversations);
    daemon_records_limits(daemon->config, &records);
    TRY(records_new(&records, &daemon->records, err));
    return conversations_new(&conversations, &daemon->conversations, err);
}

static Status open_threads(Daemon *daemon, size_t n_threads, Err *err) {
    const Config *config = daemon->config;
    size_t n_prepare = config->n_prepare_threads ? config->n_prepare_threads : n_cpus();
    TRY(writer_new(daemon->index, daemon->records, config->commit_bytes, &daemon->writer, err));
    TRY(work_pool_new("fonte-work", n_threads, 0, daemon_pool_run, &daemon->pool, err));
    /* They only wait: one for each stream, and for each that may wait for one. */
    size_t n_generate = config->n_generating + config->n_generate_queue;
    TRY(work_pool_new("fonte-generate", n_generate, 0, daemon_pool_run, &daemon->generate, err));
    /* nicer than searches: a person waits for those */
    return work_pool_new("fonte-prepare", n_prepare, 5, daemon_pool_run, &daemon->prepare, err);
}

static Status open_tcp(Daemon *daemon, Err *err) {
    TRY(tcp_open(&daemon->tcp, daemon->config, daemon->server, err));
    if (!*daemon->tcp.name) return STATUS_OK;
    log_line(LOG_NOTICE, "tcp: http://%s, with the rights of %s", daemon->tcp.name,
             daemon->config->tcp_user);
    return STATUS_OK;
}

static Status open_server(Daemon *daemon, Err *err) {
    const Config *config = daemon->config;
    TRY(listen_open(config->socket, config->socket_mode, config->socket_group, &daemon->listener,
                    err));
    HttpLimits limits;
    HttpHandlers handlers;
    daemon_http_limits(config, &limits);
    daemon_handlers(daemon, &handlers);
    Status status = http_server_open(daemon->listener.fd, &limits, &handlers, &daemon->server, err);
    if (status != STATUS_OK) close(daemon->listener.fd);
    return status == STATUS_OK ? open_tcp(daemon, err) : status;
}

static Status start(Daemon *daemon, Err *err) {
    const Config *config = daemon->config;
    size_t n_threads = config->n_threads ? config->n_threads : MAX(n_cpus(), (size_t)2);
    raise_files(config);
    TRY(open_index(daemon, n_threads, err));
    TRY(served_open(config, &daemon->served, err));
    TRY(open_memory(daemon, err));
    daemon_load_audience(daemon);
    TRY(open_threads(daemon, n_threads, err));
    TRY(open_server(daemon, err));
    return daemon_loop_open(daemon, err);
}

static void announce(Daemon *daemon) {
    WriterStatus status;
    writer_status(daemon->writer, &status);
    daemon->started_us = clock_us();
    notify_ready();
    log_set_level(
        MAX(daemon->config->log_level, LOG_NOTICE)); /* who started it may wait for this */
    log_line(LOG_NOTICE, "READY socket=%s state=%s documents=%zu passages=%zu pid=%d",
             daemon->listener.path, daemon->config->state, status.index.counts.n_documents,
             status.index.counts.n_passages, (int)getpid());
    log_set_level(daemon->config->log_level);
}

/* Threads end before the loop's handles, because they wake them; jobs that were left are finished
 * (their requests are gone or cut) before the server is. */
static void stop(Daemon *daemon) {
    for (Job *job = daemon->jobs; job; job = job->next) {
        int calm = JOB_CALM;
        atomic_compare_exchange_strong(&job->cancelled, &calm, JOB_STOPPING);
    }
    daemon->prepare = work_pool_free(daemon->prepare);
    daemon->pool = work_pool_free(daemon->pool);
    served_stop(daemon->served);
    daemon->generate = work_pool_free(daemon->generate);
    daemon->writer = writer_free(daemon->writer);
    daemon_finish_jobs(daemon);
    daemon->server = http_server_close(daemon->server);
    daemon_loop_close(daemon);
    notify_extend(60 * 1000000); /* the snapshot is written */
    served_unref(daemon->served);
    index_close(daemon->index);
    listen_remove(&daemon->listener);
    daemon_save_audience(daemon);
    audience_deinit(&daemon->audience);
    conversations_free(daemon->conversations);
    records_free(daemon->records);
    drop_config(daemon);
    pthread_mutex_destroy(&daemon->done_lock);
}

static int check_config(Daemon *daemon) {
    log_line(LOG_NOTICE, "configuration is good: state=%s socket=%s", daemon->config->state,
             daemon->config->socket);
    drop_config(daemon);
    return DAEMON_EXIT_OK;
}

int daemon_run(const DaemonOptions *options) {
    Daemon daemon = { .options = options, .listener.fd = -1, .tcp = TCP_NULL };
    Err err = { 0 };
    signal(SIGPIPE, SIG_IGN);
    sigbus_install();
    if (load_config(&daemon, &err) != STATUS_OK) {
        log_line(LOG_ERROR, "%s", err.text);
        drop_config(&daemon);
        return DAEMON_EXIT_USAGE;
    }
    if (options->check_config) return check_config(&daemon);
    log_set_level(daemon.config->log_level);
    daemon.done_last = &daemon.done;
    pthread_mutex_init(&daemon.done_lock, NULL);
    int exit_status = DAEMON_EXIT_OK;
    if (daemon_loop_init(&daemon, &err) != STATUS_OK) {
        log_line(LOG_ERROR, "cannot start: %s", err.text);
        return DAEMON_EXIT_FAILED;
    }
    if (start(&daemon, &err) == STATUS_OK) {
        announce(&daemon);
        daemon_loop_run(&daemon);
    } else {
        log_line(LOG_ERROR, "cannot start: %s", err.text);
        exit_status = DAEMON_EXIT_FAILED;
    }
    stop(&daemon);
    if (exit_status == DAEMON_EXIT_OK) log_line(LOG_NOTICE, "stopped");
    return exit_status;
}
