/* POST /v1/ask and POST /v1/search: a JSON object to a query, the query to an answer or passages,
 * whole or as a stream of events. */
#include "answer/followup.h"
#include "daemon/daemon_internal.h"
#include "daemon/fields.h"
#include "daemon/render.h"
#include "daemon/route.h"
#include "text/language.h"

#include "base/clock.h"

#include <string.h>

static Status parse_mode(const Json *object, Job *job, bool asks, Err *err) {
    static const struct {
        const char *name;
        int search, answer; /* -1: says nothing about it */
    } modes[] = {
        { "hybrid", FONTE_HYBRID, -1 },    { "lexical", FONTE_LEXICAL, -1 },
        { "vector", FONTE_VECTOR, -1 },    { "auto", -1, ANSWER_AUTO },
        { "extract", -1, ANSWER_EXTRACT }, { "generate", -1, ANSWER_GENERATE },
    };
    const char *name = NULL;
    TRY(field_string(object, "mode", 32, &name, err));
    if (!name) return STATUS_OK;
    for (size_t i = 0; i < N_ELEMENTS(modes); i++) {
        if (strcmp(modes[i].name, name) != 0 || (!asks && modes[i].answer >= 0)) continue;
        if (modes[i].search >= 0) job->query.mode = (FonteSearchMode)modes[i].search;
        if (modes[i].answer >= 0) job->mode = (AnswerMode)modes[i].answer;
        return STATUS_OK;
    }
    return err_set_param(err, STATUS_INVALID, "mode", "mode: one of hybrid, lexical, vector%s",
                         asks ? ", auto, extract, generate" : "");
}

