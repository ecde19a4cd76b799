#include "gguf/map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static Status map_descriptor(int fd, const char *path, GgufMap *ret, Err *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return err_set_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode)) return err_set(err, STATUS_INVALID, "%s: not a regular file", path);
    if ((uint64_t)st.st_size > SIZE_MAX) {
        return err_set(err, STATUS_TOO_LARGE, "%s: too large to map", path);
    }
    void *p = NULL;
    if (st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) return err_set_errno(err, errno, "%s: mmap", path);
        /* A hint, refused by some systems: what is not cached yet is read in large pieces. */
        (void)madvise(p, (size_t)st.st_size, MADV_HUGEPAGE);
    }
    *ret = (GgufMap){ p, (size_t)st.st_size, fd, st.st_mtim.tv_sec, st.st_mtim.tv_nsec };
    return STATUS_OK;
}

Status gguf_map_open(const char *path, GgufMap *ret, Err *err) {
    /* non-blocking: a FIFO in the place of a model must not hang the caller */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return err_set_errno(err, errno, "%s", path);
    Status status = map_descriptor(fd, path, ret, err);
    if (status != STATUS_OK) close(fd);
    return status;
}

void gguf_map_close(GgufMap *map) {
    if (map->fd < 0) return;
    if (map->p) munmap((void *)map->p, map->n);
    close(map->fd);
    *map = GGUF_MAP_NULL;
}

Status gguf_map_check_unchanged(const GgufMap *map, const char *path, Err *err) {
    if (map->fd < 0) return STATUS_OK;
    struct stat st;
    if (fstat(map->fd, &st) != 0) return err_set_errno(err, errno, "%s", path);
    if ((uint64_t)st.st_size != map->n) {
        return err_set(err, STATUS_DAMAGED, "%s: had %zu bytes when it was opened and has %lld now",
                       path, map->n, (long long)st.st_size);
    }
    if (st.st_mtim.tv_sec != map->mtime_s || st.st_mtim.tv_nsec != map->mtime_ns) {
        return err_set(err, STATUS_DAMAGED, "%s: written to since it was opened", path);
    }
    return STATUS_OK;
}
