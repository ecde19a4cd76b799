/* The prefix cache: sequences of answered prompts stay in the key/value cache, and a new prompt is
 * forked from the one that shares most of its beginning. Pages are shared by count and copied when
 * written (llm/kvcache.h), so the kept sequences form a tree of pages without anybody building one.
 * Streams that are being read or written are looked at too. A prompt of another space is never
 * looked at: how long an answer takes tells nobody what others asked.
 * The last token of a prompt is always computed: its logits are wanted. */
#include "engine/engine_internal.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

/* Sharing less than this is not worth waiting for. */
enum { WORTH_TOKENS = 32 };

static size_t common(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b) {
    size_t n = MIN(n_a, n_b), i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

/* Tokens of a stream that may stand for those of another's prompt. */
static size_t n_shared(const Engine *e, const EngineStream *s) {
    if (llm_context_reads_as_it_writes(e->context)) return s->n_read;
    return MIN(s->n_read, engine_n_to_read(e, s));
}

static Kept *find_kept(Engine *e, const EngineStream *s, size_t *ret_n) {
    Kept *best = NULL;
    *ret_n = 0;
    for (size_t i = 0; i < e->options.n_cached; i++) {
        Kept *k = &e->kept[i];
        if (k->n == 0 || k->space != s->job.space) continue;
        size_t n = common(k->tokens, k->n, s->tokens, s->job.n_prompt - 1);
        if (n > *ret_n) {
            best = k;
            *ret_n = n;
        }
    }
    return best;
}

Status prefix_begin(Engine *e, EngineStream *s, Err *err) {
    size_t n = 0, soon = 0;
    Kept *kept = find_kept(e, s, &n);
    LlmSeq from = kept ? kept->seq : 0;
    for (const EngineStream *o = e->active; o; o = o->next) {
        if (o == s || o->state < STREAM_READING || o->job.space != s->job.space) continue;
        size_t known = MAX(n_shared(e, o), engine_n_to_read(e, o));
        size_t shared = common(o->tokens, known, s->tokens, s->job.n_prompt - 1);
        soon = MAX(soon, shared);
        if (MIN(shared, n_shared(e, o)) <= n) continue;
        n = MIN(shared, n_shared(e, o));
        from = o->seq;
    }
    if (soon >= n + WORTH_TOKENS) return STATUS_BUSY;
    if (n == 0) return llm_seq_new(e->context, &s->seq, err);
    TRY(llm_seq_fork(e->context, from, n, &s->seq, err));
    s->n_read = n;
    s->usage.n_cached = n;
    return STATUS_OK;
}

void prefix_touch(Engine *e, const EngineStream *s) {
    size_t n;
    Kept *kept = find_kept(e, s, &n);
    if (kept) kept->used = ++e->now;
}

static void drop(Engine *e, Kept *k) {
    llm_seq_free(e->context, k->seq);
    free(k->tokens);
    *k = (Kept){ 0 };
}

static Kept *find_oldest(Engine *e) {
    Kept *oldest = NULL;
    for (size_t i = 0; i < e->options.n_cached; i++) {
        Kept *k = &e->kept[i];
        if (k->n > 0 && (!oldest || k->used < oldest->used)) oldest = k;
    }
    return oldest;
}

bool prefix_drop_oldest(Engine *e) {
    Kept *oldest = find_oldest(e);
    if (oldest) drop(e, oldest);
    return oldest;
}

void prefix_drop_all(Engine *e) {
    while (prefix_drop_oldest(e)) {}
}

size_t prefix_n_kept(const Engine *e) {
    size_t n = 0;
    for (size_t i = 0; i < e->options.n_cached; i++) n += e->kept[i].n > 0;
    return n;
}

/* A place for the stream's sequence: the one of a kept prompt that is its beginning, a free one, or
 * the oldest. NULL where the stream itself is the beginning of a kept one. */
static Kept *find_place(Engine *e, const EngineStream *s) {
    Kept *place = NULL;
    for (size_t i = 0; i < e->options.n_cached; i++) {
        Kept *k = &e->kept[i];
        if (k->n == 0) {
            if (!place) place = k;
            continue;
        }
        if (k->space != s->job.space) continue;
        size_t n = common(k->tokens, k->n, s->tokens, n_shared(e, s));
        if (n == n_shared(e, s)) {
            k->used = ++e->now;
            return NULL;
        }
        if (n == k->n) return k;
    }
    return place ? place : find_oldest(e);
}

void prefix_keep(Engine *e, EngineStream *s) {
    if (s->state < STREAM_READING) return;
    Kept *place = n_shared(e, s) > 0 ? find_place(e, s) : NULL;
    if (!place) {
        llm_seq_free(e->context, s->seq);
        return;
    }
    if (place->n > 0) drop(e, place);
    Status status = llm_seq_truncate(e->context, s->seq, n_shared(e, s), NULL);
    assert(status == STATUS_OK);
    (void)status;
    *place = (Kept){ .tokens = STEAL(s->tokens),
                     .n = n_shared(e, s),
                     .seq = s->seq,
                     .space = s->job.space,
                     .used = ++e->now };
}
