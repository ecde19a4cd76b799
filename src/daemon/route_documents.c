/* Documents: added, replaced and removed through the threads that prepare and the writer; listed
 * and read on the pool. Every id is looked up inside the collections that the asker may read, so
 * that somebody else's document and none are the same answer. */
#include "daemon/daemon_internal.h"
#include "daemon/fields.h"
#include "daemon/input.h"
#include "daemon/render.h"
#include "daemon/route.h"

#include <stdio.h>

static void submit(Job *job, bool is_change) {
    if (!job) return;
    job->is_change = is_change;
    job_submit(job);
}

static Job *document_job(Daemon *daemon, HttpRequest *request, Status (*work)(Job *, Err *)) {
    Job *job = job_new(daemon, request, work);
    if (job) job->document = job->target.segments[2].p;
    return job;
}

/* ---- changes ---- */

static Status prepare(Job *job, IndexInput *input, Err *err) {
    TRY(job_check_access(job, ACCESS_WRITE, input->collection, err));
    TRY(index_prepare(job->daemon->index, input, &job->prepared, err));
    return STATUS_OK;
}

static Status add_work(Job *job, Err *err) {
    IndexInput input;
    TRY(input_parse(job, &input, err));
    return prepare(job, &input, err);
}

static void add_finish(Job *job) {
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    render_added(&w, job->added);
    json_end_object(&w);
    job->reply.status = 201;
}

void route_documents_add(Daemon *daemon, HttpRequest *request) {
    Job *job = job_new(daemon, request, add_work);
    if (job) job->finish = add_finish;
    submit(job, true);
}

static Status put_work(Job *job, Err *err) {
    FonteDocument document;
    TRY(job_find_document(job, &document, err));
    IndexInput input;
    TRY(input_parse(job, &input, err));
    if (strcmp(input.collection, document.collection) != 0 &&
        strcmp(input.collection, FONTE_COLLECTION_DEFAULT) != 0) {
        return err_set_param(err, STATUS_CONFLICT, "collection",
                             "collection: a document stays in its collection");
    }
    input.collection = document.collection;
    input.id = document.id;
    return prepare(job, &input, err);
}

static void put_finish(Job *job) {
    add_finish(job);
    job->reply.status = 200;
}

void route_document_put(Daemon *daemon, HttpRequest *request) {
    Job *job = document_job(daemon, request, put_work);
    if (job) job->finish = put_finish;
    submit(job, true);
}

/* The writer removes what comes to it without anything prepared. */
static Status delete_work(Job *job, Err *err) {
    FonteDocument document;
    TRY(job_find_document(job, &document, err));
    return job_check_access(job, ACCESS_WRITE, document.collection, err);
}

static void delete_finish(Job *job) {
    job->reply.status = 204;
}

void route_document_delete(Daemon *daemon, HttpRequest *request) {
    Job *job = document_job(daemon, request, delete_work);
    if (job) job->finish = delete_finish;
    submit(job, true);
}

/* ---- reading ---- */

static Status get_work(Job *job, Err *err) {
    FonteDocument document;
    TRY(job_find_document(job, &document, err));
    JsonWriter w = JSON_WRITER(&job->out);
    render_document(&w, NULL, &document);
    return buf_status(&job->out, err);
}

void route_document_get(Daemon *daemon, HttpRequest *request) {
    submit(document_job(daemon, request, get_work), false);
}

typedef struct Medium {
    const char *format, *type, *ending;
} Medium;

/* What a format's original goes out as. Encodings are the document's own: no charset is claimed. */
static const Medium *medium_of(const char *format) {
    static const Medium media[] = {
        { "markdown", "text/markdown", "md" },   { "html", "text/html", "html" },
        { "jsonl", "application/json", "json" }, { "feed", "application/xml", "xml" },
        { "text", "text/plain", "txt" },
    };
    for (size_t i = 0; i < N_ELEMENTS(media) - 1; i++) {
        if (strcmp(media[i].format, format) == 0) return &media[i];
    }
    return &media[N_ELEMENTS(media) - 1];
}

/* Attachments, so that a browser that is given one never runs what somebody put into a document. */
static Status part_work(Job *job, Err *err) {
    FonteDocument document;
    TRY(job_find_document(job, &document, err));
    const Medium *medium = medium_of(document.format);
    bool text = job->part == STORE_TEXT;
    job->reply.content_type = text ? "text/plain; charset=utf-8" : medium->type;
    snprintf(job->disposition, sizeof job->disposition, "attachment; filename=\"%s.%s\"",
             document.id, text ? "txt" : medium->ending);
    return index_read(job->daemon->index, document.id, job->part, 0, SIZE_MAX, &job->out, err);
}

void route_document_text(Daemon *daemon, HttpRequest *request) {
    Job *job = document_job(daemon, request, part_work);
    if (job) job->part = STORE_TEXT;
    submit(job, false);
}

void route_document_original(Daemon *daemon, HttpRequest *request) {
    Job *job = document_job(daemon, request, part_work);
    if (job) job->part = STORE_ORIGIN;
    submit(job, false);
}

/* ---- lists ---- */

/* Without a collection: of all that the asker may read. Pages of the store may hold documents of
 * others, so they are filled up until the page or the store is at its end. */
static Status list_work(Job *job, Err *err) {
    const char *after = http_target_param(&job->target, "after");
    JsonWriter w = JSON_WRITER(&job->out);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "documents");
    size_t left = job->limit;
    const char *last = after ? after : "";
    bool more = true;
    while (left && more) {
        if (job_is_cancelled(job)) return job_cancelled_status(job, err);
        FonteDocument *documents;
        size_t n;
        TRY(index_list(job->daemon->index, job->collection, last, left, &job->arena, &documents, &n,
                       err));
        more = n == left;
        for (size_t i = 0; i < n; i++) {
            last = documents[i].id;
            if (!access_may(job->access, &job->peer, ACCESS_READ, documents[i].collection))
                continue;
            render_document(&w, NULL, &documents[i]);
            left--;
        }
    }
    json_end_array(&w);
    if (more && *last) {
        json_string(&w, "next", last);
    } else {
        json_null(&w, "next");
    }
    json_end_object(&w);
    return buf_status(&job->out, err);
}

static Status parse_list(Job *job, Err *err) {
    const char *collection = http_target_param(&job->target, "collection");
    const char *limit = http_target_param(&job->target, "limit");
    const char *after = http_target_param(&job->target, "after");
    size_t max = job->daemon->config->list;
    job->collection = "";
    job->limit = MIN((size_t)100, max);
    if (limit) TRY(value_parse_count("limit", limit, 1, max, &job->limit, err));
    if (after && strlen(after) >= STORE_ID_BYTES) {
        return err_set_param(err, STATUS_INVALID, "after", "after: no id of a document");
    }
    if (!collection) return STATUS_OK;
    job->collection = collection;
    TRY(value_check_collection(collection, err));
    return job_check_access(job, ACCESS_READ, collection, err);
}

void route_documents_list(Daemon *daemon, HttpRequest *request) {
    Job *job = job_new(daemon, request, list_work);
    if (!job) return;
    Err err = { 0 };
    job_start(job, parse_list(job, &err), false, &err);
}
