/* Mapping and asking. The grammar is in parse.c; here everything has been checked, so queries only
 * compare types and copy values out of the map. Keys and tensors are found by binary search over
 * indices sorted by name, which is also how parse.c sees duplicates: no hash to be attacked. */
#include "gguf/gguf_internal.h"

#include <assert.h>
#include <stdio.h>

/* ---- lifecycle ---------------------------------------------------------------------------- */

static GgufLimits limits_of(const GgufLimits *given) {
    GgufLimits l = given ? *given : (GgufLimits){ 0 };
    if (!l.max_keys) l.max_keys = 65536;
    if (!l.max_tensors) l.max_tensors = 65536;
    if (!l.max_array_elements) l.max_array_elements = (size_t)1 << 24;
    if (!l.max_key_bytes) l.max_key_bytes = 65535;
    if (!l.max_name_bytes) l.max_name_bytes = 64;
    if (!l.max_alignment) l.max_alignment = (size_t)1 << 20;
    return l;
}

GgufFile *gguf_file_close(GgufFile *file) {
    if (!file) return NULL;
    for (size_t i = 0; i < file->n_keys; i++) free((void *)file->keys[i].values.starts);
    free(file->keys);
    free(file->tensors);
    free(file->keys_by_name);
    free(file->tensors_by_name);
    gguf_map_close(&file->map);
    free(file->path);
    free(file);
    return NULL;
}

static void file_cleanup(GgufFile **file) {
    gguf_file_close(*file);
}

static Status file_new(const char *path, const GgufLimits *limits, GgufFile **ret, Err *err) {
    GgufFile *file = mem_alloc(1, sizeof *file);
    char *copy = mem_copy_string(path, strlen(path));
    if (!file || !copy) {
        free(file);
        free(copy);
        return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    }
    file->path = copy;
    file->map = GGUF_MAP_NULL;
    file->limits = limits_of(limits);
    *ret = file;
    return STATUS_OK;
}

Status gguf_file_open(const char *path, const GgufLimits *limits, GgufFile **ret, Err *err) {
    CLEANUP(file_cleanup) GgufFile *file = NULL;
    TRY(file_new(path, limits, &file, err));
    TRY(gguf_map_open(path, &file->map, err));
    file->bytes = file->map.p;
    file->n_bytes = file->map.n;
    TRY(gguf_parse(file, err));
    *ret = STEAL(file);
    return STATUS_OK;
}

Status gguf_file_open_memory(Slice bytes, const char *name, const GgufLimits *limits,
                             GgufFile **ret, Err *err) {
    CLEANUP(file_cleanup) GgufFile *file = NULL;
    TRY(file_new(name, limits, &file, err));
    file->bytes = (const uint8_t *)bytes.p;
    file->n_bytes = bytes.n;
    TRY(gguf_parse(file, err));
    *ret = STEAL(file);
    return STATUS_OK;
}

Status gguf_file_check_unchanged(const GgufFile *file, Err *err) {
    return gguf_map_check_unchanged(&file->map, file->path, err);
}

/* ---- queries ------------------------------------------------------------------------------ */

const char *gguf_file_path(const GgufFile *file) {
    return file->path;
}

uint32_t gguf_file_version(const GgufFile *file) {
    return file->version;
}

size_t gguf_file_alignment(const GgufFile *file) {
    return file->alignment;
}

Slice gguf_file_bytes(const GgufFile *file) {
    return (Slice){ (const char *)file->bytes, file->n_bytes };
}

size_t gguf_file_n_keys(const GgufFile *file) {
    return file->n_keys;
}

const GgufKey *gguf_file_key_at(const GgufFile *file, size_t i) {
    assert(i < file->n_keys);
    return &file->keys[i];
}

size_t gguf_file_n_tensors(const GgufFile *file) {
    return file->n_tensors;
}

