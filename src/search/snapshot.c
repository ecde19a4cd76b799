/* Written in one pass: a stream that hashes what goes through it stands between FAISS and the
 * file, so that memory does not double. Read in two passes over one open file: the hash first, then
 * FAISS; a rename over it in between does not matter, as the descriptor keeps the old file. */
#include "search/snapshot.h"

#include "base/file.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 112,
    TAIL_BYTES = 8 + HASH_BYTES,
    VERSION = 1,
    READ_BYTES = 256 * 1024,
};
static const char magic[8] = "FONTEVEC";

/* ---- numbers ---- */

static void put_u64(unsigned char *p, uint64_t value, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) p[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_u64(const unsigned char *p, size_t n_bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < n_bytes; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* ---- writing ---- */

typedef struct Sink {
    FILE *file;
    HashStream *hash;
    uint64_t n_bytes;
} Sink;

static ssize_t sink_write(void *cookie, const char *bytes, size_t n) {
    Sink *sink = cookie;
    if (fwrite(bytes, 1, n, sink->file) != n) return 0;
    hash_stream_update(sink->hash, (Slice){ bytes, n });
    sink->n_bytes += n;
    return (ssize_t)n;
}

typedef struct Writing {
    const SnapshotInfo *info;
    Vectors *vectors;
    HashStream *hash;
} Writing;

static void make_header(const SnapshotInfo *info, const Vectors *vectors,
                        unsigned char header[HEADER_BYTES]) {
    memset(header, 0, HEADER_BYTES);
    memcpy(header, magic, sizeof magic);
    put_u64(header + 8, VERSION, 4);
    put_u64(header + 12, vectors_kind(vectors), 4);
    put_u64(header + 16, vectors_dim(vectors), 4);
    put_u64(header + 24, info->generation, 8);
    put_u64(header + 32, info->n_vectors, 8);
    put_u64(header + 40, (uint64_t)info->max_id, 8);
    memcpy(header + 48, info->embedder, strnlen(info->embedder, SNAPSHOT_NAME_BYTES - 1));
}

static Status write_body(Sink *sink, const Writing *w, Err *err) {
    unsigned char header[HEADER_BYTES];
    make_header(w->info, w->vectors, header);
    FILE *stream = fopencookie(sink, "wb", (cookie_io_functions_t){ .write = sink_write });
    if (!stream) return err_set(err, STATUS_NO_MEMORY, "out of memory for the snapshot");
    Status status = STATUS_OK;
    if (fwrite(header, 1, sizeof header, stream) != sizeof header) {
        status = err_set_errno(err, errno, "write");
    }
    if (status == STATUS_OK) status = vectors_write(w->vectors, stream, err);
    int saved_errno = errno;
    bool failed = ferror(stream) || ferror(sink->file);
    if (fclose(stream) != 0 || failed) {
        /* FAISS only says that a write came out short; the file knows why. */
        return err_set_errno(err, saved_errno ? saved_errno : EIO, "write");
    }
    return status;
}

static Status write_snapshot(void *context, FILE *file, Err *err) {
    const Writing *w = context;
    Sink sink = { file, w->hash, 0 };
    TRY(write_body(&sink, w, err));
    unsigned char length[8];
    put_u64(length, sink.n_bytes + TAIL_BYTES, sizeof length);
    hash_stream_update(w->hash, (Slice){ (char *)length, sizeof length });
    Hash hash;
    TRY(hash_stream_finish(w->hash, &hash, err));
    if (fwrite(length, 1, sizeof length, file) != sizeof length ||
        fwrite(hash.bytes, 1, HASH_BYTES, file) != HASH_BYTES) {
        return err_set_errno(err, errno, "write");
    }
    return STATUS_OK;
}

Status snapshot_write(const char *path, const SnapshotInfo *info, Vectors *vectors, Err *err) {
    HashStream *hash = hash_stream_new();
    if (!hash) return err_set(err, STATUS_NO_MEMORY, "out of memory for SHA-256");
    Status status = file_replace_by(path, write_snapshot, &(Writing){ info, vectors, hash }, err);
    hash_stream_free(hash);
    return status;
}

/* ---- reading ---- */

static void file_cleanup(FILE **file) {
    if (*file) fclose(*file);
}

static Status damaged(const char *path, const char *what, Err *err) {
    return err_set(err, STATUS_DAMAGED, "%s: %s", path, what);
}

static Status open_snapshot(const char *path, FILE **ret, size_t *ret_bytes, Err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return err_set_errno(err, errno, "%s", path);
    struct stat st;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    FILE *file = regular ? fdopen(fd, "rb") : NULL;
    if (!file) {
        close(fd);
        return regular ? err_set_errno(err, ENOMEM, "%s", path)
                       : damaged(path, "not a regular file", err);
    }
    *ret = file;
    *ret_bytes = (size_t)st.st_size;
    return STATUS_OK;
}

/* Hash all but the last 32 bytes and compare. ret_head and ret_length are from the same pass. */
static Status verify(const char *path, FILE *file, size_t n_bytes, HashStream *stream,
                     unsigned char ret_head[HEADER_BYTES], Err *err) {
    if (n_bytes < HEADER_BYTES + TAIL_BYTES) return damaged(path, "too short", err);
    AUTO_FREE unsigned char *chunk = mem_alloc(READ_BYTES, 1);
    if (!chunk) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    unsigned char tail[TAIL_BYTES];
    size_t left = n_bytes - TAIL_BYTES;
    for (bool first = true; left; first = false) {
        size_t n = MIN(left, READ_BYTES);
        if (fread(chunk, 1, n, file) != n) return damaged(path, "cannot be read to its end", err);
        if (first) memcpy(ret_head, chunk, HEADER_BYTES);
        hash_stream_update(stream, (Slice){ (char *)chunk, n });
        left -= n;
    }
    if (fread(tail, 1, sizeof tail, file) != sizeof tail) return damaged(path, "too short", err);
    hash_stream_update(stream, (Slice){ (char *)tail, 8 });
    Hash hash;
    TRY(hash_stream_finish(stream, &hash, err));
    if (get_u64(tail, 8) != n_bytes || memcmp(tail + 8, hash.bytes, HASH_BYTES) != 0) {
        return damaged(path, "its SHA-256 does not match", err);
    }
    return STATUS_OK;
}

static Status parse_header(const char *path, const unsigned char head[HEADER_BYTES],
                           const char *embedder, size_t dim, SnapshotInfo *info,
                           VectorsKind *ret_kind, Err *err) {
    if (memcmp(head, magic, sizeof magic) != 0 || get_u64(head + 8, 4) != VERSION) {
        return damaged(path, "not a snapshot of this version", err);
    }
    uint64_t kind = get_u64(head + 12, 4);
    if (kind != VECTORS_FLAT && kind != VECTORS_IVF) return damaged(path, "unknown kind", err);
    info->generation = get_u64(head + 24, 8);
    info->n_vectors = get_u64(head + 32, 8);
    info->max_id = (int64_t)get_u64(head + 40, 8);
    memcpy(info->embedder, head + 48, SNAPSHOT_NAME_BYTES);
    info->embedder[SNAPSHOT_NAME_BYTES - 1] = '\0';
    if (strcmp(info->embedder, embedder) != 0 || get_u64(head + 16, 4) != dim) {
        return err_set(err, STATUS_CONFLICT, "%s: made by embedder \"%s\"", path, info->embedder);
    }
    *ret_kind = (VectorsKind)kind;
    return STATUS_OK;
}

static Status read_file(const char *path, FILE *file, size_t n_bytes, HashStream *stream,
                        const char *embedder, size_t dim, SnapshotInfo *ret_info, Vectors **ret,
                        Err *err) {
    unsigned char head[HEADER_BYTES];
    SnapshotInfo info;
    VectorsKind kind = VECTORS_FLAT;
    TRY(verify(path, file, n_bytes, stream, head, err));
    TRY(parse_header(path, head, embedder, dim, &info, &kind, err));
    if (fseek(file, HEADER_BYTES, SEEK_SET) != 0) return err_set_errno(err, errno, "%s", path);
    Vectors *vectors;
    Status status = vectors_read(file, dim, kind, &vectors, err);
    if (status != STATUS_OK) return err_prefix(err, status, "%s", path);
    if (vectors_count(vectors) != info.n_vectors) {
        vectors_free(vectors);
        return damaged(path, "not as many vectors as its header says", err);
    }
    *ret_info = info;
    *ret = vectors;
    return STATUS_OK;
}

Status snapshot_read(const char *path, const char *embedder, size_t dim, SnapshotInfo *ret_info,
                     Vectors **ret, Err *err) {
    CLEANUP(file_cleanup) FILE *file = NULL;
    size_t n_bytes = 0;
    TRY(open_snapshot(path, &file, &n_bytes, err));
    HashStream *stream = hash_stream_new();
    if (!stream) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    Status status = read_file(path, file, n_bytes, stream, embedder, dim, ret_info, ret, err);
    hash_stream_free(stream);
    return status;
}
