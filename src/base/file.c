/* file_replace survives a crash at any point: the old file or the new one, never a mixture. A
 * failed fsync is a failed write: the kernel may have dropped the pages, so it is never retried. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_cleanup(int *fd) {
    if (*fd >= 0) close(*fd);
}

Status file_read(const char *path, size_t max_bytes, Buf *ret, Err *err) {
    CLEANUP(close_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return err_set_errno(err, errno, "%s", path);
    struct stat st;
    if (fstat(fd, &st) != 0) return err_set_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode)) return err_set(err, STATUS_INVALID, "%s: not a regular file", path);
    char chunk[64 * 1024];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set_errno(err, errno, "%s", path);
        if (n == 0) return buf_status(ret, err);
        total += (size_t)n;
        if (total > max_bytes) {
            return err_set(err, STATUS_TOO_LARGE, "%s: larger than %zu bytes", path, max_bytes);
        }
        buf_append(ret, chunk, (size_t)n);
    }
}

static Status fsync_folder_of(const char *path, Err *err) {
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *folder =
        slash ? mem_copy_string(path, (size_t)(slash - path) + 1) : mem_copy_string(".", 1);
    if (!folder) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    CLEANUP(close_cleanup) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) return err_set_errno(err, errno, "%s", folder);
    return STATUS_OK;
}

typedef struct Pieces {
    const Slice *pieces;
    size_t n;
} Pieces;

static Status write_pieces(void *context, FILE *file, Err *err) {
    const Pieces *p = context;
    for (size_t i = 0; i < p->n; i++) {
        if (p->pieces[i].n && fwrite(p->pieces[i].p, 1, p->pieces[i].n, file) != p->pieces[i].n) {
            return err_set_errno(err, errno, "write");
        }
    }
    return STATUS_OK;
}

Status file_replace(const char *path, const Slice *pieces, size_t n_pieces, Err *err) {
    return file_replace_by(path, write_pieces, &(Pieces){ pieces, n_pieces }, err);
}

static Status write_and_sync(const char *beside, FILE *file,
                             Status (*write)(void *context, FILE *file, Err *err), void *context,
                             Err *err) {
    Status status = write(context, file, err);
    if (status != STATUS_OK) return err_prefix(err, status, "%s", beside);
    if (fflush(file) != 0) return err_set_errno(err, errno, "%s", beside);
    if (fsync(fileno(file)) != 0) return err_set_errno(err, errno, "%s: fsync", beside);
    return STATUS_OK;
}

Status file_replace_by(const char *path, Status (*write)(void *context, FILE *file, Err *err),
                       void *context, Err *err) {
    AUTO_BUF Buf beside = BUF_NULL;
    buf_printf(&beside, "%s.new", path);
    TRY(buf_status(&beside, err));
    int fd = open(beside.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return err_set_errno(err, errno, "%s", beside.p);
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        close(fd);
        return err_set_errno(err, ENOMEM, "%s", beside.p);
    }
    Status status = write_and_sync(beside.p, file, write, context, err);
    if (fclose(file) != 0 && status == STATUS_OK) {
        status = err_set_errno(err, errno, "%s", beside.p);
    }
    if (status == STATUS_OK && rename(beside.p, path) != 0) {
        status = err_set_errno(err, errno, "%s", path);
    }
    if (status == STATUS_OK) return fsync_folder_of(path, err);
    unlink(beside.p);
    return status;
}

Status file_publish(int fd, const char *beside, const char *path, Err *err) {
    if (fsync(fd) != 0) return err_set_errno(err, errno, "%s: fsync", beside);
    if (rename(beside, path) != 0) return err_set_errno(err, errno, "%s", path);
    return fsync_folder_of(path, err);
}

Status file_remove(const char *path, Err *err) {
    if (unlink(path) != 0) return err_set_errno(err, errno, "%s", path);
    return fsync_folder_of(path, err);
}

Status file_make_dirs(const char *path, unsigned mode, Err *err) {
    AUTO_FREE char *p = mem_copy_string(path, strlen(path));
    if (!p) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    for (char *q = p + 1; p[0]; q++) {
        if (*q != '/' && *q != '\0') continue;
        bool last = *q == '\0';
        *q = '\0';
        if (mkdir(p, mode) != 0 && errno != EEXIST) return err_set_errno(err, errno, "%s", p);
        if (last) break;
        *q = '/';
    }
    struct stat st;
    if (stat(path, &st) != 0) return err_set_errno(err, errno, "%s", path);
    if (!S_ISDIR(st.st_mode)) return err_set(err, STATUS_INVALID, "%s: not a directory", path);
    return STATUS_OK;
}
