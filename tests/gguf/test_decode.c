/* Decoding against the golden models: rows bit for bit as the reference decodes them. The known
 * answers for single blocks are in test_blocks.c, so that a machine without the golden models still
 * checks every format. */
#include "base/file.h"
#include "gguf/file.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>

static const char *golden(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/golden/%s", getenv("FONTE_SHARED"), name);
    return path;
}

static const char *string_of(const cJSON *object, const char *name) {
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    cr_assert(s, "manifest has no %s", name);
    return s;
}

static size_t number_of(const cJSON *object, const char *name) {
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(object, name);
    cr_assert(cJSON_IsNumber(n));
    return (size_t)n->valuedouble;
}

/* Compare the rows of one tensor with the values at `want`; returns how many values there were. */
static size_t check_tensor(const GgufFile *file, const cJSON *entry, Slice want) {
    const GgufTensor *t = gguf_file_tensor(file, string_of(entry, "tensor"));
    cr_assert(t);
    size_t rows = number_of(entry, "rows"), columns = number_of(entry, "columns");
    cr_assert_eq(t->dims[0], columns);
    cr_assert_leq(rows, t->n_rows);
    cr_assert_str_eq(gguf_type_name(t->type), string_of(entry, "type"));
    cr_assert_geq(want.n, rows * columns * sizeof(float));
    AUTO_FREE float *row = mem_alloc(columns, sizeof *row);
    for (size_t r = 0; r < rows; r++) {
        gguf_decode_row(t->type, t->data + r * t->row_bytes, columns, row);
        cr_assert_eq(memcmp(row, want.p + r * columns * sizeof *row, columns * sizeof *row), 0,
                     "%s %s row %zu", gguf_file_path(file), string_of(entry, "tensor"), r);
    }
    return rows * columns;
}

static void check_model(const cJSON *model, const cJSON *dequant) {
    GgufFile *file = NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_file_open(golden(string_of(model, "file")), NULL, &file, &err), STATUS_OK,
                 "%s", err.text);
    AUTO_BUF Buf want = BUF_NULL;
    cr_assert_eq(file_read(golden(string_of(dequant, "file")), 1 << 24, &want, NULL), STATUS_OK);
    Slice left = buf_slice(&want);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(dequant, "tensors")) {
        left = slice_skip(left, check_tensor(file, entry, left) * sizeof(float));
    }
    cr_assert_eq(left.n, 0);
    gguf_file_close(file);
}

Test(decode, rows_of_every_golden_model_are_the_references_bit_for_bit) {
    if (!getenv("FONTE_SHARED")) cr_skip("FONTE_SHARED is not set: no golden models");
    AUTO_BUF Buf json = BUF_NULL;
    cr_assert_eq(file_read(golden("manifest.json"), 1 << 26, &json, NULL), STATUS_OK);
    cJSON *manifest = cJSON_ParseWithLength(json.p, json.n);
    cr_assert(manifest);
    size_t n = 0;
    const cJSON *model;
    cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(manifest, "models")) {
        const cJSON *dequant = cJSON_GetObjectItemCaseSensitive(model, "dequant");
        if (!dequant) continue;
        check_model(model, dequant);
        n++;
    }
    cJSON_Delete(manifest);
    cr_assert_geq(n, 15);
}
