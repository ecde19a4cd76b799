/* The header is JSON from strangers: cJSON parses it (depth limited to 1,000 by itself), and each
 * number is taken only where it is a whole number below 2^53, the last that a double holds exactly.
 * Tensors may neither overlap nor leave the file; gaps are allowed. */
#include "gguf/safetensors.h"

#include "gguf/gguf_internal.h"
#include <cjson/cJSON.h>

struct Safetensors {
    char *path;
    GgufMap map;
    cJSON *header; /* owns the names */
    SafetensorsTensor *tensors;
    size_t n_tensors;
};

Safetensors *safetensors_close(Safetensors *file) {
    if (!file) return NULL;
    cJSON_Delete(file->header);
    gguf_map_close(&file->map);
    free(file->tensors);
    free(file->path);
    free(file);
    return NULL;
}

static void file_cleanup(Safetensors **file) {
    safetensors_close(*file);
}

static Status bad(const Safetensors *file, const char *name, Err *err, const char *problem) {
    return err_set(err, STATUS_DAMAGED, "%s: tensor '%.80s': %s", file->path, name, problem);
}

static bool whole_number(const cJSON *item, uint64_t *ret) {
    if (!cJSON_IsNumber(item)) return false;
    double d = item->valuedouble;
    if (!(d >= 0 && d < 0x1p53) || d != (double)(uint64_t)d) return false;
    *ret = (uint64_t)d;
    return true;
}

static const struct {
    const char *name;
    size_t bytes;
    bool usable;
    GgufType type;
} dtypes[] = {
    { "F32", 4, true, GGUF_TYPE_F32 },      { "F16", 2, true, GGUF_TYPE_F16 },
    { "BF16", 2, true, GGUF_TYPE_BF16 },    { "F64", 8, false, GGUF_TYPE_F32 },
    { "I64", 8, false, GGUF_TYPE_F32 },     { "I32", 4, false, GGUF_TYPE_F32 },
    { "I16", 2, false, GGUF_TYPE_F32 },     { "I8", 1, false, GGUF_TYPE_F32 },
    { "U64", 8, false, GGUF_TYPE_F32 },     { "U32", 4, false, GGUF_TYPE_F32 },
    { "U16", 2, false, GGUF_TYPE_F32 },     { "U8", 1, false, GGUF_TYPE_F32 },
    { "BOOL", 1, false, GGUF_TYPE_F32 },    { "F8_E4M3", 1, false, GGUF_TYPE_F32 },
    { "F8_E5M2", 1, false, GGUF_TYPE_F32 },
};

/* Bytes of an element; 0 where the type is unknown. */
static size_t take_dtype(const cJSON *item, SafetensorsTensor *t) {
    const char *name = cJSON_GetStringValue(item);
    for (size_t i = 0; name && i < N_ELEMENTS(dtypes); i++) {
        if (strcmp(name, dtypes[i].name) != 0) continue;
        t->dtype = dtypes[i].name;
        t->usable = dtypes[i].usable;
        t->type = dtypes[i].type;
        return dtypes[i].bytes;
    }
    return 0;
}

static Status take_tensor(const Safetensors *file, const cJSON *item, Slice data,
                          SafetensorsTensor *t, Err *err) {
    const char *name = item->string;
    t->name = slice_of(name);
    size_t bytes = take_dtype(cJSON_GetObjectItemCaseSensitive(item, "dtype"), t);
    if (!bytes) return bad(file, name, err, "unknown dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape"), *dim;
    if (!cJSON_IsArray(shape)) return bad(file, name, err, "no shape");
    cJSON_ArrayForEach(dim, shape) {
        if (t->n_dims >= SAFETENSORS_MAX_DIMS) return bad(file, name, err, "too many dimensions");
        if (!whole_number(dim, &t->dims[t->n_dims]) ||
            !mem_mul(bytes, t->dims[t->n_dims], &bytes)) {
            return bad(file, name, err, "impossible shape");
        }
        t->n_dims++;
    }
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    uint64_t begin = 0, end = 0;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !whole_number(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !whole_number(cJSON_GetArrayItem(offsets, 1), &end) || begin > end || end > data.n) {
        return err_set(err, STATUS_DAMAGED,
                       "%s: tensor '%.80s': data_offsets are wrong or outside the file's %zu bytes "
                       "of data",
                       file->path, name, data.n);
    }
    if (end - begin != bytes) {
        return bad(file, name, err, "data_offsets do not match the shape");
    }
    t->data = (const uint8_t *)data.p + begin;
    t->bytes = bytes;
    return STATUS_OK;
}

