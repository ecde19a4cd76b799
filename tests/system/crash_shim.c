#include "crash_shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

ShimLog shim_log = { .data = BUF_NULL };
ShimFault shim_fault = { -1, -1 };

/* The next definition of the same name: libc's, or a sanitizer's in front of it. */
static void *real(const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol) abort();
    return symbol;
}

void shim_start(const char *folder) {
    snprintf(shim_log.folder, sizeof shim_log.folder, "%s", folder);
    shim_log.on = true;
}

static bool in_folder(const char *path) {
    size_t n = strlen(shim_log.folder);
    return n && strncmp(path, shim_log.folder, n) == 0 && (path[n] == '/' || !path[n]);
}

/* -1 where the path is not looked at. */
static int file_of_path(const char *path) {
    if (!in_folder(path)) return -1;
    for (unsigned i = 0; i < shim_log.n_paths; i++) {
        if (strcmp(shim_log.paths[i], path) == 0) return (int)i;
    }
    if (shim_log.n_paths == N_ELEMENTS(shim_log.paths)) abort();
    snprintf(shim_log.paths[shim_log.n_paths], sizeof shim_log.paths[0], "%s", path);
    return (int)shim_log.n_paths++;
}

static int file_of_fd(int fd) {
    char link[48], path[96];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return -1;
    path[n] = '\0';
    return file_of_path(path);
}

static void note(ShimKind kind, int file, size_t offset, size_t length, const void *bytes) {
    if (!shim_log.on || file < 0) return;
    if (!mem_grow((void **)&shim_log.events, &shim_log.capacity, shim_log.n_events + 1,
                  sizeof *shim_log.events)) {
        abort();
    }
    shim_log.events[shim_log.n_events++] =
        (ShimEvent){ kind, (unsigned)file, offset, length, shim_log.data.n };
    if (bytes) buf_append(&shim_log.data, bytes, length);
    if (shim_log.data.failed) abort();
}

void shim_ack(uint32_t transaction) {
    note(SHIM_ACK, 0, transaction, 0, NULL);
}

/* True where this write is to fail. */
static bool is_full(int fd, int file, size_t end) {
    struct stat st;
    if (shim_fault.writes_until_enospc < 0 || file < 0) return false;
    if (fstat(fd, &st) == 0 && end <= (size_t)st.st_size) return false;
    if (shim_fault.writes_until_enospc == 0) return true;
    shim_fault.writes_until_enospc--;
    return false;
}

static ssize_t write_at(int fd, const void *bytes, size_t n, off_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (!next) *(void **)&next = real("pwrite64");
    int file = file_of_fd(fd);
    if (is_full(fd, file, (size_t)offset + n)) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t written = next(fd, bytes, n, offset);
    if (written > 0) note(SHIM_WRITE, file, (size_t)offset, (size_t)written, bytes);
    return written;
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t offset);
ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t offset) {
    return write_at(fd, bytes, n, offset);
}

EXPORT ssize_t write(int fd, const void *bytes, size_t n) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) *(void **)&next = real("write");
    int file = shim_log.folder[0] ? file_of_fd(fd) : -1;
    off_t offset = file >= 0 ? lseek(fd, 0, SEEK_CUR) : 0;
    if (is_full(fd, file, (size_t)offset + n)) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t written = next(fd, bytes, n);
    if (written > 0) note(SHIM_WRITE, file, (size_t)offset, (size_t)written, bytes);
    return written;
}

static int sync_fd(int fd, const char *name) {
    int (*next)(int);
    *(void **)&next = real(name);
    int file = file_of_fd(fd);
    if (shim_fault.syncs_until_eio >= 0 && file >= 0) {
        if (shim_fault.syncs_until_eio == 0) {
            errno = EIO;
            return -1;
        }
        shim_fault.syncs_until_eio--;
    }
    int status = next(fd);
    if (status == 0) note(SHIM_SYNC, file, 0, 0, NULL);
    return status;
}

EXPORT int fsync(int fd) {
    return sync_fd(fd, "fsync");
}

EXPORT int fdatasync(int fd) {
    return sync_fd(fd, "fdatasync");
}

EXPORT int ftruncate64(int fd, off_t length);
int ftruncate64(int fd, off_t length) {
    static int (*next)(int, off_t);
    if (!next) *(void **)&next = real("ftruncate64");
    int status = next(fd, length);
    if (status == 0) note(SHIM_TRUNCATE, file_of_fd(fd), 0, (size_t)length, NULL);
    return status;
}

EXPORT int unlink(const char *path) {
    static int (*next)(const char *);
    if (!next) *(void **)&next = real("unlink");
    int status = next(path);
    if (status == 0) note(SHIM_UNLINK, file_of_path(path), 0, 0, NULL);
    return status;
}