const GgufTensor *gguf_file_tensor_at(const GgufFile *file, size_t i) {
    assert(i < file->n_tensors);
    return &file->tensors[i];
}

int gguf_slice_compare(Slice a, Slice b) {
    size_t n = MIN(a.n, b.n);
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

const GgufKey *gguf_file_key(const GgufFile *file, const char *name) {
    Slice wanted = slice_of(name);
    size_t low = 0, high = file->n_keys;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const GgufKey *key = &file->keys[file->keys_by_name[middle]];
        int order = gguf_slice_compare(key->name, wanted);
        if (order == 0) return key;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const GgufTensor *gguf_file_tensor(const GgufFile *file, const char *name) {
    Slice wanted = slice_of(name);
    size_t low = 0, high = file->n_tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const GgufTensor *tensor = &file->tensors[file->tensors_by_name[middle]];
        int order = gguf_slice_compare(tensor->name, wanted);
        if (order == 0) return tensor;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- typed values ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t bytes;
} value_types[] = {
    [GGUF_VALUE_U8] = { "u8", 1 },         [GGUF_VALUE_I8] = { "i8", 1 },
    [GGUF_VALUE_U16] = { "u16", 2 },       [GGUF_VALUE_I16] = { "i16", 2 },
    [GGUF_VALUE_U32] = { "u32", 4 },       [GGUF_VALUE_I32] = { "i32", 4 },
    [GGUF_VALUE_F32] = { "f32", 4 },       [GGUF_VALUE_BOOL] = { "bool", 1 },
    [GGUF_VALUE_STRING] = { "string", 0 }, [GGUF_VALUE_ARRAY] = { "array", 0 },
    [GGUF_VALUE_U64] = { "u64", 8 },       [GGUF_VALUE_I64] = { "i64", 8 },
    [GGUF_VALUE_F64] = { "f64", 8 },
};

const char *gguf_value_type_name(uint32_t value_type) {
    return value_type < N_ELEMENTS(value_types) ? value_types[value_type].name : "unknown";
}

size_t gguf_value_type_bytes(uint32_t value_type) {
    return value_type < N_ELEMENTS(value_types) ? value_types[value_type].bytes : 0;
}

static Status find_key(const GgufFile *file, const char *name, const GgufKey **ret, Err *err) {
    const GgufKey *key = gguf_file_key(file, name);
    if (!key) {
        return err_set_param(err, STATUS_NOT_FOUND, name, "%s: key '%s' is missing", file->path,
                             name);
    }
    *ret = key;
    return STATUS_OK;
}

static Status wrong_type(const GgufFile *file, const GgufKey *key, const char *wanted, Err *err) {
    bool array = key->type == GGUF_VALUE_ARRAY;
    return err_set(err, STATUS_DAMAGED, "%s: key '%.*s' at byte %llu is declared %s%s, not %s",
                   file->path, NAME_ARGS(key->name), (unsigned long long)key->at_byte,
                   array ? "array of " : "", gguf_value_type_name(key->values.type), wanted);
}

static Status find_typed(const GgufFile *file, const char *name, GgufValueType type,
                         const GgufKey **ret, Err *err) {
    const GgufKey *key = NULL;
    TRY(find_key(file, name, &key, err));
    if (key->type != type) return wrong_type(file, key, gguf_value_type_name(type), err);
    *ret = key;
    return STATUS_OK;
}

Status gguf_file_u32(const GgufFile *file, const char *key, uint32_t *ret, Err *err) {
    const GgufKey *k = NULL;
    TRY(find_typed(file, key, GGUF_VALUE_U32, &k, err));
    *ret = gguf_array_u32(&k->values, 0);
    return STATUS_OK;
}

Status gguf_file_i32(const GgufFile *file, const char *key, int32_t *ret, Err *err) {
    const GgufKey *k = NULL;
    TRY(find_typed(file, key, GGUF_VALUE_I32, &k, err));
    *ret = gguf_array_i32(&k->values, 0);
    return STATUS_OK;
}

Status gguf_file_u64(const GgufFile *file, const char *key, uint64_t *ret, Err *err) {
    const GgufKey *k = NULL;
    TRY(find_typed(file, key, GGUF_VALUE_U64, &k, err));
    *ret = gguf_array_u64(&k->values, 0);
    return STATUS_OK;
}

Status gguf_file_f32(const GgufFile *file, const char *key, float *ret, Err *err) {
    const GgufKey *k = NULL;
    TRY(find_typed(file, key, GGUF_VALUE_F32, &k, err));
    *ret = gguf_array_f32(&k->values, 0);
    return STATUS_OK;
}

Status gguf_file_bool(const GgufFile *file, const char *key, bool *ret, Err *err) {
    const GgufKey *k = NULL;
    TRY(find_typed(file, key, GGUF_VALUE_BOOL, &k, err));
    *ret = gguf_array_bool(&k->values, 0);
    return STATUS_OK;
}

Status gguf_file_string(const GgufFile *file, const char *key, Slice *ret, Err *err) {
    const GgufKey *k = NULL;
    TRY(find_typed(file, key, GGUF_VALUE_STRING, &k, err));
    *ret = gguf_array_string(&k->values, 0);
    return STATUS_OK;
}

/* The integer's bits, sign-extended, and whether it is negative; false where it is no integer. */
static bool read_integer(const GgufKey *key, uint64_t *ret, bool *ret_negative) {
    const uint8_t *p = key->values.p;
    uint64_t bits = 0;
    memcpy(&bits, p, MIN(gguf_value_type_bytes(key->type), sizeof bits)); /* little-endian */
    int64_t value;
    switch (key->type) {
    case GGUF_VALUE_U8:
    case GGUF_VALUE_U16:
    case GGUF_VALUE_U32:
    case GGUF_VALUE_U64: *ret_negative = false, *ret = bits; return true;
    case GGUF_VALUE_I8: value = (int8_t)bits; break;
    case GGUF_VALUE_I16: value = (int16_t)bits; break;
    case GGUF_VALUE_I32: value = (int32_t)bits; break;
    case GGUF_VALUE_I64: value = (int64_t)bits; break;
    default: return false;
    }
    *ret_negative = value < 0;
    *ret = (uint64_t)value;
    return true;
}

Status gguf_file_count(const GgufFile *file, const char *key, uint64_t max, uint64_t *ret,
                       Err *err) {
    const GgufKey *k = NULL;
    TRY(find_key(file, key, &k, err));
    uint64_t value;
    bool negative;
    if (!read_integer(k, &value, &negative)) return wrong_type(file, k, "an integer", err);
    if (negative) {
        return err_set(err, STATUS_DAMAGED, "%s: key '%s' at byte %llu is %lld, below 0",
                       file->path, key, (unsigned long long)k->at_byte, (long long)value);
    }
    if (value > max) {
        return err_set(err, STATUS_DAMAGED, "%s: key '%s' at byte %llu is %llu, above %llu",
                       file->path, key, (unsigned long long)k->at_byte, (unsigned long long)value,
                       (unsigned long long)max);
    }
    *ret = value;
    return STATUS_OK;
}

Status gguf_file_array(const GgufFile *file, const char *key, GgufValueType type, GgufArray *ret,
                       Err *err) {
    const GgufKey *k = NULL;
    TRY(find_typed(file, key, GGUF_VALUE_ARRAY, &k, err));
    if (k->values.type != type) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "array of %s", gguf_value_type_name(type));
        return wrong_type(file, k, wanted, err);
    }
    *ret = k->values;
    return STATUS_OK;
}

Status gguf_required(Status status, Err *err) {
    if (status != STATUS_NOT_FOUND) return status;
    if (err) err->status = STATUS_DAMAGED;
    return STATUS_DAMAGED;
}