static int by_name(const void *a, const void *b) {
    return gguf_slice_compare(((const SafetensorsTensor *)a)->name,
                              ((const SafetensorsTensor *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const SafetensorsTensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static Status check_places(Safetensors *file, Err *err) {
    SafetensorsTensor *t = file->tensors;
    qsort(t, file->n_tensors, sizeof *t, by_place);
    for (size_t i = 1; i < file->n_tensors; i++) {
        if (t[i - 1].data + t[i - 1].bytes > t[i].data) {
            return bad(file, t[i].name.p, err, "overlaps another");
        }
    }
    qsort(t, file->n_tensors, sizeof *t, by_name);
    for (size_t i = 1; i < file->n_tensors; i++) {
        if (slice_equal(t[i - 1].name, t[i].name)) {
            return bad(file, t[i].name.p, err, "stands twice");
        }
    }
    return STATUS_OK;
}

static Status take_header(Safetensors *file, Slice *ret_data, Err *err) {
    uint64_t n = 0;
    if (file->map.n < sizeof n) {
        return err_set(err, STATUS_DAMAGED, "%s: byte 0: not a safetensors file", file->path);
    }
    memcpy(&n, file->map.p, sizeof n);
    Slice rest = slice_skip((Slice){ (const char *)file->map.p, file->map.n }, sizeof n);
    if (n > rest.n) {
        return err_set(err, STATUS_DAMAGED,
                       "%s: byte 0: a header of %llu bytes, the file has %zu more", file->path,
                       (unsigned long long)n, rest.n);
    }
    if (n > SAFETENSORS_MAX_HEADER_BYTES) {
        return err_set(err, STATUS_TOO_LARGE, "%s: a header of %llu bytes, the limit is %d",
                       file->path, (unsigned long long)n, SAFETENSORS_MAX_HEADER_BYTES);
    }
    file->header = cJSON_ParseWithLength(rest.p, (size_t)n);
    if (!cJSON_IsObject(file->header)) {
        return err_set(err, STATUS_DAMAGED, "%s: byte 8: the header is no JSON object", file->path);
    }
    *ret_data = slice_skip(rest, (size_t)n);
    return STATUS_OK;
}

static Status read_file(Safetensors *file, Err *err) {
    Slice data = SLICE_NULL;
    TRY(take_header(file, &data, err));
    size_t n = (size_t)cJSON_GetArraySize(file->header);
    file->tensors = mem_alloc(n, sizeof *file->tensors);
    if (!file->tensors) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", file->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header) {
        if (strcmp(item->string, "__metadata__") == 0) continue;
        TRY(take_tensor(file, item, data, &file->tensors[file->n_tensors], err));
        file->n_tensors++;
    }
    return check_places(file, err);
}

Status safetensors_open(const char *path, Safetensors **ret, Err *err) {
    CLEANUP(file_cleanup) Safetensors *file = mem_alloc(1, sizeof *file);
    if (!file) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    file->map = GGUF_MAP_NULL;
    file->path = mem_copy_string(path, strlen(path));
    if (!file->path) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    TRY(gguf_map_open(path, &file->map, err));
    TRY(read_file(file, err));
    *ret = STEAL(file);
    return STATUS_OK;
}

const char *safetensors_path(const Safetensors *file) {
    return file->path;
}

Status safetensors_check_unchanged(const Safetensors *file, Err *err) {
    return gguf_map_check_unchanged(&file->map, file->path, err);
}

size_t safetensors_n_tensors(const Safetensors *file) {
    return file->n_tensors;
}

const SafetensorsTensor *safetensors_tensor_at(const Safetensors *file, size_t i) {
    return &file->tensors[i];
}
