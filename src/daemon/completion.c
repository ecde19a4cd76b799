#include "daemon/completion.h"

#include "daemon/fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const chat_names[] = { "model",
                                          "messages",
                                          "max_tokens",
                                          "max_completion_tokens",
                                          "temperature",
                                          "top_p",
                                          "top_k",
                                          "min_p",
                                          "n",
                                          "stream",
                                          "stream_options",
                                          "stop",
                                          "seed",
                                          "frequency_penalty",
                                          "presence_penalty",
                                          "repetition_penalty",
                                          "logit_bias",
                                          "logprobs",
                                          "top_logprobs",
                                          "response_format",
                                          "user",
                                          "metadata",
                                          "store",
                                          NULL };
static const char *const text_names[] = { "model",
                                          "prompt",
                                          "max_tokens",
                                          "temperature",
                                          "top_p",
                                          "top_k",
                                          "min_p",
                                          "n",
                                          "stream",
                                          "stream_options",
                                          "stop",
                                          "seed",
                                          "logit_bias",
                                          "frequency_penalty",
                                          "presence_penalty",
                                          "repetition_penalty",
                                          "logprobs",
                                          "echo",
                                          "best_of",
                                          "user",
                                          NULL };

static Status wrong(const char *name, const char *wanted, Err *err) {
    return err_set_param(err, STATUS_INVALID, name, "%s: %s is expected", name, wanted);
}

static const Json *get(const Json *object, const char *name) {
    const Json *value = json_get(object, name);
    return value && value->type != JSON_NULL ? value : NULL;
}

/* ---- messages ---- */

static Status parse_role(const Json *message, size_t i, ChatRole *ret, Err *err) {
    static const struct {
        const char *name;
        ChatRole role;
    } roles[] = { { "system", CHAT_SYSTEM },
                  { "developer", CHAT_SYSTEM },
                  { "user", CHAT_USER },
                  { "assistant", CHAT_ASSISTANT } };
    const Json *role = get(message, "role");
    for (size_t r = 0; role && role->type == JSON_STRING && r < N_ELEMENTS(roles); r++) {
        if (!slice_equal(role->string, slice_of(roles[r].name))) continue;
        *ret = roles[r].role;
        return STATUS_OK;
    }
    return err_set_param(err, STATUS_INVALID, "messages",
                         "messages[%zu].role: system, user or assistant is expected", i);
}

/* A string, or an array of {"type":"text","text":...}, whose texts are one after the other. */
static Status parse_content(const Json *message, size_t i, Arena *arena, Slice *ret, Err *err) {
    const Json *content = get(message, "content");
    if (content && content->type == JSON_STRING) {
        *ret = content->string;
        return STATUS_OK;
    }
    size_t n = 0;
    for (const Json *p = content && content->type == JSON_ARRAY ? content->child : NULL; p;
         p = p->next) {
        const Json *type = json_get(p, "type"), *text = json_get(p, "text");
        if (!type || type->type != JSON_STRING || !slice_equal(type->string, SLICE("text")) ||
            !text || text->type != JSON_STRING) {
            return err_set_param(err, STATUS_UNSUPPORTED, "messages",
                                 "messages[%zu].content: only parts of type text are read", i);
        }
        n += text->string.n;
    }
    if (!content || content->type != JSON_ARRAY || !content->child) {
        return err_set_param(err, STATUS_INVALID, "messages",
                             "messages[%zu].content: a string is expected", i);
    }
    char *all = arena_alloc(arena, n + 1, 1);
    if (!all) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    size_t at = 0;
    for (const Json *p = content->child; p; p = p->next) {
        Slice text = json_get(p, "text")->string;
        memcpy(all + at, text.p, text.n);
        at += text.n;
    }
    *ret = (Slice){ all, n };
    return STATUS_OK;
}

static Status parse_messages(const Json *object, Arena *arena, Completion *c, Err *err) {
    const Json *messages = get(object, "messages");
    if (!messages || messages->type != JSON_ARRAY || !messages->child) {
        return wrong("messages", "an array of messages", err);
    }
    if (messages->n > COMPLETION_MAX_MESSAGES) {
        return err_set_param(err, STATUS_TOO_LARGE, "messages", "%zu messages, at most %d",
                             messages->n, COMPLETION_MAX_MESSAGES);
    }
    c->messages = arena_alloc(arena, messages->n, sizeof *c->messages);
    if (!c->messages) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    for (const Json *m = messages->child; m; m = m->next) {
        ChatMessage *out = &c->messages[c->n_messages];
        if (m->type != JSON_OBJECT) return wrong("messages", "an array of objects", err);
        TRY(parse_role(m, c->n_messages, &out->role, err));
        TRY(parse_content(m, c->n_messages, arena, &out->text, err));
        c->n_messages++;
    }
    return STATUS_OK;
}

