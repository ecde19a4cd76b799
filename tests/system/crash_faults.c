/* A disk that fails: fsync that answers EIO, a disk that is full at the n-th write (for every n
 * until a transaction passes), a small file system that is really full. What fails is reported as
 * what it is and nothing of it is told of; what was told of before stays; afterwards adding works
 * again. Exit status 77 where all but the real file system could be tried. */
#include "crash_shim.h"
#include "crash_workload.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

static Err err;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, err.text);                  \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

static bool open_store(const char *folder, Store **ret) {
    EXPECT(store_open(folder, STORE_WRITE, &fixture_options, ret, &err) == STATUS_OK);
    return true;
}

/* Whole, and exactly t transactions long, as it is and opened anew. */
static bool holds(Store **store, const char *folder, uint32_t t) {
    uint32_t length = 0;
    for (int anew = 0; anew < 2; anew++) {
        EXPECT(workload_length(*store, &length, &err) == STATUS_OK);
        err_set(&err, STATUS_DAMAGED, "%u transactions, not %u", length, t);
        EXPECT(length == t);
        EXPECT(workload_check(*store, t, &err) == STATUS_OK);
        if (anew) return true;
        *store = store_close(*store);
        if (!open_store(folder, store)) return false;
    }
    return true;
}

/* A commit whose fsync fails is not told of; it may be there after a crash, so only what the
 * process itself sees is checked, and that the next commit is durable. */
static bool failed_fsync_is_reported(const char *folder) {
    Store *store;
    if (!open_store(folder, &store)) return false;
    for (uint32_t t = 1; t <= 5; t++) EXPECT(workload_run(store, t, &err) == STATUS_OK);
    shim_start(folder);
    for (int twice = 0; twice < 2; twice++) {
        shim_fault.syncs_until_eio = 0;
        Status status = workload_run(store, 6, &err);
        shim_fault.syncs_until_eio = -1;
        EXPECT(status == STATUS_IO);
        EXPECT(strstr(err.text, "SQLite"));
        uint32_t length = 0;
        EXPECT(workload_length(store, &length, &err) == STATUS_OK);
        EXPECT(length == 5);
    }
    EXPECT(workload_run(store, 6, &err) == STATUS_OK);
    bool ok = holds(&store, folder, 6);
    store_close(store);
    return ok;
}

/* The n-th write that needs room finds none, for n = 0, 1, 2 ... */
static bool full_at_any_write(const char *folder) {
    Store *store;
    if (!open_store(folder, &store)) return false;
    shim_start(folder);
    uint32_t t = 1;
    for (; t <= 3; t++) EXPECT(workload_run(store, t, &err) == STATUS_OK);
    unsigned refused = 0, passed_in_a_row = 0;
    for (long n = 0; passed_in_a_row < 3; n++) {
        shim_fault.writes_until_enospc = n;
        Status status = workload_run(store, t, &err);
        shim_fault.writes_until_enospc = -1;
        EXPECT(status == STATUS_OK || status == STATUS_NO_SPACE);
        if (status == STATUS_OK) {
            passed_in_a_row++;
        } else {
            passed_in_a_row = 0;
            refused++;
            if (n % 8 == 0 && !holds(&store, folder, t - 1)) return false;
            EXPECT(workload_run(store, t, &err) == STATUS_OK);
        }
        t++;
        EXPECT(n < 2000);
    }
    EXPECT(refused > 3);
    bool ok = holds(&store, folder, t - 1);
    store_close(store);
    printf("full disk: refused at %u different writes\n", refused);
    return ok;
}

/* ---- a real one ---- */

static bool fill_up(const char *folder, const char *ballast) {
    Store *store;
    if (!open_store(folder, &store)) return false;
    uint32_t t = 1;
    Status status = STATUS_OK;
    for (; t < 5000; t++) {
        status = workload_run(store, t, &err);
        if (status != STATUS_OK) break;
        if (t % 16 == 0 && store_checkpoint(store, &err) == STATUS_NO_SPACE) break;
    }
    uint32_t told = status == STATUS_OK ? t : t - 1;
    EXPECT(told > 5 && told < 4999);
    EXPECT(err.status == STATUS_NO_SPACE);
    uint32_t length = 0;
    EXPECT(workload_length(store, &length, &err) == STATUS_OK && length == told);
    EXPECT(workload_check(store, told, &err) == STATUS_OK);
    EXPECT(remove(ballast) == 0); /* room is made */
    for (t = told + 1; t < told + 6; t++) EXPECT(workload_run(store, t, &err) == STATUS_OK);
    bool ok = holds(&store, folder, told + 5);
    store_close(store);
    printf("full file system: refused after %u transactions\n", told);
    return ok;
}

/* In a mount namespace of the child's own. 0 ok, 1 failed, 77 not possible here. */
static int on_small_file_system(void) {
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return 77;
    if (mount("tmpfs", fixture_folder, "tmpfs", 0, "size=6m,mode=700") != 0) return 77;
    char folder[96], ballast[96];
    snprintf(folder, sizeof folder, "%s/index", fixture_folder);
    snprintf(ballast, sizeof ballast, "%s/ballast", fixture_folder);
    FILE *f = fopen(ballast, "wb");
    for (int i = 0; f && i < 3 << 20; i++) fputc('x', f);
    if (!f || fclose(f) != 0) return 1;
    return fill_up(folder, ballast) ? 0 : 1;
}

int main(void) {
    if (!mkdtemp(fixture_folder)) return 1;
    char folder[96];
    snprintf(folder, sizeof folder, "%s/sync", fixture_folder);
    bool ok = failed_fsync_is_reported(folder);
    snprintf(folder, sizeof folder, "%s/full", fixture_folder);
    ok = ok && full_at_any_write(folder);
    shim_log.on = false;
    shim_log.folder[0] = '\0';
    free(shim_log.events);
    buf_deinit(&shim_log.data);
    fflush(stdout);
    pid_t pid = ok ? fork() : -1;
    if (pid == 0) exit(on_small_file_system());
    int status = 0;
    if (pid > 0) waitpid(pid, &status, 0);
    fixture_drop();
    if (!ok || pid < 0 || !WIFEXITED(status)) return 1;
    if (WEXITSTATUS(status) == 77) printf("SKIP small file system: no right to mount one\n");
    return WEXITSTATUS(status);
}
