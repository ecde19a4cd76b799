/* Declarations are encoded at once into two buffers (keys, tensors' descriptions); the header is
 * their concatenation behind the counts. Duplicates are found at the header, by sorting.
 *
 * PATH.partial has a fixed name, so that a killed writer leaves at most one behind and the next one
 * takes it over; flock keeps two writers apart. A writer may get the lock on a file that the other
 * one has just renamed to PATH: then the name and the descriptor are no longer the same inode, and
 * it opens the name again. */
#include "gguf/writer.h"

#include "base/utf8.h"
#include "gguf/gguf_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Entry {
    size_t name_at; /* of the name in its buffer, behind the length */
    size_t name_n;
    size_t bytes; /* of a tensor's data */
} Entry;

struct GgufWriter {
    Buf keys, tensors; /* encoded */
    Entry *key_entries, *tensor_entries;
    size_t n_keys, keys_capacity, n_tensors, tensors_capacity;
    size_t alignment;
    uint64_t data_bytes; /* of all tensors, padded */
    Status status;       /* of the first declaration that failed */
    Err error;
    char *path, *partial; /* owned, from begin to finish */
    int fd;
    size_t current; /* tensor whose turn it is */
    size_t written; /* bytes of it */
};

/* ---- lifecycle ---------------------------------------------------------------------------- */

Status gguf_writer_new(GgufWriter **ret, Err *err) {
    GgufWriter *w = mem_alloc(1, sizeof *w);
    if (!w) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    w->alignment = GGUF_DEFAULT_ALIGNMENT;
    w->fd = -1;
    *ret = w;
    return STATUS_OK;
}

GgufWriter *gguf_writer_free(GgufWriter *w) {
    if (!w) return NULL;
    if (w->fd >= 0) {
        unlink(w->partial); /* before the lock goes with the descriptor */
        close(w->fd);
    }
    free(w->path);
    free(w->partial);
    free(w->key_entries);
    free(w->tensor_entries);
    buf_deinit(&w->keys);
    buf_deinit(&w->tensors);
    free(w);
    return NULL;
}

/* ---- declarations ------------------------------------------------------------------------- */

static void fail(GgufWriter *w, Status status, const char *problem, Slice name) {
    if (w->status != STATUS_OK) return;
    w->status = err_set(&w->error, status, "GGUF: %s: '%.*s'", problem, NAME_ARGS(name));
}

static void append_u32(Buf *buf, uint32_t v) {
    buf_append(buf, &v, sizeof v);
}

static void append_u64(Buf *buf, uint64_t v) {
    buf_append(buf, &v, sizeof v);
}

static void append_string(Buf *buf, Slice s) {
    append_u64(buf, s.n);
    buf_append_slice(buf, s);
}

static bool name_is_good(Slice name, size_t max_bytes) {
    if (name.n == 0 || name.n > max_bytes || utf8_valid_length(name) != name.n) return false;
    for (size_t i = 0; i < name.n; i++) {
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7F) return false;
    }
    return true;
}

/* Begin a key: its name and type. False where that failed. */
static bool begin_key(GgufWriter *w, Slice name, uint32_t type) {
    if (!name_is_good(name, 65535)) {
        fail(w, STATUS_INVALID, "not a name for a key", name);
        return false;
    }
    if (!mem_grow((void **)&w->key_entries, &w->keys_capacity, w->n_keys + 1,
                  sizeof *w->key_entries)) {
        fail(w, STATUS_NO_MEMORY, "out of memory", name);
        return false;
    }
    w->key_entries[w->n_keys++] = (Entry){ w->keys.n + 8, name.n, 0 };
    append_string(&w->keys, name);
    append_u32(&w->keys, type);
    return true;
}

static void add_key(GgufWriter *w, const char *key, GgufValueType type, const void *value,
                    size_t bytes) {
    if (begin_key(w, slice_of(key), type)) buf_append(&w->keys, value, bytes);
}

