/* Who is served: jobs wait in the queue; one is admitted when there is a stream for it and memory
 * for all that it may come to hold, so that a stream once begun is never out of memory. Owners take
 * turns: next comes the first job of the owner with the fewest active streams, of these the one who
 * was served longest ago. What is kept for the prefix cache gives way to jobs. */
#include "engine/engine_internal.h"

#include "base/clock.h"
#include "base/mem.h"

static bool is_over_locked(const Engine *e, const EngineStream *s, int64_t now) {
    return e->stopping || s->cancelled || (s->job.deadline_us > 0 && now >= s->job.deadline_us);
}

static Status over_status(const Engine *e, const EngineStream *s, Err *err) {
    if (e->stopping || s->cancelled)
        return err_set(err, STATUS_CANCELLED, "the answer was stopped");
    return err_set(err, STATUS_TIMEOUT, "out of time after %zu tokens", s->n_out);
}

/* The stream is off the lists; nobody but its consumer touches it from here on. */
static void finish_locked(Engine *e, EngineStream *s, EngineEnd end, Status status,
                          const Err *err) {
    s->done = true;
    s->end = end;
    s->status = status;
    if (err) s->err = *err;
    if (status == STATUS_CANCELLED || status == STATUS_TIMEOUT) e->stats.n_cancelled++;
    e->stats.n_prompt += s->usage.n_prompt;
    e->stats.n_cached += s->usage.n_cached;
    e->stats.n_tokens += s->usage.n_tokens;
    e->stats.n_drafted += s->usage.n_drafted;
    e->stats.n_accepted += s->usage.n_accepted;
    pthread_cond_broadcast(&s->came);
}

void engine_finish(Engine *e, EngineStream *s, EngineEnd end, Status status, const Err *err) {
    bool is_whole = status == STATUS_OK || status == STATUS_CANCELLED || status == STATUS_TIMEOUT;
    if (is_whole) {
        prefix_keep(e, s);
    } else if (s->state >= STREAM_READING) {
        llm_seq_free(e->context, s->seq);
    }
    e->n_active--;
    pthread_mutex_lock(&e->lock);
    e->stats.n_active = e->n_active;
    e->stats.n_kept = prefix_n_kept(e);
    finish_locked(e, s, end, status, err);
    pthread_mutex_unlock(&e->lock);
}

static void end_waiting_locked(Engine *e) {
    int64_t now = clock_us();
    for (EngineStream **at = &e->queue; *at;) {
        EngineStream *s = *at;
        if (!is_over_locked(e, s, now)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        e->n_waiting--;
        Err err = { 0 };
        Status status = over_status(e, s, &err);
        finish_locked(e, s, ENGINE_GOES_ON, status, &err);
    }
}

static void end_active(Engine *e) {
    int64_t now = clock_us();
    for (EngineStream **at = &e->active; *at;) {
        EngineStream *s = *at;
        pthread_mutex_lock(&e->lock);
        bool over = is_over_locked(e, s, now);
        Err err = { 0 };
        Status status = over ? over_status(e, s, &err) : STATUS_OK;
        pthread_mutex_unlock(&e->lock);
        if (!over) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        engine_finish(e, s, ENGINE_GOES_ON, status, &err);
    }
}

static size_t n_active_of(const Engine *e, uint64_t owner) {
    size_t n = 0;
    for (const EngineStream *s = e->active; s; s = s->next) n += s->job.owner == owner;
    return n;
}

/* When the owner was last served; 0 where that is long ago. */
static uint64_t served(const Engine *e, uint64_t owner) {
    for (size_t i = 0; i < ENGINE_N_TURNS; i++) {
        if (e->turns[i].when > 0 && e->turns[i].owner == owner) return e->turns[i].when;
    }
    return 0;
}

static void set_served(Engine *e, uint64_t owner) {
    EngineTurn *oldest = &e->turns[0];
    for (size_t i = 0; i < ENGINE_N_TURNS; i++) {
        EngineTurn *turn = &e->turns[i];
        if (turn->when > 0 && turn->owner == owner) {
            oldest = turn;
            break;
        }
        if (turn->when < oldest->when) oldest = turn;
    }
    *oldest = (EngineTurn){ owner, ++e->now };
}

static EngineStream **choose_locked(Engine *e) {
    EngineStream **best = NULL;
    size_t fewest = 0;
    uint64_t longest = 0;
    for (EngineStream **at = &e->queue; *at; at = &(*at)->next) {
        size_t n = n_active_of(e, (*at)->job.owner);
        uint64_t when = served(e, (*at)->job.owner);
        if (best && (n > fewest || (n == fewest && when >= longest))) continue;
        best = at;
        fewest = n;
        longest = when;
    }
    return best;
}

/* Tokens' room that a stream may still take: whole pages, one for what it shares in part. */
static size_t reserved(const Engine *e, const EngineStream *s) {
    size_t page = llm_context_page_tokens(e->context);
    return (s->capacity - s->n_read + page - 1) / page * page + page;
}

static bool make_room(Engine *e, const EngineStream *s) {
    size_t needed = reserved(e, s);
    for (const EngineStream *o = e->active; o; o = o->next) needed += reserved(e, o);
    prefix_touch(e, s);
    while (llm_context_free_tokens(e->context) < needed) {
        if (!prefix_drop_oldest(e)) return e->n_active == 0;
    }
    return true;
}

/* Jobs from the queue to the end of the active list, while there is room. */
static void admit_locked(Engine *e) {
    EngineStream **end = &e->active;
    while (*end) end = &(*end)->next;
    while (e->queue && e->n_active < e->options.n_streams) {
        EngineStream **at = choose_locked(e), *s = *at;
        if (!make_room(e, s)) return;
        *at = s->next;
        e->n_waiting--;
        set_served(e, s->job.owner);
        s->next = NULL;
        s->state = STREAM_ADMITTED;
        s->admitted_us = clock_us();
        s->usage.wait_us = s->admitted_us - s->submitted_us;
        *end = s;
        end = &s->next;
        e->n_active++;
    }
}

static void fail_all(Engine *e, Status status, const Err *err) {
    while (e->active) {
        EngineStream *s = e->active;
        e->active = s->next;
        engine_finish(e, s, ENGINE_GOES_ON, status, err);
    }
}

void *engine_run(void *argument) {
    Engine *e = argument;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (!e->stopping && !e->queue && e->n_active == 0) pthread_cond_wait(&e->work, &e->lock);
        end_waiting_locked(e);
        admit_locked(e);
        e->stats.n_active = e->n_active;
        e->stats.n_kept = prefix_n_kept(e);
        bool stopping = e->stopping;
        pthread_mutex_unlock(&e->lock);

        end_active(e);
        Err err = { 0 };
        Status status = e->n_active > 0 ? engine_step(e, &err) : STATUS_OK;
        if (status != STATUS_OK) fail_all(e, status, &err);

        pthread_mutex_lock(&e->lock);
        if (stopping && !e->queue && e->n_active == 0) break;
    }
    e->stats.n_active = 0;
    pthread_mutex_unlock(&e->lock);
    return NULL;
}