static Status parse_language(const char *name, const char *given, Arena *arena, const char **ret,
                             Err *err) {
    if (!given || !*given) return STATUS_OK;
    char code[LANGUAGE_BYTES];
    language_parse(slice_of(given), code);
    if (!*code)
        return err_set_param(err, STATUS_INVALID, name, "%s: no language that is known", name);
    *ret = arena_string(arena, slice_of(code));
    return *ret ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

static Status parse_filters(const Json *object, Job *job, Err *err) {
    static const char *const names[] = { "language", "source", "date_from", "date_to", NULL };
    const Json *filters = json_get(object, "filters");
    if (!filters || filters->type == JSON_NULL) return STATUS_OK;
    if (filters->type != JSON_OBJECT) {
        return err_set_param(err, STATUS_INVALID, "filters", "filters: an object is expected");
    }
    TRY(field_check_names(filters, names, err));
    FonteFilters *f = &job->query.filters;
    const char *language = NULL;
    TRY(field_string(filters, "language", 64, &language, err));
    TRY(parse_language("language", language, &job->arena, &f->language, err));
    TRY(field_string(filters, "source", 1024, &f->source, err));
    TRY(field_string(filters, "date_from", 40, &f->date_from, err));
    TRY(field_string(filters, "date_to", 40, &f->date_to, err));
    if (f->date_from && *f->date_from) TRY(value_check_date("date_from", f->date_from, false, err));
    if (f->date_to && *f->date_to) TRY(value_check_date("date_to", f->date_to, false, err));
    return STATUS_OK;
}

static Status parse_question(const Json *object, Job *job, bool asks, Err *err) {
    size_t max = job->daemon->config->question_bytes;
    const char *name = !asks && json_get(object, "query") ? "query" : "question";
    if (strcmp(name, "query") == 0 && json_get(object, "question")) {
        return err_set_param(err, STATUS_INVALID, "query", "question and query are the same");
    }
    TRY(field_string(object, name, max, &job->query.text, err));
    if (!job->query.text || slice_trim(slice_of(job->query.text)).n == 0) {
        return err_set_param(err, STATUS_INVALID, name, "%s: a question is expected", name);
    }
    job->query.text = arena_string(&job->arena, slice_trim(slice_of(job->query.text)));
    return job->query.text ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

/* "conversation": true begins one, an id goes on with it. */
static Status parse_conversation(const Json *object, Job *job, Err *err) {
    const Json *value = json_get(object, "conversation");
    if (!value || value->type == JSON_NULL) return STATUS_OK;
    if (value->type == JSON_BOOL) {
        job->begins = value->boolean;
        return STATUS_OK;
    }
    return field_string(object, "conversation", CONVERSATION_ID_BYTES, &job->conversation, err);
}

/* On the loop: bodies are small (limits.json_size). */
static Status parse(Job *job, bool asks, bool *ret_stream, Err *err) {
    static const char *const ask_names[] = { "question", "collection",   "k",
                                             "mode",     "stream",       "filters",
                                             "language", "conversation", NULL };
    static const char *const search_names[] = { "question", "query",   "collection", "k",
                                                "mode",     "filters", "language",   NULL };
    const Json *object = NULL;
    TRY(json_read(buf_slice(&job->body), job->json_depth, &job->arena, &object, err));
    if (object->type != JSON_OBJECT) return err_set(err, STATUS_INVALID, "an object is expected");
    TRY(field_check_names(object, asks ? ask_names : search_names, err));
    TRY(parse_question(object, job, asks, err));
    job->query.collection = FONTE_COLLECTION_DEFAULT;
    TRY(field_string(object, "collection", 4096, &job->query.collection, err));
    TRY(value_check_collection(job->query.collection, err));
    TRY(field_count(object, "k", 1, job->daemon->config->k, &job->query.k, err));
    TRY(parse_mode(object, job, asks, err));
    const char *language = NULL;
    TRY(field_string(object, "language", 64, &language, err));
    TRY(parse_language("language", language, &job->arena, &job->query.language, err));
    TRY(parse_filters(object, job, err));
    if (asks) {
        TRY(parse_conversation(object, job, err));
        TRY(field_bool(object, "stream", ret_stream, err));
    }
    return job_check_access(job, ACCESS_READ, job->query.collection, err);
}

/* ---- events ---- */

/* An object as one event: the writer's buffer is sent and emptied. */
static Status send_event(Job *job, const char *event, Buf *json) {
    TRY(buf_status(json, NULL));
    return http_stream_send(job->stream, event, buf_slice(json), NULL);
}

static Status on_passages(void *context, const FontePassages *passages) {
    AUTO_BUF Buf json = BUF_NULL;
    JsonWriter w = JSON_WRITER(&json);
    json_begin_object(&w, NULL);
    render_passages(&w, "passages", passages);
    json_string(&w, "language", passages->language);
    json_end_object(&w);
    return send_event(context, "passages", &json);
}

static Status on_token(void *context, Slice text) {
    AUTO_BUF Buf json = BUF_NULL;
    JsonWriter w = JSON_WRITER(&json);
    json_begin_object(&w, NULL);
    json_slice(&w, "text", text);
    json_end_object(&w);
    return send_event(context, "token", &json);
}

static Status on_citation(void *context, const FonteCitation *citation) {
    AUTO_BUF Buf json = BUF_NULL;
    JsonWriter w = JSON_WRITER(&json);
    render_citation(&w, NULL, citation);
    return send_event(context, "citation", &json);
}

static Status on_unsupported(void *context, Slice text, const char *missing) {
    AUTO_BUF Buf json = BUF_NULL;
    JsonWriter w = JSON_WRITER(&json);
    json_begin_object(&w, NULL);
    json_slice(&w, "text", text);
    json_string(&w, "missing", missing);
    json_end_object(&w);
    return send_event(context, "unsupported", &json);
}

void ask_events(Job *job, AnswerEvents *ret) {
    *ret = (AnswerEvents){ .cancelled = job_cancelled_cb, .context = job };
    if (!job->stream) return;
    ret->passages = on_passages;
    ret->token = on_token;
    ret->citation = on_citation;
    ret->unsupported = on_unsupported;
}

Status ask_finish(Job *job, Err *err) {
    TRY(buf_status(&job->out, err));
    return job->stream ? send_event(job, "done", &job->out) : STATUS_OK;
}

/* ---- work ---- */

Status ask_read_question(Job *job, Slice before, const char *hint, Err *err) {
    Slice asked = slice_trim(slice_of(job->query.text)), read;
    FollowupReadings readings;
    char language[LANGUAGE_BYTES];
    if (!job->query.language) {
        language_guess(asked, hint, language);
        job->query.language = arena_string(&job->arena, slice_of(language));
        if (!job->query.language) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    TRY(followup_readings(asked, job->query.language, before, &job->arena, &readings, err));
    TRY(followup_choose(job->daemon->index, &job->query, &readings, job_cancelled_cb, job, &read,
                        err));
    job->query.text = arena_string(&job->arena, read);
    return job->query.text ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

static Status begin_turn(Job *job, Err *err) {
    ConversationTurn *turns = NULL;
    size_t n = 0;
    char id[CONVERSATION_ID_BYTES];
    job->asked = job->query.text;
    if (job->begins) {
        TRY(conversation_begin(job->daemon->conversations, job->peer.uid, id, err));
        job->conversation = arena_string(&job->arena, slice_of(id));
        if (!job->conversation) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    if (!job->conversation) return STATUS_OK;
    TRY(conversation_turns(job->daemon->conversations, job->conversation, job->peer.uid,
                           &job->arena, &turns, &n, err));
    const ConversationTurn *last = n ? &turns[n - 1] : NULL;
    return ask_read_question(job, slice_of(last ? last->read_as : ""), last ? last->language : "",
                             err);
}

/* A conversation that was forgotten while its question was answered stays so. */
static Status end_turn(Job *job, JsonWriter *w, Err *err) {
    if (!job->conversation) return STATUS_OK;
    ConversationTurn turn = { job->asked, job->query.text, job->query.language, clock_unix_s() };
    Status status =
        conversation_add(job->daemon->conversations, job->conversation, job->peer.uid, &turn, err);
    json_string(w, "conversation", job->conversation);
    json_string(w, "read_as", job->query.text);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static Status ask_work(Job *job, Err *err) {
    TRY(begin_turn(job, err));
    AnswerRequest request = { .query = job->query, .mode = job->mode };
    AnswerEvents events;
    ask_events(job, &events);
    answers_record(job);
    FonteAnswer *answer = NULL;
    TRY(answer_ask(job->daemon->index, &request, &job->answer_options, &events, &answer, err));
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    if (*job->record_id) json_string(&w, "id", job->record_id);
    Status status = end_turn(job, &w, err);
    render_answer(&w, answer, job_queue_ms(job));
    json_end_object(&w);
    answer_free(answer);
    TRY(status);
    return ask_finish(job, err);
}

static Status search_work(Job *job, Err *err) {
    FontePassages *passages = NULL;
    TRY(index_search(job->daemon->index, &job->query, job_cancelled_cb, job, &passages, err));
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    render_passages(&w, "passages", passages);
    json_string(&w, "language", passages->language);
    render_times(&w, "timings_ms", &passages->times, job_queue_ms(job));
    json_end_object(&w);
    index_passages_free(passages);
    return buf_status(&job->out, err);
}

bool ask_wants_events(HttpRequest *request) {
    const char *accept = http_request_header(request, "Accept");
    return accept && strstr(accept, "text/event-stream");
}

static void start(Daemon *daemon, HttpRequest *request, bool asks) {
    Job *job = job_new(daemon, request, asks ? ask_work : search_work);
    if (!job) return;
    bool streams = asks && ask_wants_events(request);
    Err err = { 0 };
    Status status = parse(job, asks, &streams, &err);
    if (status == STATUS_OK && asks) job_use_model(job);
    job_start(job, status, streams, &err);
}

void route_ask(Daemon *daemon, HttpRequest *request) {
    start(daemon, request, true);
}

void route_search(Daemon *daemon, HttpRequest *request) {
    start(daemon, request, false);
}
