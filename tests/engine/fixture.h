#pragma once
/* For tests: the trained model of tests/fixtures/tiny-llama, converted once per program, and jobs
 * over it. */
#include "engine/engine.h"
#include "gguf/convert.h"
#include "gguf/quantize.h"
#include "llm/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIXTURE_MAX_TOKENS = 256 };

typedef struct Written {
    int32_t ids[FIXTURE_MAX_TOKENS];
    size_t n;
    EngineEnd end;
    EngineUsage usage;
} Written;

static inline void fixture_check(Status status, const Err *err) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "status %d: %s\n", status, err->text);
    abort();
}

static inline void fixture_file(char *ret_path) {
    int fd = mkstemp(ret_path);
    if (fd < 0) abort();
    close(fd);
}

/* type: of all matrices; NULL: as it was trained. */
static inline LlmModel *fixture_model(const char *type) {
    char folder[1024], trained[] = "/tmp/fonte-engine-XXXXXX", file[] = "/tmp/fonte-engine-XXXXXX";
    snprintf(folder, sizeof folder, "%s/fixtures/tiny-llama", getenv("FONTE_TESTS"));
    Err err = { 0 };
    LlmModel *model = NULL;
    fixture_file(trained), fixture_file(file);
    fixture_check(gguf_convert(folder, type ? trained : file, NULL, NULL, &err), &err);
    GgufQuantizeOptions options = { .n_threads = 2, .pure = true };
    if (type) fixture_check(gguf_quantize(trained, file, type, &options, NULL, &err), &err);
    fixture_check(llm_model_open(file, &model, &err), &err);
    unlink(trained), unlink(file);
    return model;
}

static inline Engine *fixture_engine(const LlmModel *model, const EngineOptions *options) {
    Engine *engine = NULL;
    Err err = { 0 };
    fixture_check(engine_new(model, options, &engine, &err), &err);
    return engine;
}

/* The ids of a text, BOS first; returns how many. */
static inline size_t fixture_prompt(const LlmModel *model, const char *text, int32_t *ret) {
    TokenList list = TOKEN_LIST_NULL;
    Err err = { 0 };
    fixture_check(tokenizer_encode(model->vocab, slice_of(text), TOKENIZE_BOS, &list, &err), &err);
    if (list.n > FIXTURE_MAX_TOKENS) abort();
    memcpy(ret, list.ids, list.n * sizeof *ret);
    size_t n = list.n;
    token_list_deinit(&list);
    return n;
}

static inline EngineStream *fixture_submit(Engine *engine, const EngineJob *job) {
    EngineStream *stream = NULL;
    Err err = { 0 };
    fixture_check(engine_submit(engine, job, &stream, &err), &err);
    return stream;
}

/* Everything that a stream gives; returns how it ended. Frees it. */
static inline Status fixture_read(EngineStream *stream, Written *ret) {
    SamplerToken token;
    Err err = { 0 };
    Status status;
    *ret = (Written){ 0 };
    while ((status = engine_stream_next(stream, 0, &token, &err)) == STATUS_OK) {
        ret->ids[ret->n++] = token.id;
    }
    ret->end = engine_stream_end(stream);
    engine_stream_usage(stream, &ret->usage);
    engine_stream_free(stream);
    return status;
}