void gguf_writer_set_alignment(GgufWriter *w, uint32_t alignment) {
    static const char key[] = "general.alignment";
    bool good = alignment >= 8 && alignment <= 1U << 20 && (alignment & (alignment - 1)) == 0;
    if (!good || w->n_tensors) {
        fail(w, STATUS_INVALID, good ? "must precede all tensors" : "not a possible alignment",
             slice_of(key));
        return;
    }
    w->alignment = alignment;
    if (alignment != GGUF_DEFAULT_ALIGNMENT) gguf_writer_u32(w, key, alignment);
}

void gguf_writer_u32(GgufWriter *w, const char *key, uint32_t value) {
    add_key(w, key, GGUF_VALUE_U32, &value, sizeof value);
}

void gguf_writer_i32(GgufWriter *w, const char *key, int32_t value) {
    add_key(w, key, GGUF_VALUE_I32, &value, sizeof value);
}

void gguf_writer_u64(GgufWriter *w, const char *key, uint64_t value) {
    add_key(w, key, GGUF_VALUE_U64, &value, sizeof value);
}

void gguf_writer_f32(GgufWriter *w, const char *key, float value) {
    add_key(w, key, GGUF_VALUE_F32, &value, sizeof value);
}

void gguf_writer_bool(GgufWriter *w, const char *key, bool value) {
    uint8_t byte = value;
    add_key(w, key, GGUF_VALUE_BOOL, &byte, sizeof byte);
}

void gguf_writer_string(GgufWriter *w, const char *key, Slice value) {
    if (begin_key(w, slice_of(key), GGUF_VALUE_STRING)) append_string(&w->keys, value);
}

void gguf_writer_array(GgufWriter *w, const char *key, GgufValueType type, const void *elements,
                       size_t n) {
    size_t bytes;
    if (!gguf_value_type_bytes(type) || !mem_mul(n, gguf_value_type_bytes(type), &bytes)) {
        fail(w, STATUS_INVALID, "not an array of fixed-size elements", slice_of(key));
        return;
    }
    if (!begin_key(w, slice_of(key), GGUF_VALUE_ARRAY)) return;
    append_u32(&w->keys, type);
    append_u64(&w->keys, n);
    buf_append(&w->keys, elements, bytes);
}

void gguf_writer_strings(GgufWriter *w, const char *key, const Slice *strings, size_t n) {
    if (!begin_key(w, slice_of(key), GGUF_VALUE_ARRAY)) return;
    append_u32(&w->keys, GGUF_VALUE_STRING);
    append_u64(&w->keys, n);
    for (size_t i = 0; i < n; i++) append_string(&w->keys, strings[i]);
}

void gguf_writer_copy_key(GgufWriter *w, const GgufKey *key) {
    if (slice_equal(key->name, SLICE("general.alignment"))) return;
    if (!begin_key(w, key->name, key->type)) return;
    buf_append_slice(&w->keys, slice_skip(key->encoded, sizeof(uint32_t)));
}

/* Bytes of a tensor's data; false where the shape is impossible for the type. */
static bool tensor_bytes(GgufType type, uint32_t n_dims, const uint64_t *dims, size_t *ret) {
    if (n_dims < 1 || n_dims > GGUF_MAX_DIMS || dims[0] == 0) return false;
    size_t bytes;
    if (!gguf_type_row_bytes(type, dims[0], &bytes)) return false;
    for (uint32_t i = 1; i < n_dims; i++) {
        if (dims[i] == 0 || !mem_mul(bytes, dims[i], &bytes)) return false;
    }
    *ret = bytes;
    return bytes <= INT64_MAX;
}

