/* The header's grammar. One cursor walks from the first byte to the last tensor's description; it
 * is the only code that reads sizes from the file, and it reads each of them once: what was checked
 * is what is used, even where somebody writes to the file meanwhile.
 *
 * Every count is first compared with the bytes that remain (an element has at least so many), so an
 * allocation is never larger than a small multiple of the file: at most one GgufKey or GgufTensor
 * (about 100 bytes) for 13 or 24 bytes of file, and 8 bytes for each string of an array. */
#include "gguf/gguf_internal.h"

#include "base/utf8.h"

typedef unsigned long long Ull; /* for printf */

typedef struct Cursor {
    const GgufFile *file;
    size_t at; /* byte, <= n_bytes */
    Err *err;
} Cursor;

/* Smallest encodings, to bound counts: name length + 1 byte of name + type + 1 byte of value;
 * name length + 1 byte of name + n_dims + one dimension + type + offset. */
enum { MIN_KEY_BYTES = 8 + 1 + 4 + 1, MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8 };

static size_t bytes_left(const Cursor *c) {
    return c->file->n_bytes - c->at;
}

static Status cut_short(const Cursor *c, const char *what, size_t needed) {
    return err_set(c->err, STATUS_DAMAGED, "%s: byte %zu: %s needs %zu bytes, the file has %zu",
                   c->file->path, c->at, what, needed, bytes_left(c));
}

static Status take(Cursor *c, const char *what, size_t n, void *ret) {
    if (bytes_left(c) < n) return cut_short(c, what, n);
    memcpy(ret, c->file->bytes + c->at, n);
    c->at += n;
    return STATUS_OK;
}

static Status take_u32(Cursor *c, const char *what, uint32_t *ret) {
    return take(c, what, sizeof *ret, ret);
}

static Status take_u64(Cursor *c, const char *what, uint64_t *ret) {
    return take(c, what, sizeof *ret, ret);
}

/* A length and that many bytes. */
static Status take_string(Cursor *c, const char *what, size_t max_bytes, Slice *ret) {
    size_t start = c->at;
    uint64_t n = 0;
    TRY(take_u64(c, what, &n));
    if (n > bytes_left(c)) {
        return err_set(c->err, STATUS_DAMAGED,
                       "%s: byte %zu: %s of %llu bytes, the file has %zu more", c->file->path,
                       start, what, (Ull)n, bytes_left(c));
    }
    if (n > max_bytes) {
        return err_set(c->err, STATUS_TOO_LARGE, "%s: byte %zu: %s of %llu bytes, the limit is %zu",
                       c->file->path, start, what, (Ull)n, max_bytes);
    }
    *ret = (Slice){ (const char *)c->file->bytes + c->at, (size_t)n };
    c->at += (size_t)n;
    return STATUS_OK;
}