/* ---- how to write ---- */

static Status parse_stops(const Json *object, Completion *c, Err *err) {
    const Json *stop = get(object, "stop");
    if (!stop) return STATUS_OK;
    if (stop->type == JSON_STRING) {
        c->stops[c->n_stops++] = stop->string;
        return STATUS_OK;
    }
    if (stop->type != JSON_ARRAY) return wrong("stop", "a string or an array of strings", err);
    for (const Json *s = stop->child; s; s = s->next) {
        if (s->type != JSON_STRING) return wrong("stop", "an array of strings", err);
        if (c->n_stops == OUTPUT_MAX_STOPS) {
            return err_set_param(err, STATUS_TOO_LARGE, "stop", "stop: at most %d strings",
                                 OUTPUT_MAX_STOPS);
        }
        c->stops[c->n_stops++] = s->string;
    }
    return STATUS_OK;
}

static Status parse_bias(const Json *object, Arena *arena, SamplerOptions *o, Err *err) {
    const Json *bias = get(object, "logit_bias");
    if (!bias) return STATUS_OK;
    if (bias->type != JSON_OBJECT) return wrong("logit_bias", "an object", err);
    SamplerBias *list = arena_alloc(arena, bias->n + 1, sizeof *list);
    if (!list) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    for (const Json *b = bias->child; b; b = b->next) {
        char *end;
        errno = 0;
        long id = strtol(b->key.p, &end, 10);
        if (end == b->key.p || *end || errno || id < 0 || id > INT32_MAX ||
            b->type != JSON_NUMBER) {
            return wrong("logit_bias", "token ids with numbers", err);
        }
        list[o->n_bias++] = (SamplerBias){ (int32_t)id, (float)b->number };
    }
    o->bias = list;
    return STATUS_OK;
}

static Status parse_float(const Json *object, const char *name, double min, double max, float *ret,
                          Err *err) {
    double value = (double)*ret;
    TRY(field_number(object, name, min, max, &value, err));
    *ret = (float)value;
    return STATUS_OK;
}

static Status parse_seed(const Json *object, uint64_t *ret, Err *err) {
    double seed = -1;
    TRY(field_number(object, "seed", -0x1p53, 0x1p53, &seed, err));
    if (get(object, "seed")) *ret = (uint64_t)(int64_t)seed;
    return STATUS_OK;
}

static Status parse_sampling(const Json *object, Arena *arena, uint64_t seed, SamplerOptions *o,
                             Err *err) {
    *o = SAMPLER_OPTIONS_DEFAULT;
    o->temperature = 1;
    o->seed = seed;
    TRY(parse_float(object, "temperature", 0, 2, &o->temperature, err));
    TRY(parse_float(object, "top_p", 0, 1, &o->top_p, err));
    TRY(parse_float(object, "min_p", 0, 1, &o->min_p, err));
    TRY(field_count(object, "top_k", 0, INT32_MAX, &o->top_k, err));
    TRY(parse_float(object, "frequency_penalty", -2, 2, &o->frequency_penalty, err));
    TRY(parse_float(object, "presence_penalty", -2, 2, &o->presence_penalty, err));
    TRY(parse_float(object, "repetition_penalty", 0.1, 10, &o->repetition_penalty, err));
    TRY(parse_seed(object, &o->seed, err));
    return parse_bias(object, arena, o, err);
}

/* In chat: "logprobs": true and "top_logprobs": N; in completions: "logprobs": N. */
static Status parse_logprobs(const Json *object, bool is_chat, SamplerOptions *o, Err *err) {
    if (!is_chat) {
        TRY(field_count(object, "logprobs", 0, SAMPLER_MAX_TOP, &o->n_top, err));
        o->logprobs = get(object, "logprobs") != NULL;
        return STATUS_OK;
    }
    TRY(field_bool(object, "logprobs", &o->logprobs, err));
    TRY(field_count(object, "top_logprobs", 0, SAMPLER_MAX_TOP, &o->n_top, err));
    if (o->n_top == 0 || o->logprobs) return STATUS_OK;
    return err_set_param(err, STATUS_INVALID, "top_logprobs", "top_logprobs needs logprobs");
}

