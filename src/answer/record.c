/* Members in groups: what was found, what the model read, settings; the figures stand at the top. A
 * record that is read back comes from a file, so every number is checked before it is used. */
#include "answer/record.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const char *const mode_names[] = {
    [ANSWER_AUTO] = "auto", [ANSWER_EXTRACT] = "extract", [ANSWER_GENERATE] = "generate"
};

/* ---- hashes ---- */

Status record_hash(Slice bytes, char ret[HASH_HEX_BYTES], Err *err) {
    Hash hash;
    TRY(hash_sha256(&bytes, 1, &hash, err));
    hash_hex(&hash, ret);
    return STATUS_OK;
}

void record_append_token(Buf *bytes, int32_t id) {
    for (int shift = 0; shift < 32; shift += 8) {
        buf_append_byte(bytes, (char)((uint32_t)id >> shift & 0xff));
    }
}

/* ---- writing ---- */

static void write_passages(const AnswerRecord *r, JsonWriter *w) {
    json_uint(w, "given", r->n_given);
    json_begin_array(w, "passages");
    for (size_t i = 0; i < r->n_passages; i++) {
        const FontePassage *p = &r->passages[i];
        json_begin_object(w, NULL);
        json_string(w, "document", p->document);
        json_string(w, "version", p->version);
        json_uint(w, "start", p->start);
        json_uint(w, "end", p->end);
        json_number(w, "score", p->score);
        json_number(w, "lexical_score", p->lexical_score);
        json_number(w, "vector_score", p->vector_score);
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_object(w, "counts");
    json_uint(w, "passages", r->counts.n_passages);
    json_begin_array(w, "terms");
    for (size_t i = 0; i < r->counts.n; i++) json_uint(w, NULL, r->counts.df[i]);
    json_end_array(w);
    json_end_object(w);
}

static void write_prompt(const AnswerRecord *r, JsonWriter *w) {
    if (!r->n_prompt) return;
    json_string(w, "model", r->model);
    json_string(w, "model_sha256", r->model_hash);
    json_string(w, "arithmetic", r->arithmetic);
    json_begin_object(w, "prompt");
    json_uint(w, "tokens", r->n_prompt);
    json_uint(w, "cached_tokens", r->n_cached_tokens);
    json_uint(w, "answer_tokens", r->n_answer_tokens);
    json_string(w, "sha256", r->prompt_hash);
    json_string(w, "written_sha256", r->written_hash);
    json_begin_array(w, "passages");
    for (size_t i = 0; i < r->n_used; i++) json_uint(w, NULL, r->used[i]);
    json_end_array(w);
    json_end_object(w);
}

static void write_settings(const AnswerRecord *r, JsonWriter *w) {
    json_begin_object(w, "settings");
    json_number(w, "min_confidence", r->min_confidence);
    json_uint(w, "max_sentences", r->max_sentences);
    json_uint(w, "max_tokens", r->max_tokens);
    json_uint(w, "context_tokens", r->context_tokens);
    json_bool(w, "strict", r->strict);
    json_number(w, "temperature", (double)r->temperature);
    json_uint(w, "seed", r->seed);
    json_end_object(w);
}

static void write_figures(const AnswerRecord *r, JsonWriter *w) {
    json_string(w, "answer_sha256", r->answer_hash);
    json_string(w, "generator", r->generator);
    json_bool(w, "abstained", r->abstained);
    if (r->abstained) json_string(w, "reason", r->reason);
    json_number(w, "confidence", r->confidence);
    json_uint(w, "citations", r->n_citations);
    json_uint(w, "sentences", r->n_sentences);
    json_uint(w, "repaired", r->n_repaired);
    json_uint(w, "unsupported", r->n_unsupported);
    json_uint(w, "left_out", r->n_left_out);
}

void record_write(const AnswerRecord *r, JsonWriter *w) {
    json_string(w, "question_sha256", r->question_hash);
    json_string(w, "language", r->language);
    json_string(w, "mode", mode_names[r->mode]);
    write_figures(r, w);
    write_prompt(r, w);
    write_settings(r, w);
    write_passages(r, w);
}

/* ---- reading ---- */

static Status wrong(const char *name, Err *err) {
    return err_set(err, STATUS_DAMAGED, "an answer's record: %s is missing or wrong", name);
}

static Status read_string(const Json *object, const char *name, Arena *arena, const char **ret,
                          Err *err) {
    const Json *value = json_get(object, name);
    if (!value || value->type != JSON_STRING) return wrong(name, err);
    *ret = arena_string(arena, value->string);
    return *ret ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory for a record");
}

static Status read_hash(const Json *object, const char *name, char ret[HASH_HEX_BYTES], Err *err) {
    const Json *value = json_get(object, name);
    bool good = value && value->type == JSON_STRING && value->string.n == HASH_HEX_BYTES - 1;
    if (!good) return wrong(name, err);
    memcpy(ret, value->string.p, HASH_HEX_BYTES);
    return STATUS_OK;
}

static Status read_number(const Json *object, const char *name, double *ret, Err *err) {
    const Json *value = json_get(object, name);
    if (!value || value->type != JSON_NUMBER) return wrong(name, err);
    *ret = value->number;
    return STATUS_OK;
}

static bool is_count(const Json *value) {
    return value && value->type == JSON_NUMBER && value->number >= 0 &&
           value->number <= 9007199254740992 && value->number == floor(value->number);
}

static Status read_count(const Json *object, const char *name, size_t *ret, Err *err) {
    const Json *value = json_get(object, name);
    if (!is_count(value)) return wrong(name, err);
    *ret = (size_t)value->number;
    return STATUS_OK;
}

static Status read_bool(const Json *object, const char *name, bool *ret, Err *err) {
    const Json *value = json_get(object, name);
    if (!value || value->type != JSON_BOOL) return wrong(name, err);
    *ret = value->boolean;
    return STATUS_OK;
}

/* From its digits: a double does not hold all seeds. */
static Status read_seed(const Json *object, Slice text, uint64_t *ret, Err *err) {
    const Json *value = json_get(object, "seed");
    char digits[24] = "", *end;
    if (!value || value->type != JSON_NUMBER) return wrong("seed", err);
    Slice rest = slice_skip(text, value->offset);
    memcpy(digits, rest.p, MIN(rest.n, sizeof digits - 1));
    errno = 0;
    *ret = strtoull(digits, &end, 10);
    return errno || end == digits ? wrong("seed", err) : STATUS_OK;
}

static Status read_array(const Json *object, const char *name, const Json **ret, Err *err) {
    *ret = json_get(object, name);
    return *ret && (*ret)->type == JSON_ARRAY ? STATUS_OK : wrong(name, err);
}

static Status read_passages(const Json *object, Arena *arena, AnswerRecord *ret, Err *err) {
    const Json *array;
    TRY(read_array(object, "passages", &array, err));
    FontePassage *list = arena_alloc(arena, array->n + 1, sizeof *list);
    if (!list) return err_set(err, STATUS_NO_MEMORY, "out of memory for a record");
    FontePassage *p = list;
    for (const Json *item = array->child; item; item = item->next, p++) {
        TRY(read_string(item, "document", arena, &p->document, err));
        TRY(read_string(item, "version", arena, &p->version, err));
        TRY(read_count(item, "start", &p->start, err));
        TRY(read_count(item, "end", &p->end, err));
        TRY(read_number(item, "score", &p->score, err));
        TRY(read_number(item, "lexical_score", &p->lexical_score, err));
        TRY(read_number(item, "vector_score", &p->vector_score, err));
    }
    ret->passages = list;
    ret->n_passages = array->n;
    TRY(read_count(object, "given", &ret->n_given, err));
    return ret->n_given <= ret->n_passages ? STATUS_OK : wrong("given", err);
}

static Status read_counts(const Json *object, QuestionCounts *ret, Err *err) {
    const Json *counts = json_get(object, "counts"), *terms;
    size_t n_passages = 0;
    if (!counts) return wrong("counts", err);
    TRY(read_count(counts, "passages", &n_passages, err));
    TRY(read_array(counts, "terms", &terms, err));
    if (terms->n > QUESTION_MAX_TERMS) return wrong("counts.terms", err);
    ret->n_passages = n_passages;
    for (const Json *df = terms->child; df; df = df->next) {
        if (!is_count(df)) return wrong("counts.terms", err);
        ret->df[ret->n++] = (uint64_t)df->number;
    }
    return STATUS_OK;
}

/* Only what a model was asked for has one. */
static Status read_prompt(const Json *object, Arena *arena, AnswerRecord *ret, Err *err) {
    const Json *prompt = json_get(object, "prompt");
    ret->model = ret->model_hash = ret->arithmetic = "";
    if (!prompt) return STATUS_OK;
    TRY(read_string(object, "model", arena, &ret->model, err));
    TRY(read_string(object, "model_sha256", arena, &ret->model_hash, err));
    TRY(read_string(object, "arithmetic", arena, &ret->arithmetic, err));
    TRY(read_count(prompt, "tokens", &ret->n_prompt, err));
    TRY(read_count(prompt, "cached_tokens", &ret->n_cached_tokens, err));
    TRY(read_count(prompt, "answer_tokens", &ret->n_answer_tokens, err));
    TRY(read_hash(prompt, "sha256", ret->prompt_hash, err));
    TRY(read_hash(prompt, "written_sha256", ret->written_hash, err));
    const Json *used;
    TRY(read_array(prompt, "passages", &used, err));
    size_t *list = arena_alloc(arena, used->n + 1, sizeof *list);
    if (!list) return err_set(err, STATUS_NO_MEMORY, "out of memory for a record");
    for (const Json *i = used->child; i; i = i->next) {
        if (!is_count(i) || i->number >= (double)ret->n_given) return wrong("prompt.passages", err);
        list[ret->n_used++] = (size_t)i->number;
    }
    ret->used = list;
    return ret->n_prompt ? STATUS_OK : wrong("prompt.tokens", err);
}

static Status read_settings(const Json *object, Slice text, AnswerRecord *ret, Err *err) {
    const Json *s = json_get(object, "settings");
    double temperature = 0;
    if (!s) return wrong("settings", err);
    TRY(read_number(s, "min_confidence", &ret->min_confidence, err));
    TRY(read_count(s, "max_sentences", &ret->max_sentences, err));
    TRY(read_count(s, "max_tokens", &ret->max_tokens, err));
    TRY(read_count(s, "context_tokens", &ret->context_tokens, err));
    TRY(read_bool(s, "strict", &ret->strict, err));
    TRY(read_number(s, "temperature", &temperature, err));
    ret->temperature = (float)temperature;
    return read_seed(s, text, &ret->seed, err);
}

static Status read_figures(const Json *object, Arena *arena, AnswerRecord *ret, Err *err) {
    TRY(read_hash(object, "answer_sha256", ret->answer_hash, err));
    TRY(read_string(object, "generator", arena, &ret->generator, err));
    TRY(read_bool(object, "abstained", &ret->abstained, err));
    ret->reason = "";
    if (ret->abstained) TRY(read_string(object, "reason", arena, &ret->reason, err));
    TRY(read_number(object, "confidence", &ret->confidence, err));
    TRY(read_count(object, "citations", &ret->n_citations, err));
    TRY(read_count(object, "sentences", &ret->n_sentences, err));
    TRY(read_count(object, "repaired", &ret->n_repaired, err));
    TRY(read_count(object, "unsupported", &ret->n_unsupported, err));
    return read_count(object, "left_out", &ret->n_left_out, err);
}

static Status read_mode(const Json *object, AnswerMode *ret, Err *err) {
    const Json *value = json_get(object, "mode");
    for (size_t i = 0; value && value->type == JSON_STRING && i < N_ELEMENTS(mode_names); i++) {
        if (!slice_equal(value->string, slice_of(mode_names[i]))) continue;
        *ret = (AnswerMode)i;
        return STATUS_OK;
    }
    return wrong("mode", err);
}

Status record_read(const Json *object, Slice text, Arena *arena, AnswerRecord *ret, Err *err) {
    AnswerRecord r = { 0 };
    if (object->type != JSON_OBJECT) return wrong("the object", err);
    TRY(read_hash(object, "question_sha256", r.question_hash, err));
    TRY(read_string(object, "language", arena, &r.language, err));
    TRY(read_mode(object, &r.mode, err));
    TRY(read_figures(object, arena, &r, err));
    TRY(read_passages(object, arena, &r, err));
    TRY(read_counts(object, &r.counts, err));
    TRY(read_prompt(object, arena, &r, err));
    TRY(read_settings(object, text, &r, err));
    *ret = r;
    return STATUS_OK;
}