/* Names end up in messages, on terminals and as file formats' identifiers. */
static Status take_name(Cursor *c, const char *what, size_t max_bytes, Slice *ret) {
    size_t start = c->at;
    Slice name;
    TRY(take_string(c, what, max_bytes, &name));
    bool good = name.n > 0 && utf8_valid_length(name) == name.n;
    for (size_t i = 0; good && i < name.n; i++) {
        good = (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7F;
    }
    if (!good) {
        return err_set(c->err, STATUS_DAMAGED,
                       "%s: byte %zu: %s is empty, not UTF-8 or has control characters",
                       c->file->path, start, what);
    }
    *ret = name;
    return STATUS_OK;
}

/* ---- keys --------------------------------------------------------------------------------- */

static Status bad_key(const Cursor *c, const GgufKey *key, Status status, const char *problem,
                      Ull number) {
    return err_set(c->err, status, "%s: key '%.*s' at byte %llu: %s %llu", c->file->path,
                   NAME_ARGS(key->name), (Ull)key->at_byte, problem, number);
}

/* n strings: their offsets, so that each can be reached without walking. */
static Status take_strings(Cursor *c, GgufKey *key) {
    size_t n = key->values.n, start = c->at;
    uint64_t *starts = mem_alloc(n + 1, sizeof *starts);
    if (!starts) return bad_key(c, key, STATUS_NO_MEMORY, "out of memory for strings:", n);
    key->values.starts = starts; /* released with the file, whatever follows */
    for (size_t i = 0; i < n; i++) {
        starts[i] = c->at - start;
        Slice s;
        Status status = take_string(c, "string", SIZE_MAX, &s);
        if (status != STATUS_OK) {
            return err_prefix(c->err, status, "key '%.*s', element %zu", NAME_ARGS(key->name), i);
        }
    }
    starts[n] = c->at - start;
    return STATUS_OK;
}

static Status take_values(Cursor *c, GgufKey *key) {
    GgufArray *values = &key->values;
    values->p = c->file->bytes + c->at;
    if (values->type == GGUF_VALUE_STRING) return take_strings(c, key);
    size_t bytes;
    if (!mem_mul(values->n, gguf_value_type_bytes(values->type), &bytes) || bytes > bytes_left(c)) {
        return bad_key(c, key, STATUS_DAMAGED,
                       "values exceed the file; elements declared:", values->n);
    }
    for (size_t i = 0; values->type == GGUF_VALUE_BOOL && i < values->n; i++) {
        if (values->p[i] > 1) return bad_key(c, key, STATUS_DAMAGED, "bool is", values->p[i]);
    }
    c->at += bytes;
    return STATUS_OK;
}

static Status take_array_head(Cursor *c, GgufKey *key) {
    uint32_t type = 0;
    uint64_t n = 0;
    TRY(take_u32(c, "type of an array", &type));
    TRY(take_u64(c, "length of an array", &n));
    if (type == GGUF_VALUE_ARRAY) {
        return bad_key(c, key, STATUS_UNSUPPORTED, "arrays of arrays, type", type);
    }
    if (type > GGUF_VALUE_F64) return bad_key(c, key, STATUS_DAMAGED, "unknown type", type);
    size_t each = type == GGUF_VALUE_STRING ? 8 : gguf_value_type_bytes(type);
    if (n > bytes_left(c) / each) {
        return bad_key(c, key, STATUS_DAMAGED, "array exceeds the file; elements declared:", n);
    }
    if (n > c->file->limits.max_array_elements) {
        return bad_key(c, key, STATUS_TOO_LARGE, "array over the limit; elements declared:", n);
    }
    key->values.type = (GgufValueType)type;
    key->values.n = (size_t)n;
    return STATUS_OK;
}

static Status take_key(Cursor *c, GgufKey *key) {
    key->at_byte = c->at;
    TRY(take_name(c, "name of a key", c->file->limits.max_key_bytes, &key->name));
    size_t start = c->at;
    uint32_t type = 0;
    TRY(take_u32(c, "type of a key", &type));
    if (type > GGUF_VALUE_F64) return bad_key(c, key, STATUS_DAMAGED, "unknown type", type);
    key->type = (GgufValueType)type;
    key->values.type = key->type;
    key->values.n = 1;
    if (key->type == GGUF_VALUE_ARRAY) TRY(take_array_head(c, key));
    TRY(take_values(c, key));
    key->encoded = (Slice){ (const char *)c->file->bytes + start, c->at - start };
    return STATUS_OK;
}

/* ---- tensors ------------------------------------------------------------------------------ */

static Status bad_tensor(const Cursor *c, const GgufTensor *t, Status status, const char *problem,
                         Ull number) {
    return err_set(c->err, status, "%s: tensor '%.*s' at byte %llu: %s %llu", c->file->path,
                   NAME_ARGS(t->name), (Ull)t->info_byte, problem, number);
}

static Status take_dims(Cursor *c, GgufTensor *t) {
    TRY(take_u32(c, "dimensions of a tensor", &t->n_dims));
    if (t->n_dims < 1 || t->n_dims > GGUF_MAX_DIMS) {
        return bad_tensor(c, t, STATUS_DAMAGED, "1 to 4 dimensions are possible, not", t->n_dims);
    }
    size_t rows = 1;
    for (size_t i = 0; i < GGUF_MAX_DIMS; i++) {
        t->dims[i] = 1;
        if (i >= t->n_dims) continue;
        TRY(take_u64(c, "dimension of a tensor", &t->dims[i]));
        /* No element takes less than a quarter of a byte, so this refuses nothing real. */
        if (t->dims[i] == 0 || t->dims[i] > INT64_MAX || t->dims[i] / 4 > c->file->n_bytes) {
            return bad_tensor(c, t, STATUS_DAMAGED, "impossible dimension", t->dims[i]);
        }
        if (i > 0 && !mem_mul(rows, (size_t)t->dims[i], &rows)) {
            return bad_tensor(c, t, STATUS_DAMAGED, "rows overflow at dimension", t->dims[i]);
        }
    }
    t->n_rows = rows;
    return STATUS_OK;
}

static Status take_tensor(Cursor *c, GgufTensor *t) {
    t->info_byte = c->at;
    TRY(take_name(c, "name of a tensor", c->file->limits.max_name_bytes, &t->name));
    TRY(take_dims(c, t));
    uint32_t type = 0;
    TRY(take_u32(c, "type of a tensor", &type));
    const GgufTypeTraits *traits = gguf_type_traits(type);
    if (!traits) {
        return err_set(c->err, STATUS_UNSUPPORTED,
                       "%s: tensor '%.*s' at byte %llu: type %s (%u) is not supported",
                       c->file->path, NAME_ARGS(t->name), (Ull)t->info_byte, gguf_type_name(type),
                       type);
    }
    t->type = traits->type;
    if (t->dims[0] % traits->n_elements != 0) {
        return err_set(
            c->err, STATUS_DAMAGED,
            "%s: tensor '%.*s' at byte %llu: rows of %llu are no whole blocks of %s (%u)",
            c->file->path, NAME_ARGS(t->name), (Ull)t->info_byte, (Ull)t->dims[0], traits->name,
            traits->n_elements);
    }
    if (!gguf_type_row_bytes(t->type, t->dims[0], &t->row_bytes) ||
        !mem_mul(t->row_bytes, (size_t)t->n_rows, &t->bytes)) {
        return bad_tensor(c, t, STATUS_DAMAGED, "size overflows; rows:", t->n_rows);
    }
    return take_u64(c, "offset of a tensor", &t->at_byte); /* in the data, until place_tensor */
}

static Status place_tensor(const Cursor *c, GgufTensor *t) {
    const GgufFile *file = c->file;
    uint64_t offset = t->at_byte;
    if (offset % file->alignment != 0) {
        return err_set(c->err, STATUS_DAMAGED,
                       "%s: tensor '%.*s' at byte %llu: offset %llu is not aligned to %zu",
                       file->path, NAME_ARGS(t->name), (Ull)t->info_byte, (Ull)offset,
                       file->alignment);
    }
    size_t available = file->data_byte <= file->n_bytes ? file->n_bytes - file->data_byte : 0;
    if (t->bytes > available || offset > available - t->bytes) {
        return err_set(c->err, STATUS_DAMAGED,
                       "%s: tensor '%.*s' at byte %llu: %zu bytes at data offset %llu lie outside "
                       "the file's %zu bytes of data",
                       file->path, NAME_ARGS(t->name), (Ull)t->info_byte, t->bytes, (Ull)offset,
                       available);
    }
    t->at_byte = file->data_byte + offset;
    t->data = file->bytes + t->at_byte;
    return STATUS_OK;
}

/* ---- order, duplicates, overlaps ------------------------------------------------------------ */

static int compare_keys(const void *a, const void *b, void *keys) {
    const GgufKey *k = keys;
    return gguf_slice_compare(k[*(const uint32_t *)a].name, k[*(const uint32_t *)b].name);
}

static int compare_tensors(const void *a, const void *b, void *tensors) {
    const GgufTensor *t = tensors;
    return gguf_slice_compare(t[*(const uint32_t *)a].name, t[*(const uint32_t *)b].name);
}

static int compare_places(const void *a, const void *b, void *tensors) {
    const GgufTensor *t = tensors;
    uint64_t x = t[*(const uint32_t *)a].at_byte, y = t[*(const uint32_t *)b].at_byte;
    return (x > y) - (x < y);
}

typedef int Compare(const void *a, const void *b, void *items);

static Status sort_indices(const Cursor *c, size_t n, Compare *compare, void *items,
                           uint32_t **ret) {
    uint32_t *indices = mem_alloc(n, sizeof *indices);
    if (!indices) return err_set(c->err, STATUS_NO_MEMORY, "%s: out of memory", c->file->path);
    for (size_t i = 0; i < n; i++) indices[i] = (uint32_t)i;
    qsort_r(indices, n, sizeof *indices, compare, items);
    *ret = indices;
    return STATUS_OK;
}

static Status index_keys(const Cursor *c, GgufFile *file) {
    TRY(sort_indices(c, file->n_keys, compare_keys, file->keys, &file->keys_by_name));
    for (size_t i = 1; i < file->n_keys; i++) {
        const GgufKey *a = &file->keys[file->keys_by_name[i - 1]];
        const GgufKey *b = &file->keys[file->keys_by_name[i]];
        if (slice_equal(a->name, b->name)) {
            return bad_key(c, a, STATUS_DAMAGED, "stands twice, also at byte", b->at_byte);
        }
    }
    return STATUS_OK;
}

static Status check_overlaps(const Cursor *c, const GgufFile *file) {
    AUTO_FREE uint32_t *by_place = NULL;
    TRY(sort_indices(c, file->n_tensors, compare_places, file->tensors, &by_place));
    for (size_t i = 1; i < file->n_tensors; i++) {
        const GgufTensor *a = &file->tensors[by_place[i - 1]], *b = &file->tensors[by_place[i]];
        if (a->at_byte + a->bytes <= b->at_byte) continue;
        return err_set(c->err, STATUS_DAMAGED, "%s: tensors '%.*s' and '%.*s' overlap at byte %llu",
                       file->path, NAME_ARGS(a->name), NAME_ARGS(b->name), (Ull)b->at_byte);
    }
    return STATUS_OK;
}

static Status index_tensors(const Cursor *c, GgufFile *file) {
    TRY(sort_indices(c, file->n_tensors, compare_tensors, file->tensors, &file->tensors_by_name));
    for (size_t i = 1; i < file->n_tensors; i++) {
        const GgufTensor *a = &file->tensors[file->tensors_by_name[i - 1]];
        const GgufTensor *b = &file->tensors[file->tensors_by_name[i]];
        if (slice_equal(a->name, b->name)) {
            return bad_tensor(c, a, STATUS_DAMAGED, "stands twice, also at byte", b->info_byte);
        }
    }
    return check_overlaps(c, file);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static Status take_version(Cursor *c, uint32_t *ret) {
    char magic[4];
    TRY(take(c, "the magic \"GGUF\"", sizeof magic, magic));
    const char *path = c->file->path;
    if (memcmp(magic, "GGUF", 4) != 0) {
        bool old = memcmp(magic, "lmgg", 4) == 0 || memcmp(magic, "tjgg", 4) == 0 ||
                   memcmp(magic, "fmgg", 4) == 0 || memcmp(magic, "algg", 4) == 0;
        if (old) {
            return err_set(c->err, STATUS_UNSUPPORTED,
                           "%s: byte 0: a GGML file from before GGUF is not supported", path);
        }
        return err_set(c->err, STATUS_DAMAGED, "%s: byte 0: not a GGUF file", path);
    }
    uint32_t version = 0;
    TRY(take_u32(c, "the version", &version));
    if (version != 0 && (version & 0xFFFF) == 0) {
        return err_set(c->err, STATUS_UNSUPPORTED,
                       "%s: byte 4: a big-endian GGUF file is not supported", path);
    }
    if (version == 1) {
        return err_set(c->err, STATUS_UNSUPPORTED, "%s: byte 4: GGUF version 1 is not supported",
                       path);
    }
    if (version != 2 && version != 3) {
        return err_set(c->err, version > 3 ? STATUS_UNSUPPORTED : STATUS_DAMAGED,
                       "%s: byte 4: GGUF version %u is not supported", path, version);
    }
    *ret = version;
    return STATUS_OK;
}

static Status take_count(Cursor *c, const char *what, size_t limit, uint64_t *ret) {
    size_t start = c->at;
    uint64_t n = 0;
    TRY(take_u64(c, what, &n));
    if (n > limit) {
        return err_set(c->err, n > c->file->n_bytes ? STATUS_DAMAGED : STATUS_TOO_LARGE,
                       "%s: byte %zu: %llu %s, the limit is %zu", c->file->path, start, (Ull)n,
                       what, limit);
    }
    *ret = n;
    return STATUS_OK;
}

static Status take_alignment(const Cursor *c, GgufFile *file) {
    const GgufKey *key = gguf_file_key(file, "general.alignment");
    file->alignment = GGUF_DEFAULT_ALIGNMENT;
    if (!key) return STATUS_OK;
    uint32_t alignment;
    TRY(gguf_file_u32(file, "general.alignment", &alignment, c->err));
    if (alignment < 8 || (alignment & (alignment - 1)) != 0 ||
        alignment > file->limits.max_alignment) {
        return bad_key(c, key, STATUS_DAMAGED,
                       "not a power of two from 8 to the limit:", alignment);
    }
    file->alignment = alignment;
    return STATUS_OK;
}

static Status take_keys(Cursor *c, GgufFile *file, uint64_t n) {
    if (n > bytes_left(c) / MIN_KEY_BYTES) return cut_short(c, "keys", (size_t)n * MIN_KEY_BYTES);
    file->keys = mem_alloc((size_t)n, sizeof *file->keys);
    if (!file->keys) return err_set(c->err, STATUS_NO_MEMORY, "%s: out of memory", file->path);
    for (uint64_t i = 0; i < n; i++) {
        file->n_keys++; /* counted first: close releases what a failing key has allocated */
        TRY(take_key(c, &file->keys[i]));
    }
    return index_keys(c, file);
}

static Status take_tensors(Cursor *c, GgufFile *file, uint64_t n) {
    if (n > bytes_left(c) / MIN_TENSOR_BYTES) {
        return cut_short(c, "tensors", (size_t)n * MIN_TENSOR_BYTES);
    }
    file->tensors = mem_alloc((size_t)n, sizeof *file->tensors);
    if (!file->tensors) return err_set(c->err, STATUS_NO_MEMORY, "%s: out of memory", file->path);
    for (uint64_t i = 0; i < n; i++) TRY(take_tensor(c, &file->tensors[i]));
    file->data_byte = (c->at + file->alignment - 1) & ~(uint64_t)(file->alignment - 1);
    for (uint64_t i = 0; i < n; i++) TRY(place_tensor(c, &file->tensors[i]));
    file->n_tensors = (size_t)n;
    return index_tensors(c, file);
}

Status gguf_parse(GgufFile *file, Err *err) {
    Cursor c = { file, 0, err };
    uint64_t n_tensors = 0, n_keys = 0;
    TRY(take_version(&c, &file->version));
    TRY(take_count(&c, "tensors", file->limits.max_tensors, &n_tensors));
    TRY(take_count(&c, "keys", file->limits.max_keys, &n_keys));
    TRY(take_keys(&c, file, n_keys));
    TRY(take_alignment(&c, file));
    return take_tensors(&c, file, n_tensors);
}
