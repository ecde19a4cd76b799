/* GET /v1/answers/ID and POST /v1/answers/ID/replay, and the making of the records that they show.
 * A record is its asker's, and of those in [access] records. Whoever looks must also be allowed to
 * read the collection still. */
#include "daemon/daemon_internal.h"
#include "daemon/fields.h"
#include "daemon/render.h"
#include "daemon/route.h"

#include <string.h>

enum { RECORD_DEPTH = 8 };

/* ---- making ---- */

/* What record_write leaves out, and where the setting wants it. */
static void write_kept(const Job *job, const AnswerRecord *record, JsonWriter *w) {
    json_begin_object(w, "kept");
    json_string(w, "question", job->query.text);
    if (job->asked && strcmp(job->asked, job->query.text) != 0) {
        json_string(w, "asked", job->asked);
    }
    json_string(w, "answer", record->answer_text);
    json_end_object(w);
}

/* An answer without a record is still one. */
static void take_record(void *context, const AnswerRecord *record) {
    Job *job = context;
    Daemon *daemon = job->daemon;
    AUTO_BUF Buf json = BUF_NULL;
    JsonWriter w = JSON_WRITER(&json);
    RecordsLimits limits;
    Err err = { 0 };
    records_limits(daemon->records, &limits);
    if (!limits.count) return;
    if (record->n_prompt) served_wait_hash(job->served);
    json_begin_object(&w, NULL);
    record_write(record, &w);
    if (limits.keeps_text) write_kept(job, record, &w);
    json_end_object(&w);
    Status status = buf_status(&json, &err);
    if (status == STATUS_OK) {
        status = records_add(daemon->records, job->peer.uid, job->query.collection,
                             buf_slice(&json), job->record_id, &err);
    }
    if (status == STATUS_OK)
        writer_wake(daemon->writer);
    else
        log_line(LOG_WARNING, "an answer has no record: %s", err.text);
}

void answers_record(Job *job) {
    job->answer_options.record = take_record;
    job->answer_options.record_context = job;
}

/* ---- finding ---- */

static Status find(Job *job, StoreAnswer *ret, Err *err) {
    StoreAnswer answer = { 0 };
    TRY(records_find(job->daemon->records, job->daemon->index, job->record_of, &job->arena, &answer,
                     err));
    bool own = answer.uid == job->peer.uid || access_may_see_records(job->access, &job->peer);
    if (!own || !access_may(job->access, &job->peer, ACCESS_READ, answer.collection)) {
        return records_not_found(err);
    }
    *ret = answer;
    return STATUS_OK;
}

static Status show_work(Job *job, Err *err) {
    StoreAnswer answer = { 0 };
    TRY(find(job, &answer, err));
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    json_string(&w, "id", answer.id);
    json_string(&w, "collection", answer.collection);
    render_time(&w, "made", answer.made_unix_s);
    json_int(&w, "uid", answer.uid);
    buf_append_byte(&job->out, ','); /* the record is an object with members: they go on here */
    buf_append_slice(&job->out, slice_skip(answer.record, 1));
    return buf_status(&job->out, err);
}

/* ---- once more ---- */

