/* kill -9 at random points while a child adds, replaces and deletes documents and tells over a pipe
 * what was committed. After each kill: the index opens, is whole, and holds exactly the
 * transactions that were told of, or one more (committed, not yet told).
 * FONTE_CRASH_ROUNDS: rounds (default 100, some 0.1 s each). */
#include "crash_workload.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static Err err;

static int fail(const char *what, unsigned round) {
    fprintf(stderr, "round %u: %s: %s (index left in %s)\n", round, what, err.text, fixture_folder);
    return 1;
}

/* Never returns: commits and tells until it is killed. */
static void child(int pipe_out, uint32_t t) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Store *store;
    if (store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err) != STATUS_OK) {
        fprintf(stderr, "child: %s\n", err.text);
        _exit(1);
    }
    for (;; t++) {
        if (workload_run(store, t, &err) != STATUS_OK) {
            fprintf(stderr, "child, transaction %u: %s\n", t, err.text);
            _exit(1);
        }
        if (write(pipe_out, &t, sizeof t) != sizeof t) _exit(1);
        if (t % 16 == 0 && store_checkpoint(store, &err) != STATUS_OK) _exit(1);
    }
}

/* Kill a child after some time; *ret_told = the last transaction that it told of. */
static bool kill_one(uint32_t first, unsigned after_us, uint32_t *ret_told) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
        close(ends[0]);
        child(ends[1], first);
    }
    close(ends[1]);
    struct timespec pause = { 0, (long)after_us * 1000 };
    nanosleep(&pause, NULL);
    kill(pid, SIGKILL);
    uint32_t t, told = first - 1;
    while (read(ends[0], &t, sizeof t) == sizeof t) told = t;
    close(ends[0]);
    int status;
    waitpid(pid, &status, 0);
    *ret_told = told;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int main(void) {
    const char *setting = getenv("FONTE_CRASH_ROUNDS");
    unsigned rounds = setting && *setting ? (unsigned)strtoul(setting, NULL, 10) : 100;
    uint64_t x = (uint64_t)clock_us();
    printf("seed %llu\n", (unsigned long long)x);
    if (!mkdtemp(fixture_folder)) return 1;
    uint32_t done = 0;
    for (unsigned round = 0; round < rounds; round++) {
        x = workload_mix(x + round);
        uint32_t told, length;
        if (!kill_one(done + 1, 500 + (unsigned)(x % 60000), &told)) {
            return fail("the child ended by itself", round);
        }
        Store *store;
        if (store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err) != STATUS_OK) {
            return fail("open", round);
        }
        if (workload_length(store, &length, &err) != STATUS_OK) return fail("counts", round);
        if (length != told && length != told + 1) {
            err_set(&err, STATUS_DAMAGED, "told of %u transactions, %u are there", told, length);
            return fail("lost", round);
        }
        if (workload_check(store, length, &err) != STATUS_OK) return fail("check", round);
        done = length;
        store = store_close(store);
    }
    printf("%u kills, %u transactions, none lost\n", rounds, done);
    fixture_drop();
    return done ? 0 : 1;
}
