/* One function per shape. */
#include "daemon/render.h"

#include "base/clock.h"

#include <time.h>

void render_time(JsonWriter *w, const char *key, int64_t unix_s) {
    char text[32];
    time_t at = (time_t)unix_s;
    struct tm parts;
    if (!gmtime_r(&at, &parts) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)) {
        json_null(w, key);
        return;
    }
    json_string(w, key, text);
}

void render_document(JsonWriter *w, const char *key, const FonteDocument *d) {
    json_begin_object(w, key);
    json_string(w, "id", d->id);
    json_string(w, "version", d->version);
    json_string(w, "collection", d->collection);
    json_string(w, "title", d->title);
    json_string(w, "url", d->url);
    json_string(w, "date", d->date);
    json_string(w, "language", d->language);
    json_string(w, "source", d->source);
    json_string(w, "format", d->format);
    json_uint(w, "text_bytes", d->n_text_bytes);
    json_uint(w, "original_bytes", d->n_origin_bytes);
    json_uint(w, "passages", d->n_passages);
    render_time(w, "added", d->added_unix_s);
    json_end_object(w);
}

static void render_origin(JsonWriter *w, size_t start, size_t end) {
    if (start == FONTE_NO_OFFSET || end == FONTE_NO_OFFSET) return;
    json_uint(w, "original_start", start);
    json_uint(w, "original_end", end);
}

static void render_rank(JsonWriter *w, const char *key, size_t rank) {
    if (rank) {
        json_uint(w, key, rank);
    } else {
        json_null(w, key);
    }
}

static void render_passage(JsonWriter *w, const FontePassage *p) {
    json_begin_object(w, NULL);
    json_string(w, "document", p->document);
    json_string(w, "version", p->version);
    json_uint(w, "start", p->start);
    json_uint(w, "end", p->end);
    json_slice(w, "text", (Slice){ p->text, p->end - p->start });
    json_number(w, "score", p->score);
    render_rank(w, "lexical_rank", p->lexical_rank);
    render_rank(w, "vector_rank", p->vector_rank);
    json_number(w, "lexical_score", p->lexical_score);
    json_number(w, "vector_score", p->vector_score);
    json_string(w, "title", p->title);
    json_string(w, "url", p->url);
    json_string(w, "date", p->date);
    json_string(w, "language", p->language);
    json_string(w, "source", p->source);
    json_string(w, "heading", p->heading);
    json_uint(w, "folded", p->n_folded);
    render_origin(w, p->origin_start, p->origin_end);
    json_end_object(w);
}

void render_passages(JsonWriter *w, const char *key, const FontePassages *passages) {
    json_begin_array(w, key);
    for (size_t i = 0; passages && i < passages->n_passages; i++) {
        render_passage(w, &passages->passages[i]);
    }
    json_end_array(w);
}

void render_citation(JsonWriter *w, const char *key, const FonteCitation *c) {
    json_begin_object(w, key);
    json_uint(w, "n", c->n);
    json_string(w, "document", c->document);
    json_string(w, "version", c->version);
    json_string(w, "title", c->title);
    json_string(w, "url", c->url);
    json_string(w, "date", c->date);
    json_uint(w, "start", c->start);
    json_uint(w, "end", c->end);
    json_slice(w, "quote", (Slice){ c->quote, c->end - c->start });
    json_uint(w, "passage", c->passage);
    render_origin(w, c->origin_start, c->origin_end);
    json_end_object(w);
}

void render_times(JsonWriter *w, const char *key, const FonteStageTimes *t, double queue_ms) {
    json_begin_object(w, key);
    json_fixed(w, "queue", queue_ms, 3);
    json_fixed(w, "embed", t->embed_ms, 3);
    json_fixed(w, "lexical", t->lexical_ms, 3);
    json_fixed(w, "vector", t->vector_ms, 3);
    json_fixed(w, "fuse", t->fuse_ms, 3);
    json_fixed(w, "read", t->read_ms, 3);
    json_fixed(w, "answer", t->answer_ms, 3);
    json_fixed(w, "engine", t->engine_ms, 3);
    json_fixed(w, "total", t->total_ms, 3);
    json_end_object(w);
}

