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

static Status write_all(int fd, const char *path, Slice s, Err *err) {
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set_errno(err, errno, "%s", path);
        s = slice_skip(s, (size_t)n);
    }
    return STATUS_OK;
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

static Status write_and_rename(const char *path, const char *beside, const Slice *pieces,
                               size_t n_pieces, Err *err) {
    CLEANUP(close_cleanup) int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return err_set_errno(err, errno, "%s", beside);
    for (size_t i = 0; i < n_pieces; i++) TRY(write_all(fd, beside, pieces[i], err));
    if (fsync(fd) != 0) return err_set_errno(err, errno, "%s: fsync", beside);
    if (rename(beside, path) != 0) return err_set_errno(err, errno, "%s", path);
    return fsync_folder_of(path, err);
}

Status file_replace(const char *path, const Slice *pieces, size_t n_pieces, Err *err) {
    AUTO_BUF Buf beside = BUF_NULL;
    buf_printf(&beside, "%s.new", path);
    TRY(buf_status(&beside, err));
    Status status = write_and_rename(path, beside.p, pieces, n_pieces, err);
    if (status != STATUS_OK) unlink(beside.p);
    return status;
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
