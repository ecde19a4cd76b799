#include "gguf/hf_internal.h"

#include "base/file.h"
#include <math.h>

enum { MAX_JSON_BYTES = 256 << 20 };

void hf_json_deinit(HfJson *json) {
    cJSON_Delete(json->root);
    free(json->path);
    *json = HF_JSON_NULL;
}

char *hf_path(const char *folder, const char *name) {
    AUTO_BUF Buf path = BUF_NULL;
    buf_printf(&path, "%s/%s", folder, name);
    return buf_steal(&path, NULL);
}

Status hf_json_read(const char *folder, const char *name, HfJson *ret, Err *err) {
    AUTO_FREE char *path = hf_path(folder, name);
    if (!path) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", name);
    AUTO_BUF Buf text = BUF_NULL;
    TRY(file_read(path, MAX_JSON_BYTES, &text, err));
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text.n ? text.p : "", text.n, &end, false);
    if (!cJSON_IsObject(root)) {
        size_t at = end && text.n && end >= text.p ? (size_t)(end - text.p) : 0;
        cJSON_Delete(root);
        return err_set(err, STATUS_DAMAGED, "%s: byte %zu: no JSON object", path, at);
    }
    *ret = (HfJson){ root, STEAL(path) };
    return STATUS_OK;
}

static Status find(const HfJson *json, const cJSON *object, const char *name, const cJSON **ret,
                   Err *err) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item || cJSON_IsNull(item)) {
        return err_set_param(err, STATUS_NOT_FOUND, name, "%s: '%s' is missing", json->path, name);
    }
    *ret = item;
    return STATUS_OK;
}

Status hf_json_uint(const HfJson *json, const cJSON *object, const char *name, uint64_t max,
                    uint64_t *ret, Err *err) {
    const cJSON *item = NULL;
    TRY(find(json, object, name, &item, err));
    double d = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(d >= 0 && d < 0x1p53) || d != floor(d) || (uint64_t)d > max) {
        return err_set_param(err, STATUS_DAMAGED, name,
                             "%s: '%s' is no whole number from 0 to %llu", json->path, name,
                             (unsigned long long)max);
    }
    *ret = (uint64_t)d;
    return STATUS_OK;
}

Status hf_json_float(const HfJson *json, const cJSON *object, const char *name, float *ret,
                     Err *err) {
    const cJSON *item = NULL;
    TRY(find(json, object, name, &item, err));
    float f = cJSON_IsNumber(item) ? (float)item->valuedouble : -1;
    if (!(f > 0) || !isfinite(f)) {
        return err_set_param(err, STATUS_DAMAGED, name, "%s: '%s' is no number above 0", json->path,
                             name);
    }
    *ret = f;
    return STATUS_OK;
}

Status hf_json_bool(const HfJson *json, const cJSON *object, const char *name, bool *ret,
                    Err *err) {
    const cJSON *item = NULL;
    TRY(find(json, object, name, &item, err));
    if (!cJSON_IsBool(item)) {
        return err_set_param(err, STATUS_DAMAGED, name, "%s: '%s' is neither true nor false",
                             json->path, name);
    }
    *ret = cJSON_IsTrue(item);
    return STATUS_OK;
}