static Status parse_length(const Json *object, size_t max_tokens, Completion *c, Err *err) {
    TRY(field_count(object, "max_tokens", 1, max_tokens, &c->n_tokens, err));
    return c->is_chat
               ? field_count(object, "max_completion_tokens", 1, max_tokens, &c->n_tokens, err)
               : STATUS_OK;
}

static Status parse_stream(const Json *object, Completion *c, Err *err) {
    TRY(field_bool(object, "stream", &c->stream, err));
    const Json *options = get(object, "stream_options");
    if (!options) return STATUS_OK;
    if (options->type != JSON_OBJECT) return wrong("stream_options", "an object", err);
    return field_bool(options, "include_usage", &c->include_usage, err);
}

/* ---- what may be written ---- */

/* {"type":"json_schema","json_schema":{"name":...,"schema":{...},"strict":true}}: the text conforms
 * whether or not it says strict. */
static Status parse_schema(const Json *format, Completion *c, Err *err) {
    static const char *const names[] = { "name", "description", "schema", "strict", NULL };
    const Json *about = get(format, "json_schema");
    const Json *schema = about && about->type == JSON_OBJECT ? get(about, "schema") : NULL;
    if (!schema) {
        return wrong("response_format", "json_schema with a schema", err);
    }
    TRY(field_check_names(about, names, err));
    return grammar_new(schema, "response_format.json_schema.schema", &c->grammar, err);
}

static Status parse_format(const Json *object, Completion *c, Err *err) {
    static const char *const names[] = { "type", "json_schema", NULL };
    const Json *format = get(object, "response_format");
    if (!format) return STATUS_OK;
    const Json *type = format->type == JSON_OBJECT ? json_get(format, "type") : NULL;
    Slice name = type && type->type == JSON_STRING ? type->string : SLICE_NULL;
    if (type) TRY(field_check_names(format, names, err));
    if (slice_equal(name, SLICE("text"))) return STATUS_OK;
    if (slice_equal(name, SLICE("json_object"))) {
        return grammar_new(NULL, "response_format", &c->grammar, err);
    }
    if (slice_equal(name, SLICE("json_schema"))) return parse_schema(format, c, err);
    return wrong("response_format", "an object of type text, json_object or json_schema", err);
}

/* What would change the answer if it were left out is refused. */
static Status refuse(const Json *object, Err *err) {
    bool echo = false;
    size_t best_of = 1;
    TRY(field_bool(object, "echo", &echo, err));
    TRY(field_count(object, "best_of", 1, 1, &best_of, err));
    if (!echo) return STATUS_OK;
    return err_set_param(err, STATUS_UNSUPPORTED, "echo", "echo: the prompt is not repeated");
}

Status completion_parse(const Json *object, bool is_chat, size_t max_tokens, uint64_t seed,
                        Arena *arena, Completion *ret, Err *err) {
    *ret = (Completion){ .is_chat = is_chat, .n_choices = 1 };
    if (object->type != JSON_OBJECT) return err_set(err, STATUS_INVALID, "an object is expected");
    TRY(field_check_names(object, is_chat ? chat_names : text_names, err));
    TRY(refuse(object, err));
    TRY(field_string(object, "model", 256, &ret->model, err));
    if (!ret->model) return wrong("model", "the name of a model", err);
    if (is_chat) {
        TRY(parse_messages(object, arena, ret, err));
    } else {
        const Json *prompt = get(object, "prompt");
        if (!prompt || prompt->type != JSON_STRING) return wrong("prompt", "a string", err);
        ret->prompt = prompt->string;
    }
    TRY(parse_sampling(object, arena, seed, &ret->sampling, err));
    TRY(parse_logprobs(object, is_chat, &ret->sampling, err));
    TRY(parse_stops(object, ret, err));
    TRY(parse_length(object, max_tokens, ret, err));
    TRY(field_count(object, "n", 1, COMPLETION_MAX_CHOICES, &ret->n_choices, err));
    TRY(parse_stream(object, ret, err));
    return is_chat ? parse_format(object, ret, err) : STATUS_OK;
}

void completion_deinit(Completion *c) {
    if (c) c->grammar = grammar_free(c->grammar);
}
