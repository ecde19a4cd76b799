#pragma once
/* For tests: the reference data of FONTE_SHARED, its manifests, numbers and distances. */
#include "base/file.h"
#include "base/json.h"
#include "llm/forward.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

/* The folder of reference data; skips the test where there is none. */
static inline const char *golden_shared(void) {
    const char *folder = getenv("FONTE_SHARED");
    if (!folder || !*folder) cr_skip("FONTE_SHARED is not set: no reference data");
    return folder;
}

static inline void golden_read(const char *name, Buf *ret) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", golden_shared(), name);
    Err err = { 0 };
    cr_assert_eq(file_read(path, 64U << 20, ret, &err), STATUS_OK, "%s", err.text);
}

static inline const Json *golden_json(const char *name, Buf *text, Arena *arena) {
    golden_read(name, text);
    const Json *ret = NULL;
    Err err = { 0 };
    cr_assert_eq(json_read(buf_slice(text), 32, arena, &ret, &err), STATUS_OK, "%s", err.text);
    return ret;
}

/* A list of numbers as token ids; returns how many. */
static inline size_t golden_ids(const Json *list, int32_t *ret, size_t max) {
    size_t n = 0;
    for (const Json *id = list->child; id; id = id->next) {
        cr_assert_lt(n, max);
        ret[n++] = (int32_t)id->number;
    }
    return n;
}

/* sum (a - b)^2 / sum b^2 */
static inline double golden_nmse(const float *a, const float *b, size_t n) {
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += (double)b[i] * b[i];
    }
    return isfinite(d) ? d / s : INFINITY;
}

static inline size_t golden_argmax(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
    return best;
}

static inline LlmModel *golden_model(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", golden_shared(), name);
    LlmModel *model = NULL;
    Err err = { 0 };
    cr_assert_eq(llm_model_open(path, &model, &err), STATUS_OK, "%s", err.text);
    return model;
}

static inline LlmContext *golden_context(const LlmModel *model, const LlmContextOptions *options) {
    LlmContext *context = NULL;
    Err err = { 0 };
    cr_assert_eq(llm_context_new(model, options, &context, &err), STATUS_OK, "%s", err.text);
    return context;
}