void gguf_writer_tensor(GgufWriter *w, Slice name, GgufType type, uint32_t n_dims,
                        const uint64_t *dims) {
    size_t bytes, end;
    if (!name_is_good(name, 64)) {
        fail(w, STATUS_INVALID, "not a name for a tensor", name);
        return;
    }
    if (!tensor_bytes(type, n_dims, dims, &bytes) || !mem_add(w->data_bytes, bytes, &end) ||
        !mem_add(end, w->alignment - 1, &end)) {
        fail(w, STATUS_INVALID, "a shape that the type cannot hold, tensor", name);
        return;
    }
    if (!mem_grow((void **)&w->tensor_entries, &w->tensors_capacity, w->n_tensors + 1,
                  sizeof *w->tensor_entries)) {
        fail(w, STATUS_NO_MEMORY, "out of memory", name);
        return;
    }
    w->tensor_entries[w->n_tensors++] = (Entry){ w->tensors.n + 8, name.n, bytes };
    append_string(&w->tensors, name);
    append_u32(&w->tensors, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) append_u64(&w->tensors, dims[i]);
    append_u32(&w->tensors, type);
    append_u64(&w->tensors, w->data_bytes);
    w->data_bytes = end & ~(uint64_t)(w->alignment - 1);
}

/* ---- header ------------------------------------------------------------------------------- */

typedef struct Names {
    const Entry *entries;
    const char *bytes;
} Names;

static Slice name_of(const Names *names, size_t i) {
    return (Slice){ names->bytes + names->entries[i].name_at, names->entries[i].name_n };
}

static int compare_names(const void *a, const void *b, void *names) {
    return gguf_slice_compare(name_of(names, *(const size_t *)a),
                              name_of(names, *(const size_t *)b));
}

static Status refuse_duplicates(const Entry *entries, size_t n, const Buf *buf, const char *what,
                                Err *err) {
    Names names = { entries, buf->p };
    AUTO_FREE size_t *order = mem_alloc(n, sizeof *order);
    if (!order) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) order[i] = i;
    qsort_r(order, n, sizeof *order, compare_names, &names);
    for (size_t i = 1; i < n; i++) {
        Slice name = name_of(&names, order[i]);
        if (!slice_equal(name, name_of(&names, order[i - 1]))) continue;
        return err_set(err, STATUS_INVALID, "GGUF: %s '%.*s' is declared twice", what,
                       NAME_ARGS(name));
    }
    return STATUS_OK;
}

static void pad(Buf *buf, size_t start, size_t alignment) {
    while ((buf->n - start) % alignment != 0 && !buf->failed) buf_append_byte(buf, 0);
}

Status gguf_writer_header(const GgufWriter *w, Buf *ret, Err *err) {
    if (w->status != STATUS_OK) return err_set(err, w->status, "%s", w->error.text);
    TRY(buf_status(&w->keys, err));
    TRY(buf_status(&w->tensors, err));
    TRY(refuse_duplicates(w->key_entries, w->n_keys, &w->keys, "key", err));
    TRY(refuse_duplicates(w->tensor_entries, w->n_tensors, &w->tensors, "tensor", err));
    size_t start = ret->n;
    buf_append_string(ret, "GGUF");
    append_u32(ret, 3);
    append_u64(ret, w->n_tensors);
    append_u64(ret, w->n_keys);
    buf_append_slice(ret, buf_slice(&w->keys));
    buf_append_slice(ret, buf_slice(&w->tensors));
    pad(ret, start, w->alignment);
    return buf_status(ret, err);
}

uint64_t gguf_writer_data_offset(const GgufWriter *w, size_t i) {
    uint64_t offset = 0, mask = w->alignment - 1;
    for (size_t k = 0; k < i; k++) offset = (offset + w->tensor_entries[k].bytes + mask) & ~mask;
    return offset;
}

/* ---- file --------------------------------------------------------------------------------- */

static void close_cleanup(int *fd) {
    if (*fd >= 0) close(*fd);
}

