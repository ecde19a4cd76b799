/* Figures by default, text only where it is asked for: a record may be kept where the documents'
 * readers cannot look. */
#include "answer/record.h"

#include "base/mem.h"

#include <stdlib.h>

Status record_hash_tokens(const int32_t *ids, size_t n, char ret[HASH_HEX_BYTES], Err *err) {
    AUTO_BUF Buf bytes = BUF_NULL;
    for (size_t i = 0; i < n; i++) {
        for (int shift = 0; shift < 32; shift += 8) {
            buf_append_byte(&bytes, (char)((uint32_t)ids[i] >> shift & 0xff));
        }
    }
    TRY(buf_status(&bytes, err));
    Slice piece = buf_slice(&bytes);
    Hash hash;
    TRY(hash_sha256(&piece, 1, &hash, err));
    hash_hex(&hash, ret);
    return STATUS_OK;
}

static void write_passages(const AnswerRecord *r, JsonWriter *w) {
    json_begin_array(w, "passages");
    for (size_t i = 0; i < r->n_passages; i++) {
        json_begin_object(w, NULL);
        json_string(w, "document", r->passages[i].document);
        json_string(w, "version", r->passages[i].version);
        json_uint(w, "start", r->passages[i].start);
        json_uint(w, "end", r->passages[i].end);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_settings(const AnswerRecord *r, JsonWriter *w) {
    json_begin_object(w, "settings");
    json_number(w, "min_confidence", r->min_confidence);
    json_uint(w, "max_sentences", r->max_sentences);
    json_uint(w, "max_tokens", r->max_tokens);
    json_bool(w, "strict", r->strict);
    json_number(w, "temperature", (double)r->temperature);
    json_uint(w, "seed", r->seed);
    json_end_object(w);
}

static void write_figures(const FonteAnswer *a, JsonWriter *w) {
    size_t n_unsupported = 0, n_repaired = 0;
    for (size_t i = 0; i < a->n_sentences; i++) {
        n_unsupported += strcmp(a->sentences[i].support, "unsupported") == 0;
        n_repaired += strcmp(a->sentences[i].support, "repaired") == 0;
    }
    json_bool(w, "abstained", a->abstained);
    json_string(w, "reason", a->reason);
    json_number(w, "confidence", a->confidence);
    json_uint(w, "citations", a->n_citations);
    json_uint(w, "sentences", a->n_sentences);
    json_uint(w, "repaired", n_repaired);
    json_uint(w, "unsupported", n_unsupported);
    json_uint(w, "left_out", a->n_left_out);
    json_uint(w, "answer_tokens", a->n_answer_tokens);
    json_uint(w, "cached_tokens", a->n_cached_tokens);
}

void record_write(const AnswerRecord *r, bool with_text, JsonWriter *w, const char *key) {
    json_begin_object(w, key);
    json_string(w, "question_sha256", r->question_hash);
    json_string(w, "generator", r->generator);
    json_string(w, "model_sha256", r->model_hash);
    json_string(w, "prompt_sha256", r->prompt_hash);
    json_uint(w, "prompt_tokens", r->n_prompt);
    write_passages(r, w);
    write_settings(r, w);
    write_figures(r->answer, w);
    if (with_text) {
        json_string(w, "text", r->answer->text);
        json_begin_array(w, "prompt");
        for (size_t i = 0; i < r->n_prompt; i++) json_int(w, NULL, r->prompt[i]);
        json_end_array(w);
    }
    json_end_object(w);
}
