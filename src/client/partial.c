/* The lock is taken before anything is read, and the name is looked at once more behind it: who
 * waited may find that the file was published or removed meanwhile. */
#include "client/partial.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MAX_FROM_BYTES = 16 << 10, READ_BYTES = 256 << 10 };

static Status make_names(Partial *p, const char *path, Err *err) {
    buf_append_string(&p->path, path);
    buf_printf(&p->part, "%s.part", path);
    buf_printf(&p->from, "%s.part.from", path);
    TRY(buf_status(&p->path, err));
    TRY(buf_status(&p->part, err));
    return buf_status(&p->from, err);
}

static Status lock(Partial *p, Err *err) {
    struct stat mine, named;
    p->fd = open(p->part.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (p->fd < 0) return err_set_errno(err, errno, "%s", p->part.p);
    bool got = flock(p->fd, LOCK_EX | LOCK_NB) == 0;
    if (fstat(p->fd, &mine) < 0) return err_set_errno(err, errno, "%s", p->part.p);
    if (!S_ISREG(mine.st_mode)) {
        return err_set(err, STATUS_INVALID, "%s: not a regular file", p->part.p);
    }
    if (!got || lstat(p->part.p, &named) < 0 || named.st_ino != mine.st_ino) {
        return err_set(err, STATUS_BUSY, "%s: another process is receiving it", p->part.p);
    }
    p->n_bytes = (uint64_t)mine.st_size;
    return STATUS_OK;
}

static Slice take_line(Slice *rest) {
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    Slice line = { rest->p, end ? (size_t)(end - rest->p) : rest->n };
    *rest = slice_skip(*rest, line.n + 1);
    return line;
}

/* False where it is of another URL, or says nothing that one can go on with. */
static bool read_from(Partial *p, const char *url) {
    AUTO_BUF Buf text = BUF_NULL;
    if (file_read(p->from.p, MAX_FROM_BYTES, &text, NULL) != STATUS_OK) return false;
    Slice rest = buf_slice(&text);
    if (!slice_equal(take_line(&rest), slice_of(url))) return false;
    Slice tag = take_line(&rest), total = take_line(&rest);
    char digits[32];
    if (tag.n >= sizeof p->tag || total.n >= sizeof digits) return false;
    snprintf(p->tag, sizeof p->tag, "%.*s", (int)tag.n, tag.n ? tag.p : "");
    snprintf(digits, sizeof digits, "%.*s", (int)total.n, total.n ? total.p : "");
    p->total = strtoull(digits, NULL, 10);
    return p->total > 0 && p->n_bytes <= p->total;
}

Status partial_open(Partial *p, const char *path, const char *url, Err *err) {
    struct stat info;
    TRY(make_names(p, path, err));
    TRY(lock(p, err));
    if (lstat(path, &info) == 0) {
        if (p->n_bytes == 0) partial_remove(p);
        return err_set(err, STATUS_CONFLICT, "%s is there already", path);
    }
    return read_from(p, url) ? STATUS_OK : partial_drop(p, err);
}

void partial_close(Partial *p) {
    if (p->fd >= 0) close(p->fd);
    buf_deinit(&p->path);
    buf_deinit(&p->part);
    buf_deinit(&p->from);
    *p = PARTIAL_NULL;
}

Status partial_drop(Partial *p, Err *err) {
    if (ftruncate(p->fd, 0) < 0 || lseek(p->fd, 0, SEEK_SET) < 0) {
        return err_set_errno(err, errno, "%s", p->part.p);
    }
    p->n_bytes = p->total = 0;
    p->tag[0] = '\0';
    return STATUS_OK;
}

Status partial_restart(Partial *p, const char *url, const char *tag, uint64_t total, Err *err) {
    struct statvfs disk;
    TRY(partial_drop(p, err));
    if (fstatvfs(p->fd, &disk) == 0 && total / disk.f_frsize >= disk.f_bavail) {
        return err_set(err, STATUS_NO_SPACE, "%s: %" PRIu64 " bytes are to come, %" PRIu64 " fit",
                       p->path.p, total, (uint64_t)disk.f_bavail * disk.f_frsize);
    }
    AUTO_BUF Buf text = BUF_NULL;
    buf_printf(&text, "%s\n%s\n%" PRIu64 "\n", url, tag, total);
    TRY(buf_status(&text, err));
    Slice piece = buf_slice(&text);
    TRY(file_replace(p->from.p, &piece, 1, err));
    snprintf(p->tag, sizeof p->tag, "%s", tag);
    p->total = total;
    return STATUS_OK;
}

Status partial_append(Partial *p, Slice bytes, Err *err) {
    if (bytes.n > p->total - p->n_bytes) {
        return err_set(err, STATUS_DAMAGED,
                       "%s: the server sends more than the %" PRIu64 " bytes that it announced",
                       p->path.p, p->total);
    }
    while (bytes.n) {
        ssize_t n = pwrite(p->fd, bytes.p, bytes.n, (off_t)p->n_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return err_set_errno(err, n < 0 ? errno : EIO, "%s", p->part.p);
        p->n_bytes += (uint64_t)n;
        bytes = slice_skip(bytes, (size_t)n);
    }
    return STATUS_OK;
}

Status partial_hash(const Partial *p, bool (*progress)(void *, uint64_t, uint64_t), void *context,
                    Hash *ret, Err *err) {
    AUTO_FREE char *block = mem_alloc(READ_BYTES, 1);
    HashStream *stream = hash_stream_new();
    Status status = block && stream ? STATUS_OK : err_set(err, STATUS_NO_MEMORY, "out of memory");
    for (uint64_t at = 0; status == STATUS_OK && at < p->n_bytes;) {
        ssize_t n = pread(p->fd, block, READ_BYTES, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            status = err_set_errno(err, n < 0 ? errno : EIO, "%s", p->part.p);
            break;
        }
        hash_stream_update(stream, (Slice){ block, (size_t)n });
        at += (uint64_t)n;
        if (progress && !progress(context, at, p->n_bytes)) {
            status = err_set(err, STATUS_CANCELLED, "cancelled");
        }
    }
    if (status == STATUS_OK) status = hash_stream_finish(stream, ret, err);
    hash_stream_free(stream);
    return status;
}

Status partial_publish(Partial *p, Err *err) {
    TRY(file_publish(p->fd, p->part.p, p->path.p, err));
    unlink(p->from.p);
    return STATUS_OK;
}

void partial_remove(Partial *p) {
    unlink(p->part.p);
    unlink(p->from.p);
}
