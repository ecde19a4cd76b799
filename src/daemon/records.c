/* Threading model: the lock guards the limits and the list; the index is called without it. Only
 * the writer takes records off the list, and only once they are in the index, so that a record that
 * was added is found at any time. */
#include "daemon/records.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    GATHER_US = 200000,         /* from the first that waits to the commit: one fsync for many */
    FORGET_EVERY_US = 60000000, /* where nothing comes */
    MAX_GROUP = 512,
};

typedef struct Waiting Waiting;
struct Waiting {
    Waiting *next;
    StoreAnswer answer; /* views into text */
    char id[RECORD_ID_BYTES];
    char text[]; /* collection, its NUL, record */
};

struct Records {
    pthread_mutex_t lock;
    RecordsLimits limits;
    Waiting *first, **last;
    size_t n;
    int64_t due_us, forget_us;
};

Status records_new(const RecordsLimits *limits, Records **ret, Err *err) {
    Records *records = mem_alloc(1, sizeof *records);
    if (!records) return err_set(err, STATUS_NO_MEMORY, "out of memory for records");
    pthread_mutex_init(&records->lock, NULL);
    records->limits = *limits;
    records->last = &records->first;
    *ret = records;
    return STATUS_OK;
}

static void drop_first(Records *records) {
    Waiting *first = records->first;
    records->first = first->next;
    if (!records->first) records->last = &records->first;
    records->n--;
    free(first);
}

Records *records_free(Records *records) {
    if (!records) return NULL;
    while (records->first) drop_first(records);
    pthread_mutex_destroy(&records->lock);
    free(records);
    return NULL;
}

void records_set_limits(Records *records, const RecordsLimits *limits) {
    pthread_mutex_lock(&records->lock);
    records->limits = *limits;
    records->forget_us = 0; /* less may be wanted */
    pthread_mutex_unlock(&records->lock);
}

void records_limits(Records *records, RecordsLimits *ret) {
    pthread_mutex_lock(&records->lock);
    *ret = records->limits;
    pthread_mutex_unlock(&records->lock);
}

/* ---- adding ---- */

static Status make_waiting(int64_t uid, const char *collection, Slice json, Waiting **ret,
                           Err *err) {
    unsigned char random[(RECORD_ID_BYTES - 1) / 2];
    size_t n = strlen(collection) + 1;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return err_set(err, STATUS_IO, "the system gives no random numbers");
    }
    Waiting *w = mem_alloc(1, sizeof *w + n + json.n);
    if (!w) return err_set(err, STATUS_NO_MEMORY, "out of memory for a record");
    for (size_t i = 0; i < sizeof random; i++) snprintf(w->id + 2 * i, 3, "%02x", random[i]);
    memcpy(w->text, collection, n);
    memcpy(w->text + n, json.p, json.n);
    w->answer = (StoreAnswer){ .id = w->id,
                               .uid = uid,
                               .collection = w->text,
                               .made_unix_s = clock_unix_s(),
                               .record = { w->text + n, json.n } };
    *ret = w;
    return STATUS_OK;
}

static bool push(Records *records, Waiting *w) {
    pthread_mutex_lock(&records->lock);
    bool fits = records->n < records->limits.queue;
    if (fits) {
        if (!records->first) records->due_us = clock_us() + GATHER_US;
        *records->last = w;
        records->last = &w->next;
        records->n++;
        if (records->n >= (records->limits.queue + 1) / 2) records->due_us = 0;
    }
    pthread_mutex_unlock(&records->lock);
    return fits;
}

Status records_add(Records *records, int64_t uid, const char *collection, Slice json,
                   char ret_id[RECORD_ID_BYTES], Err *err) {
    Waiting *w = NULL;
    char id[RECORD_ID_BYTES];
    TRY(make_waiting(uid, collection, json, &w, err));
    memcpy(id, w->id, sizeof id); /* once pushed it may be gone */
    if (!push(records, w)) {
        free(w);
        return err_set(err, STATUS_BUSY, "too many records wait (answer.record_queue)");
    }
    memcpy(ret_id, id, sizeof id);
    return STATUS_OK;
}

/* ---- finding ---- */

static Status find_waiting(Records *records, const char *id, Arena *arena, StoreAnswer *ret,
                           Err *err) {
    pthread_mutex_lock(&records->lock);
    Waiting *w = records->first;
    while (w && strcmp(w->id, id) != 0) w = w->next;
    Status status = w ? store_answer_copy(&w->answer, arena, ret, err) : STATUS_NOT_FOUND;
    pthread_mutex_unlock(&records->lock);
    return status;
}

Status records_not_found(Err *err) {
    return err_set_param(err, STATUS_NOT_FOUND, "id",
                         "there is no record of such an answer, or it was forgotten "
                         "(answer.records, answer.record_time)");
}

Status records_find(Records *records, Index *index, const char *id, Arena *arena, StoreAnswer *ret,
                    Err *err) {
    RecordsLimits limits;
    StoreAnswer answer = { 0 };
    records_limits(records, &limits);
    Status status = find_waiting(records, id, arena, &answer, err);
    if (status == STATUS_NOT_FOUND) status = index_answer(index, id, arena, &answer, err);
    if (status == STATUS_NOT_FOUND) return records_not_found(err);
    TRY(status);
    bool is_old = answer.made_unix_s < clock_unix_s() - limits.age_s;
    if (is_old || !limits.count) return records_not_found(err);
    *ret = answer;
    return STATUS_OK;
}

/* ---- writing ---- */

int64_t records_due_us(Records *records) {
    pthread_mutex_lock(&records->lock);
    int64_t due = records->forget_us;
    if (records->first) due = MIN(due, records->due_us);
    pthread_mutex_unlock(&records->lock);
    return due;
}

static size_t list_group(Records *records, StoreAnswer *group, RecordsLimits *ret_limits) {
    size_t n = 0;
    pthread_mutex_lock(&records->lock);
    for (Waiting *w = records->first; w && n < MAX_GROUP; w = w->next) group[n++] = w->answer;
    *ret_limits = records->limits;
    records->forget_us = clock_us() + FORGET_EVERY_US;
    pthread_mutex_unlock(&records->lock);
    return n;
}

static void commit_group(Records *records, Index *index, StoreAnswer *group) {
    Err err = { 0 };
    RecordsLimits limits;
    size_t n = list_group(records, group, &limits);
    Status status =
        index_answers_put(index, group, n, limits.count, clock_unix_s() - limits.age_s, &err);
    if (status != STATUS_OK && n)
        log_line(LOG_ERROR, "%zu answers have no record: %s", n, err.text);
    else if (status != STATUS_OK)
        log_line(LOG_ERROR, "old records of answers are not removed: %s", err.text);
    pthread_mutex_lock(&records->lock);
    for (size_t i = 0; i < n; i++) drop_first(records);
    pthread_mutex_unlock(&records->lock);
}

static bool has_waiting(Records *records) {
    pthread_mutex_lock(&records->lock);
    bool has = records->first;
    pthread_mutex_unlock(&records->lock);
    return has;
}

void records_commit(Records *records, Index *index) {
    StoreAnswer group[MAX_GROUP];
    do {
        commit_group(records, index, group);
    } while (has_waiting(records));
}