/* The question that the record is of: kept, or given and checked. */
static Status find_question(const Job *job, const Json *object, const AnswerRecord *record,
                            Arena *arena, const char **ret, Err *err) {
    const Json *kept = json_get(object, "kept");
    const Json *question = kept ? json_get(kept, "question") : NULL;
    Slice given = slice_trim(slice_of(job->query.text)); /* as when it was asked */
    if (!given.n && question && question->type == JSON_STRING) given = question->string;
    if (!given.n) {
        return err_set_param(err, STATUS_INVALID, "question",
                             "the question's text was not kept (answer.record_text): give it");
    }
    char hash[HASH_HEX_BYTES];
    TRY(record_hash(given, hash, err));
    if (strcmp(hash, record->question_hash) != 0) {
        return err_set_param(err, STATUS_INVALID, "question",
                             "this is not the question that was asked (of a follow-up, what it was "
                             "read as counts)");
    }
    *ret = arena_string(arena, given);
    return *ret ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

static Status check_model(const Job *job, const AnswerRecord *record, Err *err) {
    if (!answer_needs_model(record)) return STATUS_OK;
    if (!job->served) {
        return err_set(err, STATUS_CONFLICT, "the model %s was asked, and none is served now",
                       record->model);
    }
    const char *hash = served_wait_hash(job->served);
    if (*hash && strcmp(hash, record->model_hash) == 0) return STATUS_OK;
    return err_set(err, STATUS_CONFLICT,
                   "the model %s (SHA-256 %.12s...) was asked, and %s (%.12s...) is served now",
                   record->model, record->model_hash, served_name(job->served), hash);
}

typedef struct Replay {
    AnswerRecord record;    /* of the answer that was given */
    const char *difference; /* of the one that is given now: where it begins; "" = none */
    const char *arithmetic; /* of the generator now */
    char answer_hash[HASH_HEX_BYTES];
} Replay;

/* From the first thing that made the answer to the last. */
static void compare_record(void *context, const AnswerRecord *now) {
    Replay *replay = context;
    const AnswerRecord *then = &replay->record;
    memcpy(replay->answer_hash, now->answer_hash, sizeof replay->answer_hash);
    replay->arithmetic = now->arithmetic;
    replay->difference = strcmp(now->prompt_hash, then->prompt_hash) != 0     ? "prompt"
                         : strcmp(now->written_hash, then->written_hash) != 0 ? "written"
                         : strcmp(now->answer_hash, then->answer_hash) != 0   ? "answer"
                                                                              : "";
}

static Status answer_once_more(Job *job, Replay *replay, const char *question, FonteAnswer **ret,
                               Err *err) {
    AnswerRequest request;
    AnswerOptions options;
    AnswerEvents events;
    answer_again(&replay->record, question, &request, &options);
    options.generator = job->answer_options.generator;
    options.citations = job->answer_options.citations;
    options.owner = job->peer.uid;
    options.record = compare_record;
    options.record_context = replay;
    ask_events(job, &events);
    return answer_ask(job->daemon->index, &request, &options, &events, ret, err);
}

static void render_replay(Job *job, const StoreAnswer *kept, const Replay *replay,
                          const FonteAnswer *answer) {
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "replay");
    json_string(&w, "id", kept->id);
    render_time(&w, "made", kept->made_unix_s);
    json_bool(&w, "same", !*replay->difference);
    if (*replay->difference) json_string(&w, "difference", replay->difference);
    if (strcmp(replay->arithmetic, replay->record.arithmetic) != 0) {
        json_string(&w, "recorded_arithmetic", replay->record.arithmetic);
        json_string(&w, "arithmetic", replay->arithmetic);
    }
    json_string(&w, "recorded_sha256", replay->record.answer_hash);
    json_string(&w, "answer_sha256", replay->answer_hash);
    json_end_object(&w);
    render_answer(&w, answer, job_queue_ms(job));
    json_end_object(&w);
}

static Status replay_work(Job *job, Err *err) {
    StoreAnswer kept = { 0 };
    Replay replay = { .difference = "", .arithmetic = "" };
    const Json *object = NULL;
    const char *question = NULL;
    FonteAnswer *answer = NULL;
    TRY(find(job, &kept, err));
    TRY(json_read(kept.record, RECORD_DEPTH, &job->arena, &object, err));
    TRY(record_read(object, kept.record, &job->arena, &replay.record, err));
    TRY(find_question(job, object, &replay.record, &job->arena, &question, err));
    TRY(check_model(job, &replay.record, err));
    TRY(answer_once_more(job, &replay, question, &answer, err));
    render_replay(job, &kept, &replay, answer);
    answer_free(answer);
    return ask_finish(job, err);
}

static Status parse_replay(Job *job, bool *ret_stream, Err *err) {
    static const char *const names[] = { "question", "stream", NULL };
    const Json *object = NULL;
    size_t max = job->daemon->config->question_bytes;
    TRY(json_read(buf_slice(&job->body), job->json_depth, &job->arena, &object, err));
    if (object->type != JSON_OBJECT) return err_set(err, STATUS_INVALID, "an object is expected");
    TRY(field_check_names(object, names, err));
    TRY(field_string(object, "question", max, &job->query.text, err));
    return field_bool(object, "stream", ret_stream, err);
}

/* ---- on the loop ---- */

/* OpenAI's clients know the answer by the id of their completion. */
static Status take_id(Job *job, Err *err) {
    Slice id = job->target.segments[2], prefix = SLICE(ANSWERS_COMPLETION_PREFIX);
    if (slice_starts(id, prefix)) id = slice_skip(id, prefix.n);
    job->record_of = arena_string(&job->arena, id);
    return job->record_of ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
}

void route_answer_get(Daemon *daemon, HttpRequest *request) {
    Job *job = job_new(daemon, request, show_work);
    Err err = { 0 };
    if (job) job_start(job, take_id(job, &err), false, &err);
}

void route_answer_replay(Daemon *daemon, HttpRequest *request) {
    Job *job = job_new(daemon, request, replay_work);
    if (!job) return;
    Err err = { 0 };
    bool streams = ask_wants_events(request);
    Status status = take_id(job, &err);
    if (status == STATUS_OK) status = parse_replay(job, &streams, &err);
    if (status == STATUS_OK) job_use_model(job);
    job_start(job, status, streams, &err);
}
