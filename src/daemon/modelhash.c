/* Threading: `text` is written before `is_done` is set under the lock, and read after. */
#include "daemon/modelhash.h"

#include "base/log.h"
#include "base/mem.h"
#include "daemon/thread.h"

#include <stdatomic.h>

enum { STEP_BYTES = 1 << 22 }; /* between two looks at whether it is still wanted */

struct ModelHash {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    atomic_bool is_stopped;
    Slice bytes;
    char text[HASH_HEX_BYTES];
};

static Status compute(ModelHash *h, HashStream *stream, Err *err) {
    Hash hash;
    for (Slice rest = h->bytes; rest.n;) {
        if (atomic_load(&h->is_stopped)) return err_set(err, STATUS_CANCELLED, "stopped");
        Slice step = { rest.p, MIN(rest.n, (size_t)STEP_BYTES) };
        hash_stream_update(stream, step);
        rest = slice_skip(rest, step.n);
    }
    TRY(hash_stream_finish(stream, &hash, err));
    hash_hex(&hash, h->text);
    return STATUS_OK;
}

static void *thread_main(void *context) {
    ModelHash *h = context;
    Err err = { 0 };
    pthread_setname_np(pthread_self(), "fonte-hash");
    HashStream *stream = hash_stream_new();
    Status status =
        stream ? compute(h, stream, &err) : err_set(&err, STATUS_NO_MEMORY, "out of memory");
    hash_stream_free(stream);
    if (status != STATUS_OK && status != STATUS_CANCELLED) {
        log_line(LOG_ERROR, "SHA-256 of the model: %s", err.text);
    }
    pthread_mutex_lock(&h->lock);
    h->is_done = true;
    pthread_cond_broadcast(&h->done);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

Status modelhash_start(Slice bytes, ModelHash **ret, Err *err) {
    ModelHash *h = mem_alloc(1, sizeof *h);
    if (!h) return err_set(err, STATUS_NO_MEMORY, "out of memory for the model's hash");
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->done, NULL);
    atomic_init(&h->is_stopped, false);
    h->bytes = bytes;
    int error = thread_start(&h->thread, thread_main, h);
    if (error) {
        free(h);
        return err_set_errno(err, error, "the thread of the model's hash");
    }
    *ret = h;
    return STATUS_OK;
}

void modelhash_stop(ModelHash *h) {
    atomic_store(&h->is_stopped, true);
}

ModelHash *modelhash_free(ModelHash *h) {
    if (!h) return NULL;
    modelhash_stop(h);
    pthread_join(h->thread, NULL);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->done);
    free(h);
    return NULL;
}

const char *modelhash_text(const ModelHash *h) {
    return h->text;
}

const char *modelhash_wait(ModelHash *h) {
    pthread_mutex_lock(&h->lock);
    while (!h->is_done) pthread_cond_wait(&h->done, &h->lock);
    pthread_mutex_unlock(&h->lock);
    return h->text;
}
