/* A JSON object with "text" is one document whose metadata stand beside the text; any other body is
 * the document itself, with metadata in the query. What is given this way wins over what the
 * document says of itself. */
#include "daemon/input.h"

#include "daemon/fields.h"
#include "daemon/route.h"
#include "text/language.h"

enum { MAX_VALUE_BYTES = 4096 };

static Status check(const char *name, const char *value, Err *err) {
    return value ? value_check_text(name, slice_of(value), MAX_VALUE_BYTES, err) : STATUS_OK;
}

/* Values that are wrong in the same way wherever they come from. */
static Status check_input(Job *job, IndexInput *input, Err *err) {
    TRY(check("title", input->title, err));
    TRY(check("url", input->url, err));
    TRY(check("source", input->source, err));
    TRY(check("name", input->name, err));
    if (input->collection) TRY(value_check_collection(input->collection, err));
    if (input->date && *input->date) TRY(value_check_date("date", input->date, true, err));
    if (input->language && *input->language) {
        char code[LANGUAGE_BYTES];
        language_parse(slice_of(input->language), code);
        if (!*code) {
            return err_set_param(err, STATUS_INVALID, "lang", "lang: no language that is known");
        }
        input->language = arena_string(&job->arena, slice_of(code));
        if (!input->language) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    if (slice_trim(input->bytes).n == 0) {
        return err_set(err, STATUS_INVALID, "the document is empty");
    }
    return STATUS_OK;
}

static Status parse_params(const Job *job, IndexInput *ret) {
    const HttpTarget *target = &job->target;
    *ret = (IndexInput){
        .bytes = buf_slice(&job->body),
        .mime = job->content_type,
        .collection = http_target_param(target, "collection"),
        .name = http_target_param(target, "name"),
        .title = http_target_param(target, "title"),
        .url = http_target_param(target, "url"),
        .date = http_target_param(target, "date"),
        .language = http_target_param(target, "lang"),
        .source = http_target_param(target, "source"),
    };
    return STATUS_OK;
}

static Status parse_object(Job *job, IndexInput *input, Err *err) {
    static const char *const names[] = { "text",     "title",  "url",        "date", "lang",
                                         "language", "source", "collection", "name", NULL };
    const Json *object = NULL;
    TRY(json_read(buf_slice(&job->body), job->json_depth, &job->arena, &object, err));
    if (object->type != JSON_OBJECT) {
        return err_set(err, STATUS_INVALID,
                       "an object with \"text\" is expected (several documents "
                       "go as JSON Lines, application/jsonl)");
    }
    TRY(field_check_names(object, names, err));
    const Json *text = json_get(object, "text");
    if (!text || text->type != JSON_STRING) {
        return err_set_param(err, STATUS_INVALID, "text", "text: a string is expected");
    }
    if (memchr(text->string.p, '\0', text->string.n)) {
        return err_set_param(err, STATUS_INVALID, "text", "text: NUL is not text");
    }
    input->bytes = text->string;
    input->mime = "text/plain; charset=utf-8";
    TRY(field_string(object, "title", MAX_VALUE_BYTES, &input->title, err));
    TRY(field_string(object, "url", MAX_VALUE_BYTES, &input->url, err));
    TRY(field_string(object, "date", MAX_VALUE_BYTES, &input->date, err));
    TRY(field_string(object, "lang", MAX_VALUE_BYTES, &input->language, err));
    TRY(field_string(object, "language", MAX_VALUE_BYTES, &input->language, err));
    TRY(field_string(object, "source", MAX_VALUE_BYTES, &input->source, err));
    TRY(field_string(object, "name", MAX_VALUE_BYTES, &input->name, err));
    return field_string(object, "collection", MAX_VALUE_BYTES, &input->collection, err);
}

Status input_parse(Job *job, IndexInput *ret, Err *err) {
    IndexInput input;
    TRY(parse_params(job, &input));
    if (route_type_is(job->content_type, "application/json")) TRY(parse_object(job, &input, err));
    if (!input.collection || !*input.collection) input.collection = FONTE_COLLECTION_DEFAULT;
    TRY(check_input(job, &input, err));
    *ret = input;
    return STATUS_OK;
}