static void render_written(JsonWriter *w, const FonteAnswer *a) {
    json_string(w, "generator", a->generator);
    json_begin_array(w, "sentences");
    for (size_t i = 0; i < a->n_sentences; i++) {
        const FonteSentence *s = &a->sentences[i];
        json_begin_object(w, NULL);
        json_uint(w, "start", s->start);
        json_uint(w, "end", s->end);
        json_string(w, "support", s->support);
        if (*s->missing) json_string(w, "missing", s->missing);
        json_end_object(w);
    }
    json_end_array(w);
    json_uint(w, "left_out", a->n_left_out);
    json_begin_object(w, "prompt");
    json_uint(w, "passages_used", a->n_prompt_used);
    json_uint(w, "passages_dropped", a->n_prompt_dropped);
    json_uint(w, "tokens", a->n_prompt_tokens);
    json_uint(w, "cached_tokens", a->n_cached_tokens);
    json_uint(w, "answer_tokens", a->n_answer_tokens);
    json_end_object(w);
}

void render_answer(JsonWriter *w, const FonteAnswer *a, double queue_ms) {
    json_string(w, "answer", a->text);
    json_string(w, "language", a->language);
    json_bool(w, "abstained", a->abstained);
    if (a->abstained) json_string(w, "reason", a->reason);
    json_number(w, "confidence", a->confidence);
    json_begin_array(w, "citations");
    for (size_t i = 0; i < a->n_citations; i++) render_citation(w, NULL, &a->citations[i]);
    json_end_array(w);
    render_passages(w, "passages", a->passages);
    if (*a->generator) render_written(w, a);
    render_times(w, "timings_ms", &a->times, queue_ms);
}

static void render_added_one(JsonWriter *w, const FonteAdded *added) {
    json_string(w, "id", added->id);
    json_string(w, "version", added->version);
    json_uint(w, "passages", added->n_passages);
    json_string(w, "language", added->language);
    json_string(w, "title", added->title);
    json_bool(w, "duplicate", added->duplicate);
    json_bool(w, "replaced", added->replaced);
}

void render_added(JsonWriter *w, const FonteAddedList *list) {
    if (list->n_added) render_added_one(w, &list->added[0]);
    if (list->n_added == 1 && list->n_skipped == 0) return;
    json_begin_array(w, "documents");
    for (size_t i = 0; i < list->n_added; i++) {
        json_begin_object(w, NULL);
        render_added_one(w, &list->added[i]);
        json_end_object(w);
    }
    json_end_array(w);
    json_uint(w, "skipped", list->n_skipped);
    if (list->n_skipped) json_string(w, "skipped_reason", list->skipped);
}

const char *render_job_id(size_t i) {
    static const char *const ids[RENDER_N_JOBS] = { "embed", "maintain" };
    return ids[i];
}

void render_job(JsonWriter *w, const char *key, size_t i, const WriterStatus *status) {
    bool embedding = status->index.embedder_building[0] != '\0';
    bool running = i == 0 ? embedding : status->maintaining && !embedding;
    json_begin_object(w, key);
    json_string(w, "id", render_job_id(i));
    json_string(w, "kind",
                i == 0 ? "embed documents again with another embedder"
                       : "checkpoint, train vectors, write the snapshot");
    json_string(w, "state", running ? "running" : "idle");
    if (i == 0 && embedding) {
        json_string(w, "embedder", status->index.embedder_building);
        json_fixed(w, "progress", status->index.building_ratio, 4);
    }
    if (i == 1) {
        json_uint(w, "failures", status->n_failures);
        if (status->n_failures) json_string(w, "last_failure", status->failure.text);
        if (status->maintained_us) {
            json_fixed(w, "idle_s", (double)(clock_us() - status->maintained_us) / 1e6, 1);
        }
    }
    json_end_object(w);
}