/* Open and lock the partial file; *ret_stale: another writer renamed it meanwhile, try again. */
static Status open_locked(const char *partial, int *ret, bool *ret_stale, Err *err) {
    CLEANUP(close_cleanup)
    int fd = open(partial, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0) return err_set_errno(err, errno, "%s", partial);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return err_set_errno(err, errno, "%s: lock", partial);
        return err_set(err, STATUS_CONFLICT, "%s: another program is writing it", partial);
    }
    struct stat mine, named;
    if (fstat(fd, &mine) != 0) return err_set_errno(err, errno, "%s", partial);
    *ret_stale =
        stat(partial, &named) != 0 || named.st_ino != mine.st_ino || named.st_dev != mine.st_dev;
    if (*ret_stale) return STATUS_OK;
    if (!S_ISREG(mine.st_mode)) {
        return err_set(err, STATUS_INVALID, "%s: not a regular file", partial);
    }
    if (ftruncate(fd, 0) != 0) return err_set_errno(err, errno, "%s", partial);
    *ret = fd;
    fd = -1;
    return STATUS_OK;
}

static Status write_all(const GgufWriter *w, const void *bytes, size_t n, Err *err) {
    const char *p = bytes;
    while (n) {
        ssize_t done = write(w->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return err_set_errno(err, errno, "%s", w->partial);
        p += done;
        n -= (size_t)done;
    }
    return STATUS_OK;
}

Status gguf_writer_begin(GgufWriter *w, const char *path, Err *err) {
    if (w->fd >= 0) return err_set(err, STATUS_USAGE, "%s: already begun", path);
    AUTO_BUF Buf header = BUF_NULL;
    TRY(gguf_writer_header(w, &header, err));
    AUTO_BUF Buf partial = BUF_NULL;
    buf_printf(&partial, "%s.partial", path);
    TRY(buf_status(&partial, err));
    free(w->path);
    free(w->partial);
    w->path = mem_copy_string(path, strlen(path));
    w->partial = buf_steal(&partial, NULL);
    if (!w->path || !w->partial) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    int fd = -1;
    for (bool stale = true; stale;) TRY(open_locked(w->partial, &fd, &stale, err));
    w->fd = fd;
    w->current = w->written = 0;
    return write_all(w, header.p, header.n, err);
}

/* Zeros from the end of a tensor to the next multiple of the alignment. */
static Status write_padding(const GgufWriter *w, size_t bytes, Err *err) {
    static const char zeros[4096];
    size_t n = (size_t)(-bytes & (w->alignment - 1));
    while (n) {
        size_t piece = MIN(n, sizeof zeros);
        TRY(write_all(w, zeros, piece, err));
        n -= piece;
    }
    return STATUS_OK;
}

Status gguf_writer_data(GgufWriter *w, const void *bytes, size_t n, Err *err) {
    if (w->fd < 0) return err_set(err, STATUS_USAGE, "GGUF: data before the header");
    size_t left = w->current < w->n_tensors ? w->tensor_entries[w->current].bytes - w->written : 0;
    if (n > left) {
        return err_set(err, STATUS_INVALID, "%s: %zu bytes for tensor %zu, which has room for %zu",
                       w->path, n, w->current, left);
    }
    TRY(write_all(w, bytes, n, err));
    w->written += n;
    if (n < left || w->current >= w->n_tensors) return STATUS_OK;
    TRY(write_padding(w, w->tensor_entries[w->current].bytes, err));
    w->current++;
    w->written = 0;
    return STATUS_OK;
}

static Status sync_folder(const char *path, Err *err) {
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *folder =
        slash ? mem_copy_string(path, (size_t)(slash - path) + 1) : mem_copy_string(".", 1);
    if (!folder) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    CLEANUP(close_cleanup) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) return err_set_errno(err, errno, "%s", folder);
    return STATUS_OK;
}

Status gguf_writer_finish(GgufWriter *w, Err *err) {
    if (w->fd < 0) return err_set(err, STATUS_USAGE, "GGUF: nothing was begun");
    if (w->current < w->n_tensors) {
        return err_set(err, STATUS_INVALID, "%s: data of %zu tensors are missing", w->path,
                       w->n_tensors - w->current);
    }
    if (fsync(w->fd) != 0) return err_set_errno(err, errno, "%s: fsync", w->partial);
    if (rename(w->partial, w->path) != 0) return err_set_errno(err, errno, "%s", w->path);
    close(w->fd);
    w->fd = -1;
    return sync_folder(w->path, err);
}
